//! Questions from an editor about an open document, answered in a conversation of its workspace.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::{ChatPrompt, Engine, Event, FinishReason, Priority, Ticket, Usage};
use foretype_plugins::tasks::ask::{Citation, Excerpt, Intent, SYSTEM_PROMPT, find_citations};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::conversation::{Conversation, ConversationStore, Turn};
use super::{AnswerSampling, Question};
use crate::documents::Snapshot;
use crate::git;
use crate::session::Session;
use crate::workspace::Workspace;

/// Question of a client.
pub(crate) struct AskQuery {
    /// Question. With an intent, it is added to that.
    pub(crate) question: Option<String>,
    /// Name of an intent.
    pub(crate) intent: Option<String>,
    /// Workspace of the conversation.
    pub(crate) workspace: Option<Arc<Workspace>>,
    /// Code that the question is about. An error matters only if the question needs the code.
    pub(crate) code: Option<Result<SelectedCode>>,
    /// Number of the conversation to continue.
    pub(crate) conversation: Option<u64>,
    /// Answers the last question of the conversation again.
    pub(crate) regenerate: bool,
    /// Index of the turn that the question replaces, with all later ones.
    pub(crate) at: Option<usize>,
    /// Continues in a copy of the conversation.
    pub(crate) branch: bool,
}

/// Open document, and the bytes that are selected in it.
pub(crate) struct SelectedCode {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) selection: Option<Range<usize>>,
}

/// Complete answer to a question.
pub(crate) struct SessionAnswer {
    /// Markdown.
    pub(crate) text: String,
    /// False if it was cut off at the token limit.
    pub(crate) complete: bool,
    /// Number of the conversation; `None` outside a workspace.
    pub(crate) conversation: Option<u64>,
    /// Code that the model read.
    pub(crate) excerpts: Vec<Excerpt>,
    /// Root of the workspace that the excerpts' paths are relative to.
    pub(crate) root: Option<PathBuf>,
    /// Lines of the excerpts that the text names.
    pub(crate) citations: Vec<Citation>,
    /// Notes for the user.
    pub(crate) notes: Vec<String>,
    /// Usage of the engine.
    pub(crate) usage: Usage,
}

/// Answer that the model is writing. Inline suggestions preempt it; dropping it cancels it.
pub(crate) struct RunningAnswer {
    session: Arc<Session>,
    question: PreparedQuestion,
    events: UnboundedReceiver<Event>,
    written: ModelAnswer,
    _ticket: Ticket,
}

impl RunningAnswer {
    /// Prepares a question and submits it to the engine.
    ///
    /// # Errors
    /// If the code may not be shown to a model, the question is incomplete or too long, or the model writes no prose.
    /// The message says what to do.
    pub(crate) async fn start(session: Arc<Session>, engine: Engine, query: AskQuery) -> Result<Self> {
        let question = {
            let (session, engine) = (session.clone(), engine.clone());
            // Reading and parsing files blocks.
            tokio::task::spawn_blocking(move || PreparedQuestion::new(&session, &engine, query)).await??
        };
        let job = super::answer_job(question.chat.clone(), &session.config(), question.sampling, Priority::Streaming);
        let (send, events) = unbounded_channel();
        // The receiver is gone once the client has cancelled.
        let ticket = engine.submit(job, move |event| drop(send.send(event)));
        Ok(Self { session, question, events, written: ModelAnswer::default(), _ticket: ticket })
    }

    /// Next piece of the text; `None` at its end.
    ///
    /// # Errors
    /// If the model fails.
    pub(crate) async fn next_text(&mut self) -> Result<Option<String>> {
        while let Some(event) = self.events.recv().await {
            match event {
                Event::Text { text, .. } => {
                    self.written.text.push_str(&text);
                    return Ok(Some(text));
                }
                Event::Finished { reason: FinishReason::Failed(why), .. } => bail!("the model failed: {why}"),
                Event::Finished { reason, .. } => self.written.complete = reason != FinishReason::Length,
                Event::Prefilled { .. } => {}
                Event::Done { usage } => {
                    self.session.shared.stats.record_usage(&usage);
                    self.written.usage = usage;
                    return Ok(None);
                }
            }
        }
        bail!("the model stopped without an answer")
    }

    /// Saves the conversation and returns the answer. Call it after the end of the text.
    ///
    /// # Errors
    /// If saving panics. A conversation that cannot be written is a note of the answer.
    pub(crate) async fn save(self) -> Result<SessionAnswer> {
        let Self { question, written, .. } = self;
        Ok(tokio::task::spawn_blocking(move || question.save(written)).await?)
    }
}

