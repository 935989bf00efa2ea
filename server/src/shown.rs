//! What was suggested, so that typing into it needs no model.
//!
//! A [`Generation`] is one run of the model for one place of a document. While the user types what it has written, or is
//! about to write, the answer comes from it and the run goes on; a run that no longer fits is cancelled. Earlier runs are
//! kept, so that deleting and typing again is free. They lie in a trie: a run is found under the text that leads to its
//! place, so finding one takes as long as that text is, however many there are.

mod frame;
mod generation;
mod typist;
mod windows;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

pub use frame::{Frame, Spot};
pub use generation::{Generation, Given, Rest};
pub use typist::Typist;
pub use windows::Windows;

/// The largest part of an unfinished answer that reads as a whole: complete lines, or at least complete words.
pub fn complete_part(text: &str) -> &str {
    match text.rfind('\n') {
        Some(end) if !text[..end].trim().is_empty() => &text[..end],
        _ => text[..text.len()].trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_'),
    }
}

/// Stretches of a document that are remembered.
const FRAMES: usize = 4;
/// Bytes of suggestions that are kept for one document.
const KEPT: usize = 1 << 20;
/// Texts of runs that no longer count that are kept as drafts.
const PAST: usize = 16;
/// So many bytes before the cursor tell where in such a text it stands; the more, the better.
const TELLING: [usize; 3] = [32, 16, 8];

/// What was suggested in one document.
#[derive(Debug, Default)]
pub struct Shown {
    /// The latest last.
    frames: VecDeque<Arc<Frame>>,
    /// Runs by the way that leads to them, each with its number: the later the higher.
    runs: HashMap<Way, Vec<(u64, Arc<Generation>)>>,
    /// The same runs, the latest last.
    order: VecDeque<Arc<Generation>>,
    begun: u64,
    /// What was written by runs that no longer count, with what stood before it: the model may well write it again.
    past: VecDeque<String>,
    /// The windows of the last prompts, for the next one.
    pub windows: Windows,
    /// Who types here.
    pub typist: Typist,
}

/// A node of the trie: a frame and a path in it, as their hash (FNV-1a), which is made letter by letter. Two ways of one
/// hash cost time; what is found is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way(u64);

impl Way {
    fn into_frame(frame: &Arc<Frame>) -> Self {
        (Arc::as_ptr(frame) as usize).to_ne_bytes().into_iter().fold(Self(0xcbf2_9ce4_8422_2325), Self::step)
    }

    fn to(spot: &Spot) -> Self {
        spot.path.bytes().fold(Self::into_frame(&spot.frame), Self::step)
    }

