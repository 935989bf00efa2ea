//! What is asked: a document, a cursor and what is known around them. Everything is shared (`Arc`) and immutable, so a
//! request is made in microseconds and no lock outlives its making.

use std::sync::Arc;

use crate::{FimFormat, Language, Window};

/// A text with its language and, where it has been parsed, its syntax tree.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path relative to the workspace, with `/`; what the prompt shows.
    pub path: String,
    /// The language of the text.
    pub language: Language,
    /// The text, always with the line ends that the file has.
    pub text: Arc<str>,
    /// The syntax tree of exactly this text, or `None` when it has not been parsed (plain text, or still parsing).
    pub tree: Option<tree_sitter::Tree>,
}

/// What made the editor ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The user typed or moved.
    #[default]
    Automatic,
    /// The user asked for a suggestion.
    Invoked,
}

/// What the model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskKind {
    /// A suggestion at the cursor.
    #[default]
    Fill,
    /// The docstring of the item at the cursor.
    Docstring,
    /// An answer to a question.
    Ask,
    /// Code in another language.
    Translate,
    /// Lines that are changed as somebody says.
    Edit,
    /// Code for a comment or a signature.
    Generate,
}

impl TaskKind {
    /// All tasks.
    pub const ALL: [Self; 6] = [Self::Fill, Self::Docstring, Self::Ask, Self::Translate, Self::Edit, Self::Generate];

    /// As plugins name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Docstring => "docstring",
            Self::Ask => "ask",
            Self::Translate => "translate",
            Self::Edit => "edit",
            Self::Generate => "generate",
        }
    }

    /// The task of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

/// In which order a hole is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptOrder {
    /// Prefix and suffix frozen at an anchor above the cursor, and the text since the anchor after the middle marker.
    #[default]
    Anchored,
    /// All text before the cursor, all text after it, and nothing after the middle marker: what other tools send.
    Plain,
}

/// How much text may go where, in bytes. The server derives it from the model's context length; a byte budget costs
/// nothing to check, where a token budget costs a tokenizer run for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Text of this file before the cursor.
    pub prefix: usize,
    /// Text of this file after the cursor.
    pub suffix: usize,
    /// Text typed since the anchor; past this the anchor moves.
    pub middle: usize,
    /// All snippets together.
    pub snippets: usize,
    /// The answer.
    pub answer: usize,
    /// Whether it is what [`nearest`](Self::nearest) left of a larger one.
    pub reduced: bool,
}

/// Bytes of code that make a token, about.
pub(crate) const BYTES_PER_TOKEN: usize = 3;

/// Context length that [`Request::new`] budgets for.
const DEFAULT_CONTEXT_TOKENS: usize = 4096;
/// Answer length that [`Request::new`] budgets for.
const DEFAULT_ANSWER_TOKENS: usize = 256;

impl Budget {
    /// How much text goes where in a context of `context` tokens that also holds an answer of up to `answer` tokens.
    pub fn for_context(context: usize, answer: usize) -> Self {
        let room = context.saturating_sub(answer + 64) * BYTES_PER_TOKEN;
        Self {
            prefix: room * 45 / 100,
            suffix: room * 15 / 100,
            middle: room * 20 / 100,
            snippets: room * 20 / 100,
            answer: answer * BYTES_PER_TOKEN,
            reduced: false,
        }
    }

    /// The part of it that lies nearest to the cursor, of about `context` tokens beside the lines at the cursor: for a prompt that is
    /// read sooner.
    pub fn reduced(self, context: usize) -> Self {
        let room = context * BYTES_PER_TOKEN;
        Self {
            prefix: self.prefix.min(room * 60 / 100),
            suffix: self.suffix.min(room * 25 / 100),
            snippets: self.snippets.min(room * 15 / 100),
            reduced: true,
            ..self
        }
    }
}

/// Something the user changed a short while ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEdit {
    /// File it happened in, relative to the workspace.
    pub path: String,
    /// The lines as they are after the edit, with a little around them.
    pub text: String,
}

