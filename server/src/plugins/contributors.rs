//! Contributors to suggestions: built-ins and plugins with their state, order and token budget.

use std::sync::Arc;

use foretype_plugins::luau::Plugin;
use foretype_plugins::prompt::Stability;
use foretype_plugins::request::TaskKind;
use foretype_plugins::{Builtins, Language, context, finish};
use serde::Serialize;

use super::workspace_plugins::WorkspacePlugins;
use crate::config::{self, Config};
use crate::request_builder::{BYTES_PER_TOKEN, builtins_for};

/// Built-in or plugin that adds snippets to prompts or finishes suggestions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Contributor {
    /// Name.
    pub(crate) name: String,
    /// Part of a suggestion that it contributes to.
    #[serde(rename = "part")]
    pub(crate) role: ContributorRole,
    /// True for a built-in, false for a plugin.
    pub(crate) builtin: bool,
    /// Active, disabled or replaced.
    pub(crate) state: ContributorState,
    /// Approximate token budget of its snippets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<usize>,
    /// Description of a built-in; empty for a plugin.
    #[serde(rename = "about")]
    pub(crate) description: &'static str,
}

/// Part of a suggestion that a contributor takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContributorRole {
    /// Snippets of the prompt.
    Context,
    /// Finishing of the suggestion.
    Finish,
}

/// State of a contributor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContributorState {
    /// Active.
    On,
    /// Disabled by the configuration.
    Off,
    /// Replaced by a plugin of the same name.
    Replaced,
}

impl WorkspacePlugins {
    /// Returns all contributors to suggestions for documents of a language, with `snippet_bytes` bytes for all
    /// snippets. Those with snippets come first, in the order of a prompt by default stability, then those that finish
    /// suggestions in order.
    pub(crate) fn contributors(&self, language: Language, snippet_bytes: usize, config: &Config) -> Vec<Contributor> {
        let mut plugins = self.plugins_for(language, config);
        plugins.retain(|plugin| plugin.tasks().contains(&TaskKind::Fill));
        let mut builtins = builtins_for(&config.plugins, language);
        builtins.disabled.extend(disabled_sources(&config.context).map(str::to_owned));
        let mut sources = Vec::new();
        for source in context::CONTEXT_SOURCES {
            let contributor = builtin(source.name, ContributorRole::Context, source.description, &plugins, &builtins);
            let limit = builtins.byte_limits.get(source.name).copied();
            let bytes = limit.unwrap_or(snippet_bytes / source.share_divisor).min(snippet_bytes);
            sources.push((source.stability, Contributor { max_tokens: Some(bytes / BYTES_PER_TOKEN), ..contributor }));
        }
        for plugin in plugins.iter().filter(|plugin| plugin.has_context()) {
            let limit = builtins.byte_limits.get(&plugin.name).map(|bytes| bytes / BYTES_PER_TOKEN);
            // All plugins share half of the snippet budget.
            let max_tokens = limit.unwrap_or(config.plugins.max_tokens).min(snippet_bytes / 2 / BYTES_PER_TOKEN);
            let contributor = plugin_contributor(plugin, ContributorRole::Context);
            sources.push((Stability::default(), Contributor { max_tokens: Some(max_tokens), ..contributor }));
        }
        sources.sort_by_key(|(stability, contributor)| (*stability, builtins.rank(&contributor.name)));
        let rules = finish::FINISH_RULES
            .iter()
            .map(|rule| builtin(rule.name, ContributorRole::Finish, rule.description, &plugins, &builtins));
        let finishing_plugins = plugins
            .iter()
            .filter(|plugin| plugin.has_finish())
            .map(|plugin| plugin_contributor(plugin, ContributorRole::Finish));
        sources.into_iter().map(|(_, contributor)| contributor).chain(rules).chain(finishing_plugins).collect()
    }
}

/// Returns the context sources that an option of their own disables.
fn disabled_sources(context: &config::ContextConfig) -> impl Iterator<Item = &'static str> {
    let options = [
        ("definitions", context.definitions),
        ("recent-edits", context.recent_edits),
        ("open-files", context.open_files),
    ];
    options.into_iter().filter(|(_, on)| !on).map(|(name, _)| name)
}

fn builtin(
    name: &str,
    role: ContributorRole,
    description: &'static str,
    plugins: &[Arc<Plugin>],
    builtins: &Builtins,
) -> Contributor {
    let has_role = |plugin: &Plugin| match role {
        ContributorRole::Context => plugin.has_context(),
        ContributorRole::Finish => plugin.has_finish(),
    };
    let is_replaced = plugins.iter().any(|plugin| plugin.name == name && plugin.fault().is_none() && has_role(plugin));
    let state = if !builtins.is_enabled(name) {
        ContributorState::Off
    } else if is_replaced {
        ContributorState::Replaced
    } else {
        ContributorState::On
    };
    Contributor { name: name.to_owned(), role, builtin: true, state, max_tokens: None, description }
}

fn plugin_contributor(plugin: &Plugin, role: ContributorRole) -> Contributor {
    Contributor {
        name: plugin.name.clone(),
        role,
        builtin: false,
        state: ContributorState::On,
        max_tokens: None,
        description: "",
    }
}

impl std::fmt::Display for Contributor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.builtin { "built in" } else { "plugin" };
        write!(f, "{:<20} {kind}", self.name)?;
        match self.state {
            ContributorState::On => {}
            ContributorState::Off => write!(f, ", disabled")?,
            ContributorState::Replaced => write!(f, ", replaced by a plugin")?,
        }
        if let (Some(tokens), ContributorState::On) = (self.max_tokens, self.state) {
            write!(f, ", at most {tokens} tokens")?;
        }
        if self.description.is_empty() { Ok(()) } else { write!(f, ": {}", self.description) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_and_language_specific_settings_are_combined() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let budgets = [("open-files", 10), ("open-files:rust", 20), ("definitions:go", 30)];
        let config = config::PluginsConfig {
            disabled: names(&["brackets", "recent-edits:rust", "overlap:go"]),
            order: names(&["open-files:go", "house-rules"]),
            budgets: budgets.map(|(name, tokens)| (name.to_owned(), tokens)).into(),
            ..config::PluginsConfig::default()
        };
        let rust = builtins_for(&config, Language::Rust);
        assert_eq!((rust.disabled, rust.order), (names(&["brackets", "recent-edits"]), names(&["house-rules"])));
        assert_eq!(rust.byte_limits, [("open-files".to_owned(), 60)].into());
        let python = builtins_for(&config, Language::Python);
        assert_eq!(
            (python.disabled, python.byte_limits),
            (names(&["brackets"]), [("open-files".to_owned(), 30)].into())
        );
    }
}
