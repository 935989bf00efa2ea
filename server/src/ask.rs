//! Questions about code, for the command line and for editors: turns a question and a location into a job for the
//! engine.

pub(crate) mod conversation;
pub(crate) mod session;

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_model::{ChatPrompt, Job, Model, Priority, SamplingParams};
use foretype_plugins::context::secrets;
use foretype_plugins::symbol_index::SymbolIndex;
use foretype_plugins::tasks::ask::{self, Excerpt, Intent, QuestionContext, SearchTerm};
use foretype_plugins::tasks::code;
use foretype_plugins::{Document, Snippet};

use crate::config::{self, Config};
use crate::search::SearchResult;
use crate::source_text;
use crate::workspace::Workspace;
use conversation::{Conversation, Turn};

/// Maximum number of search results. Only those that fit are read.
const MAX_SEARCH_RESULTS: usize = 16;
/// Size limit of a file that excerpts are read from.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Question, with the code that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Text as the user wrote it.
    pub(crate) text: String,
    /// Text that the model reads: the code, then the question.
    pub(crate) prompt_text: String,
    /// Excerpts of code in the prompt text.
    pub(crate) excerpts: Vec<Excerpt>,
}

impl Question {
    /// Creates a question about a document and a selection in it, if given, with related code from `workspace`. The
    /// code has up to `max_bytes`.
    pub(crate) fn about(
        text: &str,
        place: Option<(&Document, Option<Range<usize>>)>,
        workspace: Option<&Workspace>,
        max_bytes: usize,
    ) -> Self {
        let read = |path: &str| {
            let workspace = workspace?;
            let file = workspace.root.join(path);
            if workspace.excludes(&file) || file.metadata().ok()?.len() >= MAX_FILE_BYTES {
                return None;
            }
            source_text::read_lines(&file).ok().map(Arc::from)
        };
        let find = |wanted: &[SearchTerm]| {
            let Some(workspace) = workspace else { return Vec::new() };
            let own = |path: &str| place.as_ref().filter(|(it, _)| it.path == path).map(|(it, _)| it.text.clone());
            let hit = |found: SearchResult| {
                let text = own(&found.path).or_else(|| read(&found.path))?;
                found.into_hit(text)
            };
            workspace.search.find(wanted, MAX_SEARCH_RESULTS).into_iter().filter_map(hit).collect()
        };
        let none = SymbolIndex::default();
        let about = QuestionContext {
            document: place.as_ref().map(|(document, _)| *document),
            selection: place.as_ref().and_then(|(_, selection)| selection.clone()),
            question: text,
            symbols: workspace.map_or(&none, |workspace| &workspace.symbols),
            read_file: &read,
            search: &find,
            max_bytes,
        };
        let excerpts = ask::excerpts(&about);
        Self { text: text.to_owned(), prompt_text: ask::user_message(text, &excerpts), excerpts }
    }

    /// Creates a question about the code of an earlier turn, which it replaces.
    pub(crate) fn replacing(turn: Turn, text: &str) -> Self {
        let code = turn.prompt_text.strip_suffix(turn.question.trim()).unwrap_or_default();
        Self { text: text.to_owned(), prompt_text: format!("{code}{text}"), excerpts: turn.excerpts }
    }

    /// Puts the snippets of plugins before the question.
    pub(crate) fn with_snippets(mut self, snippets: &[Snippet]) -> Self {
        self.prompt_text = code::fenced_snippets(snippets) + &self.prompt_text;
        self
    }

