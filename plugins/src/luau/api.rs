//! The global `foretype`, which plugins call. Each function is declared once, here, with the type and the description
//! that `foretype.d.luau` shows.

use mlua::{Function, Lua, Value};

use super::host::{CurrentRequest, HostContext, MAX_LOG_LINE_BYTES};
use super::option_value::OptionValue;
use super::workspace_api::MAX_LISTED_FILES;
use super::{builtin_api, query_api, workspace_api};
use crate::request::BYTES_PER_TOKEN;

/// Bytes of the longest text whose tokens are counted exactly, which takes about a millisecond.
const MAX_COUNTED_BYTES: usize = 16 << 10;
/// Bytes of an unknown name that a message quotes.
const MAX_QUOTED_NAME_BYTES: usize = 40;

/// Function of the global `foretype`.
pub(super) struct ApiFunction {
    /// Name.
    pub(super) name: &'static str,
    /// Type, as Luau writes it.
    pub(super) luau_type: &'static str,
    /// Description for `foretype.d.luau`.
    pub(super) description: &'static str,
    create: fn(&Lua, HostContext) -> mlua::Result<Function>,
}

/// All functions of the global `foretype`.
pub(super) const FUNCTIONS: &[ApiFunction] = &[
    ApiFunction {
        name: "read",
        luau_type: "(path: string) -> string?",
        description: "Returns the text of a file by its path relative to the workspace. nil if it is missing \
                      or must not be read: ignored by git, excluded, containing secrets, too large, or outside \
                      the workspace.",
        create: |lua, host| {
            lua.create_function(move |lua, path: String| {
                host.deadline.check()?;
                host.workspace.read(&path).map(|text| lua.create_string(text)).transpose()
            })
        },
    },
    ApiFunction {
        name: "files",
        luau_type: "(glob: string) -> { string }",
        description: "Returns the paths of readable files that match a glob such as \"src/**/*.rs\", in order, \
                      at most 1000.",
        create: |lua, host| {
            lua.create_function(move |lua, glob: String| {
                host.deadline.check()?;
                lua.create_sequence_from(host.workspace.files(&glob, MAX_LISTED_FILES))
            })
        },
    },
    ApiFunction {
        name: "definitions",
        luau_type: "(name: string) -> { { path: string, text: string } }",
        description: "Returns the definitions of a name in the workspace: the file and the first lines of each.",
        create: |lua, _| lua.create_function(|lua, name: String| workspace_api::definitions(lua, &name)),
    },
    ApiFunction {
        name: "references",
        luau_type: "(name: string) -> { { path: string, line: number, text: string } }",
        description: "Returns the lines that contain a name as a whole word: those of the document, then those \
                      of the nearest readable files, at most 100 lines from 20 files.",
        create: |lua, host| {
            lua.create_function(move |lua, name: String| {
                host.deadline.check()?;
                workspace_api::references(lua, &host, &name)
            })
        },
    },
    ApiFunction {
        name: "search",
        luau_type: "(words: string, most: number?) -> { { path: string, line: number, text: string, score: number } }",
        description: "Returns the pieces of the workspace that match words best, such as functions that \
                      mention them, the best first, at most 20. The score is BM25: compare it with that of the \
                      first. Empty until the workspace has been indexed, and if the option ask.search is off.",
        create: |lua, host| {
            lua.create_function(move |lua, (words, limit): (String, Option<usize>)| {
                host.deadline.check()?;
                workspace_api::search(lua, &host, &words, limit)
            })
        },
    },
    ApiFunction {
        name: "query",
        luau_type: "(query: string, path: string?) -> { { name: string, text: string, line: number } }?",
        description: "Returns the captures of a tree-sitter query in the document or in a file, in the order \
                      of the text: the name of each capture, its text and its first line, at most 1000. nil if \
                      the file must not be read or its language has no grammar. A query has at most 2 KB.",
        create: |lua, host| {
            lua.create_function(move |lua, (pattern, path): (String, Option<String>)| {
                host.deadline.check()?;
                query_api::query(lua, &host, &pattern, path.as_deref())
            })
        },
    },
    ApiFunction {
        name: "git",
        luau_type: "() -> { branch: string?, staged: { { path: string, text: string } }, recent: { string } }?",
        description: "Returns the git status, at most a few seconds old: the branch, the diff of each readable \
                      staged file, and the files of the last commits, the latest first. nil outside a \
                      repository and until git has answered.",
        create: |lua, host| {
            lua.create_function(move |lua, ()| {
                host.deadline.check()?;
                workspace_api::git(lua, &host)
            })
        },
    },
    ApiFunction {
        name: "text",
        luau_type: "() -> string",
        description: "Returns the whole text of the document with the cursor.",
        create: |lua, _| {
            lua.create_function(|lua, ()| match lua.app_data_ref::<CurrentRequest>().as_deref() {
                Some(CurrentRequest(Some(request))) => lua.create_string(&*request.document.text),
                _ => lua.create_string(""),
            })
        },
    },
    ApiFunction {
        name: "tokens",
        luau_type: "(text: string) -> number",
        description: "Returns the number of tokens of a text: counted by the model up to 16 KB, else estimated.",
        create: |lua, host| {
            lua.create_function(move |lua, text: mlua::LuaString| {
                host.deadline.check()?;
                Ok(count_tokens(lua, &text))
            })
        },
    },
    ApiFunction {
        name: "builtin",
        luau_type: "() -> { { path: string, text: string } }",
        description: "Returns the snippets of the built-in context source that the plugin replaces, which has \
                      the plugin's name. Empty if there is no such source.",
        create: |lua, host| {
            lua.create_function(move |lua, ()| {
                host.deadline.check()?;
                builtin_api::snippets(lua, host.plugin_name())
            })
        },
    },
    ApiFunction {
        name: "trimmed",
        luau_type: "(text: string) -> string",
        description: "Returns the part of a suggestion that is kept by the built-in finishing rule that the \
                      plugin replaces, which has the plugin's name. All of it if there is no such rule.",
        create: |lua, host| {
            lua.create_function(move |lua, text: mlua::LuaString| {
                host.deadline.check()?;
                builtin_api::trimmed(lua, host.plugin_name(), &text)
            })
        },
    },
    ApiFunction {
        name: "special",
        luau_type: "(name: string) -> boolean",
        description: "Returns true if the model has a special token of exactly this name, such as \"<|fim_prefix|>\".",
        create: |lua, _| {
            lua.create_function(|lua, name: mlua::LuaString| match lua.app_data_ref::<CurrentRequest>().as_deref() {
                // Without a model, as in a dry run, every token is said to exist.
                Some(CurrentRequest(Some(request))) => Ok(request
                    .tokenizer
                    .as_ref()
                    .is_none_or(|tokenizer| tokenizer.has_special_token(&name.to_string_lossy()))),
                _ => Ok(false),
            })
        },
    },
    ApiFunction {
        name: "log",
        luau_type: "(message: string) -> ()",
        description: "Writes a line to Foretype's log at the level `info`. `print` does the same with any values.",
        create: |lua, host| lua.create_function(move |_, message: mlua::LuaString| host.log(&message.as_bytes())),
    },
];

