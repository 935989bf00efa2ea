//! The input of a prompt: a document, a cursor, and what is known of the workspace around them.
//!
//! Everything in a [`Request`] is immutable and shared (`Arc`), so building one takes microseconds and holds no lock
//! afterwards.

use std::sync::Arc;

use crate::symbol_index::SymbolIndex;
use crate::{Builtins, FimFormat, Language, Window};

/// A text with its language and, once it has been parsed, its syntax tree.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path relative to the workspace, with `/`, as the prompt shows it.
    pub path: String,
    /// Language of the text.
    pub language: Language,
    /// Text with the line ends of the file.
    pub text: Arc<str>,
    /// Syntax tree of exactly this text; `None` for plain text and while parsing is under way.
    pub tree: Option<tree_sitter::Tree>,
}

/// Event that made the editor request a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The user typed or moved the cursor.
    #[default]
    Automatic,
    /// The user explicitly invoked a suggestion.
    Invoked,
}

/// Kind of text that the model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskKind {
    /// A suggestion at the cursor.
    #[default]
    Fill,
    /// Docstring of the item at the cursor.
    Docstring,
    /// Answer to a question about code.
    Ask,
    /// Translation into another programming language.
    Translate,
    /// New version of selected lines, following an instruction.
    Edit,
    /// Code for a comment or a signature.
    Generate,
}

impl TaskKind {
    /// All kinds of task.
    pub(crate) const ALL: [Self; 6] =
        [Self::Fill, Self::Docstring, Self::Ask, Self::Translate, Self::Edit, Self::Generate];

    /// Name of the task in plugins.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Docstring => "docstring",
            Self::Ask => "ask",
            Self::Translate => "translate",
            Self::Edit => "edit",
            Self::Generate => "generate",
        }
    }

    /// The task with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

/// Order of the text around the cursor in a fill prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptOrder {
    /// Prefix up to an anchor above the cursor, suffix, then the text since the anchor after the middle marker
    /// ([`window`](crate::window)).
    #[default]
    Anchored,
    /// Prefix up to the cursor, suffix, and nothing after the middle marker, as other tools send it.
    Plain,
}

/// Maximum lengths of the parts of a prompt, in bytes.
///
/// The server derives it from the model's context length. Bytes are free to count; tokens would cost a tokenizer run
/// for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Text of this file before the cursor.
    pub prefix: usize,
    /// Text of this file after the cursor.
    pub suffix: usize,
    /// Text between anchor and cursor; a longer one moves the anchor.
    pub middle: usize,
    /// All snippets together.
    pub snippets: usize,
    /// The answer.
    pub answer: usize,
    /// True if [`reduced`](Self::reduced) made it from a larger budget.
    pub reduced: bool,
}

/// Typical length of a token of code.
pub(crate) const BYTES_PER_TOKEN: usize = 3;

/// Part of the context kept free for markers, paths and imports.
const RESERVED_TOKENS: usize = 64;
/// Context length that [`Request::new`] budgets for.
const DEFAULT_CONTEXT_TOKENS: usize = 4096;
/// Answer length that [`Request::new`] budgets for.
const DEFAULT_ANSWER_TOKENS: usize = 256;

impl Budget {
    /// Budget for a context of `context_tokens` tokens that also holds an answer of up to `answer_tokens` tokens.
    pub fn for_context(context_tokens: usize, answer_tokens: usize) -> Self {
        let room = context_tokens.saturating_sub(answer_tokens + RESERVED_TOKENS) * BYTES_PER_TOKEN;
        Self {
            prefix: room * 45 / 100,
            suffix: room * 15 / 100,
            middle: room * 20 / 100,
            snippets: room * 20 / 100,
            answer: answer_tokens * BYTES_PER_TOKEN,
            reduced: false,
        }
    }

    /// A copy of the budget limited to about `tokens` tokens of text nearest to the cursor, besides the middle: for a
    /// shorter prefill.
    pub fn reduced(self, tokens: usize) -> Self {
        let room = tokens * BYTES_PER_TOKEN;
        Self {
            prefix: self.prefix.min(room * 60 / 100),
            suffix: self.suffix.min(room * 25 / 100),
            snippets: self.snippets.min(room * 15 / 100),
            reduced: true,
            ..self
        }
    }
}

/// A recent change by the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEdit {
    /// File that was changed, relative to the workspace.
    pub path: String,
    /// Lines after the change, with a few lines around them.
    pub text: String,
}

/// One request to the model, with everything that its prompt may show.
#[derive(Debug, Clone)]
pub struct Request {
    /// Kind of text that the model is asked for.
    pub task: TaskKind,
    /// Question, instruction of an edit, or LSP id of the target language of a translation.
    pub question: Option<Arc<str>>,
    /// Document that the cursor is in.
    pub document: Arc<Document>,
    /// Byte offset of the cursor in the document's text, on a character boundary.
    pub cursor: usize,
    /// Event that made the editor ask.
    pub trigger: Trigger,
    /// FIM format of the model; `None` for a model that only continues text.
    pub format: Option<&'static FimFormat>,
    /// Maximum lengths of the prompt's parts.
    pub budget: Budget,
    /// Name of the repository or workspace folder, if known.
    pub repository: Option<String>,
    /// Window of the last prompt for this document.
    pub window: Option<Arc<Window>>,
    /// Index of the workspace's symbols.
    pub symbols: Arc<SymbolIndex>,
    /// Recent edits in all files, the oldest first.
    pub recent_edits: Arc<[RecentEdit]>,
    /// Other open documents, the most recently used first.
    pub open_files: Arc<[Arc<Document>]>,
    /// User's settings of the built-in context sources and finishing rules.
    pub builtins: Arc<Builtins>,
    /// Tokenizer of the model; `None` if no model is loaded.
    pub tokenizer: Option<Arc<dyn TokenizerInfo>>,
    /// Order of the text around the cursor.
    pub order: PromptOrder,
    /// True if a suggestion may have several lines where nothing follows the cursor on its line.
    pub multi_line: bool,
    /// Minimum mean log-probability per token, in nats (at most 0), of an automatic suggestion.
    pub min_confidence: f32,
}

/// Facts about a model's tokenizer that prompts need.
pub trait TokenizerInfo: std::fmt::Debug + Send + Sync {
    /// Number of tokens of a text on its own.
    fn count_tokens(&self, text: &str) -> usize;

    /// Returns true if the tokenizer has a special token with exactly this name.
    fn has_special_token(&self, special: &str) -> bool;
}

/// Text generated by the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text, without the part that token healing backed up over.
    pub text: String,
    /// True if the model ended with an end token, not at a limit, a deadline or a finishing rule.
    pub reached_end_token: bool,
    /// Mean log-probability of its tokens, in nats.
    pub confidence: f32,
}

impl Request {
    /// A request at `cursor`, a byte offset in `document`, with defaults for the rest: an automatic multi-line
    /// suggestion in anchored order, without a FIM format, for a context of 4096 tokens, and with nothing known beyond
    /// the document. Callers override fields with struct update syntax.
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
        self.suffix().split('\n').next().unwrap_or_default()
    }
}
