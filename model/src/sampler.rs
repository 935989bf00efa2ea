//! Sampling: chooses a token from logits, greedily or at random, and computes its log-probability.

use foretype_plugins::random::Random;

use crate::kernels::kernels;

/// Sampling parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// Softmax temperature: 0 is greedy decoding, 1 samples from the model's own distribution.
    pub temperature: f32,
    /// Number of the most probable tokens to sample from; 0 for all.
    pub top_k: usize,
    /// Total probability of the most probable tokens to sample from (nucleus sampling, Holtzman et al. 2020).
    pub top_p: f32,
    /// Lowest probability of a token to sample, relative to the most probable one.
    pub min_p: f32,
    /// Penalty on tokens that the output has already: positive logits are divided by it, negative ones multiplied
    /// (Keskar et al. 2019); 1 for none.
    pub repetition_penalty: f32,
    /// Random seed; equal seeds give equal tokens.
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl SamplingParams {
    /// True if the argmax of the logits is always chosen.
    pub(crate) fn is_greedy(&self) -> bool {
        self.temperature <= 0.0 && self.repetition_penalty == 1.0
    }
}

/// The logits to sample from.
#[derive(Clone, Copy)]
pub(crate) enum SampleLogits<'a> {
    /// The logits of all tokens.
    Full(&'a [f32]),
    /// The logits of the allowed tokens.
    Allowed(&'a [(u32, f32)]),
}

/// The sampler of one candidate.
pub(crate) struct Sampler {
    params: SamplingParams,
    random: Random,
}

impl Sampler {
    /// The sampler of candidate number `candidate`; each candidate has its own random numbers.
    pub(crate) fn new(params: SamplingParams, candidate: usize) -> Self {
        let state = params.seed.wrapping_add(candidate as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { params, random: Random::new(state) }
    }

    /// True if a token of this rank is the argmax of the logits.
    pub(crate) fn is_greedy(&self, rank: usize) -> bool {
        rank == 0 && self.params.is_greedy()
    }

    /// Samples a token. Returns it with its natural log-probability under the model, among the allowed tokens if the
    /// logits are limited to them; `None` if there is no token to choose.
    ///
    /// `rank` 1 takes the second most probable token, 2 the third, and so on, without sampling. `generated` are the
    /// output's tokens so far.
    pub(crate) fn sample(&mut self, logits: SampleLogits, rank: usize, generated: &[u32]) -> Option<(u32, f32)> {
        let score = |(id, logit)| (id, self.penalized_logit(logit, id, generated));
        let mut scores: Vec<(u32, f32)> = match logits {
            SampleLogits::Allowed(allowed) => allowed.iter().copied().map(score).collect(),
            SampleLogits::Full(logits) if self.is_greedy(rank) => {
                return argmax(logits).map(|id| (id, log_probability(logits, None, id)));
            }
            SampleLogits::Full(logits) => (0..).zip(logits.iter().copied()).map(score).collect(),
        };
        scores.retain(|(_, score)| !score.is_nan());
        let higher = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let id = if self.params.temperature <= 0.0 || rank > 0 {
            let rank = rank.min(scores.len().checked_sub(1)?);
            scores.select_nth_unstable_by(rank, higher).1.0
        } else {
            // Selecting the top k first saves sorting a vocabulary of a hundred thousand tokens.
            let top_k = self.params.top_k;
            if (1..scores.len()).contains(&top_k) {
                scores.select_nth_unstable_by(top_k - 1, higher);
                scores.truncate(top_k);
            }
            scores.sort_unstable_by(higher);
            self.sample_sorted(&scores)?
        };
        let logprob = match logits {
            SampleLogits::Full(logits) => log_probability(logits, None, id),
            SampleLogits::Allowed(allowed) => {
                let logit = allowed.iter().find(|(other, _)| *other == id)?.1;
                logit - log_sum_exp(allowed.iter().map(|(_, logit)| *logit))
            }
        };
        Some((id, logprob))
    }

    fn penalized_logit(&self, logit: f32, id: u32, generated: &[u32]) -> f32 {
        let penalty = self.params.repetition_penalty;
        if penalty == 1.0 || !generated.contains(&id) {
            logit
        } else if logit > 0.0 {
            logit / penalty
        } else {
            logit * penalty
        }
    }

    /// Samples from scores in descending order, after top-k, top-p and min-p.
    fn sample_sorted(&mut self, scores: &[(u32, f32)]) -> Option<u32> {
        let SamplingParams { temperature, top_k, top_p, min_p, .. } = self.params;
        let max = scores.first()?.1;
        let count = if top_k == 0 { scores.len() } else { top_k.min(scores.len()) };
        let weights: Vec<f32> = scores[..count].iter().map(|(_, score)| ((score - max) / temperature).exp()).collect();
        let total: f32 = weights.iter().sum();
        let (mut nucleus_len, mut nucleus_weight) = (0, 0.0);
        for weight in &weights {
            let in_nucleus = nucleus_weight < top_p * total && *weight >= min_p;
            if !in_nucleus {
                break;
            }
            nucleus_len += 1;
            nucleus_weight += weight;
        }
        let nucleus = &weights[..nucleus_len.max(1)];
        let mut remaining = self.random.unit_f32() * nucleus.iter().sum::<f32>();
        for (weight, (id, _)) in nucleus.iter().zip(scores) {
            remaining -= weight;
            if remaining < 0.0 {
                return Some(*id);
            }
        }
        // Rounding can leave a remainder after the last token.
        Some(scores[nucleus.len() - 1].0)
    }
}

/// Returns the token with the highest logit; of equal ones, the first.
fn argmax(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(usize, f32)> = None;
    for (id, logit) in logits.iter().enumerate() {
        if best.is_none_or(|(_, best)| *logit > best) && !logit.is_nan() {
            best = Some((id, *logit));
        }
    }
    best.map(|(id, _)| id as u32)
}

/// Returns the natural log-probability of a token, among the tokens `allowed` only if they are given.
pub(crate) fn log_probability(logits: &[f32], allowed: Option<&[u32]>, id: u32) -> f32 {
    let logit = logits[id as usize];
    match allowed {
        // SAFETY: the CPU supports the kernels in use.
        None => logit - unsafe { (kernels().log_sum_exp)(logits) }.1,
        Some(allowed) => logit - log_sum_exp(allowed.iter().filter_map(|id| logits.get(*id as usize).copied())),
    }
}

/// `ln(sum(exp(x)))`.
fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let max = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    max + logits.map(|logit| (logit - max).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(params: SamplingParams, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(params, 0);
        (0..count).filter_map(|_| sampler.sample(SampleLogits::Full(logits), 0, &[])).map(|(id, _)| id).collect()
    }

    const LOGITS: [f32; 5] = [0.0, 2.0, 1.0, -1.0, 1.9];

    #[test]
    fn greedy_sampling_returns_the_argmax_and_its_log_probability() {
        let (id, logprob) =
            Sampler::new(SamplingParams::default(), 0).sample(SampleLogits::Full(&LOGITS), 0, &[]).expect("a token");
        let total: f32 = LOGITS.iter().map(|l| l.exp()).sum();
        assert_eq!(id, 1);
        assert!((logprob - (2f32.exp() / total).ln()).abs() < 1e-5);
    }

    #[test]
    fn probabilities_are_among_the_allowed_tokens() {
        let mut sampler = Sampler::new(SamplingParams::default(), 0);
        assert_eq!(sampler.sample(SampleLogits::Allowed(&[(3, -1.0)]), 0, &[]), Some((3, 0.0)));
        let (id, logprob) = sampler.sample(SampleLogits::Allowed(&[(0, 0.0), (2, 1.0)]), 0, &[]).expect("a token");
        assert!(id == 2 && (logprob - (1f32.exp() / (1f32.exp() + 1.0)).ln()).abs() < 1e-5);
    }

    #[test]
    fn ranks_count_among_the_allowed_tokens() {
        let mut sampler = Sampler::new(SamplingParams::default(), 0);
        let mut ids = |logits, rank| sampler.sample(logits, rank, &[]).map(|(id, _)| id);
        assert_eq!(ids(SampleLogits::Full(&LOGITS), 1), Some(4));
        assert_eq!(ids(SampleLogits::Allowed(&[(0, 0.0), (3, -1.0)]), 0), Some(0));
        assert_eq!(ids(SampleLogits::Allowed(&[(0, 0.0), (3, -1.0)]), 7), Some(3));
        assert_eq!(ids(SampleLogits::Allowed(&[]), 0), None);
    }

    #[test]
    fn equal_seeds_give_equal_tokens() {
        let hot = SamplingParams { temperature: 1.0, seed: 7, ..SamplingParams::default() };
        assert_eq!(sample(hot.clone(), &LOGITS, 50), sample(hot.clone(), &LOGITS, 50));
        assert_ne!(sample(hot.clone(), &LOGITS, 50), sample(SamplingParams { seed: 8, ..hot }, &LOGITS, 50));
    }

    #[test]
    fn sampling_follows_the_distribution() {
        let sampled = sample(SamplingParams { temperature: 1.0, ..SamplingParams::default() }, &LOGITS, 20_000);
        let total: f32 = LOGITS.iter().map(|l| l.exp()).sum();
        for (id, logit) in LOGITS.iter().enumerate() {
            let share = sampled.iter().filter(|token| **token as usize == id).count() as f32 / 20_000.0;
            assert!((share - logit.exp() / total).abs() < 0.02, "{id}: {share}");
        }
    }

    #[test]
    fn top_k_top_p_and_min_p_limit_the_tokens() {
        let hot = SamplingParams { temperature: 1.0, ..SamplingParams::default() };
        let set = |sampling| sample(sampling, &LOGITS, 500).into_iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(set(SamplingParams { top_k: 2, ..hot.clone() }), [1, 4].into());
        assert_eq!(set(SamplingParams { top_p: 0.3, ..hot.clone() }), [1].into());
        assert_eq!(set(SamplingParams { min_p: 0.3, ..hot.clone() }), [1, 2, 4].into());
    }

    #[test]
    fn repetition_penalty_makes_a_repeated_token_less_likely() {
        let mut sampler = Sampler::new(SamplingParams { repetition_penalty: 2.0, ..SamplingParams::default() }, 0);
        assert_eq!(sampler.sample(SampleLogits::Full(&LOGITS), 0, &[1]).map(|(id, _)| id), Some(4));
    }

    #[test]
    fn nan_logits_are_never_sampled() {
        assert_eq!(sample(SamplingParams::default(), &[f32::NAN, 1.0], 1), [1]);
        assert!(sample(SamplingParams::default(), &[f32::NAN], 1).is_empty());
    }
}
