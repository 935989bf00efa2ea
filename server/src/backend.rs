//! Models that this process runs. They are loaded in the background and shared by all sessions.

mod weak_cache;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Result;
use foretype_model::{Engine, Model};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::Config;
use crate::models;
use crate::stats::Stats;
use crate::workspace::Workspaces;
use weak_cache::WeakCache;

/// Time after which a model that failed to load is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which the idle time of a model is checked.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(20);

/// State that all sessions of this process share.
#[derive(Debug, Default)]
pub(crate) struct SharedState {
    slots: Mutex<HashMap<ModelKey, Arc<ModelSlot>>>,
    base_models: Arc<BaseModelCache>,
    /// Usage counts, which survive restarts.
    pub(crate) stats: Stats,
    /// Open workspaces, with their symbols.
    pub(crate) workspaces: Workspaces,
    /// Plugins of the open workspaces.
    pub(crate) plugins: crate::plugins::PluginRegistry,
}

/// Settings that decide which model is loaded and how. Sessions with equal keys share a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ModelKey {
    model: Option<String>,
    adapter: Option<String>,
    device: String,
    threads: Option<usize>,
    kv_mb: usize,
}

/// Models in memory, by path and device, without adapters. Models with adapters share their weights.
type BaseModelCache = WeakCache<(PathBuf, String), Model>;

/// Loads the model of `config`, with its adapter.
fn load(models: &BaseModelCache, config: &Config) -> Result<Arc<Model>> {
    let path = models::resolve(config.model.as_deref())?;
    let base = models
        .get_or_load((path.clone(), config.device.to_string()), || models::load::load_base_model(&path, config))?;
    models::load::with_adapter(base, config)
}

/// Slot for one model, which may be loaded and unloaded.
#[derive(Debug)]
pub(crate) struct ModelSlot {
    config: Config,
    base_models: Arc<BaseModelCache>,
    state: watch::Sender<ModelState>,
    last_used: Mutex<Instant>,
    /// Number of sessions that have selected the model.
    selections: AtomicUsize,
}

/// Selection of a model by a session. A selected model stays in memory.
#[derive(Debug)]
pub(crate) struct SelectedModel(Arc<ModelSlot>);

impl SelectedModel {
    fn new(slot: Arc<ModelSlot>) -> Self {
        slot.selections.fetch_add(1, Ordering::AcqRel);
        Self(slot)
    }

    /// Slot of the model.
    pub(crate) fn slot(&self) -> &Arc<ModelSlot> {
        &self.0
    }
}

impl Drop for SelectedModel {
    fn drop(&mut self) {
        self.0.selections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// State of a model.
#[derive(Clone)]
pub(crate) enum ModelState {
    /// Not in memory. The next request loads it.
    Unloaded,
    /// Being loaded.
    Loading,
    /// Loaded and running.
    Ready(Engine),
    /// Failed to load at this time. The message says what to do. The next request after [`RETRY_INTERVAL`] tries again.
    Failed(String, Instant),
}

impl std::fmt::Debug for ModelState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unloaded => formatter.write_str("Absent"),
            Self::Loading => formatter.write_str("Loading"),
            Self::Ready(engine) => write!(formatter, "Ready({})", engine.model().name),
            Self::Failed(why, _) => write!(formatter, "Failed({why})"),
        }
    }
}

impl SharedState {
    /// Selects the model of `config`, and starts to load it if necessary.
    pub(crate) fn select_model(&self, config: &Config) -> SelectedModel {
        let key = ModelKey {
            model: config.model.clone(),
            adapter: config.adapter.clone(),
            device: config.device.to_string(),
            threads: config.threads,
            kv_mb: config.memory.kv_mb,
        };
        let new = || ModelSlot::new(config.clone(), self.base_models.clone());
        // Selected while the slots are locked, or another session might drop the model in between.
        let selected = SelectedModel::new(self.slots.lock().entry(key).or_insert_with(new).clone());
        selected.slot().ensure_loading();
        selected
    }

    /// Drops the models that no session has selected, after a session has switched to another.
    pub(crate) fn drop_unused_models(&self) {
        self.slots.lock().retain(|_, slot| slot.selections.load(Ordering::Acquire) > 0);
    }

    /// Returns the state of each model, for `daemon status`.
    pub(crate) fn model_reports(&self) -> serde_json::Value {
        self.slots.lock().values().map(|slot| slot.report()).collect()
    }
}

