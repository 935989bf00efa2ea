//! The plugins of a workspace and of the user: which there are, which may run, and what became of them.
//!
//! The user's own lie in `foretype/plugins/` of the configuration folder and always run. Those of a workspace lie in
//! `.foretype/plugins/` and run only once the user trusts them ([`trust`]): by path and content, so that what a `git pull`
//! brings is asked about again. The folders are looked at where prompts are built, at most twice a second; what changed is
//! loaded anew, and a plugin that rested gets another chance.

pub mod contributors;
pub mod fixtures;
mod git;
pub mod report;
mod task_plugins;
pub mod trust;
mod workspace_files;

pub use report::PluginReport;
pub use task_plugins::{CodePlugins, TaskPlugins};

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use foretype_plugins::luau::{Limits, Plugin, PluginFault, WorkspaceAccess};
use foretype_plugins::plugin_strategy::PluginStrategy;
use foretype_plugins::{Document, Language, PromptStrategy, Request};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::config::{self, Config, sources};
use crate::request_builder;
use crate::workspace::Workspace;
use workspace_files::WorkspaceFiles;

/// How often the folders are looked at.
const SCAN_INTERVAL: Duration = Duration::from_millis(500);
/// An editor tells this long after it that it saved a file.
const SAVE_NOTIFICATION_DELAY: Duration = Duration::from_secs(5);
/// Bytes of a file that are read: a larger one is refused when it is loaded.
const MAX_READ_BYTES: u64 = 1 << 20;
/// Files of one folder that are taken for plugins.
const MAX_PLUGINS_PER_FOLDER: usize = 64;

/// The plugins of all workspaces that are open.
#[derive(Debug, Default)]
pub struct PluginRegistry {
    plugins: Mutex<HashMap<WorkspaceKey, Arc<WorkspacePlugins>>>,
    saved: watch::Sender<()>,
}

/// A workspace and what is excluded of it.
type WorkspaceKey = (Option<PathBuf>, Vec<String>);

impl PluginRegistry {
    /// Those for the workspace at `root`, or for documents outside every workspace.
    pub fn for_workspace(&self, root: Option<&Path>, config: &Config) -> Arc<WorkspacePlugins> {
        let key = (root.map(Path::to_owned), config.context.excluded.clone());
        lock(&self.plugins).entry(key).or_insert_with(|| Arc::new(WorkspacePlugins::new(root, config))).clone()
    }

    /// Whether a file is a plugin of some workspace that is open.
    pub fn contains(&self, path: &Path) -> bool {
        !self.workspaces_with(path).is_empty()
    }

    /// The user saved a file in an editor. Reads it.
    pub fn file_saved(&self, path: &Path) {
        self.workspaces_with(path).iter().for_each(|plugins| plugins.trust_saved_file(path));
        self.saved.send_replace(());
    }

    fn workspaces_with(&self, path: &Path) -> Vec<Arc<WorkspacePlugins>> {
        let all: Vec<_> = lock(&self.plugins).values().cloned().collect();
        let has = |plugins: &Arc<WorkspacePlugins>| plugins.entries().iter().any(|entry| entry.path == path);
        all.into_iter().filter(has).collect()
    }

    /// Changes when a plugin was saved: those who have its workspace open look at it again.
    pub fn subscribe_to_saves(&self) -> watch::Receiver<()> {
        self.saved.subscribe()
    }
}

/// The plugins for one workspace.
#[derive(Debug)]
pub struct WorkspacePlugins {
    root: Option<PathBuf>,
    files: Arc<WorkspaceFiles>,
    /// Held while files are read and plugins are loaded, which may take long; nobody waits for it but who does the same.
    scan: Mutex<FolderScan>,
    /// Held for moments only.
    state: Mutex<LoadedPlugins>,
}

#[derive(Debug, Default)]
struct FolderScan {
    scanned_at: Option<Instant>,
    inputs: Option<ScanInputs>,
}

#[derive(Debug, Default)]
struct LoadedPlugins {
    entries: Vec<PluginEntry>,
    /// Rises with each change.
    version: u64,
    /// Hashes of workspace plugins that the user was asked about.
    asked_hashes: Vec<String>,
}

/// All that decides what is loaded.
#[derive(Debug, PartialEq)]
struct ScanInputs {
    files: Vec<(PathBuf, Option<SystemTime>, u64)>,
    trusted: trust::TrustStore,
    config: config::PluginsConfig,
}

