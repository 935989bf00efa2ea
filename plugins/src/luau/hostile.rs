//! Hostile plugins: each is stopped in time, reaches nothing outside the sandbox, and leaves nothing behind.

use std::time::{Duration, Instant};

use super::tests::{MemoryWorkspace, load, with_context, with_finish};
use super::*;
use crate::finish::tests::request;

/// Limits as for calls while the user types.
const TIGHT_LIMITS: Limits = Limits {
    call_time: Duration::from_millis(20),
    task_time: Duration::from_millis(20),
    load_time: Duration::from_millis(200),
    memory_bytes: 16 << 20,
    output_bytes: 4096,
};

/// Time in which a call must end on a busy machine, far below that of an endless loop.
const MAX_CALL_TIME: Duration = Duration::from_secs(2);

fn with_tight_limits(body: &str) -> Plugin {
    let source = format!("return {{ api = 1, name = \"p\", context = function(request)\n{body}\nend }}");
    let world = std::sync::Arc::new(MemoryWorkspace(&[]));
    Plugin::load("p.luau", &source, &[], world, TIGHT_LIMITS).unwrap_or_else(|fault| panic!("{body}: {fault}"))
}

/// Calls a plugin until it is stopped, checks that each call ends in time, and returns the fault.
fn stopping_fault(body: &str) -> PluginFault {
    let plugin = with_tight_limits(body);
    let request = request("a.py", "x = ▁\n");
    for _ in 0..4 {
        let started = Instant::now();
        assert_eq!(plugin.context(&request), [], "{body}");
        assert!(started.elapsed() < MAX_CALL_TIME, "{body}: {:?}", started.elapsed());
    }
    plugin.fault().unwrap_or_else(|| panic!("never stopped: {body}"))
}

#[test]
fn endless_loops_are_stopped() {
    let bodies = [
        "while true do end",
        "for i = 1, math.huge do end",
        "repeat until false",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error, 'again') end",
        "local function f() pcall(f) pcall(f) end while true do f() end",
        "xpcall(function() while true do end end, function() while true do end end) while true do end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end",
        "local t = setmetatable({}, { __eq = function() while true do end end }) return t == setmetatable({}, getmetatable(t))",
        "local t = setmetatable({}, { __tostring = function() while true do end end }) return tostring(t)",
        "local t = setmetatable({}, { __iter = function() return function() return 1 end end }) for _ in t do end",
        "local list = {} for i = 1, 1000 do list[i] = i end while true do table.sort(list, function(a, b) return b < a end) end",
    ];
    for body in bodies {
        let fault = stopping_fault(body);
        assert_eq!(fault.message, "it took longer than 20 ms (option plugins.time_ms)", "{body}");
    }
}

#[test]
fn a_plugin_is_stopped_if_more_than_a_third_of_its_calls_are_late() {
    let is_stopped = |late: &str| {
        let source = format!(
            "local calls = 0 return {{ api = 1, name = 'p', context = function()
                calls += 1 if {late} then while true do end end return nil end }}"
        );
        let limits = Limits { call_time: Duration::from_millis(100), ..TIGHT_LIMITS };
        let plugin =
            Plugin::load("p.luau", &source, &[], std::sync::Arc::new(MemoryWorkspace(&[])), limits).expect("a plugin");
        for _ in 0..12 {
            plugin.context(&request("a.py", "x = ▁\n"));
        }
        plugin.fault().is_some()
    };
    assert!(is_stopped("calls % 3 ~= 0") && is_stopped("calls % 2 == 0"));
    assert!(!is_stopped("calls % 3 == 0"));
}

