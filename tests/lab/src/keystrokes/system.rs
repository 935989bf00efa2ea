//! What every system under test can do: open files, take keys, say something.

use std::time::Instant;

use anyhow::Result;

use super::simulated_editor::{TextChange, SimulatedEditor};

/// One way to get completions while typing.
pub(super) trait CompletionSystem {
    /// A key was pressed, or a suggestion taken: `change` is done already in the desk's text. Returns what is known at once.
    fn key_pressed(&mut self, number: usize, desk: &SimulatedEditor, change: Option<&TextChange>) -> Result<Option<SuggestionUpdate>>;

    /// The cursor went to another place; nothing was typed there yet.
    fn cursor_moved(&mut self, _: &SimulatedEditor) -> Result<()> {
        Ok(())
    }

    /// Waits for something that was said about the newest key.
    fn next_update(&mut self, until: Instant) -> Result<Option<SuggestionUpdate>>;

    /// The shown suggestion was taken.
    fn suggestion_accepted(&mut self) -> Result<()> {
        Ok(())
    }

    /// What the server has done since its start.
    fn usage(&mut self) -> Result<ServerUsage>;

    /// The server's process.
    fn pid(&self) -> u32;
}

/// A suggestion, or a part of it, for the newest key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SuggestionUpdate {
    /// When it was there.
    pub(super) at: Instant,
    /// The number of the key.
    pub(super) key: usize,
    /// What would be put at the cursor; the first line. Empty when there is nothing to suggest.
    pub(super) text: String,
    /// Bytes right of the cursor that it would replace.
    pub(super) replaced_bytes: usize,
    /// Whether the line is complete.
    pub(super) is_complete: bool,
    /// Whether the client had it.
    pub(super) from_client_cache: bool,
    /// Whether it does not fit the text as it is now.
    pub(super) stale: bool,
}

impl SuggestionUpdate {
    /// Complete, fitting, and from the server.
    pub(super) fn new(at: Instant, key: usize, text: String) -> Self {
        Self { at, key, text, replaced_bytes: 0, is_complete: true, from_client_cache: false, stale: false }
    }
}

/// Counts of a server. What it does not tell is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ServerUsage {
    /// Prompt tokens evaluated.
    pub(super) prompt_tokens: Option<f64>,
    /// Tokens written.
    pub(super) generated_tokens: Option<f64>,
    /// Draft tokens that were tried.
    pub(super) draft_tokens: Option<f64>,
    /// Draft tokens that were right.
    pub(super) accepted_tokens: Option<f64>,
    /// Seconds of processor time.
    pub(super) cpu_seconds: Option<f64>,
}

impl ServerUsage {
    /// What came since an earlier count.
    pub(super) fn since(self, earlier: Self) -> Self {
        let minus = |now: Option<f64>, then: Option<f64>| Some(now? - then.unwrap_or(0.0));
        Self {
            prompt_tokens: minus(self.prompt_tokens, earlier.prompt_tokens),
            generated_tokens: minus(self.generated_tokens, earlier.generated_tokens),
            draft_tokens: minus(self.draft_tokens, earlier.draft_tokens),
            accepted_tokens: minus(self.accepted_tokens, earlier.accepted_tokens),
            cpu_seconds: minus(self.cpu_seconds, earlier.cpu_seconds),
        }
    }
}
