//! The cost of a step on this machine, learned from the steps themselves.
//!
//! Two figures are kept: the time of a prompt token, from steps of many rows, and the cost of one more row in a step of
//! few. The first bounds the prefill budget of a step that also decodes, the second decides which draft tokens are
//! profitable.

use std::time::Duration;

use crate::speculative::MAX_DRAFT_TOKENS;

/// Prompt tokens of one step, at most.
pub(super) const MAX_PREFILL_TOKENS_PER_STEP: usize = 64;
/// Smallest prefill budget. A step of at least this many rows counts as prefill: its time tells the prefill speed.
pub(super) const MIN_PREFILL_TOKENS_PER_STEP: usize = 16;
/// Target time of a step that prefills while a user waits for tokens of another job.
const TARGET_STEP_TIME: Duration = Duration::from_millis(60);
/// Prompt tokens that a fast machine prefills in [`TARGET_STEP_TIME`], at least.
const FAST_MACHINE_PREFILL_TOKENS: usize = MAX_PREFILL_TOKENS_PER_STEP / 2;
/// Weight of the latest step in the moving average of the prefill time.
const LATEST_STEP_WEIGHT: f32 = 0.25;

/// A model of step times: the prefill speed, and the cost of a row in a small batch.
#[derive(Debug, Default)]
pub(super) struct StepCostModel {
    /// Moving average, in seconds; `None` before the first prefill step.
    seconds_per_prefill_token: Option<f32>,
    small_steps: RowCostRegression,
}

impl StepCostModel {
    /// Records the time of a step of `rows` rows that ran on all threads.
    pub(super) fn record(&mut self, rows: usize, time: Duration) {
        if rows >= MIN_PREFILL_TOKENS_PER_STEP {
            let latest = time.as_secs_f32() / rows as f32;
            let average = self.seconds_per_prefill_token.unwrap_or(latest);
            self.seconds_per_prefill_token = Some(average + (latest - average) * LATEST_STEP_WEIGHT);
        } else if rows <= 1 + MAX_DRAFT_TOKENS {
            self.small_steps.record(rows as f32, time.as_secs_f32());
        }
    }

    /// Prompt tokens prefilled per second; `None` before the first prefill step.
    pub(super) fn prefill_tokens_per_second(&self) -> Option<f32> {
        self.seconds_per_prefill_token.map(|seconds| 1.0 / seconds)
    }

    /// True if the machine is known to prefill [`FAST_MACHINE_PREFILL_TOKENS`] in the target time of a step.
    pub(super) fn is_fast_machine(&self) -> bool {
        self.seconds_per_prefill_token.is_some() && self.prefill_budget() >= FAST_MACHINE_PREFILL_TOKENS
    }

    /// Prefill budget, in tokens, of a step that also decodes: a multiple of the kernels' 8-row tile.
    pub(super) fn prefill_budget(&self) -> usize {
        let Some(seconds) = self.seconds_per_prefill_token else { return MAX_PREFILL_TOKENS_PER_STEP };
        let tokens = (TARGET_STEP_TIME.as_secs_f32() / seconds) as usize;
        (tokens / 8 * 8).clamp(MIN_PREFILL_TOKENS_PER_STEP, MAX_PREFILL_TOKENS_PER_STEP)
    }

    /// Time that one more row adds to a step, as a fraction of the time of a one-row step; 0 until it is known.
    pub(super) fn marginal_row_cost(&self) -> f32 {
        self.small_steps.marginal_row_cost
    }
}

/// A least-squares line through the times of steps of few rows, with exponentially decaying weights.
#[derive(Debug, Default)]
struct RowCostRegression {
    /// Weighted sums over the steps: of 1, rows, rows², seconds, and rows times seconds.
    sums: [f32; 5],
    marginal_row_cost: f32,
}

impl RowCostRegression {
    /// Factor by which the weight of a step decays with each later step.
    const DECAY_PER_STEP: f32 = 0.98;
    /// Total weight of the steps below which the fit is not used.
    const MIN_STEPS: f32 = 16.0;
    /// Variance of the rows below which the fit is not used: equal steps say nothing about the slope.
    const MIN_ROW_VARIANCE: f32 = 0.1;
    /// Upper limit of the marginal cost. Below it, a draft that is almost certain stays profitable, so that cheaper
    /// rows are noticed again.
    const MAX_ROW_COST: f32 = 0.6;
    /// Factor over the expected time to which a step's time is clipped. Slower steps were held up by other processes.
    const MAX_TIME_RATIO: f32 = 2.0;

