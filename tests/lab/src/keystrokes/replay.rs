//! One run: the keys of a trace come at their moments, whether or not an answer has come.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::process;
use foretype::trace::{TypingSegment, Trace};
use super::simulated_editor::{TextChange, SimulatedEditor};
use super::visible_suggestion::VisibleSuggestion;
use super::system::{SuggestionUpdate, CompletionSystem};

/// How the typist is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typist {
    /// How long a suggestion must have been there to be taken.
    pub(super) reaction_time: Duration,
    /// Characters of the shortest suggestion that is worth a key.
    pub(super) min_characters: usize,
    /// How many times faster than in the trace everything goes.
    pub(super) speed: f64,
}

/// What happened after one key. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    /// Since the beginning of the run.
    pub(super) at_ms: f64,
    /// From the key to the first text that fits.
    pub(super) first_text_ms: Option<f64>,
    /// From the key to the complete line.
    pub(super) full_line_ms: Option<f64>,
    /// From the key to the answer that there is nothing to suggest.
    pub(super) no_suggestion_ms: Option<f64>,
    /// From the key to the next one.
    pub(super) next_key_ms: f64,
    /// Whether the key went on with what was shown.
    pub(super) follows_suggestion: bool,
    /// Whether the text came from the client's own memory.
    pub(super) from_client_cache: bool,
    /// Characters that this key took from a suggestion.
    pub(super) accepted_characters: usize,
}

/// A trace replayed into a system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ReplayRun {
    /// The system's name.
    pub(super) system: String,
    /// The trace's name.
    pub(super) trace: String,
    /// Which repetition.
    pub(super) repeat: usize,
    /// Each key that was pressed.
    pub(super) keys: Vec<KeyRecord>,
    /// Characters that there are to write.
    pub(super) target_characters: usize,
    /// Suggestions that did not fit the text when they came.
    pub(super) stale: usize,
    /// Prompt tokens evaluated, tokens written, draft tokens tried and right, where known.
    pub(super) prompt_tokens: Option<f64>,
    pub(super) generated_tokens: Option<f64>,
    pub(super) draft_tokens: Option<f64>,
    pub(super) accepted_tokens: Option<f64>,
    /// Seconds of processor time of the server.
    pub(super) cpu_seconds: Option<f64>,
    /// Of the processor time that the machine has meanwhile, the share that went elsewhere.
    pub(super) other_cpu_share: Option<f64>,
    /// The most memory it has held, in megabytes.
    pub(super) peak_megabytes: Option<f64>,
}

/// How long the last key is listened to.
const SETTLE_TIME: Duration = Duration::from_millis(1500);

/// Replays a trace.
pub(super) fn replay(system: &mut dyn CompletionSystem, trace: &Trace, typist: Typist) -> Result<ReplayRun> {
    let (before, busy) = (server_usage(system)?, process::machine_cpu_seconds());
    let mut replay = Replayer {
        editor: SimulatedEditor::new(&trace.files),
        suggestion: VisibleSuggestion::default(),
        cursor_left: false,
        started: Instant::now(),
        next_key_at: Instant::now(),
        typist,
        run: ReplayRun::default(),
        system,
    };
    for stint in &trace.segments {
        replay.type_segment(stint)?;
        replay.run.target_characters += stint.target().chars().count();
    }
    replay.next_key_at += SETTLE_TIME.div_f64(typist.speed);
    replay.listen()?;
    replay.close_key(replay.started.elapsed());
    let Replayer { mut run, system, started, .. } = replay;
    let busy = process::machine_cpu_seconds().zip(busy).map(|(now, then)| now - then);
    let costs = server_usage(system)?.since(before);
    let elapsed = started.elapsed();
    run.other_cpu_share = busy.zip(costs.cpu_seconds).map(|(busy, own)| process::other_cpu_share(busy, own, elapsed));
    (run.prompt_tokens, run.generated_tokens, run.cpu_seconds) = (costs.prompt_tokens, costs.generated_tokens, costs.cpu_seconds);
    (run.draft_tokens, run.accepted_tokens) = (costs.draft_tokens, costs.accepted_tokens);
    run.peak_megabytes = process::peak_megabytes(system.pid());
    Ok(run)
}

fn server_usage(system: &mut dyn CompletionSystem) -> Result<super::system::ServerUsage> {
    let costs = system.usage()?;
    Ok(super::system::ServerUsage { cpu_seconds: process::cpu_seconds(system.pid()), ..costs })
}

