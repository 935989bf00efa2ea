//! Which rows are evaluated together in one step.
//!
//! Each answer that is being written has a row for its last token and some for a draft of the next ones; the rest of the
//! room goes to prompts that are being read, the shortest first, so that a key never waits for a whole file. Who waits
//! gains, so that nobody waits for ever.

use std::ops::Range;

use super::active_job::{ActiveCandidate, ActiveJob, Phase};
use super::cost_model::{MAX_PREFILL_TOKENS_PER_STEP, MIN_PREFILL_TOKENS_PER_STEP, StepCostModel};
use super::job::Priority;
use crate::Model;
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::kv::KvCache;
use crate::speculative::DraftBudget;

/// At the most while somebody is written for.
const MAX_PREFILL_TOKENS_WITH_DECODE: usize = 32;
/// Up to so many rows a step takes little longer than with one; drafts fill it.
const MAX_MEMORY_BOUND_ROWS: usize = 16;
/// So many tokens shorter a prompt counts for each step that it had no row in.
const AGING_TOKENS_PER_STEP: usize = 16;

/// The rows of a step.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) tokens: Vec<u32>,
    pub(super) positions: Vec<u32>,
    /// Rows whose logits are all of interest.
    full_logit_rows: Vec<usize>,
    /// Rows of which only the likeliest token is.
    argmax_rows: Vec<usize>,
    /// Rows behind which a word is still spelled: few tokens are allowed there, and their logits are worked out afterwards.
    healing_rows: Vec<usize>,
    /// All of these, in this order.
    logit_rows: Vec<usize>,
    /// In the order of the jobs and their candidates.
    pub(super) spans: Vec<ScheduledSpan>,
}

/// Rows of one sequence, one after the other.
pub(super) struct ScheduledSpan {
    pub(super) job: usize,
    /// The place of the candidate in its job's list; `None` for a piece of the prompt.
    pub(super) candidate: Option<usize>,
    /// Where it stands among the step's rows.
    pub(super) rows: Range<usize>,
    /// How many of its rows, the last ones, are a draft.
    pub(super) draft_len: usize,
    /// Whether it is asked what follows its last token before the draft, and what follows those of the draft.
    pub(super) samples: bool,
    /// The first so many of these are rows of spelling, and lie among the logits from the place on.
    healing_logits: (usize, usize),
    /// From where the others lie.
    first_other_logit: usize,
    /// Whether all logits of the others are asked for.
    full_logits: bool,
}

/// What is asked of the last token of a piece and of the draft behind it.
struct SpanLogitsRequest {
    /// Of the first so many rows: few tokens' logits, afterwards.
    healing_rows: usize,
    /// Of the others: all logits, or the likeliest token.
    full: bool,
}

impl ScheduledSpan {
    /// The logits of its last token, and from 1 on those of its draft.
    pub(super) fn logits_row<'l>(&self, logits: &'l Logits, at: usize) -> LogitsRow<'l> {
        let (count, first) = self.healing_logits;
        logits.row(if at < count { first + at } else { self.first_other_logit + at - count })
    }
}