/// A plugin's file.
#[derive(Debug, Clone)]
pub struct PluginEntry {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name, which is that of the file.
    pub name: String,
    /// Whether it came with the workspace.
    pub from_workspace: bool,
    /// SHA-256 of its content.
    pub hash: String,
    /// When a file that was trusted was seen to have another content.
    changed_at: Option<Instant>,
    /// What became of it.
    pub state: PluginState,
}

/// What became of a plugin's file.
#[derive(Debug, Clone)]
pub enum PluginState {
    /// It was loaded.
    Loaded(Arc<Plugin>),
    /// It came with the workspace and the user has not said that it may run.
    Untrusted,
    /// The configuration switches it off.
    Off,
    /// It cannot be loaded; whether that was told.
    Broken(PluginFault, bool),
}

/// What a user ought to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginNotice {
    /// A plugin was stopped or cannot be loaded.
    Fault(PathBuf, PluginFault),
    /// A workspace has plugins that may not run yet: its root and their names.
    Untrusted(PathBuf, Vec<String>),
}

impl WorkspacePlugins {
    fn new(root: Option<&Path>, config: &Config) -> Self {
        Self::with_files(root, WorkspaceFiles::new(root, config))
    }

    /// For a workspace that nobody else has open, indexed in `index` for the searches of plugins.
    fn with_index_in(index: &Path, root: &Path, config: &Config) -> anyhow::Result<Self> {
        let workspace = Workspace::with_index_in(index, root, config);
        workspace.refresh_search(&|_| true)?;
        Ok(Self::with_files(Some(root), WorkspaceFiles::in_workspace(Some(Arc::new(workspace)))))
    }

    fn with_files(root: Option<&Path>, files: WorkspaceFiles) -> Self {
        let files = Arc::new(files);
        Self { root: root.map(Path::to_owned), files, scan: Mutex::default(), state: Mutex::default() }
    }

    /// Looks at the folders, unless that was done just now or is being done. What is returned rises when something is
    /// different from before; it is 0 as long as there was nothing. Reads files.
    pub fn refresh(&self, config: &Config) -> u64 {
        if let Ok(mut looked) = self.scan.try_lock() {
            self.rescan(&mut looked, config);
        }
        lock(&self.state).version
    }

    /// [`look`](Self::look) for what must not be done without a plugin: waits for who is looking and loads one just now.
    pub fn refresh_blocking(&self, config: &Config) {
        self.rescan(&mut lock(&self.scan), config);
    }

    fn rescan(&self, looked: &mut FolderScan, config: &Config) {
        if looked.scanned_at.is_some_and(|at| at.elapsed() < SCAN_INTERVAL) {
            return;
        }
        let seen =
            ScanInputs { files: self.plugin_files(config), trusted: trust::load(), config: config.plugins.clone() };
        looked.scanned_at = Some(Instant::now());
        if looked.inputs.as_ref() == Some(&seen) {
            return;
        }
        let old = self.entries();
        let same_config = looked.inputs.as_ref().is_some_and(|before| before.config == seen.config);
        let loaded = seen.files.iter().filter_map(|(path, ..)| self.load_entry(path, &seen, &old, same_config));
        let mut entries: Vec<_> = loaded.collect();
        let place = |entry: &PluginEntry| {
            let order = &seen.config.order;
            (order.iter().position(|name| *name == entry.name).unwrap_or(order.len()), entry.from_workspace)
        };
        entries.sort_by_key(place);
        looked.inputs = Some(seen);
        let mut state = lock(&self.state);
        state.version += u64::from(!(old.is_empty() && entries.is_empty()));
        state.entries = entries;
    }

