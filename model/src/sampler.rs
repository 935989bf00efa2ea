//! From logits to a token: greedy or sampled, with the log-probability of what was taken.

use foretype_plugins::random::Random;

use crate::kernels::kernels;

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the likeliest token; 1 draws from the model's own distribution.
    pub temperature: f32,
    /// Draw only from so many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Draw only from the likeliest tokens that together have this probability (nucleus sampling, Holtzman et al. 2020).
    pub top_p: f32,
    /// Draw only from tokens at least this likely, as a share of the likeliest.
    pub min_p: f32,
    /// Logits of tokens that the answer has already are divided by this where positive, multiplied where negative (Keskar
    /// et al. 2019); 1 for none.
    pub repetition_penalty: f32,
    /// The same seed draws the same tokens.
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl SamplingParams {
    /// Whether it is always the likeliest token that is drawn, as far as all are allowed.
    pub(crate) fn is_greedy(&self) -> bool {
        self.temperature <= 0.0 && self.repetition_penalty == 1.0
    }
}

/// What a token is drawn from.
#[derive(Clone, Copy)]
pub(crate) enum SampleLogits<'a> {
    /// The logits of all tokens.
    Full(&'a [f32]),
    /// Those of the tokens that are allowed.
    Allowed(&'a [(u32, f32)]),
}

/// Draws the tokens of one answer.
pub(crate) struct Sampler {
    params: SamplingParams,
    random: Random,
}

impl Sampler {
    pub(crate) fn new(sampling: SamplingParams, candidate: usize) -> Self {
        let state = sampling.seed.wrapping_add(candidate as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { params: sampling, random: Random::new(state) }
    }

    /// Whether it is the likeliest token that is drawn as candidate `rank`.
    pub(crate) fn is_greedy(&self, rank: usize) -> bool {
        rank == 0 && self.params.is_greedy()
    }

    /// A token, and its natural log-probability in the model's own distribution over those that may be drawn. `rank` 1 takes the
    /// second likeliest instead of the likeliest, and so on. `written` are the tokens of the answer so far.
    pub(crate) fn sample(&mut self, logits: SampleLogits, rank: usize, written: &[u32]) -> Option<(u32, f32)> {
        let score = |(id, logit)| (id, self.penalized_logit(logit, id, written));
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
            // Of a hundred thousand tokens the few that may be drawn are found without a sort of all.
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
                let own = allowed.iter().find(|(other, _)| *other == id)?.1;
                own - log_sum_exp(allowed.iter().map(|(_, logit)| *logit))
            }
        };
        Some((id, logprob))
    }

    fn penalized_logit(&self, logit: f32, id: u32, written: &[u32]) -> f32 {
        let penalty = self.params.repetition_penalty;
        match penalty == 1.0 || !written.contains(&id) {
            true => logit,
            false if logit > 0.0 => logit / penalty,
            false => logit * penalty,
        }
    }

    /// Draws from scores in falling order.
    fn sample_sorted(&mut self, scores: &[(u32, f32)]) -> Option<u32> {
        let SamplingParams { temperature, top_k, top_p, min_p, .. } = self.params;
        let top = scores.first()?.1;
        let count = if top_k == 0 { scores.len() } else { top_k.min(scores.len()) };
        let weights: Vec<f32> = scores[..count].iter().map(|(_, score)| ((score - top) / temperature).exp()).collect();
        let total: f32 = weights.iter().sum();
        let mut kept = 0.0;
        let inside = weights.iter().take_while(|weight| {
            let within = kept < top_p * total && **weight >= min_p;
            kept += **weight;
            within
        });
        let inside = inside.count().max(1);
        let mut at = self.random.unit_f32() * weights[..inside].iter().sum::<f32>();
        let chosen = weights[..inside].iter().position(|weight| {
            at -= weight;
            at < 0.0
        });
        Some(scores[chosen.unwrap_or(inside - 1)].0)
    }
}

/// The token with the highest logit; of equals, the first.
fn argmax(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(usize, f32)> = None;
    for (id, logit) in logits.iter().enumerate() {
        if best.is_none_or(|(_, best)| *logit > best) && !logit.is_nan() {
            best = Some((id, *logit));
        }
    }
    best.map(|(id, _)| id as u32)
}

/// The natural log-probability of a token in the model's own distribution, over `among` only if that is given.
pub(crate) fn log_probability(logits: &[f32], among: Option<&[u32]>, id: u32) -> f32 {
    let own = logits[id as usize];
    match among {
        // SAFETY: the kernels are those of a set that is here.
        None => own - unsafe { (kernels().log_sum)(logits) }.1,
        Some(among) => own - log_sum_exp(among.iter().filter_map(|id| logits.get(*id as usize).copied())),
    }
}

