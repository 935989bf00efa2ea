//! Speculative decoding without a draft model: drafts are looked up in the prompt and in related texts (prompt lookup
//! decoding, Saxena 2023; inference with reference, Yang et al. 2023).
//!
//! The engine evaluates a draft in the same step as the token before it, and accepts the draft's tokens for as long as
//! the model would have chosen them itself. A wrong draft costs rows, but never changes the output.

use std::sync::Arc;

use memchr::memmem;

/// Tokens of a draft, at most. A step of one more row than this should cost little more than a one-row step.
pub(crate) const MAX_DRAFT_TOKENS: usize = 8;

/// Length limit of the first draft if there are only n-gram matches to draft from.
const INITIAL_NGRAM_DRAFT_TOKENS: usize = 4;

/// Byte n-grams at the end of the output to look up, the longest first; the first size with a match is used.
const NGRAM_SIZES: [NgramSize; 3] = [
    NgramSize { bytes: 8, min_visible_bytes: 3 },
    NgramSize { bytes: 4, min_visible_bytes: 2 },
    NgramSize { bytes: 2, min_visible_bytes: 1 },
];
/// Window at the end of a text, in bytes, in which all but the longest n-grams are looked up. Short n-grams occur
/// everywhere, and a near match is more likely to be right.
const SHORT_NGRAM_WINDOW_BYTES: usize = 16 << 10;
/// Matched bytes for each token of a draft.
const MATCHED_BYTES_PER_TOKEN: usize = 2;
/// Acceptance rates of drafts from n-gram matches, by the minimum length of the match in bytes; measured, see
/// `docs/log/0022-draft-length-by-cost.md`. A long match means that text is being copied.
const NGRAM_ACCEPTANCE_RATES: [(usize, AcceptanceRates); 4] = [
    (32, AcceptanceRates { first: 0.9, next: 0.9 }),
    (16, AcceptanceRates { first: 0.6, next: 0.7 }),
    (8, AcceptanceRates { first: 0.45, next: 0.6 }),
    (0, AcceptanceRates { first: 0.17, next: 0.6 }),
];
/// Acceptance rates of drafts from likely completions.
const COMPLETION_ACCEPTANCE_RATES: AcceptanceRates = AcceptanceRates { first: 0.45, next: 0.6 };
/// Longest match, in bytes.
const MAX_MATCH_BYTES: usize = 64;
/// Matches to compare in one text, at most.
const MAX_MATCHES_PER_TEXT: usize = 256;
/// Text of a draft, in bytes, at most; [`MAX_DRAFT_TOKENS`] tokens of code are shorter.
const MAX_DRAFT_BYTES: usize = 64;

/// A size of n-grams to look up.
struct NgramSize {
    bytes: usize,
    /// Minimum number of bytes that are not whitespace; whitespace alone occurs everywhere.
    min_visible_bytes: usize,
}

/// Acceptance rates of the tokens of a draft.
#[derive(Debug, Clone, Copy, PartialEq)]
struct AcceptanceRates {
    /// Probability of the first token.
    first: f32,
    /// Probability of each later token if the one before it is accepted.
    next: f32,
}

/// The source of drafts for one job.
pub(crate) struct Drafter {
    /// Likely outputs, each with the healing prefix in front.
    completions: Vec<Vec<u8>>,
    /// Texts that the output may repeat, the most relevant last.
    ngram_sources: Vec<Arc<str>>,
    /// The end of the prompt, without the healing prefix.
    prompt_tail: Vec<u8>,
    healing_prefix: Vec<u8>,
    /// Length limit of the next draft, adapted to the acceptance of earlier ones.
    max_tokens: usize,
}

/// A proposed continuation of the output.
#[derive(Debug, PartialEq)]
pub(crate) struct DraftProposal<'a> {
    pub(crate) text: &'a str,
    /// Tokens to draft, at most.
    max_tokens: usize,
    acceptance: AcceptanceRates,
}

