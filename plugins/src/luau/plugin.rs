//! One plugin: its file loaded into a machine of its own, and its functions called within limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Function, Lua, Table, Value};

use super::api::{Current, Host};
use super::clock::Clock;
use super::times::Times;
use super::{API, Fault, Limits, Setting, World, api, sandbox, tables};
use crate::request::Task;
use crate::{Language, Request};

/// Bytes of a plugin's file.
const LARGEST: usize = 256 << 10;
/// Snippets of one call.
const MOST_SNIPPETS: usize = 16;
/// A plugin that takes too long so often in a row is stopped: once may be the machine's fault.
const PATIENCE: u32 = 3;
/// What a plugin's table may hold.
const KEYS: &[&str] = &["api", "name", "languages", "tasks", "applies", "context", "finish"];

/// How long a snippet stays as it is; the order is that of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stability {
    /// The same wherever the cursor is.
    Stable,
    /// The same while the cursor is in one file.
    #[default]
    File,
    /// Changes with each edit.
    Edit,
}

/// A snippet that a plugin found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file that it comes from, or the plugin's name.
    pub path: String,
    /// The text.
    pub text: String,
    /// How long it stays as it is.
    pub stability: Stability,
}

/// What a plugin says of a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// Another text is to be shown.
    Change(String),
    /// It is not to be shown.
    Veto,
}

/// What a plugin has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of its functions.
    pub calls: u64,
    /// Time that they took.
    pub time: Duration,
    /// Time that 95 of 100 of the last calls did not exceed.
    pub p95: Duration,
    /// Calls that failed or broke a limit.
    pub failures: u64,
    /// Suggestions that it changed.
    pub changed: u64,
    /// Suggestions that it vetoed.
    pub vetoed: u64,
}

/// A plugin that was loaded.
#[derive(Debug)]
pub struct Plugin {
    /// By which the configuration knows it.
    pub name: String,
    /// The name of its file, for messages.
    pub file: String,
    languages: Option<Vec<String>>,
    tasks: Vec<Task>,
    limits: Limits,
    clock: Clock,
    functions: Functions,
    /// `None` once it was stopped: its memory is given back.
    machine: Mutex<Option<Lua>>,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Functions {
    applies: Option<Function>,
    context: Option<Function>,
    finish: Option<Function>,
}

#[derive(Debug, Default)]
struct Record {
    tally: Tally,
    times: Times,
    /// Why it was stopped.
    fault: Option<Fault>,
    /// What went wrong last.
    last: Option<Fault>,
    told: bool,
    late: u32,
}

impl Plugin {
    /// Loads a file's text; its outermost lines run now.
    ///
    /// # Errors
    /// If it cannot be compiled, fails, breaks a limit, or does not return what a plugin is.
    pub fn load(
        file: &str,
        source: &str,
        options: &[(String, Setting)],
        world: Arc<dyn World>,
        limits: Limits,
    ) -> Result<Self, Fault> {
        if source.len() > LARGEST {
            return Err(Fault::of(file, format!("a plugin has at most {} KB", LARGEST >> 10)));
        }
        let load = || Self::load_unguarded(file, source, options, world, limits);
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err(Fault::of(file, "it made the interpreter panic")))
    }

    fn load_unguarded(
        file: &str,
        source: &str,
        options: &[(String, Setting)],
        world: Arc<dyn World>,
        limits: Limits,
    ) -> Result<Self, Fault> {
        let fault = |error: mlua::Error| Fault::from_error(file, &error);
        let clock = Clock::new();
        let (patience, file_name) = (limits.time / 2, file.to_owned());
        let host = Host { world, clock: clock.clone(), patience, file: file_name };
        let lua = sandbox::machine(&limits, &clock, |lua| api::open(lua, &host, options)).map_err(fault)?;
        clock.start(limits.load);
        let chunk = lua.load(source).set_name(format!("@{file}")).set_mode(mlua::chunk::ChunkMode::Text);
        let value = chunk.call::<Value>(()).map_err(fault);
        clock.stop();
        let Value::Table(table) = value? else {
            return Err(Fault::of(file, "it does not return a table: end it with return { api = 1, name = ..., ... }"));
        };
        let (name, languages, tasks, functions) = read(&table).map_err(|message| Fault::of(file, message))?;
        if file.strip_suffix(".luau") != Some(&name) {
            return Err(Fault::of(file, format!("its name is {name}, so its file has to be {name}.luau")));
        }
        let (machine, record) = (Mutex::new(Some(lua)), Mutex::default());
        Ok(Self { name, file: file.to_owned(), languages, tasks, limits, clock, functions, machine, record })
    }

    /// Whether it is asked for documents of this language.
    pub fn knows(&self, language: Language) -> bool {
        self.languages.as_ref().is_none_or(|ids| ids.iter().any(|id| id == language.id()))
    }

