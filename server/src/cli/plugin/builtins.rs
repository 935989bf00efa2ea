//! The built-ins in `foretype plugin list`.

use std::path::Path;

use anyhow::Result;
use foretype_plugins::{Budget, Language};

use crate::config::Config;
use crate::plugins::Plugins;
use crate::plugins::builtins::{Part, Place};

/// All built-ins as they are for text of no language, with the room that a prompt of the configured length leaves.
pub(super) fn all(root: &Path, plugins: &Plugins) -> Result<Vec<Place>> {
    let config = Config::load(Some(root))?;
    let room = Budget::for_context(config.context.max_tokens, config.inline.max_tokens).snippets;
    let places = plugins.places(Language::PlainText, room, &config);
    Ok(places.into_iter().filter(|place| place.builtin).collect())
}

/// Prints them below the plugins.
pub(super) fn print(places: &[Place]) {
    for (part, title) in
        [(Part::Context, "\nsources of context, in their order:"), (Part::Finish, "\nrules of finishing:")]
    {
        println!("{title}");
        places.iter().filter(|place| place.part == part).for_each(|place| println!("{place}"));
    }
}
