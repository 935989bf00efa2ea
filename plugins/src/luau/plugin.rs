//! One plugin: its file loaded into a machine of its own, and its functions called within limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Lua, Table, Value};

use super::answers::{Found, Reader, Verdict};
use super::api::{Current, Host};
use super::clock::Clock;
use super::manifest::{self, Functions, Hook, Manifest};
use super::tables::View;
use super::times::Times;
use super::{Fault, Limits, Setting, World, api, sandbox, tables};
use crate::prompt::{PluginLayout, Window};
use crate::request::TaskKind;
use crate::{Language, Request, Snippet, context, finish};

/// Bytes of a plugin's file.
const LARGEST: usize = 256 << 10;
/// A call that takes too long counts so much, and one that does not takes 1 away again: once may be the machine's fault.
const LATE: u32 = 2;
/// A plugin is stopped when so much has come together: at the third late call in a row, and some time where more than a
/// third of the calls are late.
const PATIENCE: u32 = 3 * LATE;

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
    /// Calls in which its `applies` said no, so that nothing else of it was called.
    pub declined: u64,
    /// Snippets that did not fit whole into the room that there was.
    pub cut: u64,
}

/// A plugin that was loaded.
#[derive(Debug)]
pub struct Plugin {
    /// By which the configuration knows it.
    pub name: String,
    /// The name of its file, for messages.
    pub file: String,
    languages: Option<Vec<String>>,
    tasks: Vec<TaskKind>,
    limits: Limits,
    clock: Clock,
    functions: Functions,
    /// `None` once it was stopped: its memory is given back.
    machine: Mutex<Option<Lua>>,
    record: Mutex<Record>,
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
            let message = format!("a plugin has at most {} KB, and this has {}", LARGEST >> 10, source.len() >> 10);
            return Err(Fault::of(file, message));
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
        let value = chunk.call::<Value>(()).map_err(|error| fault(error).while_loading(limits.load));
        clock.stop();
        let Value::Table(table) = value? else {
            return Err(Fault::of(file, "it does not return a table: end it with return { api = 1, name = ..., ... }"));
        };
        let Manifest { name, languages, tasks, functions } =
            manifest::read(&table).map_err(|message| Fault::of(file, message))?;
        if file.strip_suffix(".luau") != Some(&name) {
            return Err(Fault::of(file, format!("its name is {name}, so its file has to be {name}.luau")));
        }
        let (machine, record) = (Mutex::new(Some(lua)), Mutex::default());
        Ok(Self { name, file: file.to_owned(), languages, tasks, limits, clock, functions, machine, record })
    }

    /// Whether it is asked for documents of this language.
    pub fn knows(&self, language: Language) -> bool {
        self.languages.as_ref().is_none_or(|ids| ids.iter().any(|id| id == language.lsp_id()))
    }

    /// The tasks that it takes part in: at least one.
    pub fn tasks(&self) -> &[TaskKind] {
        &self.tasks
    }

    /// Snippets for a prompt; none if it fails, which [`fault`](Self::fault) tells.
    pub fn context(&self, request: &Request) -> Vec<Found> {
        self.snippets(request).unwrap_or_default()
    }

    /// [`context`](Self::context), or `None` if it fails or was not to be asked.
    pub(crate) fn snippets(&self, request: &Request) -> Option<Vec<Found>> {
        let hook = self.functions.context.as_ref()?;
        self.call(hook, request, |_, table| self.reader().snippets(&hook.function.call::<Value>(table)?))
    }

    /// How the prompt on a new window is to be written; `None` if it leaves that to others or fails.
    pub fn prompt(&self, request: &Request, window: &Window, snippets: &[Snippet]) -> Option<PluginLayout> {
        let hook = self.functions.prompt.as_ref()?;
        let view = View { window: window.clone(), snippets: snippets.to_vec() };
        let layout = self.call(hook, request, |lua, table| {
            let view = tables::view(lua, &view)?;
            self.reader().layout(&hook.function.call::<Value>((table, view))?, request, window)
        });
        layout.flatten()
    }

    /// What it says of a suggestion; nothing if it fails.
    pub fn finish(&self, request: &Request, text: &str) -> Verdict {
        self.verdict(request, text).unwrap_or(Verdict::Keep)
    }

    /// [`finish`](Self::finish), or `None` if it fails or was not to be asked.
    pub(crate) fn verdict(&self, request: &Request, text: &str) -> Option<Verdict> {
        let hook = self.functions.finish.as_ref()?;
        let verdict = self
            .call(hook, request, |_, table| self.reader().verdict(&hook.function.call::<Value>((table, text))?, text));
        let tally = &mut lock(&self.record).tally;
        tally.changed += u64::from(matches!(verdict, Some(Verdict::Change(_))));
        tally.vetoed += u64::from(verdict == Some(Verdict::Veto));
        verdict
    }

    /// Whether it stands in the place of the built-in of its name, as long as it answers.
    pub fn stands_in(&self) -> bool {
        let source = context::find_source(&self.name).is_some() && self.functions.context.is_some();
        let rule = finish::FINISH_RULES.iter().any(|rule| rule.name == self.name) && self.functions.finish.is_some();
        source || rule
    }

    /// Whether it runs for a request: it was not stopped, and its language and its task are among the plugin's own.
    pub(crate) fn runs_for(&self, request: &Request) -> bool {
        self.takes(request) && lock(&self.record).fault.is_none()
    }

    fn takes(&self, request: &Request) -> bool {
        self.knows(request.document.language) && self.tasks.contains(&request.task)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { plugin: &self.name, most: self.limits.output }
    }

    /// Whether it has snippets for prompts at all.
    pub fn shows(&self) -> bool {
        self.functions.context.is_some()
    }

    /// Whether it says something of suggestions at all.
    pub fn finishes(&self) -> bool {
        self.functions.finish.is_some()
    }

    /// The ids of languages that it names, if it does not take all.
    pub fn languages(&self) -> Option<&[String]> {
        self.languages.as_deref()
    }

    /// A snippet of it did not fit whole into a prompt.
    pub(crate) fn was_cut(&self) {
        lock(&self.record).tally.cut += 1;
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
    fn call<R>(&self, hook: &Hook, request: &Request, run: impl FnOnce(&Lua, Table) -> mlua::Result<R>) -> Option<R> {
        if !self.takes(request) {
            return None;
        }
        let mut machine = lock(&self.machine);
        let lua = machine.as_ref()?;
        let started = Instant::now();
        self.clock.start(self.limits.of(request.task).0);
        let result = catch_unwind(AssertUnwindSafe(|| self.applied(lua, request, run)));
        self.clock.stop();
        let result = result.unwrap_or_else(|_| Err(mlua::Error::runtime("it made the interpreter panic")));
        if lua.used_memory() > self.limits.memory / 2 {
            // A collection that fails leaves the memory as it is, which the next allocation finds out.
            let _ = lua.gc_collect();
        }
        lock(&self.record).tally.declined += u64::from(matches!(result, Ok(None)));
        let stopped = self.note(hook, request.task, started.elapsed(), result.as_ref().err());
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
    fn note(&self, hook: &Hook, task: TaskKind, took: Duration, error: Option<&mlua::Error>) -> bool {
        let mut record = lock(&self.record);
        record.tally.calls += 1;
        record.tally.time += took;
        record.times.add(took);
        let Some(fault) = error.map(|error| Fault::from_error(&self.file, error)) else {
            record.late = record.late.saturating_sub(1);
            return false;
        };
        let overtime = fault.is_overtime();
        let fault = Fault { line: fault.line.or(hook.line), ..fault.with_limit(self.limits.of(task)) };
        record.tally.failures += 1;
        record.last = Some(fault.clone());
        record.late += LATE;
        if overtime && record.late < PATIENCE {
            return false;
        }
        record.fault = Some(fault);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
