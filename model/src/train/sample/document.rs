//! Samples as tokens, truncated to fit into a row.

use foretype_plugins::sample::{Sample, SampleKind};
use foretype_plugins::{Content, PartSource};

use super::SampleError;
use crate::engine::prompt_encoder::PromptEncoder;
use crate::tokenizer::Tokenizer;

/// A tokenised sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// All tokens of the sample.
    pub(crate) tokens: Vec<u32>,
    /// Index of the first token of the answer. With token healing, that token begins with the prompt's last partial
    /// word, because this is where generation begins.
    pub(crate) answer: usize,
}

/// The result of fitting a sample into a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The whole sample fits.
    Whole(Document),
    /// The sample fits without the first lines of its text.
    Truncated(Document),
    /// The sample does not fit even after truncation.
    TooLong,
}

impl Document {
    /// Tokenises a sample. The tokens of its prompt are the same as those of a live prompt.
    ///
    /// # Errors
    /// Fails if the tokenizer lacks a special token; the error names it.
    pub(crate) fn new(sample: &Sample, tokenizer: &Tokenizer) -> Result<Self, SampleError> {
        let (mut tokens, healed) =
            PromptEncoder::default().encode_parts(&sample.prompt, tokenizer).map_err(SampleError::Prompt)?;
        let answer = tokens.len();
        tokens.extend(tokenizer.encode(&(healed + &sample.answer)));
        if let Some(end) = &sample.end_token {
            let missing = || SampleError::Prompt(format!("the model has no token {end}"));
            tokens.push(tokenizer.special_id(end).ok_or_else(missing)?);
        }
        Ok(Self { tokens, answer })
    }

    /// Tokenises a sample to at most `context` tokens. If it is too long, whole lines are removed from the beginning of
    /// the file's own text; markers, header and answer stay.
    ///
    /// # Errors
    /// Fails if the tokenizer lacks a special token; the error names it.
    pub(crate) fn fit(context: usize, sample: &Sample, tokenizer: &Tokenizer) -> Result<Fit, SampleError> {
        let document = Self::new(sample, tokenizer)?;
        if document.tokens.len() <= context {
            return Ok(Fit::Whole(document));
        }
        let mut shorter = sample.clone();
        let mut excess = document.tokens.len() - context;
        // Truncated text may be tokenised differently, so one pass may not suffice. Each pass removes some text.
        while shorten(&mut shorter, excess, tokenizer) {
            let document = Self::new(&shorter, tokenizer)?;
            match document.tokens.len().checked_sub(context) {
                Some(left @ 1..) => excess = left,
                _ => return Ok(Fit::Truncated(document)),
            }
        }
        Ok(Fit::TooLong)
    }
}

/// Removes whole lines with at least `excess` tokens from the beginning of the file's own text. Returns false if that
/// is impossible.
fn shorten(sample: &mut Sample, excess: usize, tokenizer: &Tokenizer) -> bool {
    let Some(text) = first_own_text(sample) else { return false };
    let Some(cut) = line_start_after(text, excess, tokenizer) else { return false };
    text.drain(..cut);
    if sample.kind == SampleKind::Whole {
        sample.answer_range.start += cut;
    }
    !sample.answer.trim().is_empty()
}

/// The first part of a sample that is text of the file itself.
fn first_own_text(sample: &mut Sample) -> Option<&mut String> {
    if sample.kind == SampleKind::Whole {
        return Some(&mut sample.answer);
    }
    for part in &mut sample.prompt.parts {
        if matches!(part.source, PartSource::Prefix | PartSource::Middle)
            && let Content::Text(text) = &mut part.content
            && !text.is_empty()
        {
            return Some(text);
        }
    }
    None
}

/// Byte offset of the first line that is preceded by at least `excess` tokens.
fn line_start_after(text: &str, excess: usize, tokenizer: &Tokenizer) -> Option<usize> {
    let ids = tokenizer.encode(text);
    let bytes: usize = ids.get(..excess)?.iter().map(|id| tokenizer.token_bytes(*id).len()).sum();
    let from = bytes.saturating_sub(1);
    let end = text.as_bytes().get(from..)?.iter().position(|byte| *byte == b'\n')?;
    Some(from + end + 1)
}
