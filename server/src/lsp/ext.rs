//! What the protocol has and lsp-types 0.94 does not: inline completion (LSP 3.18), and our own messages.

use std::path::PathBuf;

use foretype_plugins::docstring::Style;
use foretype_plugins::strategies::ask::Citation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_lsp::jsonrpc::{Error, ErrorCode};
use tower_lsp::lsp_types::{
    Command, Position, ProgressToken, Range, TextDocumentIdentifier, Url, notification::Notification,
};

use crate::plugins::Report;

/// The method of an inline completion request.
pub const INLINE_COMPLETION: &str = "textDocument/inlineCompletion";
/// The command that a client runs when a suggestion was accepted; its argument is the suggestion's number.
pub const ACCEPTED: &str = "foretype.accepted";
/// The command that writes a docstring; its argument names the document, a line and, if it is to be another than the one in
/// use, the style: `{ uri, line, style }`.
pub const DOCSTRING: &str = "foretype.docstring";

/// A request that was understood and failed for this reason, which its sender may show: `RequestFailed` of LSP 3.17.
pub fn failed(why: &str) -> Error {
    const CODE: i64 = -32803;
    Error { code: ErrorCode::ServerError(CODE), message: why.to_owned().into(), data: None }
}

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

/// Parameters of the request `foretype/plugins`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginsParams {
    /// A document of the folder that is meant; without it, the first folder.
    pub text_document: Option<TextDocumentIdentifier>,
}

/// The answer to `foretype/plugins`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginsResult {
    /// The folder of the workspace's plugins, whether or not it is there; null outside every workspace.
    pub folder: Option<PathBuf>,
    /// That of the user's.
    pub user_folder: Option<PathBuf>,
    /// The plugins of both, in their order.
    pub plugins: Vec<Told>,
}

/// How a plugin is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// In figures.
    #[serde(flatten)]
    pub report: Report,
    /// In a few words, for people.
    pub words: String,
}

/// Parameters of the request `foretype/ask`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AskParams {
    /// The question. With an intent it is added to that.
    pub question: Option<String>,
    /// A question that needs no words: `explain`, `find-bugs`, `suggest-tests`, `name`, `simplify` or `commit-message`.
    pub intent: Option<String>,
    /// The open document that is asked about.
    pub text_document: Option<TextDocumentIdentifier>,
    /// What is selected in it; an empty range is a place. Without it, the whole document.
    pub range: Option<Range>,
    /// The folder whose conversation it is, where several are open and no document is named.
    pub workspace: Option<Url>,
    /// The conversation to go on with; without it, one begins.
    pub conversation: Option<u64>,
    /// Whether the last question of the conversation is to be answered anew.
    pub regenerate: bool,
    /// Where in the conversation the question stands, counted from 0. What stands there and behind goes, but the code that went
    /// with a question stays with the one that takes its place.
    pub at: Option<usize>,
    /// Whether it goes on in a copy, so that the conversation stays as it is.
    pub branch: bool,
    /// The answer is sent in pieces as `$/progress` with this token.
    pub partial_result_token: Option<ProgressToken>,
}

/// The answer to `foretype/ask`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskResult {
    /// All of it, in Markdown.
    pub text: String,
    /// False if it was cut at the limit of tokens.
    pub complete: bool,
    /// The number of the conversation, to go on with; null outside a workspace.
    pub conversation: Option<u64>,
    /// The code that the model read with the question.
    pub places: Vec<AskedPlace>,
    /// Where the text names a line of it; ranges are in bytes of the text.
    pub citations: Vec<Citation>,
    /// What the user ought to know: of the model, of what did not fit.
    pub notes: Vec<String>,
    /// Prompt tokens that the model read.
    pub evaluated: usize,
    /// Prompt tokens that it had read before.
    pub reused: usize,
}

