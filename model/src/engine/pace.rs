//! How fast this machine runs the model, learned from the steps as they come.

use std::time::Duration;

use crate::draft;

/// Prompt tokens that one step evaluates at the most.
pub(super) const CHUNK: usize = 64;
/// Rows from which on a step tells how fast prompts are read.
pub(super) const MANY: usize = 16;
/// How long a step may take that somebody waits for who is being written for.
const STEP: Duration = Duration::from_millis(60);
/// A machine is quick if it reads so many tokens of a prompt in that time.
const QUICK: usize = CHUNK / 2;
/// The share that the latest step has in what is known of reading.
const LATEST: f32 = 0.25;

/// How fast prompts are read, and so how much of them a step reads beside what is written; and what a row of a draft costs.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds for a token of a prompt.
    token: Option<f32>,
    few: FewRows,
}

impl Pace {
    /// A step of so many rows took so long on all threads.
    pub(super) fn took(&mut self, rows: usize, time: Duration) {
        if rows >= MANY {
            let token = time.as_secs_f32() / rows as f32;
            self.token = Some(self.token.map_or(token, |before| before + (token - before) * LATEST));
        } else if rows <= 1 + draft::MOST {
            self.few.took(rows as f32, time.as_secs_f32());
        }
    }

    /// Prompt tokens that are read in a second, if that is known.
    pub(super) fn reading(&self) -> Option<f32> {
        self.token.map(|token| 1.0 / token)
    }

    /// Whether it is known to read [`QUICK`] tokens in the time of a step.
    pub(super) fn is_quick(&self) -> bool {
        self.token.is_some() && self.beside() >= QUICK
    }

    /// Tokens of a prompt that a step reads at the most beside answers that are written: whole tiles of the kernels.
    pub(super) fn beside(&self) -> usize {
        self.token.map_or(CHUNK, |token| ((STEP.as_secs_f32() / token) as usize / 8 * 8).clamp(MANY, CHUNK))
    }

    /// What one more row adds to a step, as a share of a step of one row; 0 until it is known.
    pub(super) fn row(&self) -> f32 {
        self.few.row
    }
}

/// A line through the times of steps of few rows (least squares), of which the latest count most.
#[derive(Debug, Default)]
struct FewRows {
    /// Sums over the steps: how many, of rows, of their squares, of seconds, of rows times seconds.
    sums: [f32; 5],
    row: f32,
}

impl FewRows {
    /// What a step counts for after the next.
    const KEPT: f32 = 0.98;
    /// Steps before anything is known.
    const LEAST: f32 = 16.0;
    /// The variance of the rows that it takes: from steps that are all alike nothing can be told.
    const SPREAD: f32 = 0.1;
    /// What a row costs at the most: what is surely being copied is always drafted, and so it is seen when rows become cheaper.
    const DEAREST: f32 = 0.6;
    /// A step that takes more than so many times what was expected was held up by others.
    const HELD_UP: f32 = 2.0;

    fn took(&mut self, rows: f32, seconds: f32) {
        let seconds = self
            .line()
            .map_or(seconds, |(first, more)| seconds.min((first + more * (rows - 1.0)).max(first) * Self::HELD_UP));
        let step = [1.0, rows, rows * rows, seconds, rows * seconds];
        self.sums.iter_mut().zip(step).for_each(|(sum, step)| *sum = *sum * Self::KEPT + step);
        if let Some((first, more)) = self.line() {
            self.row = (more / first).clamp(0.0, Self::DEAREST);
        }
    }

    /// Seconds of a step of one row, and of each more; `None` while too little is known.
    fn line(&self) -> Option<(f32, f32)> {
        let [count, rows, squares, seconds, products] = self.sums;
        let spread = squares / count - (rows / count).powi(2);
        if count < Self::LEAST || spread < Self::SPREAD {
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

    fn after(steps: impl IntoIterator<Item = (usize, u64)>) -> Pace {
        let mut pace = Pace::default();
        steps.into_iter().for_each(|(rows, milliseconds)| pace.took(rows, Duration::from_millis(milliseconds)));
        pace
    }

    #[test]
    fn a_step_reads_what_the_machine_reads_in_its_time() {
        let chunk = |milliseconds: u64| after([(64, milliseconds); 20]).beside();
        assert_eq!([10, 60, 90, 150, 1000].map(chunk), [64, 64, 40, 24, 16]);
        assert_eq!(Pace::default().beside(), 64);
    }

    #[test]
    fn one_slow_step_and_steps_that_only_write_say_little_about_reading() {
        let mut pace = after([(64, 50); 20]);
        pace.took(64, Duration::from_millis(100));
        assert_eq!(pace.beside(), 56);
        (0..50).for_each(|_| pace.took(1, Duration::from_millis(20)));
        assert_eq!(pace.beside(), 56);
    }

    #[test]
    fn what_a_row_costs_is_learned_from_steps_of_different_rows() {
        let steps = |row: u64| after((0..60).map(|step| (1 + step % 4, 20 + row * (step as u64 % 4))));
        for (row, share) in [(1, 0.05), (6, 0.3), (12, 0.6), (40, 0.6)] {
            assert!((steps(row).row() - share).abs() < 0.01, "{row} ms: {}", steps(row).row());
        }
        assert_eq!(Pace::default().row(), 0.0);
        assert_eq!(after((0..10).map(|step| (1 + step % 4, 20))).row(), 0.0, "too few steps");
        assert_eq!(after([(1, 20); 100]).row(), 0.0, "all alike");
    }

    #[test]
    fn what_a_row_costs_outlasts_steps_that_are_all_alike_and_one_that_was_held_up() {
        let mut pace = after((0..60).map(|step| (1 + step % 4, 20 + 6 * (step as u64 % 4))));
        pace.took(1, Duration::from_secs(2));
        pace.took(4, Duration::from_secs(2));
        assert!((pace.row() - 0.3).abs() < 0.06, "{}", pace.row());
        (0..500).for_each(|_| pace.took(1, Duration::from_millis(20)));
        assert!((pace.row() - 0.3).abs() < 0.1, "{}", pace.row());
    }
}