    /// The files of both folders, those of the user first.
    fn plugin_files(&self, config: &Config) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
        if !config.plugins.enabled {
            return Vec::new();
        }
        let folders = user_folder().into_iter().chain(self.root.as_deref().map(workspace_folder));
        folders.flat_map(|folder| list_plugin_files(&folder)).collect()
    }

    fn load_entry(
        &self,
        path: &Path,
        seen: &ScanInputs,
        old: &[PluginEntry],
        same_config: bool,
    ) -> Option<PluginEntry> {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        let source = read_source(path).ok()?;
        let hash = source_hash(&source);
        let root = self.root.as_deref().filter(|root| path.starts_with(workspace_folder(root)));
        let state = if seen.config.disabled.contains(&name) {
            PluginState::Off
        } else if root.is_some_and(|root| !seen.trusted.contains(root, &hash)) {
            PluginState::Untrusted
        } else {
            // A file that says what it said goes on as it was, with what it has counted.
            let goes_on =
                |entry: &&PluginEntry| same_config && entry.path == path && entry.hash == hash && entry.was_allowed();
            match old.iter().find(goes_on) {
                Some(entry) => entry.state.clone(),
                None => match self.load(path, &name, &source, &seen.config) {
                    Ok(plugin) => PluginState::Loaded(plugin),
                    Err(fault) => PluginState::Broken(fault, false),
                },
            }
        };
        let before = old.iter().find(|entry| entry.path == path);
        let changed = before.and_then(|entry| entry.changed_at.or_else(|| entry.was_allowed().then(Instant::now)));
        let changed = changed.filter(|_| matches!(state, PluginState::Untrusted));
        Some(PluginEntry {
            path: path.to_owned(),
            name,
            from_workspace: root.is_some(),
            hash,
            changed_at: changed,
            state,
        })
    }

    /// Loads a file whoever trusts it, and calls its functions once on an empty document of a language that it knows.
    ///
    /// # Errors
    /// If it cannot be loaded, fails or breaks a limit.
    pub fn check(&self, path: &Path, source: &str, config: &Config) -> Result<Arc<Plugin>, PluginFault> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let plugin = self.load(path, &name, source, &config.plugins)?;
        let language =
            Language::all().find(|language| plugin.supports_language(*language)).unwrap_or(Language::PlainText);
        let task = plugin.tasks().first().copied().unwrap_or_default();
        let request = Request { task, ..empty_request(language, config) };
        // Being slow counts three times only.
        for _ in 0..3 {
            plugin.context(&request);
            plugin.prompt(&request, &foretype_plugins::Window::new(&request), &[]);
            plugin.finish(&request, "text");
        }
        plugin.fault().map_or(Ok(plugin), Err)
    }

    fn load(
        &self,
        path: &Path,
        name: &str,
        source: &str,
        config: &config::PluginsConfig,
    ) -> Result<Arc<Plugin>, PluginFault> {
        if source.contains("foretype.git") {
            // Asked now, so that the answer is there when somebody types.
            self.files.git(Duration::ZERO);
        }
        if uses_search(source) {
            // An index is checked when it is opened, which takes long for a large one.
            self.files.search("open", 1);
        }
        let [time, task_time] = [config.time_ms, config.task_time_ms].map(Duration::from_millis);
        let limits = Limits { call_time: time, task_time, ..Limits::default() };
        let options = config.options_of(name);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Plugin::load(&file, source, &options, self.files.clone(), limits).map(Arc::new)
    }

    /// What was found when somebody [looked](Self::look) last.
    pub fn entries(&self) -> Vec<PluginEntry> {
        lock(&self.state).entries.clone()
    }

    /// `inner` with those that run for documents of this language.
    pub fn wrap_strategy(
        &self,
        inner: Arc<dyn PromptStrategy>,
        language: Language,
        config: &Config,
    ) -> Arc<dyn PromptStrategy> {
        let running = self.plugins_for(language, config);
        if running.is_empty() { inner } else { with_plugins(inner, running, config) }
    }

    /// Those that run for documents of this language, in their order.
    fn plugins_for(&self, language: Language, config: &Config) -> Vec<Arc<Plugin>> {
        let chosen = request_builder::builtins_for(&config.plugins, language);
        let state = lock(&self.state);
        let loaded = state.entries.iter().filter_map(|entry| match &entry.state {
            PluginState::Loaded(plugin) => Some(plugin.clone()),
            _ => None,
        });
        let runs = |plugin: &Arc<Plugin>| plugin.supports_language(language) && chosen.is_enabled(&plugin.name);
        let mut running: Vec<_> = loaded.filter(runs).collect();
        running.sort_by_key(|plugin| chosen.rank(&plugin.name));
        running
    }

    /// What the user ought to know and was not told.
    pub fn take_notices(&self) -> Vec<PluginNotice> {
        let mut state = lock(&self.state);
        let mut news = Vec::new();
        let LoadedPlugins { entries, asked_hashes: asked, .. } = &mut *state;
        let mut untrusted = Vec::new();
        for entry in entries {
            match &mut entry.state {
                PluginState::Loaded(plugin) => {
                    news.extend(plugin.take_fault().map(|fault| PluginNotice::Fault(entry.path.clone(), fault)));
                }
                PluginState::Broken(fault, told @ false) => {
                    *told = true;
                    news.push(PluginNotice::Fault(entry.path.clone(), fault.clone()));
                }
                // The editor may be about to say that the user saved it.
                PluginState::Untrusted if !asked.contains(&entry.hash) && !is_recent(entry.changed_at) => {
                    asked.push(entry.hash.clone());
                    untrusted.push(entry.name.clone());
                }
                _ => {}
            }
        }
        news.extend(
            self.root.clone().filter(|_| !untrusted.is_empty()).map(|root| PluginNotice::Untrusted(root, untrusted)),
        );
        news
    }

    /// The user saved a file in an editor. A plugin that was trusted until then stays so: it is the user's own change.
    fn trust_saved_file(&self, path: &Path) {
        let entry = self.entries().into_iter().find(|entry| {
            entry.path == path && entry.from_workspace && (entry.was_allowed() || is_recent(entry.changed_at))
        });
        if let (Some(entry), Some(root)) = (entry, &self.root)
            && let Ok(source) = read_source(&entry.path)
            && let Err(error) = trust::add(root, &[source_hash(&source)])
        {
            tracing::warn!("{} is not trusted any more: {error:#}", path.display());
        }
        lock(&self.scan).scanned_at = None;
    }
}

