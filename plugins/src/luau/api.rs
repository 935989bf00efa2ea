//! The global `foretype`: what a plugin may call. Each function is declared once, here, with the type and the words that
//! `foretype.d.luau` shows.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, Value};

use super::clock::Clock;
use super::{Setting, World, builtin, places, query};
use crate::Request;
use crate::request::BYTES_PER_TOKEN;

/// Paths that one listing gives at the most.
pub(super) const MOST_FILES: usize = 1000;
/// Bytes of a text whose tokens are counted one by one, which takes about a millisecond.
const COUNTED: usize = 16 << 10;
/// Bytes of an unknown name that a message shows.
const MOST_SHOWN: usize = 40;
/// Bytes of one line in the log.
const LONGEST_LINE: usize = 1000;

/// What the functions work with.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) world: Arc<dyn World>,
    pub(super) clock: Clock,
    /// How long a call may wait for what is read elsewhere.
    pub(super) patience: Duration,
    /// The plugin's file, for the log.
    pub(super) file: String,
}

impl Host {
    /// Writes a line to the log.
    fn log(&self, line: &[u8]) -> mlua::Result<()> {
        self.clock.check()?;
        let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
        self.world.log(&self.file, &line);
        Ok(())
    }
}

impl Host {
    /// The plugin's name, which is that of its file.
    fn name(&self) -> &str {
        self.file.strip_suffix(".luau").unwrap_or(&self.file)
    }
}

/// The request of the current call, kept in the machine; there is none while a file is loaded.
pub(super) struct Current(pub(super) Option<Request>);

/// A function of the global `foretype`.
pub(super) struct Declared {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) about: &'static str,
    make: fn(&Lua, Host) -> mlua::Result<Function>,
}

pub(super) const FUNCTIONS: &[Declared] = &[
    Declared {
        name: "read",
        kind: "(path: string) -> string?",
        about: "The text of a file, by its path relative to the workspace. nil if there is none, or if it may not be read: \
                ignored by git, excluded, holding secrets, too large, or outside.",
        make: |lua, host| {
            lua.create_function(move |lua, path: String| {
                host.clock.check()?;
                host.world.read(&path).map(|text| lua.create_string(text)).transpose()
            })
        },
    },
    Declared {
        name: "files",
        kind: "(glob: string) -> { string }",
        about: "The paths of the files that may be read and match a glob such as \"src/**/*.rs\", in order, at most 1000.",
        make: |lua, host| {
            lua.create_function(move |lua, glob: String| {
                host.clock.check()?;
                lua.create_sequence_from(host.world.files(&glob, MOST_FILES))
            })
        },
    },
    Declared {
        name: "definitions",
        kind: "(name: string) -> { { path: string, text: string } }",
        about: "Where the workspace defines a name: the file, and the first lines of the definition.",
        make: |lua, _| lua.create_function(|lua, name: String| places::definitions(lua, &name)),
    },
    Declared {
        name: "references",
        kind: "(name: string) -> { { path: string, line: number, text: string } }",
        about: "Lines that name something as a whole word: those of the document, then those of the nearest files that may be read, \
                at most 100 lines of 20 files.",
        make: |lua, host| {
            lua.create_function(move |lua, name: String| {
                host.clock.check()?;
                places::references(lua, &host, &name)
            })
        },
    },
    Declared {
        name: "search",
        kind: "(words: string, most: number?) -> { { path: string, line: number, text: string, score: number } }",
        about: "Pieces of files of the workspace that fit words best, such as functions that name them, the best first, at most 20. \
                The score is BM25: compare it with that of the first. Empty until the workspace has been indexed, and where the setting ask.search is off.",
        make: |lua, host| {
            lua.create_function(move |lua, (words, most): (String, Option<usize>)| {
                host.clock.check()?;
                places::search(lua, &host, &words, most)
            })
        },
    },
    Declared {
        name: "query",
        kind: "(query: string, path: string?) -> { { name: string, text: string, line: number } }?",
        about: "What a tree-sitter query captures in the document or in a file, in the order of the text: the name of each \
                capture, its text and its first line; at most 1000. nil if the file may not be read or its language has no grammar. \
                A query has at most 2 KB.",
        make: |lua, host| {
            lua.create_function(move |lua, (pattern, path): (String, Option<String>)| {
                host.clock.check()?;
                query::query(lua, &host, &pattern, path.as_deref())
            })
        },
    },
    Declared {
        name: "git",
        kind: "() -> { branch: string?, staged: { { path: string, text: string } }, recent: { string } }?",
        about: "What git says, at most a few seconds old: the branch, the diff of each staged file that may be read, and the files of \
                the last commits, the latest first. nil outside a repository and until git has answered.",
        make: |lua, host| {
            lua.create_function(move |lua, ()| {
                host.clock.check()?;
                places::git(lua, &host)
            })
        },
    },
    Declared {
        name: "text",
        kind: "() -> string",
        about: "The whole text of the document that the cursor is in.",
        make: |lua, _| {
            lua.create_function(|lua, ()| match lua.app_data_ref::<Current>().as_deref() {
                Some(Current(Some(request))) => lua.create_string(&*request.document.text),
                _ => lua.create_string(""),
            })
        },
    },
    Declared {
        name: "tokens",
        kind: "(text: string) -> number",
        about: "How many tokens a text makes: the model's own count for texts of up to 16 KB, else about.",
        make: |lua, host| {
            lua.create_function(move |lua, text: mlua::LuaString| {
                host.clock.check()?;
                Ok(tokens(lua, &text))
            })
        },
    },
    Declared {
        name: "builtin",
        kind: "() -> { { path: string, text: string } }",
        about: "The snippets of the built-in source of the plugin's own name, in whose place it stands; none if there is no such source.",
        make: |lua, host| {
            lua.create_function(move |lua, ()| {
                host.clock.check()?;
                builtin::snippets(lua, host.name())
            })
        },
    },
    Declared {
        name: "trimmed",
        kind: "(text: string) -> string",
        about: "A suggestion as far as the built-in rule of the plugin's own name keeps it; all of it if there is no such rule.",
        make: |lua, host| {
            lua.create_function(move |lua, text: mlua::LuaString| {
                host.clock.check()?;
                builtin::trimmed(lua, host.name(), &text)
            })
        },
    },
    Declared {
        name: "special",
        kind: "(name: string) -> boolean",
        about: "Whether the model has a special token of exactly this name, such as \"<|fim_prefix|>\".",
        make: |lua, _| {
            lua.create_function(|lua, name: mlua::LuaString| match lua.app_data_ref::<Current>().as_deref() {
                // Where no model is at hand, as in a dry run, it has all that is asked for.
                Some(Current(Some(request))) => Ok(request
                    .tokenizer
                    .as_ref()
                    .is_none_or(|tokens| tokens.has_special_token(&name.to_string_lossy()))),
                _ => Ok(false),
            })
        },
    },
    Declared {
        name: "log",
        kind: "(message: string) -> ()",
        about: "Writes a line to Foretype's log, at the level `info`. `print` does the same with any values.",
        make: |lua, host| lua.create_function(move |_, message: mlua::LuaString| host.log(&message.as_bytes())),
    },
];

