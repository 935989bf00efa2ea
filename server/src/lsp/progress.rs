//! Work-done progress that the server reports to the client.

use tower_lsp::lsp_types::{
    NumberOrString, ProgressParams, ProgressParamsValue, WorkDoneProgress, WorkDoneProgressCreateParams,
    notification::Progress, request::WorkDoneProgressCreate,
};

use super::server::{LspServer, within_timeout};

/// Creates progress under a token. Returns false if the client does not show it.
pub(super) async fn create(server: &LspServer, token: &NumberOrString) -> bool {
    if !server.session.client_capabilities().is_some_and(|capabilities| capabilities.progress) {
        return false;
    }
    let (client, params) = (server.client.clone(), WorkDoneProgressCreateParams { token: token.clone() });
    let created = async move { client.send_request::<WorkDoneProgressCreate>(params).await };
    matches!(within_timeout(created).await, Some(Ok(())))
}

/// Reports progress under a token that was [created](create).
pub(super) async fn send(server: &LspServer, token: &NumberOrString, value: WorkDoneProgress) {
    let params = ProgressParams { token: token.clone(), value: ProgressParamsValue::WorkDone(value) };
    server.client.send_notification::<Progress>(params).await;
}
