//! Drafts without a draft model: guesses at what comes next, taken from texts that are at hand (prompt lookup; Saxena 2023,
//! Yang et al. 2023).
//!
//! The engine evaluates a draft in the same step as the token before it and keeps of it what the model would have written
//! anyway. So a draft may be wrong, and may be any text at all: it costs rows, never a letter of the answer.

use std::sync::Arc;

use memchr::memmem;

/// Tokens of a draft at the most. A step of one more row than this should cost little more than a step of one.
pub(crate) const MAX_DRAFT_TOKENS: usize = 8;

/// Tokens of the first draft of an answer that only repeats a text.
const INITIAL_NGRAM_DRAFT_TOKENS: usize = 4;

/// Bytes at the end of what is written that must stand in a text for it to be repeated, and how many of them must be no
/// blanks, which stand everywhere. The first length that is found counts.
const NGRAM_BYTES: [(usize, usize); 3] = [(8, 3), (4, 2), (2, 1)];
/// Ends shorter than the first are looked for in so many bytes at the end of a text: they stand everywhere, and what is near is
/// likelier.
const SHORT_NGRAM_WINDOW_BYTES: usize = 16 << 10;
/// For each so many bytes that agree, a token is guessed.
const MATCHED_BYTES_PER_TOKEN: usize = 2;
/// Where so many bytes agree: what is known of such drafts (docs/performance.md). What agrees in a long text is being copied.
const NGRAM_ACCEPTANCE_RATES: [(usize, AcceptanceRates); 4] =
    [(32, (0.9, 0.9)), (16, (0.6, 0.7)), (8, (0.45, 0.6)), (0, (0.17, 0.6))];
/// The same of answers that are likely.
const COMPLETION_ACCEPTANCE_RATES: AcceptanceRates = (0.45, 0.6);
/// Bytes that are compared to find the likest place.
const MAX_MATCH_BYTES: usize = 64;
/// Places that are compared in one text.
const MAX_MATCHES_PER_TEXT: usize = 256;
/// Bytes of text that make a draft; more than [`MOST`] tokens of code have.
const MAX_DRAFT_BYTES: usize = 64;

/// How often the first token of a draft is right, and each next one after one that was.
type AcceptanceRates = (f32, f32);

/// The guesses for one job.
pub(crate) struct Drafter {
    /// Whole answers that are likely, with what has to be spelt first.
    completions: Vec<Vec<u8>>,
    /// Texts that the answer may repeat, the likeliest last.
    ngram_sources: Vec<Arc<str>>,
    /// The end of the prompt, without what was healed.
    prompt_tail: Vec<u8>,
    healing_prefix: Vec<u8>,
    max_tokens: usize,
}

/// A text that may follow.
#[derive(Debug, PartialEq)]
pub(crate) struct DraftProposal<'a> {
    pub(crate) text: &'a str,
    /// Tokens of it that are guessed at the most.
    max_tokens: usize,
    acceptance: AcceptanceRates,
}

impl DraftProposal<'_> {
    /// Tokens of it that are worth a row each, if a row costs this share of a step: a token that is right saves a step.
    pub(crate) fn profitable_tokens(&self, row: f32) -> usize {
        let (first, next) = self.acceptance;
        let chances = std::iter::successors(Some(first), |chance| Some(chance * next));
        chances.take(self.max_tokens).take_while(|chance| *chance > row).count()
    }
}

/// What a step has left for the draft of one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DraftBudget {
    /// Rows, at the most.
    pub(crate) max_tokens: usize,
    /// What one of them costs, as a share of a step of one row.
    pub(crate) row_cost: f32,
}

impl Drafter {
    /// From answers that are likely, and texts that the answer may repeat (the likeliest last), after a prompt that ends
    /// with `lead` and the text that was `healed`.
    pub(crate) fn new(likely: &[String], texts: Vec<Arc<str>>, lead: &str, healed: &str) -> Self {
        let lead = &lead.as_bytes()[lead.len().saturating_sub(MAX_MATCH_BYTES)..];
        Self {
            completions: likely.iter().map(|draft| [healed.as_bytes(), draft.as_bytes()].concat()).collect(),
            ngram_sources: texts,
            prompt_tail: lead.to_vec(),
            healing_prefix: healed.into(),
            max_tokens: if likely.is_empty() { INITIAL_NGRAM_DRAFT_TOKENS } else { MAX_DRAFT_TOKENS },
        }
    }