/// Text of the model.
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
    fn new(session: &Session, engine: &Engine, query: AskQuery) -> Result<Self> {
        crate::models::embedded::ensure_writes_prose(engine.model())?;
        let config = session.config();
        let workspace = query.workspace.clone();
        let store = workspace.as_ref().map(|workspace| ConversationStore::open(&workspace.root)).transpose()?;
        let mut conversation = match query.conversation {
            Some(id) => {
                store.as_ref().context("there is no workspace to keep conversations for: open a folder")?.load(id)?
            }
            None => Conversation::new(config.ask.system.as_deref().unwrap_or(SYSTEM_PROMPT)),
        };
        let turns = conversation.turns.len();
        let edited = query.at.map(|at| conversation.truncate(at)).transpose()?.flatten();
        let again = if query.regenerate { conversation.turns.pop() } else { None };
        if query.branch {
            // A copy gets a number of its own when it is saved.
            conversation.id = None;
        }
        conversation.dropped_turns = conversation.dropped_turns.min(conversation.turns.len());
        let sampling =
            again.as_ref().map_or(AnswerSampling::Greedy, |turn| AnswerSampling::Seeded(turn.answer.len() as u64));
        let intent = query.intent.as_deref().map(super::parse_intent).transpose()?;
        let question = match (again, edited, &query.question) {
            (Some(turn), _, _) => {
                Question { text: turn.question, prompt_text: turn.prompt_text, excerpts: turn.excerpts }
            }
            (None, Some(turn), Some(text)) => Question::replacing(turn, text.trim()),
            (None, _, _) => prepare_question(session, engine, query, intent, conversation.turns.is_empty())?,
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

    /// Saves the conversation and returns the answer.
    fn save(mut self, written: ModelAnswer) -> SessionAnswer {
        let citations = find_citations(&written.text, &self.question.excerpts);
        let Question { text: question, prompt_text, excerpts } = self.question;
        let answer = written.text.clone();
        self.conversation.turns.push(Turn { question, prompt_text, excerpts: excerpts.clone(), answer });
        if let Some(store) = &self.store {
            // If another question was answered in the conversation in the meantime, this one continues in a copy.
            let is_unchanged = |id| store.load(id).is_ok_and(|saved| saved.turns.len() == self.turns);
            self.conversation.id = self.conversation.id.filter(|id| is_unchanged(*id));
            if let Err(error) = store.save(&mut self.conversation) {
                self.notes.push(format!("{error:#}"));
            }
        }
        SessionAnswer {
            text: written.text,
            complete: written.complete,
            conversation: self.conversation.id,
            excerpts,
            root: self.root,
            citations,
            notes: self.notes,
            usage: written.usage,
        }
    }
}

fn prepare_question(
    session: &Session,
    engine: &Engine,
    query: AskQuery,
    intent: Option<Intent>,
    is_first: bool,
) -> Result<Question> {
    let config = session.config();
    let workspace = query.workspace.as_deref();
    let max_bytes = super::max_code_bytes(engine.model(), &config.ask);
    if intent == Some(Intent::CommitMessage) {
        let root = &workspace.context("a commit message needs a workspace: open a folder")?.root;
        return Question::commit_message(&git::staged_diff(root)?, max_bytes);
    }
    let code = query.code.transpose()?;
    let text = [intent.map_or("", Intent::question), query.question.as_deref().unwrap_or_default()].join(" ");
    ensure!(!text.trim().is_empty(), "there is no question: give a question or an intent");
    ensure!(
        intent.is_none() || code.is_some(),
        "the intent needs code, but it is unknown which code: give textDocument and range"
    );
    let code_workspace = code.as_ref().map_or(workspace, |code| code.snapshot.meta.workspace.as_deref());
    let code = code.as_ref().map(|code| (code.snapshot.parsed_document(), code.selection.clone()));
    // Later questions of a conversation have the snippets above them.
    let mut snippets = Vec::new();
    if is_first {
        let plugins = session.plugins_for(code_workspace);
        snippets = plugins.question_snippets(code.as_ref(), text.trim(), workspace, &config);
        session.notify_plugins_ran();
    }
    let max_bytes = max_bytes.saturating_sub(snippets.iter().map(|snippet| snippet.text.len()).sum());
    let code = code.as_ref().map(|(document, selection)| (document, selection.clone()));
    Ok(Question::about(text.trim(), code, workspace, max_bytes).with_snippets(&snippets))
}
