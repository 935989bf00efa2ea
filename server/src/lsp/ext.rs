//! Extensions of the protocol that lsp-types 0.94 lacks: inline completion (LSP 3.18), and the messages of Foretype.

use std::path::PathBuf;

use foretype_plugins::docstring::DocStyle;
use foretype_plugins::tasks::ask::Citation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_lsp::jsonrpc::{Error, ErrorCode};
use tower_lsp::lsp_types::{
    Command, Position, ProgressToken, Range, TextDocumentIdentifier, Url, notification::Notification,
};

use crate::plugins::PluginReport;

/// Method of an inline completion request.
pub(super) const INLINE_COMPLETION_METHOD: &str = "textDocument/inlineCompletion";
/// Command that a client runs when a suggestion was accepted. Its argument is the number of the suggestion.
pub(super) const ACCEPTED_COMMAND: &str = "foretype.accepted";
/// Command that writes a docstring. Its argument is `{ uri, line, style, update }`; the last two are optional.
pub(super) const DOCSTRING_COMMAND: &str = "foretype.docstring";

/// Error for a request that was valid but failed, with a reason that the client may show: `RequestFailed` of LSP 3.17.
pub(super) fn failed(why: &str) -> Error {
    const REQUEST_FAILED_CODE: i64 = -32803;
    Error { code: ErrorCode::ServerError(REQUEST_FAILED_CODE), message: why.to_owned().into(), data: None }
}

/// Parameters of `textDocument/inlineCompletion`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineCompletionParams {
    /// Document.
    pub(super) text_document: TextDocumentIdentifier,
    /// Cursor.
    pub(super) position: Position,
    /// Cause of the request. Some clients omit it.
    #[serde(default)]
    pub(super) context: InlineCompletionContext,
    /// Number of the request, which the ingress adds as [`REQUEST_ID`] whatever the client sent.
    #[serde(default, rename = "foretype/moment")]
    pub(super) request_id: Option<u64>,
}

/// Cause of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineCompletionContext {
    /// 1: the user requested it; 2: the user typed or moved the cursor.
    #[serde(default = "automatic")]
    pub(super) trigger_kind: u32,
    /// Item that is selected in the completion popup.
    #[serde(default)]
    pub(super) selected_completion_info: Option<SelectedCompletionInfo>,
}

/// Name of the parameter with which the ingress numbers inline completion requests. It never leaves the process.
pub(super) const REQUEST_ID: &str = "foretype/moment";

/// [`InlineCompletionContext::trigger_kind`] of a request by the user.
pub(super) const TRIGGER_INVOKED: u32 = 1;

fn automatic() -> u32 {
    2
}

impl Default for InlineCompletionContext {
    fn default() -> Self {
        Self { trigger_kind: automatic(), selected_completion_info: None }
    }
}

/// Item that is selected in the completion popup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SelectedCompletionInfo {
    /// Range that it replaces.
    pub(super) range: Range,
    /// Text that it inserts.
    pub(super) text: String,
}

/// Suggestions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineCompletionList {
    /// Suggestions, the best first.
    pub(super) items: Vec<InlineCompletionItem>,
    /// True if the model is still writing the suggestions. Only a client that supports [`CompletionReady`] gets such an
    /// answer; it asks again when it is notified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_incomplete: bool,
}

/// Suggestion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineCompletionItem {
    /// Text that replaces `range`.
    pub(super) insert_text: String,
    /// Text that the client compares with the text in `range`, if that is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter_text: Option<String>,
    /// Range that is replaced.
    pub(super) range: Range,
    /// Command that the client runs when the item was accepted.
    pub(super) command: Command,
}

/// Parameters of `textDocument/didShowCompletion` and `textDocument/didPartiallyAcceptCompletion`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemParams {
    /// Item as the server sent it. Only the argument of its command is read.
    pub(super) item: Value,
    /// Number of UTF-16 code units that were accepted.
    #[serde(default)]
    pub(super) accepted_length: Option<u64>,
}

impl ItemParams {
    /// Number of the suggestion.
    pub(super) fn number(&self) -> Option<u64> {
        self.item["command"]["arguments"][0].as_u64()
    }
}