impl DraftProposal<'_> {
    /// Returns the number of tokens to draft if a row costs `row_cost` of a one-row step. An accepted token saves a
    /// step, so a token is profitable while its probability of being accepted exceeds the cost of its row.
    pub(crate) fn profitable_tokens(&self, row_cost: f32) -> usize {
        let AcceptanceRates { first, next } = self.acceptance;
        let (mut tokens, mut acceptance) = (0, first);
        while tokens < self.max_tokens && acceptance > row_cost {
            tokens += 1;
            acceptance *= next;
        }
        tokens
    }
}

/// The budget of a step for the draft of one candidate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DraftBudget {
    /// Draft tokens, which are rows of the batch, at most.
    pub(crate) max_tokens: usize,
    /// Cost of a row, as a fraction of a one-row step.
    pub(crate) row_cost: f32,
}

impl Drafter {
    /// A drafter for a prompt that ends with `prompt_tail` and the text cut off as `healing_prefix`. `ngram_sources`
    /// are texts that the output may repeat, the most relevant last.
    pub(crate) fn new(
        likely_completions: &[String],
        ngram_sources: Vec<Arc<str>>,
        prompt_tail: &str,
        healing_prefix: &str,
    ) -> Self {
        let prompt_tail = &prompt_tail.as_bytes()[prompt_tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        let with_prefix = |text: &String| [healing_prefix.as_bytes(), text.as_bytes()].concat();
        Self {
            completions: likely_completions.iter().map(with_prefix).collect(),
            ngram_sources,
            prompt_tail: prompt_tail.to_vec(),
            healing_prefix: healing_prefix.into(),
            max_tokens: if likely_completions.is_empty() { INITIAL_NGRAM_DRAFT_TOKENS } else { MAX_DRAFT_TOKENS },
        }
    }

    /// Proposes text to follow the bytes `generated` so far, which include the healing prefix. A likely completion is
    /// preferred to an n-gram match.
    pub(crate) fn propose(&self, generated: &[u8]) -> Option<DraftProposal<'_>> {
        for completion in &self.completions {
            match completion.strip_prefix(generated) {
                None | Some([]) => {}
                Some(rest) => {
                    let text = complete_utf8_prefix(&rest[..rest.len().min(MAX_DRAFT_BYTES)])?;
                    let (max_tokens, acceptance) = (self.max_tokens, COMPLETION_ACCEPTANCE_RATES);
                    return Some(DraftProposal { text, max_tokens, acceptance });
                }
            }
        }
        self.propose_match(generated)
    }

    /// Proposes the text after the longest match of the end of the output in the n-gram sources.
    fn propose_match(&self, generated: &[u8]) -> Option<DraftProposal<'_>> {
        let spelled = if generated.len() < self.healing_prefix.len() { &self.healing_prefix } else { generated };
        let tail = [&self.prompt_tail, spelled].concat();
        let tail = &tail[tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        // The rest of the healing prefix is the end of the tail, but has yet to be generated: the draft begins with it.
        let unspelled_bytes = spelled.len() - generated.len();
        let (source, found) = NGRAM_SIZES.iter().find_map(|size| self.longest_match(tail, size))?;
        if found.matched_bytes < unspelled_bytes {
            return None;
        }
        let start = found.end - unspelled_bytes;
        let text = complete_utf8_prefix(&source[start..source.len().min(found.end + MAX_DRAFT_BYTES)])?;
        let rates = NGRAM_ACCEPTANCE_RATES.iter().find(|(min_bytes, _)| found.matched_bytes >= *min_bytes);
        let (_, acceptance) = rates?;
        let max_tokens = self.max_tokens.min(found.matched_bytes / MATCHED_BYTES_PER_TOKEN);
        Some(DraftProposal { text, max_tokens, acceptance: *acceptance })
    }

