//! A conversation, and the file that keeps it: one line of JSON for the whole, then one for each question with its answer.
//!
//! The files lie in the user's state folder, a folder for each workspace, readable by the user alone. They are written whole
//! and put in place at once, so that no reader sees half of one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::chat::{Message, Role};
use foretype_plugins::strategies::ask::Excerpt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The question, as it was asked.
    pub question: String,
    /// What the model read of it: with the code.
    pub read: String,
    /// Where that code is.
    pub places: Vec<Excerpt>,
    /// What the model said.
    pub answer: String,
}

/// Questions and answers, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Its number in the workspace, once it is kept.
    pub id: Option<u64>,
    /// What the model is told to be.
    pub system: String,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// How many of the oldest turns are no longer read.
    pub dropped: usize,
    /// The turns.
    pub turns: Vec<Turn>,
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    system: String,
    began: u64,
    dropped: usize,
    workspace: PathBuf,
}

impl Conversation {
    /// One that begins now.
    pub fn new(system: &str) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { system: system.to_owned(), began, ..Self::default() }
    }

    /// What it is called in lists: its first question.
    pub fn title(&self) -> &str {
        self.turns.first().and_then(|turn| turn.question.lines().next()).unwrap_or_default()
    }

    /// What the model reads when `next` is asked.
    pub fn messages(&self, next: &str) -> Vec<Message> {
        let system = (!self.system.is_empty()).then(|| Message::new(Role::System, self.system.as_str()));
        let turn = |turn: &Turn| {
            [Message::new(Role::User, turn.read.as_str()), Message::new(Role::Assistant, turn.answer.as_str())]
        };
        let kept = self.turns.iter().skip(self.dropped).flat_map(turn);
        system.into_iter().chain(kept).chain([Message::new(Role::User, next)]).collect()
    }

    /// Takes away all turns from the one at `at` on, counted from 0, and gives that one, if there is one.
    ///
    /// # Errors
    /// If there are fewer turns.
    pub fn cut(&mut self, at: usize) -> Result<Option<Turn>> {
        let count = self.turns.len();
        ensure!(at <= count, "the conversation has {count} questions: there is no place {at} in it");
        Ok(self.turns.drain(at..).next())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let turn = |turn: &Turn| {
            let places: Vec<String> = turn.places.iter().map(|place| format!("`{}`", place.place())).collect();
            let places = if places.is_empty() { String::new() } else { format!("\n\nRead: {}", places.join(", ")) };
            format!("\n## {}\n\n{}{places}\n", turn.question.trim(), turn.answer.trim())
        };
        format!("# {}\n{}", self.title(), self.turns.iter().map(turn).collect::<String>())
    }
}

/// The conversations of one workspace.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
    workspace: PathBuf,
}

