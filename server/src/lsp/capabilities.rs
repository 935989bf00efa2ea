//! Capabilities that the server announces, and registrations that it sends.

use serde_json::{Value, json};
use tower_lsp::lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, ExecuteCommandOptions, InitializeResult, OneOf,
    Registration, ServerCapabilities, ServerInfo, TextDocumentSyncCapability, TextDocumentSyncKind,
    TextDocumentSyncOptions, TextDocumentSyncSaveOptions, WorkspaceFoldersServerCapabilities,
    WorkspaceServerCapabilities,
};

use super::ext;
use crate::session::ResolvedClientCapabilities;

/// Registrations to send once the client is ready.
pub(super) fn registrations(client: &ResolvedClientCapabilities) -> Vec<Registration> {
    let watchers = json!({ "watchers": [{ "globPattern": "**/*" }] });
    let section = json!({ "section": "foretype" });
    let selector = json!({ "documentSelector": null });
    let all = [
        (client.registers_inline_completion, ext::INLINE_COMPLETION_METHOD, selector),
        (client.registers_watched_files, "workspace/didChangeWatchedFiles", watchers),
        (client.registers_configuration, "workspace/didChangeConfiguration", section),
    ];
    let supported = all.into_iter().filter(|(is_supported, ..)| *is_supported);
    let registration = |(_, method, options): (bool, &str, Value)| Registration {
        id: format!("foretype-{method}"),
        method: method.to_owned(),
        register_options: Some(options),
    };
    supported.map(registration).collect()
}

/// True if raw client capabilities declare dynamic registration of inline completion.
pub(super) fn inline_completion_dynamic(params: Option<&Value>) -> bool {
    let path = "/capabilities/textDocument/inlineCompletion/dynamicRegistration";
    params.and_then(|params| params.pointer(path)).and_then(Value::as_bool).unwrap_or(false)
}

/// Answer to `initialize`, without the capabilities that lsp-types does not know.
pub(super) fn initialize_result(client: &ResolvedClientCapabilities) -> InitializeResult {
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
                commands: vec![ext::ACCEPTED_COMMAND.to_owned(), ext::DOCSTRING_COMMAND.to_owned()],
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

/// Adds inline completion to an answer to `initialize`, unless it will be registered dynamically.
pub(super) fn add_inline_completion(result: &mut Value, is_registered_later: bool) {
    if !is_registered_later && let Some(capabilities) = result["capabilities"].as_object_mut() {
        capabilities.insert("inlineCompletionProvider".to_owned(), json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capabilities: Value) -> (ResolvedClientCapabilities, Value) {
        let params = json!({ "capabilities": capabilities });
        let typed = serde_json::from_value(capabilities).expect("capabilities");
        let client = ResolvedClientCapabilities::read(&typed, None, inline_completion_dynamic(Some(&params)));
        let mut result = serde_json::to_value(initialize_result(&client)).expect("plain data");
        add_inline_completion(&mut result, client.registers_inline_completion);
        (client, result["capabilities"].clone())
    }

    #[test]
    fn inline_completion_is_static_unless_the_client_registers_it() {
        let (client, server) = check(json!({}));
        assert!(server["inlineCompletionProvider"].is_object() && registrations(&client).is_empty());
        let dynamic = json!({ "textDocument": { "inlineCompletion": { "dynamicRegistration": true } } });
        let (client, server) = check(dynamic);
        assert!(server["inlineCompletionProvider"].is_null());
        assert_eq!(registrations(&client)[0].method, ext::INLINE_COMPLETION_METHOD);
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
