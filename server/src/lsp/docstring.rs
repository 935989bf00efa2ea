//! Docstrings in the editor: a code action that offers one, and a command that writes it as one edit of the document.
//!
//! The edit names the version that it was made for, and is not sent when the document has changed meanwhile.

pub(super) mod preview;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foretype_model::Engine;
use foretype_plugins::docstring::{self, Ground, Item, Refusal, Style, Task, Wanted};
use foretype_plugins::{Document, request, syntax};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CodeActionResponse, Command, DocumentChanges,
    OneOf, OptionalVersionedTextDocumentIdentifier, Range, TextDocumentEdit, TextEdit, Url, WorkspaceEdit,
};
use tree_sitter::Tree;

use super::Session;
use super::ext::{self, failed};
use super::rewrite::CHANGED;
use crate::ask::Draw;
use crate::docstring::{RIGHT, Written, context_bytes, write};
use crate::documents::Snapshot;

/// What is to be documented: the argument of the command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Target {
    /// The document.
    uri: Url,
    /// A line of the item, counted from 0.
    line: u32,
    /// The style, where it is not to be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    style: Option<Style>,
    /// Whether what is there is to be brought up to date.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    update: bool,
}

/// The actions for the item at the beginning of the range, if there is one and its language has docstrings.
pub(super) async fn offer(session: Arc<Session>, params: CodeActionParams) -> Option<CodeActionResponse> {
    let kind = CodeActionKind::REFACTOR_REWRITE;
    let within = |wanted: &CodeActionKind| format!("{}.", kind.as_str()).starts_with(&format!("{}.", wanted.as_str()));
    if params.context.only.as_ref().is_some_and(|only| !only.iter().any(within)) {
        return None;
    }
    let (uri, line) = (params.text_document.uri, params.range.start.line);
    let offers = move || {
        let (snapshot, item) = found(&session, &uri, line).ok()?;
        let offered = |update| {
            let task = framed(&session, &snapshot, item.clone(), None, (Wanted::of(update), false)).ok()??;
            Some(action(&task, &Target { uri: uri.clone(), line, style: None, update }, kind.clone()))
        };
        Some([true, false].into_iter().filter_map(offered).collect::<Vec<_>>())
    };
    tokio::task::spawn_blocking(offers).await.ok()?.filter(|offers| !offers.is_empty())
}

fn action(task: &Task, target: &Target, kind: CodeActionKind) -> CodeActionOrCommand {
    let verb = match Wanted::of(target.update) {
        Wanted::Updated => "Update the docstring",
        Wanted::New if task.item.existing.is_some() => "Write the docstring again",
        Wanted::New => "Write a docstring",
    };
    let title = if task.item.name.is_empty() {
        format!("{verb} for this module")
    } else {
        format!("{verb} for `{}`", task.item.name)
    };
    let command =
        Command { title: title.clone(), command: ext::DOCSTRING.to_owned(), arguments: Some(vec![json!(target)]) };
    CodeActionOrCommand::CodeAction(CodeAction {
        title,
        kind: Some(kind),
        command: Some(command),
        ..CodeAction::default()
    })
}

/// The edit that the command asks for. Dropping the future ends the work.
pub(super) async fn edit(session: Arc<Session>, arguments: &[Value]) -> Result<WorkspaceEdit> {
    let first = arguments.first().unwrap_or(&Value::Null);
    let target =
        Target::deserialize(first).map_err(|why| Error::invalid_params(format!("{}: {why}", ext::DOCSTRING)))?;
    let engine = session.loaded_engine().await.map_err(|why| failed(&format!("{why:#}")))?;
    let dropped = Dropped(Arc::default());
    let (flag, worker) = (dropped.0.clone(), session.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (snapshot, task) = task(&worker, &target).map_err(|why| failed(&why))?;
        let task = task.ok_or_else(|| failed(RIGHT))?;
        let goes_on = || !flag.load(Ordering::Relaxed) && is_current(&worker, &snapshot);
        let written = written(&engine, &worker, &snapshot, &task, Draw::Likeliest, &goes_on);
        if !is_current(&worker, &snapshot) {
            return Err(failed(CHANGED));
        }
        written
            .map(|written| workspace_edit(&worker, target.uri, &snapshot, &written))
            .map_err(|why| failed(&format!("{why:#}")))
    });
    work.await.unwrap_or_else(|_| Err(Error::internal_error()))
}