    /// The tasks that it takes part in: at least one.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Snippets for a prompt; none if it fails, which [`fault`](Self::fault) tells.
    pub fn context(&self, request: &Request) -> Vec<Found> {
        let Some(function) = &self.functions.context else { return Vec::new() };
        let found = self.call(request, |_, table| self.found(&function.call::<Value>(table)?));
        found.unwrap_or_default()
    }

    /// What it says of a suggestion; nothing if it fails.
    pub fn finish(&self, request: &Request, text: &str) -> Verdict {
        let Some(function) = &self.functions.finish else { return Verdict::Keep };
        let verdict = self.call(request, |_, table| match function.call::<Value>((table, text))? {
            Value::Nil | Value::Boolean(true) => Ok(Verdict::Keep),
            Value::Boolean(false) => Ok(Verdict::Veto),
            Value::String(new) if *new.as_bytes() == *text.as_bytes() => Ok(Verdict::Keep),
            Value::String(new) => Ok(Verdict::Change(self.text(&new)?)),
            other => Err(wrong("finish", "a text, false or nothing", &other)),
        });
        let verdict = verdict.unwrap_or(Verdict::Keep);
        let tally = &mut lock(&self.record).tally;
        tally.changed += u64::from(matches!(verdict, Verdict::Change(_)));
        tally.vetoed += u64::from(verdict == Verdict::Veto);
        verdict
    }

    /// Whether it says something of suggestions at all.
    pub fn finishes(&self) -> bool {
        self.functions.finish.is_some()
    }

    /// Why it was stopped, if it was.
    pub fn fault(&self) -> Option<Fault> {
        lock(&self.record).fault.clone()
    }

    /// [`fault`](Self::fault), but only the first time.
    pub fn take_news(&self) -> Option<Fault> {
        let mut record = lock(&self.record);
        let fault = record.fault.clone().filter(|_| !record.told);
        record.told |= fault.is_some();
        fault
    }

    /// What went wrong last, whether or not it was stopped for that.
    pub fn last_fault(&self) -> Option<Fault> {
        lock(&self.record).last.clone()
    }

    /// What it has done so far.
    pub fn tally(&self) -> Tally {
        let record = lock(&self.record);
        Tally { p95: record.times.p95(), ..record.tally }
    }

    /// Calls into the machine if the plugin runs and applies.
    fn call<R>(&self, request: &Request, run: impl FnOnce(&Lua, Table) -> mlua::Result<R>) -> Option<R> {
        if !self.knows(request.document.language) || !self.tasks.contains(&request.task) {
            return None;
        }
        let mut machine = lock(&self.machine);
        let lua = machine.as_ref()?;
        let started = Instant::now();
        self.clock.start(self.limits.time);
        let result = catch_unwind(AssertUnwindSafe(|| self.applied(lua, request, run)));
        self.clock.stop();
        let result = result.unwrap_or_else(|_| Err(mlua::Error::runtime("it made the interpreter panic")));
        if lua.used_memory() > self.limits.memory / 2 {
            // A collection that fails leaves the memory as it is, which the next allocation finds out.
            let _ = lua.gc_collect();
        }
        let stopped = self.note(started.elapsed(), result.as_ref().err());
        if stopped {
            *machine = None;
        }
        result.ok().flatten()
    }

    fn applied<R>(
        &self,
        lua: &Lua,
        request: &Request,
        run: impl FnOnce(&Lua, Table) -> mlua::Result<R>,
    ) -> mlua::Result<Option<R>> {
        lua.set_app_data(Current(Some(request.clone())));
        let table = tables::request(lua, request)?;
        let applies = match &self.functions.applies {
            None => true,
            Some(applies) => !matches!(applies.call::<Value>(&table)?, Value::Nil | Value::Boolean(false)),
        };
        if applies { run(lua, table).map(Some) } else { Ok(None) }
    }

    /// Keeps what came of a call; true if the plugin is to be stopped.
    fn note(&self, took: Duration, error: Option<&mlua::Error>) -> bool {
        let mut record = lock(&self.record);
        record.tally.calls += 1;
        record.tally.time += took;
        record.times.add(took);
        let Some(fault) = error.map(|error| Fault::from_error(&self.file, error)) else {
            record.late = 0;
            return false;
        };
        record.tally.failures += 1;
        record.last = Some(fault.clone());
        record.late += 1;
        if fault.is_overtime() && record.late < PATIENCE {
            return false;
        }
        record.fault = Some(fault);
        true
    }

    fn found(&self, value: &Value) -> mlua::Result<Vec<Found>> {
        let single = |table: &Table| Ok::<_, mlua::Error>(table.raw_get::<Value>("text")? != Value::Nil);
        let values = match value {
            Value::Nil => Vec::new(),
            Value::Table(list) if !single(list)? => {
                let most = list.raw_len().min(MOST_SNIPPETS);
                (1..=most).map(|at| list.raw_get(at)).collect::<mlua::Result<Vec<Value>>>()?
            }
            value => vec![value.clone()],
        };
        let found = values.iter().map(|value| self.snippet(value)).collect::<mlua::Result<Vec<_>>>()?;
        let size = found.iter().map(|snippet| snippet.text.len()).sum();
        self.within_output(size)?;
        Ok(found)
    }

