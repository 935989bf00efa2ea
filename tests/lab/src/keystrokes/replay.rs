//! One run: the keys of a trace come at their moments, whether or not an answer has come.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::super::process;
use super::super::trace::{Stint, Trace};
use super::desk::{Change, Desk};
use super::screen::Screen;
use super::system::{Said, System};

/// How the typist is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typist {
    /// How long a suggestion must have been there to be taken.
    pub(super) reaction: Duration,
    /// Characters of the shortest suggestion that is worth a key.
    pub(super) shortest: usize,
    /// How many times faster than in the trace everything goes.
    pub(super) speed: f64,
}

/// What happened after one key. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Key {
    /// Since the beginning of the run.
    pub(super) at: f64,
    /// From the key to the first text that fits.
    pub(super) first: Option<f64>,
    /// From the key to the complete line.
    pub(super) full: Option<f64>,
    /// From the key to the answer that there is nothing to suggest.
    pub(super) nothing: Option<f64>,
    /// From the key to the next one.
    pub(super) until: f64,
    /// Whether the key went on with what was shown.
    pub(super) followed: bool,
    /// Whether the text came from the client's own memory.
    pub(super) from_memory: bool,
    /// Characters that this key took from a suggestion.
    pub(super) taken: usize,
}

/// A trace replayed into a system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Run {
    /// The system's name.
    pub(super) system: String,
    /// The trace's name.
    pub(super) trace: String,
    /// Which repetition.
    pub(super) repeat: usize,
    /// Each key that was pressed.
    pub(super) keys: Vec<Key>,
    /// Characters that there are to write.
    pub(super) wanted: usize,
    /// Suggestions that did not fit the text when they came.
    pub(super) stale: usize,
    /// Prompt tokens evaluated, tokens written, draft tokens tried and right, where known.
    pub(super) prompt: Option<f64>,
    pub(super) written: Option<f64>,
    pub(super) drafted: Option<f64>,
    pub(super) confirmed: Option<f64>,
    /// Seconds of processor time of the server.
    pub(super) processor: Option<f64>,
    /// Of the processor time that the machine has meanwhile, the share that went elsewhere.
    pub(super) elsewhere: Option<f64>,
    /// The most memory it has held, in megabytes.
    pub(super) peak: Option<f64>,
}

/// How long the last key is listened to.
const SETTLING: Duration = Duration::from_millis(1500);

/// Replays a trace.
pub(super) fn replay(system: &mut dyn System, trace: &Trace, typist: Typist) -> Result<Run> {
    let (before, busy) = (costs(system)?, process::machine_seconds());
    let mut replay = Replay {
        desk: Desk::new(&trace.files),
        screen: Screen::default(),
        gone: false,
        started: Instant::now(),
        due: Instant::now(),
        typist,
        run: Run::default(),
        system,
    };
    for stint in &trace.stints {
        replay.stint(stint)?;
        replay.run.wanted += stint.target().chars().count();
    }
    replay.due += SETTLING.div_f64(typist.speed);
    replay.listen()?;
    replay.close_key(replay.started.elapsed());
    let Replay { mut run, system, started, .. } = replay;
    let busy = process::machine_seconds().zip(busy).map(|(now, then)| now - then);
    let costs = costs(system)?.since(before);
    let elapsed = started.elapsed();
    run.elsewhere = busy.zip(costs.processor).map(|(busy, own)| process::elsewhere(busy, own, elapsed));
    (run.prompt, run.written, run.processor) = (costs.prompt, costs.written, costs.processor);
    (run.drafted, run.confirmed) = (costs.drafted, costs.confirmed);
    run.peak = process::peak_megabytes(system.pid());
    Ok(run)
}

fn costs(system: &mut dyn System) -> Result<super::system::Costs> {
    let costs = system.costs()?;
    Ok(super::system::Costs { processor: process::processor_seconds(system.pid()), ..costs })
}

