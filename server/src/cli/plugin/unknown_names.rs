//! Names of plugins in the configuration that nothing here has.

use foretype_plugins::{context, finish};

use crate::config::{Config, sources};
use crate::plugins::PluginEntry;

/// Says which names the configuration has for no plugin of this workspace, none of the user's and no built-in. That is no error:
/// the user's own configuration is for all workspaces.
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
            let meant = sources::closest_name(bare, known.iter().copied());
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            eprintln!("foretype: plugins.{option} names {name}, and there is no such plugin here{meant}");
        }
    }
}