/// A piece of code that the model read.
#[derive(Debug, Clone, Serialize)]
pub struct AskedPlace {
    /// The file, if it is one.
    pub uri: Option<Url>,
    /// Its path in the workspace.
    pub path: String,
    /// The first line, from 1.
    pub first: usize,
    /// The last line.
    pub last: usize,
    /// Why it was read.
    pub why: String,
}

/// Parameters of the requests `foretype/conversations` and `foretype/conversation`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeptParams {
    /// The open folder whose conversations are meant; without it, the first.
    pub workspace: Option<Url>,
    /// The number of one of them. The list needs none.
    pub conversation: u64,
    /// Whether to delete it.
    pub delete: bool,
}

/// A conversation that is kept.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptConversation {
    /// Its number, to go on with.
    pub conversation: u64,
    /// The first line of its first question.
    pub title: String,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// How many questions it has.
    pub questions: usize,
    /// They and their answers, where one conversation was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<KeptTurn>,
}

/// A question that was asked, and its answer as [`AskResult`] had it.
#[derive(Debug, Clone, Serialize)]
pub struct KeptTurn {
    /// The question.
    pub question: String,
    /// The answer, in Markdown.
    pub text: String,
    /// The code that the model read with the question.
    pub places: Vec<AskedPlace>,
    /// Where the text names a line of it.
    pub citations: Vec<Citation>,
}

/// A piece of an answer, for the token that the client gave.
#[derive(Debug)]
pub enum Partial {}

impl Notification for Partial {
    type Params = PartialParams;
    const METHOD: &'static str = "$/progress";
}

/// Parameters of [`Partial`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartialParams {
    /// The client's token.
    pub token: ProgressToken,
    /// The piece.
    pub value: PartialText,
}

/// What [`Partial`] carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartialText {
    /// To be added to what came before.
    pub text: String,
}

/// Parameters of `foretype/translate`, `foretype/edit` and `foretype/generate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RewriteParams {
    /// The open document.
    pub text_document: TextDocumentIdentifier,
    /// What is selected in it; an empty range means the function or class around it. To generate, its beginning is the place; to
    /// translate, it may be left out for the whole document.
    #[serde(default)]
    pub range: Option<Range>,
    /// To translate: the language that is wanted.
    #[serde(default)]
    pub to: Option<String>,
    /// To translate comments and docstrings alone: the natural language that is wanted.
    #[serde(default)]
    pub comments: Option<String>,
    /// To edit: what is to be changed.
    #[serde(default)]
    pub instruction: Option<String>,
    /// What the model writes is sent in pieces as `$/progress` with this token.
    #[serde(default)]
    pub partial_result_token: Option<ProgressToken>,
}

/// Parameters of `foretype/docstring`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocstringParams {
    /// The open document.
    pub text_document: TextDocumentIdentifier,
    /// The place of what is documented; where several lines are selected, all that begins there and has no docstring; without
    /// it, all in the document that has none. With `update`, all that has one which names its parts.
    #[serde(default)]
    pub range: Option<Range>,
    /// The style, where it is not to be found out.
    #[serde(default)]
    pub style: Option<Style>,
    /// Whether what is there is to be brought up to date with its signature.
    #[serde(default)]
    pub update: bool,
    /// 0 for the likeliest docstring, any other number for another one.
    #[serde(default)]
    pub attempt: u64,
    /// The name of each item is sent as `$/progress` with this token when its turn comes.
    #[serde(default)]
    pub partial_result_token: Option<ProgressToken>,
}

/// The answer to these requests.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RewriteResult {
    /// The version of the document that this is for.
    pub version: i32,
    /// Changes of the document that can be made one by one, in the order of the text. Nothing is applied by the server.
    pub hunks: Vec<Hunk>,
    /// The translation; null for the others.
    pub text: Option<String>,
    /// Its language.
    pub language_id: Option<&'static str>,
    /// What the user ought to know.
    pub notes: Vec<String>,
}

/// A change of a document.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// What is replaced.
    pub range: Range,
    /// What stands there afterwards.
    pub new_text: String,
}