struct Replay<'a> {
    system: &'a mut dyn System,
    desk: Desk,
    screen: Screen,
    /// Whether the cursor has left the place of the newest key: what comes for that is not shown any more.
    gone: bool,
    started: Instant,
    /// When the next key comes.
    due: Instant,
    typist: Typist,
    run: Run,
}

impl Replay<'_> {
    fn stint(&mut self, stint: &Stint) -> Result<()> {
        self.desk.go(stint);
        self.screen.clear();
        self.gone = true;
        self.system.goes(&self.desk)?;
        self.wait(stint.wait)?;
        let slips = stint.slips();
        let mut at = 0;
        while let Some((gap, key)) = stint.keys.get(at) {
            self.wait(*gap)?;
            if stint.accepts && self.accept()? {
                at = first_unspelt(stint, &slips, self.desk.done());
            } else {
                self.press(key, slips[at])?;
                at += 1;
            }
        }
        Ok(())
    }

    /// Listens until the next key is due.
    fn wait(&mut self, gap: u32) -> Result<()> {
        self.due += Duration::from_millis(gap.into()).div_f64(self.typist.speed);
        self.listen()
    }

    fn listen(&mut self) -> Result<()> {
        while let Some(said) = self.system.listen(self.due)? {
            self.hear(&said);
        }
        Ok(())
    }

    fn press(&mut self, key: &str, slip: bool) -> Result<()> {
        let change = self.desk.press(key, slip);
        let followed = self.screen.typed(key);
        self.ask(Key { followed, ..Key::default() }, change.as_ref())
    }

    /// Takes what is shown, if the typist has read it and it is right.
    fn accept(&mut self) -> Result<bool> {
        let Typist { reaction, shortest, speed } = self.typist;
        let now = self.started.elapsed();
        let read = self.screen.read(now, reaction.div_f64(speed), shortest);
        let Some(shown) = read.filter(|shown| self.desk.fits(&shown.text, shown.replaces)) else { return Ok(false) };
        let taken = shown.text.chars().count();
        let change = self.desk.accept(&shown.text, shown.replaces);
        self.screen.clear();
        self.system.took()?;
        self.ask(Key { taken, ..Key::default() }, Some(&change))?;
        Ok(true)
    }

    fn ask(&mut self, key: Key, change: Option<&Change>) -> Result<()> {
        let now = self.started.elapsed();
        self.close_key(now);
        self.gone = false;
        self.run.keys.push(Key { at: milliseconds(now), ..key });
        let said = self.system.key(self.run.keys.len() - 1, &self.desk, change)?;
        said.iter().for_each(|said| self.hear(said));
        Ok(())
    }

    /// The newest key is over.
    fn close_key(&mut self, now: Duration) {
        if let Some(key) = self.run.keys.last_mut() {
            key.until = milliseconds(now) - key.at;
        }
    }

    fn hear(&mut self, said: &Said) {
        let newest = self.run.keys.len().checked_sub(1);
        let Some(key) = self.run.keys.last_mut().filter(|_| newest == Some(said.key)) else { return };
        if said.stale {
            self.run.stale += 1;
            return;
        }
        // The beginning of an answer that shows nothing yet says nothing.
        if said.text.is_empty() && !said.whole {
            return;
        }
        let at = said.at.saturating_duration_since(self.started);
        let after = (milliseconds(at) - key.at).max(0.0);
        if !self.gone {
            self.screen.answered(at, &said.text, said.replaces, said.whole);
        }
        if said.text.is_empty() {
            if key.first.is_none() {
                key.nothing.get_or_insert(after);
            }
            return;
        }
        if key.first.is_none() {
            (key.first, key.from_memory, key.nothing) = (Some(after), said.from_memory, None);
        }
        if said.whole {
            key.full.get_or_insert(after);
        }
    }
}

/// The number of the first key that is yet to be pressed when `done` bytes of the target stand there.
fn first_unspelt(stint: &Stint, slips: &[bool], done: usize) -> usize {
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
