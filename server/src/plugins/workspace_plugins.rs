//! Plugins of one workspace: scanned, trusted, loaded, and reloaded when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_plugins::luau::{Limits, Plugin, PluginFault, WorkspaceAccess};
use foretype_plugins::plugin_strategy::PluginStrategy;
use foretype_plugins::{Document, Language, PromptStrategy, Request, Window};
use parking_lot::Mutex;

use super::plugin_files::{
    PluginFile, list_plugin_files, read_source, source_hash, user_folder, uses_search, workspace_folder,
};
use super::trust::{self, TrustStore};
use super::workspace_files::WorkspaceFiles;
use crate::config::{self, Config};
use crate::request_builder;
use crate::workspace::Workspace;

/// Time between two scans of the plugin folders.
const SCAN_INTERVAL: Duration = Duration::from_millis(500);
/// Time within which an editor reports that it saved a file.
const SAVE_NOTIFICATION_DELAY: Duration = Duration::from_secs(5);

/// Plugins for one workspace.
#[derive(Debug)]
pub(crate) struct WorkspacePlugins {
    root: Option<PathBuf>,
    /// Files that plugins may read.
    pub(super) files: Arc<WorkspaceFiles>,
    /// Held while files are read and plugins are loaded, which may take long. Only another scan waits for it.
    scan: Mutex<FolderScan>,
    /// Never held while files are read.
    state: Mutex<LoadedPlugins>,
}

/// State of the last scan of the plugin folders.
#[derive(Debug, Default)]
struct FolderScan {
    scanned_at: Option<Instant>,
    inputs: Option<ScanInputs>,
}

/// Results of the last scan.
#[derive(Debug, Default)]
struct LoadedPlugins {
    entries: Vec<PluginEntry>,
    /// Increases with each change.
    version: u64,
    /// Hashes of untrusted plugins that the user was asked about.
    asked_hashes: Vec<String>,
}

/// Inputs of a scan. Equal inputs give equal plugins.
#[derive(Debug, PartialEq)]
struct ScanInputs {
    files: Vec<PluginFile>,
    trusted: TrustStore,
    config: config::PluginsConfig,
}

/// Plugin file and its state.
#[derive(Debug, Clone)]
pub(crate) struct PluginEntry {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Name of the plugin, which is the stem of the file.
    pub(crate) name: String,
    /// True if the file lies in the workspace, false if it is the user's own.
    pub(crate) from_workspace: bool,
    /// SHA-256 hash of its text.
    pub(crate) hash: String,
    /// Time at which a scan found a new text in a trusted file.
    changed_at: Option<Instant>,
    /// State of the plugin.
    pub(crate) state: PluginState,
}

/// State of a plugin file.
#[derive(Debug, Clone)]
pub(crate) enum PluginState {
    /// Loaded.
    Loaded(Arc<Plugin>),
    /// Part of the workspace and not trusted by the user.
    Untrusted,
    /// Disabled by the configuration.
    Disabled,
    /// Failed to load.
    Broken {
        /// Reason.
        fault: PluginFault,
        /// True once the user was notified.
        reported: bool,
    },
}

/// Notice about plugins for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PluginNotice {
    /// The plugin with this path was stopped or cannot be loaded.
    Fault(PathBuf, PluginFault),
    /// The workspace with this root has untrusted plugins with these names.
    Untrusted(PathBuf, Vec<String>),
}

impl WorkspacePlugins {
    /// Returns the plugins of the workspace at `root`, or those for documents outside every workspace.
    pub(super) fn new(root: Option<&Path>, config: &Config) -> Self {
        Self::with_files(root, WorkspaceFiles::new(root, config))
    }

    /// Returns the plugins of a workspace whose search index is built in the folder `index`.
    ///
    /// # Errors
    /// If the index cannot be built.
    pub(super) fn with_index_in(index: &Path, root: &Path, config: &Config) -> anyhow::Result<Self> {
        let workspace = Workspace::with_index_in(index, root, config);
        workspace.refresh_search(&|_| true)?;
        Ok(Self::with_files(Some(root), WorkspaceFiles::in_workspace(Some(Arc::new(workspace)))))
    }

    fn with_files(root: Option<&Path>, files: WorkspaceFiles) -> Self {
        let files = Arc::new(files);
        Self { root: root.map(Path::to_owned), files, scan: Mutex::default(), state: Mutex::default() }
    }

    /// Scans the folders unless another scan is running or ended less than [`SCAN_INTERVAL`] ago. Returns a version
    /// that increases with each change and is 0 while there are no plugins. Reads files.
    pub(crate) fn refresh(&self, config: &Config) -> u64 {
        if let Some(mut scan) = self.scan.try_lock() {
            self.rescan(&mut scan, config);
        }
        self.state.lock().version
    }

    /// Scans the folders like [`refresh`](Self::refresh), but waits for a running scan first. For requests that must
    /// not run without a plugin.
    pub(crate) fn refresh_blocking(&self, config: &Config) {
        self.rescan(&mut self.scan.lock(), config);
    }