/// Status of the server, in the form of Copilot's language server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    /// True while the model is being loaded.
    pub(super) busy: bool,
    /// `Normal`, `Warning`, `Error` or `Inactive`.
    pub(super) kind: String,
    /// Text for the user.
    pub(super) message: String,
}

/// Notification of a new [`Status`].
#[derive(Debug)]
pub(super) enum DidChangeStatus {}

impl Notification for DidChangeStatus {
    type Params = Status;
    const METHOD: &'static str = "foretype/status";
}

/// Notification that unfinished suggestions are complete now: the same request is then answered at once. Sent to
/// clients with the capability `experimental.foretype.more`.
#[derive(Debug)]
pub(super) enum CompletionReady {}

impl Notification for CompletionReady {
    type Params = DocumentParams;
    const METHOD: &'static str = "foretype/more";
}

/// Parameters of a notification about a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocumentParams {
    /// Document.
    pub(super) text_document: TextDocumentIdentifier,
}

/// Parameters of `textDocument/didFocus`: the cursor has moved without an edit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DidFocusParams {
    /// Document.
    pub(super) text_document: TextDocumentIdentifier,
    /// Cursor. Without it, the notification has no effect.
    #[serde(default)]
    pub(super) position: Option<Position>,
}

/// Parameters of the request `foretype/status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusParams {
    /// Document for which to report whether it gets suggestions.
    #[serde(default)]
    pub(super) text_document: Option<TextDocumentIdentifier>,
}

/// Parameters of the request `foretype/plugins`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PluginsParams {
    /// Document of a workspace folder. Without it, the first folder is meant.
    pub(super) text_document: Option<TextDocumentIdentifier>,
}

/// Result of `foretype/plugins`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PluginsResult {
    /// Folder of the workspace's plugins, which need not exist; null outside every workspace.
    pub(super) folder: Option<PathBuf>,
    /// Folder of the user's plugins.
    pub(super) user_folder: Option<PathBuf>,
    /// Plugins of both folders, in the order in which they run.
    pub(super) plugins: Vec<PluginsResultItem>,
}

/// Status of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct PluginsResultItem {
    /// Counters and state.
    #[serde(flatten)]
    pub(super) report: PluginReport,
    /// The same in a few words, for the user.
    pub(super) words: String,
}

/// Parameters of the request `foretype/ask`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AskParams {
    /// Question. With an intent, it is added to that.
    pub(super) question: Option<String>,
    /// Predefined question: `explain`, `find-bugs`, `suggest-tests`, `name`, `simplify` or `commit-message`.
    pub(super) intent: Option<String>,
    /// Open document that the question is about.
    pub(super) text_document: Option<TextDocumentIdentifier>,
    /// Selection in the document; an empty range is a cursor. Without it, the whole document is meant.
    pub(super) range: Option<Range>,
    /// Folder of the conversation, if several are open and no document is named.
    pub(super) workspace: Option<Url>,
    /// Number of the conversation to continue. Without it, a new one is started.
    pub(super) conversation: Option<u64>,
    /// Answers the last question of the conversation again.
    pub(super) regenerate: bool,
    /// Index of the turn that the question replaces, counted from 0. Later turns are removed. The new question keeps
    /// the code of the one that it replaces.
    pub(super) at: Option<usize>,
    /// Continues in a copy, so that the conversation stays unchanged.
    pub(super) branch: bool,
    /// Token with which the text is streamed as `$/progress`.
    pub(super) partial_result_token: Option<ProgressToken>,
}

/// Result of `foretype/ask`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskResult {
    /// Answer, in Markdown.
    pub(super) text: String,
    /// False if it was cut off at the token limit.
    pub(super) complete: bool,
    /// Number of the conversation, to continue it; null outside a workspace.
    pub(super) conversation: Option<u64>,
    /// Code that the model read with the question.
    pub(super) places: Vec<AskExcerpt>,
    /// Places where the text names lines of that code. Ranges are in bytes of the text.
    pub(super) citations: Vec<Citation>,
    /// Notes for the user, for example about code that did not fit.
    pub(super) notes: Vec<String>,
    /// Prompt tokens that were evaluated.
    pub(super) evaluated: usize,
    /// Prompt tokens that were reused from the KV cache.
    pub(super) reused: usize,
}

