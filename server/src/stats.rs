//! Local usage counts: suggestions shown and accepted, and their latencies. They never leave the machine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use foretype_model::Usage;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Suggestions whose acceptance can still be reported; older ones are forgotten.
const MAX_PENDING_SUGGESTIONS: u64 = 256;

/// Usage counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    /// Requests for a suggestion.
    pub(crate) requests: u64,
    /// Requests that were answered with a suggestion.
    pub(crate) shown: u64,
    /// Suggestions shown that came from the suggestion cache.
    pub(crate) typed_through: u64,
    /// Suggestions that were accepted whole.
    pub(crate) accepted: u64,
    /// Suggestions that were accepted in part.
    pub(crate) partially_accepted: u64,
    /// Characters that were accepted.
    pub(crate) characters: u64,
    /// Prompt tokens that were evaluated.
    pub(crate) evaluated: u64,
    /// Prompt tokens that were reused from the KV cache.
    pub(crate) reused: u64,
    /// Tokens that were generated.
    pub(crate) generated: u64,
    /// Tokens that were drafted by speculative decoding.
    pub(crate) drafted: u64,
    /// Drafted tokens that were accepted.
    #[serde(rename = "guessed_right")]
    pub(crate) accepted_drafts: u64,
    /// Histogram of the latencies of shown suggestions: entry `i` counts those of less than 2^i milliseconds.
    pub(crate) latencies: Vec<u64>,
}

/// Usage counts of this process, and the suggestions that may still be accepted.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    inner: Mutex<StatsInner>,
}

#[derive(Debug, Default)]
struct StatsInner {
    /// Counts since the start of the process.
    counts: Counts,
    /// Counts that have not been added to the file yet.
    unsaved: Counts,
    last_number: u64,
    /// Suggestions that were shown, by number.
    pending: HashMap<u64, PendingSuggestion>,
}

#[derive(Debug)]
struct PendingSuggestion {
    characters: u64,
    accepted_characters: u64,
}

impl StatsInner {
    fn update(&mut self, change: impl Fn(&mut Counts)) {
        change(&mut self.counts);
        change(&mut self.unsaved);
    }
}

impl Stats {
    /// Records a request that was answered after `latency`.
    pub(crate) fn record_request(&self, suggestion: bool, typed_through: bool, latency: Duration) {
        self.inner.lock().update(|counts| {
            counts.requests += 1;
            if suggestion {
                counts.shown += 1;
                counts.typed_through += u64::from(typed_through);
                counts.record_latency(latency);
            }
        });
    }

    /// Returns a number for a suggestion of `characters`, by which the client refers to it when it is accepted.
    pub(crate) fn register_suggestion(&self, characters: usize) -> u64 {
        let mut inner = self.inner.lock();
        inner.last_number += 1;
        let number = inner.last_number;
        inner.pending.insert(number, PendingSuggestion { characters: characters as u64, accepted_characters: 0 });
        inner.pending.remove(&number.wrapping_sub(MAX_PENDING_SUGGESTIONS));
        number
    }

    /// Records that a suggestion was accepted whole. Unknown numbers are ignored.
    pub(crate) fn record_acceptance(&self, number: u64) {
        let mut inner = self.inner.lock();
        if let Some(suggestion) = inner.pending.remove(&number) {
            inner.update(|counts| {
                counts.accepted += 1;
                counts.characters += suggestion.characters.saturating_sub(suggestion.accepted_characters);
            });
        }
    }

    /// Records that the first `length` characters of a suggestion were accepted. Unknown numbers are ignored.
    pub(crate) fn record_partial_acceptance(&self, number: u64, length: u64) {
        let mut inner = self.inner.lock();
        let Some(suggestion) = inner.pending.get_mut(&number) else { return };
        let length = length.min(suggestion.characters);
        let is_first = suggestion.accepted_characters == 0;
        let new_characters = length.saturating_sub(suggestion.accepted_characters);
        suggestion.accepted_characters += new_characters;
        inner.update(|counts| {
            counts.partially_accepted += u64::from(is_first);
            counts.characters += new_characters;
        });
    }

    /// Records the token counts of a finished job.
    pub(crate) fn record_usage(&self, usage: &Usage) {
        self.inner.lock().update(|counts| {
            counts.evaluated += usage.evaluated as u64;
            counts.reused += usage.reused as u64;
            counts.generated += usage.generated as u64;
            counts.drafted += usage.drafted as u64;
            counts.accepted_drafts += usage.accepted as u64;
        });
    }

    /// Returns the counts of this process.
    pub(crate) fn counts(&self) -> Counts {
        self.inner.lock().counts.clone()
    }

    /// Adds the new counts to the file, which several processes share.
    ///
    /// # Errors
    /// If there is no state folder, or the file cannot be read or written.
    pub(crate) fn save(&self) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.unsaved == Counts::default() {
            return Ok(());
        }
        let path = stats_file().context("no folder for state: neither XDG_STATE_HOME nor HOME is set")?;
        let mut total = load_counts()?;
        total.add(&inner.unsaved);
        write_json_atomically(&path, &total)?;
        inner.unsaved = Counts::default();
        Ok(())
    }
}

/// Returns the file of the counts: `foretype/stats.json` in `XDG_STATE_HOME`, else `~/.local/state`, else
/// `LOCALAPPDATA`.
pub(crate) fn stats_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".local").join("state"));
    let folder = set("XDG_STATE_HOME").or_else(home).or_else(|| set("LOCALAPPDATA"))?;
    Some(folder.join("foretype").join("stats.json"))
}

/// Reads the saved counts. A damaged file is treated as empty.
///
/// # Errors
/// If the file exists and cannot be read.
pub(crate) fn load_counts() -> Result<Counts> {
    let Some(path) = stats_file() else { return Ok(Counts::default()) };
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Counts::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a file as indented JSON. It is renamed into place, so that no reader sees half of it.
///
/// # Errors
/// If the file or its folder cannot be written.
pub(crate) fn write_json_atomically(path: &Path, content: &impl Serialize) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    std::fs::create_dir_all(folder).with_context(failed)?;
    let file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    serde_json::to_writer_pretty(&file, content).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

impl Counts {
    fn record_latency(&mut self, latency: Duration) {
        let bucket = (latency.as_millis() as u64).checked_ilog2().map_or(0, |log| log as usize + 1);
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
        self.accepted_drafts += other.accepted_drafts;
        self.latencies.resize(self.latencies.len().max(other.latencies.len()), 0);
        for (own, other) in self.latencies.iter_mut().zip(&other.latencies) {
            *own += other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_counted_once_however_it_is_accepted() {
        let stats = Stats::default();
        let number = stats.register_suggestion(10);
        stats.record_partial_acceptance(number, 4);
        stats.record_partial_acceptance(number, 6);
        stats.record_acceptance(number);
        stats.record_acceptance(number);
        let counts = stats.counts();
        assert_eq!((counts.accepted, counts.partially_accepted, counts.characters), (1, 1, 10));
    }

    #[test]
    fn unknown_suggestion_numbers_are_ignored() {
        let stats = Stats::default();
        stats.record_acceptance(7);
        stats.record_partial_acceptance(8, u64::MAX);
        assert_eq!(stats.counts(), Counts::default());
    }
}
