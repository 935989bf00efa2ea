//! Built-ins in `foretype plugin list`.

use std::path::Path;

use anyhow::Result;
use foretype_plugins::{Budget, Language};

use crate::config::Config;
use crate::plugins::WorkspacePlugins;
use crate::plugins::contributors::{Contributor, ContributorRole};

/// Returns the built-ins as configured for plain text, with the budgets of a prompt of the configured length.
pub(super) fn all(root: &Path, plugins: &WorkspacePlugins) -> Result<Vec<Contributor>> {
    let config = Config::load(Some(root))?;
    let snippet_bytes = Budget::for_context(config.context.max_tokens, config.inline.max_tokens).snippets;
    let contributors = plugins.contributors(Language::PlainText, snippet_bytes, &config);
    Ok(contributors.into_iter().filter(|contributor| contributor.builtin).collect())
}

/// Prints the built-ins below the plugins.
pub(super) fn print(places: &[Contributor]) {
    for (part, title) in [
        (ContributorRole::Context, "\nsources of context, in their order:"),
        (ContributorRole::Finish, "\nrules of finishing:"),
    ] {
        println!("{title}");
        places.iter().filter(|place| place.role == part).for_each(|place| println!("{place}"));
    }
}