    fn snippet(&self, value: &Value) -> mlua::Result<Found> {
        let (text, path, stability) = match value {
            Value::String(text) => (text.clone(), Value::Nil, Value::Nil),
            Value::Table(table) => match table.raw_get("text")? {
                Value::String(text) => (text, table.raw_get("path")?, table.raw_get("stability")?),
                other => return Err(wrong("a snippet's text", "a text", &other)),
            },
            other => return Err(wrong("context", "snippets", other)),
        };
        let path = match &path {
            Value::Nil => self.name.clone(),
            Value::String(path) => self.text(path)?,
            other => return Err(wrong("a snippet's path", "a text", other)),
        };
        let stability = match &stability {
            Value::Nil => Stability::default(),
            Value::String(name) if *name == "stable" => Stability::Stable,
            Value::String(name) if *name == "file" => Stability::File,
            Value::String(name) if *name == "edit" => Stability::Edit,
            _ => return Err(mlua::Error::runtime("a snippet's stability is \"stable\", \"file\" or \"edit\"")),
        };
        Ok(Found { path, text: self.text(&text)?, stability })
    }

    /// A text of the machine, within the limit; what is no UTF-8 is replaced.
    fn text(&self, text: &mlua::LuaString) -> mlua::Result<String> {
        self.within_output(text.as_bytes().len())?;
        Ok(text.to_string_lossy())
    }

    fn within_output(&self, size: usize) -> mlua::Result<()> {
        let most = self.limits.output;
        let large = || mlua::Error::runtime(format!("it gave {size} bytes: a call may give {most}"));
        if size > most { Err(large()) } else { Ok(()) }
    }
}

fn wrong(what: &str, expected: &str, found: &Value) -> mlua::Error {
    mlua::Error::runtime(format!("{what} has to be {expected}, not a {}", found.type_name()))
}

type Parts = (String, Option<Vec<String>>, Vec<Task>, Functions);

/// What the table that a file returned says; nothing in it is called.
fn read(table: &Table) -> Result<Parts, String> {
    let raw = |key: &str| table.raw_get::<Value>(key).map_err(|error| error.to_string());
    match raw("api")? {
        Value::Nil => return Err(format!("it does not say which interface it is for: write api = {API}")),
        Value::Integer(number) if number == i64::from(API) => {}
        Value::Number(number) if number == f64::from(API) => {}
        _ => return Err(format!("this Foretype knows the interface api = {API} only")),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| error.to_string())?;
        let known = matches!(&key, Value::String(name) if KEYS.iter().any(|known| *name == **known));
        if !known {
            let key = key.as_string().map_or_else(|| "a number".to_owned(), |name| name.to_string_lossy());
            return Err(format!("it has no use for {key}: a plugin has {}", KEYS.join(", ")));
        }
    }
    let name = match raw("name")? {
        Value::String(name) => name.to_string_lossy(),
        _ => return Err("it has no name: write name = \"my-plugin\"".to_owned()),
    };
    if name.is_empty() || name.len() > 40 || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Err(format!("a plugin's name has small letters, digits and hyphens, at most 40: {name:?}"));
    }
    let function = |key: &str| match raw(key)? {
        Value::Nil => Ok(None),
        Value::Function(function) => Ok(Some(function)),
        other => Err(format!("{key} has to be a function, not a {}", other.type_name())),
    };
    let functions =
        Functions { applies: function("applies")?, context: function("context")?, finish: function("finish")? };
    if functions.context.is_none() && functions.finish.is_none() {
        return Err("it has neither context nor finish, so it can do nothing".to_owned());
    }
    let languages =
        list(&raw("languages")?, "languages has to be a list of LSP ids, such as { \"rust\", \"python\" }")?;
    Ok((name, languages, tasks(&raw("tasks")?)?, functions))
}

fn tasks(value: &Value) -> Result<Vec<Task>, String> {
    let advice = "tasks has to be a list of \"fill\", \"docstring\" and \"ask\"";
    let Some(names) = list(value, advice)? else { return Ok(vec![Task::Fill]) };
    let tasks = names.iter().map(|name| Task::named(name)).collect::<Option<Vec<_>>>();
    tasks.filter(|tasks| !tasks.is_empty()).ok_or_else(|| advice.to_owned())
}

/// The texts of a list, if there is one.
fn list(value: &Value, advice: &str) -> Result<Option<Vec<String>>, String> {
    let list = match value {
        Value::Nil => return Ok(None),
        Value::Table(list) => list,
        _ => return Err(advice.to_owned()),
    };
    let text = |at| match list.raw_get::<Value>(at) {
        Ok(Value::String(text)) => Ok(text.to_string_lossy()),
        _ => Err(advice.to_owned()),
    };
    (1..=list.raw_len().min(100)).map(text).collect::<Result<Vec<_>, _>>().map(Some)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
