//! A cache of the texts at hand, mixed into what the model says: what followed the last letters where they stood before gets
//! a share of the probability (cache language model, Kuhn & De Mori 1990; Grave et al. 2017). A small model knows little of
//! a repository; its texts do.

use std::sync::Arc;

use memchr::memmem;

use crate::speculative::common_suffix_len;
use crate::tokenizer::Tokenizer;

/// Bytes before a place that must be the same for it to count.
const MIN_MATCH_BYTES: usize = 12;
/// Bytes that are compared: more say no more.
const MAX_MATCH_BYTES: usize = 64;
/// Places that count in one text.
const MAX_MATCHES_PER_TEXT: usize = 32;
/// Bytes behind a place that are looked at: as long as tokens of code are.
const MAX_CONTINUATION_BYTES: usize = 24;
/// Tokens of the model's own that may gain: the likeliest ones.
const MAX_BOOSTED_TOKENS: usize = 24;
/// The weight of places that together have half of the probability. A place weighs `(common bytes / 16)²`.
const HALF_SHARE_WEIGHT: f32 = 30.0;

/// The texts, and the text that is written on.
pub(crate) struct CacheLm {
    texts: Vec<Arc<str>>,
    prompt_tail: Vec<u8>,
    healing_prefix_len: usize,
}

impl CacheLm {
    /// Of texts, where the prompt ends with `lead` and `healed` bytes that have to be spelt first.
    pub(crate) fn new(texts: Vec<Arc<str>>, lead: &str, healed: usize) -> Self {
        let lead = lead.as_bytes();
        Self {
            texts,
            prompt_tail: lead[lead.len().saturating_sub(MAX_MATCH_BYTES)..].to_vec(),
            healing_prefix_len: healed,
        }
    }

    /// The likeliest token of the mixture behind the bytes that were `written`, and the natural logarithm of its probability
    /// there; `best` is what the model alone would take. A token gains only at places that go on with its letters, and of
    /// tokens that begin alike the longest.
    pub(crate) fn choose_token(
        &self,
        tokenizer: &Tokenizer,
        logits: &[f32],
        best: (u32, f32),
        written: &[u8],
    ) -> (u32, f32) {
        let places = self.find_matches(written);
        if places.is_empty() {
            return best;
        }
        let top = top_k(logits);
        let mut gains = vec![0.0; top.len()];
        for (weight, follows) in places {
            let length = |at: usize| {
                Some(tokenizer.token_bytes(top[at].0)).filter(|it| follows.starts_with(it)).map(<[u8]>::len)
            };
            let fits = (0..top.len()).filter_map(|at| Some((length(at)?, at)));
            if let Some((1.., at)) = fits.max_by_key(|(length, at)| (*length, std::cmp::Reverse(*at))) {
                gains[at] += weight;
            }
        }
        let total: f32 = gains.iter().sum();
        if total == 0.0 {
            return best;
        }
        let (share, own) = (total / (total + HALF_SHARE_WEIGHT), HALF_SHARE_WEIGHT / (total + HALF_SHARE_WEIGHT));
        let mixed = |at: usize| {
            let log = best.1 + top[at].1 - logits[best.0 as usize];
            (top[at].0, own * log.exp() + share * gains[at] / total)
        };
        let first = (best.0, own * best.1.exp());
        let likeliest =
            (0..top.len()).map(mixed).fold(first, |best, other| if other.1 > best.1 { other } else { best });
        (likeliest.0, likeliest.1.ln())
    }