    /// Adds a step to the sums and fits the line again.
    fn record(&mut self, rows: f32, seconds: f32) {
        let mut seconds = seconds;
        if let Some((one_row, slope)) = self.fit() {
            let expected = (one_row + slope * (rows - 1.0)).max(one_row);
            seconds = seconds.min(expected * Self::MAX_TIME_RATIO);
        }
        let step = [1.0, rows, rows * rows, seconds, rows * seconds];
        for (sum, value) in self.sums.iter_mut().zip(step) {
            *sum = *sum * Self::DECAY_PER_STEP + value;
        }
        if let Some((one_row, slope)) = self.fit() {
            self.marginal_row_cost = (slope / one_row).clamp(0.0, Self::MAX_ROW_COST);
        }
    }

    /// Seconds of a one-row step and of each further row; `None` while too little is known.
    fn fit(&self) -> Option<(f32, f32)> {
        let [count, rows, squares, seconds, products] = self.sums;
        let variance = squares / count - (rows / count).powi(2);
        if count < Self::MIN_STEPS || variance < Self::MIN_ROW_VARIANCE {
            return None;
        }
        let slope = (products / count - rows / count * (seconds / count)) / variance;
        let one_row = seconds / count - slope * (rows / count - 1.0);
        if one_row > 0.0 { Some((one_row, slope)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: impl IntoIterator<Item = (usize, u64)>) -> StepCostModel {
        let mut cost_model = StepCostModel::default();
        for (rows, milliseconds) in steps {
            cost_model.record(rows, Duration::from_millis(milliseconds));
        }
        cost_model
    }

    #[test]
    fn prefill_budget_follows_the_prefill_speed() {
        let budget = |milliseconds: u64| after([(64, milliseconds); 20]).prefill_budget();
        assert_eq!([10, 60, 90, 150, 1000].map(budget), [64, 64, 40, 24, 16]);
        assert_eq!(StepCostModel::default().prefill_budget(), 64);
    }

    #[test]
    fn one_slow_step_and_decode_steps_hardly_change_the_prefill_budget() {
        let mut cost_model = after([(64, 50); 20]);
        cost_model.record(64, Duration::from_millis(100));
        assert_eq!(cost_model.prefill_budget(), 56);
        for _ in 0..50 {
            cost_model.record(1, Duration::from_millis(20));
        }
        assert_eq!(cost_model.prefill_budget(), 56);
    }

    #[test]
    fn row_cost_is_learned_from_steps_of_different_sizes() {
        let steps = |row: u64| after((0..60).map(|step| (1 + step % 4, 20 + row * (step as u64 % 4))));
        for (row, cost) in [(1, 0.05), (6, 0.3), (12, 0.6), (40, 0.6)] {
            let learned = steps(row).marginal_row_cost();
            assert!((learned - cost).abs() < 0.01, "{row} ms: {learned}");
        }
        assert_eq!(StepCostModel::default().marginal_row_cost(), 0.0);
        assert_eq!(after((0..10).map(|step| (1 + step % 4, 20))).marginal_row_cost(), 0.0, "too few steps");
        assert_eq!(after([(1, 20); 100]).marginal_row_cost(), 0.0, "steps of equal size");
    }

    #[test]
    fn row_cost_survives_outliers_and_steps_of_equal_size() {
        let mut cost_model = after((0..60).map(|step| (1 + step % 4, 20 + 6 * (step as u64 % 4))));
        cost_model.record(1, Duration::from_secs(2));
        cost_model.record(4, Duration::from_secs(2));
        assert!((cost_model.marginal_row_cost() - 0.3).abs() < 0.06, "{}", cost_model.marginal_row_cost());
        for _ in 0..500 {
            cost_model.record(1, Duration::from_millis(20));
        }
        assert!((cost_model.marginal_row_cost() - 0.3).abs() < 0.1, "{}", cost_model.marginal_row_cost());
    }
}
