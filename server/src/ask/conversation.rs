//! Conversations and their files: one line of JSON for the header, then one for each question with its answer.
//!
//! The files are in the user's state folder, in one folder per workspace, and are readable by the user alone. They are
//! replaced atomically, so that no reader sees half of one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::chat::{Message, Role};
use foretype_plugins::tasks::ask::Excerpt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Question as the user wrote it.
    pub(crate) question: String,
    /// Text that the model read: the code, then the question.
    #[serde(rename = "read")]
    pub(crate) prompt_text: String,
    /// Excerpts of code in the prompt text.
    #[serde(rename = "places")]
    pub(crate) excerpts: Vec<Excerpt>,
    /// Answer of the model.
    pub(crate) answer: String,
}

/// Sequence of questions and answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// Number in the workspace, once the conversation has been saved.
    pub(crate) id: Option<u64>,
    /// System prompt.
    pub(crate) system: String,
    /// Start time in seconds since 1970.
    pub(crate) started_at: u64,
    /// Number of the oldest turns that the model no longer reads, because they do not fit.
    pub(crate) dropped_turns: usize,
    /// Turns, the oldest first.
    pub(crate) turns: Vec<Turn>,
}

/// First line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct ConversationHeader {
    system: String,
    #[serde(rename = "began")]
    started_at: u64,
    #[serde(rename = "dropped")]
    dropped_turns: usize,
    workspace: PathBuf,
}

impl Conversation {
    /// Creates an empty conversation that starts now.
    pub(crate) fn new(system: &str) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { system: system.to_owned(), started_at: began, ..Self::default() }
    }

    /// Returns the title in lists: the first line of the first question.
    pub(crate) fn title(&self) -> &str {
        self.turns.first().and_then(|turn| turn.question.lines().next()).unwrap_or_default()
    }

    /// Returns the messages that the model reads for the question `next`.
    pub(crate) fn messages(&self, next: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        if !self.system.is_empty() {
            messages.push(Message::new(Role::System, self.system.as_str()));
        }
        for turn in self.turns.iter().skip(self.dropped_turns) {
            messages.push(Message::new(Role::User, turn.prompt_text.as_str()));
            messages.push(Message::new(Role::Assistant, turn.answer.as_str()));
        }
        messages.push(Message::new(Role::User, next));
        messages
    }

    /// Removes the turns from index `at` on, and returns the first of them, if there is one.
    ///
    /// # Errors
    /// If `at` is greater than the number of turns.
    pub(crate) fn truncate(&mut self, at: usize) -> Result<Option<Turn>> {
        let count = self.turns.len();
        ensure!(at <= count, "question {at} does not exist: the conversation has {count} questions");
        Ok(self.turns.drain(at..).next())
    }

    /// Formats the conversation as Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let turn = |turn: &Turn| {
            let places: Vec<String> = turn.excerpts.iter().map(|place| format!("`{}`", place.location())).collect();
            let places = if places.is_empty() { String::new() } else { format!("\n\nRead: {}", places.join(", ")) };
            format!("\n## {}\n\n{}{places}\n", turn.question.trim(), turn.answer.trim())
        };
        format!("# {}\n{}", self.title(), self.turns.iter().map(turn).collect::<String>())
    }
}

/// Saved conversations of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct ConversationStore {
    folder: PathBuf,
    workspace: PathBuf,
}

