//! `foretype/ask`: a question from an editor. The answer comes in pieces to whoever gave a token for them, and whole at the
//! end. It gives way to ghost text and goes on afterwards; to drop it is to stop it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::{Chat, Engine, Event, FinishReason, Priority, Usage};
use foretype_plugins::strategies::ask::{Excerpt, Intent, SYSTEM, cited};
use foretype_plugins::{Document, Snippet, syntax};
use tokio::sync::mpsc::unbounded_channel;
use tower_lsp::Client;
use tower_lsp::lsp_types::Url;

use super::conversation::{Conversation, Kept, Turn};
use super::{Draw, Question};
use crate::cli::git::staged;
use crate::config::Config;
use crate::lsp::Session;
use crate::lsp::ext::{AskParams, AskResult, AskedPlace, Partial, PartialParams, PartialText};
use crate::workspace::Workspace;

/// Answers a question.
///
/// # Errors
/// Says what to do: when no model is there, the place cannot be shown to one, the question is too long or the model fails.
pub async fn answer(session: &Arc<Session>, client: &Client, params: AskParams) -> Result<AskResult> {
    let engine = session.loaded_engine().await?;
    let config = session.config();
    let token = params.partial_result_token.clone();
    let asked = {
        let (session, engine, config) = (session.clone(), engine.clone(), config.clone());
        // Files are read and texts are parsed there.
        tokio::task::spawn_blocking(move || Asked::new(&session, &engine, &config, &params)).await??
    };
    let job = super::job(asked.chat.clone(), &config, asked.draw, Priority::Answer);
    let (send, mut events) = unbounded_channel();
    // Nobody receives any more once the client has cancelled or is gone.
    let _ticket = engine.submit(job, move |event| drop(send.send(event)));
    let mut written = Written::default();
    while let Some(event) = events.recv().await {
        match event {
            Event::Text { text, .. } => {
                written.text.push_str(&text);
                if let Some(token) = token.clone() {
                    let value = PartialText { text };
                    client.send_notification::<Partial>(PartialParams { token, value }).await;
                }
            }
            Event::Finished { reason: FinishReason::Failed(why), .. } => bail!("the model failed: {why}"),
            Event::Finished { reason, .. } => written.complete = reason != FinishReason::Length,
            Event::Prefilled { .. } => {}
            Event::Done { usage } => {
                session.shared.stats.ran(&usage);
                written.usage = usage;
                return tokio::task::spawn_blocking(move || asked.result(written)).await?;
            }
        }
    }
    bail!("the model stopped without an answer")
}

/// What the model wrote.
#[derive(Default)]
struct Written {
    text: String,
    complete: bool,
    usage: Usage,
}

/// A question that is ready for the engine.
struct Asked {
    question: Question,
    talk: Conversation,
    /// Turns that the conversation had when it was read.
    turns: usize,
    kept: Option<Kept>,
    root: Option<PathBuf>,
    notes: Vec<String>,
    chat: Chat,
    draw: Draw,
}

impl Asked {
    fn new(session: &Session, engine: &Engine, config: &Config, params: &AskParams) -> Result<Self> {
        crate::models::embedded::not_for_words(engine.model())?;
        let document = params.text_document.as_ref().map(|document| &document.uri);
        let workspace = session.workspace_or_first(params.workspace.as_ref().or(document));
        let kept = workspace.as_ref().map(|workspace| Kept::of(&workspace.root)).transpose()?;
        let mut talk = match params.conversation {
            Some(id) => kept.as_ref().context("conversations belong to a workspace: open a folder")?.read(id)?,
            None => Conversation::new(config.ask.system.as_deref().unwrap_or(SYSTEM)),
        };
        let turns = talk.turns.len();
        let edited = params.at.map(|at| talk.cut(at)).transpose()?.flatten();
        let again = params.regenerate.then(|| talk.turns.pop()).flatten();
        // A copy gets a number of its own when it is kept.
        talk.id = talk.id.filter(|_| !params.branch);
        talk.dropped = talk.dropped.min(talk.turns.len());
        let draw = again.as_ref().map_or(Draw::Likeliest, |turn| Draw::Another(turn.answer.len() as u64));
        let intent = params.intent.as_deref().map(super::intent).transpose()?;
        let question = match (again, edited, &params.question) {
            (Some(turn), _, _) => Question { text: turn.question, read: turn.read, excerpts: turn.places },
            (None, Some(turn), Some(text)) => Question::in_place_of(turn, text.trim()),
            (None, _, _) => {
                question(session, engine, config, params, intent, workspace.as_deref(), talk.turns.is_empty())?
            }
        };
        let (chat, dropped) = super::prompt(engine.model(), &config.ask, &mut talk, &question.read)?;
        let mut notes = question.notes();
        notes.extend(super::doubts(engine.model(), intent));
        if dropped > 0 {
            notes.push(format!("the oldest {dropped} questions no longer fit: the model does not read them any more"));
        }
        let root = workspace.map(|workspace| workspace.root.clone());
        Ok(Self { question, talk, turns, kept, root, notes, chat, draw })
    }

