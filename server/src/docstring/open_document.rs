//! Docstrings for items of a document that is open in an editor.

use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use foretype_model::Engine;
use foretype_plugins::docstring::{
    self, DocItem, DocPromptContext, DocStyle, DocTask, DocstringError, DocstringMode, Edit,
};
use foretype_plugins::{request, syntax};
use tree_sitter::Tree;

use super::{UP_TO_DATE_MESSAGE, WrittenDocstring, max_context_bytes, nothing_to_document, write_docstring};
use crate::ask::AnswerSampling;
use crate::documents::Snapshot;
use crate::session::Session;

/// Items of a document that are to be documented.
#[derive(Debug, Clone)]
pub(crate) struct DocstringQuery {
    /// Lines that the items start on, counted from 0. A single line means the item at that line; `None` means the whole
    /// document.
    pub(crate) lines: Option<RangeInclusive<usize>>,
    /// Style of the docstrings, unless it is to be detected.
    pub(crate) style: Option<DocStyle>,
    /// Updates existing docstrings instead of writing new ones.
    pub(crate) update: bool,
    /// Sampling of the model.
    pub(crate) sampling: AnswerSampling,
}

/// Docstrings that can be written for the item at a line, an update first. Blocks.
pub(crate) fn offered_tasks(session: &Session, uri: &str, line: usize) -> Result<Vec<(bool, DocTask)>> {
    let (snapshot, tree) = open_snapshot(session, uri)?;
    let item = docstring::find_item(snapshot.language, tree.as_ref(), &snapshot.text, line)?;
    let mut offered = Vec::new();
    for update in [true, false] {
        if let Ok(Some(task)) =
            build_task(session, &snapshot, item.clone(), None, (DocstringMode::from_update_flag(update), false))
        {
            offered.push((update, task));
        }
    }
    Ok(offered)
}

/// Writes the docstrings that a query asks for. `on_item` receives the number, the total and the name of each item
/// before it is written. Returns the edits in the order of the text, and the snapshot that they are for. Blocks.
///
/// # Errors
/// If there is nothing to write, the model fails, the result is no longer wanted, or the document has changed.
pub(crate) fn write_docstrings(
    session: &Session,
    engine: &Engine,
    uri: &str,
    query: &DocstringQuery,
    is_wanted: &dyn Fn() -> bool,
    on_item: &dyn Fn(usize, usize, &str),
) -> Result<(Arc<Snapshot>, Vec<Edit>)> {
    let (snapshot, tree) = open_snapshot(session, uri)?;
    let tasks = tasks(session, &snapshot, tree.as_ref(), query)?;
    let is_wanted = || is_wanted() && session.is_current(&snapshot);
    let mut edits: Vec<Edit> = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        on_item(index + 1, tasks.len(), &task.item.name);
        let written = write(session, engine, &snapshot, task, query.sampling, &is_wanted);
        session.ensure_current(&snapshot)?;
        edits.push(written?.edit);
    }
    edits.sort_by_key(|edit| edit.range.start);
    Ok((snapshot, edits))
}

/// Snapshot of an open document with its tree, if it may be shown to a model.
fn open_snapshot(session: &Session, uri: &str) -> Result<(Arc<Snapshot>, Option<Tree>)> {
    let snapshot = session.documents.parsed(uri).context("the document is not open")?;
    if let Some(reason) = session.disabled_reason(&snapshot) {
        return Err(anyhow!(reason));
    }
    // While another thread parses the document, the snapshot has no tree.
    let tree = snapshot.tree.clone().or_else(|| syntax::parse(snapshot.language, &snapshot.text, None));
    Ok((snapshot, tree))
}

