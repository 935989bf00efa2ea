//! What a model is given to read, as plain data: text and the names of special tokens, never token ids.
//!
//! A special token is named in a [`Content::Special`] and is written by its id; the same characters inside a
//! [`Content::Text`] are ordinary text. So nothing in a user's file can pose as a marker.

use std::borrow::Cow;

/// One piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Ordinary text, tokenised without looking for special tokens.
    Text(String),
    /// A special token, by the exact name that it has in the tokenizer, for example `<|fim_prefix|>`.
    Special(Cow<'static, str>),
}

impl Content {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Special(_) => None,
        }
    }
}

/// Where a piece of a prompt came from, for `--explain`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PartSource {
    /// A marker that the format asks for.
    Format,
    /// The name of the repository, the path of the file.
    Header,
    /// A snippet from elsewhere in the workspace.
    Snippet {
        /// The file it comes from, relative to the workspace.
        path: String,
        /// Why it is here: `definition`, `recent edit`, `open file`, or a plugin's name.
        #[serde(rename = "why")]
        origin: String,
    },
    /// Imports of this file that lie outside the window.
    Imports,
    /// Signatures of the items around the cursor that begin outside the window.
    Enclosing,
    /// Text before the anchor.
    #[serde(rename = "before")]
    Prefix,
    /// Text after the cursor.
    #[serde(rename = "after")]
    Suffix,
    /// Text between the anchor and the cursor.
    Middle,
    /// What a plugin put there that lays the prompt out.
    Plugin {
        /// The plugin's name.
        name: String,
    },
    /// What the model is to write: in a training sample.
    Answer,
    /// What was said in a conversation, with what the model's chat template puts around it.
    Conversation,
}

/// A piece of a prompt and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the model reads.
    pub content: Content,
    /// Where it came from.
    pub source: PartSource,
}

impl Part {
    /// Ordinary text.
    pub fn text(text: impl Into<String>, source: PartSource) -> Self {
        Self { content: Content::Text(text.into()), source }
    }

    /// A special token.
    pub fn special(name: impl Into<Cow<'static, str>>) -> Self {
        Self { content: Content::Special(name.into()), source: PartSource::Format }
    }
}

/// What must stay as it is for the next prompt to begin with the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// What comes before the file's own text: repository, snippets, path. Only ever appended to while typing.
    pub header: Vec<Part>,
    /// Text before the anchor, as it stands in the prompt.
    pub prefix: String,
    /// Byte offset of the anchor in the document.
    pub anchor: usize,
    /// Text after the cursor, as it stands in the prompt.
    pub suffix: String,
    /// What a plugin made of all this; `None` where the model's own format says how it is written.
    pub layout: Option<PluginLayout>,
    /// Whether the next prompt is to have a new window although this one still holds: set while nobody waits.
    pub expired: bool,
    /// Whether it shows less than there is room for, so that its prompt was read sooner.
    pub reduced: bool,
}

/// Everything that the model reads before the text typed since the anchor, as a plugin wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLayout {
    /// The plugin's name.
    pub plugin: String,
    /// In the order in which the model reads them.
    pub parts: Vec<Part>,
    /// Names of special tokens that end the answer.
    pub stop_tokens: Vec<Cow<'static, str>>,
}

/// Everything that the model room needs to know of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// In the order in which the model reads them. Adjacent texts are tokenised separately at each part's border, so
    /// that a part which did not change keeps its tokens.
    pub parts: Vec<Part>,
    /// Back up over the last partial token of the last text and make the first generated tokens spell it (token healing).
    pub heal: bool,
    /// Names of special tokens that end the answer, beside the model's own end-of-text tokens. Names that the tokenizer
    /// does not have are ignored.
    pub stop_tokens: Vec<Cow<'static, str>>,
    /// The frozen window that this prompt was built on, to be handed back with the next request for this document.
    pub window: Option<Window>,
}

/// A piece of context from elsewhere in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The file it comes from, relative to the workspace, with `/`.
    pub path: String,
    /// The text itself.
    pub text: String,
    /// Why it is here: `definition`, `recent edit`, `open file`, or a plugin's name.
    pub origin: String,
}

/// How long a snippet stays as it is; the order is that of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stability {
    /// The same wherever the cursor is.
    Stable,
    /// The same while the cursor is in one file.
    #[default]
    File,
    /// Changes with each edit.
    Edit,
}
