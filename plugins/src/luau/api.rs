//! The global `foretype`: what a plugin may call. Each function is declared once, here, with the type and the words that
//! `foretype.d.luau` shows.

use std::sync::Arc;

use mlua::{Function, Lua, Table, Value};

use super::clock::Clock;
use super::{Setting, World};
use crate::Request;
use crate::request::BYTES_PER_TOKEN;

/// Paths that one listing gives at the most.
const MOST_FILES: usize = 1000;
/// Bytes of one line in the log.
const LONGEST_LINE: usize = 1000;

/// What the functions work with.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) world: Arc<dyn World>,
    pub(super) clock: Clock,
    /// The plugin's file, for the log.
    pub(super) file: String,
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
        make: |lua, _| lua.create_function(|lua, name: String| definitions(lua, &name)),
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
        about: "About how many tokens a text makes.",
        make: |lua, _| {
            lua.create_function(|_, text: mlua::LuaString| Ok(text.as_bytes().len().div_ceil(BYTES_PER_TOKEN)))
        },
    },
    Declared {
        name: "log",
        kind: "(message: string) -> ()",
        about: "Writes a line to Foretype's log, at the level `info`.",
        make: |lua, host| {
            lua.create_function(move |_, message: mlua::LuaString| {
                host.clock.check()?;
                let bytes = message.as_bytes();
                let line = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_LINE)]).into_owned();
                host.world.log(&host.file, &line);
                Ok(())
            })
        },
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
    lua.globals().raw_set("foretype", foretype)?;
    lua.set_app_data(Current(None));
    Ok(())
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

fn definitions(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let current = lua.app_data_ref::<Current>();
    let found = match current.as_deref() {
        Some(Current(Some(request))) => request.symbols.definitions(name),
        _ => Vec::new(),
    };
    let list = lua.create_table()?;
    for (at, definition) in found.iter().take(MOST_FILES).enumerate() {
        let entry = lua.create_table()?;
        entry.raw_set("path", &*definition.path)?;
        entry.raw_set("text", definition.signature.as_str())?;
        list.raw_set(at + 1, entry)?;
    }
    Ok(list)
}