    /// A guess at the text that follows the bytes that were `written`, the healed ones among them.
    pub(crate) fn propose(&self, written: &[u8]) -> Option<DraftProposal<'_>> {
        let likely =
            self.completions.iter().filter_map(|text| text.strip_prefix(written)).find(|rest| !rest.is_empty());
        if let Some(rest) = likely {
            let text = complete_utf8_prefix(&rest[..rest.len().min(MAX_DRAFT_BYTES)])?;
            return Some(DraftProposal { text, max_tokens: self.max_tokens, acceptance: COMPLETION_ACCEPTANCE_RATES });
        }
        let spelt = if written.len() < self.healing_prefix.len() { &self.healing_prefix } else { written };
        let tail = [&self.prompt_tail, spelt].concat();
        let tail = &tail[tail.len().saturating_sub(MAX_MATCH_BYTES)..];
        // What has still to be spelt is the end of the tail, so the draft begins with it.
        let again = spelt.len() - written.len();
        let (common, at, text) = NGRAM_BYTES.iter().find_map(|(shortest, telling)| {
            let end = &tail[tail.len().checked_sub(*shortest)?..];
            if end.iter().filter(|byte| !byte.is_ascii_whitespace()).count() < *telling {
                return None;
            }
            let reach = if *shortest < NGRAM_BYTES[0].0 { SHORT_NGRAM_WINDOW_BYTES } else { usize::MAX };
            let texts = self.ngram_sources.iter().rev().map(|text| text.as_bytes());
            let near = texts.map(|text| &text[text.len().saturating_sub(reach)..]);
            let found = near.filter_map(|text| longest_match(text, tail, end).map(|(common, at)| (common, at, text)));
            found.reduce(|best, other| if other.0 > best.0 { other } else { best })
        })?;
        if common < again {
            return None;
        }
        let text = complete_utf8_prefix(&text[at - again..text.len().min(at + MAX_DRAFT_BYTES)])?;
        let odds = NGRAM_ACCEPTANCE_RATES
            .iter()
            .find(|(agreeing, _)| common >= *agreeing)
            .map_or(COMPLETION_ACCEPTANCE_RATES, |(_, odds)| *odds);
        Some(DraftProposal {
            text,
            max_tokens: self.max_tokens.min(common / MATCHED_BYTES_PER_TOKEN),
            acceptance: odds,
        })
    }

    /// A draft was evaluated: the next ones are shorter where it was refused, longer where all of it was accepted.
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

/// Where `text` goes on after the longest end of `tail` that it holds, at least its `end`, and how long that is; of equals,
/// the last place.
fn longest_match(text: &[u8], tail: &[u8], end: &[u8]) -> Option<(usize, usize)> {
    let places = memmem::rfind_iter(text, end).map(|at| at + end.len()).filter(|end| *end < text.len());
    let weighed = places.take(MAX_MATCHES_PER_TEXT).map(|end| (common_suffix_len(&text[..end], tail), end));
    weighed.reduce(|best, other| if other.0 > best.0 { other } else { best })
}

