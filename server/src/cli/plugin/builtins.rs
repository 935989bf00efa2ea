//! The built-ins in `foretype plugin list`.

use std::path::Path;

use anyhow::Result;
use foretype_plugins::{Budget, Language};

use crate::config::Config;
use crate::plugins::WorkspacePlugins;
use crate::plugins::contributors::{Contributor, ContributorRole};

/// All built-ins as they are for text of no language, with the room that a prompt of the configured length leaves.
pub(super) fn all(root: &Path, plugins: &WorkspacePlugins) -> Result<Vec<Contributor>> {
    let config = Config::load(Some(root))?;
    let room = Budget::for_context(config.context.max_tokens, config.inline.max_tokens).snippets;
    let places = plugins.contributors(Language::PlainText, room, &config);
    Ok(places.into_iter().filter(|place| place.builtin).collect())
}

/// Prints them below the plugins.
pub(super) fn print(places: &[Contributor]) {
    for (part, title) in [
        (ContributorRole::Context, "\nsources of context, in their order:"),
        (ContributorRole::Finish, "\nrules of finishing:"),
    ] {
        println!("{title}");
        places.iter().filter(|place| place.role == part).for_each(|place| println!("{place}"));
    }
}
