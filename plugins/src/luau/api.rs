//! The global `foretype`: what a plugin may call. Each function is declared once, here, with the type and the words that
//! `foretype.d.luau` shows.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, Value};

use super::deadline::CallDeadline;
use super::{OptionValue, WorkspaceAccess, builtin_api, query_api, workspace_api};
use crate::Request;
use crate::request::BYTES_PER_TOKEN;

/// Paths that one listing gives at the most.
pub(super) const MAX_LISTED_FILES: usize = 1000;
/// Bytes of a text whose tokens are counted one by one, which takes about a millisecond.
const MAX_COUNTED_BYTES: usize = 16 << 10;
/// Bytes of an unknown name that a message shows.
const MAX_QUOTED_NAME_BYTES: usize = 40;
/// Bytes of one line in the log.
const MAX_LOG_LINE_BYTES: usize = 1000;

/// What the functions work with.
#[derive(Clone)]
pub(super) struct HostContext {
    pub(super) workspace: Arc<dyn WorkspaceAccess>,
    pub(super) deadline: CallDeadline,
    /// How long a call may wait for what is read elsewhere.
    pub(super) max_wait: Duration,
    /// The plugin's file, for the log.
    pub(super) file: String,
}

impl HostContext {
    /// Writes a line to the log.
    fn log(&self, line: &[u8]) -> mlua::Result<()> {
        self.deadline.check()?;
        let line = String::from_utf8_lossy(&line[..line.len().min(MAX_LOG_LINE_BYTES)]);
        self.workspace.log(&self.file, &line);
        Ok(())
    }
}

impl HostContext {
    /// The plugin's name, which is that of its file.
    fn name(&self) -> &str {
        self.file.strip_suffix(".luau").unwrap_or(&self.file)
    }
}

/// The request of the current call, kept in the machine; there is none while a file is loaded.
pub(super) struct CurrentRequest(pub(super) Option<Request>);

/// A function of the global `foretype`.
pub(super) struct ApiFunction {
    pub(super) name: &'static str,
    pub(super) luau_type: &'static str,
    pub(super) description: &'static str,
    create: fn(&Lua, HostContext) -> mlua::Result<Function>,
}

pub(super) const FUNCTIONS: &[ApiFunction] = &[
    ApiFunction {
        name: "read",
        luau_type: "(path: string) -> string?",
        description: "The text of a file, by its path relative to the workspace. nil if there is none, or if it may not be read: \
                ignored by git, excluded, holding secrets, too large, or outside.",
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
        description: "The paths of the files that may be read and match a glob such as \"src/**/*.rs\", in order, at most 1000.",
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
        description: "Where the workspace defines a name: the file, and the first lines of the definition.",
        create: |lua, _| lua.create_function(|lua, name: String| workspace_api::definitions(lua, &name)),
    },
    ApiFunction {
        name: "references",
        luau_type: "(name: string) -> { { path: string, line: number, text: string } }",
        description: "Lines that name something as a whole word: those of the document, then those of the nearest files that may be read, \
                at most 100 lines of 20 files.",
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
        description: "Pieces of files of the workspace that fit words best, such as functions that name them, the best first, at most 20. \
                The score is BM25: compare it with that of the first. Empty until the workspace has been indexed, and where the setting ask.search is off.",
        create: |lua, host| {
            lua.create_function(move |lua, (words, most): (String, Option<usize>)| {
                host.deadline.check()?;
                workspace_api::search(lua, &host, &words, most)
            })
        },
    },
    ApiFunction {
        name: "query",
        luau_type: "(query: string, path: string?) -> { { name: string, text: string, line: number } }?",
        description: "What a tree-sitter query captures in the document or in a file, in the order of the text: the name of each \
                capture, its text and its first line; at most 1000. nil if the file may not be read or its language has no grammar. \
                A query has at most 2 KB.",
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
        description: "What git says, at most a few seconds old: the branch, the diff of each staged file that may be read, and the files of \
                the last commits, the latest first. nil outside a repository and until git has answered.",
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
        description: "The whole text of the document that the cursor is in.",
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
        description: "How many tokens a text makes: the model's own count for texts of up to 16 KB, else about.",
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
        description: "The snippets of the built-in source of the plugin's own name, in whose place it stands; none if there is no such source.",
        create: |lua, host| {
            lua.create_function(move |lua, ()| {
                host.deadline.check()?;
                builtin_api::snippets(lua, host.name())
            })
        },
    },
    ApiFunction {
        name: "trimmed",
        luau_type: "(text: string) -> string",
        description: "A suggestion as far as the built-in rule of the plugin's own name keeps it; all of it if there is no such rule.",
        create: |lua, host| {
            lua.create_function(move |lua, text: mlua::LuaString| {
                host.deadline.check()?;
                builtin_api::trimmed(lua, host.name(), &text)
            })
        },
    },
    ApiFunction {
        name: "special",
        luau_type: "(name: string) -> boolean",
        description: "Whether the model has a special token of exactly this name, such as \"<|fim_prefix|>\".",
        create: |lua, _| {
            lua.create_function(|lua, name: mlua::LuaString| match lua.app_data_ref::<CurrentRequest>().as_deref() {
                // Where no model is at hand, as in a dry run, it has all that is asked for.
                Some(CurrentRequest(Some(request))) => Ok(request
                    .tokenizer
                    .as_ref()
                    .is_none_or(|tokens| tokens.has_special_token(&name.to_string_lossy()))),
                _ => Ok(false),
            })
        },
    },
    ApiFunction {
        name: "log",
        luau_type: "(message: string) -> ()",
        description: "Writes a line to Foretype's log, at the level `info`. `print` does the same with any values.",
        create: |lua, host| lua.create_function(move |_, message: mlua::LuaString| host.log(&message.as_bytes())),
    },
];

/// Puts the global into a machine that is still open.
pub(super) fn install(lua: &Lua, host: &HostContext, options: &[(String, OptionValue)]) -> mlua::Result<()> {
    let foretype = lua.create_table()?;
    for declared in FUNCTIONS {
        foretype.raw_set(declared.name, (declared.create)(lua, host.clone())?)?;
    }
    let own = lua.create_table()?;
    for (name, value) in options {
        own.raw_set(name.as_str(), option_to_lua(lua, value)?)?;
    }
    own.set_readonly(true);
    foretype.raw_set("options", own)?;
    foretype.set_metatable(Some(unknown_name_metatable(lua)?))?;
    lua.globals().raw_set("foretype", foretype)?;
    let host = host.clone();
    // What people reach for first.
    let print = lua.create_function(move |_, values: mlua::Variadic<Value>| {
        let mut line = Vec::new();
        for (at, value) in values.iter().enumerate().take_while(|(at, _)| *at < MAX_LOG_LINE_BYTES) {
            if at > 0 {
                line.push(b'\t');
            }
            match value {
                // One long text may be given many times.
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

/// A table that says what there is where something is asked for that there is not.
fn unknown_name_metatable(lua: &Lua) -> mlua::Result<mlua::Table> {
    let unknown = lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
        let name = name.as_string().map(|name| name.to_string_lossy()).unwrap_or_default();
        let known = FUNCTIONS.iter().map(|declared| declared.name).chain(["options"]).collect::<Vec<_>>();
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
    let counter = match current.as_deref() {
        Some(CurrentRequest(Some(request))) => request.tokenizer.as_ref().filter(|_| size <= MAX_COUNTED_BYTES),
        _ => None,
    };
    counter.map_or(size.div_ceil(BYTES_PER_TOKEN), |counter| counter.count_tokens(&text.to_string_lossy()))
}
