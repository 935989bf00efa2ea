//! What is known of one client: its documents, folders and settings.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use anyhow::{Context, Result, anyhow, bail};
use dashmap::DashMap;
use foretype_model::Engine;
use foretype_plugins::luau::Fault;
use foretype_plugins::{Language, PromptStrategy};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tower_lsp::lsp_types::{TextDocumentContentChangeEvent, Url};

use super::capabilities;
use crate::backend::{Shared, Slot, State};
use crate::config::{Config, Layer, sources};
use crate::documents::{Documents, Snapshot};
use crate::inline::context;
use crate::plugins::Plugins;
use crate::shown::Shown;
use crate::workspace::Workspace;

/// One client.
#[derive(Debug)]
pub struct Session {
    /// What it shares with the other clients of this process.
    pub shared: Arc<Shared>,
    /// What it has open.
    pub documents: Documents,
    places: DashMap<String, Arc<PerDocument>>,
    facts: OnceLock<capabilities::Client>,
    /// Whether the client declared dynamic registration of inline completion, which lsp-types does not know.
    pub(super) registers_inline_completion: AtomicBool,
    config: RwLock<Arc<Config>>,
    settings: Mutex<Settings>,
    /// What the client was told is wrong with its options; held while they are read again.
    told: Mutex<Vec<String>>,
    /// The client's environment, which may be another process's.
    environment: BTreeMap<String, String>,
    folders: RwLock<Vec<Arc<Workspace>>>,
    /// What was found out about documents, so that a keystroke reads no ignore files.
    excluded: DashMap<String, bool>,
    slot: RwLock<Option<Arc<Slot>>>,
    /// Another model or status is to be watched.
    pub(super) slot_changed: Notify,
    /// There may be something to say about plugins.
    pub(super) plugin_news: Notify,
    /// Faults of plugins that the client shows at their lines.
    pub(super) plugin_marks: Mutex<HashMap<PathBuf, Fault>>,
    /// By workspace, the plugins that prompts were written with.
    plugin_versions: DashMap<Option<PathBuf>, u64>,
    pub(super) shut_down: AtomicBool,
    ended: watch::Sender<bool>,
    moments: AtomicU64,
    /// Rises when the cursor goes elsewhere.
    focus: watch::Sender<u64>,
    /// Prompts that were read ahead since the last edit.
    unused: AtomicU32,
}

/// So many prompts are read ahead in a row that nobody types into: somebody who only reads needs no model.
const UNUSED: u32 = 3;

/// What is kept for one open document, beside its text.
#[derive(Debug)]
pub struct PerDocument {
    /// Rises with each edit and each request; a request that sees it rise is overtaken.
    epoch: watch::Sender<u64>,
    asked: Mutex<Option<(u64, Arc<Snapshot>)>>,
    shown: Mutex<Shown>,
}

impl Default for PerDocument {
    fn default() -> Self {
        Self { epoch: watch::Sender::new(0), asked: Mutex::default(), shown: Mutex::default() }
    }
}

impl PerDocument {
    /// What was suggested there.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shown)
    }
}

/// The moment at which a request was read, in the order of the wire.
#[derive(Debug)]
pub struct Moment {
    /// The document as it was then.
    pub snapshot: Arc<Snapshot>,
    /// What is kept for the document.
    pub place: Arc<PerDocument>,
    /// Changes when the document is edited, closed or asked about again.
    pub overtaken: watch::Receiver<u64>,
    epoch: u64,
}

impl Moment {
    /// Whether nothing has happened to the document since.
    pub fn is_current(&self) -> bool {
        *self.overtaken.borrow() == self.epoch
    }
}

/// What the client set.
#[derive(Debug, Default)]
struct Settings {
    /// With `initialize`, and since.
    layers: [Option<Layer>; 2],
    turns: u64,
    /// The turn of those in `layers`.
    known: u64,
}

/// The settings in `values`, which some clients wrap in the name of the section.
fn layer(values: &Value) -> Option<Layer> {
    let values = values.get("foretype").filter(|inner| inner.is_object()).unwrap_or(values);
    values.is_object().then(|| sources::editor_layer("the editor's settings", values))
}

