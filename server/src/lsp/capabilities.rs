//! What client and server can do.

use serde_json::{Value, json};
use tower_lsp::lsp_types::{
    ClientCapabilities, CodeActionKind, CodeActionOptions, CodeActionProviderCapability, ExecuteCommandOptions,
    InitializeResult, OneOf, Registration, ServerCapabilities, ServerInfo, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions, WorkspaceFoldersServerCapabilities,
    WorkspaceServerCapabilities,
};

use super::convert::Encoding;
use super::ext;

/// What a client can do, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// How positions are counted.
    pub encoding: Encoding,
    /// Takes a later registration of inline completion.
    pub registers_inline_completion: bool,
    /// Takes a registration for watched files.
    pub registers_watched_files: bool,
    /// Takes a registration for changes of the configuration.
    pub registers_configuration: bool,
    /// Answers `workspace/configuration`.
    pub configuration: bool,
    /// Shows progress.
    pub progress: bool,
    /// Takes edits that are meant for one version of a document.
    pub document_changes: bool,
    /// Shows a suggestion in part and asks again when it is told of [more](ext::More).
    pub more: bool,
}

impl Client {
    /// Reads the raw capabilities, of which lsp-types knows those up to 3.17, and the typed ones.
    pub fn read(typed: &ClientCapabilities, inline_completion_dynamic: bool) -> Self {
        let workspace = typed.workspace.as_ref();
        let window = typed.window.as_ref();
        let encodings = typed.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        Self {
            encoding: Encoding::negotiate(encodings),
            registers_inline_completion: inline_completion_dynamic,
            registers_watched_files: workspace
                .and_then(|workspace| workspace.did_change_watched_files.as_ref())
                .and_then(|files| files.dynamic_registration)
                .unwrap_or(false),
            registers_configuration: workspace
                .and_then(|workspace| workspace.did_change_configuration.as_ref())
                .and_then(|configuration| configuration.dynamic_registration)
                .unwrap_or(false),
            configuration: workspace.and_then(|workspace| workspace.configuration).unwrap_or(false),
            progress: window.and_then(|window| window.work_done_progress).unwrap_or(false),
            document_changes: workspace
                .and_then(|workspace| workspace.workspace_edit.as_ref())
                .and_then(|edit| edit.document_changes)
                .unwrap_or(false),
            more: typed.experimental.as_ref().is_some_and(|own| own["foretype"]["more"] == true),
        }
    }

    /// What to register once the client is ready.
    pub fn registrations(&self) -> Vec<Registration> {
        let register = |wanted: bool, method: &str, options: Value| {
            wanted.then(|| Registration {
                id: format!("foretype-{method}"),
                method: method.to_owned(),
                register_options: Some(options),
            })
        };
        let watchers = json!({ "watchers": [{ "globPattern": "**/*" }] });
        let section = json!({ "section": "foretype" });
        [
            register(self.registers_inline_completion, ext::INLINE_COMPLETION, json!({ "documentSelector": null })),
            register(self.registers_watched_files, "workspace/didChangeWatchedFiles", watchers),
            register(self.registers_configuration, "workspace/didChangeConfiguration", section),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Whether raw client capabilities declare dynamic registration of inline completion.
pub fn inline_completion_dynamic(params: Option<&Value>) -> bool {
    let path = "/capabilities/textDocument/inlineCompletion/dynamicRegistration";
    params.and_then(|params| params.pointer(path)).and_then(Value::as_bool).unwrap_or(false)
}

/// The answer to `initialize`, but for what [`complete`] adds.
pub fn server(client: &Client) -> InitializeResult {
    let sync = TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(TextDocumentSyncKind::INCREMENTAL),
        save: Some(TextDocumentSyncSaveOptions::Supported(true)),
        ..TextDocumentSyncOptions::default()
    };
    let folders =
        WorkspaceFoldersServerCapabilities { supported: Some(true), change_notifications: Some(OneOf::Left(true)) };
    InitializeResult {
        capabilities: ServerCapabilities {
            position_encoding: Some(client.encoding.kind()),
            text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
            code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::REFACTOR_REWRITE]),
                ..CodeActionOptions::default()
            })),
            execute_command_provider: Some(ExecuteCommandOptions {
                commands: vec![ext::ACCEPTED.to_owned(), ext::DOCSTRING.to_owned()],
                ..ExecuteCommandOptions::default()
            }),
            workspace: Some(WorkspaceServerCapabilities { workspace_folders: Some(folders), file_operations: None }),
            ..ServerCapabilities::default()
        },
        server_info: Some(ServerInfo {
            name: "foretype".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    }
}

/// Adds to an `initialize` answer what lsp-types does not know. A client that registers later is not told twice.
pub fn complete(result: &mut Value, client_registers: bool) {
    if !client_registers && let Some(capabilities) = result["capabilities"].as_object_mut() {
        capabilities.insert("inlineCompletionProvider".to_owned(), json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capabilities: Value) -> (Client, Value) {
        let params = json!({ "capabilities": capabilities });
        let typed = serde_json::from_value(capabilities).expect("capabilities");
        let client = Client::read(&typed, inline_completion_dynamic(Some(&params)));
        let mut result = serde_json::to_value(server(&client)).expect("plain data");
        complete(&mut result, client.registers_inline_completion);
        (client, result["capabilities"].clone())
    }

    #[test]
    fn inline_completion_is_static_unless_the_client_registers_it() {
        let (client, server) = check(json!({}));
        assert!(server["inlineCompletionProvider"].is_object() && client.registrations().is_empty());
        let dynamic = json!({ "textDocument": { "inlineCompletion": { "dynamicRegistration": true } } });
        let (client, server) = check(dynamic);
        assert!(server["inlineCompletionProvider"].is_null());
        assert_eq!(client.registrations()[0].method, ext::INLINE_COMPLETION);
    }

    #[test]
    fn bytes_are_preferred_and_utf_16_is_the_default() {
        let encoding =
            |kinds: Value| check(json!({ "general": { "positionEncodings": kinds } })).1["positionEncoding"].clone();
        assert_eq!(encoding(json!(["utf-16", "utf-8"])), "utf-8");
        assert_eq!(encoding(json!(["utf-32"])), "utf-32");
        assert_eq!(encoding(json!(["utf-32", "utf-16"])), "utf-16");
        assert_eq!(check(json!({})).1["positionEncoding"], "utf-16");
    }
}
