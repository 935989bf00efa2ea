//! A sample as tokens, and what becomes of one that is too long for a row.

use foretype_plugins::sample::{SampleKind, Sample};
use foretype_plugins::{Content, PartSource};

use super::SampleError;
use crate::engine::prompt_encoder::PromptEncoder;
use crate::tokenizer::Tokenizer;

/// A sample as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What is read.
    pub tokens: Vec<u32>,
    /// Index of the first token of the answer. With healing that is the token that begins with the prompt's last partial
    /// word, since that is where the model writes on.
    pub answer: usize,
}

/// How a sample fits into a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// As it is.
    Whole(Document),
    /// Without the first lines of its text.
    Truncated(Document),
    /// Not at all.
    TooLong,
}

impl Document {
    /// The tokens of a sample: those of its prompt are the ones that the engine makes of a live prompt.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub fn new(sample: &Sample, tokenizer: &Tokenizer) -> Result<Self, SampleError> {
        let (mut tokens, healed) = PromptEncoder::default().encode_parts(&sample.prompt, tokenizer).map_err(SampleError::Prompt)?;
        let answer = tokens.len();
        tokens.extend(tokenizer.encode(&(healed + &sample.answer)));
        if let Some(end) = &sample.end_token {
            let missing = || SampleError::Prompt(format!("the model has no token {end}"));
            tokens.push(tokenizer.special_id(end).ok_or_else(missing)?);
        }
        Ok(Self { tokens, answer })
    }

    /// The same in at most `context` tokens: what is too much is taken from the beginning of the file's own text, up to the
    /// beginning of a line. Markers, header and answer stay.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub fn fit(context: usize, sample: &Sample, tokenizer: &Tokenizer) -> Result<Fit, SampleError> {
        let document = Self::new(sample, tokenizer)?;
        if document.tokens.len() <= context {
            return Ok(Fit::Whole(document));
        }
        let mut shorter = sample.clone();
        let mut excess = document.tokens.len() - context;
        // Text cut elsewhere may be tokenised otherwise, so once may not be enough; each time some of it goes.
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

/// Takes whole lines with at least `excess` tokens from the beginning of the file's own text, if it has as many.
fn shorten(sample: &mut Sample, excess: usize, tokenizer: &Tokenizer) -> bool {
    let Some(text) = first_own_text(sample) else { return false };
    let Some(cut) = line_start_after(text, excess, tokenizer) else { return false };
    text.drain(..cut);
    if sample.kind == SampleKind::Whole {
        sample.answer_range.start += cut;
    }
    !sample.answer.trim().is_empty()
}

/// Where the file's own text begins in a sample.
fn first_own_text(sample: &mut Sample) -> Option<&mut String> {
    if sample.kind == SampleKind::Whole {
        return Some(&mut sample.answer);
    }
    let own = sample.prompt.parts.iter_mut().filter(|part| matches!(part.source, PartSource::Prefix | PartSource::Middle));
    let mut texts = own.filter_map(|part| if let Content::Text(text) = &mut part.content { Some(text) } else { None });
    texts.find(|text| !text.is_empty())
}

/// Where the first line begins before which there are at least `excess` tokens.
fn line_start_after(text: &str, excess: usize, tokenizer: &Tokenizer) -> Option<usize> {
    let ids = tokenizer.encode(text);
    let bytes: usize = ids.get(..excess)?.iter().map(|id| tokenizer.token_bytes(*id).len()).sum();
    let from = bytes.saturating_sub(1);
    let end = text.as_bytes().get(from..)?.iter().position(|byte| *byte == b'\n')?;
    Some(from + end + 1)
}
