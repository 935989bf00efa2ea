//! `foretype translate FILE --to LANGUAGE`: code in another programming language.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use foretype_plugins::request::Task;
use foretype_plugins::strategies::translate;

use super::ask::place::Place;
use super::rewrite::{Bench, exists, read, save};
use crate::rewrite;

/// Arguments of `foretype translate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, or lines of it
    #[arg(value_name = "FILE[:LINE[-LINE]]")]
    place: String,
    /// The language that is wanted: its name, such as rust or c++, or an ending of its files
    #[arg(long, value_name = "LANGUAGE")]
    to: String,
    /// What the translation begins with, where that is known: the first line of a function
    #[arg(long, value_name = "CODE", default_value = "")]
    signature: String,
    /// Write it into this file; unset, it is printed
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype translate`.
pub fn run(args: &Args) -> Result<ExitCode> {
    // What is wrong with the arguments is found out before a model is loaded.
    let to = translate::target(&args.to)?;
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.exists()) {
        anyhow::bail!(exists(path));
    }
    let place: Place = args.place.parse()?;
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let bench = Bench::open(&place.path, args.model.as_deref())?;
    let (translation, usage) = bench.work(|writer| {
        let piece = |number, of| bench.piece(number, of);
        let at = selection.as_ref().map_or(0, |lines| lines.start);
        writer.plugins = bench.heard(Task::Translate, &document, at, Some(to.id()));
        rewrite::translate(writer, &document, selection, to, args.signature.trim(), &piece)
    })?;
    if args.json {
        super::print_json(&serde_json::json!({
            "language": to,
            "text": translation.text,
            "broken": translation.broken,
            "usage": usage,
        }))?;
    } else if let Some(path) = &args.output {
        ensure!(translation.broken.is_empty(), "{}: nothing was written", complaint(&translation, to.name()));
        save(path, &translation.text, args.force)?;
        eprintln!("foretype: {} written", path.display());
    } else {
        print!("{}", translation.text);
    }
    if translation.broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("foretype: {}", complaint(&translation, to.name()));
    Ok(ExitCode::FAILURE)
}

fn complaint(translation: &rewrite::Translation, name: &str) -> String {
    let piece = |it: &rewrite::Broken| format!("lines {} to {} ({})", it.first, it.last, it.why);
    let pieces: Vec<_> = translation.broken.iter().map(piece).collect();
    format!("the model found no valid {name} for {}", pieces.join(", "))
}