impl Batch {
    /// The next step for the jobs whose `turn` it is, with at most `draft` rows for a draft of each answer.
    pub(super) fn schedule(
        jobs: &[ActiveJob],
        turn: Priority,
        model: &Model,
        draft: usize,
        pace: &StepCostModel,
    ) -> Self {
        let shares = allocate_prefill(jobs, turn, pace);
        let answers: usize = jobs.iter().zip(&shares).map(|(job, share)| decoding_candidates(job, turn, *share)).sum();
        let room = DraftBudget {
            max_tokens: (MAX_MEMORY_BOUND_ROWS.saturating_sub(answers) / answers.max(1)).min(draft),
            row_cost: pace.marginal_row_cost(),
        };
        let mut rows = Self::default();
        for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.priority() == turn) {
            match &job.phase {
                Phase::Prefill(_) => rows.add_prefill(index, job, shares[index], room, model),
                Phase::Decode(candidates) => {
                    for (place, candidate) in candidates.iter().enumerate() {
                        rows.add_decode(index, job, place, candidate, room, model);
                    }
                }
            }
        }
        let (whole, both) = (rows.full_logit_rows.len(), rows.full_logit_rows.len() + rows.argmax_rows.len());
        for piece in &mut rows.spans {
            piece.healing_logits.1 += both;
            piece.first_other_logit += if piece.full_logits { 0 } else { whole };
        }
        rows.logit_rows = [&rows.full_logit_rows[..], &rows.argmax_rows, &rows.healing_rows].concat();
        rows
    }

    /// What is asked of them.
    pub(super) fn logits_request(&self) -> LogitsRequest<'_> {
        LogitsRequest { rows: &self.logit_rows, whole: self.full_logit_rows.len(), likeliest: self.argmax_rows.len() }
    }

    /// Whether it reads so much that who comes meanwhile does not wait for its end: what it has worked out stays.
    pub(super) fn is_preemptible(&self) -> bool {
        self.spans.iter().any(|piece| piece.candidate.is_none() && piece.rows.len() >= MIN_PREFILL_TOKENS_PER_STEP)
    }

    /// Whether one thread is enough for them where nobody waits: the memory sets the time that so few rows take, and a second thread costs more
    /// of the processor than it saves of that. Where the machine is slow, what is worked out ahead would come too late.
    pub(super) fn fits_one_thread(&self, pace: &StepCostModel) -> bool {
        self.tokens.len() <= MAX_MEMORY_BOUND_ROWS && pace.is_fast_machine()
    }

    /// The next tokens of a prompt; at its end, a draft of the answer.
    fn add_prefill(&mut self, index: usize, job: &ActiveJob, share: usize, room: DraftBudget, model: &Model) {
        let to = job.prompt.ids.len();
        let from = to - job.remaining_prompt_tokens();
        let tokens = &job.prompt.ids[from..from + share];
        let ends = share > 0 && from + share == to;
        let draft = if ends { job.propose_draft(model, &[], 0, to, room) } else { Vec::new() };
        let asked = ends.then(|| SpanLogitsRequest {
            healing_rows: job.healing_row_count(model, job.prompt.healing_prefix.len(), &draft),
            full: job.needs_full_logits() || job.candidate_count > 1,
        });
        self.add_span(index, None, tokens, &draft, from, asked);
    }

    fn add_decode(
        &mut self,
        index: usize,
        job: &ActiveJob,
        place: usize,
        candidate: &ActiveCandidate,
        room: DraftBudget,
        model: &Model,
    ) {
        let from = candidate.sequence.tokens.len();
        let draft = job.propose_draft(model, candidate.output.bytes(), candidate.generated_ids.len(), from + 1, room);
        let spelling = job.healing_row_count(model, candidate.output.remaining_prefix().len(), &draft);
        let asked = SpanLogitsRequest { healing_rows: spelling, full: job.needs_full_logits() };
        self.add_span(index, Some(place), &[candidate.pending_token], &draft, from, Some(asked));
    }

    /// Rows for `tokens` and a draft behind them.
    fn add_span(
        &mut self,
        job: usize,
        place: Option<usize>,
        tokens: &[u32],
        draft: &[u32],
        from: usize,
        asked: Option<SpanLogitsRequest>,
    ) {
        if tokens.is_empty() {
            return;
        }
        let start = self.tokens.len();
        self.tokens.extend(tokens.iter().chain(draft));
        let rows = start..self.tokens.len();
        self.positions.extend((from..from + rows.len()).map(|position| position as u32));
        let (answers, draft) = (asked.is_some(), draft.len());
        let SpanLogitsRequest { healing_rows: spelling, full: whole } =
            asked.unwrap_or(SpanLogitsRequest { healing_rows: 0, full: false });
        let others = if whole { &mut self.full_logit_rows } else { &mut self.argmax_rows };
        let piece = ScheduledSpan {
            job,
            candidate: place,
            draft_len: draft,
            samples: answers,
            healing_logits: (spelling, self.healing_rows.len()),
            first_other_logit: others.len(),
            full_logits: whole,
            rows: rows.clone(),
        };
        if answers {
            let last = rows.end - draft - 1;
            self.healing_rows.extend(last..last + spelling);
            others.extend(last + spelling..rows.end);
        }
        self.spans.push(piece);
    }

    /// The caches of the step's sequences, with room for their rows.
    pub(super) fn kv_spans<'a>(&self, jobs: &'a mut [ActiveJob]) -> Vec<(&'a mut KvCache, usize)> {
        let mut pieces = self.spans.iter().peekable();
        let mut spans = Vec::new();
        for (index, job) in jobs.iter_mut().enumerate() {
            let caches: Vec<&mut KvCache> = match &mut job.phase {
                Phase::Prefill(sequence) => vec![&mut sequence.cache],
                Phase::Decode(candidates) => candidates.iter_mut().map(|one| &mut one.sequence.cache).collect(),
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
fn allocate_prefill(jobs: &[ActiveJob], turn: Priority, pace: &StepCostModel) -> Vec<usize> {
    let writes = |job: &ActiveJob| job.priority() == turn && matches!(job.phase, Phase::Decode(_));
    let mut room = if jobs.iter().any(writes) {
        MAX_PREFILL_TOKENS_WITH_DECODE.min(pace.prefill_budget())
    } else {
        MAX_PREFILL_TOKENS_PER_STEP
    };
    let mut readers: Vec<usize> = (0..jobs.len())
        .filter(|job| jobs[*job].priority() == turn && jobs[*job].remaining_prompt_tokens() > 0)
        .collect();
    readers.sort_by_key(|job| {
        jobs[*job].remaining_prompt_tokens().saturating_sub(jobs[*job].steps_waited * AGING_TOKENS_PER_STEP)
    });
    let mut shares = vec![0; jobs.len()];
    for job in readers {
        shares[job] = room.min(jobs[job].remaining_prompt_tokens());
        room -= shares[job];
    }
    shares
}

/// Answers that a step with this share of the job's prompt draws tokens for.
fn decoding_candidates(job: &ActiveJob, turn: Priority, share: usize) -> usize {
    match &job.phase {
        _ if job.priority() != turn => 0,
        Phase::Prefill(_) => usize::from(share > 0 && share == job.remaining_prompt_tokens()),
        Phase::Decode(candidates) => candidates.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_thread_is_enough_for_a_few_rows_on_a_quick_machine() {
        let leaves = |rows: usize, milliseconds: Option<u64>| {
            let mut pace = StepCostModel::default();
            milliseconds.into_iter().for_each(|time| pace.record(64, Duration::from_millis(time)));
            Batch { tokens: vec![0; rows], ..Batch::default() }.fits_one_thread(&pace)
        };
        assert!(leaves(1, Some(60)) && leaves(MAX_MEMORY_BOUND_ROWS, Some(110)));
        assert!(!leaves(MAX_MEMORY_BOUND_ROWS + 1, Some(60)) && !leaves(1, Some(130)) && !leaves(1, None));
    }
}
