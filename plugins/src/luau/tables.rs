//! Tables that a plugin gets as `request` and, for a prompt, as `window`. Each field is declared once, here, with the
//! type and the description that `foretype.d.luau` shows.

use mlua::{Lua, Table, Value};

use crate::prompt::Window;
use crate::request::{Request, Trigger};
use crate::{PartSource, Snippet};

/// Bytes of the document on each side of the cursor in the table; `foretype.text()` returns the whole text.
const MAX_SIDE_BYTES: usize = 16 << 10;

/// Field of a table that describes a `T`.
pub(super) struct TableField<T> {
    /// Name.
    pub(super) name: &'static str,
    /// Type, as Luau writes it.
    pub(super) luau_type: &'static str,
    /// Description for `foretype.d.luau`.
    pub(super) description: &'static str,
    value: fn(&Lua, &T) -> mlua::Result<Value>,
}

/// Fields of `request`.
pub(super) const REQUEST_FIELDS: &[TableField<Request>] = &[
    TableField {
        name: "task",
        luau_type: "\"fill\" | \"docstring\" | \"ask\" | \"translate\" | \"edit\" | \"generate\"",
        description: "Task of the model: a suggestion at the cursor, the docstring of the item at the cursor, an answer, code in \
                      another language, changed lines, or the code for a comment or a signature.",
        value: |lua, request| string(lua, request.task.name()),
    },
    TableField {
        name: "question",
        luau_type: "string?",
        description: "The question, the instruction of an edit, or the LSP id of the language that is translated into.",
        value: |lua, request| request.question.as_deref().map_or(Ok(Value::Nil), |text| string(lua, text)),
    },
    TableField {
        name: "path",
        luau_type: "string",
        description: "Path of the document relative to the workspace, with /.",
        value: |lua, request| string(lua, &request.document.path),
    },
    TableField {
        name: "language",
        luau_type: "string",
        description: "LSP id of its language: \"rust\", \"python\", \"typescript\".",
        value: |lua, request| string(lua, request.document.language.lsp_id()),
    },
    TableField {
        name: "line",
        luau_type: "number",
        description: "Line of the cursor, from 1.",
        value: |_, request| Ok(Value::Number((request.prefix().matches('\n').count() + 1) as f64)),
    },
    TableField {
        name: "before",
        luau_type: "string",
        description: "Text before the cursor, at most the last 16 KB of it.",
        value: |lua, request| {
            let before = request.prefix();
            string(lua, &before[before.floor_char_boundary(before.len().saturating_sub(MAX_SIDE_BYTES))..])
        },
    },
    TableField {
        name: "after",
        luau_type: "string",
        description: "Text after the cursor, at most the first 16 KB of it.",
        value: |lua, request| string(lua, &request.suffix()[..request.suffix().floor_char_boundary(MAX_SIDE_BYTES)]),
    },
    TableField {
        name: "invoked",
        luau_type: "boolean",
        description: "True if the user requested a suggestion, false if the user typed.",
        value: |_, request| Ok(Value::Boolean(request.trigger == Trigger::Invoked)),
    },
    TableField {
        name: "format",
        luau_type: "string?",
        description: "Built-in fill-in-the-middle format of the model, such as \"starcoder2\"; nil for none.",
        value: |lua, request| request.format.map_or(Ok(Value::Nil), |format| string(lua, format.name)),
    },
    TableField {
        name: "repository",
        luau_type: "string?",
        description: "Name of the workspace folder.",
        value: |lua, request| request.repository.as_deref().map_or(Ok(Value::Nil), |name| string(lua, name)),
    },
    TableField {
        name: "open_files",
        luau_type: "{ string }",
        description: "Paths of the other open documents, the most recently used first.",
        value: |lua, request| {
            let paths = request.open_files.iter().map(|file| file.path.as_str());
            lua.create_sequence_from(paths).map(Value::Table)
        },
    },
    TableField {
        name: "recent_edits",
        luau_type: "{ { path: string, text: string } }",
        description: "Recent edits in any file, the oldest first.",
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

/// Contents of a prompt: a new window and its snippets.
pub(super) struct PromptView {
    pub(super) window: Window,
    pub(super) snippets: Vec<Snippet>,
}

/// Fields of `window`.
pub(super) const WINDOW_FIELDS: &[TableField<PromptView>] = &[
    TableField {
        name: "before",
        luau_type: "string",
        description: "Text of the document before the anchor, the position where typing began: whole lines.",
        value: |lua, view| string(lua, &view.window.prefix),
    },
    TableField {
        name: "after",
        luau_type: "string",
        description: "Text after the cursor, without closing brackets and quotes that the editor inserted.",
        value: |lua, view| string(lua, &view.window.suffix),
    },
    TableField {
        name: "above",
        luau_type: "string",
        description: "Imports of the document and heads of the blocks around the cursor that lie above `before`.",
        value: |lua, view| string(lua, &header_text(&view.window)),
    },
    TableField {
        name: "snippets",
        luau_type: "{ { path: string, text: string, why: string } }",
        description: "Snippets from elsewhere within the budget, in the order of the prompt. why is a plugin's name, \
                      \"definition\" or the like.",
        value: |lua, view| {
            let snippets = view.snippets.iter().map(|snippet| {
                let entry = lua.create_table()?;
                entry.raw_set("path", snippet.path.as_str())?;
                entry.raw_set("text", snippet.text.as_str())?;
                entry.raw_set("why", snippet.origin.as_str())?;
                Ok(entry)
            });
            lua.create_sequence_from(snippets.collect::<mlua::Result<Vec<_>>>()?).map(Value::Table)
        },
    },
];

/// Returns the parts of the header that come from the document itself.
fn header_text(window: &Window) -> String {
    let own = window.header.iter().filter(|part| matches!(part.source, PartSource::Imports | PartSource::Enclosing));
    own.filter_map(|part| part.content.text()).collect()
}

/// Returns the table of a request.
pub(super) fn request_table(lua: &Lua, request: &Request) -> mlua::Result<Table> {
    table(lua, REQUEST_FIELDS, request)
}

/// Returns the table of a window.
pub(super) fn window_table(lua: &Lua, view: &PromptView) -> mlua::Result<Table> {
    table(lua, WINDOW_FIELDS, view)
}

fn table<T>(lua: &Lua, fields: &[TableField<T>], of: &T) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, fields.len())?;
    for field in fields {
        table.raw_set(field.name, (field.value)(lua, of)?)?;
    }
    Ok(table)
}

fn string(lua: &Lua, text: &str) -> mlua::Result<Value> {
    lua.create_string(text).map(Value::String)
}
