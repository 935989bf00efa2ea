//! A virtual machine that reaches nothing: only pure libraries, bounded where they can run long.

use mlua::{Lua, LuaOptions, StdLib, Value, VmState};

use super::Limits;
use super::deadline::CallDeadline;

/// What bounds the library functions that never look at the clock.
const PRELUDE: &str = include_str!("prelude.luau");

/// Globals that reach other environments, other code or the collector.
const REMOVED_GLOBALS: &[&str] = &[
    "collectgarbage",
    "debug",
    "dofile",
    "gcinfo",
    "getfenv",
    "loadfile",
    "loadstring",
    "newproxy",
    "os",
    "io",
    "package",
    "require",
    "setfenv",
];

/// A closed machine. `open` adds what the plugin may call, before it is closed.
pub(super) fn new_vm(
    limits: &Limits,
    clock: &CallDeadline,
    open: impl FnOnce(&Lua) -> mlua::Result<()>,
) -> mlua::Result<Lua> {
    let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::BIT | StdLib::MATH;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    // Optimised no further than to the point where lines and calls stay as they are written.
    lua.set_compiler(mlua::chunk::Compiler::new().set_optimization_level(1).set_debug_level(1));
    lua.load(PRELUDE).set_name("=prelude").set_mode(mlua::chunk::ChunkMode::Text).exec()?;
    REMOVED_GLOBALS.iter().try_for_each(|name| lua.globals().raw_set(*name, Value::Nil))?;
    seed_random(&lua)?;
    open(&lua)?;
    lua.sandbox(true)?;
    lua.set_memory_limit(limits.memory_bytes)?;
    let clock = clock.clone();
    lua.set_interrupt(move |lua| {
        clock.check().map(|()| VmState::Continue).map_err(|error| with_source_line(lua, error))
    });
    Ok(lua)
}

/// An error with the place that the machine is at, as errors of the machine's own have it.
fn with_source_line(lua: &Lua, error: mlua::Error) -> mlua::Error {
    let place = lua.inspect_stack(0, |here| {
        let source = here.source();
        source.short_src.zip(here.current_line()).map(|(file, line)| format!("{file}:{line}: "))
    });
    match (place.flatten(), error) {
        (Some(place), mlua::Error::RuntimeError(message)) => mlua::Error::runtime(place + &message),
        (_, error) => error,
    }
}

/// The same request gets the same answer: chance is seeded alike in every machine.
fn seed_random(lua: &Lua) -> mlua::Result<()> {
    let math: mlua::Table = lua.globals().raw_get("math")?;
    math.raw_get::<mlua::Function>("randomseed")?.call::<()>(0)
}
