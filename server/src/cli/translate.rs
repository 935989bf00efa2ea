//! `foretype translate FILE --to LANGUAGE`: code in another programming language. With `--comments LANGUAGE`, its comments and
//! docstrings in another natural language.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use foretype_plugins::comments::Tongue;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::Task;
use foretype_plugins::strategies::translate;

use super::ask::place::Place;
use super::rewrite::{Bench, Options, exists, read, save};
use crate::rewrite::{self, comments::comments};

/// Arguments of `foretype translate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, or lines of it
    #[arg(value_name = "FILE[:LINE[-LINE]]")]
    place: String,
    /// The language that is wanted: its name, such as rust or c++, or an ending of its files
    #[arg(long, value_name = "LANGUAGE", required_unless_present = "comments")]
    to: Option<String>,
    /// Translate comments and docstrings instead, and leave the code: a natural language, such as german, 中文 or fr
    #[arg(long, value_name = "LANGUAGE", conflicts_with_all = ["to", "signature", "output"])]
    comments: Option<String>,
    /// What the translation begins with, where that is known: the first line of a function
    #[arg(long, value_name = "CODE", default_value = "")]
    signature: String,
    /// Write it into this file; unset, it is printed
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["json", "write", "choose"])]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    options: Options,
}

/// Runs `foretype translate`.
pub fn run(args: &Args) -> Result<ExitCode> {
    // What is wrong with the arguments is found out before a model is loaded.
    if let Some(to) = &args.comments {
        return translate_comments(args, Tongue::named(to)?);
    }
    ensure!(!args.options.changes(), "--write and --choose go with --comments: say -o FILE for a translation of code");
    let to = translate::target(args.to.as_deref().unwrap_or_default())?;
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.exists()) {
        anyhow::bail!(exists(path));
    }
    let place: Place = args.place.parse()?;
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let bench = Bench::open(&place.path, args.options.model.as_deref())?;
    let (translation, usage) = bench.work(|writer| {
        let piece = |number, of| bench.piece(number, of);
        let at = selection.as_ref().map_or(0, |lines| lines.start);
        writer.plugins = bench.heard(Task::Translate, &document, at, Some(to.id()));
        rewrite::translate(writer, &document, selection, to, args.signature.trim(), &piece)
    })?;
    if args.options.json {
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

/// Translates comments and docstrings, and says which of them stay.
fn translate_comments(args: &Args, to: &Tongue) -> Result<ExitCode> {
    let place: Place = args.place.parse()?;
    let document = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let bench = Bench::open(&place.path, args.options.model.as_deref())?;
    bench.doubt(rewrite::comments::doubt);
    let text = &*document.text;
    let (done, usage) = bench.work(|writer| {
        let piece = |number, of| bench.piece(number, of);
        let width = writer.config.docstring.width;
        comments(writer, &document, selection, to, width, &piece)
    })?;
    done.left.iter().for_each(|left| eprintln!("foretype: {left}"));
    let edit = Edit { range: 0..text.len(), text: rewrite::applied(text, &done.edits) };
    args.options.deliver(&place.path, text, &edit, &usage)
}

fn complaint(translation: &rewrite::Translation, name: &str) -> String {
    let piece = |it: &rewrite::Broken| format!("lines {} to {} ({})", it.first, it.last, it.why);
    let pieces: Vec<_> = translation.broken.iter().map(piece).collect();
    format!("the model found no valid {name} for {}", pieces.join(", "))
}