impl ModelSlot {
    fn new(config: Config, bases: Arc<BaseModelCache>) -> Arc<Self> {
        let state = watch::Sender::new(ModelState::Unloaded);
        let (last_used, selections) = (Mutex::new(Instant::now()), AtomicUsize::new(0));
        let slot = Arc::new(Self { config, base_models: bases, state, last_used, selections });
        let minutes = slot.config.memory.unload_after_minutes;
        if minutes > 0 {
            tokio::spawn(unload_when_idle(Arc::downgrade(&slot), Duration::from_secs(minutes * 60)));
        }
        slot
    }

    /// Subscribes to changes of the state.
    pub(crate) fn subscribe(&self) -> watch::Receiver<ModelState> {
        self.state.subscribe()
    }

    /// Returns the engine if it is ready. Otherwise makes sure that the model is being loaded and returns immediately.
    pub(crate) fn engine(self: &Arc<Self>) -> Option<Engine> {
        *self.last_used.lock() = Instant::now();
        self.ensure_loading();
        match &*self.state.borrow() {
            ModelState::Ready(engine) => Some(engine.clone()),
            _ => None,
        }
    }

    fn ensure_loading(self: &Arc<Self>) {
        let must_load = self.state.send_if_modified(|state| {
            let must_load = match state {
                ModelState::Unloaded => true,
                ModelState::Failed(_, at) => at.elapsed() > RETRY_INTERVAL,
                ModelState::Loading | ModelState::Ready(_) => false,
            };
            if must_load {
                *state = ModelState::Loading;
            }
            must_load
        });
        if must_load {
            let slot = self.clone();
            tokio::task::spawn_blocking(move || slot.load());
        }
    }

    fn load(&self) {
        let started = Instant::now();
        let loaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.start_engine()));
        let state = match loaded {
            Ok(Ok(engine)) => {
                tracing::info!("{} loaded in {:?}", engine.model().name, started.elapsed());
                ModelState::Ready(engine)
            }
            Ok(Err(error)) => ModelState::Failed(format!("{error:#}"), Instant::now()),
            Err(_) => ModelState::Failed("loading the model failed unexpectedly".to_owned(), Instant::now()),
        };
        self.state.send_replace(state);
    }

    fn start_engine(&self) -> Result<Engine> {
        Ok(models::load::start_engine(load(&self.base_models, &self.config)?, &self.config))
    }

    fn report(&self) -> serde_json::Value {
        match &*self.state.borrow() {
            ModelState::Ready(engine) => {
                let model = engine.model();
                let adapter = model.adapter.as_ref().map(|(path, _)| path);
                serde_json::json!({
                    "state": "ready", "model": model.name, "path": model.path, "adapter": adapter,
                    "engine": engine.status(),
                })
            }
            ModelState::Failed(why, _) => serde_json::json!({ "state": "failed", "message": why }),
            ModelState::Loading => serde_json::json!({ "state": "loading" }),
            ModelState::Unloaded => serde_json::json!({ "state": "unloaded" }),
        }
    }
}

async fn unload_when_idle(slot: Weak<ModelSlot>, idle: Duration) {
    loop {
        tokio::time::sleep(IDLE_CHECK_INTERVAL.min(idle)).await;
        let Some(slot) = slot.upgrade() else { return };
        if slot.last_used.lock().elapsed() >= idle {
            let unloaded = slot.state.send_if_modified(|state| {
                let is_ready = matches!(state, ModelState::Ready(_));
                if is_ready {
                    *state = ModelState::Unloaded;
                }
                is_ready
            });
            if unloaded {
                tracing::info!("the model was unloaded after {idle:?} without a request");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_model_is_dropped_with_its_last_selection_even_if_its_slot_is_held() {
        let shared = SharedState::default();
        let named = |name: &str| Config { model: Some(name.to_owned()), ..Config::default() };
        let first = shared.select_model(&named("no such model"));
        let again = shared.select_model(&named("no such model"));
        // As a task does that loads the model or reports its state.
        let held = first.slot().clone();
        let reports = || shared.model_reports().as_array().map_or(0, Vec::len);
        drop(first);
        shared.drop_unused_models();
        assert_eq!(reports(), 1, "another session has selected it");
        drop(again);
        shared.drop_unused_models();
        assert_eq!(reports(), 0);
        drop(held);
    }
}
