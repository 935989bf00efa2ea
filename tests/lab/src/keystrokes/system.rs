//! Interface of a system under test: it takes key presses and sends suggestions.

use std::time::Instant;

use anyhow::Result;

use super::simulated_editor::{SimulatedEditor, TextChange};

/// A source of completions while typing.
pub(super) trait CompletionSystem {
    /// Called after a key was pressed or a suggestion accepted. The editor has applied `change` already. Returns a
    /// suggestion that is available at once.
    fn key_pressed(
        &mut self,
        key_number: usize,
        editor: &SimulatedEditor,
        change: Option<&TextChange>,
    ) -> Result<Option<SuggestionUpdate>>;

    /// Called after the cursor has moved to another place, before anything is typed there.
    fn cursor_moved(&mut self, _: &SimulatedEditor) -> Result<()> {
        Ok(())
    }

    /// Waits until `deadline` for a suggestion for the newest key.
    fn next_update(&mut self, deadline: Instant) -> Result<Option<SuggestionUpdate>>;

    /// Called after the visible suggestion was accepted.
    fn suggestion_accepted(&mut self) -> Result<()> {
        Ok(())
    }

    /// Usage of the server since its start.
    fn usage(&mut self) -> Result<ServerUsage>;

    /// Process of the server.
    fn pid(&self) -> u32;
}

/// A suggestion, or a part of it, for the newest key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SuggestionUpdate {
    /// Time of arrival.
    pub(super) arrived_at: Instant,
    /// Number of the key.
    pub(super) key_number: usize,
    /// First line of the text to insert at the cursor. Empty if there is nothing to suggest.
    pub(super) text: String,
    /// Bytes right of the cursor that the text replaces.
    pub(super) replaced_bytes: usize,
    /// True if the line is complete.
    pub(super) is_complete: bool,
    /// True if the suggestion comes from the client's own cache.
    pub(super) from_client_cache: bool,
    /// True if the suggestion does not fit the current text.
    pub(super) stale: bool,
}

impl SuggestionUpdate {
    /// A complete suggestion from the server that fits the current text.
    pub(super) fn new(arrived_at: Instant, key_number: usize, text: String) -> Self {
        Self {
            arrived_at,
            key_number,
            text,
            replaced_bytes: 0,
            is_complete: true,
            from_client_cache: false,
            stale: false,
        }
    }
}

/// Usage of a server. `None` if the server does not report a count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ServerUsage {
    /// Prompt tokens evaluated.
    pub(super) prompt_tokens: Option<f64>,
    /// Tokens generated.
    pub(super) generated_tokens: Option<f64>,
    /// Draft tokens verified.
    pub(super) draft_tokens: Option<f64>,
    /// Draft tokens accepted.
    pub(super) accepted_tokens: Option<f64>,
    /// CPU time in seconds.
    pub(super) cpu_seconds: Option<f64>,
}

impl ServerUsage {
    /// Usage since an earlier count.
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
