//! Model of a session.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use foretype_model::Engine;

use super::Session;
use crate::backend::{ModelSlot, ModelState};

impl Session {
    /// Selects the model that the configuration names, and starts loading it if it is not loaded.
    pub(crate) fn select_model(&self) {
        let selected = self.shared.select_model(&self.config());
        let mut own = self.selected_model.write();
        let is_other = own.as_ref().is_none_or(|own| !Arc::ptr_eq(own.slot(), selected.slot()));
        if is_other {
            // The former selection ends here.
            *own = Some(selected);
            drop(own);
            self.shared.drop_unused_models();
            self.invalidate_suggestions(None);
            self.status_changed.notify_one();
        }
    }

    /// Slot of the selected model; `None` before the first [selection](Self::select_model).
    pub(crate) fn model_slot(&self) -> Option<Arc<ModelSlot>> {
        self.selected_model.read().as_ref().map(|selected| selected.slot().clone())
    }

    /// Engine of the selected model, if it is loaded.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.model_slot()?.engine()
    }

    /// Waits for the engine of the selected model.
    ///
    /// # Errors
    /// If there is no model. The message says what to do.
    pub(crate) async fn loaded_engine(&self) -> Result<Engine> {
        let slot = self.model_slot().context("the session has no model yet: ask again in a moment")?;
        if let Some(engine) = slot.engine() {
            return Ok(engine);
        }
        let mut states = slot.subscribe();
        let state = states.wait_for(|state| matches!(state, ModelState::Ready(_) | ModelState::Failed(..))).await;
        match &*state.context("the model was unloaded: ask again")? {
            ModelState::Ready(engine) => Ok(engine.clone()),
            ModelState::Failed(why, _) => Err(anyhow!("{why}")),
            _ => bail!("the model is not loaded: ask again in a moment"),
        }
    }
}
