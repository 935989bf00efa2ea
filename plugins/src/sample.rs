//! Training samples: a file of a repository becomes what a model reads and what it is to write.
//!
//! Samples are written by the code that writes live prompts. An [anchored](Kind::Anchored) sample takes a hole out of the file,
//! asks the `fill` strategy for the prompt at that place and adds what stood there. The other orders put the same parts on
//! a window of their own. Holes are cut at characters, before any tokenising. All chance comes from a seeded [`Random`], so
//! the same file, options and seed make the same samples.

mod chat;
mod hole;
mod mix;
mod piece;
mod repository;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::chat::Message;
use crate::fim_format::FimFormat;
use crate::prompt::{Part, Prompt, Source, Window};
use crate::random::Random;
use crate::request::{Budget, Document, Order, Request};
use crate::tasks::fill::{self, Fill};
use crate::{PromptStrategy, Result, syntax};

use hole::Ground;
pub use hole::Holes;
pub use mix::{Kind, Mix, OptionsError};
pub use repository::Repository;

/// A sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How it is written.
    pub kind: Kind,
    /// What was said before the prompt, as the model's own template is to spell it.
    pub conversation: Vec<Message>,
    /// What the model reads, as it would read it live. Empty in a whole sample without a header.
    pub prompt: Prompt,
    /// What it is to write.
    pub answer: String,
    /// The special token that ends the answer. A whole sample that is not the last piece of its file has none, since
    /// nothing ends there; that of a conversation is the template's affair.
    pub end: Option<Cow<'static, str>>,
    /// Where in the file the answer stands, in bytes.
    pub bytes: Range<usize>,
}

impl Sample {
    /// All that is learnt from, in reading order: the prompt, the answer and the special token that ends it,
    /// if there is one.
    pub fn parts(&self) -> Vec<Part> {
        let answer = Part::text(self.answer.clone(), Source::Answer);
        let end = self.end.clone().map(Part::special);
        self.prompt.parts.iter().cloned().chain([answer]).chain(end).collect()
    }
}

/// How samples are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How the model wants a hole written; without one all samples are whole.
    pub format: Option<&'static FimFormat>,
    /// The special token that ends a text.
    pub end: Cow<'static, str>,
    /// Which kinds of sample there are.
    pub mix: Mix,
    /// Where holes are cut.
    pub holes: Holes,
    /// Bytes of a file in one sample, at the most. A longer file makes several samples.
    pub piece: usize,
    /// What an anchored sample shows of a file, and every header of other files.
    pub budget: Budget,
}

impl Options {
    /// Defaults for a model that reads `context` tokens.
    pub fn new(format: Option<&'static FimFormat>, end: impl Into<Cow<'static, str>>, context: usize) -> Self {
        let budget = Budget::within(context, context / 8);
        let piece = (budget.before + budget.after + budget.middle + budget.answer).max(piece::SMALLEST);
        Self { format, end: end.into(), mix: Mix::default(), holes: Holes::default(), piece, budget }
    }

    /// Whether these options make sense.
    ///
    /// # Errors
    /// Names the option and says what it may be.
    pub fn check(&self) -> std::result::Result<(), OptionsError> {
        self.mix.check()?;
        self.holes.check()?;
        match self.piece < piece::SMALLEST {
            true => Err(OptionsError::Piece { piece: self.piece, smallest: piece::SMALLEST }),
            false => Ok(()),
        }
    }
}

/// The samples of one file: every piece of it that is not blank makes one.
///
/// # Errors
/// Where the strategy cannot write a prompt.
pub fn samples(repository: &Repository, file: usize, options: &Options, random: &mut Random) -> Result<Vec<Sample>> {
    let Some(document) = repository.files().get(file) else { return Ok(Vec::new()) };
    let document = Document { tree: tree(document, &document.text), ..Document::clone(document) };
    let pieces = piece::pieces(&document.text, options.piece, random);
    let subject = Subject { repository, file, document, options };
    pieces.into_iter().map(|piece| subject.sample(piece, random)).collect()
}

fn said(talk: chat::Talk) -> Sample {
    let chat::Talk { messages, opening, answer, bytes } = talk;
    let prompt = Prompt { parts: vec![Part::text(opening, Source::Conversation)], ..Prompt::default() };
    Sample { kind: Kind::Chat, conversation: messages, prompt, answer, end: None, bytes }
}

/// The syntax tree of a text in the place of a document's. Text too long to be parsed for each sample has none. The time
/// limit is so long that the clock has no say in what a sample becomes.
fn tree(document: &Document, text: &str) -> Option<tree_sitter::Tree> {
    const LONGEST: usize = 200_000;
    const PATIENCE: Duration = Duration::from_secs(600);
    (text.len() <= LONGEST).then(|| syntax::parse_within(document.language, text, None, PATIENCE)).flatten()
}

/// A file that samples are made of.
struct Subject<'a> {
    repository: &'a Repository,
    file: usize,
    document: Document,
    options: &'a Options,
}

