//! `foretype.definitions`, `foretype.references`, `foretype.search` and `foretype.git`: what is known of the workspace beside its files.

use std::sync::Arc;

use mlua::{Lua, Table};

use super::api::{CurrentRequest, HostContext, MAX_LISTED_FILES};
use crate::Request;
use crate::symbol_index::path_distance;

/// Files that are read for the references of one name.
const MAX_REFERENCE_FILES: usize = 20;
/// References of one name.
const MAX_REFERENCES: usize = 100;
/// Bytes of a line.
const MAX_LINE_BYTES: usize = 200;
/// Bytes of the words that are searched for.
const MAX_SEARCH_BYTES: usize = 1000;
/// Pieces that a search gives at the most.
const MAX_SEARCH_HITS: usize = 20;

/// Where the workspace defines a name.
pub(super) fn definitions(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let current = lua.app_data_ref::<CurrentRequest>();
    let found = match current.as_deref() {
        Some(CurrentRequest(Some(request))) => request.symbols.definitions(name),
        _ => Vec::new(),
    };
    let list = lua.create_table()?;
    for definition in found.iter().take(MAX_LISTED_FILES) {
        let entry = lua.create_table()?;
        entry.raw_set("path", &*definition.path)?;
        entry.raw_set("text", definition.signature.as_str())?;
        list.raw_push(entry)?;
    }
    Ok(list)
}

/// The lines that name something, those of the document first, then those of the nearest files.
pub(super) fn references(lua: &Lua, host: &HostContext, name: &str) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let current = lua.app_data_ref::<CurrentRequest>();
    let Some(CurrentRequest(Some(request))) = current.as_deref() else { return Ok(list) };
    if name.len() > MAX_LINE_BYTES {
        return Ok(list);
    }
    let own = &request.document.path;
    push_matching_lines(lua, &list, own, &request.document.text, name)?;
    for path in nearest_mentions(request, name) {
        host.deadline.check()?;
        if list.raw_len() >= MAX_REFERENCES {
            break;
        }
        // The file may have changed since it was indexed, or may not be read any more.
        if let Some(text) = host.workspace.read(&path) {
            push_matching_lines(lua, &list, &path, &text, name)?;
        }
    }
    Ok(list)
}

/// The other files that name something, the nearest first.
fn nearest_mentions(request: &Request, name: &str) -> Vec<Arc<str>> {
    let own = &request.document.path;
    let mut paths = request.symbols.files_mentioning(name);
    paths.retain(|path| **path != **own);
    paths.sort_by_cached_key(|path| (path_distance(path, own), path.clone()));
    paths.truncate(MAX_REFERENCE_FILES);
    paths
}

fn push_matching_lines(lua: &Lua, list: &Table, path: &str, text: &str, name: &str) -> mlua::Result<()> {
    for (at, line) in text.lines().enumerate().filter(|(_, line)| contains_word(line, name)) {
        if list.raw_len() >= MAX_REFERENCES {
            break;
        }
        let entry = lua.create_table()?;
        entry.raw_set("path", path)?;
        entry.raw_set("line", at + 1)?;
        entry.raw_set("text", &line[..line.floor_char_boundary(MAX_LINE_BYTES)])?;
        list.raw_push(entry)?;
    }
    Ok(())
}

/// Whether a name stands in a line as a whole word.
fn contains_word(line: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !name.is_empty()
        && line
            .match_indices(name)
            .any(|(at, _)| !word(line[..at].chars().next_back()) && !word(line[at + name.len()..].chars().next()))
}

/// The pieces of the workspace that fit words best.
pub(super) fn search(lua: &Lua, host: &HostContext, words: &str, most: Option<usize>) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let most = most.unwrap_or(MAX_SEARCH_HITS).min(MAX_SEARCH_HITS);
    for hit in host.workspace.search(&words[..words.floor_char_boundary(MAX_SEARCH_BYTES)], most) {
        host.deadline.check()?;
        let Some(text) = hit.text.get(hit.range.clone()) else { continue };
        let entry = lua.create_table()?;
        entry.raw_set("path", hit.path.as_str())?;
        entry.raw_set("line", hit.text[..hit.range.start].matches('\n').count() + 1)?;
        entry.raw_set("text", text)?;
        entry.raw_set("score", hit.score)?;
        list.raw_push(entry)?;
    }
    Ok(list)
}

/// What git says of the workspace; `None` if that is not known.
pub(super) fn git(lua: &Lua, host: &HostContext) -> mlua::Result<Option<Table>> {
    let Some(git) = host.workspace.git(host.max_wait) else { return Ok(None) };
    let table = lua.create_table()?;
    table.raw_set("branch", git.branch.as_deref())?;
    table.raw_set("recent", lua.create_sequence_from(git.recent_files.iter().map(String::as_str))?)?;
    let staged = lua.create_table()?;
    for (path, diff) in &git.staged {
        let entry = lua.create_table()?;
        entry.raw_set("path", path.as_str())?;
        entry.raw_set("text", diff.as_str())?;
        staged.raw_push(entry)?;
    }
    table.raw_set("staged", staged)?;
    Ok(Some(table))
}
