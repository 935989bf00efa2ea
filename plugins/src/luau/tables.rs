//! The table that a plugin gets as `request`. Each field is declared once, here, with the type and the words that
//! `foretype.d.luau` shows.

use mlua::{Lua, Table, Value};

use crate::request::{Request, Trigger};
use crate::window::floor;

/// Bytes of the document on each side of the cursor that stand in the table; `foretype.text()` gives all of it.
const AROUND: usize = 16 << 10;

/// A field of the table.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) about: &'static str,
    value: fn(&Lua, &Request) -> mlua::Result<Value>,
}

pub(super) const FIELDS: &[Field] = &[
    Field {
        name: "task",
        kind: "\"fill\" | \"docstring\" | \"ask\"",
        about: "What the model is asked for: a suggestion at the cursor, the docstring of the item at the cursor, or an answer.",
        value: |lua, request| string(lua, request.task.name()),
    },
    Field {
        name: "question",
        kind: "string?",
        about: "The question, where the task is \"ask\".",
        value: |lua, request| request.question.as_deref().map_or(Ok(Value::Nil), |text| string(lua, text)),
    },
    Field {
        name: "path",
        kind: "string",
        about: "The document's path relative to the workspace, with /.",
        value: |lua, request| string(lua, &request.document.path),
    },
    Field {
        name: "language",
        kind: "string",
        about: "Its language, by its LSP id: \"rust\", \"python\", \"typescript\".",
        value: |lua, request| string(lua, request.document.language.id()),
    },
    Field {
        name: "line",
        kind: "number",
        about: "The line of the cursor, counted from 1.",
        value: |_, request| Ok(Value::Number((request.before().matches('\n').count() + 1) as f64)),
    },
    Field {
        name: "before",
        kind: "string",
        about: "The text left of the cursor, at most the last 16 KB of it.",
        value: |lua, request| {
            let before = request.before();
            string(lua, &before[floor(before, before.len().saturating_sub(AROUND))..])
        },
    },
    Field {
        name: "after",
        kind: "string",
        about: "The text right of the cursor, at most the first 16 KB of it.",
        value: |lua, request| string(lua, &request.after()[..floor(request.after(), AROUND)]),
    },
    Field {
        name: "invoked",
        kind: "boolean",
        about: "Whether the user asked, rather than typed.",
        value: |_, request| Ok(Value::Boolean(request.trigger == Trigger::Invoked)),
    },
    Field {
        name: "repository",
        kind: "string?",
        about: "The name of the workspace folder.",
        value: |lua, request| request.repository.as_deref().map_or(Ok(Value::Nil), |name| string(lua, name)),
    },
    Field {
        name: "open_files",
        kind: "{ string }",
        about: "Paths of the other open documents, the most recently used first.",
        value: |lua, request| {
            let paths = request.open_files.iter().map(|file| file.path.as_str());
            lua.create_sequence_from(paths).map(Value::Table)
        },
    },
    Field {
        name: "recent_edits",
        kind: "{ { path: string, text: string } }",
        about: "What was changed lately in any file, the oldest first.",
        value: |lua, request| {
            let list = lua.create_table()?;
            for (at, edit) in request.recent_edits.iter().enumerate() {
                let entry = lua.create_table()?;
                entry.raw_set("path", edit.path.as_str())?;
                entry.raw_set("text", edit.text.as_str())?;
                list.raw_set(at + 1, entry)?;
            }
            Ok(Value::Table(list))
        },
    },
];

/// The request as a plugin sees it.
pub(super) fn request(lua: &Lua, request: &Request) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, FIELDS.len())?;
    for field in FIELDS {
        table.raw_set(field.name, (field.value)(lua, request)?)?;
    }
    Ok(table)
}

fn string(lua: &Lua, text: &str) -> mlua::Result<Value> {
    lua.create_string(text).map(Value::String)
}
