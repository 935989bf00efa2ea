//! `foretype-lab trace`: makes traces of typing from a repository's history or from a folder of source text.

mod args;
mod compose;
mod contents;
mod history;
mod source_file;

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype_plugins::random::Random;

pub(crate) use args::Args;
use args::TraceSource;

/// Runs `foretype-lab trace`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut random = Random::new(args.seed);
    let files = match args.from {
        TraceSource::History => history::source_files(args, &mut random)?,
        TraceSource::Contents => contents::source_files(args, &mut random)?,
    };
    let command = command_line(args)?;
    let trace = compose::compose(command, &files, args.keys.into(), args.stay.into(), &mut random)?;
    std::fs::write(&args.output, trace.to_json()?)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{}: {} keys in {} files", args.output.display(), trace.key_count(), trace.files.len());
    Ok(ExitCode::SUCCESS)
}

/// Command that makes the same trace again, without the folder and the output.
fn command_line(args: &Args) -> Result<String> {
    let source = match args.from {
        TraceSource::History => {
            format!("history --revision {}", history::resolve_commit(&args.folder, &args.revision)?)
        }
        TraceSource::Contents => "contents".to_owned(),
    };
    let only = if args.only.is_empty() { String::new() } else { format!(" --only {}", args.only.join(",")) };
    let Args { seed, files, keys, stay, .. } = args;
    Ok(format!("foretype-lab trace --from {source} --seed {seed} --files {files} --keys {keys} --stay {stay}{only}"))
}