    /// What stands behind the places that end as the text does, and how much each weighs.
    fn find_matches(&self, written: &[u8]) -> Vec<(f32, &[u8])> {
        if written.len() < self.healing_prefix_len {
            return Vec::new();
        }
        let tail = [&self.prompt_tail, written].concat();
        let tail = &tail[tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        let Some(start) = tail.len().checked_sub(MIN_MATCH_BYTES) else { return Vec::new() };
        let finder = memmem::Finder::new(&tail[start..]);
        let mut places = Vec::new();
        for text in &self.texts {
            let bytes = text.as_bytes();
            let ends = finder.find_iter(bytes).map(|at| at + MIN_MATCH_BYTES).filter(|end| *end < bytes.len());
            places.extend(ends.take(MAX_MATCHES_PER_TEXT).map(|end| {
                let common = common_suffix_len(&bytes[..end], tail) as f32;
                ((common / 16.0).powi(2), &bytes[end..bytes.len().min(end + MAX_CONTINUATION_BYTES)])
            }));
        }
        places
    }
}

/// The likeliest tokens with their logits, the likeliest first.
fn top_k(logits: &[f32]) -> Vec<(u32, f32)> {
    let mut top: Vec<(u32, f32)> = Vec::with_capacity(MAX_BOOSTED_TOKENS + 1);
    for (id, &logit) in logits.iter().enumerate() {
        if top.len() < MAX_BOOSTED_TOKENS || logit > top[MAX_BOOSTED_TOKENS - 1].1 {
            let at = top.partition_point(|(_, other)| *other >= logit);
            top.insert(at, (id as u32, logit));
            top.truncate(MAX_BOOSTED_TOKENS);
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken where `lead` is written on and the model thinks of tokens as `logits` say, and its share.
    fn taken(texts: &[&str], lead: &str, logits: &[(&str, f32)]) -> (String, f32) {
        let tokenizer = Tokenizer::byte_level(&["price", "prices", "count"], &["<|endoftext|>"]);
        let mut values = vec![-20.0; tokenizer.vocab_size()];
        let id = |text: &str| tokenizer.encode(text)[0];
        logits.iter().for_each(|(text, logit)| values[id(text) as usize] = *logit);
        let best = top_k(&values)[0].0;
        let log = crate::sampler::log_probability(&values, None, best);
        let cache = CacheLm::new(texts.iter().map(|text| Arc::from(*text)).collect(), lead, 0);
        let (id, log) = cache.choose_token(&tokenizer, &values, (best, log), b"");
        (String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned(), log.exp())
    }

    const SEEN: &str = "    total = total + item.prices\n";
    const LEAD: &str = "def sum(items):\n    total = total + item.";

    #[test]
    fn what_followed_the_same_letters_wins_where_the_model_is_unsure_and_not_where_it_is_sure() {
        let unsure = [("count", 0.1), ("prices", 0.0)];
        assert_eq!(taken(&[], LEAD, &unsure).0, "count");
        let (text, share) = taken(&[SEEN], LEAD, &unsure);
        // 25 common bytes weigh 2.44 of 32.44, and the model alone gives it 0.475.
        assert_eq!(text, "prices");
        assert!((share - (0.9247 * 0.475 + 0.0753)).abs() < 1e-3, "{share}");
        assert_eq!(taken(&[SEEN], LEAD, &[("count", 4.0), ("prices", 0.0)]).0, "count");
    }

    #[test]
    fn more_places_weigh_more_and_places_that_are_alike_only_for_a_few_letters_do_not_count() {
        let logits = [("count", 0.8), ("prices", 0.0)];
        assert_eq!(taken(&[SEEN], LEAD, &logits).0, "count");
        assert_eq!(taken(&[SEEN, SEEN, SEEN, SEEN, SEEN], LEAD, &logits).0, "prices");
        assert_eq!(taken(&["(item.prices)"; 9], LEAD, &logits).0, "count");
    }

    #[test]
    fn of_tokens_that_begin_alike_the_longest_gains() {
        assert_eq!(taken(&[SEEN; 4], LEAD, &[("count", 0.5), ("price", 0.4), ("prices", 0.3)]).0, "prices");
    }

    #[test]
    fn the_end_of_a_text_says_nothing() {
        let (text, share) = taken(&[LEAD], LEAD, &[("count", 0.0)]);
        assert_eq!(text, "count");
        assert!(share > 0.99, "{share}");
    }
}
