//! `foretype generate FILE:LINE`: generates the code for a comment, or the body for a signature.

use std::process::ExitCode;

use anyhow::Result;
use foretype_plugins::request::TaskKind;

use super::ask::location::FileLocation;
use super::rewrite::{RewriteOptions, RewriteSession, read};
use crate::rewrite;

/// Arguments of `foretype generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Location of the comment or the signature, counted from line 1
    #[arg(value_name = "FILE:LINE")]
    place: String,
    #[command(flatten)]
    options: RewriteOptions,
}

/// Runs `foretype generate`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let place: FileLocation = args.place.parse()?;
    let (source, document) = read(&place.path)?;
    let at = place.required_selection(&document.text, "FILE:LINE")?.start;
    let line = document.text[..at].matches('\n').count();
    let session = RewriteSession::open(&place.path, args.options.model.as_deref())?;
    let (edit, usage) = session.run(|writer| {
        writer.plugins = session.plugin_answers(TaskKind::Generate, &document, at, None);
        rewrite::generate(writer, &document, line)
    })?;
    args.options.deliver(&place.path, &source, &edit, &usage)
}
