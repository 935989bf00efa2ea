//! N-gram cache model: a cache language model (Kuhn & De Mori 1990; Grave et al. 2017), interpolated with the model.
//!
//! Tokens that followed the last bytes of the output at earlier places in the prompt and in related texts get a share
//! of the probability. A small model knows little about a repository; the repository's own texts do.

use std::sync::Arc;

use memchr::memmem;

use crate::speculative::common_suffix_len;
use crate::tokenizer::Tokenizer;

/// Shortest match of the end of the output that counts, in bytes.
const MIN_MATCH_BYTES: usize = 12;
/// Longest match, in bytes. Longer ones weigh no more.
const MAX_MATCH_BYTES: usize = 64;
/// Matches that count in one text, at most.
const MAX_MATCHES_PER_TEXT: usize = 32;
/// Text to look at after a match, in bytes: the length of long tokens of code.
const MAX_CONTINUATION_BYTES: usize = 24;
/// Number of the model's most probable tokens that can gain probability.
const MAX_BOOSTED_TOKENS: usize = 24;
/// Total weight of the matches at which the cache gets half of the probability. A match weighs `(bytes / 16)²`.
const HALF_SHARE_WEIGHT: f32 = 30.0;

/// A cache language model over some texts.
pub(crate) struct CacheLm {
    texts: Vec<Arc<str>>,
    prompt_tail: Vec<u8>,
    /// Bytes of the output that only spell the healing prefix.
    healing_prefix_len: usize,
}

