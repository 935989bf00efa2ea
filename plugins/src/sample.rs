//! Training samples: from a file of a repository to a prompt and the answer to learn.
//!
//! Samples are built by the code that builds live prompts. An [anchored](SampleKind::Anchored) sample removes a hole
//! from the file, asks the `fill` strategy for the prompt at its place, and adds the removed text. The other orders put
//! the same parts on windows of their own. Holes are cut at characters, before tokenization. All randomness comes from
//! a seeded [`Random`], so the same file, options and seed make the same samples.

mod chat;
mod hole;
mod mix;
mod pieces;
mod repository;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use crate::chat::Message;
use crate::fim_format::FimFormat;
use crate::prompt::{Part, PartSource, Prompt, Window};
use crate::random::Random;
use crate::request::{Budget, Document, PromptOrder, Request};
use crate::tasks::fill::{self, Fill};
use crate::{PromptStrategy, Result, syntax};

use hole::HoleContext;
pub use hole::HoleShares;
pub use mix::{OptionsError, SampleKind, SampleMix};
pub use repository::Repository;

/// A training sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Kind of the sample.
    pub kind: SampleKind,
    /// Messages before the prompt, to be spelled by the model's chat template.
    pub conversation: Vec<Message>,
    /// Input of the model, as it would be live. Empty in a whole sample without a header.
    pub prompt: Prompt,
    /// Text that the model learns to write.
    pub answer: String,
    /// Special token that ends the answer. `None` for a whole sample that is not the last piece of its file, since
    /// nothing ends there, and for a conversation, whose template ends it.
    pub end_token: Option<Cow<'static, str>>,
    /// Byte range of the answer in the file.
    pub answer_range: Range<usize>,
}

impl Sample {
    /// Everything that the model trains on, in reading order: the prompt, the answer and its end token.
    pub fn parts(&self) -> Vec<Part> {
        let answer = Part::text(self.answer.clone(), PartSource::Answer);
        let end = self.end_token.clone().map(Part::special);
        self.prompt.parts.iter().cloned().chain([answer]).chain(end).collect()
    }
}

/// Options of sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// FIM format of the model; without one, all samples are whole.
    pub format: Option<&'static FimFormat>,
    /// Special token that ends a text.
    pub end_token: Cow<'static, str>,
    /// Shares of the kinds of sample.
    pub mix: SampleMix,
    /// Shares of the places and lengths of holes.
    pub holes: HoleShares,
    /// Maximum length of the part of a file in one sample. A longer file makes several samples.
    pub max_piece_bytes: usize,
    /// Maximum lengths in an anchored sample, and of the snippets of every sample.
    pub budget: Budget,
}

impl SampleOptions {
    /// Default options for a context of `context_tokens` tokens.
    pub fn new(
        format: Option<&'static FimFormat>,
        end_token: impl Into<Cow<'static, str>>,
        context_tokens: usize,
    ) -> Self {
        let budget = Budget::for_context(context_tokens, context_tokens / 8);
        let max_piece_bytes =
            (budget.prefix + budget.suffix + budget.middle + budget.answer).max(pieces::MIN_PIECE_BYTES);
        Self {
            format,
            end_token: end_token.into(),
            mix: SampleMix::default(),
            holes: HoleShares::default(),
            max_piece_bytes,
            budget,
        }
    }

    /// Checks the options.
    ///
    /// # Errors
    /// If a share is not between 0 and 1, shares do not add up to 1, or pieces are too short. The message names the
    /// option.
    pub fn check(&self) -> std::result::Result<(), OptionsError> {
        self.mix.check()?;
        self.holes.check()?;
        if self.max_piece_bytes < pieces::MIN_PIECE_BYTES {
            return Err(OptionsError::PieceTooShort { piece: self.max_piece_bytes, smallest: pieces::MIN_PIECE_BYTES });
        }
        Ok(())
    }
}

/// Samples of one file, given by its index: one for each piece that is not blank.
///
/// # Errors
/// If the strategy cannot build a prompt.
pub fn samples(
    repository: &Repository,
    file: usize,
    options: &SampleOptions,
    random: &mut Random,
) -> Result<Vec<Sample>> {
    let Some(document) = repository.files().get(file) else { return Ok(Vec::new()) };
    let document = Document { tree: parse_document(document, &document.text), ..Document::clone(document) };
    let pieces = pieces::split_pieces(&document.text, options.max_piece_bytes, random);
    let sampled = SampledFile { repository, file, document, options };
    pieces.into_iter().map(|piece| sampled.sample(piece, random)).collect()
}

fn chat_sample(conversation: chat::Conversation) -> Sample {
    let chat::Conversation { messages, answer_prefix, answer, answer_range } = conversation;
    let prompt = Prompt { parts: vec![Part::text(answer_prefix, PartSource::Conversation)], ..Prompt::default() };
    Sample { kind: SampleKind::Chat, conversation: messages, prompt, answer, end_token: None, answer_range }
}

/// Length of a text above which it is not parsed for each sample.
const MAX_PARSED_BYTES: usize = 200_000;
/// Time limit of a parse, so long that samples do not depend on the speed of the machine.
const PARSE_TIMEOUT: Duration = Duration::from_secs(600);

/// Syntax tree of a version of a document's text; `None` if it is too long.
fn parse_document(document: &Document, text: &str) -> Option<tree_sitter::Tree> {
    if text.len() > MAX_PARSED_BYTES {
        return None;
    }
    syntax::parse_within(document.language, text, None, PARSE_TIMEOUT)
}

/// A file that is being sampled.
struct SampledFile<'a> {
    repository: &'a Repository,
    file: usize,
    document: Document,
    options: &'a SampleOptions,
}

