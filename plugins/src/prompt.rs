//! The prompt as plain data: text and the names of special tokens, never token ids.
//!
//! A [`Prompt`] is a list of [`Part`]s, each with a [`PartSource`] that tells where it came from, for `--explain`. Two
//! rules hold for all of them:
//!
//! * A special token is named in [`Content::Special`] and encoded by its id. The same characters inside
//!   [`Content::Text`] are ordinary text, so nothing in a user's file can pose as a marker.
//! * Parts are tokenized one by one. A part that did not change keeps its tokens, whatever its neighbours are; the
//!   engine's prefix cache depends on it.
//!
//! [`Prompt::heal`] asks the engine for token healing: a prompt that ends inside a word ends in a token that the model
//! has rarely seen followed by the right continuation. The engine backs up over that token and constrains the first
//! generated tokens to spell its text. Anchored prompts need it, since they end wherever the cursor is
//! ([`window`](crate::window)). The markers around a hole are those of a [`FimFormat`](crate::FimFormat).

use std::borrow::Cow;

/// Content of a prompt part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Ordinary text, tokenized without looking for special tokens.
    Text(String),
    /// A special token by its exact name in the tokenizer, for example `<|fim_prefix|>`.
    Special(Cow<'static, str>),
}

impl Content {
    /// The text; `None` for a special token.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Special(_) => None,
        }
    }
}

/// Origin of a prompt part, as `--explain` prints it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PartSource {
    /// Marker of the FIM format.
    Format,
    /// Name of the repository or path of the file.
    Header,
    /// Snippet from elsewhere in the workspace.
    Snippet {
        /// File that the snippet comes from, relative to the workspace.
        path: String,
        /// Context source that found it: `definition`, `recent edit`, `open file`, or a plugin's name.
        #[serde(rename = "why")]
        origin: String,
    },
    /// Imports of this file from outside the window.
    Imports,
    /// Signatures from outside the window of the items around the cursor.
    Enclosing,
    /// Text before the anchor.
    #[serde(rename = "before")]
    Prefix,
    /// Text after the cursor.
    #[serde(rename = "after")]
    Suffix,
    /// Text between the anchor and the cursor.
    Middle,
    /// Part written by a plugin that lays the prompt out.
    Plugin {
        /// Name of the plugin.
        name: String,
    },
    /// Target text of a training sample.
    Answer,
    /// Messages of a conversation with the markers of the model's chat template.
    Conversation,
}

/// One part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Text or special token that the model reads.
    pub content: Content,
    /// Origin of the part.
    pub source: PartSource,
}

impl Part {
    /// A part of ordinary text.
    pub fn text(text: impl Into<String>, source: PartSource) -> Self {
        Self { content: Content::Text(text.into()), source }
    }

    /// A special token of the FIM format.
    pub fn special(name: impl Into<Cow<'static, str>>) -> Self {
        Self { content: Content::Special(name.into()), source: PartSource::Format }
    }
}

/// Frozen beginning of an anchored prompt: everything before the text typed since the anchor.
///
/// The [`window`](crate::window) module builds windows and decides when one is reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Parts before the file's own text: repository, snippets, path, imports, enclosing signatures.
    pub header: Vec<Part>,
    /// Text before the anchor, as the prompt shows it.
    pub prefix: String,
    /// Byte offset of the anchor in the document.
    pub anchor: usize,
    /// Text after the cursor, as the prompt shows it.
    pub suffix: String,
    /// Parts as a plugin laid them out; `None` for the layout of the model's FIM format.
    pub layout: Option<PluginLayout>,
    /// True if the next prompt gets a new window although this one still matches. The server sets it to re-anchor while
    /// the user is idle.
    pub expired: bool,
    /// True if the window shows less than the full budget allows, for a shorter prefill.
    pub reduced: bool,
}

/// A plugin's layout of everything before the text typed since the anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLayout {
    /// Name of the plugin.
    pub plugin: String,
    /// Parts in the order in which the model reads them.
    pub parts: Vec<Part>,
    /// Names of the special tokens that end the answer.
    pub stop_tokens: Vec<Cow<'static, str>>,
}

/// Input of the engine for one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Parts in the order in which the model reads them. Each is tokenized on its own.
    pub parts: Vec<Part>,
    /// True to apply token healing: the engine backs up over the last token of the last part and makes the first
    /// generated tokens spell its text.
    pub heal: bool,
    /// Names of the special tokens that end the answer, in addition to the model's end-of-text tokens. Names that the
    /// tokenizer lacks are ignored.
    pub stop_tokens: Vec<Cow<'static, str>>,
    /// Window that this prompt was built on, for the next request for this document.
    pub window: Option<Window>,
}

/// A piece of text from elsewhere in the workspace, shown as context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// File that the snippet comes from, relative to the workspace, with `/`.
    pub path: String,
    /// Text of the snippet.
    pub text: String,
    /// Context source that found it: `definition`, `recent edit`, `open file`, or a plugin's name.
    pub origin: String,
}

/// Time for which a snippet stays unchanged. Snippets that stay longest come first in a prompt, so that the prefix
/// cache keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stability {
    /// Unchanged wherever the cursor is.
    Stable,
    /// Unchanged while the cursor stays in one file.
    #[default]
    File,
    /// Changed by every edit.
    Edit,
}