    fn rescan(&self, scan: &mut FolderScan, config: &Config) {
        if scan.scanned_at.is_some_and(|at| at.elapsed() < SCAN_INTERVAL) {
            return;
        }
        let inputs =
            ScanInputs { files: self.plugin_files(config), trusted: trust::load(), config: config.plugins.clone() };
        scan.scanned_at = Some(Instant::now());
        if scan.inputs.as_ref() == Some(&inputs) {
            return;
        }
        let old = self.entries();
        let same_config = scan.inputs.as_ref().is_some_and(|before| before.config == inputs.config);
        let loaded = inputs.files.iter().filter_map(|file| self.load_entry(&file.path, &inputs, &old, same_config));
        let mut entries: Vec<_> = loaded.collect();
        let order = &inputs.config.order;
        entries.sort_by_key(|entry| {
            let rank = order.iter().position(|name| *name == entry.name).unwrap_or(order.len());
            (rank, entry.from_workspace)
        });
        scan.inputs = Some(inputs);
        let mut state = self.state.lock();
        state.version += u64::from(!(old.is_empty() && entries.is_empty()));
        state.entries = entries;
    }

    /// Returns the plugin files of both folders, those of the user first.
    fn plugin_files(&self, config: &Config) -> Vec<PluginFile> {
        if !config.plugins.enabled {
            return Vec::new();
        }
        let folders = user_folder().into_iter().chain(self.root.as_deref().map(workspace_folder));
        folders.flat_map(|folder| list_plugin_files(&folder)).collect()
    }

    /// Returns the entry of a file; `None` if it cannot be read.
    fn load_entry(
        &self,
        path: &Path,
        inputs: &ScanInputs,
        old: &[PluginEntry],
        same_config: bool,
    ) -> Option<PluginEntry> {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        let source = read_source(path).ok()?;
        let hash = source_hash(&source);
        let root = self.root.as_deref().filter(|root| path.starts_with(workspace_folder(root)));
        let state = if inputs.config.disabled.contains(&name) {
            PluginState::Disabled
        } else if root.is_some_and(|root| !inputs.trusted.contains(root, &hash)) {
            PluginState::Untrusted
        } else {
            // An unchanged file keeps its plugin with the counters.
            let is_unchanged =
                |entry: &&PluginEntry| same_config && entry.path == path && entry.hash == hash && entry.was_allowed();
            match old.iter().find(is_unchanged) {
                Some(entry) => entry.state.clone(),
                None => match self.load(path, &name, &source, &inputs.config) {
                    Ok(plugin) => PluginState::Loaded(plugin),
                    Err(fault) => PluginState::Broken { fault, reported: false },
                },
            }
        };
        let mut changed_at = None;
        if matches!(state, PluginState::Untrusted)
            && let Some(before) = old.iter().find(|entry| entry.path == path)
        {
            changed_at = before.changed_at;
            if changed_at.is_none() && before.was_allowed() {
                changed_at = Some(Instant::now());
            }
        }
        Some(PluginEntry { path: path.to_owned(), name, from_workspace: root.is_some(), hash, changed_at, state })
    }

