//! Which rows are evaluated together in one step.
//!
//! Each answer that is being written has a row for its last token and some for a draft of the next ones; the rest of the
//! room goes to prompts that are being read, the shortest first, so that a key never waits for a whole file. Who waits
//! gains, so that nobody waits for ever.

use std::ops::Range;

use super::job::Priority;
use super::pace::Pace;
use super::running::{Candidate, Running, Stage};
use crate::Model;
use crate::decoder::{Logits, LogitsRow};
use crate::draft::Room;
use crate::kv::KvCache;

/// At the most while somebody is written for.
const SHARED_CHUNK: usize = 32;
/// Up to so many rows a step takes little longer than with one; drafts fill it.
const CHEAP: usize = 16;
/// So many tokens shorter a prompt counts for each step that it had no row in.
const PATIENCE: usize = 16;

/// The rows of a step.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) tokens: Vec<u32>,
    pub(super) positions: Vec<u32>,
    /// Rows whose logits are of interest: first those of which all are, then those of which only the likeliest token is.
    pub(super) wanted: Vec<usize>,
    /// How many are of the first kind.
    pub(super) whole: usize,
    /// While it is planned: those of the second kind.
    best: Vec<usize>,
    /// In the order of the jobs and their candidates.
    pub(super) pieces: Vec<Piece>,
}

/// Rows of one sequence, one after the other.
pub(super) struct Piece {
    pub(super) job: usize,
    /// The place of the candidate in its job's list; `None` for a piece of the prompt.
    pub(super) place: Option<usize>,
    /// Where it stands among the step's rows.
    pub(super) rows: Range<usize>,
    /// How many of its rows, the last ones, are a draft.
    pub(super) draft: usize,
    /// Whether it is asked what follows its last token before the draft, and what follows those of the draft.
    pub(super) answers: bool,
    /// Of the first so many of these all logits are asked for, which lie among the logits from the place on.
    whole: (usize, usize),
    /// Of the others the likeliest token: they lie from here on.
    best: usize,
}

impl Piece {
    /// The logits of its last token, and from 1 on those of its draft.
    pub(super) fn row<'l>(&self, logits: &'l Logits, at: usize) -> LogitsRow<'l> {
        let (count, first) = self.whole;
        logits.row(if at < count { first + at } else { self.best + at - count })
    }
}