/// Says that nobody waits any more when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn is_current(session: &Session, snapshot: &Snapshot) -> bool {
    let now = session.documents.snapshot(&snapshot.uri);
    now.is_some_and(|now| now.version == snapshot.version && Arc::ptr_eq(&now.text, &snapshot.text))
}

/// What is to be written, if anything is, and the document for which.
fn task(session: &Session, target: &Target) -> std::result::Result<(Arc<Snapshot>, Option<Task>), String> {
    let (snapshot, item) = found(session, &target.uri, target.line)?;
    let task = framed(session, &snapshot, item, target.style, (Wanted::of(target.update), false))?;
    Ok((snapshot, task))
}

/// The item at a line of an open document.
fn found(session: &Session, uri: &Url, line: u32) -> std::result::Result<(Arc<Snapshot>, Item), String> {
    let (snapshot, tree) = opened(session, uri)?;
    let item = docstring::find(snapshot.language, tree.as_ref(), &snapshot.text, line as usize);
    Ok((snapshot, item.map_err(|refusal| refusal.to_string())?))
}

/// An open document with its tree, if it may be shown to a model.
fn opened(session: &Session, uri: &Url) -> std::result::Result<(Arc<Snapshot>, Option<Tree>), String> {
    let snapshot = session.documents.parsed(uri.as_str()).ok_or("the document is not open")?;
    if let Some(why) = session.refusal(&snapshot) {
        return Err(why);
    }
    // Somebody else may be parsing it just now.
    let tree = snapshot.tree.clone().or_else(|| syntax::parse(snapshot.language, &snapshot.text, None));
    Ok((snapshot, tree))
}

/// The frame of an item's docstring; nothing where there is nothing to update.
fn framed(
    session: &Session,
    snapshot: &Snapshot,
    item: Item,
    style: Option<Style>,
    wanted: (Wanted, bool),
) -> std::result::Result<Option<Task>, String> {
    let (language, text) = (snapshot.language, &snapshot.text);
    let others = session.documents.snapshots();
    let others = others.iter().filter(|other| other.language == language && other.uri != snapshot.uri);
    let texts = std::iter::once(&**text).chain(others.map(|other| &*other.text));
    let options = &session.config().docstring;
    let style = style.or_else(|| options.style_of(language, texts));
    let style = style.ok_or_else(|| Refusal::Language(language.id()).to_string())?;
    let task = Task::wanted(wanted, item, language, style, text, options.width);
    task.map_err(|refusal| refusal.to_string())
}

fn written(
    engine: &Engine,
    session: &Session,
    snapshot: &Snapshot,
    task: &Task,
    draw: Draw,
    goes_on: &dyn Fn() -> bool,
) -> anyhow::Result<Written> {
    let most = context_bytes(engine.model(), &session.config());
    let path = session.path_in_prompt(&snapshot.uri);
    let (language, text) = (snapshot.language, &*snapshot.text);
    let tree = snapshot.tree.clone();
    let document = Document { path: path.clone(), language, text: snapshot.text.clone(), tree };
    let asked = session.plugins_of(&snapshot.uri).asked(
        request::Task::Docstring,
        document,
        task.item.range.start,
        &session.config(),
    );
    let asked = asked.about(None, session.workspace_of(&snapshot.uri).as_deref());
    let snippets = asked.snippets();
    let format = engine.model().fim_format();
    let ground = Ground { language, path: &path, text, most, format, snippets: &snippets };
    let written = write(engine, &ground, task, Some(&asked), draw, goes_on);
    session.plugins_ran();
    written
}

/// One edit of one document, for this version of it where the client understands that.
fn workspace_edit(session: &Session, uri: Url, snapshot: &Snapshot, written: &Written) -> WorkspaceEdit {
    let facts = session.client_facts().cloned().unwrap_or_default();
    let at = |offset| snapshot.lines.position(&snapshot.text, offset, facts.encoding);
    let range = Range { start: at(written.edit.range.start), end: at(written.edit.range.end) };
    let edit = TextEdit { range, new_text: written.edit.text.clone() };
    if !facts.document_changes {
        return WorkspaceEdit { changes: Some(HashMap::from([(uri, vec![edit])])), ..WorkspaceEdit::default() };
    }
    let text_document = OptionalVersionedTextDocumentIdentifier { uri, version: Some(snapshot.version) };
    let changes = vec![TextDocumentEdit { text_document, edits: vec![OneOf::Left(edit)] }];
    WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(changes)), ..WorkspaceEdit::default() }
}