    /// Creates a request for a commit message for `diff`. Files that contain secrets are left out; each other file is
    /// cut to an equal share of `max_bytes`.
    ///
    /// # Errors
    /// If the diff is empty, or all of its files contain secrets.
    pub(crate) fn commit_message(diff: &str, max_bytes: usize) -> Result<Self> {
        let mut files: Vec<String> = Vec::new();
        for line in diff.split_inclusive('\n') {
            match files.last_mut() {
                Some(file) if !line.starts_with("diff --git ") => file.push_str(line),
                _ => files.push(line.to_owned()),
            }
        }
        ensure!(!files.is_empty(), "nothing is staged: stage the change with `git add` first");
        let secret = |file: &String| {
            let head = file.lines().next().unwrap_or_default();
            head.split(' ').any(secrets::is_secret_path) || secrets::contains_secret(file)
        };
        let shown: Vec<String> = files.into_iter().filter(|file| !secret(file)).collect();
        ensure!(!shown.is_empty(), "the staged changes contain secrets: write this message yourself");
        // Each file gets an equal share, so that a large one does not hide the others.
        let share = max_bytes / shown.len();
        let diff: String = shown.iter().map(|file| whole_lines_within(file, share)).collect();
        let text = Intent::CommitMessage.question();
        let read = format!("````diff\n{}\n````\n\n{text}", diff.trim_end().replace("````", "```"));
        Ok(Self { text: text.to_owned(), prompt_text: read, excerpts: Vec::new() })
    }

    /// Returns a note for each excerpt that was truncated.
    pub(crate) fn truncation_notes(&self) -> Vec<String> {
        let cut = self.excerpts.iter().filter(|it| it.omitted_lines > 0);
        cut.map(|it| format!("only {} was read: {} more lines do not fit", it.location(), it.omitted_lines)).collect()
    }
}

/// Returns the first lines of a text that fit into `max_bytes`.
fn whole_lines_within(text: &str, max_bytes: usize) -> String {
    let mut length = 0;
    let fits = |line: &&str| {
        length += line.len();
        length <= max_bytes
    };
    text.split_inclusive('\n').take_while(fits).collect()
}

/// Returns the maximum number of bytes of code in one question. At about three bytes a token, they are a third of the
/// prompt.
pub(crate) fn max_code_bytes(model: &Model, config: &config::AskConfig) -> usize {
    max_prompt_tokens(model, config)
}

/// Returns the maximum number of tokens in a prompt.
fn max_prompt_tokens(model: &Model, config: &config::AskConfig) -> usize {
    let context = model.decoder.config().context_length.min(config.context_tokens);
    context.saturating_sub(config.max_tokens.min(context / 2))
}

/// Returns a warning about the model, if it is not well suited to answer questions.
pub(crate) fn model_warning(model: &Model, intent: Option<Intent>) -> Option<String> {
    const ADVICE: &str = "`foretype model list` shows models that can answer";
    let name = &model.name;
    let millions = model.decoder.config().parameter_count() / 1_000_000;
    if model.chat_template.is_none() {
        return Some(format!("{name} was not trained to answer questions (it has no chat template): {ADVICE}"));
    }
    match intent {
        _ if millions < 300 => {
            Some(format!("{name} is very small ({millions} million parameters): do not trust its answers; {ADVICE}"))
        }
        Some(intent) if intent.needs_capable_model() && millions < 1000 => {
            Some(format!("{name} is small for this task ({millions} million parameters): check its answers"))
        }
        _ => None,
    }
}

/// Builds the prompt for the next question of a conversation. If it does not fit, the oldest turns are dropped until it
/// fills three quarters of the space, so that the next prompts share its prefix. Returns the prompt and the number of
/// turns dropped.
///
/// # Errors
/// If the question alone is too long, or the chat template of the model fails.
pub(crate) fn fit_chat_prompt(
    model: &Model,
    config: &config::AskConfig,
    conversation: &mut Conversation,
    next: &str,
) -> Result<(ChatPrompt, usize)> {
    let limit = max_prompt_tokens(model, config);
    let before = conversation.dropped_turns;
    let mut chat = model.chat_prompt(&conversation.messages(next))?;
    let mut most = limit;
    loop {
        let tokens = model.count_tokens(&chat.prompt)?;
        if tokens <= most {
            return Ok((chat, conversation.dropped_turns - before));
        }
        if conversation.dropped_turns == conversation.turns.len() {
            ensure!(tokens <= limit, "the question has {tokens} tokens, but only {limit} fit: ask about less");
            return Ok((chat, conversation.dropped_turns - before));
        }
        most = limit * 3 / 4;
        conversation.dropped_turns += 1;
        chat = model.chat_prompt(&conversation.messages(next))?;
    }
}

/// Sampling of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSampling {
    /// Greedy decoding, which gives the same answer each time.
    Greedy,
    /// Random sampling with this seed.
    Seeded(u64),
}