fn tasks(session: &Session, snapshot: &Snapshot, tree: Option<&Tree>, query: &DocstringQuery) -> Result<Vec<DocTask>> {
    let items = items(snapshot, tree, query)?;
    let is_one_of_several = items.len() > 1 || query.lines.is_none();
    let wanted = (DocstringMode::from_update_flag(query.update), is_one_of_several);
    let mut tasks = Vec::new();
    for item in items {
        tasks.extend(build_task(session, snapshot, item, query.style, wanted)?);
    }
    ensure!(!tasks.is_empty(), UP_TO_DATE_MESSAGE);
    Ok(tasks)
}

/// Items that a query means: of several lines or the whole document, those that lack a docstring (or have one to
/// update); of a single line, the item at that line.
fn items(snapshot: &Snapshot, tree: Option<&Tree>, query: &DocstringQuery) -> Result<Vec<DocItem>> {
    let (language, text) = (snapshot.language, &*snapshot.text);
    let Some(lines) = &query.lines else {
        let all = items_in(snapshot, tree, query, None)?;
        ensure!(!all.is_empty(), nothing_to_document(DocstringMode::from_update_flag(query.update), "this document"));
        return Ok(all);
    };
    if lines.end() > lines.start() {
        let several = items_in(snapshot, tree, query, Some(lines))?;
        if !several.is_empty() {
            return Ok(several);
        }
    }
    Ok(vec![docstring::find_item(language, tree, text, *lines.start())?])
}

fn items_in(
    snapshot: &Snapshot,
    tree: Option<&Tree>,
    query: &DocstringQuery,
    lines: Option<&RangeInclusive<usize>>,
) -> Result<Vec<DocItem>> {
    let (language, text) = (snapshot.language, &*snapshot.text);
    ensure!(!DocStyle::for_language(language).is_empty(), DocstringError::UnsupportedLanguage(language.lsp_id()));
    let wanted = DocstringMode::from_update_flag(query.update);
    let mut items = docstring::items(language, tree.context(DocstringError::ParseTimeout)?, text);
    items.retain(|item| {
        let line = text[..item.range.start].matches('\n').count();
        wanted.selects(item) && lines.is_none_or(|lines| lines.contains(&line))
    });
    Ok(items)
}

/// Task of writing an item's docstring; `None` if there is nothing to update.
fn build_task(
    session: &Session,
    snapshot: &Snapshot,
    item: DocItem,
    style: Option<DocStyle>,
    wanted: (DocstringMode, bool),
) -> Result<Option<DocTask>> {
    let (language, text) = (snapshot.language, &snapshot.text);
    let others = session.documents.snapshots();
    let others = others.iter().filter(|other| other.language == language && other.uri() != snapshot.uri());
    let texts = std::iter::once(&**text).chain(others.map(|other| &*other.text));
    let options = &session.config().docstring;
    let style = style.or_else(|| options.style_of(language, texts));
    let style = style.ok_or_else(|| DocstringError::UnsupportedLanguage(language.lsp_id()))?;
    Ok(DocTask::for_mode(wanted, item, language, style, text, options.width)?)
}

fn write(
    session: &Session,
    engine: &Engine,
    snapshot: &Snapshot,
    task: &DocTask,
    sampling: AnswerSampling,
    is_wanted: &dyn Fn() -> bool,
) -> Result<WrittenDocstring> {
    let config = session.config();
    let (meta, language) = (&snapshot.meta, snapshot.language);
    let workspace = meta.workspace.as_deref();
    let plugins = session.plugins_for(workspace);
    let asked = plugins.for_task(request::TaskKind::Docstring, snapshot.document(), task.item.range.start, &config);
    let asked = asked.with_question(None, workspace);
    let snippets = asked.snippets();
    let most = max_context_bytes(engine.model(), &config);
    let format = engine.model().fim_format();
    let ground = DocPromptContext {
        language,
        path: &meta.relative_path,
        text: &snapshot.text,
        max_bytes: most,
        format,
        snippets: &snippets,
    };
    let written = write_docstring(engine, &ground, task, Some(&asked), sampling, is_wanted);
    session.notify_plugins_ran();
    written
}
