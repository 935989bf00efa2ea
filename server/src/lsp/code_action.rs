//! `textDocument/codeAction`: offers to write or update the docstring of the item at the start of the range.

use foretype_plugins::docstring::DocTask;
use serde_json::json;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CodeActionResponse, Command,
};

use super::execute_command::DocstringTarget;
use super::ext::DOCSTRING_COMMAND;
use super::server::LspServer;
use crate::docstring::open_document::offered_tasks;

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
    if params.context.only.is_some_and(|only| !only.iter().any(includes_rewrites)) {
        return Ok(None);
    }
    let (session, uri, line) = (server.session.clone(), params.text_document.uri, params.range.start.line);
    let offered = tokio::task::spawn_blocking(move || {
        let tasks = offered_tasks(&session, uri.as_str(), line as usize).ok()?;
        let target = |update| DocstringTarget { uri: uri.clone(), line, style: None, update };
        Some(tasks.iter().map(|(update, task)| action(task, &target(*update))).collect::<Vec<_>>())
    });
    let actions = offered.await.ok().flatten().unwrap_or_default();
    Ok(if actions.is_empty() { None } else { Some(actions) })
}

/// True if a kind that the client filters by includes `refactor.rewrite`.
fn includes_rewrites(kind: &CodeActionKind) -> bool {
    format!("{}.", CodeActionKind::REFACTOR_REWRITE.as_str()).starts_with(&format!("{}.", kind.as_str()))
}

fn action(task: &DocTask, target: &DocstringTarget) -> CodeActionOrCommand {
    let verb = if target.update {
        "Update the docstring"
    } else if task.item.existing.is_some() {
        "Write the docstring again"
    } else {
        "Write a docstring"
    };
    let title = if task.item.name.is_empty() {
        format!("{verb} for this module")
    } else {
        format!("{verb} for `{}`", task.item.name)
    };
    let command =
        Command { title: title.clone(), command: DOCSTRING_COMMAND.to_owned(), arguments: Some(vec![json!(target)]) };
    CodeActionOrCommand::CodeAction(CodeAction {
        title,
        kind: Some(CodeActionKind::REFACTOR_REWRITE),
        command: Some(command),
        ..CodeAction::default()
    })
}
