//! How a plugin is, for people and for programs: what the command line prints and editors show.

use std::path::{Path, PathBuf};
use std::time::Duration;

use foretype_plugins::luau::{PluginFault, Tally};
use serde::{Deserialize, Serialize};

use super::{PluginEntry, PluginRegistry, PluginState, WorkspacePlugins, lock};

/// How a plugin is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it came with the workspace.
    pub workspace: bool,
    /// SHA-256 of its content.
    pub hash: String,
    /// What became of it.
    pub state: PluginStatus,
    /// Calls of its functions since it was loaded.
    pub calls: u64,
    /// Milliseconds of a call, in the mean.
    pub mean_ms: f64,
    /// Milliseconds that 95 of 100 of the last calls did not exceed.
    pub p95_ms: f64,
    /// Calls that failed or broke a limit.
    pub failures: u64,
    /// Suggestions that it changed.
    pub changed: u64,
    /// Suggestions that it vetoed.
    pub vetoed: u64,
    /// Snippets that did not fit whole into the room that there was.
    #[serde(default)]
    pub cut: u64,
    /// The line of the last fault, from 1, if it is known.
    pub line: Option<u32>,
    /// The last fault: why it does not run, or what went wrong once.
    pub fault: Option<String>,
}

/// What became of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginStatus {
    /// It runs.
    Runs,
    /// It failed or broke a limit, and rests until its file changes.
    Stopped,
    /// It cannot be loaded.
    Broken,
    /// The user has not said that it may run.
    Untrusted,
    /// The configuration switches it off.
    Off,
}

impl PluginReport {
    /// How the plugin of a file is.
    pub fn from_entry(entry: &PluginEntry) -> Self {
        let (state, tally, fault) = match &entry.state {
            PluginState::Untrusted => (PluginStatus::Untrusted, Tally::default(), None),
            PluginState::Off => (PluginStatus::Off, Tally::default(), None),
            PluginState::Broken(fault, _) => (PluginStatus::Broken, Tally::default(), Some(fault.clone())),
            PluginState::Loaded(plugin) => {
                let state = if plugin.fault().is_some() { PluginStatus::Stopped } else { PluginStatus::Runs };
                (state, plugin.tally(), plugin.last_fault())
            }
        };
        Self {
            name: entry.name.clone(),
            path: entry.path.clone(),
            workspace: entry.from_workspace,
            hash: entry.hash.clone(),
            state,
            calls: tally.calls,
            mean_ms: mean_ms(&tally),
            p95_ms: milliseconds(tally.p95),
            failures: tally.failures,
            changed: tally.changed,
            vetoed: tally.vetoed,
            cut: tally.truncated,
            line: fault.as_ref().and_then(|fault| fault.line),
            fault: fault.map(|fault| fault.message),
        }
    }

    /// The last fault with its file and line.
    pub fn located_fault(&self) -> Option<String> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fault = PluginFault { file, line: self.line, message: self.fault.clone()? };
        Some(fault.to_string())
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let fault = self.located_fault();
        let doings = if self.calls == 0 { "ready".to_owned() } else { self.activity() };
        match (self.state, fault) {
            (PluginStatus::Untrusted, _) => "not trusted, so not run: foretype plugin trust".to_owned(),
            (PluginStatus::Off, _) => "switched off (option plugins.disabled)".to_owned(),
            (PluginStatus::Broken, fault) => format!("cannot be loaded: {}", fault.unwrap_or_default()),
            (PluginStatus::Stopped, fault) => format!("stopped: {}; {doings}", fault.unwrap_or_default()),
            (PluginStatus::Runs, Some(fault)) => format!("{doings}; the last: {fault}"),
            (PluginStatus::Runs, None) => doings,
        }
    }

    fn activity(&self) -> String {
        let Self { calls, mean_ms, p95_ms, failures, changed, vetoed, cut, .. } = self;
        let mut words = describe_activity(*calls, (*mean_ms, *p95_ms), *failures, (*changed, *vetoed));
        if *cut > 0 {
            words += &format!(", {cut} snippets cut to the room there is (plugins.max_tokens, plugins.budgets)");
        }
        words
    }
}

