//! Translation, editing and generation of code in a document that is open in an editor.

use std::ops::Range;

use anyhow::{Context, Result};
use foretype_model::{Engine, Usage};
use foretype_plugins::comments::NaturalLanguage;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::TaskKind;
use foretype_plugins::tasks::translate;
use foretype_plugins::{Document, Language, syntax};

use super::comments::{language_warning, translate_comments};
use super::{CodeWriter, InvalidPiece, Translation};
use crate::documents::Snapshot;
use crate::plugins::CodePlugins;
use crate::session::Session;

/// Code that the model is asked for.
#[derive(Debug, Clone)]
pub(crate) enum RewriteQuery {
    /// Code in the programming language `to`.
    Translate {
        /// Name of the language.
        to: String,
    },
    /// Comments and docstrings in the natural language `to`.
    TranslateComments {
        /// Name of the language.
        to: String,
    },
    /// Code that is changed as the instruction says.
    Edit {
        /// Instruction.
        instruction: String,
    },
    /// Code for a comment or a signature.
    Generate,
}

/// Result of a rewrite.
pub(crate) enum RewriteOutcome {
    /// Edits of the document, and notes for the user.
    Edits(Vec<Edit>, Vec<String>),
    /// Translated code.
    Translation {
        /// Code.
        text: String,
        /// Language of the code.
        language: Language,
        /// Notes for the user.
        notes: Vec<String>,
    },
}

/// Rewrites the selection of a snapshot. An empty selection means the function or class around it; no selection means
/// the whole document, where that makes sense. `on_text` receives the text as the model writes it. Blocks.
///
/// # Errors
/// If the query lacks a selection or names an unknown language, the model fails, the result is no longer wanted, or the
/// document has changed.
pub(crate) fn rewrite(
    session: &Session,
    engine: &Engine,
    snapshot: &Snapshot,
    selection: Option<Range<usize>>,
    query: &RewriteQuery,
    is_wanted: &dyn Fn() -> bool,
    on_text: &dyn Fn(&str),
) -> Result<RewriteOutcome> {
    let document = snapshot.parsed_document();
    let config = session.config();
    let is_wanted = || is_wanted() && session.is_current(snapshot);
    let selection = selection.map(|selection| {
        let means_item = selection.is_empty() && !matches!(query, RewriteQuery::Generate);
        let item = if means_item { enclosing_item(&document, selection.start) } else { None };
        item.unwrap_or(selection)
    });
    let plugins = consult_plugins(session, snapshot, &document, query, selection.as_ref().map_or(0, |it| it.start));
    let usage = Usage::default();
    let mut writer = CodeWriter { engine, config: &config, is_wanted: &is_wanted, on_text, usage, plugins };
    let written = write(&mut writer, &document, selection, query);
    session.notify_plugins_ran();
    session.shared.stats.record_usage(&writer.usage);
    session.ensure_current(snapshot)?;
    written
}

fn write(
    writer: &mut CodeWriter<'_>,
    document: &Document,
    selection: Option<Range<usize>>,
    query: &RewriteQuery,
) -> Result<RewriteOutcome> {
    const NO_SELECTION: &str = "it is unknown which code is meant: give range";
    let mut notes = Vec::new();
    let edit = match query {
        RewriteQuery::TranslateComments { to } => {
            let to = NaturalLanguage::from_name(to)?;
            let width = writer.config.docstring.width;
            let done = translate_comments(writer, document, selection, to, width, &|_, _| {})?;
            notes.extend(done.unchanged.iter().map(ToString::to_string));
            notes.extend(language_warning(writer.engine.model()));
            Edit { range: 0..document.text.len(), text: super::apply_edits(&document.text, &done.edits) }
        }
        RewriteQuery::Translate { to } => {
            let to = translate::target_language(to)?;
            let done = super::translate(writer, document, selection, to, "", &|_, _| {})?;
            return Ok(translation(to, done));
        }
        RewriteQuery::Edit { instruction } => {
            super::edit(writer, document, selection.context(NO_SELECTION)?, instruction)?
        }
        RewriteQuery::Generate => {
            let start = selection.context(NO_SELECTION)?.start;
            super::generate(writer, document, document.text[..start].matches('\n').count())?
        }
    };
    Ok(RewriteOutcome::Edits(vec![edit], notes))
}

fn translation(language: Language, done: Translation) -> RewriteOutcome {
    let note = |piece: &InvalidPiece| {
        let InvalidPiece { first_line, last_line, why, .. } = piece;
        format!("lines {first_line} to {last_line} are not valid {} ({why})", language.name())
    };
    let notes = done.invalid_pieces.iter().map(note).collect();
    RewriteOutcome::Translation { text: done.text, language, notes }
}

/// Innermost function or class around a byte offset.
fn enclosing_item(document: &Document, at: usize) -> Option<Range<usize>> {
    let text = &*document.text;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    // The indentation of a line belongs to the item that starts on it.
    let indent = text[start..].lines().next().and_then(|line| line.find(|letter: char| !letter.is_whitespace()));
    let at = indent.map_or(at, |indent| at.max(start + indent + 1));
    syntax::enclosing_items(document.tree.as_ref()?, text, at).pop().map(|item| item.range)
}

/// Asks plugins for snippets, and for the checks that they apply to the code.
fn consult_plugins(
    session: &Session,
    snapshot: &Snapshot,
    document: &Document,
    query: &RewriteQuery,
    at: usize,
) -> CodePlugins {
    let (task, question) = match query {
        RewriteQuery::Translate { to } => {
            (TaskKind::Translate, translate::target_language(to).ok().map(Language::lsp_id))
        }
        RewriteQuery::TranslateComments { .. } => (TaskKind::Translate, None),
        RewriteQuery::Edit { instruction } => (TaskKind::Edit, Some(instruction.as_str())),
        RewriteQuery::Generate => (TaskKind::Generate, None),
    };
    let workspace = snapshot.meta.workspace.as_deref();
    let plugins = session.plugins_for(workspace);
    plugins.for_task(task, document.clone(), at, &session.config()).with_question(question, workspace).into()
}
