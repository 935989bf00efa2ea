//! Handler of `foretype/ask`: a question from an editor. The answer is streamed if the client gave a token for partial
//! results, and returned whole at the end. Inline suggestions preempt it; dropping the future cancels it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::{ChatPrompt, Engine, Event, FinishReason, Priority, Usage};
use foretype_plugins::strategies::ask::{Excerpt, Intent, SYSTEM, cited};
use foretype_plugins::{Document, Snippet, syntax};
use tokio::sync::mpsc::unbounded_channel;
use tower_lsp::Client;
use tower_lsp::lsp_types::Url;

use super::conversation::{Conversation, ConversationStore, Turn};
use super::{AnswerSampling, Question};
use crate::config::Config;
use crate::git;
use crate::lsp::Session;
use crate::lsp::ext::{AskExcerpt, AskParams, AskResult, PartialResult, PartialResultParams, PartialText};
use crate::workspace::Workspace;

/// Answers a question.
///
/// # Errors
/// If there is no model, the code may not be shown to a model, the question is too long, or the model fails. The message says
/// what to do.
pub async fn answer(session: &Arc<Session>, client: &Client, params: AskParams) -> Result<AskResult> {
    let engine = session.loaded_engine().await?;
    let config = session.config();
    let token = params.partial_result_token.clone();
    let asked = {
        let (session, engine, config) = (session.clone(), engine.clone(), config.clone());
        // Reading and parsing files blocks.
        tokio::task::spawn_blocking(move || PreparedQuestion::new(&session, &engine, &config, &params)).await??
    };
    let job = super::answer_job(asked.chat.clone(), &config, asked.sampling, Priority::Streaming);
    let (send, mut events) = unbounded_channel();
    // The receiver is gone once the client has cancelled.
    let _ticket = engine.submit(job, move |event| drop(send.send(event)));
    let mut written = ModelAnswer::default();
    while let Some(event) = events.recv().await {
        match event {
            Event::Text { text, .. } => {
                written.text.push_str(&text);
                if let Some(token) = token.clone() {
                    let value = PartialText { text };
                    client.send_notification::<PartialResult>(PartialResultParams { token, value }).await;
                }
            }
            Event::Finished { reason: FinishReason::Failed(why), .. } => bail!("the model failed: {why}"),
            Event::Finished { reason, .. } => written.complete = reason != FinishReason::Length,
            Event::Prefilled { .. } => {}
            Event::Done { usage } => {
                session.shared.stats.record_usage(&usage);
                written.usage = usage;
                return tokio::task::spawn_blocking(move || asked.save(written)).await?;
            }
        }
    }
    bail!("the model stopped without an answer")
}

/// Answer of the model.
#[derive(Default)]
struct ModelAnswer {
    text: String,
    complete: bool,
    usage: Usage,
}

/// Question that is ready for the engine.
struct PreparedQuestion {
    question: Question,
    conversation: Conversation,
    /// Number of turns that the conversation had when it was loaded.
    turns: usize,
    store: Option<ConversationStore>,
    root: Option<PathBuf>,
    notes: Vec<String>,
    chat: ChatPrompt,
    sampling: AnswerSampling,
}

impl PreparedQuestion {
    fn new(session: &Session, engine: &Engine, config: &Config, params: &AskParams) -> Result<Self> {
        crate::models::embedded::ensure_writes_prose(engine.model())?;
        let document = params.text_document.as_ref().map(|document| &document.uri);
        let workspace = session.workspace_or_first(params.workspace.as_ref().or(document));
        let store = workspace.as_ref().map(|workspace| ConversationStore::open(&workspace.root)).transpose()?;
        let mut conversation = match params.conversation {
            Some(id) => {
                store.as_ref().context("there is no workspace to keep conversations for: open a folder")?.load(id)?
            }
            None => Conversation::new(config.ask.system.as_deref().unwrap_or(SYSTEM)),
        };
        let turns = conversation.turns.len();
        let edited = params.at.map(|at| conversation.truncate(at)).transpose()?.flatten();
        let again = if params.regenerate { conversation.turns.pop() } else { None };
        if params.branch {
            // A copy gets a number of its own when it is saved.
            conversation.id = None;
        }
        conversation.dropped_turns = conversation.dropped_turns.min(conversation.turns.len());
        let sampling =
            again.as_ref().map_or(AnswerSampling::Greedy, |turn| AnswerSampling::Seeded(turn.answer.len() as u64));
        let intent = params.intent.as_deref().map(super::parse_intent).transpose()?;
        let question = match (again, edited, &params.question) {
            (Some(turn), _, _) => {
                Question { text: turn.question, prompt_text: turn.prompt_text, excerpts: turn.excerpts }
            }
            (None, Some(turn), Some(text)) => Question::replacing(turn, text.trim()),
            (None, _, _) => prepare_question(
                session,
                engine,
                config,
                params,
                intent,
                workspace.as_deref(),
                conversation.turns.is_empty(),
            )?,
        };
        let (chat, dropped) =
            super::fit_chat_prompt(engine.model(), &config.ask, &mut conversation, &question.prompt_text)?;
        let mut notes = question.truncation_notes();
        notes.extend(super::model_warning(engine.model(), intent));
        if dropped > 0 {
            notes.push(format!("the oldest {dropped} questions no longer fit, so the model no longer reads them"));
        }
        let root = workspace.map(|workspace| workspace.root.clone());
        Ok(Self { question, conversation, turns, store, root, notes, chat, sampling })
    }

