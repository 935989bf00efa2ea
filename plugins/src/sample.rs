//! Training samples: a file of a repository becomes what a model reads and what it is to write.
//!
//! Samples are written by the code that writes live prompts. An [anchored](Kind::Anchored) sample takes a hole out of the file,
//! asks the `fill` strategy for the prompt at that place and adds what stood there. The other orders put the same parts on
//! a window of their own. Holes are cut at characters, before any tokenising. All chance comes from a seeded [`Random`], so
//! the same file, options and seed make the same samples.

mod chat;
mod hole;
mod mix;
mod pieces;
mod repository;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
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

/// A sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How it is written.
    pub kind: SampleKind,
    /// What was said before the prompt, as the model's own template is to spell it.
    pub conversation: Vec<Message>,
    /// What the model reads, as it would read it live. Empty in a whole sample without a header.
    pub prompt: Prompt,
    /// What it is to write.
    pub answer: String,
    /// The special token that ends the answer. A whole sample that is not the last piece of its file has none, since
    /// nothing ends there; that of a conversation is the template's affair.
    pub end_token: Option<Cow<'static, str>>,
    /// Where in the file the answer stands, in bytes.
    pub answer_range: Range<usize>,
}

impl Sample {
    /// All that is learnt from, in reading order: the prompt, the answer and the special token that ends it,
    /// if there is one.
    pub fn parts(&self) -> Vec<Part> {
        let answer = Part::text(self.answer.clone(), PartSource::Answer);
        let end = self.end_token.clone().map(Part::special);
        self.prompt.parts.iter().cloned().chain([answer]).chain(end).collect()
    }
}

/// How samples are made.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// How the model wants a hole written; without one all samples are whole.
    pub format: Option<&'static FimFormat>,
    /// The special token that ends a text.
    pub end_token: Cow<'static, str>,
    /// Which kinds of sample there are.
    pub mix: SampleMix,
    /// Where holes are cut.
    pub holes: HoleShares,
    /// Bytes of a file in one sample, at the most. A longer file makes several samples.
    pub max_piece_bytes: usize,
    /// What an anchored sample shows of a file, and every header of other files.
    pub budget: Budget,
}

impl SampleOptions {
    /// Defaults for a model that reads `context` tokens.
    pub fn new(format: Option<&'static FimFormat>, end: impl Into<Cow<'static, str>>, context: usize) -> Self {
        let budget = Budget::for_context(context, context / 8);
        let piece = (budget.prefix + budget.suffix + budget.middle + budget.answer).max(pieces::MIN_PIECE_BYTES);
        Self {
            format,
            end_token: end.into(),
            mix: SampleMix::default(),
            holes: HoleShares::default(),
            max_piece_bytes: piece,
            budget,
        }
    }

    /// Whether these options make sense.
    ///
    /// # Errors
    /// Names the option and says what it may be.
    pub fn check(&self) -> std::result::Result<(), OptionsError> {
        self.mix.check()?;
        self.holes.check()?;
        match self.max_piece_bytes < pieces::MIN_PIECE_BYTES {
            true => Err(OptionsError::PieceTooShort { piece: self.max_piece_bytes, smallest: pieces::MIN_PIECE_BYTES }),
            false => Ok(()),
        }
    }
}

/// The samples of one file: every piece of it that is not blank makes one.
///
/// # Errors
/// Where the strategy cannot write a prompt.
pub fn samples(
    repository: &Repository,
    file: usize,
    options: &SampleOptions,
    random: &mut Random,
) -> Result<Vec<Sample>> {
    let Some(document) = repository.files().get(file) else { return Ok(Vec::new()) };
    let document = Document { tree: parse_document(document, &document.text), ..Document::clone(document) };
    let pieces = pieces::split_pieces(&document.text, options.max_piece_bytes, random);
    let subject = SampledFile { repository, file, document, options };
    pieces.into_iter().map(|piece| subject.sample(piece, random)).collect()
}

fn chat_sample(talk: chat::Conversation) -> Sample {
    let chat::Conversation { messages, answer_prefix: opening, answer, bytes } = talk;
    let prompt = Prompt { parts: vec![Part::text(opening, PartSource::Conversation)], ..Prompt::default() };
    Sample { kind: SampleKind::Chat, conversation: messages, prompt, answer, end_token: None, answer_range: bytes }
}

/// The syntax tree of a text in the place of a document's. Text too long to be parsed for each sample has none. The time
/// limit is so long that the clock has no say in what a sample becomes.
fn parse_document(document: &Document, text: &str) -> Option<tree_sitter::Tree> {
    const LONGEST: usize = 200_000;
    const PATIENCE: Duration = Duration::from_secs(600);
    (text.len() <= LONGEST).then(|| syntax::parse_within(document.language, text, None, PATIENCE)).flatten()
}

/// A file that samples are made of.
struct SampledFile<'a> {
    repository: &'a Repository,
    file: usize,
    document: Document,
    options: &'a SampleOptions,
}

