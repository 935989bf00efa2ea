//! One run of a trace. Keys are pressed at their times, whether or not a suggestion has arrived.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use anyhow::Result;
use foretype::trace::{Trace, TypingSegment};
use serde::{Deserialize, Serialize};

use super::simulated_editor::{SimulatedEditor, TextChange};
use super::system::{CompletionSystem, ServerUsage, SuggestionUpdate};
use super::visible_suggestion::VisibleSuggestion;
use crate::process;

/// Time after the last key during which suggestions still count.
const SETTLE_TIME: Duration = Duration::from_millis(1500);

/// Behaviour of the simulated typist.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypistProfile {
    /// Time that a suggestion must be visible before the typist accepts it.
    pub(super) reaction_time: Duration,
    /// Characters of the shortest suggestion that the typist accepts.
    pub(super) min_characters: usize,
    /// Factor by which everything goes faster than in the trace.
    pub(super) speed: f64,
}

/// Record of one key. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    /// Time from the start of the run to the key.
    #[serde(rename = "at")]
    pub(super) at_ms: f64,
    /// Time from the key to the first text that fits.
    #[serde(rename = "first")]
    pub(super) first_text_ms: Option<f64>,
    /// Time from the key to the complete line.
    #[serde(rename = "full")]
    pub(super) full_line_ms: Option<f64>,
    /// Time from the key to the answer that there is nothing to suggest.
    #[serde(rename = "nothing")]
    pub(super) no_suggestion_ms: Option<f64>,
    /// Time from the key to the next key.
    #[serde(rename = "until")]
    pub(super) next_key_ms: f64,
    /// True if the key was the next one of the visible suggestion.
    #[serde(rename = "followed")]
    pub(super) follows_suggestion: bool,
    /// True if the text came from the client's own cache.
    #[serde(rename = "from_memory")]
    pub(super) from_client_cache: bool,
    /// Characters that the key accepted from a suggestion.
    #[serde(rename = "taken")]
    pub(super) accepted_characters: usize,
}

/// A trace replayed into a system. Counts are `None` if the system does not report them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ReplayRun {
    /// Name of the system.
    pub(super) system: String,
    /// Name of the trace.
    pub(super) trace: String,
    /// Number of the repetition, from 0.
    pub(super) repeat: usize,
    /// All keys in order.
    pub(super) keys: Vec<KeyRecord>,
    /// Characters of the text that the typist writes.
    #[serde(rename = "wanted")]
    pub(super) target_characters: usize,
    /// Suggestions that did not fit the text when they arrived.
    pub(super) stale: usize,
    /// Prompt tokens evaluated.
    #[serde(rename = "prompt")]
    pub(super) prompt_tokens: Option<f64>,
    /// Tokens generated.
    #[serde(rename = "written")]
    pub(super) generated_tokens: Option<f64>,
    /// Draft tokens verified.
    #[serde(rename = "drafted")]
    pub(super) draft_tokens: Option<f64>,
    /// Draft tokens accepted.
    #[serde(rename = "confirmed")]
    pub(super) accepted_tokens: Option<f64>,
    /// CPU time of the server in seconds.
    #[serde(rename = "processor")]
    pub(super) cpu_seconds: Option<f64>,
    /// Share of the machine's CPU time that other processes used.
    #[serde(rename = "elsewhere")]
    pub(super) other_cpu_share: Option<f64>,
    /// Peak memory of the server in megabytes.
    #[serde(rename = "peak")]
    pub(super) peak_megabytes: Option<f64>,
}

/// Replays a trace into a system.
///
/// # Errors
/// If the system fails.
pub(super) fn replay(system: &mut dyn CompletionSystem, trace: &Trace, typist: TypistProfile) -> Result<ReplayRun> {
    let (usage_before, machine_before) = (server_usage(system)?, process::machine_cpu_seconds());
    let mut replayer = Replayer {
        editor: SimulatedEditor::new(&trace.files),
        suggestion: VisibleSuggestion::default(),
        cursor_left: false,
        started: Instant::now(),
        next_key_at: Instant::now(),
        typist,
        run: ReplayRun::default(),
        system,
    };
    for segment in &trace.segments {
        replayer.type_segment(segment)?;
        replayer.run.target_characters += segment.target().chars().count();
    }
    replayer.next_key_at += SETTLE_TIME.div_f64(typist.speed);
    replayer.receive_updates()?;
    replayer.close_key(replayer.started.elapsed());
    let Replayer { mut run, system, started, .. } = replayer;
    let machine_seconds = process::machine_cpu_seconds().zip(machine_before).map(|(now, before)| now - before);
    let usage = server_usage(system)?.since(usage_before);
    let elapsed = started.elapsed();
    run.other_cpu_share =
        machine_seconds.zip(usage.cpu_seconds).map(|(all, own)| process::other_cpu_share(all, own, elapsed));
    run.prompt_tokens = usage.prompt_tokens;
    run.generated_tokens = usage.generated_tokens;
    run.draft_tokens = usage.draft_tokens;
    run.accepted_tokens = usage.accepted_tokens;
    run.cpu_seconds = usage.cpu_seconds;
    run.peak_megabytes = process::peak_megabytes(system.pid());
    Ok(run)
}

fn server_usage(system: &mut dyn CompletionSystem) -> Result<ServerUsage> {
    let usage = system.usage()?;
    Ok(ServerUsage { cpu_seconds: process::cpu_seconds(system.pid()), ..usage })
}

