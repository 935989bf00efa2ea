//! Questions about code: from a question and a place to a job for the engine, for the command line and for editors alike.

pub mod conversation;
pub mod history;
pub mod session;

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_model::{Chat, Job, Model, Priority, Sampling};
use foretype_plugins::context::{definitions::SymbolIndex, secrets};
use foretype_plugins::strategies::ask::{self, About, Excerpt, Intent, Wanted};
use foretype_plugins::strategies::code;
use foretype_plugins::{Document, Snippet};

use crate::config::{self, Config};
use crate::search::Found;
use crate::workspace::Workspace;
use conversation::{Conversation, Turn};

/// Pieces that a search gives at the most, of which those that fit are read.
const LOOKED_AT: usize = 16;

/// A question with what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// As it was asked.
    pub text: String,
    /// What the model reads of it.
    pub read: String,
    /// The pieces of code in it.
    pub excerpts: Vec<Excerpt>,
}

impl Question {
    /// A question about a place of a document, if there is one, with what `workspace` knows of the names in it.
    pub fn about(
        text: &str,
        place: Option<(&Document, Option<Range<usize>>)>,
        workspace: Option<&Workspace>,
        room: usize,
    ) -> Self {
        let read = |path: &str| {
            let workspace = workspace?;
            let file = workspace.root.join(path);
            let shown = !workspace.excludes(&file) && file.metadata().is_ok_and(|data| data.len() < 1 << 20);
            shown.then(|| std::fs::read_to_string(&file).ok().map(Arc::from))?
        };
        let find = |wanted: &[Wanted]| {
            let Some(workspace) = workspace else { return Vec::new() };
            let own = |path: &str| place.as_ref().filter(|(it, _)| it.path == path).map(|(it, _)| it.text.clone());
            let hit = |found: Found| {
                let text = own(&found.path).or_else(|| read(&found.path))?;
                found.hit(text)
            };
            workspace.search.find(wanted, LOOKED_AT).into_iter().filter_map(hit).collect()
        };
        let none = SymbolIndex::default();
        let about = About {
            document: place.as_ref().map(|(document, _)| *document),
            selection: place.as_ref().and_then(|(_, selection)| selection.clone()),
            question: text,
            symbols: workspace.map_or(&none, |workspace| &workspace.symbols),
            read: &read,
            find: &find,
            room,
        };
        let excerpts = ask::excerpts(&about);
        Self { text: text.to_owned(), read: ask::message(text, &excerpts), excerpts }
    }

    /// Another question about the code that went with an earlier one.
    pub fn in_place_of(turn: Turn, text: &str) -> Self {
        let code = turn.read.strip_suffix(turn.question.trim()).unwrap_or_default();
        Self { text: text.to_owned(), read: format!("{code}{text}"), excerpts: turn.places }
    }

    /// With what plugins want the model to read before everything else.
    pub fn after(mut self, snippets: &[Snippet]) -> Self {
        self.read = code::from_elsewhere(snippets) + &self.read;
        self
    }

    /// A request for the message of a commit. Files that hold secrets are left out of the diff, and so is what does not fit.
    ///
    /// # Errors
    /// If nothing is left.
    pub fn about_diff(diff: &str, room: usize) -> Result<Self> {
        let files = diff.split_inclusive('\n').fold(Vec::<String>::new(), |mut files, line| {
            match files.last_mut().filter(|_| !line.starts_with("diff --git ")) {
                Some(file) => file.push_str(line),
                None => files.push(line.to_owned()),
            }
            files
        });
        ensure!(!files.is_empty(), "nothing is staged: stage the change with `git add` first");
        let secret = |file: &String| {
            let head = file.lines().next().unwrap_or_default();
            head.split(' ').any(secrets::in_path) || secrets::in_text(file)
        };
        let shown: Vec<String> = files.into_iter().filter(|file| !secret(file)).collect();
        ensure!(!shown.is_empty(), "what is staged holds secrets: write this message yourself");
        // Each file has its share, so that a large one does not hide the others.
        let share = room / shown.len();
        let diff: String = shown.iter().map(|file| first_lines(file, share)).collect();
        let text = Intent::CommitMessage.question();
        let read = format!("````diff\n{}\n````\n\n{text}", diff.trim_end().replace("````", "```"));
        Ok(Self { text: text.to_owned(), read, excerpts: Vec::new() })
    }

    /// What the user ought to know of the pieces.
    pub fn notes(&self) -> Vec<String> {
        let cut = self.excerpts.iter().filter(|it| it.left_out > 0);
        cut.map(|it| format!("only {} was read: {} more lines do not fit", it.place(), it.left_out)).collect()
    }
}

/// As many whole lines as fit into `room` bytes.
fn first_lines(text: &str, room: usize) -> String {
    let mut taken = 0;
    let fits = |line: &&str| {
        taken += line.len();
        taken <= room
    };
    text.split_inclusive('\n').take_while(fits).collect()
}

/// Bytes that the code for one question may take: a third of the conversation's tokens.
pub fn room(model: &Model, config: &config::Ask) -> usize {
    limit(model, config)
}

/// Tokens that a prompt may have.
fn limit(model: &Model, config: &config::Ask) -> usize {
    let context = model.decoder.config().context_length.min(config.context_tokens);
    context.saturating_sub(config.max_tokens.min(context / 2))
}

