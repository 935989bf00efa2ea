//! What every system under test can do: open files, take keys, say something.

use std::time::Instant;

use anyhow::Result;

use super::desk::{Change, Desk};

/// One way to get completions while typing.
pub(super) trait System {
    /// A key was pressed, or a suggestion taken: `change` is done already in the desk's text. Returns what is known at once.
    fn key(&mut self, number: usize, desk: &Desk, change: Option<&Change>) -> Result<Option<Said>>;

    /// The cursor went to another place; nothing was typed there yet.
    fn goes(&mut self, _: &Desk) -> Result<()> {
        Ok(())
    }

    /// Waits for something that was said about the newest key.
    fn listen(&mut self, until: Instant) -> Result<Option<Said>>;

    /// The shown suggestion was taken.
    fn took(&mut self) -> Result<()> {
        Ok(())
    }

    /// What the server has done since its start.
    fn costs(&mut self) -> Result<Costs>;

    /// The server's process.
    fn pid(&self) -> u32;
}

/// A suggestion, or a part of it, for the newest key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// When it was there.
    pub(super) at: Instant,
    /// The number of the key.
    pub(super) key: usize,
    /// What would be put at the cursor; the first line. Empty when there is nothing to suggest.
    pub(super) text: String,
    /// Bytes right of the cursor that it would replace.
    pub(super) replaces: usize,
    /// Whether the line is complete.
    pub(super) whole: bool,
    /// Whether the client had it.
    pub(super) from_memory: bool,
    /// Whether it does not fit the text as it is now.
    pub(super) stale: bool,
}

impl Said {
    /// Complete, fitting, and from the server.
    pub(super) fn new(at: Instant, key: usize, text: String) -> Self {
        Self { at, key, text, replaces: 0, whole: true, from_memory: false, stale: false }
    }
}

/// Counts of a server. What it does not tell is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Costs {
    /// Prompt tokens evaluated.
    pub(super) prompt: Option<f64>,
    /// Tokens written.
    pub(super) written: Option<f64>,
    /// Draft tokens that were tried.
    pub(super) drafted: Option<f64>,
    /// Draft tokens that were right.
    pub(super) confirmed: Option<f64>,
    /// Seconds of processor time.
    pub(super) processor: Option<f64>,
}

impl Costs {
    /// What came since an earlier count.
    pub(super) fn since(self, earlier: Self) -> Self {
        let minus = |now: Option<f64>, then: Option<f64>| Some(now? - then.unwrap_or(0.0));
        Self {
            prompt: minus(self.prompt, earlier.prompt),
            written: minus(self.written, earlier.written),
            drafted: minus(self.drafted, earlier.drafted),
            confirmed: minus(self.confirmed, earlier.confirmed),
            processor: minus(self.processor, earlier.processor),
        }
    }
}
