//! `foretype.definitions`, `foretype.references`, `foretype.search` and `foretype.git`: the index and the git status of
//! the workspace.

use std::sync::Arc;

use mlua::{Lua, Table};

use super::host::{CurrentRequest, HostContext};
use crate::Request;
use crate::symbol_index::path_distance;

/// Paths that one listing returns.
pub(super) const MAX_LISTED_FILES: usize = 1000;
/// Files that are read for the references of one name.
const MAX_REFERENCE_FILES: usize = 20;
/// References of one name.
const MAX_REFERENCES: usize = 100;
/// Bytes of a line that is returned.
const MAX_LINE_BYTES: usize = 200;
/// Bytes of the words of a search.
const MAX_SEARCH_BYTES: usize = 1000;
/// Pieces that a search returns.
const MAX_SEARCH_HITS: usize = 20;

/// Returns the definitions of a name in the workspace.
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

/// Returns the lines that contain a name, those of the document first, then those of the nearest files.
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
        // The file may have changed or become unreadable since it was indexed.
        if let Some(text) = host.workspace.read(&path) {
            push_matching_lines(lua, &list, &path, &text, name)?;
        }
    }
    Ok(list)
}

/// Returns the other files that mention a name, the nearest first.
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

/// Returns true if a line contains a name as a whole word.
fn contains_word(line: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !name.is_empty()
        && line
            .match_indices(name)
            .any(|(at, _)| !word(line[..at].chars().next_back()) && !word(line[at + name.len()..].chars().next()))
}

/// Returns the pieces of the workspace that match words best.
pub(super) fn search(lua: &Lua, host: &HostContext, words: &str, limit: Option<usize>) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let limit = limit.unwrap_or(MAX_SEARCH_HITS).min(MAX_SEARCH_HITS);
    for hit in host.workspace.search(&words[..words.floor_char_boundary(MAX_SEARCH_BYTES)], limit) {
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

/// Returns the git status of the workspace; `None` if it is unknown.
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
