//! How fast this machine runs the model, learned from the steps as they come.

use std::time::Duration;

use crate::speculative;

/// Prompt tokens that one step evaluates at the most.
pub(super) const MAX_PREFILL_TOKENS_PER_STEP: usize = 64;
/// Rows from which on a step tells how fast prompts are read.
pub(super) const MIN_PREFILL_TOKENS_PER_STEP: usize = 16;
/// How long a step may take that somebody waits for who is being written for.
const TARGET_STEP_TIME: Duration = Duration::from_millis(60);
/// A machine is quick if it reads so many tokens of a prompt in that time.
const FAST_MACHINE_PREFILL_TOKENS: usize = MAX_PREFILL_TOKENS_PER_STEP / 2;
/// The share that the latest step has in what is known of reading.
const LATEST_STEP_WEIGHT: f32 = 0.25;

/// How fast prompts are read, and so how much of them a step reads beside what is written; and what a row of a draft costs.
#[derive(Debug, Default)]
pub(super) struct StepCostModel {
    /// Seconds for a token of a prompt.
    seconds_per_prefill_token: Option<f32>,
    small_steps: RowCostRegression,
}

impl StepCostModel {
    /// A step of so many rows took so long on all threads.
    pub(super) fn record(&mut self, rows: usize, time: Duration) {
        if rows >= MIN_PREFILL_TOKENS_PER_STEP {
            let token = time.as_secs_f32() / rows as f32;
            self.seconds_per_prefill_token = Some(
                self.seconds_per_prefill_token.map_or(token, |before| before + (token - before) * LATEST_STEP_WEIGHT),
            );
        } else if rows <= 1 + speculative::MAX_DRAFT_TOKENS {
            self.small_steps.record(rows as f32, time.as_secs_f32());
        }
    }

    /// Prompt tokens that are read in a second, if that is known.
    pub(super) fn prefill_tokens_per_second(&self) -> Option<f32> {
        self.seconds_per_prefill_token.map(|token| 1.0 / token)
    }

    /// Whether it is known to read [`QUICK`] tokens in the time of a step.
    pub(super) fn is_fast_machine(&self) -> bool {
        self.seconds_per_prefill_token.is_some() && self.prefill_budget() >= FAST_MACHINE_PREFILL_TOKENS
    }

    /// Tokens of a prompt that a step reads at the most beside answers that are written: whole tiles of the kernels.
    pub(super) fn prefill_budget(&self) -> usize {
        self.seconds_per_prefill_token.map_or(MAX_PREFILL_TOKENS_PER_STEP, |token| {
            ((TARGET_STEP_TIME.as_secs_f32() / token) as usize / 8 * 8)
                .clamp(MIN_PREFILL_TOKENS_PER_STEP, MAX_PREFILL_TOKENS_PER_STEP)
        })
    }

    /// What one more row adds to a step, as a share of a step of one row; 0 until it is known.
    pub(super) fn marginal_row_cost(&self) -> f32 {
        self.small_steps.marginal_row_cost
    }
}

/// A line through the times of steps of few rows (least squares), of which the latest count most.
#[derive(Debug, Default)]
struct RowCostRegression {
    /// Sums over the steps: how many, of rows, of their squares, of seconds, of rows times seconds.
    sums: [f32; 5],
    marginal_row_cost: f32,
}

impl RowCostRegression {
    /// What a step counts for after the next.
    const DECAY_PER_STEP: f32 = 0.98;
    /// Steps before anything is known.
    const MIN_STEPS: f32 = 16.0;
    /// The variance of the rows that it takes: from steps that are all alike nothing can be told.
    const MIN_ROW_VARIANCE: f32 = 0.1;
    /// What a row costs at the most: what is surely being copied is always drafted, and so it is seen when rows become cheaper.
    const MAX_ROW_COST: f32 = 0.6;
    /// A step that takes more than so many times what was expected was held up by others.
    const MAX_TIME_RATIO: f32 = 2.0;

    fn record(&mut self, rows: f32, seconds: f32) {
        let seconds = self.fit().map_or(seconds, |(first, more)| {
            seconds.min((first + more * (rows - 1.0)).max(first) * Self::MAX_TIME_RATIO)
        });
        let step = [1.0, rows, rows * rows, seconds, rows * seconds];
        self.sums.iter_mut().zip(step).for_each(|(sum, step)| *sum = *sum * Self::DECAY_PER_STEP + step);
        if let Some((first, more)) = self.fit() {
            self.marginal_row_cost = (more / first).clamp(0.0, Self::MAX_ROW_COST);
        }
    }

    /// Seconds of a step of one row, and of each more; `None` while too little is known.
    fn fit(&self) -> Option<(f32, f32)> {
        let [count, rows, squares, seconds, products] = self.sums;
        let spread = squares / count - (rows / count).powi(2);
        if count < Self::MIN_STEPS || spread < Self::MIN_ROW_VARIANCE {
            return None;
        }
        let more = (products / count - rows / count * (seconds / count)) / spread;
        let first = seconds / count - more * (rows / count - 1.0);
        (first > 0.0).then_some((first, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: impl IntoIterator<Item = (usize, u64)>) -> StepCostModel {
        let mut pace = StepCostModel::default();
        steps.into_iter().for_each(|(rows, milliseconds)| pace.record(rows, Duration::from_millis(milliseconds)));
        pace
    }

    #[test]
    fn a_step_reads_what_the_machine_reads_in_its_time() {
        let chunk = |milliseconds: u64| after([(64, milliseconds); 20]).prefill_budget();
        assert_eq!([10, 60, 90, 150, 1000].map(chunk), [64, 64, 40, 24, 16]);
        assert_eq!(StepCostModel::default().prefill_budget(), 64);
    }

    #[test]
    fn one_slow_step_and_steps_that_only_write_say_little_about_reading() {
        let mut pace = after([(64, 50); 20]);
        pace.record(64, Duration::from_millis(100));
        assert_eq!(pace.prefill_budget(), 56);
        (0..50).for_each(|_| pace.record(1, Duration::from_millis(20)));
        assert_eq!(pace.prefill_budget(), 56);
    }

    #[test]
    fn what_a_row_costs_is_learned_from_steps_of_different_rows() {
        let steps = |row: u64| after((0..60).map(|step| (1 + step % 4, 20 + row * (step as u64 % 4))));
        for (row, share) in [(1, 0.05), (6, 0.3), (12, 0.6), (40, 0.6)] {
            assert!(
                (steps(row).marginal_row_cost() - share).abs() < 0.01,
                "{row} ms: {}",
                steps(row).marginal_row_cost()
            );
        }
        assert_eq!(StepCostModel::default().marginal_row_cost(), 0.0);
        assert_eq!(after((0..10).map(|step| (1 + step % 4, 20))).marginal_row_cost(), 0.0, "too few steps");
        assert_eq!(after([(1, 20); 100]).marginal_row_cost(), 0.0, "all alike");
    }

    #[test]
    fn what_a_row_costs_outlasts_steps_that_are_all_alike_and_one_that_was_held_up() {
        let mut pace = after((0..60).map(|step| (1 + step % 4, 20 + 6 * (step as u64 % 4))));
        pace.record(1, Duration::from_secs(2));
        pace.record(4, Duration::from_secs(2));
        assert!((pace.marginal_row_cost() - 0.3).abs() < 0.06, "{}", pace.marginal_row_cost());
        (0..500).for_each(|_| pace.record(1, Duration::from_millis(20)));
        assert!((pace.marginal_row_cost() - 0.3).abs() < 0.1, "{}", pace.marginal_row_cost());
    }
}