impl SampledFile<'_> {
    fn sample(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let chat = self.options.mix.chat;
        if chat > 0.0
            && random.happens(chat)
            && let Some(talk) = chat::draw_conversation(&self.document, &piece, random)
        {
            return Ok(chat_sample(talk));
        }
        match self.draw_hole(&piece, random) {
            None => self.whole_sample(piece, random),
            Some((SampleKind::Anchored, hole)) => self.anchored_sample(hole, random),
            Some((kind, hole)) => self.fim_sample(kind, piece, hole, random),
        }
    }

    /// A kind of sample with a hole for it, or `None` for a whole one.
    fn draw_hole(&self, piece: &Range<usize>, random: &mut Random) -> Option<(SampleKind, Range<usize>)> {
        self.options.format?;
        let kind = self.options.mix.draw(random);
        let (text, tree) = (&*self.document.text, self.document.tree.as_ref());
        // An anchored prompt shows the file beyond the piece.
        let (end, most) = match kind {
            SampleKind::Anchored => (text.len(), self.options.budget.answer),
            _ => (piece.end, piece.len()),
        };
        let ground = HoleContext { text, tree, piece: piece.clone(), text_end: end, max_bytes: most };
        match kind {
            SampleKind::Whole => None,
            SampleKind::Docstring => match ground.docstring(random) {
                Some(hole) => Some((kind, hole)),
                None => Some((SampleKind::Usual, self.options.holes.draw(&ground, random)?)),
            },
            kind => Some((kind, self.options.holes.draw(&ground, random)?)),
        }
    }

    fn whole_sample(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let cursor = piece.start + self.document.text[piece.clone()].trim_end().len();
        let request = self.request(&(cursor..cursor), PromptOrder::Plain, random);
        let window = self.window(piece.start..cursor, cursor, cursor..cursor);
        let parts = fill::header(&request, &Fill.context(&request)?, &window);
        let last = self.document.text[piece.end..].trim().is_empty();
        let sample = self.with_answer(SampleKind::Whole, Prompt { parts, ..Prompt::default() }, piece);
        Ok(Sample { end_token: sample.end_token.filter(|_| last), ..sample })
    }

    /// The live prompt, whatever that is.
    fn anchored_sample(&self, hole: Range<usize>, random: &mut Random) -> Result<Sample> {
        let request = self.request(&hole, PromptOrder::Anchored, random);
        let prompt = Fill.prompt(&request, &Fill.context(&request)?)?;
        Ok(self.with_answer(SampleKind::Anchored, prompt, hole))
    }

    /// The piece of the file around a hole, in the usual order or suffix first.
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

    fn window(&self, before: Range<usize>, anchor: usize, after: Range<usize>) -> Window {
        let text = |range: Range<usize>| self.document.text[range].to_owned();
        Window {
            header: Vec::new(),
            prefix: text(before),
            anchor,
            suffix: text(after),
            layout: None,
            expired: false,
            reduced: false,
        }
    }

    fn with_answer(&self, kind: SampleKind, prompt: Prompt, bytes: Range<usize>) -> Sample {
        let answer = self.document.text[bytes.clone()].to_owned();
        let prompt = Prompt { window: None, ..prompt };
        Sample {
            kind,
            conversation: Vec::new(),
            prompt,
            answer,
            end_token: Some(self.options.end_token.clone()),
            answer_range: bytes,
        }
    }

    /// What an editor would ask where the file lacks the hole. Without a header it knows neither path nor other files, as for
    /// a text that was never saved; without imports it has no syntax tree, as for one that is still being parsed.
    fn request(&self, hole: &Range<usize>, order: PromptOrder, random: &mut Random) -> Request {
        let (options, repository) = (self.options, self.repository);
        let header = random.happens(options.mix.header);
        let imports = header && !random.happens(options.mix.drop_imports);
        let open_files = repository.draw_open_files(self.file, random);
        let empty = Request::new(self.document_without(hole, header, imports), hole.start);
        let request = Request { format: options.format, budget: options.budget, order, ..empty };
        if !header {
            return request;
        }
        let repository_name = repository.name().map(String::from);
        Request { repository: repository_name, symbols: repository.symbols(), open_files, ..request }
    }

    fn document_without(&self, hole: &Range<usize>, path: bool, parsed: bool) -> Document {
        let whole = &self.document;
        let (text, parse) = match hole.is_empty() {
            true => (whole.text.clone(), whole.tree.clone()),
            false => {
                let text: Arc<str> = [&whole.text[..hole.start], &whole.text[hole.end..]].concat().into();
                let tree = parsed.then(|| parse_document(whole, &text)).flatten();
                (text, tree)
            }
        };
        let path = if path { whole.path.clone() } else { String::new() };
        Document { path, language: whole.language, text, tree: parse.filter(|_| parsed) }
    }
}
