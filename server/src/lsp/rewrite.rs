//! `foretype/translate`, `foretype/edit` and `foretype/generate`: code that a model writes for an open document. Nothing is applied:
//! the client gets hunks for the version that it had, or an error when the document has changed meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use foretype_model::{Engine, Usage};
use foretype_plugins::comments::Tongue;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::Task;
use foretype_plugins::strategies::translate;
use foretype_plugins::{Document, Language, syntax};
use tower_lsp::Client;
use tower_lsp::lsp_types::{self, ProgressToken};

use super::Session;
use super::ext::{Hunk, Partial, PartialParams, PartialText, RewriteParams, RewriteResult};
use crate::documents::Snapshot;
use crate::plugins::Heard;
use crate::rewrite::comments::{comments, doubt};
use crate::rewrite::{self, Writer};

/// Why a request fails whose answer would no longer fit.
pub(super) const CHANGED: &str = "the document changed meanwhile and is left as it is: ask again";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Code in another language.
    Translate,
    /// Lines that are changed as somebody says.
    Edit,
    /// Code for a comment or a signature.
    Generate,
}

/// Answers a request. Dropping the future ends the work.
///
/// # Errors
/// Says what to do.
pub(super) async fn answer(
    session: &Arc<Session>,
    client: &Client,
    what: What,
    params: RewriteParams,
) -> Result<RewriteResult> {
    let engine = session.loaded_engine().await?;
    let (worker, token) = (session.clone(), params.partial_result_token.clone());
    streamed(client, token, move |goes_on, show| run(&worker, &engine, what, &params, goes_on, show)).await
}

/// Runs `work` where it may block. What it shows goes to `token`, all of it before the result. Dropping the future ends the work.
pub(super) async fn streamed<T: Send + 'static>(
    client: &Client,
    token: Option<ProgressToken>,
    work: impl FnOnce(&dyn Fn() -> bool, &dyn Fn(&str)) -> Result<T> + Send + 'static,
) -> Result<T> {
    let dropped = Dropped(Arc::default());
    let flag = dropped.0.clone();
    let (send, mut pieces) = tokio::sync::mpsc::unbounded_channel();
    // Prompts are built and answers are waited for there.
    let mut work = tokio::task::spawn_blocking(move || {
        let goes_on = || !flag.load(Ordering::Relaxed);
        // Nobody receives any more once the client has cancelled or is gone.
        let show = |text: &str| drop(send.send(text.to_owned()));
        work(&goes_on, &show)
    });
    loop {
        tokio::select! {
            biased; // all pieces come before the result
            Some(text) = pieces.recv() => {
                if let Some(token) = token.clone() {
                    client.send_notification::<Partial>(PartialParams { token, value: PartialText { text } }).await;
                }
            }
            done = &mut work => return done?,
        }
    }
}

/// Says that nobody waits any more when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn run(
    session: &Session,
    engine: &Engine,
    what: What,
    params: &RewriteParams,
    waits: &dyn Fn() -> bool,
    show: &dyn Fn(&str),
) -> Result<RewriteResult> {
    let uri = params.text_document.uri.as_str();
    let snapshot = session.documents.snapshot(uri).with_context(|| format!("{uri} is not open"))?;
    ensure!(snapshot.in_sync, "the editor and Foretype disagree about the text: close and open the file");
    ensure!(
        !session.excludes(uri),
        "the file is ignored, excluded or usually holds secrets: it is not shown to a model"
    );
    let current = || {
        let now = session.documents.snapshot(uri);
        now.is_some_and(|now| now.version == snapshot.version && Arc::ptr_eq(&now.text, &snapshot.text))
    };
    let config = session.config();
    let goes_on = || waits() && current();
    let (usage, plugins) = (Usage::default(), Heard::default());
    let mut writer = Writer { engine, config: &config, goes_on: &goes_on, show, usage, plugins };
    let written = write(&mut writer, session, &snapshot, what, params);
    session.plugins_ran();
    session.shared.stats.ran(&writer.usage);
    ensure!(current(), CHANGED);
    written
}

