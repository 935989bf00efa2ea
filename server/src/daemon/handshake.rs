//! First line of each side of a connection: the request of the client, and the reply of the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// First line from a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClientHello {
    /// Request of the client.
    #[serde(rename = "want")]
    pub(crate) request: DaemonRequest,
    /// [Build](build_id) of the client.
    pub(crate) build: String,
    /// Environment variables that decide which folders are used. They must equal those of the daemon.
    #[serde(rename = "folders")]
    pub(crate) folder_variables: BTreeMap<String, String>,
    /// Environment variables that set options.
    #[serde(rename = "options")]
    pub(crate) option_variables: BTreeMap<String, String>,
    /// Workspace of the request [`DaemonRequest::Plugins`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<PathBuf>,
}

/// Request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DaemonRequest {
    /// Serves LSP on this connection.
    Lsp,
    /// Returns how a session ended: true if `shutdown` came before `exit`.
    Outcome(u64),
    /// Returns the status of the daemon.
    Status,
    /// Returns the status of the plugins of a workspace.
    Plugins,
    /// Stops the daemon.
    Stop,
}

/// Reply to [`ClientHello`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ServerHello {
    /// Reason that the daemon does not serve this client.
    #[serde(default, rename = "refused", skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    /// Result of the request; for [`DaemonRequest::Lsp`], the number of the session.
    #[serde(default, rename = "answer")]
    pub(crate) response: Value,
}

/// Returns an identifier of this build: the version, and the size and modification time of the binary.
pub(crate) fn build_id() -> String {
    let data = std::env::current_exe().and_then(|path| path.metadata()).ok();
    let age = data.as_ref().and_then(|data| data.modified().ok());
    let age = age.and_then(|age| age.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |age| age.as_millis());
    format!("{} {} {age}", env!("CARGO_PKG_VERSION"), data.map_or(0, |data| data.len()))
}

impl ClientHello {
    /// Creates the hello of this process.
    pub(crate) fn new(want: DaemonRequest) -> Self {
        const FOLDERS: &[&str] =
            &["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "FORETYPE_MODELS"];
        let variable = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_owned(), value));
        let folders = FOLDERS.iter().filter_map(variable).collect();
        let options = std::env::vars().filter(|(name, _)| name.starts_with("FORETYPE_")).collect();
        Self { request: want, build: build_id(), folder_variables: folders, option_variables: options, workspace: None }
    }
}