    /// Saves the conversation and returns the result of the question.
    fn save(mut self, written: ModelAnswer) -> Result<AskResult> {
        let citations = cited(&written.text, &self.question.excerpts);
        let places = excerpt_locations(&self.question.excerpts, self.root.as_deref());
        let Question { text: question, prompt_text, excerpts } = self.question;
        self.conversation.turns.push(Turn { question, prompt_text, excerpts, answer: written.text.clone() });
        if let Some(store) = &self.store {
            // If another question was answered in the conversation in the meantime, this one continues in a copy.
            let is_unchanged = |id| store.load(id).is_ok_and(|saved| saved.turns.len() == self.turns);
            self.conversation.id = self.conversation.id.filter(|id| is_unchanged(*id));
            if let Err(error) = store.save(&mut self.conversation) {
                self.notes.push(format!("{error:#}"));
            }
        }
        Ok(AskResult {
            text: written.text,
            complete: written.complete,
            conversation: self.conversation.id,
            places,
            citations,
            notes: self.notes,
            evaluated: written.usage.evaluated,
            reused: written.usage.reused,
        })
    }
}

/// Returns the locations of excerpts for an editor.
pub(super) fn excerpt_locations(excerpts: &[Excerpt], root: Option<&Path>) -> Vec<AskExcerpt> {
    let place = |it: &Excerpt| AskExcerpt {
        uri: root.and_then(|root| Url::from_file_path(root.join(&it.path)).ok()),
        path: it.path.clone(),
        first: it.first,
        last: it.last,
        why: it.why.clone(),
    };
    excerpts.iter().map(place).collect()
}

fn prepare_question(
    session: &Session,
    engine: &Engine,
    config: &Config,
    params: &AskParams,
    intent: Option<Intent>,
    workspace: Option<&Workspace>,
    first: bool,
) -> Result<Question> {
    let max_bytes = super::max_code_bytes(engine.model(), &config.ask);
    if intent == Some(Intent::CommitMessage) {
        let root = &workspace.context("a commit message needs a workspace: open a folder")?.root;
        return Question::commit_message(&git::staged_diff(root)?, max_bytes);
    }
    let place = selected_code(session, params)?;
    let text = [intent.map_or("", Intent::question), params.question.as_deref().unwrap_or_default()].join(" ");
    ensure!(!text.trim().is_empty(), "there is no question: give a question or an intent");
    ensure!(
        intent.is_none() || place.is_some(),
        "the intent needs code, but it is unknown which code: give textDocument and range"
    );
    // Later questions of a conversation have the snippets above them.
    let snippets =
        if first { plugin_snippets(session, params, place.as_ref(), text.trim(), workspace) } else { Vec::new() };
    let max_bytes = max_bytes.saturating_sub(snippets.iter().map(|snippet| snippet.text.len()).sum());
    let place = place.as_ref().map(|(document, selection)| (document, selection.clone()));
    Ok(Question::about(text.trim(), place, workspace, max_bytes).with_snippets(&snippets))
}

/// Returns the snippets that plugins add to a question.
fn plugin_snippets(
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
    session.notify_plugins_ran();
    asked
}

/// Returns the document that the question is about, and the selection in it.
fn selected_code(session: &Session, params: &AskParams) -> Result<Option<(Document, Option<Range<usize>>)>> {
    let Some(document) = &params.text_document else { return Ok(None) };
    let uri = document.uri.as_str();
    let snapshot = session.documents.snapshot(uri).with_context(|| format!("{uri} is not open"))?;
    ensure!(snapshot.in_sync, "the editor and Foretype disagree about the text: close and reopen the file");
    ensure!(
        !session.excludes(uri),
        "the file is ignored, excluded or usually contains secrets, so it is not shown to a model"
    );
    let encoding = session.client_capabilities().map(|facts| facts.encoding).unwrap_or_default();
    let offset = |position| snapshot.lines.offset(&snapshot.text, position, encoding);
    let selection = params.range.map(|range| {
        let (start, end) = (offset(range.start), offset(range.end));
        start.min(end)..start.max(end)
    });
    let (language, text) = (snapshot.language, snapshot.text.clone());
    let tree = snapshot.tree.clone().or_else(|| syntax::parse(language, &text, None));
    Ok(Some((Document { path: session.path_in_prompt(uri), language, text, tree }, selection)))
}