    /// Loads a plugin whether or not it is trusted, and calls its functions on an empty document of a language that it
    /// supports.
    ///
    /// # Errors
    /// If it cannot be loaded, fails or exceeds a limit.
    pub(crate) fn check(&self, path: &Path, source: &str, config: &Config) -> Result<Arc<Plugin>, PluginFault> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let plugin = self.load(path, &name, source, &config.plugins)?;
        let language =
            Language::all().find(|language| plugin.supports_language(*language)).unwrap_or(Language::PlainText);
        let task = plugin.tasks().first().copied().unwrap_or_default();
        let request = Request { task, ..empty_request(language, config) };
        // A slow plugin is stopped at the third late call.
        for _ in 0..3 {
            plugin.context(&request);
            plugin.prompt(&request, &Window::new(&request), &[]);
            plugin.finish(&request, "text");
        }
        match plugin.fault() {
            Some(fault) => Err(fault),
            None => Ok(plugin),
        }
    }

    /// Loads a plugin within the limits of the configuration.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub(super) fn load(
        &self,
        path: &Path,
        name: &str,
        source: &str,
        config: &config::PluginsConfig,
    ) -> Result<Arc<Plugin>, PluginFault> {
        if source.contains("foretype.git") {
            // Queries git ahead, so that the first keystroke does not wait.
            self.files.git(Duration::ZERO);
        }
        if uses_search(source) {
            // Opens the index ahead: checking a large one takes long.
            self.files.search("open", 1);
        }
        let [call_time, task_time] = [config.time_ms, config.task_time_ms].map(Duration::from_millis);
        let limits = Limits { call_time, task_time, ..Limits::default() };
        let options = config.options_of(name);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Plugin::load(&file, source, &options, self.files.clone(), limits).map(Arc::new)
    }

    /// Returns the entries of the last [`refresh`](Self::refresh).
    pub(crate) fn entries(&self) -> Vec<PluginEntry> {
        self.state.lock().entries.clone()
    }

    /// Returns `inner` extended by the plugins for documents of a language.
    pub(crate) fn wrap_strategy(
        &self,
        inner: Arc<dyn PromptStrategy>,
        language: Language,
        config: &Config,
    ) -> Arc<dyn PromptStrategy> {
        let running = self.plugins_for(language, config);
        if running.is_empty() { inner } else { with_plugins(inner, running, config) }
    }

    /// Returns the plugins for documents of a language, in their order.
    pub(super) fn plugins_for(&self, language: Language, config: &Config) -> Vec<Arc<Plugin>> {
        let builtins = request_builder::builtins_for(&config.plugins, language);
        let state = self.state.lock();
        let loaded = state.entries.iter().filter_map(|entry| match &entry.state {
            PluginState::Loaded(plugin) => Some(plugin.clone()),
            _ => None,
        });
        let runs = |plugin: &Arc<Plugin>| plugin.supports_language(language) && builtins.is_enabled(&plugin.name);
        let mut running: Vec<_> = loaded.filter(runs).collect();
        running.sort_by_key(|plugin| builtins.rank(&plugin.name));
        running
    }

    /// Returns the notices that the user has not got yet.
    pub(crate) fn take_notices(&self) -> Vec<PluginNotice> {
        let mut state = self.state.lock();
        let mut notices = Vec::new();
        let LoadedPlugins { entries, asked_hashes, .. } = &mut *state;
        let mut untrusted = Vec::new();
        for entry in entries {
            match &mut entry.state {
                PluginState::Loaded(plugin) => {
                    notices.extend(plugin.take_fault().map(|fault| PluginNotice::Fault(entry.path.clone(), fault)));
                }
                PluginState::Broken { fault, reported: reported @ false } => {
                    *reported = true;
                    notices.push(PluginNotice::Fault(entry.path.clone(), fault.clone()));
                }
                // Right after a change, the editor may still report that the user saved it.
                PluginState::Untrusted if !asked_hashes.contains(&entry.hash) && !is_recent(entry.changed_at) => {
                    asked_hashes.push(entry.hash.clone());
                    untrusted.push(entry.name.clone());
                }
                _ => {}
            }
        }
        if let Some(root) = &self.root
            && !untrusted.is_empty()
        {
            notices.push(PluginNotice::Untrusted(root.clone(), untrusted));
        }
        notices
    }

    /// Trusts the new text of a plugin that the user saved in an editor, if the old text was trusted.
    pub(super) fn trust_saved_file(&self, path: &Path) {
        let entry = self.entries().into_iter().find(|entry| {
            entry.path == path && entry.from_workspace && (entry.was_allowed() || is_recent(entry.changed_at))
        });
        if let (Some(entry), Some(root)) = (entry, &self.root)
            && let Ok(source) = read_source(&entry.path)
            && let Err(error) = trust::add(root, &[source_hash(&source)])
        {
            tracing::warn!("{} is no longer trusted: {error:#}", path.display());
        }
        self.scan.lock().scanned_at = None;
    }
}

impl PluginEntry {
    /// Returns true if the plugin is allowed to run.
    fn was_allowed(&self) -> bool {
        matches!(self.state, PluginState::Loaded(_) | PluginState::Broken { .. })
    }
}

fn is_recent(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at.elapsed() < SAVE_NOTIFICATION_DELAY)
}

/// Returns `inner` extended by plugins, each with the snippet budget of the configuration.
pub(crate) fn with_plugins(
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    config: &Config,
) -> Arc<dyn PromptStrategy> {
    Arc::new(PluginStrategy::new(inner, plugins, config.plugins.max_tokens * request_builder::BYTES_PER_TOKEN))
}

/// Returns a request in an empty document.
fn empty_request(language: Language, config: &Config) -> Request {
    let document = Document { path: "empty".to_owned(), language, text: "".into(), tree: None };
    request_builder::request_for_format(document, 0, None, config.context.max_tokens, config)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_keystroke_does_not_wait_for_a_scan_and_a_task_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = workspace_folder(folder.path());
        std::fs::create_dir_all(&own).expect("writable");
        std::fs::write(own.join("p.luau"), "return { api = 1, name = 'p', finish = function() end }")
            .expect("writable");
        let config = Config::default();
        let plugins = WorkspacePlugins::new(Some(folder.path()), &config);
        let running_scan = plugins.scan.lock();
        assert_eq!(plugins.refresh(&config), 0, "another scan is running");
        let is_scan_over = AtomicBool::new(false);
        let (report_start, start) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let task = scope.spawn(|| {
                report_start.send(()).expect("the test listens");
                plugins.refresh_blocking(&config);
                assert!(is_scan_over.load(Ordering::SeqCst), "the task did not wait");
                plugins.entries().iter().any(|entry| entry.path.starts_with(&own))
            });
            start.recv().expect("the task starts");
            is_scan_over.store(true, Ordering::SeqCst);
            drop(running_scan);
            assert!(task.join().expect("no panic"));
        });
    }
}