/// State of a run.
struct Replayer<'a> {
    system: &'a mut dyn CompletionSystem,
    editor: SimulatedEditor,
    suggestion: VisibleSuggestion,
    /// True if the cursor has moved since the newest key. A suggestion for that key is not shown any more.
    cursor_left: bool,
    started: Instant,
    /// Time of the next key.
    next_key_at: Instant,
    typist: TypistProfile,
    run: ReplayRun,
}

impl Replayer<'_> {
    fn type_segment(&mut self, segment: &TypingSegment) -> Result<()> {
        self.editor.move_to(segment);
        self.suggestion.clear();
        self.cursor_left = true;
        self.system.cursor_moved(&self.editor)?;
        self.wait_for_key(segment.delay_ms)?;
        let typos = segment.typos();
        let mut index = 0;
        while let Some((delay_ms, key)) = segment.keys.get(index) {
            self.wait_for_key(*delay_ms)?;
            if segment.accepts_suggestions && self.accept()? {
                index = first_key_after(segment, &typos, self.editor.completed_bytes());
            } else {
                self.press(key, typos[index])?;
                index += 1;
            }
        }
        Ok(())
    }

    /// Receives suggestions until the next key is due.
    fn wait_for_key(&mut self, delay_ms: u32) -> Result<()> {
        self.next_key_at += Duration::from_millis(delay_ms.into()).div_f64(self.typist.speed);
        self.receive_updates()
    }

    fn receive_updates(&mut self) -> Result<()> {
        while let Some(update) = self.system.next_update(self.next_key_at)? {
            self.record_update(&update);
        }
        Ok(())
    }

    fn press(&mut self, key: &str, is_typo: bool) -> Result<()> {
        let change = self.editor.press(key, is_typo);
        let follows_suggestion = self.suggestion.type_key(key);
        self.send_key(KeyRecord { follows_suggestion, ..KeyRecord::default() }, change.as_ref())
    }

    /// Accepts the visible suggestion if the typist has read it and it is correct. Returns true if so.
    fn accept(&mut self) -> Result<bool> {
        let TypistProfile { reaction_time, min_characters, speed } = self.typist;
        let now = self.started.elapsed();
        let readable = self.suggestion.readable(now, reaction_time.div_f64(speed), min_characters);
        let Some(shown) = readable else { return Ok(false) };
        if !self.editor.fits_target(&shown.text, shown.replaced_bytes) {
            return Ok(false);
        }
        let accepted_characters = shown.text.chars().count();
        let change = self.editor.accept(&shown.text, shown.replaced_bytes);
        self.suggestion.clear();
        self.system.suggestion_accepted()?;
        self.send_key(KeyRecord { accepted_characters, ..KeyRecord::default() }, Some(&change))?;
        Ok(true)
    }

    /// Records a new key and tells the system about it.
    fn send_key(&mut self, key: KeyRecord, change: Option<&TextChange>) -> Result<()> {
        let now = self.started.elapsed();
        self.close_key(now);
        self.cursor_left = false;
        self.run.keys.push(KeyRecord { at_ms: milliseconds(now), ..key });
        if let Some(update) = self.system.key_pressed(self.run.keys.len() - 1, &self.editor, change)? {
            self.record_update(&update);
        }
        Ok(())
    }

    /// Ends the newest key.
    fn close_key(&mut self, now: Duration) {
        if let Some(key) = self.run.keys.last_mut() {
            key.next_key_ms = milliseconds(now) - key.at_ms;
        }
    }

    /// Records a suggestion for the newest key. Suggestions for earlier keys do not count.
    fn record_update(&mut self, update: &SuggestionUpdate) {
        if update.key_number + 1 != self.run.keys.len() {
            return;
        }
        let Some(key) = self.run.keys.last_mut() else { return };
        if update.stale {
            self.run.stale += 1;
            return;
        }
        // The start of an answer may have no visible text yet.
        if update.text.is_empty() && !update.is_complete {
            return;
        }
        let arrived_at = update.arrived_at.saturating_duration_since(self.started);
        let elapsed_ms = (milliseconds(arrived_at) - key.at_ms).max(0.0);
        if !self.cursor_left {
            self.suggestion.show(arrived_at, &update.text, update.replaced_bytes, update.is_complete);
        }
        if update.text.is_empty() {
            if key.first_text_ms.is_none() {
                key.no_suggestion_ms.get_or_insert(elapsed_ms);
            }
            return;
        }
        if key.first_text_ms.is_none() {
            key.first_text_ms = Some(elapsed_ms);
            key.from_client_cache = update.from_client_cache;
            key.no_suggestion_ms = None;
        }
        if update.is_complete {
            key.full_line_ms.get_or_insert(elapsed_ms);
        }
    }
}

/// Index of the first key to press when `completed_bytes` of the segment's target are in the text.
fn first_key_after(segment: &TypingSegment, typos: &[bool], completed_bytes: usize) -> usize {
    let mut typed_bytes = 0;
    for (index, ((_, key), is_typo)) in segment.keys.iter().zip(typos).enumerate() {
        if !is_typo {
            typed_bytes += key.len();
        }
        if typed_bytes >= completed_bytes {
            return index + 1;
        }
    }
    segment.keys.len()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
