//! Settings of a client, and the configuration that they are a part of.

use std::sync::Arc;

use serde_json::Value;

use super::Session;
use crate::config::{Config, Layer, sources};

/// Reads settings, which some clients wrap in an object under the name of the section.
fn layer(values: &Value) -> Option<Layer> {
    let values = values.get("foretype").filter(|inner| inner.is_object()).unwrap_or(values);
    if !values.is_object() {
        return None;
    }
    Some(sources::editor_layer("the editor's settings", values))
}

impl Session {
    /// Configuration in effect.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().clone()
    }

    /// Loads the configuration again. Returns the errors and warnings that the client has not been shown yet.
    pub(crate) fn reload_config(&self) -> Vec<String> {
        // Held to the end, so that the settings read last are also the ones that take effect last.
        let mut reported = self.reported_config_errors.lock();
        let layers: Vec<_> = {
            let settings = self.settings.lock();
            settings.initial.iter().chain(&settings.current).cloned().collect()
        };
        let root = self.folders().first().map(|folder| folder.root.clone());
        let loaded = sources::load(root.as_deref(), &layers, |name| self.environment.get(name).cloned());
        let changed = *self.config() != loaded.config;
        *self.config.write() = Arc::new(loaded.config);
        if changed {
            self.invalidate_suggestions(None);
        }
        let errors: Vec<String> = loaded.errors.into_iter().chain(loaded.warnings).collect();
        let new = errors.iter().filter(|error| !reported.contains(error)).cloned().collect();
        *reported = errors;
        new
    }

    /// Takes the settings that the client sent with `initialize`.
    pub(crate) fn set_initial_settings(&self, values: &Value) {
        self.settings.lock().initial = layer(values);
    }

    /// Reserves a revision for settings that the client sends now, or is asked for now.
    pub(crate) fn next_settings_revision(&self) -> u64 {
        let mut settings = self.settings.lock();
        settings.latest_revision += 1;
        settings.latest_revision
    }

    /// Takes settings of the client, unless some of a later revision have arrived already: answers may overtake each
    /// other.
    pub(crate) fn apply_settings(&self, revision: u64, values: &Value) {
        let mut settings = self.settings.lock();
        if revision < settings.applied_revision {
            return;
        }
        settings.applied_revision = revision;
        settings.current = layer(values);
        if settings.current.is_some() {
            // These are complete. An option that the user has removed since must not survive in the initial ones.
            settings.initial = None;
        }
    }
}
