//! `foretype generate FILE:LINE`: the code for a comment, or the body for a signature.

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype_plugins::request::Task;

use super::ask::place::Place;
use super::rewrite::{Bench, Options, read};
use crate::rewrite;

/// Arguments of `foretype generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A line of the comment or the signature, counted from 1
    #[arg(value_name = "FILE:LINE")]
    place: String,
    #[command(flatten)]
    options: Options,
}

/// Runs `foretype generate`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let place: Place = args.place.parse()?;
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let at = selection.with_context(|| format!("{:?} names no line: write FILE:LINE", args.place))?.start;
    let line = document.text[..at].matches('\n').count();
    let bench = Bench::open(&place.path, args.options.model.as_deref())?;
    let (edit, usage) = bench.work(|writer| {
        writer.plugins = bench.heard(Task::Generate, &document, at, None);
        rewrite::generate(writer, &document, line)
    })?;
    args.options.deliver(&place.path, &document.text, &edit, &usage)
}