    /// Returns the longest match of the end of `tail` in the sources, of at least an n-gram of this size, with its
    /// source; of equal ones, the one in the most relevant source.
    fn longest_match(&self, tail: &[u8], size: &NgramSize) -> Option<(&[u8], NgramMatch)> {
        let ngram = &tail[tail.len().checked_sub(size.bytes)?..];
        if ngram.iter().filter(|byte| !byte.is_ascii_whitespace()).count() < size.min_visible_bytes {
            return None;
        }
        let window = if size.bytes < NGRAM_SIZES[0].bytes { SHORT_NGRAM_WINDOW_BYTES } else { usize::MAX };
        let mut longest: Option<(&[u8], NgramMatch)> = None;
        for source in self.ngram_sources.iter().rev() {
            let source = &source.as_bytes()[source.len().saturating_sub(window)..];
            let Some(found) = longest_match_in(source, tail, ngram) else { continue };
            if longest.as_ref().is_none_or(|(_, longest)| found.matched_bytes > longest.matched_bytes) {
                longest = Some((source, found));
            }
        }
        longest
    }

    /// Adapts the length of the next drafts to a verified one: half as long if nothing was accepted, twice as long if
    /// all of it was, else one token longer than what was accepted.
    pub(crate) fn record_acceptance(&mut self, drafted: usize, accepted: usize) {
        if drafted > 0 {
            self.max_tokens = match accepted {
                0 => 1.max(self.max_tokens / 2),
                _ if accepted == drafted => MAX_DRAFT_TOKENS.min(self.max_tokens.max(accepted) * 2),
                _ => accepted + 1,
            };
        }
    }
}

/// An occurrence of the end of the output in a text.
struct NgramMatch {
    matched_bytes: usize,
    /// Offset in the text at which the match ends and the draft begins.
    end: usize,
}

/// Returns the longest match of the end of `tail` in `text`, of at least `ngram`, which is that end; of equal ones, the
/// last. A match at the end of the text does not count, because nothing follows it.
fn longest_match_in(text: &[u8], tail: &[u8], ngram: &[u8]) -> Option<NgramMatch> {
    let ends = memmem::rfind_iter(text, ngram).map(|at| at + ngram.len()).filter(|end| *end < text.len());
    let mut longest: Option<NgramMatch> = None;
    for end in ends.take(MAX_MATCHES_PER_TEXT) {
        let matched_bytes = common_suffix_len(&text[..end], tail);
        if longest.as_ref().is_none_or(|longest| matched_bytes > longest.matched_bytes) {
            longest = Some(NgramMatch { matched_bytes, end });
        }
    }
    longest
}