impl Kept {
    /// Those of the workspace at `root`, in the state folder.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn of(root: &Path) -> Result<Self> {
        let state = crate::stats::path().context("no folder for state: set XDG_STATE_HOME or HOME")?;
        Ok(Self::within(&state.with_file_name("conversations"), root))
    }

    fn within(folder: &Path, root: &Path) -> Self {
        let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { folder: folder.join(name), workspace: root.to_owned() }
    }

    /// All of them, the oldest first. What cannot be read is named on its own.
    pub fn all(&self) -> Result<Vec<Result<Conversation>>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot read {}", self.folder.display()))?,
        };
        let number = |entry: std::fs::DirEntry| entry.path().file_stem()?.to_str()?.parse::<u64>().ok();
        let mut ids: Vec<u64> = entries.flatten().filter_map(number).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().map(|id| self.read(id)).collect())
    }

    /// The conversation of that number.
    ///
    /// # Errors
    /// If there is none, or its file is damaged.
    pub fn read(&self, id: u64) -> Result<Conversation> {
        let path = self.path(id);
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(
                    "there is no conversation {id} in this workspace: `foretype chat list` shows those that there are"
                )
            }
            file => file.with_context(|| format!("cannot read {}", path.display()))?,
        };
        parse(BufReader::new(file), id)
            .with_context(|| format!("{} is damaged: `foretype chat delete {id}` removes it", path.display()))
    }

    /// Writes a conversation; one that is new gets its number.
    pub fn write(&self, talk: &mut Conversation) -> Result<()> {
        let failed = || format!("the conversation is not kept: cannot write into {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(failed)?;
        // It has mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).with_context(failed)?;
        let Conversation { system, began, dropped, .. } = talk.clone();
        let head = Head { system, began, dropped, workspace: self.workspace.clone() };
        let mut lines = vec![serde_json::to_string(&head)?];
        lines.extend(talk.turns.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?);
        file.write_all(format!("{}\n", lines.join("\n")).as_bytes()).with_context(failed)?;
        if let Some(id) = talk.id {
            file.persist(self.path(id)).with_context(failed)?;
            return Ok(());
        }
        let mut id = self.last()?;
        // Another process may take the number first.
        loop {
            id += 1;
            match file.persist_noclobber(self.path(id)) {
                Ok(_) => break,
                Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => file = error.file,
                Err(error) => return Err(error.error).with_context(failed),
            }
        }
        talk.id = Some(id);
        Ok(())
    }

    /// Deletes one.
    ///
    /// # Errors
    /// If there is none of that number.
    pub fn delete(&self, id: u64) -> Result<()> {
        std::fs::remove_file(self.path(id)).with_context(|| format!("there is no conversation {id} in this workspace"))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id}.jsonl"))
    }

    fn last(&self) -> Result<u64> {
        let entries = std::fs::read_dir(&self.folder)?.flatten();
        Ok(entries.filter_map(|entry| entry.path().file_stem()?.to_str()?.parse().ok()).max().unwrap_or(0))
    }
}

fn parse(lines: impl BufRead, id: u64) -> Result<Conversation> {
    let mut lines = lines.lines();
    let head: Head = serde_json::from_str(&lines.next().context("it is empty")??)?;
    let turns = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Turn>>>()?;
    let dropped = head.dropped.min(turns.len());
    Ok(Conversation { id: Some(id), system: head.system, began: head.began, dropped, turns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(question: &str, answer: &str) -> Turn {
        Turn {
            question: question.into(),
            read: format!("code\n\n{question}"),
            places: Vec::new(),
            answer: answer.into(),
        }
    }

    #[test]
    fn a_conversation_is_read_as_it_was_written_and_only_by_its_owner() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = Kept::within(folder.path(), Path::new("/w"));
        let mut talk = Conversation { turns: vec![turn("Why?\nSo?", "Because.")], ..Conversation::new("Be short.") };
        kept.write(&mut talk).expect("writable");
        assert_eq!((talk.id, talk.title()), (Some(1), "Why?"));
        talk.turns.push(turn("And?", "So."));
        kept.write(&mut talk).expect("writable");
        assert_eq!(kept.read(1).expect("it was written"), talk);
        let mut other = Conversation::new("");
        kept.write(&mut other).expect("writable");
        assert_eq!((other.id, kept.all().expect("readable").len()), (Some(2), 2));
        assert!(Kept::within(folder.path(), Path::new("/v")).all().expect("readable").is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = kept.path(1).metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_damaged_or_not_there_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = Kept::within(folder.path(), Path::new("/w"));
        assert!(kept.read(7).expect_err("none").to_string().contains("chat list"));
        kept.write(&mut Conversation::new("")).expect("writable");
        std::fs::write(kept.path(1), "{\"system\":").expect("writable");
        assert!(kept.read(1).expect_err("damaged").to_string().contains("chat delete 1"));
        assert_eq!(kept.all().expect("readable").len(), 1);
        kept.delete(1).expect("it is there");
        assert!(kept.delete(1).is_err());
    }

    #[test]
    fn what_was_dropped_is_no_longer_read() {
        let talk = Conversation {
            dropped: 1,
            turns: vec![turn("One?", "1"), turn("Two?", "2")],
            ..Conversation::new("Be short.")
        };
        let said: Vec<_> = talk.messages("Three?").into_iter().map(|it| it.content).collect();
        assert_eq!(said, ["Be short.", "code\n\nTwo?", "2", "Three?"]);
        assert!(talk.markdown().starts_with("# One?\n\n## One?\n\n1\n\n## Two?"), "{}", talk.markdown());
    }
}