impl Rows {
    /// The next step for the jobs whose `turn` it is, with at most `draft` rows for a draft of each answer.
    pub(super) fn plan(jobs: &[Running], turn: Priority, model: &Model, draft: usize, pace: &Pace) -> Self {
        let shares = shares(jobs, turn, pace.chunk());
        let answers: usize = jobs.iter().zip(&shares).map(|(job, share)| answers(job, turn, *share)).sum();
        let room = Room { most: (CHEAP.saturating_sub(answers) / answers.max(1)).min(draft), row: pace.row() };
        let mut rows = Self::default();
        for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.priority() == turn) {
            match &job.stage {
                Stage::Reading(_) => rows.read(index, job, shares[index], room, model),
                Stage::Writing(candidates) => {
                    for (place, candidate) in candidates.iter().enumerate() {
                        rows.write(index, job, place, candidate, room, model);
                    }
                }
            }
        }
        rows.whole = rows.wanted.len();
        rows.pieces.iter_mut().for_each(|piece| piece.best += rows.whole);
        rows.wanted.append(&mut rows.best);
        rows
    }

    /// Whether one thread is enough for them where nobody waits: the memory sets the time that so few rows take, and a second thread costs more
    /// of the processor than it saves of that. Where the machine is slow, what is worked out ahead would come too late.
    pub(super) fn leave_threads(&self, pace: &Pace) -> bool {
        self.tokens.len() <= CHEAP && pace.is_quick()
    }

    /// The next tokens of a prompt; at its end, a draft of the answer.
    fn read(&mut self, index: usize, job: &Running, share: usize, room: Room, model: &Model) {
        let to = job.tokens.ids.len();
        let from = to - job.unread();
        let tokens = &job.tokens.ids[from..from + share];
        let ends = share > 0 && from + share == to;
        let draft = if ends { job.draft(model, &[], 0, to, room) } else { Vec::new() };
        // Who goes on from the end of a prompt may allow other tokens there.
        let whole = ends.then(|| job.whole_rows(model, job.tokens.healed.len(), &draft).max(1));
        self.add(index, None, tokens, &draft, from, whole);
    }

    fn write(&mut self, index: usize, job: &Running, place: usize, candidate: &Candidate, room: Room, model: &Model) {
        let from = candidate.sequence.tokens.len();
        let draft = job.draft(model, candidate.answer.bytes(), candidate.written.len(), from + 1, room);
        let whole = job.whole_rows(model, candidate.answer.to_spell().len(), &draft);
        self.add(index, Some(place), &[candidate.next], &draft, from, Some(whole));
    }

    /// Rows for `tokens` and a draft behind them. If it is asked what follows: of the last token and of the draft, all logits of the first `whole`.
    fn add(
        &mut self,
        job: usize,
        place: Option<usize>,
        tokens: &[u32],
        draft: &[u32],
        from: usize,
        whole: Option<usize>,
    ) {
        if tokens.is_empty() {
            return;
        }
        let start = self.tokens.len();
        self.tokens.extend(tokens.iter().chain(draft));
        let rows = start..self.tokens.len();
        self.positions.extend((from..from + rows.len()).map(|position| position as u32));
        let (count, first, best) = (whole.unwrap_or_default(), self.wanted.len(), self.best.len());
        if whole.is_some() {
            let asked = rows.end - draft.len() - 1;
            self.wanted.extend(asked..asked + count);
            self.best.extend(asked + count..rows.end);
        }
        let (draft, answers) = (draft.len(), whole.is_some());
        self.pieces.push(Piece { job, place, rows, draft, answers, whole: (count, first), best });
    }

    /// The caches of the step's sequences, with room for their rows.
    pub(super) fn spans<'a>(&self, jobs: &'a mut [Running]) -> Vec<(&'a mut KvCache, usize)> {
        let mut pieces = self.pieces.iter().peekable();
        let mut spans = Vec::new();
        for (index, job) in jobs.iter_mut().enumerate() {
            let caches: Vec<&mut KvCache> = match &mut job.stage {
                Stage::Reading(sequence) => vec![&mut sequence.cache],
                Stage::Writing(candidates) => candidates.iter_mut().map(|one| &mut one.sequence.cache).collect(),
            };
            for cache in caches {
                if let Some(piece) = pieces.next_if(|piece| piece.job == index) {
                    cache.reserve(piece.rows.len());
                    spans.push((cache, piece.rows.len()));
                }
            }
        }
        spans
    }
}

/// How many prompt tokens of each job the next step reads.
fn shares(jobs: &[Running], turn: Priority, chunk: usize) -> Vec<usize> {
    let writes = |job: &Running| job.priority() == turn && matches!(job.stage, Stage::Writing(_));
    let mut room = if jobs.iter().any(writes) { SHARED_CHUNK.min(chunk) } else { chunk };
    let mut readers: Vec<usize> =
        (0..jobs.len()).filter(|job| jobs[*job].priority() == turn && jobs[*job].unread() > 0).collect();
    readers.sort_by_key(|job| jobs[*job].unread().saturating_sub(jobs[*job].waited * PATIENCE));
    let mut shares = vec![0; jobs.len()];
    for job in readers {
        shares[job] = room.min(jobs[job].unread());
        room -= shares[job];
    }
    shares
}

/// Answers that a step with this share of the job's prompt draws tokens for.
fn answers(job: &Running, turn: Priority, share: usize) -> usize {
    match &job.stage {
        _ if job.priority() != turn => 0,
        Stage::Reading(_) => usize::from(share > 0 && share == job.unread()),
        Stage::Writing(candidates) => candidates.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_thread_is_enough_for_a_few_rows_on_a_quick_machine() {
        let leaves = |rows: usize, milliseconds: Option<u64>| {
            let mut pace = Pace::default();
            milliseconds.into_iter().for_each(|time| pace.took(64, Duration::from_millis(time)));
            Rows { tokens: vec![0; rows], ..Rows::default() }.leave_threads(&pace)
        };
        assert!(leaves(1, Some(60)) && leaves(CHEAP, Some(110)));
        assert!(!leaves(CHEAP + 1, Some(60)) && !leaves(1, Some(130)) && !leaves(1, None));
    }
}
