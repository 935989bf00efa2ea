//! Built-ins and plugins as the configuration names them: what is off, in which order, with how much room.

use std::sync::Arc;

use foretype_plugins::luau::Plugin;
use foretype_plugins::prompt::Stability;
use foretype_plugins::request::TaskKind;
use foretype_plugins::{Builtins, Language, context, finish};
use serde::Serialize;

use super::WorkspacePlugins;
use crate::config::{self, Config};
use crate::request_builder::{BYTES_PER_TOKEN, builtins_for};

/// One that adds to prompts or has a say in suggestions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contributor {
    /// Its name.
    pub name: String,
    /// Where it takes part.
    #[serde(rename = "part")]
    pub role: ContributorRole,
    /// Whether it is a built-in, rather than a plugin.
    pub builtin: bool,
    /// Whether it takes part: a built-in may be switched off, or a plugin may stand in its place.
    pub state: ContributorState,
    /// The most tokens of its snippets, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What it does, where it is a built-in.
    #[serde(rename = "about")]
    pub description: &'static str,
}

/// Where one takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContributorRole {
    /// Its snippets stand in prompts.
    Context,
    /// It has a say in what is shown.
    Finish,
}

/// Whether one takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContributorState {
    /// It does.
    On,
    /// The configuration switches it off.
    Off,
    /// A plugin of its name stands in its place.
    Replaced,
}

impl WorkspacePlugins {
    /// All that take part in suggestions for documents of a language where snippets have so many bytes: first those with snippets, in the order
    /// of a prompt as far as it is known before they are asked, then those that finish, in the order in which they are asked.
    pub fn contributors(&self, language: Language, snippets: usize, config: &Config) -> Vec<Contributor> {
        let mut plugins = self.plugins_for(language, config);
        plugins.retain(|plugin| plugin.tasks().contains(&TaskKind::Fill));
        let mut chosen = builtins_for(&config.plugins, language);
        chosen.disabled.extend(disabled_sources(&config.context).map(str::to_owned));
        let mut places: Vec<_> = context::CONTEXT_SOURCES
            .iter()
            .map(|source| {
                let place = builtin(source.name, ContributorRole::Context, source.description, &plugins, &chosen);
                let room = chosen
                    .byte_limits
                    .get(source.name)
                    .copied()
                    .unwrap_or(snippets / source.share_divisor)
                    .min(snippets);
                (source.stability, Contributor { max_tokens: Some(room / BYTES_PER_TOKEN), ..place })
            })
            .collect();
        places.extend(plugins.iter().filter(|plugin| plugin.has_context()).map(|plugin| {
            let room =
                chosen.byte_limits.get(&plugin.name).map_or(config.plugins.max_tokens, |room| room / BYTES_PER_TOKEN);
            let most = room.min(snippets / 2 / BYTES_PER_TOKEN);
            (
                Stability::default(),
                Contributor { max_tokens: Some(most), ..plugin_contributor(plugin, ContributorRole::Context) },
            )
        }));
        places.sort_by_key(|(stability, place)| (*stability, chosen.rank(&place.name)));
        let rules = finish::FINISH_RULES
            .iter()
            .map(|rule| builtin(rule.name, ContributorRole::Finish, rule.description, &plugins, &chosen));
        let last = plugins
            .iter()
            .filter(|plugin| plugin.has_finish())
            .map(|plugin| plugin_contributor(plugin, ContributorRole::Finish));
        places.into_iter().map(|(_, place)| place).chain(rules).chain(last).collect()
    }
}

/// Sources that an option of their own switches off.
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
    part: ContributorRole,
    about: &'static str,
    plugins: &[Arc<Plugin>],
    chosen: &Builtins,
) -> Contributor {
    let takes_part = |plugin: &Plugin| match part {
        ContributorRole::Context => plugin.has_context(),
        ContributorRole::Finish => plugin.has_finish(),
    };
    let replaced = plugins.iter().any(|plugin| plugin.name == name && plugin.fault().is_none() && takes_part(plugin));
    let state = match (chosen.is_enabled(name), replaced) {
        (false, _) => ContributorState::Off,
        (true, true) => ContributorState::Replaced,
        (true, false) => ContributorState::On,
    };
    Contributor { name: name.to_owned(), role: part, builtin: true, state, max_tokens: None, description: about }
}

fn plugin_contributor(plugin: &Plugin, part: ContributorRole) -> Contributor {
    Contributor {
        name: plugin.name.clone(),
        role: part,
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
            ContributorState::Off => write!(f, ", switched off")?,
            ContributorState::Replaced => write!(f, ", a plugin stands in its place")?,
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
    fn a_language_has_what_is_said_of_it_and_of_all() {
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