fn write(
    writer: &mut Writer<'_>,
    session: &Session,
    snapshot: &Snapshot,
    what: What,
    params: &RewriteParams,
) -> Result<RewriteResult> {
    let (language, text) = (snapshot.language, snapshot.text.clone());
    let tree = snapshot.tree.clone().or_else(|| syntax::parse(language, &text, None));
    let document = Document { path: session.path_in_prompt(&snapshot.uri), language, text, tree };
    let encoding = session.client_facts().map(|facts| facts.encoding).unwrap_or_default();
    let offset = |position| snapshot.lines.offset(&snapshot.text, position, encoding);
    let selection = params.range.map(|range| {
        let (start, end) = (offset(range.start), offset(range.end));
        let chosen = start.min(end)..start.max(end);
        let item = || item(&document, chosen.start).unwrap_or_else(|| chosen.clone());
        if chosen.is_empty() && what != What::Generate { item() } else { chosen }
    });
    let range = || selection.clone().context("say which code: give range");
    let mut notes = Vec::new();
    writer.plugins = heard(session, snapshot, what, params, &document, selection.as_ref().map_or(0, |it| it.start));
    let edit = match what {
        What::Translate if params.comments.is_some() => {
            let to = Tongue::named(params.comments.as_deref().unwrap_or_default())?;
            let width = writer.config.docstring.width;
            let done = comments(writer, &document, selection, to, width, &|_, _| {})?;
            notes.extend(done.left.iter().map(ToString::to_string).chain(doubt(writer.engine.model())));
            Edit { range: 0..snapshot.text.len(), text: rewrite::applied(&snapshot.text, &done.edits) }
        }
        What::Translate => {
            let to = translate::target(params.to.as_deref().unwrap_or_default())?;
            let done = rewrite::translate(writer, &document, selection, to, "", &|_, _| {})?;
            return Ok(translated(snapshot, to, done));
        }
        What::Edit => rewrite::edit(writer, &document, range()?, params.instruction.as_deref().unwrap_or_default())?,
        What::Generate => {
            let line = snapshot.text[..range()?.start].matches('\n').count();
            rewrite::generate(writer, &document, line)?
        }
    };
    Ok(RewriteResult { notes, ..changes(session, snapshot, &[edit]) })
}

/// Edits, in the order of the text, as the client makes them one by one.
pub(super) fn changes(session: &Session, snapshot: &Snapshot, edits: &[Edit]) -> RewriteResult {
    let encoding = session.client_facts().map(|facts| facts.encoding).unwrap_or_default();
    let at = |offset| snapshot.lines.position(&snapshot.text, offset, encoding);
    let hunk = |hunk: Edit| Hunk {
        range: lsp_types::Range { start: at(hunk.range.start), end: at(hunk.range.end) },
        new_text: hunk.text,
    };
    let hunks = edits.iter().flat_map(|edit| rewrite::hunks(&snapshot.text, edit)).map(hunk).collect();
    RewriteResult { version: snapshot.version, hunks, text: None, language_id: None, notes: Vec::new() }
}

/// The innermost function or class that a place lies in.
fn item(document: &Document, at: usize) -> Option<Range<usize>> {
    let text = &*document.text;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    // The beginning of a line belongs to what begins there.
    let first = text[start..].lines().next().and_then(|line| line.find(|letter: char| !letter.is_whitespace()));
    let at = first.map_or(at, |indent| at.max(start + indent + 1));
    syntax::enclosing(document.tree.as_ref()?, text, at).pop().map(|item| item.range)
}

/// What plugins have to say of it.
fn heard(
    session: &Session,
    snapshot: &Snapshot,
    what: What,
    params: &RewriteParams,
    document: &Document,
    at: usize,
) -> Heard {
    let to = params.to.as_deref().and_then(|to| translate::target(to).ok()).map(Language::id);
    let (task, question) = match what {
        What::Translate => (Task::Translate, to),
        What::Edit => (Task::Edit, params.instruction.as_deref()),
        What::Generate => (Task::Generate, None),
    };
    let asked = session.plugins_of(&snapshot.uri).asked(task, document.clone(), at, &session.config());
    asked.about(question, session.workspace_of(&snapshot.uri).as_deref()).into()
}

fn translated(snapshot: &Snapshot, to: Language, done: rewrite::Translation) -> RewriteResult {
    let note =
        |it: &rewrite::Broken| format!("lines {} to {} are not valid {} ({})", it.first, it.last, to.name(), it.why);
    RewriteResult {
        version: snapshot.version,
        hunks: Vec::new(),
        notes: done.broken.iter().map(note).collect(),
        text: Some(done.text),
        language_id: Some(to.id()),
    }
}
