//! The models that this process runs, loaded in the background and shared by all sessions.

mod bases;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::Result;
use foretype_model::{Engine, Model};
use tokio::sync::watch;

use crate::config::Config;
use crate::stats::Stats;
use crate::workspace::Workspaces;
use crate::{completion, models};
use bases::Bases;

/// What all sessions of this process share.
#[derive(Debug, Default)]
pub struct Shared {
    slots: Mutex<HashMap<Wanted, Arc<Slot>>>,
    bases: Arc<Models>,
    /// Counts, kept across restarts.
    pub stats: Stats,
    /// Symbols of the workspaces that are open.
    pub workspaces: Workspaces,
    /// Plugins of the workspaces that are open.
    pub plugins: crate::plugins::Open,
}

/// What makes two sessions share a model: everything that decides which is loaded and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wanted {
    model: Option<String>,
    adapter: Option<String>,
    device: String,
    threads: Option<usize>,
    kv_mb: usize,
}

/// The models that are in memory, by path and device, without their adapters: those share their weights.
type Models = Bases<(PathBuf, String), Model>;

/// The model that `config` asks for, with its adapter.
fn load(models: &Models, config: &Config) -> Result<Arc<Model>> {
    let path = models::resolve(config.model.as_deref())?;
    let base = models.base((path.clone(), config.device.to_string()), || completion::load_base(&path, config))?;
    completion::adapt(base, config)
}

/// A model's place in memory.
#[derive(Debug)]
pub struct Slot {
    config: Config,
    bases: Arc<Models>,
    state: watch::Sender<State>,
    used: Mutex<Instant>,
}

/// Whether a model is there.
#[derive(Clone)]
pub enum State {
    /// Not in memory; the next request loads it.
    Absent,
    /// On its way.
    Loading,
    /// Ready to be asked.
    Ready(Engine),
    /// It cannot be loaded; the message says what to do. Tried again after a while.
    Failed(String, Instant),
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => formatter.write_str("Absent"),
            Self::Loading => formatter.write_str("Loading"),
            Self::Ready(engine) => write!(formatter, "Ready({})", engine.model().name),
            Self::Failed(why, _) => write!(formatter, "Failed({why})"),
        }
    }
}

const RETRY: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(20);

impl Shared {
    /// The place of the model that `config` asks for; loading begins now if it has not.
    pub fn slot(&self, config: &Config) -> Arc<Slot> {
        let wanted = Wanted {
            model: config.model.clone(),
            adapter: config.adapter.clone(),
            device: config.device.to_string(),
            threads: config.threads,
            kv_mb: config.memory.kv_mb,
        };
        let new = || Slot::new(config.clone(), self.bases.clone());
        let slot = lock(&self.slots).entry(wanted).or_insert_with(new).clone();
        slot.wake();
        slot
    }

    /// Gives up the models that no session uses, after one has turned to another.
    pub fn give_up_unused(&self) {
        lock(&self.slots).retain(|_, slot| Arc::strong_count(slot) > 1);
    }

    /// What each model is doing, for `daemon status`.
    pub fn models(&self) -> serde_json::Value {
        lock(&self.slots).values().map(|slot| slot.report()).collect()
    }
}

impl Slot {
    fn new(config: Config, bases: Arc<Models>) -> Arc<Self> {
        let state = watch::Sender::new(State::Absent);
        let slot = Arc::new(Self { config, bases, state, used: Mutex::new(Instant::now()) });
        let minutes = slot.config.memory.unload_after_minutes;
        if minutes > 0 {
            tokio::spawn(unload_when_idle(Arc::downgrade(&slot), Duration::from_secs(minutes * 60)));
        }
        slot
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The engine, if it is there. If not, loading begins or goes on, and this returns at once.
    pub fn engine(self: &Arc<Self>) -> Option<Engine> {
        *lock(&self.used) = Instant::now();
        self.wake();
        match &*self.state.borrow() {
            State::Ready(engine) => Some(engine.clone()),
            _ => None,
        }
    }

    fn wake(self: &Arc<Self>) {
        let begins = self.state.send_if_modified(|state| {
            let wanted = match state {
                State::Absent => true,
                State::Failed(_, at) => at.elapsed() > RETRY,
                State::Loading | State::Ready(_) => false,
            };
            if wanted {
                *state = State::Loading;
            }
            wanted
        });
        if begins {
            let slot = self.clone();
            tokio::task::spawn_blocking(move || slot.load());
        }
    }

    fn load(&self) {
        let started = Instant::now();
        let loaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.start()));
        let state = match loaded {
            Ok(Ok(engine)) => {
                tracing::info!("{} loaded in {:?}", engine.model().name, started.elapsed());
                State::Ready(engine)
            }
            Ok(Err(error)) => State::Failed(format!("{error:#}"), Instant::now()),
            Err(_) => State::Failed("loading the model failed unexpectedly".to_owned(), Instant::now()),
        };
        self.state.send_replace(state);
    }

    fn start(&self) -> Result<Engine> {
        Ok(completion::start(load(&self.bases, &self.config)?, &self.config))
    }

    fn report(&self) -> serde_json::Value {
        match &*self.state.borrow() {
            State::Ready(engine) => {
                let model = engine.model();
                let adapter = model.adapter.as_ref().map(|(path, _)| path);
                serde_json::json!({
                    "state": "ready", "model": model.name, "path": model.path, "adapter": adapter, "engine": engine.status(),
                })
            }
            State::Failed(why, _) => serde_json::json!({ "state": "failed", "message": why }),
            State::Loading => serde_json::json!({ "state": "loading" }),
            State::Absent => serde_json::json!({ "state": "unloaded" }),
        }
    }
}

async fn unload_when_idle(slot: Weak<Slot>, idle: Duration) {
    loop {
        tokio::time::sleep(LOOK.min(idle)).await;
        let Some(slot) = slot.upgrade() else { return };
        if lock(&slot.used).elapsed() >= idle {
            let unloaded = slot.state.send_if_modified(|state| {
                let ready = matches!(state, State::Ready(_));
                if ready {
                    *state = State::Absent;
                }
                ready
            });
            if unloaded {
                tracing::info!("the model was unloaded after {idle:?} without a request");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