    fn step(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

impl Shown {
    /// A generation of at least this many candidates that has, or may come to have, something for this place, and the place
    /// in its terms. Of several, the latest.
    pub fn find(&self, text: &str, cursor: usize, candidates: usize) -> Option<(Arc<Generation>, Spot)> {
        let fits = |generation: &Generation, spot: &Spot| {
            generation.candidates() >= candidates && generation.rest(spot) != Rest::Nothing
        };
        self.frames.iter().rev().find_map(|frame| {
            let spot = frame.spot(text, cursor)?;
            let on_the_way = self.along(&spot).filter(|(_, generation)| fits(generation, &spot));
            let (_, found) = on_the_way.max_by_key(|(number, _)| *number)?;
            Some((found.clone(), spot))
        })
    }

    /// The runs that were begun at a place on the way to `spot`.
    fn along(&self, spot: &Spot) -> impl Iterator<Item = &(u64, Arc<Generation>)> {
        let start = Way::into_frame(&spot.frame);
        let steps = spot.path.bytes().scan(start, |way, byte| {
            *way = way.step(byte);
            Some(*way)
        });
        std::iter::once(start).chain(steps).filter_map(|way| self.runs.get(&way)).flatten()
    }

    /// A new run begins; what else runs is stopped.
    pub fn begin(&mut self, text: &Arc<str>, cursor: usize, candidates: usize) -> Arc<Generation> {
        self.stop_unless(|_| false);
        self.keep(text, cursor, candidates, None)
    }

    /// A run begins for the text in which `suggestion` stands before the cursor. `None` if there is no need: it is known
    /// what follows, or something else runs.
    pub fn begin_ahead(&mut self, text: &Arc<str>, cursor: usize, suggestion: usize) -> Option<Arc<Generation>> {
        self.stop_unless(|generation| !generation.is_ahead() || generation.spot().leads_to(text, cursor));
        if self.order.iter().any(|generation| generation.runs()) || self.find(text, cursor, 1).is_some() {
            return None;
        }
        Some(self.keep(text, cursor, 1, Some(suggestion)))
    }

    fn keep(&mut self, text: &Arc<str>, cursor: usize, candidates: usize, ahead: Option<usize>) -> Arc<Generation> {
        let spot = self.frames.iter().rev().find_map(|frame| frame.spot(text, cursor));
        let spot = spot.unwrap_or_else(|| self.new_frame(text, cursor));
        let there = ahead.map(|suggestion| spot.path.len().saturating_sub(suggestion));
        let way = Way::to(&spot);
        let generation = Generation::new(spot, candidates, there);
        self.begun += 1;
        self.runs.entry(way).or_default().push((self.begun, generation.clone()));
        self.order.push_back(generation.clone());
        let mut bytes: usize = self.order.iter().map(|generation| generation.bytes()).sum();
        while bytes > KEPT && self.order.len() > 1 {
            let oldest = self.order[0].clone();
            bytes = bytes.saturating_sub(oldest.bytes());
            self.stop(&oldest);
        }
        generation
    }

    fn new_frame(&mut self, text: &Arc<str>, cursor: usize) -> Spot {
        if self.frames.len() == FRAMES
            && let Some(oldest) = self.frames.pop_front()
        {
            let of_it = self.order.iter().filter(|one| Arc::ptr_eq(&one.spot().frame, &oldest));
            of_it.cloned().collect::<Vec<_>>().iter().for_each(|generation| self.stop(generation));
        }
        let frame = Frame::around(text, cursor);
        self.frames.push_back(frame.clone());
        let empty = || Spot { frame: frame.clone(), path: String::new(), tail: String::new() };
        frame.spot(text, cursor).unwrap_or_else(empty)
    }

    /// The document was edited: a run that cannot be of use any more is stopped.
    pub fn edited(&mut self, text: &str) {
        self.typist.typed(Instant::now());
        self.stop_unless(|generation| generation.follows(text));
    }

    /// Another document was edited, or the model or an option changed: what was written may be different now. Who waits for
    /// a run still gets what it writes, since an editor that was told of nothing does not ask again.
    pub fn forget(&mut self) {
        for generation in self.order.clone() {
            generation.forget();
            self.remove(&generation);
        }
    }

    /// Texts that are likely to come at this place: what earlier runs wrote here, the latest first.
    pub fn drafts(&self, spot: &Spot) -> Vec<String> {
        let mut kept: Vec<_> = self.along(spot).collect();
        kept.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let kept = kept.into_iter().filter_map(|(_, generation)| generation.draft(spot));
        let tails = TELLING.iter().filter_map(|bytes| spot.path.get(spot.path.len().checked_sub(*bytes)?..));
        let after = |tail: &str, text: &String| Some(text[text.rfind(tail)? + tail.len()..].to_owned());
        let past = tails.flat_map(|tail| self.past.iter().rev().filter_map(move |text| after(tail, text)));
        kept.chain(past).filter(|draft| !draft.is_empty()).collect()
    }

    /// What the latest runs wrote, each after some of what stood before it, the latest last.
    pub fn earlier(&self) -> Vec<Arc<str>> {
        let kept = self.order.iter().rev().take(PAST).map(|generation| generation.text());
        let latest = kept.chain(self.past.iter().rev().cloned()).take(PAST);
        let mut texts: Vec<Arc<str>> = latest.map(Arc::from).collect();
        texts.reverse();
        texts
    }

    fn stop_unless(&mut self, keep: impl Fn(&Generation) -> bool) {
        let useless = |generation: &&Arc<Generation>| {
            generation.is_cancelled() || generation.usage().is_none() && !keep(generation)
        };
        let useless: Vec<_> = self.order.iter().filter(useless).cloned().collect();
        useless.iter().for_each(|generation| self.stop(generation));
    }

    fn stop(&mut self, generation: &Arc<Generation>) {
        generation.cancel();
        self.remove(generation);
    }

    /// Of a run that no request will find any more, what it wrote is kept.
    fn remove(&mut self, generation: &Arc<Generation>) {
        self.order.retain(|other| !Arc::ptr_eq(other, generation));
        let way = Way::to(generation.spot());
        if let Some(here) = self.runs.get_mut(&way) {
            here.retain(|(_, other)| !Arc::ptr_eq(other, generation));
            if here.is_empty() {
                self.runs.remove(&way);
            }
        }
        self.past.push_back(generation.text());
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.order.iter().for_each(|generation| generation.cancel());
    }
}

#[cfg(test)]
mod tests;
