//! The plugins of a workspace and of the user: which there are, which may run, and what became of them.
//!
//! The user's own lie in `foretype/plugins/` of the configuration folder and always run. Those of a workspace lie in
//! `.foretype/plugins/` and run only once the user trusts them ([`trust`]): by path and content, so that what a `git pull`
//! brings is asked about again. The folders are looked at where prompts are built, at most twice a second; what changed is
//! loaded anew, and a plugin that rested gets another chance.

mod asked;
pub mod builtins;
mod files;
pub mod fixtures;
mod git;
pub mod report;
pub mod trust;

pub use asked::{Asked, Heard};
pub use report::Report;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use foretype_plugins::luau::{PluginFault, Limits, Plugin, WorkspaceAccess};
use foretype_plugins::plugin_strategy::PluginStrategy;
use foretype_plugins::{Document, Language, PromptStrategy, Request, window};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::request_builder;
use crate::config::{self, Config, sources};
use crate::workspace::Workspace;
use files::Files;

/// How often the folders are looked at.
const LOOKS: Duration = Duration::from_millis(500);
/// An editor tells this long after it that it saved a file.
const SAVED: Duration = Duration::from_secs(5);
/// Bytes of a file that are read: a larger one is refused when it is loaded.
const LARGEST: u64 = 1 << 20;
/// Files of one folder that are taken for plugins.
const MOST: usize = 64;

/// The plugins of all workspaces that are open.
#[derive(Debug, Default)]
pub struct Open {
    plugins: Mutex<HashMap<Key, Arc<Plugins>>>,
    saved: watch::Sender<()>,
}

/// A workspace and what is excluded of it.
type Key = (Option<PathBuf>, Vec<String>);

impl Open {
    /// Those for the workspace at `root`, or for documents outside every workspace.
    pub fn of(&self, root: Option<&Path>, config: &Config) -> Arc<Plugins> {
        let key = (root.map(Path::to_owned), config.context.excluded.clone());
        lock(&self.plugins).entry(key).or_insert_with(|| Arc::new(Plugins::new(root, config))).clone()
    }

    /// Whether a file is a plugin of some workspace that is open.
    pub fn know(&self, path: &Path) -> bool {
        !self.with(path).is_empty()
    }

    /// The user saved a file in an editor. Reads it.
    pub fn saved(&self, path: &Path) {
        self.with(path).iter().for_each(|plugins| plugins.saved(path));
        self.saved.send_replace(());
    }

    fn with(&self, path: &Path) -> Vec<Arc<Plugins>> {
        let all: Vec<_> = lock(&self.plugins).values().cloned().collect();
        let has = |plugins: &Arc<Plugins>| plugins.entries().iter().any(|entry| entry.path == path);
        all.into_iter().filter(has).collect()
    }

    /// Changes when a plugin was saved: those who have its workspace open look at it again.
    pub fn after_saving(&self) -> watch::Receiver<()> {
        self.saved.subscribe()
    }
}

/// The plugins for one workspace.
#[derive(Debug)]
pub struct Plugins {
    root: Option<PathBuf>,
    files: Arc<Files>,
    /// Held while files are read and plugins are loaded, which may take long; nobody waits for it but who does the same.
    looked: Mutex<Looked>,
    /// Held for moments only.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Looked {
    at: Option<Instant>,
    seen: Option<Seen>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    /// Rises with each change.
    version: u64,
    /// Hashes of workspace plugins that the user was asked about.
    asked: Vec<String>,
}

/// All that decides what is loaded.
#[derive(Debug, PartialEq)]
struct Seen {
    files: Vec<(PathBuf, Option<SystemTime>, u64)>,
    trusted: trust::Trusted,
    config: config::PluginsConfig,
}

/// A plugin's file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name, which is that of the file.
    pub name: String,
    /// Whether it came with the workspace.
    pub of_workspace: bool,
    /// SHA-256 of its content.
    pub hash: String,
    /// When a file that was trusted was seen to have another content.
    changed: Option<Instant>,
    /// What became of it.
    pub state: EntryState,
}

/// What became of a plugin's file.
#[derive(Debug, Clone)]
pub enum EntryState {
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
pub enum Notice {
    /// A plugin was stopped or cannot be loaded.
    Fault(PathBuf, PluginFault),
    /// A workspace has plugins that may not run yet: its root and their names.
    Untrusted(PathBuf, Vec<String>),
}

impl Plugins {
    fn new(root: Option<&Path>, config: &Config) -> Self {
        Self::seeing(root, Files::new(root, config))
    }

    /// For a workspace that nobody else has open, indexed in `index` for the searches of plugins.
    fn indexed_in(index: &Path, root: &Path, config: &Config) -> anyhow::Result<Self> {
        let workspace = Workspace::with_index_in(index, root, config);
        workspace.refresh_search(&|_| true)?;
        Ok(Self::seeing(Some(root), Files::of(Some(Arc::new(workspace)))))
    }