/// `ln(sum(exp(x)))`.
fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let top = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    top + logits.map(|logit| (logit - top).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: SamplingParams, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, 0);
        (0..count).filter_map(|_| sampler.sample(SampleLogits::Full(logits), 0, &[])).map(|(id, _)| id).collect()
    }

    const LOGITS: [f32; 5] = [0.0, 2.0, 1.0, -1.0, 1.9];

    #[test]
    fn greedy_takes_the_likeliest_and_knows_its_probability() {
        let (id, logprob) =
            Sampler::new(SamplingParams::default(), 0).sample(SampleLogits::Full(&LOGITS), 0, &[]).expect("a token");
        let total: f32 = LOGITS.iter().map(|l| l.exp()).sum();
        assert_eq!(id, 1);
        assert!((logprob - (2f32.exp() / total).ln()).abs() < 1e-5);
    }

    #[test]
    fn a_token_that_alone_is_allowed_is_certain() {
        let mut sampler = Sampler::new(SamplingParams::default(), 0);
        assert_eq!(sampler.sample(SampleLogits::Allowed(&[(3, -1.0)]), 0, &[]), Some((3, 0.0)));
        let (id, logprob) = sampler.sample(SampleLogits::Allowed(&[(0, 0.0), (2, 1.0)]), 0, &[]).expect("a token");
        assert!(id == 2 && (logprob - (1f32.exp() / (1f32.exp() + 1.0)).ln()).abs() < 1e-5);
    }

    #[test]
    fn ranks_and_permissions_are_kept() {
        let mut sampler = Sampler::new(SamplingParams::default(), 0);
        let mut ids = |logits, rank| sampler.sample(logits, rank, &[]).map(|(id, _)| id);
        assert_eq!(ids(SampleLogits::Full(&LOGITS), 1), Some(4));
        assert_eq!(ids(SampleLogits::Allowed(&[(0, 0.0), (3, -1.0)]), 0), Some(0));
        assert_eq!(ids(SampleLogits::Allowed(&[(0, 0.0), (3, -1.0)]), 7), Some(3));
        assert_eq!(ids(SampleLogits::Allowed(&[]), 0), None);
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        let hot = SamplingParams { temperature: 1.0, seed: 7, ..SamplingParams::default() };
        assert_eq!(draws(hot.clone(), &LOGITS, 50), draws(hot.clone(), &LOGITS, 50));
        assert_ne!(draws(hot.clone(), &LOGITS, 50), draws(SamplingParams { seed: 8, ..hot }, &LOGITS, 50));
    }

    #[test]
    fn sampling_follows_the_distribution() {
        let drawn = draws(SamplingParams { temperature: 1.0, ..SamplingParams::default() }, &LOGITS, 20_000);
        let total: f32 = LOGITS.iter().map(|l| l.exp()).sum();
        for (id, logit) in LOGITS.iter().enumerate() {
            let share = drawn.iter().filter(|d| **d as usize == id).count() as f32 / 20_000.0;
            assert!((share - logit.exp() / total).abs() < 0.02, "{id}: {share}");
        }
    }

    #[test]
    fn the_tail_is_cut_as_asked() {
        let hot = SamplingParams { temperature: 1.0, ..SamplingParams::default() };
        let set = |sampling| draws(sampling, &LOGITS, 500).into_iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(set(SamplingParams { top_k: 2, ..hot.clone() }), [1, 4].into());
        assert_eq!(set(SamplingParams { top_p: 0.3, ..hot.clone() }), [1].into());
        assert_eq!(set(SamplingParams { min_p: 0.3, ..hot.clone() }), [1, 2, 4].into());
    }

    #[test]
    fn a_repeated_token_is_less_likely() {
        let mut sampler = Sampler::new(SamplingParams { repetition_penalty: 2.0, ..SamplingParams::default() }, 0);
        assert_eq!(sampler.sample(SampleLogits::Full(&LOGITS), 0, &[1]).map(|(id, _)| id), Some(4));
    }

    #[test]
    fn nan_logits_are_never_drawn() {
        assert_eq!(draws(SamplingParams::default(), &[f32::NAN, 1.0], 1), [1]);
        assert!(draws(SamplingParams::default(), &[f32::NAN], 1).is_empty());
    }
}