impl Session {
    /// A client that has said nothing yet.
    pub fn new(shared: Arc<Shared>, environment: BTreeMap<String, String>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            documents: Documents::default(),
            places: DashMap::new(),
            facts: OnceLock::new(),
            registers_inline_completion: AtomicBool::new(false),
            config: RwLock::default(),
            settings: Mutex::default(),
            told: Mutex::default(),
            environment,
            folders: RwLock::default(),
            excluded: DashMap::new(),
            slot: RwLock::default(),
            slot_changed: Notify::new(),
            plugin_news: Notify::new(),
            plugin_marks: Mutex::default(),
            plugin_versions: DashMap::new(),
            shut_down: AtomicBool::new(false),
            ended: watch::Sender::new(false),
            moments: AtomicU64::new(0),
            focus: watch::Sender::new(0),
            unused: AtomicU32::new(0),
        })
    }

    /// What the client can do; `None` before `initialize`.
    pub fn client_facts(&self) -> Option<&capabilities::Client> {
        self.facts.get()
    }

    pub(super) fn initialized_by(&self, facts: capabilities::Client) -> &capabilities::Client {
        self.facts.get_or_init(|| facts)
    }

    /// The client has sent `exit`, or has gone.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Follows [`end`](Self::end).
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// The options that hold now.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads all options again; says what is wrong that was not before.
    pub(super) fn reload_config(&self) -> Vec<String> {
        // Whoever reads the settings later also puts the options in place later.
        let mut told = lock(&self.told);
        let layers: Vec<_> = lock(&self.settings).layers.iter().flatten().cloned().collect();
        let root = self.folders().first().map(|folder| folder.root.clone());
        let loaded = sources::load(root.as_deref(), &layers, |name| self.environment.get(name).cloned());
        let changed = *self.config() != loaded.config;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded.config);
        if changed {
            self.forget_shown(None);
        }
        let complaints: Vec<String> = loaded.errors.into_iter().chain(loaded.warnings).collect();
        let new = complaints.iter().filter(|complaint| !told.contains(complaint)).cloned().collect();
        *told = complaints;
        new
    }

    /// Settings that the client sent with `initialize`.
    pub(super) fn first_settings(&self, values: &Value) {
        lock(&self.settings).layers[0] = layer(values);
    }

    /// The turn of settings that the client sends now, or is asked for now.
    pub(super) fn settings_turn(&self) -> u64 {
        let mut settings = lock(&self.settings);
        settings.turns += 1;
        settings.turns
    }

    /// Settings that the client sent, unless those of a later turn are known: answers may overtake each other.
    pub(super) fn settings(&self, turn: u64, values: &Value) {
        let mut settings = lock(&self.settings);
        if turn < settings.known {
            return;
        }
        settings.known = turn;
        settings.layers[1] = layer(values);
        if settings.layers[1].is_some() {
            // What is set now stands in these; what is no longer set would live on in those of the start.
            settings.layers[0] = None;
        }
    }

    /// The model that the options ask for; loading begins if it has not.
    pub(super) fn take_slot(&self) -> Arc<Slot> {
        let slot = self.shared.slot(&self.config());
        let mut own = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        let other = own.as_ref().is_none_or(|own| !Arc::ptr_eq(own, &slot));
        if other {
            *own = Some(slot.clone());
            drop(own);
            self.shared.give_up_unused();
            self.forget_shown(None);
            self.slot_changed.notify_one();
        }
        slot
    }

    /// The place of the model.
    pub fn slot(&self) -> Option<Arc<Slot>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The engine, if the model is loaded.
    pub fn engine(&self) -> Option<Engine> {
        self.slot()?.engine()
    }

    /// The engine, once its model is loaded.
    ///
    /// # Errors
    /// If there is no model; the message says what to do.
    pub async fn loaded_engine(&self) -> Result<Engine> {
        let slot = self.slot().context("the session has no model yet: ask again in a moment")?;
        if let Some(engine) = slot.engine() {
            return Ok(engine);
        }
        let mut states = slot.watch();
        let state = states.wait_for(|state| matches!(state, State::Ready(_) | State::Failed(..))).await;
        match &*state.context("the model was unloaded")? {
            State::Ready(engine) => Ok(engine.clone()),
            State::Failed(why, _) => Err(anyhow!("{why}")),
            _ => bail!("the model is not loaded: ask again in a moment"),
        }
    }

    /// The workspace's folders.
    pub fn folders(&self) -> Vec<Arc<Workspace>> {
        self.folders.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens folders in place of those that were open.
    pub(super) fn set_folders(&self, roots: Vec<PathBuf>) {
        let config = self.config();
        let all = roots.iter().map(|root| self.shared.workspaces.open(root, &config)).collect();
        *self.folders.write().unwrap_or_else(PoisonError::into_inner) = all;
        self.forget_excluded();
    }

    /// The innermost folder that a document lies in.
    pub fn workspace_of(&self, uri: &str) -> Option<Arc<Workspace>> {
        let path = context::file_path(uri)?;
        let inside = self.folders().into_iter().filter(|folder| path.starts_with(&folder.root));
        inside.max_by_key(|folder| folder.root.as_os_str().len())
    }

    /// The open folder that holds `uri`; without one, the first folder.
    pub fn workspace_or_first(&self, uri: Option<&Url>) -> Option<Arc<Workspace>> {
        match uri {
            Some(uri) => self.workspace_of(uri.as_str()),
            None => self.folders().into_iter().next(),
        }
    }

    /// The plugins for a document.
    pub fn plugins_of(&self, uri: &str) -> Arc<Plugins> {
        self.shared.plugins.of(self.workspace_of(uri).map(|folder| folder.root.clone()).as_deref(), &self.config())
    }

    /// The plugins of all folders, and those for documents outside.
    pub(super) fn plugins(&self) -> Vec<Arc<Plugins>> {
        let (config, folders) = (self.config(), self.folders());
        let roots = folders.iter().map(|folder| Some(folder.root.as_path())).chain([None]);
        roots.map(|root| self.shared.plugins.of(root, &config)).collect()
    }

    /// A strategy with the plugins around it that run for a document.
    pub fn with_plugins(
        &self,
        inner: &Arc<dyn PromptStrategy>,
        uri: &str,
        language: Language,
    ) -> Arc<dyn PromptStrategy> {
        self.plugins_of(uri).around(inner.clone(), language, &self.config())
    }

    /// Looks whether plugins have changed since this client last asked; true if prompts are to be written anew. Reads files.
    pub fn look_at_plugins(&self, uri: &str) -> bool {
        let root = self.workspace_of(uri).map(|folder| folder.root.clone());
        let version = self.plugins_of(uri).look(&self.config());
        let changed = self.plugin_versions.insert(root, version).unwrap_or(0) != version;
        if changed {
            self.places.iter().for_each(|place| place.shown().windows.clear());
            self.forget_shown(Some(uri));
        }
        changed
    }

    /// Plugins were called: one may have been stopped.
    pub fn plugins_ran(&self) {
        self.plugin_news.notify_one();
    }

    /// How a prompt names a document: relative to its workspace, else by its bare name.
    pub fn path_in_prompt(&self, uri: &str) -> String {
        let relative = || self.workspace_of(uri)?.relative(&context::file_path(uri)?);
        relative().unwrap_or_else(|| context::file_name(uri))
    }

    /// Whether a document may not enter a prompt.
    pub fn excludes(&self, uri: &str) -> bool {
        if let Some(known) = self.excluded.get(uri) {
            return *known;
        }
        let excluded = self.find_excluded(uri);
        self.excluded.insert(uri.to_owned(), excluded);
        excluded
    }

    /// Rules of exclusion may have changed.
    pub(super) fn forget_excluded(&self) {
        self.excluded.clear();
    }

    fn find_excluded(&self, uri: &str) -> bool {
        let Some(path) = context::file_path(uri) else { return false };
        let secret = foretype_plugins::context::secrets::in_path(&path.to_string_lossy());
        secret || self.workspace_of(uri).is_some_and(|workspace| workspace.excludes(&path))
    }

    /// Why a document gets no suggestions, if it gets none.
    pub fn refusal(&self, snapshot: &Snapshot) -> Option<String> {
        if !snapshot.in_sync {
            return Some("the editor and Foretype disagree about the text: close and open the file".to_owned());
        }
        let config = self.config();
        if !config.enables(&snapshot.language_id) {
            return Some(format!("suggestions are off for {} (option enable)", snapshot.language_id));
        }
        self.excludes(&snapshot.uri).then(|| "the file is ignored, excluded or usually holds secrets".to_owned())
    }

    /// `didOpen`.
    pub(super) fn opened(self: &Arc<Self>, uri: String, language: &str, version: i32, text: String) {
        self.closed(&uri);
        self.places.insert(uri.clone(), Arc::default());
        self.documents.open(uri.clone(), language, version, text);
        let session = self.clone();
        tokio::task::spawn_blocking(move || session.documents.parsed(&uri));
    }

    /// `didChange`.
    pub(super) fn changed(&self, uri: &str, version: i32, changes: &[TextDocumentContentChangeEvent]) {
        let encoding = self.client_facts().map(|facts| facts.encoding).unwrap_or_default();
        let Some(snapshot) = self.documents.change(uri, version, changes, encoding) else {
            tracing::warn!("{uri} was changed and never opened");
            return;
        };
        if let Some(place) = self.place(uri) {
            place.shown().edited(&snapshot.text);
            place.epoch.send_modify(|epoch| *epoch += 1);
        }
        self.unused.store(0, Ordering::Relaxed);
        self.forget_shown(Some(uri));
    }

    /// `didClose`.
    pub(super) fn closed(&self, uri: &str) {
        self.excluded.remove(uri);
        self.documents.close(uri);
        if let Some((_, place)) = self.places.remove(uri) {
            place.shown().forget();
            place.epoch.send_modify(|epoch| *epoch += 1);
        }
    }

    /// The client is gone: nothing is worked on for its documents any more.
    pub(super) fn close_all(&self) {
        let open: Vec<String> = self.places.iter().map(|place| place.key().clone()).collect();
        open.iter().for_each(|uri| self.closed(uri));
    }

    /// What was suggested elsewhere may be different now.
    fn forget_shown(&self, but: Option<&str>) {
        let others = self.places.iter().filter(|place| but != Some(place.key().as_str()));
        others.for_each(|place| place.shown().forget());
    }

    fn place(&self, uri: &str) -> Option<Arc<PerDocument>> {
        self.places.get(uri).map(|place| place.clone())
    }

    /// An inline completion was asked for: it overtakes the one before. `None` if the document is not open.
    pub(super) fn asked(&self, uri: &str) -> Option<u64> {
        let place = self.place(uri)?;
        let snapshot = self.documents.snapshot(uri)?;
        let moment = self.moments.fetch_add(1, Ordering::Relaxed) + 1;
        *lock(&place.asked) = Some((moment, snapshot));
        place.epoch.send_modify(|epoch| *epoch += 1);
        Some(moment)
    }

    /// The cursor went to a document; what is returned changes when it goes on.
    pub fn focused(&self) -> watch::Receiver<u64> {
        self.focus.send_modify(|focus| *focus += 1);
        self.focus.subscribe()
    }

    /// Whether another prompt may be read ahead; counts it.
    pub fn may_read_ahead(&self) -> bool {
        self.unused.fetch_add(1, Ordering::Relaxed) < UNUSED
    }

    /// A document as it is now; overtakes nothing. `None` if it is not open.
    pub fn present(&self, uri: &str) -> Option<Moment> {
        let place = self.place(uri)?;
        let overtaken = place.epoch.subscribe();
        let epoch = *overtaken.borrow();
        Some(Moment { snapshot: self.documents.snapshot(uri)?, place, overtaken, epoch })
    }

    /// The moment with that number; `None` if it was overtaken or the document is not open.
    pub fn moment(&self, uri: &str, number: Option<u64>) -> Option<Moment> {
        let present = self.present(uri)?;
        let (latest, snapshot) = lock(&present.place.asked).clone()?;
        let same = Some(latest) == number && Arc::ptr_eq(&present.snapshot.text, &snapshot.text);
        same.then_some(Moment { snapshot, ..present })
    }
}

/// What a thread that panicked has left behind is whole: nothing here is changed in steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_worked_on_for_a_client_ends_when_it_is_gone() {
        let session = Session::new(Arc::default(), BTreeMap::new());
        session.opened("untitled:1".to_owned(), "python", 1, "x =".to_owned());
        let mut moment = session.present("untitled:1").expect("it is open");
        session.close_all();
        assert!(moment.overtaken.has_changed().expect("somebody keeps it") && !moment.is_current());
        moment.overtaken.changed().await.expect("it has changed");
        assert!(session.present("untitled:1").is_none());
    }
}