/// One question, with all that may go into its prompt.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the model is asked for.
    pub task: TaskKind,
    /// What is asked: a question, the instruction of an edit, or the LSP id of the language that is translated into.
    pub question: Option<Arc<str>>,
    /// The document that the cursor is in.
    pub document: Arc<Document>,
    /// Byte offset of the cursor in the document's text; always on a character border.
    pub cursor: usize,
    /// What made the editor ask.
    pub trigger: Trigger,
    /// How the model wants a hole written; `None` for a model that only writes from left to right.
    pub format: Option<&'static FimFormat>,
    /// How much text may go where.
    pub budget: Budget,
    /// Name of the repository or workspace folder, if there is one.
    pub repository: Option<String>,
    /// The window that the last prompt for this document was built on.
    pub window: Option<Arc<Window>>,
    /// Symbols of the workspace.
    pub symbols: Arc<crate::symbol_index::SymbolIndex>,
    /// What the user changed lately in any file, the oldest first.
    pub recent_edits: Arc<[RecentEdit]>,
    /// The other documents that are open, the most recently used first.
    pub open_files: Arc<[Arc<Document>]>,
    /// What the user says of the built-in sources of context and rules of finishing.
    pub builtins: Arc<crate::Builtins>,
    /// What knows the model's tokens; `None` where no model is at hand.
    pub tokenizer: Option<Arc<dyn TokenizerInfo>>,
    /// In which order the hole is written.
    pub order: PromptOrder,
    /// Whether a suggestion may have more than one line where nothing stands right of the cursor.
    pub multi_line: bool,
    /// Mean log-probability per token (natural logarithm, so at most 0) below which an automatic suggestion is not shown.
    pub min_confidence: f32,
}

/// What is to be known of a model's tokens.
pub trait TokenizerInfo: std::fmt::Debug + Send + Sync {
    /// How many tokens a text makes that stands alone.
    fn count_tokens(&self, text: &str) -> usize;

    /// Whether there is a special token of exactly this name.
    fn has_special_token(&self, special: &str) -> bool;
}

/// What a model wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text, without what healing had backed up over.
    pub text: String,
    /// Whether the model ended by itself (an end token), rather than by a limit, a deadline or `done`.
    pub reached_end_token: bool,
    /// Mean natural log-probability of its tokens.
    pub confidence: f32,
}

impl Request {
    /// A request at `cursor`, a byte offset in `document`, with nothing known beyond the document: an automatic suggestion
    /// in anchored order without a FIM format, for a context of [`DEFAULT_CONTEXT_TOKENS`]. Callers set the rest by struct
    /// update syntax.
    pub fn new(document: impl Into<Arc<Document>>, cursor: usize) -> Self {
        Self {
            task: TaskKind::Fill,
            question: None,
            document: document.into(),
            cursor,
            trigger: Trigger::Automatic,
            format: None,
            budget: Budget::for_context(DEFAULT_CONTEXT_TOKENS, DEFAULT_ANSWER_TOKENS),
            repository: None,
            window: None,
            symbols: Arc::default(),
            recent_edits: Arc::new([]),
            open_files: Arc::new([]),
            builtins: Arc::default(),
            tokenizer: None,
            order: PromptOrder::Anchored,
            multi_line: true,
            min_confidence: f32::NEG_INFINITY,
        }
    }

    /// The text left of the cursor.
    pub fn prefix(&self) -> &str {
        &self.document.text[..self.cursor]
    }

    /// The text right of the cursor.
    pub fn suffix(&self) -> &str {
        &self.document.text[self.cursor..]
    }
    /// The cursor's line, up to the cursor.
    pub(crate) fn line_before(&self) -> &str {
        self.prefix().rsplit('\n').next().unwrap_or_default()
    }

    /// The cursor's line from the cursor on, without its line end.
    pub(crate) fn line_after(&self) -> &str {
        self.suffix().split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }
}