struct Replayer<'a> {
    system: &'a mut dyn CompletionSystem,
    editor: SimulatedEditor,
    suggestion: VisibleSuggestion,
    /// Whether the cursor has left the place of the newest key: what comes for that is not shown any more.
    cursor_left: bool,
    started: Instant,
    /// When the next key comes.
    next_key_at: Instant,
    typist: Typist,
    run: ReplayRun,
}

impl Replayer<'_> {
    fn type_segment(&mut self, stint: &TypingSegment) -> Result<()> {
        self.editor.move_to(stint);
        self.suggestion.clear();
        self.cursor_left = true;
        self.system.cursor_moved(&self.editor)?;
        self.wait_for_key(stint.delay_ms)?;
        let slips = stint.typos();
        let mut at = 0;
        while let Some((gap, key)) = stint.keys.get(at) {
            self.wait_for_key(*gap)?;
            if stint.accepts_suggestions && self.accept()? {
                at = first_key_after(stint, &slips, self.editor.done());
            } else {
                self.press(key, slips[at])?;
                at += 1;
            }
        }
        Ok(())
    }

    /// Listens until the next key is due.
    fn wait_for_key(&mut self, gap: u32) -> Result<()> {
        self.next_key_at += Duration::from_millis(gap.into()).div_f64(self.typist.speed);
        self.listen()
    }

    fn listen(&mut self) -> Result<()> {
        while let Some(said) = self.system.next_update(self.next_key_at)? {
            self.record_update(&said);
        }
        Ok(())
    }

    fn press(&mut self, key: &str, slip: bool) -> Result<()> {
        let change = self.editor.press(key, slip);
        let followed = self.suggestion.type_key(key);
        self.ask(KeyRecord { follows_suggestion: followed, ..KeyRecord::default() }, change.as_ref())
    }

    /// Takes what is shown, if the typist has read it and it is right.
    fn accept(&mut self) -> Result<bool> {
        let Typist { reaction_time: reaction, min_characters: shortest, speed } = self.typist;
        let now = self.started.elapsed();
        let read = self.suggestion.readable(now, reaction.div_f64(speed), shortest);
        let Some(shown) = read.filter(|shown| self.editor.fits_target(&shown.text, shown.replaced_bytes)) else { return Ok(false) };
        let taken = shown.text.chars().count();
        let change = self.editor.accept(&shown.text, shown.replaced_bytes);
        self.suggestion.clear();
        self.system.suggestion_accepted()?;
        self.ask(KeyRecord { accepted_characters: taken, ..KeyRecord::default() }, Some(&change))?;
        Ok(true)
    }

    fn ask(&mut self, key: KeyRecord, change: Option<&TextChange>) -> Result<()> {
        let now = self.started.elapsed();
        self.close_key(now);
        self.cursor_left = false;
        self.run.keys.push(KeyRecord { at_ms: milliseconds(now), ..key });
        let said = self.system.key_pressed(self.run.keys.len() - 1, &self.editor, change)?;
        said.iter().for_each(|said| self.record_update(said));
        Ok(())
    }

    /// The newest key is over.
    fn close_key(&mut self, now: Duration) {
        if let Some(key) = self.run.keys.last_mut() {
            key.next_key_ms = milliseconds(now) - key.at_ms;
        }
    }

    fn record_update(&mut self, said: &SuggestionUpdate) {
        let newest = self.run.keys.len().checked_sub(1);
        let Some(key) = self.run.keys.last_mut().filter(|_| newest == Some(said.key)) else { return };
        if said.stale {
            self.run.stale += 1;
            return;
        }
        // The beginning of an answer that shows nothing yet says nothing.
        if said.text.is_empty() && !said.is_complete {
            return;
        }
        let at = said.at.saturating_duration_since(self.started);
        let after = (milliseconds(at) - key.at_ms).max(0.0);
        if !self.cursor_left {
            self.suggestion.show(at, &said.text, said.replaced_bytes, said.is_complete);
        }
        if said.text.is_empty() {
            if key.first_text_ms.is_none() {
                key.no_suggestion_ms.get_or_insert(after);
            }
            return;
        }
        if key.first_text_ms.is_none() {
            (key.first_text_ms, key.from_client_cache, key.no_suggestion_ms) = (Some(after), said.from_client_cache, None);
        }
        if said.is_complete {
            key.full_line_ms.get_or_insert(after);
        }
    }
}

/// The number of the first key that is yet to be pressed when `done` bytes of the target stand there.
fn first_key_after(stint: &TypingSegment, slips: &[bool], done: usize) -> usize {
    let mut spelt = 0;
    let last = stint.keys.iter().zip(slips).position(|((_, key), slip)| {
        spelt += if *slip { 0 } else { key.len() };
        spelt >= done
    });
    last.map_or(stint.keys.len(), |last| last + 1)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
