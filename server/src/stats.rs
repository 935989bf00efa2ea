//! Local counts: how often suggestions were shown and taken, and how fast they came. They never leave the machine.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use foretype_model::Usage;
use serde::{Deserialize, Serialize};

/// Counts since they were first kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Requests for a suggestion.
    pub requests: u64,
    /// Requests that were answered with one.
    pub shown: u64,
    /// Of these, answered from what the model had written before.
    pub typed_through: u64,
    /// Suggestions that were taken whole.
    pub accepted: u64,
    /// Suggestions of which a part was taken.
    pub partially_accepted: u64,
    /// Characters that were taken.
    pub characters: u64,
    /// Prompt tokens that the model read.
    pub evaluated: u64,
    /// Prompt tokens that it had read before.
    pub reused: u64,
    /// Tokens that it wrote.
    pub generated: u64,
    /// Tokens that were guessed before it wrote them.
    pub drafted: u64,
    /// Of these, those that it then wrote.
    pub guessed_right: u64,
    /// Answers by the time they took: entry `i` counts those of less than 2^i milliseconds.
    pub latencies: Vec<u64>,
}

/// Counts and the suggestions that may yet be taken.
#[derive(Debug, Default)]
pub struct Stats {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of this process.
    counts: Counts,
    /// Of these, those that the file does not hold yet.
    unsaved: Counts,
    number: u64,
    /// Characters of each suggestion that was shown, and how many of them were taken.
    pending: HashMap<u64, (u64, u64)>,
}

const PENDING: u64 = 256;

impl Inner {
    fn count(&mut self, change: impl Fn(&mut Counts)) {
        change(&mut self.counts);
        change(&mut self.unsaved);
    }
}

impl Stats {
    /// A request was answered.
    pub fn answered(&self, suggestion: bool, typed_through: bool, took: Duration) {
        self.lock().count(|counts| {
            counts.requests += 1;
            if suggestion {
                counts.shown += 1;
                counts.typed_through += u64::from(typed_through);
                counts.note(took);
            }
        });
    }

    /// A number for a suggestion of `characters`, by which the client names it when it is taken.
    pub fn number(&self, characters: usize) -> u64 {
        let mut inner = self.lock();
        inner.number += 1;
        let number = inner.number;
        inner.pending.insert(number, (characters as u64, 0));
        inner.pending.remove(&number.wrapping_sub(PENDING));
        number
    }

    /// A suggestion was taken whole.
    pub fn accepted(&self, number: u64) {
        let mut inner = self.lock();
        if let Some((all, taken)) = inner.pending.remove(&number) {
            inner.count(|counts| {
                counts.accepted += 1;
                counts.characters += all.saturating_sub(taken);
            });
        }
    }

    /// The first `length` characters of a suggestion were taken.
    pub fn partially_accepted(&self, number: u64, length: u64) {
        let mut inner = self.lock();
        let Some((all, taken)) = inner.pending.get_mut(&number) else { return };
        let length = length.min(*all);
        let (first, more) = (*taken == 0, length.saturating_sub(*taken));
        *taken = length.max(*taken);
        inner.count(|counts| {
            counts.partially_accepted += u64::from(first);
            counts.characters += more;
        });
    }

    /// A run of the model ended.
    pub fn ran(&self, usage: &Usage) {
        self.lock().count(|counts| {
            counts.evaluated += usage.evaluated as u64;
            counts.reused += usage.reused as u64;
            counts.generated += usage.generated as u64;
            counts.drafted += usage.drafted as u64;
            counts.guessed_right += usage.accepted as u64;
        });
    }

    /// The counts of this process.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Adds what is new to the file. Several processes may do so.
    pub fn save(&self) -> Result<()> {
        let mut inner = self.lock();
        if inner.unsaved == Counts::default() {
            return Ok(());
        }
        let path = path().context("no folder for state: neither XDG_STATE_HOME nor HOME is set")?;
        let mut total = load()?;
        total.add(&inner.unsaved);
        write(&path, &total)?;
        inner.unsaved = Counts::default();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file: `foretype/stats.json` in `XDG_STATE_HOME`, else `~/.local/state`, else `LOCALAPPDATA`.
pub fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".local").join("state"));
    let folder = set("XDG_STATE_HOME").or_else(home).or_else(|| set("LOCALAPPDATA"))?;
    Some(folder.join("foretype").join("stats.json"))
}

/// All counts that were saved. A file that cannot be understood counts as none.
pub fn load() -> Result<Counts> {
    let Some(path) = path() else { return Ok(Counts::default()) };
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Counts::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes beside the file and renames, so that a reader never sees half of it.
pub(crate) fn write(path: &std::path::Path, content: &impl Serialize) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    std::fs::create_dir_all(folder).with_context(failed)?;
    let file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    serde_json::to_writer_pretty(&file, content).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

impl Counts {
    fn note(&mut self, took: Duration) {
        let bucket = (took.as_millis() as u64).checked_ilog2().map_or(0, |log| log as usize + 1);
        if self.latencies.len() <= bucket {
            self.latencies.resize(bucket + 1, 0);
        }
        self.latencies[bucket] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.shown += other.shown;
        self.typed_through += other.typed_through;
        self.accepted += other.accepted;
        self.partially_accepted += other.partially_accepted;
        self.characters += other.characters;
        self.evaluated += other.evaluated;
        self.reused += other.reused;
        self.generated += other.generated;
        self.drafted += other.drafted;
        self.guessed_right += other.guessed_right;
        self.latencies.resize(self.latencies.len().max(other.latencies.len()), 0);
        for (own, other) in self.latencies.iter_mut().zip(&other.latencies) {
            *own += other;
        }
    }

    /// Milliseconds within which this share (0 to 1) of all suggestions came, to the next power of two. `None` before the
    /// first.
    pub fn latency(&self, share: f64) -> Option<u64> {
        let all: u64 = self.latencies.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = self.latencies.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        (all > 0).then(|| 1 << bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_counts_once_however_it_is_taken() {
        let stats = Stats::default();
        let number = stats.number(10);
        stats.partially_accepted(number, 4);
        stats.partially_accepted(number, 6);
        stats.accepted(number);
        stats.accepted(number);
        let counts = stats.counts();
        assert_eq!((counts.accepted, counts.partially_accepted, counts.characters), (1, 1, 10));
    }

    #[test]
    fn a_number_that_was_never_given_counts_nothing() {
        let stats = Stats::default();
        stats.accepted(7);
        stats.partially_accepted(8, u64::MAX);
        assert_eq!(stats.counts(), Counts::default());
    }

    #[test]
    fn latencies_are_known_to_a_power_of_two() {
        let mut counts = Counts::default();
        assert_eq!(counts.latency(0.5), None);
        for ms in [0, 3, 3, 3, 100] {
            counts.note(Duration::from_millis(ms));
        }
        assert_eq!((counts.latency(0.5), counts.latency(0.95)), (Some(4), Some(128)));
    }
}