#[test]
fn work_inside_library_functions_is_bounded() {
    let bodies = [
        // Patterns with exponential backtracking.
        "return ('a'):rep(5000):find(('a*'):rep(30) .. 'b')",
        "return ('a'):rep(100000):match('.-.-.-.-.-.-b')",
        "return ('x'):rep(200000):gsub('(.*)(.*)(.*)(.*)%4y', '')",
        "while true do (('('):rep(100000)):find('%b()') end",
        // Texts in which every position almost matches.
        "return ('a'):rep(4e6):find(('a'):rep(2e6) .. 'b', 1, true)",
        "return ('a'):rep(4e6):find('[' .. ('b'):rep(2e6) .. ']')",
        "return #(('a'):rep(4e6):split(('a'):rep(2e6) .. 'b'))",
        "while true do ('a'):rep(1e6):gsub('a', 'b') end",
        // Long loops without allocation.
        "table.move({}, 1, 2 ^ 30, 1, {}) while true do end",
        "for i = 1, 1e9 do (''):rep(2 ^ 30) end",
        "local a, b = ('a'):rep(4e6) .. 'b', ('a'):rep(4e6) .. 'c' local list = {} for i = 1, 1e5 do list[i] = i % 2 == 0 and a or b end table.sort(list)",
    ];
    for body in bodies {
        stopping_fault(body);
    }
}

#[test]
fn work_inside_the_host_is_bounded() {
    let bodies = [
        // Queries that are long, deep, repeated, or in many states at every position.
        "return foretype.query(('x'):rep(1e6))",
        "return foretype.query(('('):rep(2000))",
        "return foretype.query(('[(_) '):rep(400) .. (']'):rep(400))",
        "while true do foretype.query('(_)* @a (_)* @b (_)* @c (_)* @d') end",
        "while true do foretype.query(('(_ (_)* (_)* '):rep(100) .. (')'):rep(100)) end",
        "while true do foretype.query('((_) @a (#match? @a \"(.*)(.*)(.*)(.*)x{1,500}\"))') end",
        "while true do foretype.query('(_) @a', ('x'):rep(1000)) end",
        "while true do foretype.references('x') end",
        "while true do foretype.references('') end",
        "while true do foretype.references(('x'):rep(1e6)) end",
        "while true do foretype.search('x', -1) end",
        "while true do foretype.search(('x y '):rep(1e6), 1e9) end",
        "while true do foretype.definitions('x') end",
        "while true do foretype.git() end",
        "while true do foretype.tokens(('x'):rep(16000)) end",
        "return foretype.query(nil)",
        "return foretype.references({})",
    ];
    let line = "x = [(x, (x, [x, {x: x}])), lambda x: x(x)(x)]\n";
    for body in bodies {
        let plugin = with_tight_limits(body);
        let request = request("a.py", &format!("{}▁\n", line.repeat(300)));
        for _ in 0..4 {
            let started = Instant::now();
            assert_eq!(plugin.context(&request), [], "{body}");
            assert!(started.elapsed() < MAX_CALL_TIME, "{body}: {:?}", started.elapsed());
        }
        assert!(plugin.fault().is_some(), "never stopped: {body}");
    }
}

#[test]
fn memory_and_depth_are_bounded() {
    let bodies = [
        "return ('x'):rep(2 ^ 30)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do table.insert(t, {}) end",
        "local t = {} while true do table.insert(t, ('x'):rep(1e5) .. #t) end",
        "return table.create(1e9, 1)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local all = {} while true do table.insert(all, coroutine.create(function() end)) end",
        "local function f(n) return 1 + f(n + 1) end return f(0)",
        "local function f(n) return pcall(f, n + 1) end f(0) while true do end",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
        "local t = {} for i = 1, 300 do t = setmetatable({}, { __index = t }) end return t.x.y",
        "local function f() return coroutine.wrap(f)() end return f()",
        "return (('a'):rep(1e5):gsub('a', function() return ('b'):rep(1e5) end))",
        "return table.unpack(table.create(1e6, 1))",
        "return string.format('%s', ('x'):rep(2 ^ 26))",
        "local t = { ('x'):rep(1e6) } for i = 1, 1e4 do t[i + 1] = t[1] end return table.concat(t)",
    ];
    for body in bodies {
        stopping_fault(body);
    }
}

#[test]
fn a_plugin_that_catches_every_error_is_stopped() {
    let fault = stopping_fault("while true do pcall(function() local s = 'x' while true do s = s .. s end end) end");
    assert!(fault.message.contains("longer than 20 ms"), "{fault}");
}

