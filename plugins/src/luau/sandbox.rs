//! Sandboxed virtual machine: pure libraries only, with bounds on functions that can run long.

use mlua::{Lua, LuaOptions, StdLib, Value, VmState};

use super::deadline::CallDeadline;
use super::limits::Limits;

/// Luau code that bounds the library functions that never check the deadline.
const PRELUDE: &str = include_str!("prelude.luau");

/// Globals that give access to other environments, other code or the garbage collector.
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

/// Returns a sealed virtual machine. `install` defines the globals of the plugin interface before it is sealed.
///
/// # Errors
/// If the prelude or `install` fails, or the memory limit cannot be set.
pub(super) fn new_vm(
    limits: &Limits,
    clock: &CallDeadline,
    install: impl FnOnce(&Lua) -> mlua::Result<()>,
) -> mlua::Result<Lua> {
    let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::BIT | StdLib::MATH;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    // Higher optimization levels inline calls, and faults would name wrong lines.
    lua.set_compiler(mlua::chunk::Compiler::new().set_optimization_level(1).set_debug_level(1));
    lua.load(PRELUDE).set_name("=prelude").set_mode(mlua::chunk::ChunkMode::Text).exec()?;
    REMOVED_GLOBALS.iter().try_for_each(|name| lua.globals().raw_set(*name, Value::Nil))?;
    seed_random(&lua)?;
    install(&lua)?;
    lua.sandbox(true)?;
    lua.set_memory_limit(limits.memory_bytes)?;
    let clock = clock.clone();
    lua.set_interrupt(move |lua| {
        clock.check().map(|()| VmState::Continue).map_err(|error| with_source_line(lua, error))
    });
    Ok(lua)
}

/// Returns an error with the current source line, in the form of the virtual machine's own errors.
fn with_source_line(lua: &Lua, error: mlua::Error) -> mlua::Error {
    let position = lua.inspect_stack(0, |here| {
        let source = here.source();
        source.short_src.zip(here.current_line()).map(|(file, line)| format!("{file}:{line}: "))
    });
    match (position.flatten(), error) {
        (Some(position), mlua::Error::RuntimeError(message)) => mlua::Error::runtime(position + &message),
        (_, error) => error,
    }
}

/// Seeds random numbers identically in every virtual machine, so that equal requests get equal results.
fn seed_random(lua: &Lua) -> mlua::Result<()> {
    let math: mlua::Table = lua.globals().raw_get("math")?;
    math.raw_get::<mlua::Function>("randomseed")?.call::<()>(0)
}
