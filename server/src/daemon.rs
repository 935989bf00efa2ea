//! Background process that serves all editor windows of a user, so that they share one model.
//!
//! `foretype lsp` connects its standard input and output to the daemon over a Unix socket that only the user can reach,
//! and starts the daemon if none is running. A connection begins with one line of JSON from each side ([`ClientHello`],
//! [`ServerHello`]) and then carries LSP. If the daemon is of another build, uses other folders or cannot be started, the
//! window serves itself.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(unix)]
pub(crate) use client::{connect, plugins, status, stop};
#[cfg(unix)]
pub(crate) use server::serve;

/// First line from a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientHello {
    /// Request of the client.
    #[serde(rename = "want")]
    pub request: DaemonRequest,
    /// [Build](build_id) of the client.
    pub build: String,
    /// Environment variables that decide which folders are used. They must equal those of the daemon.
    #[serde(rename = "folders")]
    pub folder_variables: BTreeMap<String, String>,
    /// Environment variables that set options.
    #[serde(rename = "options")]
    pub option_variables: BTreeMap<String, String>,
    /// Workspace of the request [`DaemonRequest::Plugins`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// Request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonRequest {
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
pub struct ServerHello {
    /// Reason that the daemon does not serve this client.
    #[serde(default, rename = "refused", skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Result of the request; for [`DaemonRequest::Lsp`], the number of the session.
    #[serde(default, rename = "answer")]
    pub response: Value,
}

/// Returns an identifier of this build: the version, and the size and modification time of the binary.
pub fn build_id() -> String {
    let data = std::env::current_exe().and_then(|path| path.metadata()).ok();
    let age = data.as_ref().and_then(|data| data.modified().ok());
    let age = age.and_then(|age| age.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |age| age.as_millis());
    format!("{} {} {age}", env!("CARGO_PKG_VERSION"), data.map_or(0, |data| data.len()))
}

impl ClientHello {
    /// Creates the hello of this process.
    pub fn new(want: DaemonRequest) -> Self {
        const FOLDERS: &[&str] =
            &["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "FORETYPE_MODELS"];
        let variable = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_owned(), value));
        let folders = FOLDERS.iter().filter_map(variable).collect();
        let options = std::env::vars().filter(|(name, _)| name.starts_with("FORETYPE_")).collect();
        Self { request: want, build: build_id(), folder_variables: folders, option_variables: options, workspace: None }
    }
}

/// Returns the folder of the socket, the lock and the log: `foretype` in `XDG_RUNTIME_DIR`, else `foretype-UID` in the
/// temporary folder. It is created if necessary, and is accessible to the user alone.
///
/// # Errors
/// If the folder cannot be created, or belongs to another user.
#[cfg(unix)]
pub fn runtime_folder() -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    let own = current_uid()?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        runtime.map_or_else(|| std::env::temp_dir().join(format!("foretype-{own}")), |run| run.join("foretype"));
    let failed = || format!("cannot use {} for the daemon's socket", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(failed)?;
    let data = std::fs::symlink_metadata(&folder).with_context(failed)?;
    anyhow::ensure!(data.is_dir() && data.uid() == own, "{} belongs to another user", folder.display());
    if data.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).with_context(failed)?;
    }
    Ok(folder)
}

/// Returns the ID of the user of this process: the owner of the files that it creates.
#[cfg(unix)]
fn current_uid() -> Result<u32> {
    use std::os::unix::fs::MetadataExt;

    Ok(tempfile::tempfile().context("cannot create a temporary file")?.metadata()?.uid())
}

#[cfg(unix)]
fn socket_path() -> Result<PathBuf> {
    Ok(runtime_folder()?.join("daemon.sock"))
}

#[cfg(not(unix))]
mod unsupported {
    //! Stand-ins for systems without a daemon, where each window serves itself.

    use super::{Result, Value};

    pub(crate) fn connect() -> Result<Option<bool>> {
        Ok(None)
    }

    pub(crate) fn status() -> Result<Option<Value>> {
        Ok(None)
    }

    pub(crate) fn plugins(_: &std::path::Path) -> Result<Option<Option<Vec<crate::plugins::Report>>>> {
        Ok(None)
    }

    pub(crate) fn stop() -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn serve() -> Result<()> {
        anyhow::bail!("there is no daemon on this system: `foretype lsp` runs in one process")
    }
}

#[cfg(not(unix))]
pub(crate) use unsupported::{connect, plugins, serve, status, stop};
