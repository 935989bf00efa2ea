//! `foretype.builtin` and `foretype.trimmed`: the results of the built-in that a plugin replaces.

use mlua::{Lua, LuaString, Table};

use super::host::CurrentRequest;
use crate::{context, finish};

/// Returns the snippets of the context source with this name.
pub(super) fn snippets(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let current = lua.app_data_ref::<CurrentRequest>();
    let found = match (current.as_deref(), context::find_source(name)) {
        (Some(CurrentRequest(Some(request))), Some(source)) => source.collect_alone(request),
        _ => Vec::new(),
    };
    let list = lua.create_table()?;
    for snippet in found {
        let entry = lua.create_table()?;
        entry.raw_set("path", snippet.path)?;
        entry.raw_set("text", snippet.text)?;
        list.raw_push(entry)?;
    }
    Ok(list)
}

/// Returns the part of a text that the finishing rule with this name keeps.
pub(super) fn trimmed(lua: &Lua, name: &str, text: &LuaString) -> mlua::Result<LuaString> {
    let current = lua.app_data_ref::<CurrentRequest>();
    let whole = text.to_string_lossy();
    let kept = match current.as_deref() {
        Some(CurrentRequest(Some(request))) => finish::trim_by_rule(name, request, &whole),
        _ => None,
    };
    kept.map_or_else(|| Ok(text.clone()), |kept| lua.create_string(kept))
}