#[test]
fn the_sandbox_cannot_be_left() {
    let gone =
        "io os require package dofile loadfile loadstring load getfenv setfenv debug collectgarbage newproxy gcinfo";
    for name in gone.split(' ') {
        let plugin = with_context(&format!("return type({name})"));
        assert_eq!(plugin.context(&request("a.py", "▁"))[0].text, "nil", "{name}");
    }
    // Tables that later calls share are read-only.
    let changes = [
        "string.rep = nil",
        "foretype.read = nil",
        "foretype.options.greeting = 'x'",
        "getmetatable('').__index = function() return 1 end",
        "rawset(string, 'x', 1)",
        "rawset(foretype, 'x', 1)",
        "table.insert(foretype, 1)",
        "setmetatable(string, {})",
        "table.clear(math)",
    ];
    for change in changes {
        let plugin = with_context(change);
        plugin.context(&request("a.py", "▁"));
        let fault = plugin.fault().unwrap_or_else(|| panic!("{change} succeeded"));
        assert!(fault.message.contains("readonly"), "{change}: {fault}");
    }
}

#[test]
fn one_plugin_cannot_reach_another() {
    let first = with_context("shared = 'secret' pcall(function() _G.other = 1 end) return tostring(shared)");
    assert_eq!(first.context(&request("a.py", "▁"))[0].text, "secret");
    let second = with_context("return tostring(shared) .. tostring(_G.other)");
    assert_eq!(second.context(&request("a.py", "▁"))[0].text, "nilnil");
}

#[test]
fn bytecode_is_not_loaded() {
    let code = mlua::chunk::Compiler::new().compile("return { api = 1, name = 'p', context = function() end }");
    let bytes = code.expect("it compiles");
    let source: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let fault = load(&source).expect_err("bytecode");
    assert_eq!(fault.file, "p.luau", "{fault}");
}

#[test]
fn hostile_error_messages_are_cut() {
    let bodies = [
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "error(setmetatable({}, { __tostring = function() return ('x'):rep(1e6) end }))",
        "error(setmetatable({}, { __index = function() while true do end end }))",
        "error(('x'):rep(1e6))",
        "error('\\0\\255\\254')",
        "error(nil)",
        "error({})",
        "error(function() end)",
        "error(coroutine.create(function() end))",
    ];
    for body in bodies {
        let fault = stopping_fault(body);
        assert!(fault.message.len() <= 400, "{body}: {} bytes", fault.message.len());
    }
}

#[test]
fn reading_a_result_runs_no_metamethods() {
    let trap =
        "local trap = setmetatable({}, { __index = function() error('ran') end, __len = function() error('ran') end,
        __iter = function() error('ran') end })";
    let plugin = with_context(&format!("{trap} return trap"));
    assert_eq!(plugin.context(&request("a.py", "▁")), []);
    assert_eq!(plugin.fault(), None);
    let plugin = with_finish(&format!("{trap} return trap"));
    assert_eq!(plugin.finish(&request("a.py", "▁"), "x"), Verdict::Keep);
    assert!(plugin.fault().is_some_and(|fault| !fault.message.contains("ran")));
}

#[test]
fn a_file_that_never_ends_or_nests_too_deeply_is_not_loaded() {
    let world = || std::sync::Arc::new(MemoryWorkspace(&[]));
    let sources = [
        "while true do end".to_owned(),
        format!("return {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("return {}", "{".repeat(100_000)),
        format!("return {}1", "-".repeat(0) + &"not ".repeat(50_000)),
        "do ".repeat(60_000),
        "function f() ".repeat(15_000),
        format!("return 'x'{}", ".. 'x'".repeat(30_000)),
        format!("return {}", "1 + ".repeat(50_000)),
        "\0\0\0".to_owned(),
    ];
    for source in sources {
        let started = Instant::now();
        let loaded = Plugin::load("p.luau", &source, &[], world(), TIGHT_LIMITS);
        assert!(loaded.is_err(), "{}", &source[..20.min(source.len())]);
        assert!(started.elapsed() < MAX_CALL_TIME, "{}", &source[..20.min(source.len())]);
    }
}

#[test]
fn a_single_late_call_is_forgiven() {
    let plugin = with_tight_limits("calls = (calls or 0) + 1 while calls == 1 do end return 'well'");
    let request = request("a.py", "▁");
    assert_eq!(plugin.context(&request), []);
    assert_eq!(plugin.context(&request).len(), 1);
    assert_eq!((plugin.fault(), plugin.tally().failures), (None, 1));
}
