//! One plugin: its file loaded into a machine of its own, and its functions called within limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Lua, Table, Value};

use super::api::{CurrentRequest, HostContext};
use super::call_times::CallTimes;
use super::deadline::CallDeadline;
use super::manifest::{self, Hook, Hooks, Manifest};
use super::results::{PluginSnippet, ResultReader, Verdict};
use super::tables::PromptView;
use super::{Limits, OptionValue, PluginFault, WorkspaceAccess, api, sandbox, tables};
use crate::prompt::{PluginLayout, Window};
use crate::request::TaskKind;
use crate::{Language, Request, Snippet, context, finish};

/// Bytes of a plugin's file.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// A call that takes too long counts so much, and one that does not takes 1 away again: once may be the machine's fault.
const LATE_CALL_PENALTY: u32 = 2;
/// A plugin is stopped when so much has come together: at the third late call in a row, and some time where more than a
/// third of the calls are late.
const MAX_LATE_SCORE: u32 = 3 * LATE_CALL_PENALTY;

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
    pub truncated: u64,
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
    deadline: CallDeadline,
    hooks: Hooks,
    /// `None` once it was stopped: its memory is given back.
    vm: Mutex<Option<Lua>>,
    record: Mutex<CallRecord>,
}

#[derive(Debug, Default)]
struct CallRecord {
    tally: Tally,
    times: CallTimes,
    /// Why it was stopped.
    fault: Option<PluginFault>,
    /// What went wrong last.
    last_fault: Option<PluginFault>,
    fault_taken: bool,
    late_score: u32,
}

impl Plugin {
    /// Loads a file's text; its outermost lines run now.
    ///
    /// # Errors
    /// If it cannot be compiled, fails, breaks a limit, or does not return what a plugin is.
    pub fn load(
        file: &str,
        source: &str,
        options: &[(String, OptionValue)],
        world: Arc<dyn WorkspaceAccess>,
        limits: Limits,
    ) -> Result<Self, PluginFault> {
        if source.len() > MAX_SOURCE_BYTES {
            let message =
                format!("a plugin has at most {} KB, and this has {}", MAX_SOURCE_BYTES >> 10, source.len() >> 10);
            return Err(PluginFault::in_file(file, message));
        }
        let load = || Self::load_inner(file, source, options, world, limits);
        catch_unwind(AssertUnwindSafe(load))
            .unwrap_or_else(|_| Err(PluginFault::in_file(file, "it made the interpreter panic")))
    }

    fn load_inner(
        file: &str,
        source: &str,
        options: &[(String, OptionValue)],
        world: Arc<dyn WorkspaceAccess>,
        limits: Limits,
    ) -> Result<Self, PluginFault> {
        let fault = |error: mlua::Error| PluginFault::from_error(file, &error);
        let clock = CallDeadline::new();
        let (patience, file_name) = (limits.call_time / 2, file.to_owned());
        let host = HostContext { workspace: world, deadline: clock.clone(), max_wait: patience, file: file_name };
        let lua = sandbox::new_vm(&limits, &clock, |lua| api::install(lua, &host, options)).map_err(fault)?;
        clock.start(limits.load_time);
        let chunk = lua.load(source).set_name(format!("@{file}")).set_mode(mlua::chunk::ChunkMode::Text);
        let value = chunk.call::<Value>(()).map_err(|error| fault(error).with_load_limit(limits.load_time));
        clock.stop();
        let Value::Table(table) = value? else {
            return Err(PluginFault::in_file(
                file,
                "it does not return a table: end it with return { api = 1, name = ..., ... }",
            ));
        };
        let Manifest { name, languages, tasks, hooks: functions } =
            manifest::read(&table).map_err(|message| PluginFault::in_file(file, message))?;
        if file.strip_suffix(".luau") != Some(&name) {
            return Err(PluginFault::in_file(file, format!("its name is {name}, so its file has to be {name}.luau")));
        }
        let (machine, record) = (Mutex::new(Some(lua)), Mutex::default());
        Ok(Self {
            name,
            file: file.to_owned(),
            languages,
            tasks,
            limits,
            deadline: clock,
            hooks: functions,
            vm: machine,
            record,
        })
    }

    /// Whether it is asked for documents of this language.
    pub fn supports_language(&self, language: Language) -> bool {
        self.languages.as_ref().is_none_or(|ids| ids.iter().any(|id| id == language.lsp_id()))
    }

    /// The tasks that it takes part in: at least one.
    pub fn tasks(&self) -> &[TaskKind] {
        &self.tasks
    }

    /// Snippets for a prompt; none if it fails, which [`fault`](Self::fault) tells.
    pub fn context(&self, request: &Request) -> Vec<PluginSnippet> {
        self.snippets(request).unwrap_or_default()
    }

    /// [`context`](Self::context), or `None` if it fails or was not to be asked.
    pub(crate) fn snippets(&self, request: &Request) -> Option<Vec<PluginSnippet>> {
        let hook = self.hooks.context.as_ref()?;
        self.call(hook, request, |_, table| self.result_reader().snippets(&hook.function.call::<Value>(table)?))
    }

    /// How the prompt on a new window is to be written; `None` if it leaves that to others or fails.
    pub fn prompt(&self, request: &Request, window: &Window, snippets: &[Snippet]) -> Option<PluginLayout> {
        let hook = self.hooks.prompt.as_ref()?;
        let view = PromptView { window: window.clone(), snippets: snippets.to_vec() };
        let layout = self.call(hook, request, |lua, table| {
            let view = tables::window_table(lua, &view)?;
            self.result_reader().layout(&hook.function.call::<Value>((table, view))?, request, window)
        });
        layout.flatten()
    }