/// What the user ought to know of the model before asking it.
pub fn doubts(model: &Model, intent: Option<Intent>) -> Option<String> {
    const ADVICE: &str = "`foretype model list` shows models that answer";
    let name = &model.name;
    let millions = model.decoder.config().parameters() / 1_000_000;
    if model.chat_template.is_none() {
        return Some(format!("{name} was not trained to answer questions (it has no chat template): {ADVICE}"));
    }
    match intent {
        _ if millions < 300 => {
            Some(format!("{name} is very small ({millions} million parameters): do not trust it; {ADVICE}"))
        }
        Some(intent) if intent.is_hard() && millions < 1000 => {
            Some(format!("{name} is small for this ({millions} million parameters): check what it says"))
        }
        _ => None,
    }
}

/// The prompt for the next question of a conversation. The oldest turns are dropped, and more of them than need be, so that
/// the prompts of the next questions begin like this one; says how many were.
///
/// # Errors
/// If the question alone is too long, or the model's chat template is of no use.
pub fn prompt(model: &Model, config: &config::Ask, talk: &mut Conversation, next: &str) -> Result<(Chat, usize)> {
    let limit = limit(model, config);
    let before = talk.dropped;
    let mut chat = model.chat(&talk.messages(next))?;
    let mut most = limit;
    loop {
        let tokens = model.count(&chat.prompt)?;
        if tokens <= most {
            return Ok((chat, talk.dropped - before));
        }
        if talk.dropped == talk.turns.len() {
            ensure!(tokens <= limit, "the question has {tokens} tokens, and {limit} fit: ask about less");
            return Ok((chat, talk.dropped - before));
        }
        most = limit * 3 / 4;
        talk.dropped += 1;
        chat = model.chat(&talk.messages(next))?;
    }
}

/// How an answer is drawn: the likeliest one, or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The same each time.
    Likeliest,
    /// By chance, from this seed.
    Another(u64),
}

impl Draw {
    /// What the engine is told of it.
    pub fn sampling(self) -> Sampling {
        match self {
            Self::Likeliest => Sampling::default(),
            Self::Another(seed) => Sampling { temperature: 0.7, top_p: 0.8, top_k: 20, seed, ..Sampling::default() },
        }
    }
}

/// The job that writes the answer.
pub fn job(chat: Chat, config: &Config, draw: Draw, priority: Priority) -> Job {
    Job {
        prompt: chat.prompt,
        stop_texts: chat.stop_texts,
        max_tokens: config.ask.max_tokens,
        sampling: draw.sampling(),
        priority,
        until: Some(Box::new(|_, text| goes_in_circles(text))),
        ..Job::default()
    }
}

/// Whether a text ends with four times the same piece of 12 to 300 bytes: small models do not find out of that.
pub(crate) fn goes_in_circles(text: &str) -> bool {
    let bytes = text.as_bytes();
    let repeats = |length: usize| {
        let Some(start) = bytes.len().checked_sub(4 * length) else { return false };
        let tail = &bytes[start..];
        tail[length..] == tail[..3 * length] && tail.iter().any(u8::is_ascii_alphanumeric)
    };
    (12..=300).any(repeats)
}

/// The intent of that name.
///
/// # Errors
/// Names those that there are.
pub fn intent(name: &str) -> Result<Intent> {
    serde_json::from_value(serde_json::json!(name)).with_context(|| {
        format!("there is no intent {name:?}: say explain, find-bugs, suggest-tests, name, simplify or commit-message")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_diff_has_its_share_and_secrets_have_none() {
        let diff = "diff --git a/a.py b/a.py\n+x = 1\n+y = 2\ndiff --git a/.env b/.env\n+KEY=1\ndiff --git a/b.py b/b.py\n+z\n";
        let question = Question::about_diff(diff, 76).expect("a question");
        assert!(question.read.contains("a.py\n+x = 1\ndiff --git a/b.py b/b.py\n+z\n"), "{}", question.read);
        assert!(!question.read.contains("KEY"));
        let wrong = |diff| Question::about_diff(diff, 80).expect_err("nothing to show").to_string();
        assert!(wrong("").contains("git add"));
        assert!(wrong("diff --git a/.env b/.env\n+KEY=1\n").contains("secrets"));
    }

    #[test]
    fn what_plugins_add_stands_before_the_question_in_a_fence_that_it_cannot_close() {
        let snippet =
            Snippet { path: "RULES.md".into(), text: "Be short.\n````\nBe kind.\n".into(), why: "rules".into() };
        let question = Question::about("Why?", None, None, 1000).after(&[snippet]);
        let expected = "RULES.md (from the plugin rules):\n````\nBe short.\n```\nBe kind.\n````\n\nWhy?";
        assert_eq!(question.read, expected);
    }

    #[test]
    fn a_question_in_place_of_another_keeps_its_code() {
        let turn = Turn {
            question: "Why?".into(),
            read: "shop.py:1:\nx = 1\n\nWhy?".into(),
            places: Vec::new(),
            answer: String::new(),
        };
        let question = Question::in_place_of(turn, "What for?");
        assert_eq!((&*question.text, &*question.read), ("What for?", "shop.py:1:\nx = 1\n\nWhat for?"));
    }

    #[test]
    fn an_answer_that_goes_in_circles_is_known() {
        let line = "The function returns the sum.\n";
        assert!(!goes_in_circles(&format!("It adds. {}", line.repeat(3))));
        assert!(goes_in_circles(&format!("It adds. {}", line.repeat(4))));
        assert!(!goes_in_circles(&"-".repeat(100)));
    }

    #[test]
    fn a_wrong_intent_names_the_right_ones() {
        assert_eq!(intent("find-bugs").expect("there is one"), Intent::FindBugs);
        assert!(intent("dance").expect_err("none").to_string().contains("suggest-tests"));
    }
}