impl PluginEntry {
    /// Whether it was allowed to run.
    fn was_allowed(&self) -> bool {
        matches!(self.state, PluginState::Loaded(_) | PluginState::Broken(..))
    }
}

fn is_recent(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at.elapsed() < SAVE_NOTIFICATION_DELAY)
}

/// `inner` with these plugins, each with the room that the configuration gives it.
pub(crate) fn with_plugins(
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    config: &Config,
) -> Arc<dyn PromptStrategy> {
    Arc::new(PluginStrategy::new(inner, plugins, config.plugins.max_tokens * request_builder::BYTES_PER_TOKEN))
}

/// Whether a plugin searches the workspace, as far as its text says.
pub fn uses_search(source: &str) -> bool {
    source.contains("foretype.search")
}

/// A request in an empty document.
fn empty_request(language: Language, config: &Config) -> Request {
    let document = Document { path: "empty".to_owned(), language, text: "".into(), tree: None };
    request_builder::request_for_format(document, 0, None, config.context.max_tokens, config)
}

/// The folder of a workspace's plugins.
pub fn workspace_folder(root: &Path) -> PathBuf {
    root.join(".foretype").join("plugins")
}

/// The folder of the user's plugins.
pub fn user_folder() -> Option<PathBuf> {
    Some(sources::user_file()?.parent()?.join("plugins"))
}

/// The plugins in a folder, by name, with what shows that they changed.
pub(crate) fn list_plugin_files(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "luau"))
        .filter(|path| !path.to_string_lossy().ends_with(".d.luau"))
        .filter_map(|path| path.metadata().ok().filter(|data| data.is_file()).map(|data| (path, data)))
        .map(|(path, data)| (path, data.modified().ok(), data.len()))
        .collect();
    files.sort();
    files.truncate(MAX_PLUGINS_PER_FOLDER);
    files
}

/// The text of a plugin's file, or more of it than any plugin has.
fn read_source(path: &Path) -> std::io::Result<String> {
    let mut source = String::new();
    std::fs::File::open(path)?.take(MAX_READ_BYTES).read_to_string(&mut source)?;
    Ok(source)
}

/// What a plugin is recognised by.
pub fn source_hash(source: &str) -> String {
    Sha256::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_wait_for_who_looks_for_plugins_and_a_question_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = workspace_folder(folder.path());
        std::fs::create_dir_all(&own).expect("writable");
        std::fs::write(own.join("p.luau"), "return { api = 1, name = 'p', finish = function() end }")
            .expect("writable");
        let config = Config::default();
        let plugins = WorkspacePlugins::new(Some(folder.path()), &config);
        let looking = lock(&plugins.scan);
        assert_eq!(plugins.refresh(&config), 0, "somebody else is looking");
        std::thread::scope(|scope| {
            let question = scope.spawn(|| {
                plugins.refresh_blocking(&config);
                plugins.entries().iter().any(|entry| entry.path.starts_with(&own))
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!question.is_finished());
            drop(looking);
            assert!(question.join().expect("no panic"));
        });
    }
}