/// Puts the global into a machine that is still open.
pub(super) fn open(lua: &Lua, host: &Host, options: &[(String, Setting)]) -> mlua::Result<()> {
    let foretype = lua.create_table()?;
    for declared in FUNCTIONS {
        foretype.raw_set(declared.name, (declared.make)(lua, host.clone())?)?;
    }
    let own = lua.create_table()?;
    for (name, value) in options {
        own.raw_set(name.as_str(), setting(lua, value)?)?;
    }
    own.set_readonly(true);
    foretype.raw_set("options", own)?;
    foretype.set_metatable(Some(complaining(lua)?))?;
    lua.globals().raw_set("foretype", foretype)?;
    let host = host.clone();
    // What people reach for first.
    let print = lua.create_function(move |_, values: mlua::Variadic<Value>| {
        let mut line = Vec::new();
        for (at, value) in values.iter().enumerate().take_while(|(at, _)| *at < LONGEST_LINE) {
            if at > 0 {
                line.push(b'\t');
            }
            match value {
                // One long text may be given many times.
                Value::String(text) => line.extend(text.as_bytes().iter().take(LONGEST_LINE)),
                other => line.extend(other.to_string()?.bytes().take(LONGEST_LINE)),
            }
        }
        host.log(&line)
    })?;
    lua.globals().raw_set("print", print)?;
    lua.set_app_data(Current(None));
    Ok(())
}

/// A table that says what there is where something is asked for that there is not.
fn complaining(lua: &Lua) -> mlua::Result<mlua::Table> {
    let unknown = lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
        let name = name.as_string().map(|name| name.to_string_lossy()).unwrap_or_default();
        let known = FUNCTIONS.iter().map(|declared| declared.name).chain(["options"]).collect::<Vec<_>>();
        let name = &name[..name.floor_char_boundary(MOST_SHOWN)];
        Err(mlua::Error::runtime(format!("foretype has no {name}: it has {}", known.join(", "))))
    })?;
    let table = lua.create_table()?;
    table.raw_set("__index", unknown)?;
    table.raw_set("__metatable", false)?;
    table.set_readonly(true);
    Ok(table)
}

fn setting(lua: &Lua, value: &Setting) -> mlua::Result<Value> {
    Ok(match value {
        Setting::Truth(value) => Value::Boolean(*value),
        Setting::Number(value) => Value::Number(*value),
        Setting::Text(text) => Value::String(lua.create_string(text)?),
        Setting::List(values) => {
            let values = values.iter().map(|value| setting(lua, value)).collect::<mlua::Result<Vec<_>>>()?;
            let list = lua.create_sequence_from(values)?;
            list.set_readonly(true);
            Value::Table(list)
        }
    })
}

fn tokens(lua: &Lua, text: &mlua::LuaString) -> usize {
    let size = text.as_bytes().len();
    let current = lua.app_data_ref::<Current>();
    let counter = match current.as_deref() {
        Some(Current(Some(request))) => request.tokenizer.as_ref().filter(|_| size <= COUNTED),
        _ => None,
    };
    counter.map_or(size.div_ceil(BYTES_PER_TOKEN), |counter| counter.count_tokens(&text.to_string_lossy()))
}