    /// Keeps the conversation, and says what came of the question.
    fn result(mut self, written: Written) -> Result<AskResult> {
        let citations = cited(&written.text, &self.question.excerpts);
        let places = places(&self.question.excerpts, self.root.as_deref());
        let Question { text: question, read, excerpts } = self.question;
        self.talk.turns.push(Turn { question, read, places: excerpts, answer: written.text.clone() });
        if let Some(kept) = &self.kept {
            // Another question was answered in it meanwhile: this one goes on in a copy.
            let same = |id| kept.read(id).is_ok_and(|now| now.turns.len() == self.turns);
            self.talk.id = self.talk.id.filter(|id| same(*id));
            if let Err(error) = kept.write(&mut self.talk) {
                self.notes.push(format!("{error:#}"));
            }
        }
        Ok(AskResult {
            text: written.text,
            complete: written.complete,
            conversation: self.talk.id,
            places,
            citations,
            notes: self.notes,
            evaluated: written.usage.evaluated,
            reused: written.usage.reused,
        })
    }
}

/// The places of pieces of code, for an editor.
pub(super) fn places(excerpts: &[Excerpt], root: Option<&Path>) -> Vec<AskedPlace> {
    let place = |it: &Excerpt| AskedPlace {
        uri: root.and_then(|root| Url::from_file_path(root.join(&it.path)).ok()),
        path: it.path.clone(),
        first: it.first,
        last: it.last,
        why: it.why.clone(),
    };
    excerpts.iter().map(place).collect()
}

fn question(
    session: &Session,
    engine: &Engine,
    config: &Config,
    params: &AskParams,
    intent: Option<Intent>,
    workspace: Option<&Workspace>,
    first: bool,
) -> Result<Question> {
    let room = super::room(engine.model(), &config.ask);
    if intent == Some(Intent::CommitMessage) {
        let root = &workspace.context("a commit message needs a workspace: open a folder")?.root;
        return Question::about_diff(&staged(root)?, room);
    }
    let place = place(session, params)?;
    let text = [intent.map_or("", Intent::question), params.question.as_deref().unwrap_or_default()].join(" ");
    ensure!(!text.trim().is_empty(), "give a question or an intent");
    ensure!(intent.is_none() || place.is_some(), "say which code: give textDocument and range");
    // The next questions of a conversation have it above them.
    let snippets = if first { snippets(session, params, place.as_ref(), text.trim(), workspace) } else { Vec::new() };
    let room = room.saturating_sub(snippets.iter().map(|snippet| snippet.text.len()).sum());
    let place = place.as_ref().map(|(document, selection)| (document, selection.clone()));
    Ok(Question::about(text.trim(), place, workspace, room).after(&snippets))
}

/// What plugins add to a question.
fn snippets(
    session: &Session,
    params: &AskParams,
    place: Option<&(Document, Option<Range<usize>>)>,
    question: &str,
    workspace: Option<&Workspace>,
) -> Vec<Snippet> {
    let plugins = match &params.text_document {
        Some(document) => session.plugins_of(document.uri.as_str()),
        None => session.shared.plugins.of(workspace.map(|workspace| workspace.root.as_path()), &session.config()),
    };
    let asked = plugins.asked_about(place, question, workspace, &session.config());
    session.plugins_ran();
    asked
}

/// The document that is asked about, and what is selected in it.
fn place(session: &Session, params: &AskParams) -> Result<Option<(Document, Option<Range<usize>>)>> {
    let Some(document) = &params.text_document else { return Ok(None) };
    let uri = document.uri.as_str();
    let snapshot = session.documents.snapshot(uri).with_context(|| format!("{uri} is not open"))?;
    ensure!(snapshot.in_sync, "the editor and Foretype disagree about the text: close and open the file");
    ensure!(
        !session.excludes(uri),
        "the file is ignored, excluded or usually holds secrets: it is not shown to a model"
    );
    let encoding = session.client_facts().map(|facts| facts.encoding).unwrap_or_default();
    let offset = |position| snapshot.lines.offset(&snapshot.text, position, encoding);
    let selection = params.range.map(|range| {
        let (start, end) = (offset(range.start), offset(range.end));
        start.min(end)..start.max(end)
    });
    let (language, text) = (snapshot.language, snapshot.text.clone());
    let tree = snapshot.tree.clone().or_else(|| syntax::parse(language, &text, None));
    Ok(Some((Document { path: session.path_in_prompt(uri), language, text, tree }, selection)))
}