    fn seeing(root: Option<&Path>, files: Files) -> Self {
        let files = Arc::new(files);
        Self { root: root.map(Path::to_owned), files, looked: Mutex::default(), state: Mutex::default() }
    }

    /// Looks at the folders, unless that was done just now or is being done. What is returned rises when something is
    /// different from before; it is 0 as long as there was nothing. Reads files.
    pub fn look(&self, config: &Config) -> u64 {
        if let Ok(mut looked) = self.looked.try_lock() {
            self.look_again(&mut looked, config);
        }
        lock(&self.state).version
    }

    /// [`look`](Self::look) for what must not be done without a plugin: waits for who is looking and loads one just now.
    pub fn look_in_turn(&self, config: &Config) {
        self.look_again(&mut lock(&self.looked), config);
    }

    fn look_again(&self, looked: &mut Looked, config: &Config) {
        if looked.at.is_some_and(|at| at.elapsed() < LOOKS) {
            return;
        }
        let seen = Seen { files: self.found(config), trusted: trust::load(), config: config.plugins.clone() };
        looked.at = Some(Instant::now());
        if looked.seen.as_ref() == Some(&seen) {
            return;
        }
        let old = self.entries();
        let same_config = looked.seen.as_ref().is_some_and(|before| before.config == seen.config);
        let loaded = seen.files.iter().filter_map(|(path, ..)| self.entry(path, &seen, &old, same_config));
        let mut entries: Vec<_> = loaded.collect();
        let place = |entry: &Entry| {
            let order = &seen.config.order;
            (order.iter().position(|name| *name == entry.name).unwrap_or(order.len()), entry.of_workspace)
        };
        entries.sort_by_key(place);
        looked.seen = Some(seen);
        let mut state = lock(&self.state);
        state.version += u64::from(!(old.is_empty() && entries.is_empty()));
        state.entries = entries;
    }

    /// The files of both folders, those of the user first.
    fn found(&self, config: &Config) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
        if !config.plugins.enabled {
            return Vec::new();
        }
        let folders = user_folder().into_iter().chain(self.root.as_deref().map(workspace_folder));
        folders.flat_map(|folder| plugins_in(&folder)).collect()
    }

    fn entry(&self, path: &Path, seen: &Seen, old: &[Entry], same_config: bool) -> Option<Entry> {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        let source = read(path).ok()?;
        let hash = hash(&source);
        let root = self.root.as_deref().filter(|root| path.starts_with(workspace_folder(root)));
        let state = if seen.config.disabled.contains(&name) {
            EntryState::Off
        } else if root.is_some_and(|root| !seen.trusted.knows(root, &hash)) {
            EntryState::Untrusted
        } else {
            // A file that says what it said goes on as it was, with what it has counted.
            let goes_on = |entry: &&Entry| same_config && entry.path == path && entry.hash == hash && entry.ran();
            match old.iter().find(goes_on) {
                Some(entry) => entry.state.clone(),
                None => match self.load(path, &name, &source, &seen.config) {
                    Ok(plugin) => EntryState::Loaded(plugin),
                    Err(fault) => EntryState::Broken(fault, false),
                },
            }
        };
        let before = old.iter().find(|entry| entry.path == path);
        let changed = before.and_then(|entry| entry.changed.or_else(|| entry.ran().then(Instant::now)));
        let changed = changed.filter(|_| matches!(state, EntryState::Untrusted));
        Some(Entry { path: path.to_owned(), name, of_workspace: root.is_some(), hash, changed, state })
    }

