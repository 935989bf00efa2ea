//! Reports on plugins, which the command line prints and editors show.

use std::path::{Path, PathBuf};
use std::time::Duration;

use foretype_plugins::luau::{PluginFault, Tally};
use serde::{Deserialize, Serialize};

use super::registry::PluginRegistry;
use super::workspace_plugins::{PluginEntry, PluginState, WorkspacePlugins};

/// Report on a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PluginReport {
    /// Name.
    pub(crate) name: String,
    /// Path of its file.
    pub(crate) path: PathBuf,
    /// True if the file lies in the workspace, false if it is the user's own.
    pub(crate) workspace: bool,
    /// SHA-256 hash of its text.
    pub(crate) hash: String,
    /// Status.
    pub(crate) state: PluginStatus,
    /// Calls of its functions since it was loaded.
    pub(crate) calls: u64,
    /// Mean time of a call in milliseconds.
    pub(crate) mean_ms: f64,
    /// 95th percentile of the time of recent calls in milliseconds.
    pub p95_ms: f64,
    /// Calls that failed or exceeded a limit.
    pub(crate) failures: u64,
    /// Suggestions that it changed.
    pub(crate) changed: u64,
    /// Suggestions that it vetoed.
    pub(crate) vetoed: u64,
    /// Snippets that were shortened or dropped to fit their budget.
    #[serde(default, rename = "cut")]
    pub(crate) truncated: u64,
    /// Line of the last fault, from 1, if it is known.
    pub(crate) line: Option<u32>,
    /// Message of the last fault, for which the plugin may have been stopped.
    pub(crate) fault: Option<String>,
}

/// Status of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PluginStatus {
    /// Running.
    Runs,
    /// Stopped after a fault until its file changes.
    Stopped,
    /// Failed to load.
    Broken,
    /// Not trusted by the user.
    Untrusted,
    /// Disabled by the configuration.
    Off,
}

impl PluginReport {
    /// Returns the report on a plugin file.
    pub(crate) fn from_entry(entry: &PluginEntry) -> Self {
        let (state, tally, fault) = match &entry.state {
            PluginState::Untrusted => (PluginStatus::Untrusted, Tally::default(), None),
            PluginState::Disabled => (PluginStatus::Off, Tally::default(), None),
            PluginState::Broken { fault, .. } => (PluginStatus::Broken, Tally::default(), Some(fault.clone())),
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
            truncated: tally.truncated,
            line: fault.as_ref().and_then(|fault| fault.line),
            fault: fault.map(|fault| fault.message),
        }
    }

    /// Returns the last fault with file and line.
    pub(crate) fn located_fault(&self) -> Option<String> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fault = PluginFault { file, line: self.line, message: self.fault.clone()? };
        Some(fault.to_string())
    }

    /// Returns status, last fault and activity in one line.
    pub(crate) fn summary(&self) -> String {
        let fault = self.located_fault();
        let activity = if self.calls == 0 { "ready".to_owned() } else { self.activity() };
        match (self.state, fault) {
            (PluginStatus::Untrusted, _) => "not trusted, so not run: use `foretype plugin trust`".to_owned(),
            (PluginStatus::Off, _) => "disabled (option plugins.disabled)".to_owned(),
            (PluginStatus::Broken, fault) => format!("cannot be loaded: {}", fault.unwrap_or_default()),
            (PluginStatus::Stopped, fault) => format!("stopped: {}; {activity}", fault.unwrap_or_default()),
            (PluginStatus::Runs, Some(fault)) => format!("{activity}; last fault: {fault}"),
            (PluginStatus::Runs, None) => activity,
        }
    }

    fn activity(&self) -> String {
        let Self { calls, mean_ms, p95_ms, failures, changed, vetoed, truncated, .. } = self;
        let mut words = describe_activity(*calls, (*mean_ms, *p95_ms), *failures, (*changed, *vetoed));
        if *truncated > 0 {
            words += &format!(", {truncated} snippets cut to their budget (plugins.max_tokens, plugins.budgets)");
        }
        words
    }
}

/// Returns the counters of a plugin in words.
pub(crate) fn describe_tally(tally: &Tally) -> String {
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
    /// Returns the reports on all plugins of the last [`refresh`](Self::refresh).
    pub(crate) fn reports(&self) -> Vec<PluginReport> {
        self.entries().iter().map(PluginReport::from_entry).collect()
    }

    /// Returns the faults of the plugins that were stopped or failed to load.
    pub(crate) fn faults(&self) -> Vec<(PathBuf, PluginFault)> {
        let fault = |entry: &PluginEntry| match &entry.state {
            PluginState::Broken { fault, .. } => Some(fault.clone()),
            PluginState::Loaded(plugin) => plugin.fault(),
            PluginState::Untrusted | PluginState::Disabled => None,
        };
        self.entries().iter().filter_map(|entry| Some((entry.path.clone(), fault(entry)?))).collect()
    }
}

impl PluginRegistry {
    /// Returns the reports on the plugins of the workspace at `root`; `None` if no client has it open. If clients
    /// exclude different files, returns the reports of those whose plugins were called most.
    pub(crate) fn reports(&self, root: &Path) -> Option<Vec<PluginReport>> {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let root = real(root);
        let open = self.open_workspaces().into_iter();
        let matching = open.filter(|(other, _)| other.as_deref().is_some_and(|other| real(other) == root));
        let calls = |reports: &Vec<PluginReport>| reports.iter().map(|report| report.calls).sum::<u64>();
        matching.map(|(_, plugins)| plugins.reports()).max_by_key(calls)
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
            truncated: 0,
            line,
            fault,
        }
    }

    #[test]
    fn a_summary_has_the_fault_with_its_position_and_the_activity() {
        let activity = "4 calls, 0.2 ms each (p95 1.0 ms), 1 failures, 0 suggestions changed, 2 vetoed";
        assert_eq!(report(PluginStatus::Stopped).summary(), format!("stopped: p.luau:3: no such thing; {activity}"));
        assert_eq!(report(PluginStatus::Runs).summary(), format!("{activity}; last fault: p.luau:3: no such thing"));
        assert_eq!(report(PluginStatus::Broken).summary(), "cannot be loaded: p.luau:3: no such thing");
    }

    #[test]
    fn a_report_survives_serialization() {
        let text = serde_json::to_string(&report(PluginStatus::Runs)).expect("plain data");
        assert!(text.contains("\"state\":\"runs\"") && text.contains("\"meanMs\":0.25"), "{text}");
        assert_eq!(serde_json::from_str::<PluginReport>(&text).expect("what was written"), report(PluginStatus::Runs));
    }
}
