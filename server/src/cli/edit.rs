//! `foretype edit FILE:LINE-LINE "instruction"`: lines of a file changed as somebody says.

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype_plugins::request::Task;

use super::ask::place::Place;
use super::rewrite::{Bench, Options, read};
use crate::rewrite;

/// Arguments of `foretype edit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lines that may change, counted from 1
    #[arg(value_name = "FILE:LINE[-LINE]")]
    place: String,
    /// What is to be changed
    #[arg(value_name = "INSTRUCTION", required = true)]
    instruction: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Runs `foretype edit`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let place: Place = args.place.parse()?;
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let selection =
        selection.with_context(|| format!("{:?} names no lines: write FILE:LINE or FILE:LINE-LINE", args.place))?;
    let bench = Bench::open(&place.path, args.options.model.as_deref())?;
    let instruction = args.instruction.join(" ");
    let (edit, usage) = bench.work(|writer| {
        writer.plugins = bench.heard(Task::Edit, &document, selection.start, Some(&instruction));
        rewrite::edit(writer, &document, selection, &instruction)
    })?;
    args.options.deliver(&place.path, &document.text, &edit, &usage)
}