/// Defines the globals `foretype` and `print` in a virtual machine that is not sealed yet.
pub(super) fn install(lua: &Lua, host: &HostContext, options: &[(String, OptionValue)]) -> mlua::Result<()> {
    let foretype = lua.create_table()?;
    for function in FUNCTIONS {
        foretype.raw_set(function.name, (function.create)(lua, host.clone())?)?;
    }
    let options_table = lua.create_table()?;
    for (name, value) in options {
        options_table.raw_set(name.as_str(), option_to_lua(lua, value)?)?;
    }
    options_table.set_readonly(true);
    foretype.raw_set("options", options_table)?;
    foretype.set_metatable(Some(unknown_name_metatable(lua)?))?;
    lua.globals().raw_set("foretype", foretype)?;
    let host = host.clone();
    let print = lua.create_function(move |_, values: mlua::Variadic<Value>| {
        let mut line = Vec::new();
        for (at, value) in values.iter().enumerate().take_while(|(at, _)| *at < MAX_LOG_LINE_BYTES) {
            if at > 0 {
                line.push(b'\t');
            }
            match value {
                // Bounds the line even if one long text is given many times.
                Value::String(text) => line.extend(text.as_bytes().iter().take(MAX_LOG_LINE_BYTES)),
                other => line.extend(other.to_string()?.bytes().take(MAX_LOG_LINE_BYTES)),
            }
        }
        host.log(&line)
    })?;
    lua.globals().raw_set("print", print)?;
    lua.set_app_data(CurrentRequest(None));
    Ok(())
}

/// Returns a metatable that fails on an unknown name and lists the known ones.
fn unknown_name_metatable(lua: &Lua) -> mlua::Result<mlua::Table> {
    let unknown = lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
        let name = name.as_string().map(|name| name.to_string_lossy()).unwrap_or_default();
        let known = FUNCTIONS.iter().map(|function| function.name).chain(["options"]).collect::<Vec<_>>();
        let name = &name[..name.floor_char_boundary(MAX_QUOTED_NAME_BYTES)];
        Err(mlua::Error::runtime(format!("foretype has no {name}: it has {}", known.join(", "))))
    })?;
    let table = lua.create_table()?;
    table.raw_set("__index", unknown)?;
    table.raw_set("__metatable", false)?;
    table.set_readonly(true);
    Ok(table)
}

fn option_to_lua(lua: &Lua, value: &OptionValue) -> mlua::Result<Value> {
    Ok(match value {
        OptionValue::Bool(value) => Value::Boolean(*value),
        OptionValue::Number(value) => Value::Number(*value),
        OptionValue::Text(text) => Value::String(lua.create_string(text)?),
        OptionValue::List(values) => {
            let values = values.iter().map(|value| option_to_lua(lua, value)).collect::<mlua::Result<Vec<_>>>()?;
            let list = lua.create_sequence_from(values)?;
            list.set_readonly(true);
            Value::Table(list)
        }
    })
}

fn count_tokens(lua: &Lua, text: &mlua::LuaString) -> usize {
    let size = text.as_bytes().len();
    let current = lua.app_data_ref::<CurrentRequest>();
    if size <= MAX_COUNTED_BYTES
        && let Some(CurrentRequest(Some(request))) = current.as_deref()
        && let Some(tokenizer) = &request.tokenizer
    {
        return tokenizer.count_tokens(&text.to_string_lossy());
    }
    size.div_ceil(BYTES_PER_TOKEN)
}