    /// What it says of a suggestion; nothing if it fails.
    pub fn finish(&self, request: &Request, text: &str) -> Verdict {
        self.verdict(request, text).unwrap_or(Verdict::Keep)
    }

    /// [`finish`](Self::finish), or `None` if it fails or was not to be asked.
    pub(crate) fn verdict(&self, request: &Request, text: &str) -> Option<Verdict> {
        let hook = self.hooks.finish.as_ref()?;
        let verdict = self.call(hook, request, |_, table| {
            self.result_reader().verdict(&hook.function.call::<Value>((table, text))?, text)
        });
        let tally = &mut lock(&self.record).tally;
        tally.changed += u64::from(matches!(verdict, Some(Verdict::Change(_))));
        tally.vetoed += u64::from(verdict == Some(Verdict::Veto));
        verdict
    }

    /// Whether it stands in the place of the built-in of its name, as long as it answers.
    pub fn replaces_builtin(&self) -> bool {
        let source = context::find_source(&self.name).is_some() && self.hooks.context.is_some();
        let rule = finish::FINISH_RULES.iter().any(|rule| rule.name == self.name) && self.hooks.finish.is_some();
        source || rule
    }

    /// Whether it runs for a request: it was not stopped, and its language and its task are among the plugin's own.
    pub(crate) fn runs_for(&self, request: &Request) -> bool {
        self.accepts(request) && lock(&self.record).fault.is_none()
    }

    fn accepts(&self, request: &Request) -> bool {
        self.supports_language(request.document.language) && self.tasks.contains(&request.task)
    }

    fn result_reader(&self) -> ResultReader<'_> {
        ResultReader { plugin: &self.name, max_bytes: self.limits.output_bytes }
    }

    /// Whether it has snippets for prompts at all.
    pub fn has_context(&self) -> bool {
        self.hooks.context.is_some()
    }

    /// Whether it says something of suggestions at all.
    pub fn has_finish(&self) -> bool {
        self.hooks.finish.is_some()
    }

    /// The ids of languages that it names, if it does not take all.
    pub fn languages(&self) -> Option<&[String]> {
        self.languages.as_deref()
    }

    /// A snippet of it did not fit whole into a prompt.
    pub(crate) fn record_truncated_snippet(&self) {
        lock(&self.record).tally.truncated += 1;
    }

    /// Why it was stopped, if it was.
    pub fn fault(&self) -> Option<PluginFault> {
        lock(&self.record).fault.clone()
    }

    /// [`fault`](Self::fault), but only the first time.
    pub fn take_fault(&self) -> Option<PluginFault> {
        let mut record = lock(&self.record);
        let fault = record.fault.clone().filter(|_| !record.fault_taken);
        record.fault_taken |= fault.is_some();
        fault
    }

    /// What went wrong last, whether or not it was stopped for that.
    pub fn last_fault(&self) -> Option<PluginFault> {
        lock(&self.record).last_fault.clone()
    }

    /// What it has done so far.
    pub fn tally(&self) -> Tally {
        let record = lock(&self.record);
        Tally { p95: record.times.p95(), ..record.tally }
    }

    /// Calls into the machine if the plugin runs and applies.
    fn call<R>(&self, hook: &Hook, request: &Request, run: impl FnOnce(&Lua, Table) -> mlua::Result<R>) -> Option<R> {
        if !self.accepts(request) {
            return None;
        }
        let mut machine = lock(&self.vm);
        let lua = machine.as_ref()?;
        let started = Instant::now();
        self.deadline.start(self.limits.call_limit(request.task).0);
        let result = catch_unwind(AssertUnwindSafe(|| self.call_if_applicable(lua, request, run)));
        self.deadline.stop();
        let result = result.unwrap_or_else(|_| Err(mlua::Error::runtime("it made the interpreter panic")));
        if lua.used_memory() > self.limits.memory_bytes / 2 {
            // A collection that fails leaves the memory as it is, which the next allocation finds out.
            let _ = lua.gc_collect();
        }
        lock(&self.record).tally.declined += u64::from(matches!(result, Ok(None)));
        let stopped = self.record_call(hook, request.task, started.elapsed(), result.as_ref().err());
        if stopped {
            *machine = None;
        }
        result.ok().flatten()
    }

    fn call_if_applicable<R>(
        &self,
        lua: &Lua,
        request: &Request,
        run: impl FnOnce(&Lua, Table) -> mlua::Result<R>,
    ) -> mlua::Result<Option<R>> {
        lua.set_app_data(CurrentRequest(Some(request.clone())));
        let table = tables::request_table(lua, request)?;
        let applies = match &self.hooks.applies {
            None => true,
            Some(applies) => !matches!(applies.call::<Value>(&table)?, Value::Nil | Value::Boolean(false)),
        };
        if applies { run(lua, table).map(Some) } else { Ok(None) }
    }

    /// Keeps what came of a call; true if the plugin is to be stopped.
    fn record_call(&self, hook: &Hook, task: TaskKind, took: Duration, error: Option<&mlua::Error>) -> bool {
        let mut record = lock(&self.record);
        record.tally.calls += 1;
        record.tally.time += took;
        record.times.add(took);
        let Some(fault) = error.map(|error| PluginFault::from_error(&self.file, error)) else {
            record.late_score = record.late_score.saturating_sub(1);
            return false;
        };
        let overtime = fault.is_overtime();
        let fault =
            PluginFault { line: fault.line.or(hook.line), ..fault.with_call_limit(self.limits.call_limit(task)) };
        record.tally.failures += 1;
        record.last_fault = Some(fault.clone());
        record.late_score += LATE_CALL_PENALTY;
        if overtime && record.late_score < MAX_LATE_SCORE {
            return false;
        }
        record.fault = Some(fault);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