/// Returns the length of the longest common suffix of two texts, in bytes.
pub(crate) fn common_suffix_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Returns the bytes as text, without an incomplete character at the end; `None` if they are empty or not UTF-8.
fn complete_utf8_prefix(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if text.is_empty() { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text proposed after `generated`, for a prompt of `prompt_tail` and a healing prefix.
    fn propose(
        completions: &[&str],
        sources: &[&str],
        prompt_tail: &str,
        healing_prefix: &str,
        generated: &str,
    ) -> Option<String> {
        let completions: Vec<String> = completions.iter().map(|text| (*text).to_owned()).collect();
        let sources = sources.iter().map(|text| Arc::from(*text)).collect();
        let drafter = Drafter::new(&completions, sources, prompt_tail, healing_prefix);
        drafter.propose(generated.as_bytes()).map(|proposal| proposal.text.to_owned())
    }

    #[test]
    fn a_likely_completion_is_proposed_while_the_output_follows_it() {
        assert_eq!(propose(&["turn x"], &[], "", "re", "").as_deref(), Some("return x"));
        assert_eq!(propose(&["turn x"], &[], "", "re", "retur").as_deref(), Some("n x"));
        assert_eq!(propose(&["turn x", "turns"], &[], "", "re", "return").as_deref(), Some(" x"));
        assert_eq!(propose(&["turn x"], &[], "", "re", "ref"), None);
        assert_eq!(propose(&["turn x"], &[], "", "re", "return x"), None);
    }

    #[test]
    fn text_after_an_earlier_match_is_proposed() {
        let text = "for item in items:\n    total += item.price\n";
        assert_eq!(propose(&[], &[text], "for item in", "", " ite").as_deref(), Some("ms:\n    total += item.price\n"));
        assert_eq!(
            propose(&[], &[text], "for item", " in", "").as_deref(),
            Some(" in items:\n    total += item.price\n")
        );
        assert_eq!(propose(&[], &[text], "", "", "price\n"), None, "nothing follows the match");
        assert_eq!(propose(&[], &["a\n        \nb"], "            ", "", ""), None, "whitespace is no match");
    }

    #[test]
    fn the_longest_match_is_used_and_of_equal_ones_the_last() {
        let texts = ["let size = count(first);", "the size = count(second); a size = count(third);"];
        assert_eq!(propose(&[], &texts, "let size = count(", "", "").as_deref(), Some("first);"));
        assert_eq!(propose(&[], &texts, "any size = count(", "", "").as_deref(), Some("third);"));
    }

    #[test]
    fn proposals_never_split_a_character() {
        let text = format!("let name = {}", "ü".repeat(60));
        let found = propose(&[], &[&text], "let name = ", "", "").expect("a proposal");
        assert!(found.chars().all(|letter| letter == 'ü') && found.len() <= MAX_DRAFT_BYTES);
        let drafter = Drafter::new(&["ü".into()], Vec::new(), "", "");
        assert_eq!(drafter.propose(&"ü".as_bytes()[..1]), None, "half a character is not text");
    }

    #[test]
    fn longer_matches_allow_longer_drafts() {
        let text = "the first word of a longer line follows the first letter";
        let tokens = |lead: &str| {
            let mut drafter = Drafter::new(&[], vec![text.into()], lead, "");
            drafter.record_acceptance(INITIAL_NGRAM_DRAFT_TOKENS, INITIAL_NGRAM_DRAFT_TOKENS);
            drafter.propose(b"").map(|proposal| proposal.max_tokens)
        };
        assert_eq!((tokens("d"), tokens("qx")), (None, None));
        assert_eq!((tokens("a wo"), tokens("my word")), (Some(1), Some(2)));
        assert_eq!((tokens("his first w"), tokens("the first word of a")), (Some(4), Some(MAX_DRAFT_TOKENS)));
    }

    #[test]
    fn fewer_tokens_are_profitable_when_rows_cost_more() {
        let tokens =
            |acceptance, row_cost| DraftProposal { text: "x", max_tokens: 6, acceptance }.profitable_tokens(row_cost);
        assert_eq!([0.0, 0.05, 0.2, 0.35, 0.5].map(|row| tokens(COMPLETION_ACCEPTANCE_RATES, row)), [6, 5, 2, 1, 0]);
        assert_eq!([0.0, 0.05, 0.2, 1.0].map(|row| tokens(NGRAM_ACCEPTANCE_RATES[3].1, row)), [6, 3, 0, 0]);
        assert_eq!([0.3, 0.7, 1.0].map(|row| tokens(NGRAM_ACCEPTANCE_RATES[0].1, row)), [6, 3, 0]);
    }

    #[test]
    fn short_matches_count_only_near_the_end_of_a_text() {
        let found = |spaces: usize, prompt_tail: &str| {
            let source = format!("let size = 1;{}", " ".repeat(spaces));
            propose(&[], &[&source], prompt_tail, "", "")
        };
        assert!(
            found(SHORT_NGRAM_WINDOW_BYTES - 20, "a size").is_some()
                && found(SHORT_NGRAM_WINDOW_BYTES, "a size").is_none()
        );
        assert!(found(SHORT_NGRAM_WINDOW_BYTES, "let size").is_some());
    }

    #[test]
    fn draft_length_adapts_to_acceptance() {
        let mut drafter = Drafter::new(&[], Vec::new(), "", "");
        drafter.record_acceptance(4, 4);
        assert_eq!(drafter.max_tokens, MAX_DRAFT_TOKENS);
        drafter.record_acceptance(8, 2);
        assert_eq!(drafter.max_tokens, 3);
        drafter.record_acceptance(3, 0);
        assert_eq!(drafter.max_tokens, 1);
        drafter.record_acceptance(0, 0);
        assert_eq!(drafter.max_tokens, 1);
        drafter.record_acceptance(1, 1);
        assert_eq!(drafter.max_tokens, 2);
    }
}