/// How many bytes two texts have in common at their ends.
pub(crate) fn common_suffix_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// The bytes as text, without a character at the end that is not whole; `None` if they are no text.
fn complete_utf8_prefix(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is guessed after a prompt `lead` of which `healed` was taken back, when `written` has been written.
    fn guess(likely: &[&str], texts: &[&str], lead: &str, healed: &str, written: &str) -> Option<String> {
        let likely: Vec<String> = likely.iter().map(|text| (*text).to_owned()).collect();
        let texts = texts.iter().map(|text| Arc::from(*text)).collect();
        Drafter::new(&likely, texts, lead, healed).propose(written.as_bytes()).map(|guess| guess.text.to_owned())
    }

    #[test]
    fn a_likely_answer_goes_on_while_it_is_being_written() {
        assert_eq!(guess(&["turn x"], &[], "", "re", "").as_deref(), Some("return x"));
        assert_eq!(guess(&["turn x"], &[], "", "re", "retur").as_deref(), Some("n x"));
        assert_eq!(guess(&["turn x", "turns"], &[], "", "re", "return").as_deref(), Some(" x"));
        assert_eq!(guess(&["turn x"], &[], "", "re", "ref"), None);
        assert_eq!(guess(&["turn x"], &[], "", "re", "return x"), None);
    }

    #[test]
    fn what_followed_the_same_words_before_is_repeated() {
        let text = "for item in items:\n    total += item.price\n";
        assert_eq!(guess(&[], &[text], "for item in", "", " ite").as_deref(), Some("ms:\n    total += item.price\n"));
        assert_eq!(
            guess(&[], &[text], "for item", " in", "").as_deref(),
            Some(" in items:\n    total += item.price\n")
        );
        assert_eq!(guess(&[], &[text], "", "", "price\n"), None, "nothing follows there");
        assert_eq!(guess(&[], &["a\n        \nb"], "            ", "", ""), None, "blanks tell nothing");
    }

    #[test]
    fn the_longest_repetition_counts_and_of_equals_the_last() {
        let texts = ["let size = count(first);", "the size = count(second); a size = count(third);"];
        assert_eq!(guess(&[], &texts, "let size = count(", "", "").as_deref(), Some("first);"));
        assert_eq!(guess(&[], &texts, "any size = count(", "", "").as_deref(), Some("third);"));
    }

    #[test]
    fn a_guess_never_cuts_a_character() {
        let text = format!("let name = {}", "ü".repeat(60));
        let found = guess(&[], &[&text], "let name = ", "", "").expect("a guess");
        assert!(found.chars().all(|letter| letter == 'ü') && found.len() <= MAX_DRAFT_BYTES);
        let drafter = Drafter::new(&["ü".into()], Vec::new(), "", "");
        assert_eq!(drafter.propose(&"ü".as_bytes()[..1]), None, "half a character is no text");
    }

    #[test]
    fn the_more_agrees_the_more_is_guessed() {
        let text = "the first word of a longer line follows the first letter";
        let tokens = |lead: &str| {
            let mut drafter = Drafter::new(&[], vec![text.into()], lead, "");
            drafter.record_acceptance(INITIAL_NGRAM_DRAFT_TOKENS, INITIAL_NGRAM_DRAFT_TOKENS);
            drafter.propose(b"").map(|guess| guess.max_tokens)
        };
        assert_eq!((tokens("d"), tokens("qx")), (None, None));
        assert_eq!((tokens("a wo"), tokens("my word")), (Some(1), Some(2)));
        assert_eq!((tokens("his first w"), tokens("the first word of a")), (Some(4), Some(MAX_DRAFT_TOKENS)));
    }

    #[test]
    fn the_dearer_a_row_the_less_is_worth_one() {
        let worth = |odds, row| DraftProposal { text: "x", max_tokens: 6, acceptance: odds }.profitable_tokens(row);
        assert_eq!([0.0, 0.05, 0.2, 0.35, 0.5].map(|row| worth(COMPLETION_ACCEPTANCE_RATES, row)), [6, 5, 2, 1, 0]);
        assert_eq!([0.0, 0.05, 0.2, 1.0].map(|row| worth(NGRAM_ACCEPTANCE_RATES[3].1, row)), [6, 3, 0, 0]);
        assert_eq!([0.3, 0.7, 1.0].map(|row| worth(NGRAM_ACCEPTANCE_RATES[0].1, row)), [6, 3, 0]);
    }

    #[test]
    fn what_agrees_in_little_is_guessed_only_from_near() {
        let found =
            |blanks: usize, lead: &str| guess(&[], &[&format!("let size = 1;{}", " ".repeat(blanks))], lead, "", "");
        assert!(
            found(SHORT_NGRAM_WINDOW_BYTES - 20, "a size").is_some()
                && found(SHORT_NGRAM_WINDOW_BYTES, "a size").is_none()
        );
        assert!(found(SHORT_NGRAM_WINDOW_BYTES, "let size").is_some());
    }

    #[test]
    fn refused_drafts_become_shorter_until_all_of_one_is_taken() {
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
