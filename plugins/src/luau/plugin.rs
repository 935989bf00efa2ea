//! One plugin: its file, loaded into a virtual machine of its own, and calls of its functions within limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::{Lua, Table, Value};
use parking_lot::Mutex;

use super::call_times::CallTimes;
use super::deadline::CallDeadline;
use super::fault::PluginFault;
use super::host::{CurrentRequest, HostContext};
use super::limits::Limits;
use super::manifest::{self, Hook, Hooks, Manifest};
use super::option_value::OptionValue;
use super::results::{PluginSnippet, ResultReader, Verdict};
use super::tables::PromptView;
use super::workspace_access::WorkspaceAccess;
use super::{api, sandbox, tables};
use crate::prompt::{PluginLayout, Window};
use crate::request::TaskKind;
use crate::{Language, Request, Snippet, context, finish};

/// Bytes of a plugin's file.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// Score of a call that exceeds its time limit. Each call within the limit subtracts 1 again, because a single late
/// call may be the fault of a busy machine.
const LATE_CALL_PENALTY: u32 = 2;
/// Score at which a plugin is stopped: at the third late call in a row, or if more than a third of the calls are late.
const MAX_LATE_SCORE: u32 = 3 * LATE_CALL_PENALTY;

/// Counters of a plugin's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of its functions.
    pub calls: u64,
    /// Time that they took.
    pub time: Duration,
    /// 95th percentile of the time of recent calls.
    pub p95: Duration,
    /// Calls that failed or exceeded a limit.
    pub failures: u64,
    /// Suggestions that it changed.
    pub changed: u64,
    /// Suggestions that it vetoed.
    pub vetoed: u64,
    /// Calls in which its `applies` returned false, so that no other function was called.
    pub declined: u64,
    /// Snippets that were shortened or dropped to fit their budget.
    pub truncated: u64,
}

/// Loaded plugin.
#[derive(Debug)]
pub struct Plugin {
    /// Name by which the configuration refers to it.
    pub name: String,
    /// Name of its file, for messages.
    pub file: String,
    languages: Option<Vec<String>>,
    tasks: Vec<TaskKind>,
    limits: Limits,
    deadline: CallDeadline,
    hooks: Hooks,
    /// `None` after the plugin was stopped, which frees its memory.
    vm: Mutex<Option<Lua>>,
    record: Mutex<CallRecord>,
}

#[derive(Debug, Default)]
struct CallRecord {
    tally: Tally,
    times: CallTimes,
    /// Fault for which the plugin was stopped.
    fault: Option<PluginFault>,
    /// Most recent fault.
    last_fault: Option<PluginFault>,
    /// True once `fault` was reported.
    fault_taken: bool,
    late_score: u32,
}