/// Code that the model read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AskExcerpt {
    /// URI of the file, if it is one.
    pub(super) uri: Option<Url>,
    /// Path in the workspace.
    pub(super) path: String,
    /// First line, counted from 1.
    pub(super) first: usize,
    /// Last line.
    pub(super) last: usize,
    /// Reason for which it was read.
    pub(super) why: String,
}

/// Parameters of the requests `foretype/conversations` and `foretype/conversation`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConversationParams {
    /// Open folder of the conversations. Without it, the first folder is meant.
    pub(super) workspace: Option<Url>,
    /// Number of a conversation. The list needs none.
    pub(super) conversation: u64,
    /// Deletes the conversation.
    pub(super) delete: bool,
}

/// Saved conversation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedConversation {
    /// Number of the conversation, to continue it.
    pub(super) conversation: u64,
    /// First line of the first question.
    pub(super) title: String,
    /// Start of the conversation, in seconds since 1970.
    pub(super) began: u64,
    /// Number of questions.
    pub(super) questions: usize,
    /// Questions and answers, if one conversation was requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) turns: Vec<SavedTurn>,
}

/// Question with its answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SavedTurn {
    /// Question.
    pub(super) question: String,
    /// Answer, in Markdown.
    pub(super) text: String,
    /// Code that the model read with the question.
    pub(super) places: Vec<AskExcerpt>,
    /// Places where the text names lines of that code.
    pub(super) citations: Vec<Citation>,
}

/// Notification with a part of a result, for the token that the client gave.
#[derive(Debug)]
pub(super) enum PartialResult {}

impl Notification for PartialResult {
    type Params = PartialResultParams;
    const METHOD: &'static str = "$/progress";
}

/// Parameters of [`PartialResult`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartialResultParams {
    /// Token of the client.
    pub(super) token: ProgressToken,
    /// Part of the result.
    pub(super) value: PartialText,
}

/// Value of a [`PartialResult`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartialText {
    /// Text to append to the parts before.
    pub(super) text: String,
}

/// Parameters of `foretype/translate`, `foretype/edit` and `foretype/generate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RewriteParams {
    /// Open document.
    pub(super) text_document: TextDocumentIdentifier,
    /// Selection. An empty range means the function or class around it; `foretype/generate` uses its start only.
    /// `foretype/translate` takes the whole document if it is missing.
    #[serde(default)]
    pub(super) range: Option<Range>,
    /// Programming language to translate into.
    #[serde(default)]
    pub(super) to: Option<String>,
    /// Natural language to translate only comments and docstrings into.
    #[serde(default)]
    pub(super) comments: Option<String>,
    /// Instruction of an edit.
    #[serde(default)]
    pub(super) instruction: Option<String>,
    /// Token with which the text is streamed as `$/progress`.
    #[serde(default)]
    pub(super) partial_result_token: Option<ProgressToken>,
}

/// Parameters of `foretype/docstring`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocstringParams {
    /// Open document.
    pub(super) text_document: TextDocumentIdentifier,
    /// Range on one line: the item at that line. On several lines: the items that start there and have no docstring,
    /// or, with `update`, have one that names their parts. Without a range: all such items of the document.
    #[serde(default)]
    pub(super) range: Option<Range>,
    /// Style, unless it is to be detected.
    #[serde(default)]
    pub(super) style: Option<DocStyle>,
    /// Updates existing docstrings to their signatures.
    #[serde(default)]
    pub(super) update: bool,
    /// 0 for the likeliest docstring, any other number to sample another one.
    #[serde(default)]
    pub(super) attempt: u64,
    /// Token with which the name of each item is sent as `$/progress` when its turn comes.
    #[serde(default)]
    pub(super) partial_result_token: Option<ProgressToken>,
}

/// Result of these requests.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RewriteResult {
    /// Version of the document that the hunks are for.
    pub(super) version: i32,
    /// Changes that can be applied one by one, in the order of the text. The server applies nothing.
    pub(super) hunks: Vec<Hunk>,
    /// Translation; null for other requests.
    pub(super) text: Option<String>,
    /// Language of the translation.
    pub(super) language_id: Option<&'static str>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
}

/// Change of a document.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hunk {
    /// Range that is replaced.
    pub(super) range: Range,
    /// Text that replaces the range.
    pub(super) new_text: String,
}
