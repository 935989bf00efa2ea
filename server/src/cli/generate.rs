//! `foretype generate FILE:LINE`: generates the code for a comment, or the body for a signature.

use std::process::ExitCode;

use anyhow::{Context, Result};
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
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let at = selection.with_context(|| format!("{:?} has no line number: write FILE:LINE", args.place))?.start;
    let line = document.text[..at].matches('\n').count();
    let bench = RewriteSession::open(&place.path, args.options.model.as_deref())?;
    let (edit, usage) = bench.run(|writer| {
        writer.plugins = bench.plugin_answers(TaskKind::Generate, &document, at, None);
        rewrite::generate(writer, &document, line)
    })?;
    args.options.deliver(&place.path, &document.text, &edit, &usage)
}
