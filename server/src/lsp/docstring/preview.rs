//! `foretype/docstring`: docstrings that are shown before they are written, of one item or of all that have none. Nothing is
//! applied: the client gets hunks, as for an edit.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use foretype_model::Engine;
use foretype_plugins::docstring::{self, Edit, Item, Refusal, Style, Task, Wanted};
use tower_lsp::Client;
use tower_lsp::lsp_types::Range;
use tree_sitter::Tree;

use super::{framed, is_current, opened, written};
use crate::ask::Draw;
use crate::docstring::{RIGHT, none};
use crate::documents::Snapshot;
use crate::lsp::Session;
use crate::lsp::ext::{DocstringParams, RewriteResult};
use crate::lsp::rewrite::{CHANGED, changes, streamed};

/// Answers the request. Dropping the future ends the work.
///
/// # Errors
/// Says what to do.
pub(in crate::lsp) async fn answer(
    session: &Arc<Session>,
    client: &Client,
    params: DocstringParams,
) -> Result<RewriteResult> {
    let engine = session.loaded_engine().await?;
    let (worker, token) = (session.clone(), params.partial_result_token.clone());
    streamed(client, token, move |goes_on, show| run(&worker, &engine, &params, goes_on, show)).await
}

fn run(
    session: &Session,
    engine: &Engine,
    params: &DocstringParams,
    waits: &dyn Fn() -> bool,
    show: &dyn Fn(&str),
) -> Result<RewriteResult> {
    let (snapshot, tree) = opened(session, &params.text_document.uri).map_err(|why| anyhow!(why))?;
    let tasks = tasks(session, &snapshot, tree.as_ref(), params)?;
    let goes_on = || waits() && is_current(session, &snapshot);
    let draw = if params.attempt == 0 { Draw::Likeliest } else { Draw::Another(params.attempt) };
    let mut edits: Vec<Edit> = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        show(&format!("{}/{} {}\n", number + 1, tasks.len(), task.item.name));
        let written = written(engine, session, &snapshot, task, draw, &goes_on);
        ensure!(is_current(session, &snapshot), CHANGED);
        edits.push(written?.edit);
    }
    edits.sort_by_key(|edit| edit.range.start);
    Ok(changes(session, &snapshot, &edits))
}

fn tasks(session: &Session, snapshot: &Snapshot, tree: Option<&Tree>, params: &DocstringParams) -> Result<Vec<Task>> {
    let items = items(snapshot, tree, params)?;
    let several = items.len() > 1 || params.range.is_none();
    let task = |item| framed(session, snapshot, item, params.style, (Wanted::of(params.update), several)).transpose();
    let tasks: Vec<Task> = items.into_iter().filter_map(task).collect::<Result<_, _>>().map_err(|why| anyhow!(why))?;
    ensure!(!tasks.is_empty(), RIGHT);
    Ok(tasks)
}

/// The item at a place; where several lines are selected, what begins there and has no docstring (to update, what has one); without
/// a range, all of these.
fn items(snapshot: &Snapshot, tree: Option<&Tree>, params: &DocstringParams) -> Result<Vec<Item>> {
    let (language, text) = (snapshot.language, &*snapshot.text);
    let wanted = Wanted::of(params.update);
    let meant = |range: Option<Range>| -> Result<Vec<Item>> {
        ensure!(!Style::of(language).is_empty(), Refusal::Language(language.id()));
        let line = |item: &Item| text[..item.range.start].matches('\n').count();
        let within =
            |item: &Item| range.is_none_or(|it| (it.start.line as usize..=it.end.line as usize).contains(&line(item)));
        let items = docstring::items(language, tree.context(Refusal::Unparsed)?, text);
        Ok(items.into_iter().filter(|item| wanted.is_for(item) && within(item)).collect())
    };
    let several = match params.range {
        None => {
            let all = meant(None)?;
            ensure!(!all.is_empty(), none(wanted, "this document"));
            return Ok(all);
        }
        Some(range) if range.end.line > range.start.line => meant(Some(range))?,
        Some(_) => Vec::new(),
    };
    match (several.is_empty(), params.range) {
        (true, Some(range)) => Ok(vec![docstring::find(language, tree, text, range.start.line as usize)?]),
        _ => Ok(several),
    }
}