impl Subject<'_> {
    fn sample(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let chat = self.options.mix.chat;
        if chat > 0.0
            && random.chance(chat)
            && let Some(talk) = chat::talk(&self.document, &piece, random)
        {
            return Ok(said(talk));
        }
        match self.hole(&piece, random) {
            None => self.whole(piece, random),
            Some((Kind::Anchored, hole)) => self.anchored(hole, random),
            Some((kind, hole)) => self.filled(kind, piece, hole, random),
        }
    }

    /// A kind of sample with a hole for it, or `None` for a whole one.
    fn hole(&self, piece: &Range<usize>, random: &mut Random) -> Option<(Kind, Range<usize>)> {
        self.options.format?;
        let kind = self.options.mix.draw(random);
        let (text, tree) = (&*self.document.text, self.document.tree.as_ref());
        // An anchored prompt shows the file beyond the piece.
        let (end, most) = match kind {
            Kind::Anchored => (text.len(), self.options.budget.answer),
            _ => (piece.end, piece.len()),
        };
        let ground = Ground { text, tree, piece: piece.clone(), end, most };
        match kind {
            Kind::Whole => None,
            Kind::Docstring => match ground.docstring(random) {
                Some(hole) => Some((kind, hole)),
                None => Some((Kind::Usual, self.options.holes.draw(&ground, random)?)),
            },
            kind => Some((kind, self.options.holes.draw(&ground, random)?)),
        }
    }

    fn whole(&self, piece: Range<usize>, random: &mut Random) -> Result<Sample> {
        let cursor = piece.start + self.document.text[piece.clone()].trim_end().len();
        let request = self.request(&(cursor..cursor), Order::Plain, random);
        let window = self.window(piece.start..cursor, cursor, cursor..cursor);
        let parts = fill::header(&request, &Fill.context(&request)?, &window);
        let last = self.document.text[piece.end..].trim().is_empty();
        let sample = self.answered(Kind::Whole, Prompt { parts, ..Prompt::default() }, piece);
        Ok(Sample { end: sample.end.filter(|_| last), ..sample })
    }

    /// The live prompt, whatever that is.
    fn anchored(&self, hole: Range<usize>, random: &mut Random) -> Result<Sample> {
        let request = self.request(&hole, Order::Anchored, random);
        let prompt = Fill.prompt(&request, &Fill.context(&request)?)?;
        Ok(self.answered(Kind::Anchored, prompt, hole))
    }

    /// The piece of the file around a hole, in the usual order or suffix first.
    fn filled(&self, kind: Kind, piece: Range<usize>, hole: Range<usize>, random: &mut Random) -> Result<Sample> {
        let (order, anchor) = match kind {
            Kind::SuffixFirst => (Order::Anchored, piece.start),
            _ => (Order::Plain, hole.start),
        };
        let request = self.request(&hole, order, random);
        let window = self.window(piece.start..anchor, anchor, hole.end..piece.end);
        let header = fill::header(&request, &Fill.context(&request)?, &window);
        let prompt = fill::written(&request, Window { header, ..window });
        Ok(self.answered(kind, prompt, hole))
    }

    fn window(&self, before: Range<usize>, anchor: usize, after: Range<usize>) -> Window {
        let text = |range: Range<usize>| self.document.text[range].to_owned();
        Window {
            header: Vec::new(),
            before: text(before),
            anchor,
            after: text(after),
            layout: None,
            spent: false,
            near: false,
        }
    }

    fn answered(&self, kind: Kind, prompt: Prompt, bytes: Range<usize>) -> Sample {
        let answer = self.document.text[bytes.clone()].to_owned();
        let prompt = Prompt { window: None, ..prompt };
        Sample { kind, conversation: Vec::new(), prompt, answer, end: Some(self.options.end.clone()), bytes }
    }

    /// What an editor would ask where the file lacks the hole. Without a header it knows neither path nor other files, as for
    /// a text that was never saved; without imports it has no syntax tree, as for one that is still being parsed.
    fn request(&self, hole: &Range<usize>, order: Order, random: &mut Random) -> Request {
        let (options, repository) = (self.options, self.repository);
        let header = random.chance(options.mix.header);
        let imports = header && !random.chance(options.mix.drop_imports);
        let open_files = repository.related(self.file, random);
        let empty = Request::new(self.without(hole, header, imports), hole.start);
        let request = Request { format: options.format, budget: options.budget, order, ..empty };
        if !header {
            return request;
        }
        let repository_name = repository.name().map(String::from);
        Request { repository: repository_name, symbols: repository.symbols(), open_files, ..request }
    }

    fn without(&self, hole: &Range<usize>, path: bool, parsed: bool) -> Document {
        let whole = &self.document;
        let (text, parse) = match hole.is_empty() {
            true => (whole.text.clone(), whole.tree.clone()),
            false => {
                let text: Arc<str> = [&whole.text[..hole.start], &whole.text[hole.end..]].concat().into();
                let tree = parsed.then(|| tree(whole, &text)).flatten();
                (text, tree)
            }
        };
        let path = if path { whole.path.clone() } else { String::new() };
        Document { path, language: whole.language, text, tree: parse.filter(|_| parsed) }
    }
}