impl Plugin {
    /// Loads a plugin from the text of its file and runs its top level.
    ///
    /// # Errors
    /// If it cannot be compiled, fails, exceeds a limit, or does not return a plugin's table.
    pub fn load(
        file: &str,
        source: &str,
        options: &[(String, OptionValue)],
        world: Arc<dyn WorkspaceAccess>,
        limits: Limits,
    ) -> Result<Self, PluginFault> {
        if source.len() > MAX_SOURCE_BYTES {
            let (size, limit) = (source.len() >> 10, MAX_SOURCE_BYTES >> 10);
            let message = format!("it has {size} KB: a plugin has at most {limit} KB");
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
            return Err(PluginFault::in_file(file, format!("its name is {name}, so its file must be {name}.luau")));
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

    /// Returns true if it takes part in documents of this language.
    pub fn supports_language(&self, language: Language) -> bool {
        self.languages.as_ref().is_none_or(|ids| ids.iter().any(|id| id == language.lsp_id()))
    }

    /// Returns the tasks that it takes part in; at least one.
    pub fn tasks(&self) -> &[TaskKind] {
        &self.tasks
    }

    /// Returns snippets for a prompt; none if the call fails, which [`last_fault`](Self::last_fault) reports.
    pub fn context(&self, request: &Request) -> Vec<PluginSnippet> {
        self.snippets(request).unwrap_or_default()
    }

    /// Returns snippets for a prompt; `None` if the call fails or the plugin does not run for the request.
    pub(crate) fn snippets(&self, request: &Request) -> Option<Vec<PluginSnippet>> {
        let hook = self.hooks.context.as_ref()?;
        self.call(hook, request, |_, table| self.result_reader().snippets(&hook.function.call::<Value>(table)?))
    }

    /// Returns the layout of the prompt for a new window; `None` if the plugin lays out no prompt or the call fails.
    pub fn prompt(&self, request: &Request, window: &Window, snippets: &[Snippet]) -> Option<PluginLayout> {
        let hook = self.hooks.prompt.as_ref()?;
        let view = PromptView { window: window.clone(), snippets: snippets.to_vec() };
        let layout = self.call(hook, request, |lua, table| {
            let view = tables::window_table(lua, &view)?;
            self.result_reader().layout(&hook.function.call::<Value>((table, view))?, request, window)
        });
        layout.flatten()
    }

    /// Returns the verdict on a suggestion; [`Verdict::Keep`] if the call fails.
    pub fn finish(&self, request: &Request, text: &str) -> Verdict {
        self.verdict(request, text).unwrap_or(Verdict::Keep)
    }

    /// Returns the verdict on a suggestion; `None` if the call fails or the plugin does not run for the request.
    pub(crate) fn verdict(&self, request: &Request, text: &str) -> Option<Verdict> {
        let hook = self.hooks.finish.as_ref()?;
        let verdict = self.call(hook, request, |_, table| {
            self.result_reader().verdict(&hook.function.call::<Value>((table, text))?, text)
        });
        let tally = &mut self.record.lock().tally;
        tally.changed += u64::from(matches!(verdict, Some(Verdict::Change(_))));
        tally.vetoed += u64::from(verdict == Some(Verdict::Veto));
        verdict
    }

    /// Returns true if it replaces the built-in of its name, as long as its calls succeed.
    pub(crate) fn replaces_builtin(&self) -> bool {
        let source = context::find_source(&self.name).is_some() && self.hooks.context.is_some();
        let rule = finish::FINISH_RULES.iter().any(|rule| rule.name == self.name) && self.hooks.finish.is_some();
        source || rule
    }

    /// Returns true if it runs for a request: it takes part in the language and the task, and was not stopped.
    pub(crate) fn runs_for(&self, request: &Request) -> bool {
        self.accepts(request) && self.record.lock().fault.is_none()
    }

    fn accepts(&self, request: &Request) -> bool {
        self.supports_language(request.document.language) && self.tasks.contains(&request.task)
    }

    fn result_reader(&self) -> ResultReader<'_> {
        ResultReader { plugin: &self.name, max_bytes: self.limits.output_bytes }
    }

    /// Returns true if it has a `context` function.
    pub fn has_context(&self) -> bool {
        self.hooks.context.is_some()
    }

    /// Returns true if it has a `finish` function.
    pub fn has_finish(&self) -> bool {
        self.hooks.finish.is_some()
    }

    /// Returns the LSP ids of the languages that it names; `None` for all languages.
    pub fn languages(&self) -> Option<&[String]> {
        self.languages.as_deref()
    }

    /// Counts a snippet that was shortened or dropped.
    pub(crate) fn record_truncated_snippet(&self) {
        self.record.lock().tally.truncated += 1;
    }

    /// Returns the fault for which it was stopped.
    pub fn fault(&self) -> Option<PluginFault> {
        self.record.lock().fault.clone()
    }

    /// Returns the fault for which it was stopped, once.
    pub fn take_fault(&self) -> Option<PluginFault> {
        let mut record = self.record.lock();
        if record.fault_taken {
            return None;
        }
        record.fault_taken = record.fault.is_some();
        record.fault.clone()
    }

    /// Returns the most recent fault, also one for which it was not stopped.
    pub fn last_fault(&self) -> Option<PluginFault> {
        self.record.lock().last_fault.clone()
    }

    /// Returns the counters of its calls since it was loaded.
    pub fn tally(&self) -> Tally {
        let record = self.record.lock();
        Tally { p95: record.times.p95(), ..record.tally }
    }

    /// Runs a function in the virtual machine; `None` if the plugin does not run for the request or `applies` returns
    /// false.
    fn call<R>(&self, hook: &Hook, request: &Request, run: impl FnOnce(&Lua, Table) -> mlua::Result<R>) -> Option<R> {
        if !self.accepts(request) {
            return None;
        }
        let mut machine = self.vm.lock();
        let lua = machine.as_ref()?;
        let started = Instant::now();
        self.deadline.start(self.limits.call_limit(request.task).0);
        let result = catch_unwind(AssertUnwindSafe(|| self.call_if_applicable(lua, request, run)));
        self.deadline.stop();
        let result = result.unwrap_or_else(|_| Err(mlua::Error::runtime("it made the interpreter panic")));
        if lua.used_memory() > self.limits.memory_bytes / 2 {
            // If the collection fails, the next allocation beyond the limit fails.
            let _ = lua.gc_collect();
        }
        self.record.lock().tally.declined += u64::from(matches!(result, Ok(None)));
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

    /// Records the outcome of a call and returns true if the plugin must be stopped.
    fn record_call(&self, hook: &Hook, task: TaskKind, elapsed: Duration, error: Option<&mlua::Error>) -> bool {
        let mut record = self.record.lock();
        record.tally.calls += 1;
        record.tally.time += elapsed;
        record.times.add(elapsed);
        let Some(fault) = error.map(|error| PluginFault::from_error(&self.file, error)) else {
            record.late_score = record.late_score.saturating_sub(1);
            return false;
        };
        let is_overtime = fault.is_overtime();
        let fault =
            PluginFault { line: fault.line.or(hook.line), ..fault.with_call_limit(self.limits.call_limit(task)) };
        record.tally.failures += 1;
        record.last_fault = Some(fault.clone());
        record.late_score += LATE_CALL_PENALTY;
        if is_overtime && record.late_score < MAX_LATE_SCORE {
            return false;
        }
        record.fault = Some(fault);
        true
    }
}