    /// Loads a file whoever trusts it, and calls its functions once on an empty document of a language that it knows.
    ///
    /// # Errors
    /// If it cannot be loaded, fails or breaks a limit.
    pub fn check(&self, path: &Path, source: &str, config: &Config) -> Result<Arc<Plugin>, PluginFault> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let plugin = self.load(path, &name, source, &config.plugins)?;
        let language = Language::all().find(|language| plugin.supports_language(*language)).unwrap_or(Language::PlainText);
        let task = plugin.tasks().first().copied().unwrap_or_default();
        let request = Request { task, ..empty(language, config) };
        // Being slow counts three times only.
        for _ in 0..3 {
            plugin.context(&request);
            plugin.prompt(&request, &window::set(&request), &[]);
            plugin.finish(&request, "text");
        }
        plugin.fault().map_or(Ok(plugin), Err)
    }

    fn load(&self, path: &Path, name: &str, source: &str, config: &config::PluginsConfig) -> Result<Arc<Plugin>, PluginFault> {
        if source.contains("foretype.git") {
            // Asked now, so that the answer is there when somebody types.
            self.files.git(Duration::ZERO);
        }
        if searches(source) {
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
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.state).entries.clone()
    }

    /// `inner` with those that run for documents of this language.
    pub fn around(
        &self,
        inner: Arc<dyn PromptStrategy>,
        language: Language,
        config: &Config,
    ) -> Arc<dyn PromptStrategy> {
        let running = self.running(language, config);
        if running.is_empty() { inner } else { plugged(inner, running, config) }
    }

    /// Those that run for documents of this language, in their order.
    fn running(&self, language: Language, config: &Config) -> Vec<Arc<Plugin>> {
        let chosen = request_builder::builtins_for(&config.plugins, language);
        let state = lock(&self.state);
        let loaded = state.entries.iter().filter_map(|entry| match &entry.state {
            EntryState::Loaded(plugin) => Some(plugin.clone()),
            _ => None,
        });
        let runs = |plugin: &Arc<Plugin>| plugin.supports_language(language) && chosen.is_enabled(&plugin.name);
        let mut running: Vec<_> = loaded.filter(runs).collect();
        running.sort_by_key(|plugin| chosen.rank(&plugin.name));
        running
    }

    /// What the user ought to know and was not told.
    pub fn news(&self) -> Vec<Notice> {
        let mut state = lock(&self.state);
        let mut news = Vec::new();
        let State { entries, asked, .. } = &mut *state;
        let mut untrusted = Vec::new();
        for entry in entries {
            match &mut entry.state {
                EntryState::Loaded(plugin) => {
                    news.extend(plugin.take_fault().map(|fault| Notice::Fault(entry.path.clone(), fault)));
                }
                EntryState::Broken(fault, told @ false) => {
                    *told = true;
                    news.push(Notice::Fault(entry.path.clone(), fault.clone()));
                }
                // The editor may be about to say that the user saved it.
                EntryState::Untrusted if !asked.contains(&entry.hash) && !just(entry.changed) => {
                    asked.push(entry.hash.clone());
                    untrusted.push(entry.name.clone());
                }
                _ => {}
            }
        }
        news.extend(self.root.clone().filter(|_| !untrusted.is_empty()).map(|root| Notice::Untrusted(root, untrusted)));
        news
    }

    /// The user saved a file in an editor. A plugin that was trusted until then stays so: it is the user's own change.
    fn saved(&self, path: &Path) {
        let entry = self
            .entries()
            .into_iter()
            .find(|entry| entry.path == path && entry.of_workspace && (entry.ran() || just(entry.changed)));
        if let (Some(entry), Some(root)) = (entry, &self.root)
            && let Ok(source) = read(&entry.path)
            && let Err(error) = trust::add(root, &[hash(&source)])
        {
            tracing::warn!("{} is not trusted any more: {error:#}", path.display());
        }
        lock(&self.looked).at = None;
    }
}

impl Entry {
    /// Whether it was allowed to run.
    fn ran(&self) -> bool {
        matches!(self.state, EntryState::Loaded(_) | EntryState::Broken(..))
    }
}

fn just(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at.elapsed() < SAVED)
}

/// `inner` with these plugins, each with the room that the configuration gives it.
pub(crate) fn plugged(
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    config: &Config,
) -> Arc<dyn PromptStrategy> {
    Arc::new(PluginStrategy::new(inner, plugins, config.plugins.max_tokens * request_builder::BYTES_PER_TOKEN))
}

/// Whether a plugin searches the workspace, as far as its text says.
pub fn searches(source: &str) -> bool {
    source.contains("foretype.search")
}

/// A request in an empty document.
fn empty(language: Language, config: &Config) -> Request {
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
pub(crate) fn plugins_in(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "luau"))
        .filter(|path| !path.to_string_lossy().ends_with(".d.luau"))
        .filter_map(|path| path.metadata().ok().filter(|data| data.is_file()).map(|data| (path, data)))
        .map(|(path, data)| (path, data.modified().ok(), data.len()))
        .collect();
    files.sort();
    files.truncate(MOST);
    files
}

/// The text of a plugin's file, or more of it than any plugin has.
fn read(path: &Path) -> std::io::Result<String> {
    let mut source = String::new();
    std::fs::File::open(path)?.take(LARGEST).read_to_string(&mut source)?;
    Ok(source)
}

/// What a plugin is recognised by.
pub fn hash(source: &str) -> String {
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
        let plugins = Plugins::new(Some(folder.path()), &config);
        let looking = lock(&plugins.looked);
        assert_eq!(plugins.look(&config), 0, "somebody else is looking");
        std::thread::scope(|scope| {
            let question = scope.spawn(|| {
                plugins.look_in_turn(&config);
                plugins.entries().iter().any(|entry| entry.path.starts_with(&own))
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!question.is_finished());
            drop(looking);
            assert!(question.join().expect("no panic"));
        });
    }
}
