//! Unknown plugin names in the configuration.

use foretype_plugins::{context, finish};

use crate::config::{Config, sources};
use crate::plugins::PluginEntry;

/// Warns of names in the configuration that belong to no plugin and no built-in here. They are not errors, because the
/// user's configuration is for all workspaces.
pub(super) fn warn_of_unknown(entries: &[PluginEntry], config: &Config) {
    let builtins = context::CONTEXT_SOURCES
        .iter()
        .map(|source| source.name)
        .chain(finish::FINISH_RULES.iter().map(|rule| rule.name));
    let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).chain(builtins).collect();
    let plugins = &config.plugins;
    let named = [
        ("disabled", plugins.disabled.iter().collect::<Vec<_>>()),
        ("order", plugins.order.iter().collect()),
        ("budgets", plugins.budgets.keys().collect()),
        ("options", plugins.options.keys().collect()),
    ];
    for (option, name) in named.iter().flat_map(|(option, names)| names.iter().map(move |name| (option, name))) {
        let bare = name.split(':').next().unwrap_or_default();
        if !known.contains(&bare) {
            let closest = sources::closest_name(bare, known.iter().copied());
            let hint = closest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            eprintln!("foretype: plugins.{option} names {name}, but there is no such plugin here{hint}");
        }
    }
}