/// What a plugin has done, in words.
pub fn describe_tally(tally: &Tally) -> String {
    describe_activity(
        tally.calls,
        (mean_ms(tally), milliseconds(tally.p95)),
        tally.failures,
        (tally.changed, tally.vetoed),
    )
}

fn describe_activity(calls: u64, (mean, p95): (f64, f64), failures: u64, (changed, vetoed): (u64, u64)) -> String {
    format!(
        "{calls} calls, {mean:.1} ms each (p95 {p95:.1} ms), {failures} failures, {changed} suggestions changed, \
         {vetoed} vetoed"
    )
}

fn mean_ms(tally: &Tally) -> f64 {
    milliseconds(tally.time) / tally.calls.max(1) as f64
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl WorkspacePlugins {
    /// How each plugin is that was found when somebody [looked](Self::look) last.
    pub fn reports(&self) -> Vec<PluginReport> {
        self.entries().iter().map(PluginReport::from_entry).collect()
    }

    /// The faults of those that do not run because of one.
    pub fn faults(&self) -> Vec<(PathBuf, PluginFault)> {
        let fault = |entry: &PluginEntry| match &entry.state {
            PluginState::Broken(fault, _) => Some(fault.clone()),
            PluginState::Loaded(plugin) => plugin.fault(),
            PluginState::Untrusted | PluginState::Off => None,
        };
        self.entries().iter().filter_map(|entry| Some((entry.path.clone(), fault(entry)?))).collect()
    }
}

impl PluginRegistry {
    /// How the plugins of the workspace at `root` are, as who has it open finds them; `None` if nobody has. Of several who
    /// exclude different files, those whose plugins were called most.
    pub fn reports(&self, root: &Path) -> Option<Vec<PluginReport>> {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let root = real(root);
        let open: Vec<_> =
            lock(&self.plugins).iter().map(|((own, _), plugins)| (own.clone(), plugins.clone())).collect();
        let own = open.into_iter().filter(|(own, _)| own.as_deref().is_some_and(|own| real(own) == root));
        let calls = |reports: &Vec<PluginReport>| reports.iter().map(|report| report.calls).sum::<u64>();
        own.map(|(_, plugins)| plugins.reports()).max_by_key(calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: PluginStatus) -> PluginReport {
        let (name, path, hash) = ("p".to_owned(), PathBuf::from("/w/p.luau"), String::new());
        let (fault, line) = (Some("no such thing".to_owned()), Some(3));
        let (calls, mean_ms, p95_ms, failures) = (4, 0.25, 1.0, 1);
        PluginReport {
            name,
            path,
            workspace: true,
            hash,
            state,
            calls,
            mean_ms,
            p95_ms,
            failures,
            changed: 0,
            vetoed: 2,
            cut: 0,
            line,
            fault,
        }
    }

    #[test]
    fn a_fault_is_said_with_its_place_beside_what_was_done() {
        let did = "4 calls, 0.2 ms each (p95 1.0 ms), 1 failures, 0 suggestions changed, 2 vetoed";
        assert_eq!(report(PluginStatus::Stopped).summary(), format!("stopped: p.luau:3: no such thing; {did}"));
        assert_eq!(report(PluginStatus::Runs).summary(), format!("{did}; the last: p.luau:3: no such thing"));
        assert_eq!(report(PluginStatus::Broken).summary(), "cannot be loaded: p.luau:3: no such thing");
    }

    #[test]
    fn what_one_process_writes_another_reads() {
        let text = serde_json::to_string(&report(PluginStatus::Runs)).expect("plain data");
        assert!(text.contains("\"state\":\"runs\"") && text.contains("\"meanMs\":0.25"), "{text}");
        assert_eq!(serde_json::from_str::<PluginReport>(&text).expect("what was written"), report(PluginStatus::Runs));
    }
}