impl SampledFile<'_> {
    /// The sample of a piece of the file.
    fn sample(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let chat = self.options.mix.chat;
        if chat > 0.0
            && random.happens(chat)
            && let Some(conversation) = chat::draw_conversation(&self.document, &piece, random)
        {
            return Ok(chat_sample(conversation));
        }
        match self.draw_hole(&piece, random) {
            None => self.whole_sample(piece, random),
            Some((SampleKind::Anchored, hole)) => self.anchored_sample(hole, random),
            Some((kind, hole)) => self.fim_sample(kind, piece, hole, random),
        }
    }

    /// Draws a kind of sample and a hole for it; `None` for a whole sample.
    fn draw_hole(&self, piece: &Range<usize>, random: &mut Random) -> Option<(SampleKind, Range<usize>)> {
        self.options.format?;
        let kind = self.options.mix.draw(random);
        let (text, tree) = (&*self.document.text, self.document.tree.as_ref());
        // An anchored prompt shows the file beyond the piece.
        let (text_end, max_bytes) = match kind {
            SampleKind::Anchored => (text.len(), self.options.budget.answer),
            _ => (piece.end, piece.len()),
        };
        let context = HoleContext { text, tree, piece: piece.clone(), text_end, max_bytes };
        match kind {
            SampleKind::Whole => None,
            SampleKind::Docstring => match context.docstring(random) {
                Some(hole) => Some((kind, hole)),
                None => Some((SampleKind::Psm, self.options.holes.draw(&context, random)?)),
            },
            kind => Some((kind, self.options.holes.draw(&context, random)?)),
        }
    }

    /// A sample without a hole: the piece is the answer.
    fn whole_sample(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let cursor = piece.start + self.document.text[piece.clone()].trim_end().len();
        let request = self.request(&(cursor..cursor), PromptOrder::Plain, random);
        let window = self.window(piece.start..cursor, cursor, cursor..cursor);
        let parts = fill::header(&request, &Fill.context(&request)?, &window);
        let is_last = self.document.text[piece.end..].trim().is_empty();
        let mut sample = self.with_answer(SampleKind::Whole, Prompt { parts, ..Prompt::default() }, piece);
        if !is_last {
            sample.end_token = None;
        }
        Ok(sample)
    }

    /// A sample with the prompt that the strategy builds live.
    fn anchored_sample(&self, hole: Range<usize>, random: &mut Random) -> Result<Sample> {
        let request = self.request(&hole, PromptOrder::Anchored, random);
        let prompt = Fill.prompt(&request, &Fill.context(&request)?)?;
        Ok(self.with_answer(SampleKind::Anchored, prompt, hole))
    }

    /// A sample of the piece around a hole, in PSM or suffix-first order.
    fn fim_sample(
        &self,
        kind: SampleKind,
        piece: Range<usize>,
        hole: Range<usize>,
        random: &mut Random,
    ) -> Result<Sample> {
        let (order, anchor) = match kind {
            SampleKind::SuffixFirst => (PromptOrder::Anchored, piece.start),
            _ => (PromptOrder::Plain, hole.start),
        };
        let request = self.request(&hole, order, random);
        let window = self.window(piece.start..anchor, anchor, hole.end..piece.end);
        let header = fill::header(&request, &Fill.context(&request)?, &window);
        let prompt = fill::build_prompt(&request, Window { header, ..window });
        Ok(self.with_answer(kind, prompt, hole))
    }

    /// A window with these byte ranges of the document.
    fn window(&self, prefix: Range<usize>, anchor: usize, suffix: Range<usize>) -> Window {
        Window {
            header: Vec::new(),
            prefix: self.document.text[prefix].to_owned(),
            anchor,
            suffix: self.document.text[suffix].to_owned(),
            layout: None,
            expired: false,
            reduced: false,
        }
    }

    /// A sample whose answer is a byte range of the document.
    fn with_answer(&self, kind: SampleKind, prompt: Prompt, answer_range: Range<usize>) -> Sample {
        let answer = self.document.text[answer_range.clone()].to_owned();
        let prompt = Prompt { window: None, ..prompt };
        Sample {
            kind,
            conversation: Vec::new(),
            prompt,
            answer,
            end_token: Some(self.options.end_token.clone()),
            answer_range,
        }
    }

    /// The request of an editor in which the file lacks the hole. Without a header it knows neither path nor other
    /// files, as for a text that was never saved; without imports it has no syntax tree, as for a text that is still
    /// being parsed.
    fn request(&self, hole: &Range<usize>, order: PromptOrder, random: &mut Random) -> Request {
        let (options, repository) = (self.options, self.repository);
        let has_header = random.happens(options.mix.header);
        let has_imports = has_header && !random.happens(options.mix.drop_imports);
        let open_files = repository.draw_open_files(self.file, random);
        let empty = Request::new(self.document_without(hole, has_header, has_imports), hole.start);
        let request = Request { format: options.format, budget: options.budget, order, ..empty };
        if !has_header {
            return request;
        }
        let name = repository.name().map(String::from);
        Request { repository: name, symbols: repository.symbols(), open_files, ..request }
    }

    /// The document without the hole, with or without its path and syntax tree.
    fn document_without(&self, hole: &Range<usize>, has_path: bool, has_tree: bool) -> Document {
        let document = &self.document;
        let mut text = document.text.clone();
        if !hole.is_empty() {
            text = [&document.text[..hole.start], &document.text[hole.end..]].concat().into();
        }
        let tree = match (has_tree, hole.is_empty()) {
            (false, _) => None,
            (true, true) => document.tree.clone(),
            (true, false) => parse_document(document, &text),
        };
        let path = if has_path { document.path.clone() } else { String::new() };
        Document { path, language: document.language, text, tree }
    }
}
