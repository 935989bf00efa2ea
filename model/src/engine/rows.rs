//! Which rows are evaluated together in one step.
//!
//! Each answer that is being written has a row for its last token and some for a draft of the next ones; the rest of the
//! room goes to prompts that are being read, the shortest first, so that a key never waits for a whole file. Who waits
//! gains, so that nobody waits for ever.

use std::ops::Range;

use super::job::Priority;
use super::pace::{CHUNK, MANY, Pace};
use super::running::{Candidate, Running, Stage};
use crate::Model;
use crate::decoder::{Logits, LogitsRow, Wanted};
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
    /// Rows whose logits are all of interest.
    whole: Vec<usize>,
    /// Rows of which only the likeliest token is.
    likeliest: Vec<usize>,
    /// Rows behind which a word is still spelled: few tokens are allowed there, and their logits are worked out afterwards.
    spelling: Vec<usize>,
    /// All of these, in this order.
    wanted: Vec<usize>,
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
    /// The first so many of these are rows of spelling, and lie among the logits from the place on.
    spelling: (usize, usize),
    /// From where the others lie.
    others: usize,
    /// Whether all logits of the others are asked for.
    whole: bool,
}

/// What is asked of the last token of a piece and of the draft behind it.
struct Asked {
    /// Of the first so many rows: few tokens' logits, afterwards.
    spelling: usize,
    /// Of the others: all logits, or the likeliest token.
    whole: bool,
}

impl Piece {
    /// The logits of its last token, and from 1 on those of its draft.
    pub(super) fn row<'l>(&self, logits: &'l Logits, at: usize) -> LogitsRow<'l> {
        let (count, first) = self.spelling;
        logits.row(if at < count { first + at } else { self.others + at - count })
    }
}

impl Rows {
    /// The next step for the jobs whose `turn` it is, with at most `draft` rows for a draft of each answer.
    pub(super) fn plan(jobs: &[Running], turn: Priority, model: &Model, draft: usize, pace: &Pace) -> Self {
        let shares = shares(jobs, turn, pace);
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
        let (whole, both) = (rows.whole.len(), rows.whole.len() + rows.likeliest.len());
        for piece in &mut rows.pieces {
            piece.spelling.1 += both;
            piece.others += if piece.whole { 0 } else { whole };
        }
        rows.wanted = [&rows.whole[..], &rows.likeliest, &rows.spelling].concat();
        rows
    }

    /// What is asked of them.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted { rows: &self.wanted, whole: self.whole.len(), likeliest: self.likeliest.len() }
    }

    /// Whether it reads so much that who comes meanwhile does not wait for its end: what it has worked out stays.
    pub(super) fn reads(&self) -> bool {
        self.pieces.iter().any(|piece| piece.place.is_none() && piece.rows.len() >= MANY)
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
        let asked = ends.then(|| Asked {
            spelling: job.spelling_rows(model, job.tokens.healed.len(), &draft),
            whole: job.weighs_all() || job.count > 1,
        });
        self.add(index, None, tokens, &draft, from, asked);
    }

    fn write(&mut self, index: usize, job: &Running, place: usize, candidate: &Candidate, room: Room, model: &Model) {
        let from = candidate.sequence.tokens.len();
        let draft = job.draft(model, candidate.answer.bytes(), candidate.written.len(), from + 1, room);
        let spelling = job.spelling_rows(model, candidate.answer.to_spell().len(), &draft);
        let asked = Asked { spelling, whole: job.weighs_all() };
        self.add(index, Some(place), &[candidate.next], &draft, from, Some(asked));
    }

    /// Rows for `tokens` and a draft behind them.
    fn add(
        &mut self,
        job: usize,
        place: Option<usize>,
        tokens: &[u32],
        draft: &[u32],
        from: usize,
        asked: Option<Asked>,
    ) {
        if tokens.is_empty() {
            return;
        }
        let start = self.tokens.len();
        self.tokens.extend(tokens.iter().chain(draft));
        let rows = start..self.tokens.len();
        self.positions.extend((from..from + rows.len()).map(|position| position as u32));
        let (answers, draft) = (asked.is_some(), draft.len());
        let Asked { spelling, whole } = asked.unwrap_or(Asked { spelling: 0, whole: false });
        let others = if whole { &mut self.whole } else { &mut self.likeliest };
        let piece = Piece {
            job,
            place,
            draft,
            answers,
            spelling: (spelling, self.spelling.len()),
            others: others.len(),
            whole,
            rows: rows.clone(),
        };
        if answers {
            let last = rows.end - draft - 1;
            self.spelling.extend(last..last + spelling);
            others.extend(last + spelling..rows.end);
        }
        self.pieces.push(piece);
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
fn shares(jobs: &[Running], turn: Priority, pace: &Pace) -> Vec<usize> {
    let writes = |job: &Running| job.priority() == turn && matches!(job.stage, Stage::Writing(_));
    let mut room = if jobs.iter().any(writes) { SHARED_CHUNK.min(pace.beside()) } else { CHUNK };
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
