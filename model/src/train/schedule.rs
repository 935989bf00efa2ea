//! Learning-rate schedules, relative to the peak rate.

use serde::{Deserialize, Serialize};

/// A learning-rate schedule with warm-up and decay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Number of steps of the whole run.
    pub steps: usize,
    /// Number of steps of the linear warm-up.
    pub warm_up: usize,
    /// The decay after the warm-up.
    #[serde(rename = "fall")]
    pub decay: Decay,
    /// The final rate relative to the peak.
    pub floor: f64,
}

/// The decay of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "share")]
pub enum Decay {
    /// Half a cosine from the warm-up to the end (Loshchilov and Hutter 2017).
    Cosine,
    /// Constant, then linear over this last share of the steps.
    WarmDown(f64),
}

impl Schedule {
    /// The rate relative to the peak at a step, counted from 0.
    pub(crate) fn rate(&self, step: usize) -> f64 {
        let rise = if self.warm_up > 0 { ((step + 1) as f64 / self.warm_up as f64).min(1.0) } else { 1.0 };
        rise * (self.floor + (1.0 - self.floor) * self.remaining_share(step))
    }

    /// The decay factor, from 1 after the warm-up to 0 at the end.
    fn remaining_share(&self, step: usize) -> f64 {
        let falling = self.steps.saturating_sub(self.warm_up).max(1) as f64;
        let done = (step.saturating_sub(self.warm_up) as f64 / falling).min(1.0);
        match self.decay {
            Decay::Cosine => 0.5 * (1.0 + (done * std::f64::consts::PI).cos()),
            Decay::WarmDown(share) => {
                let last = (share * self.steps as f64).max(1.0);
                (self.steps.saturating_sub(step) as f64 / last).min(1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(fall: Decay) -> Vec<f64> {
        let schedule = Schedule { steps: 100, warm_up: 10, decay: fall, floor: 0.1 };
        (0..=100).map(|step| schedule.rate(step)).collect()
    }

    #[test]
    fn the_rate_rises_to_its_peak_and_decays_to_its_floor() {
        for fall in [Decay::Cosine, Decay::WarmDown(0.4)] {
            let rates = rates(fall);
            assert!((rates[0] - 0.1).abs() < 1e-9 && rates[..10].is_sorted(), "{fall:?}: {:?}", &rates[..10]);
            assert!((rates[10] - 1.0).abs() < 1e-9 && (rates[100] - 0.1).abs() < 1e-9, "{fall:?}");
            assert!(rates[10..].iter().rev().is_sorted(), "{fall:?}");
        }
    }

    #[test]
    fn warm_down_begins_with_a_constant_rate() {
        let rates = rates(Decay::WarmDown(0.4));
        assert!((rates[60] - 1.0).abs() < 1e-9 && rates[61] < 1.0);
    }

    #[test]
    fn a_run_of_no_steps_has_a_rate() {
        let schedule = Schedule { steps: 0, warm_up: 0, decay: Decay::Cosine, floor: 0.0 };
        assert!(schedule.rate(0).is_finite());
    }
}
