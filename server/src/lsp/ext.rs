//! What the protocol has and lsp-types 0.94 does not: inline completion (LSP 3.18), and our own messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_lsp::lsp_types::{Command, Position, Range, TextDocumentIdentifier, notification::Notification};

/// The method of an inline completion request.
pub const INLINE_COMPLETION: &str = "textDocument/inlineCompletion";
/// The command that a client runs when a suggestion was accepted; its argument is the suggestion's number.
pub const ACCEPTED: &str = "foretype.accepted";
/// The command that writes a docstring; its argument names the document, a line and, if it is to be another than the one in
/// use, the style: `{ uri, line, style }`.
pub const DOCSTRING: &str = "foretype.docstring";

/// Parameters of `textDocument/inlineCompletion`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineCompletionParams {
    /// The document.
    pub text_document: TextDocumentIdentifier,
    /// The cursor.
    pub position: Position,
    /// What made the client ask. Some clients leave it out.
    #[serde(default)]
    pub context: InlineCompletionContext,
    /// Written by the ingress, whatever the client sent: which moment this request was read at.
    #[serde(default, rename = "foretype/moment")]
    pub moment: Option<u64>,
}

/// What made the client ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineCompletionContext {
    /// 1: the user asked; 2: the user typed or moved.
    #[serde(default = "automatic")]
    pub trigger_kind: u32,
    /// The item that is selected in the completion popup.
    #[serde(default)]
    pub selected_completion_info: Option<SelectedCompletionInfo>,
}

/// [`InlineCompletionContext::trigger_kind`] when the user asked.
pub const INVOKED: u32 = 1;

fn automatic() -> u32 {
    2
}

impl Default for InlineCompletionContext {
    fn default() -> Self {
        Self { trigger_kind: automatic(), selected_completion_info: None }
    }
}

/// The item that is selected in the completion popup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SelectedCompletionInfo {
    /// What it replaces.
    pub range: Range,
    /// What it puts there.
    pub text: String,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineCompletionList {
    /// The best first.
    pub items: Vec<InlineCompletionItem>,
    /// Whether the model still writes at what is shown. Only a client that understands [`More`] gets such an answer; it asks
    /// again when told to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

/// One suggestion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineCompletionItem {
    /// What is put in place of `range`.
    pub insert_text: String,
    /// What the client compares with what stands in `range`, where that is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_text: Option<String>,
    /// What is replaced.
    pub range: Range,
    /// What the client runs after it has accepted the item.
    pub command: Command,
}

/// Parameters of `textDocument/didShowCompletion` and `textDocument/didPartiallyAcceptCompletion`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemParams {
    /// The item as the server sent it; of it, only the command's argument is looked at.
    pub item: Value,
    /// UTF-16 code units that were accepted.
    #[serde(default)]
    pub accepted_length: Option<u64>,
}

impl ItemParams {
    /// The number of the suggestion.
    pub fn number(&self) -> Option<u64> {
        self.item["command"]["arguments"][0].as_u64()
    }
}

/// How the server is, as Copilot's language server says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the model is loading or somebody waits for an answer.
    pub busy: bool,
    /// `Normal`, `Warning`, `Error` or `Inactive`.
    pub kind: String,
    /// For people.
    pub message: String,
}

/// Tells the client a new [`Status`].
#[derive(Debug)]
pub enum DidChangeStatus {}

impl Notification for DidChangeStatus {
    type Params = Status;
    const METHOD: &'static str = "foretype/status";
}

/// Tells the client that what was shown in part is complete now: asked again at the same place, the server has all of it at
/// once. Sent to clients with `experimental.foretype.more` among their capabilities.
#[derive(Debug)]
pub enum More {}

impl Notification for More {
    type Params = DocumentParams;
    const METHOD: &'static str = "foretype/more";
}

/// Names a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentParams {
    /// The document.
    pub text_document: TextDocumentIdentifier,
}

/// Parameters of `textDocument/didFocus`: where the user is, without having typed there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FocusParams {
    /// The document.
    pub text_document: TextDocumentIdentifier,
    /// The cursor. Without it, the notification says nothing.
    #[serde(default)]
    pub position: Option<Position>,
}

/// Parameters of the request `foretype/status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusParams {
    /// Say whether this document gets suggestions, and why not.
    #[serde(default)]
    pub text_document: Option<TextDocumentIdentifier>,
}
