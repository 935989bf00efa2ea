//! `foretype translate FILE --to LANGUAGE`: translates code into another programming language. With `--comments
//! LANGUAGE`, it translates comments and docstrings into another natural language.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use foretype_plugins::comments::NaturalLanguage;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::TaskKind;
use foretype_plugins::tasks::translate;

use super::ask::location::FileLocation;
use super::rewrite::{RewriteOptions, RewriteSession, already_exists, read, write_new_file};
use crate::rewrite::{self, comments::translate_comments};

/// Arguments of `foretype translate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File, or lines of it, to translate
    #[arg(value_name = "FILE[:LINE[-LINE]]")]
    place: String,
    /// Translate into this programming language: a name such as rust or c++, or a file extension
    #[arg(long, value_name = "LANGUAGE", required_unless_present = "comments")]
    to: Option<String>,
    /// Translate comments and docstrings, but no code, into this natural language, such as german, 中文 or fr
    #[arg(long, value_name = "LANGUAGE", conflicts_with_all = ["to", "signature", "output"])]
    comments: Option<String>,
    /// Begin the translation with this code, such as the first line of a function
    #[arg(long, value_name = "CODE", default_value = "")]
    signature: String,
    /// Write the translation to this file instead of printing it
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["json", "write", "choose"])]
    output: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    options: RewriteOptions,
}

/// Runs `foretype translate`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    // Faults of the arguments are reported before the model is loaded.
    if let Some(to) = &args.comments {
        return run_comments(args, NaturalLanguage::from_name(to)?);
    }
    ensure!(
        !args.options.changes_file(),
        "--write and --choose need --comments: use -o FILE for a translation of code"
    );
    let to = translate::target_language(args.to.as_deref().unwrap_or_default())?;
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.exists()) {
        anyhow::bail!(already_exists(path));
    }
    let place: FileLocation = args.place.parse()?;
    let (_, document) = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let session = RewriteSession::open(&place.path, args.options.model.as_deref())?;
    let (translation, usage) = session.run(|writer| {
        let piece = |number, of| session.show_piece(number, of);
        let at = selection.as_ref().map_or(0, |lines| lines.start);
        writer.plugins = session.plugin_answers(TaskKind::Translate, &document, at, Some(to.lsp_id()));
        rewrite::translate(writer, &document, selection, to, args.signature.trim(), &piece)
    })?;
    if args.options.json {
        super::output::print_json(&serde_json::json!({
            "language": to,
            "text": translation.text,
            "broken": translation.invalid_pieces,
            "usage": usage,
        }))?;
    } else if let Some(path) = &args.output {
        ensure!(
            translation.invalid_pieces.is_empty(),
            "{}: nothing was written",
            invalid_pieces_message(&translation, to.name())
        );
        write_new_file(path, &translation.text, args.force)?;
        eprintln!("foretype: {} written", path.display());
    } else {
        print!("{}", translation.text);
    }
    if translation.invalid_pieces.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("foretype: {}", invalid_pieces_message(&translation, to.name()));
    Ok(ExitCode::FAILURE)
}

/// Translates comments and docstrings, and reports those that are unchanged.
fn run_comments(args: &Args, to: &NaturalLanguage) -> Result<ExitCode> {
    let place: FileLocation = args.place.parse()?;
    let (source, document) = read(&place.path)?;
    let selection = place.selection(&document.text)?;
    let session = RewriteSession::open(&place.path, args.options.model.as_deref())?;
    session.print_warning(rewrite::comments::language_warning);
    let (done, usage) = session.run(|writer| {
        let piece = |number, of| session.show_piece(number, of);
        let width = writer.config.docstring.width;
        translate_comments(writer, &document, selection, to, width, &piece)
    })?;
    for comment in &done.unchanged {
        eprintln!("foretype: {comment}");
    }
    let translated = rewrite::apply_edits(&document.text, &done.edits);
    let edit = Edit { range: 0..document.text.len(), text: translated };
    args.options.deliver(&place.path, &source, &edit, &usage)
}

fn invalid_pieces_message(translation: &rewrite::Translation, name: &str) -> String {
    let piece = |it: &rewrite::InvalidPiece| format!("lines {} to {} ({})", it.first_line, it.last_line, it.why);
    let pieces: Vec<_> = translation.invalid_pieces.iter().map(piece).collect();
    format!("the model wrote no valid {name} for {}", pieces.join(", "))
}
