//! `foretype edit FILE:LINE-LINE "instruction"`: edits lines of a file according to an instruction.

use std::process::ExitCode;

use anyhow::Result;
use foretype_plugins::request::TaskKind;

use super::ask::location::FileLocation;
use super::rewrite::{RewriteOptions, RewriteSession, read};
use crate::rewrite;

/// Arguments of `foretype edit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Lines to edit, counted from 1
    #[arg(value_name = "FILE:LINE[-LINE]")]
    place: String,
    /// Description of the change
    #[arg(value_name = "INSTRUCTION", required = true)]
    instruction: Vec<String>,
    #[command(flatten)]
    options: RewriteOptions,
}

/// Runs `foretype edit`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let place: FileLocation = args.place.parse()?;
    let (source, document) = read(&place.path)?;
    let selection = place.required_selection(&document.text, "FILE:LINE or FILE:LINE-LINE")?;
    let session = RewriteSession::open(&place.path, args.options.model.as_deref())?;
    let instruction = args.instruction.join(" ");
    let (edit, usage) = session.run(|writer| {
        writer.plugins = session.plugin_answers(TaskKind::Edit, &document, selection.start, Some(&instruction));
        rewrite::edit(writer, &document, selection, &instruction)
    })?;
    args.options.deliver(&place.path, &source, &edit, &usage)
}