impl ConversationStore {
    /// Opens the conversations of the workspace at `root`, in the user's state folder.
    ///
    /// # Errors
    /// If there is no state folder.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let state = crate::stats::stats_file().context("there is no state folder: set XDG_STATE_HOME or HOME")?;
        Ok(Self::in_folder(&state.with_file_name("conversations"), root))
    }

    fn in_folder(folder: &Path, root: &Path) -> Self {
        let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { folder: folder.join(name), workspace: root.to_owned() }
    }

    /// Reads all conversations, the oldest first. A damaged one is an error of its own.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(crate) fn list(&self) -> Result<Vec<Result<Conversation>>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot read {}", self.folder.display()))?,
        };
        let number = |entry: std::fs::DirEntry| entry.path().file_stem()?.to_str()?.parse::<u64>().ok();
        let mut ids: Vec<u64> = entries.flatten().filter_map(number).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().map(|id| self.load(id)).collect())
    }

    /// Reads the conversation with a number.
    ///
    /// # Errors
    /// If there is none, or its file is damaged.
    pub(crate) fn load(&self, id: u64) -> Result<Conversation> {
        let path = self.path(id);
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("there is no conversation {id} in this workspace: `foretype chat list` shows all")
            }
            file => file.with_context(|| format!("cannot read {}", path.display()))?,
        };
        parse(BufReader::new(file), id)
            .with_context(|| format!("{} is damaged: `foretype chat delete {id}` removes it", path.display()))
    }

    /// Saves a conversation. A new one gets a number.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub(crate) fn save(&self, conversation: &mut Conversation) -> Result<()> {
        let failed = || format!("the conversation is not saved: cannot write to {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(failed)?;
        // A temporary file has mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).with_context(failed)?;
        let Conversation { system, started_at: began, dropped_turns: dropped, .. } = conversation.clone();
        let head =
            ConversationHeader { system, started_at: began, dropped_turns: dropped, workspace: self.workspace.clone() };
        let mut lines = vec![serde_json::to_string(&head)?];
        lines.extend(conversation.turns.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?);
        file.write_all(format!("{}\n", lines.join("\n")).as_bytes()).with_context(failed)?;
        if let Some(id) = conversation.id {
            file.persist(self.path(id)).with_context(failed)?;
            return Ok(());
        }
        let mut id = self.last_id()?;
        // Another process may take the number first.
        loop {
            id += 1;
            match file.persist_noclobber(self.path(id)) {
                Ok(_) => break,
                Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => file = error.file,
                Err(error) => return Err(error.error).with_context(failed),
            }
        }
        conversation.id = Some(id);
        Ok(())
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    /// If there is none with that number.
    pub(crate) fn delete(&self, id: u64) -> Result<()> {
        std::fs::remove_file(self.path(id)).with_context(|| format!("there is no conversation {id} in this workspace"))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id}.jsonl"))
    }

    fn last_id(&self) -> Result<u64> {
        let entries = std::fs::read_dir(&self.folder)?.flatten();
        Ok(entries.filter_map(|entry| entry.path().file_stem()?.to_str()?.parse().ok()).max().unwrap_or(0))
    }
}

fn parse(lines: impl BufRead, id: u64) -> Result<Conversation> {
    let mut lines = lines.lines();
    let head: ConversationHeader = serde_json::from_str(&lines.next().context("it is empty")??)?;
    let turns = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Turn>>>()?;
    let dropped = head.dropped_turns.min(turns.len());
    Ok(Conversation { id: Some(id), system: head.system, started_at: head.started_at, dropped_turns: dropped, turns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(question: &str, answer: &str) -> Turn {
        Turn {
            question: question.into(),
            prompt_text: format!("code\n\n{question}"),
            excerpts: Vec::new(),
            answer: answer.into(),
        }
    }

    #[test]
    fn a_conversation_is_loaded_as_it_was_saved_and_private_to_its_owner() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = ConversationStore::in_folder(folder.path(), Path::new("/w"));
        let mut conversation =
            Conversation { turns: vec![turn("Why?\nSo?", "Because.")], ..Conversation::new("Be short.") };
        kept.save(&mut conversation).expect("writable");
        assert_eq!((conversation.id, conversation.title()), (Some(1), "Why?"));
        conversation.turns.push(turn("And?", "So."));
        kept.save(&mut conversation).expect("writable");
        assert_eq!(kept.load(1).expect("it was written"), conversation);
        let mut other = Conversation::new("");
        kept.save(&mut other).expect("writable");
        assert_eq!((other.id, kept.list().expect("readable").len()), (Some(2), 2));
        assert!(ConversationStore::in_folder(folder.path(), Path::new("/v")).list().expect("readable").is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = kept.path(1).metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn damaged_and_missing_conversations_are_reported_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = ConversationStore::in_folder(folder.path(), Path::new("/w"));
        assert!(kept.load(7).expect_err("none").to_string().contains("chat list"));
        kept.save(&mut Conversation::new("")).expect("writable");
        std::fs::write(kept.path(1), "{\"system\":").expect("writable");
        assert!(kept.load(1).expect_err("damaged").to_string().contains("chat delete 1"));
        assert_eq!(kept.list().expect("readable").len(), 1);
        kept.delete(1).expect("it is there");
        assert!(kept.delete(1).is_err());
    }

    #[test]
    fn dropped_turns_are_not_in_the_messages() {
        let conversation = Conversation {
            dropped_turns: 1,
            turns: vec![turn("One?", "1"), turn("Two?", "2")],
            ..Conversation::new("Be short.")
        };
        let said: Vec<_> = conversation.messages("Three?").into_iter().map(|it| it.content).collect();
        assert_eq!(said, ["Be short.", "code\n\nTwo?", "2", "Three?"]);
        assert!(
            conversation.to_markdown().starts_with("# One?\n\n## One?\n\n1\n\n## Two?"),
            "{}",
            conversation.to_markdown()
        );
    }
}