impl CacheLm {
    /// A model over `texts`, for a prompt that ends with `prompt_tail` and a healing prefix of `healing_prefix_len`
    /// bytes.
    pub(crate) fn new(texts: Vec<Arc<str>>, prompt_tail: &str, healing_prefix_len: usize) -> Self {
        let prompt_tail = &prompt_tail.as_bytes()[prompt_tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        Self { texts, prompt_tail: prompt_tail.to_vec(), healing_prefix_len }
    }

    /// Returns the argmax of the mixture after the bytes `generated` so far, with its natural log-probability there.
    ///
    /// `best` is the model's own choice, with its log-probability. Each match gives its weight to one token: the
    /// longest that the text after the match begins with.
    pub(crate) fn choose_token(
        &self,
        tokenizer: &Tokenizer,
        logits: &[f32],
        best: (u32, f32),
        generated: &[u8],
    ) -> (u32, f32) {
        let matches = self.find_matches(generated);
        if matches.is_empty() {
            return best;
        }
        let boostable = top_k(logits);
        let mut gains = vec![0.0; boostable.len()];
        for (weight, continuation) in matches {
            let (mut longest, mut longest_len) = (None, 0);
            for (rank, (id, _)) in boostable.iter().enumerate() {
                let bytes = tokenizer.token_bytes(*id);
                if bytes.len() > longest_len && continuation.starts_with(bytes) {
                    (longest, longest_len) = (Some(rank), bytes.len());
                }
            }
            if let Some(rank) = longest {
                gains[rank] += weight;
            }
        }
        let total: f32 = gains.iter().sum();
        if total == 0.0 {
            return best;
        }
        let cache_share = total / (total + HALF_SHARE_WEIGHT);
        let model_share = HALF_SHARE_WEIGHT / (total + HALF_SHARE_WEIGHT);
        let (mut argmax, mut highest) = (best.0, model_share * best.1.exp());
        for ((id, logit), gain) in boostable.into_iter().zip(gains) {
            let logprob = best.1 + logit - logits[best.0 as usize];
            let probability = model_share * logprob.exp() + cache_share * gain / total;
            if probability > highest {
                (argmax, highest) = (id, probability);
            }
        }
        (argmax, highest.ln())
    }

    /// Finds matches of the end of the output in the texts. Returns the weight of each match and the text after it.
    fn find_matches(&self, generated: &[u8]) -> Vec<(f32, &[u8])> {
        if generated.len() < self.healing_prefix_len {
            return Vec::new();
        }
        let tail = [&self.prompt_tail, generated].concat();
        let tail = &tail[tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        let Some(start) = tail.len().checked_sub(MIN_MATCH_BYTES) else { return Vec::new() };
        let finder = memmem::Finder::new(&tail[start..]);
        let mut matches = Vec::new();
        for text in &self.texts {
            let bytes = text.as_bytes();
            let ends = finder.find_iter(bytes).map(|at| at + MIN_MATCH_BYTES).filter(|end| *end < bytes.len());
            for end in ends.take(MAX_MATCHES_PER_TEXT) {
                let matched_bytes = common_suffix_len(&bytes[..end], tail) as f32;
                let continuation = &bytes[end..bytes.len().min(end + MAX_CONTINUATION_BYTES)];
                matches.push(((matched_bytes / 16.0).powi(2), continuation));
            }
        }
        matches
    }
}

/// Returns the [`MAX_BOOSTED_TOKENS`] most probable tokens with their logits, in descending order.
fn top_k(logits: &[f32]) -> Vec<(u32, f32)> {
    let mut top: Vec<(u32, f32)> = Vec::with_capacity(MAX_BOOSTED_TOKENS + 1);
    for (id, &logit) in logits.iter().enumerate() {
        if top.len() < MAX_BOOSTED_TOKENS || logit > top[MAX_BOOSTED_TOKENS - 1].1 {
            let rank = top.partition_point(|(_, other)| *other >= logit);
            top.insert(rank, (id as u32, logit));
            top.truncate(MAX_BOOSTED_TOKENS);
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token chosen after `prompt_tail`, and its probability, for a model that gives these logits.
    fn chosen(texts: &[&str], prompt_tail: &str, logits: &[(&str, f32)]) -> (String, f32) {
        let tokenizer = Tokenizer::byte_level(&["price", "prices", "count"], &["<|endoftext|>"]);
        let mut values = vec![-20.0; tokenizer.vocab_size()];
        let id = |text: &str| tokenizer.encode(text)[0];
        for (text, logit) in logits {
            values[id(text) as usize] = *logit;
        }
        let best = top_k(&values)[0].0;
        let logprob = crate::sampler::log_probability(&values, None, best);
        let cache_lm = CacheLm::new(texts.iter().map(|text| Arc::from(*text)).collect(), prompt_tail, 0);
        let (id, logprob) = cache_lm.choose_token(&tokenizer, &values, (best, logprob), b"");
        (String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned(), logprob.exp())
    }

    const SEEN: &str = "    total = total + item.prices\n";
    const PROMPT_TAIL: &str = "def sum(items):\n    total = total + item.";

    #[test]
    fn a_seen_continuation_wins_only_if_the_model_is_unsure() {
        let unsure = [("count", 0.1), ("prices", 0.0)];
        assert_eq!(chosen(&[], PROMPT_TAIL, &unsure).0, "count");
        let (text, share) = chosen(&[SEEN], PROMPT_TAIL, &unsure);
        // The match of 25 bytes weighs 2.44 of 32.44; the model alone gives the token 0.475.
        assert_eq!(text, "prices");
        assert!((share - (0.9247 * 0.475 + 0.0753)).abs() < 1e-3, "{share}");
        assert_eq!(chosen(&[SEEN], PROMPT_TAIL, &[("count", 4.0), ("prices", 0.0)]).0, "count");
    }

    #[test]
    fn more_matches_weigh_more_and_short_ones_do_not_count() {
        let logits = [("count", 0.8), ("prices", 0.0)];
        assert_eq!(chosen(&[SEEN], PROMPT_TAIL, &logits).0, "count");
        assert_eq!(chosen(&[SEEN, SEEN, SEEN, SEEN, SEEN], PROMPT_TAIL, &logits).0, "prices");
        assert_eq!(chosen(&["(item.prices)"; 9], PROMPT_TAIL, &logits).0, "count");
    }

    #[test]
    fn the_longest_matching_token_gains() {
        assert_eq!(chosen(&[SEEN; 4], PROMPT_TAIL, &[("count", 0.5), ("price", 0.4), ("prices", 0.3)]).0, "prices");
    }

    #[test]
    fn a_match_at_the_end_of_a_text_does_not_count() {
        let (text, share) = chosen(&[PROMPT_TAIL], PROMPT_TAIL, &[("count", 0.0)]);
        assert_eq!(text, "count");
        assert!(share > 0.99, "{share}");
    }
}