impl AnswerSampling {
    /// Returns the sampling parameters for the engine.
    pub(crate) fn parameters(self) -> SamplingParams {
        match self {
            Self::Greedy => SamplingParams::default(),
            Self::Seeded(seed) => {
                SamplingParams { temperature: 0.7, top_p: 0.8, top_k: 20, seed, ..SamplingParams::default() }
            }
        }
    }
}

/// Creates the job that generates the answer.
pub(crate) fn answer_job(chat: ChatPrompt, config: &Config, sampling: AnswerSampling, priority: Priority) -> Job {
    Job {
        prompt: chat.prompt,
        stop_texts: chat.stop_texts,
        max_tokens: config.ask.max_tokens,
        sampling: sampling.parameters(),
        priority,
        stop_condition: Some(Box::new(|_, text| is_looping(text))),
        ..Job::default()
    }
}

/// Returns true if a text ends with four repetitions of the same 12 to 300 bytes. Small models do not recover from such
/// a loop.
pub(crate) fn is_looping(text: &str) -> bool {
    let bytes = text.as_bytes();
    let repeats = |length: usize| {
        let Some(start) = bytes.len().checked_sub(4 * length) else { return false };
        let tail = &bytes[start..];
        tail[length..] == tail[..3 * length] && tail.iter().any(u8::is_ascii_alphanumeric)
    };
    (12..=300).any(repeats)
}

/// Parses the name of an intent.
///
/// # Errors
/// If the name is unknown. The message lists the known ones.
pub(crate) fn parse_intent(name: &str) -> Result<Intent> {
    serde_json::from_value(serde_json::json!(name)).with_context(|| {
        format!("there is no intent {name:?}: say explain, find-bugs, suggest-tests, name, simplify or commit-message")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_diff_gets_an_equal_share_and_secrets_are_left_out() {
        let diff = "diff --git a/a.py b/a.py\n+x = 1\n+y = 2\ndiff --git a/.env b/.env\n+KEY=1\n\
                    diff --git a/b.py b/b.py\n+z\n";
        let question = Question::commit_message(diff, 76).expect("a question");
        assert!(
            question.prompt_text.contains("a.py\n+x = 1\ndiff --git a/b.py b/b.py\n+z\n"),
            "{}",
            question.prompt_text
        );
        assert!(!question.prompt_text.contains("KEY"));
        let wrong = |diff| Question::commit_message(diff, 80).expect_err("nothing to show").to_string();
        assert!(wrong("").contains("git add"));
        assert!(wrong("diff --git a/.env b/.env\n+KEY=1\n").contains("secrets"));
    }

    #[test]
    fn plugin_snippets_come_before_the_question_in_a_fence_that_they_cannot_close() {
        let snippet =
            Snippet { path: "RULES.md".into(), text: "Be short.\n````\nBe kind.\n".into(), origin: "rules".into() };
        let question = Question::about("Why?", None, None, 1000).with_snippets(&[snippet]);
        let expected = "RULES.md (from the plugin rules):\n````\nBe short.\n```\nBe kind.\n````\n\nWhy?";
        assert_eq!(question.prompt_text, expected);
    }

    #[test]
    fn a_replaced_question_keeps_its_code() {
        let turn = Turn {
            question: "Why?".into(),
            prompt_text: "shop.py:1:\nx = 1\n\nWhy?".into(),
            excerpts: Vec::new(),
            answer: String::new(),
        };
        let question = Question::replacing(turn, "What for?");
        assert_eq!((&*question.text, &*question.prompt_text), ("What for?", "shop.py:1:\nx = 1\n\nWhat for?"));
    }

    #[test]
    fn a_looping_answer_is_detected() {
        let line = "The function returns the sum.\n";
        assert!(!is_looping(&format!("It adds. {}", line.repeat(3))));
        assert!(is_looping(&format!("It adds. {}", line.repeat(4))));
        assert!(!is_looping(&"-".repeat(100)));
    }

    #[test]
    fn an_unknown_intent_is_reported_with_the_known_ones() {
        assert_eq!(parse_intent("find-bugs").expect("there is one"), Intent::FindBugs);
        assert!(parse_intent("dance").expect_err("none").to_string().contains("suggest-tests"));
    }
}
