//! `foretype.query`: a tree-sitter query on the document with the cursor or on a file of the workspace.

use std::ops::ControlFlow;

use mlua::{Lua, Table};
use tree_sitter::{Query, QueryCaptures, QueryCursor, QueryCursorOptions, QueryCursorState, StreamingIterator, Tree};

use super::host::{CurrentRequest, HostContext};
use crate::{Language, syntax};

/// Bytes of a query, whose compilation cannot be interrupted.
const MAX_QUERY_BYTES: usize = 2048;
/// Simultaneous match states of a query. Beyond them it misses matches.
const MAX_MATCH_STATES: u32 = 256;
/// Captures of one query.
const MAX_CAPTURES: usize = 1000;
/// Bytes of the texts of all captures.
const MAX_CAPTURED_BYTES: usize = 256 << 10;

/// Text that a query runs on.
struct QueryTarget {
    language: Language,
    text: std::sync::Arc<str>,
    tree: Tree,
}

/// Returns the captures of a query in the order of the text; `None` if the file must not be read or its language has no
/// grammar.
pub(super) fn query(lua: &Lua, host: &HostContext, query: &str, path: Option<&str>) -> mlua::Result<Option<Table>> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(mlua::Error::runtime(format!("a query has at most {MAX_QUERY_BYTES} bytes")));
    }
    let target = match path {
        Some(path) => of_file(host, path),
        None => of_document(lua, host),
    };
    host.deadline.check()?;
    let Some(target) = target else { return Ok(None) };
    let Some(grammar) = target.language.grammar() else { return Ok(None) };
    let wrong = |error: tree_sitter::QueryError| mlua::Error::runtime(format!("the query is wrong: {error}"));
    let query = Query::new(&grammar, query).map_err(wrong)?;
    let list = captures(lua, host, &query, &target)?;
    host.deadline.check()?;
    Ok(Some(list))
}

fn of_document(lua: &Lua, host: &HostContext) -> Option<QueryTarget> {
    let current = lua.app_data_ref::<CurrentRequest>();
    let document = match current.as_deref() {
        Some(CurrentRequest(Some(request))) => request.document.clone(),
        _ => return None,
    };
    let parse = || syntax::parse_within(document.language, &document.text, None, host.deadline.remaining());
    let tree = document.tree.clone().or_else(parse)?;
    Some(QueryTarget { language: document.language, text: document.text.clone(), tree })
}

fn of_file(host: &HostContext, path: &str) -> Option<QueryTarget> {
    let (language, text) = (Language::from_path(path), host.workspace.read(path)?);
    let tree = syntax::parse_within(language, &text, None, host.deadline.remaining())?;
    Some(QueryTarget { language, text: text.into(), tree })
}

fn captures(lua: &Lua, host: &HostContext, query: &Query, target: &QueryTarget) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let mut progress = |_: &QueryCursorState| match host.deadline.check() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let mut cursor = QueryCursor::new();
    cursor.set_match_limit(MAX_MATCH_STATES);
    let options = QueryCursorOptions::new().progress_callback(&mut progress);
    let bytes = target.text.as_bytes();
    let mut found: QueryCaptures<'_, '_, '_, _, _> =
        cursor.captures_with_options(query, target.tree.root_node(), bytes, options);
    let mut bytes_left = MAX_CAPTURED_BYTES;
    while let Some((hit, at)) = found.next() {
        let capture = hit.captures()[*at];
        let text = target.text.get(capture.node.byte_range()).unwrap_or_default();
        if text.len() > bytes_left || list.raw_len() >= MAX_CAPTURES {
            break;
        }
        bytes_left -= text.len();
        let entry = lua.create_table()?;
        entry.raw_set("name", query.capture_names()[capture.index as usize])?;
        entry.raw_set("text", text)?;
        entry.raw_set("line", capture.node.start_position().row + 1)?;
        list.raw_push(entry)?;
    }
    Ok(list)
}
