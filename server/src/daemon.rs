//! One process for all editor windows of a user, so that ten windows share one model.
//!
//! `foretype lsp` connects its standard input and output to the daemon over a Unix socket that only the user can reach,
//! and starts the daemon if there is none. A connection begins with one line of JSON from each side ([`Hello`],
//! [`Welcome`]); then it carries LSP. If the daemon is of another build or sees other folders, or there can be none, the
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
pub use client::{connect, plugins, status, stop};
#[cfg(unix)]
pub use server::serve;

/// The first line from a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// What it wants.
    pub want: Want,
    /// Its [`build`].
    pub build: String,
    /// Environment variables that decide which folders are used; they have to be those of the daemon.
    pub folders: BTreeMap<String, String>,
    /// Environment variables that set options.
    pub options: BTreeMap<String, String>,
    /// The workspace that is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Want {
    /// To speak LSP.
    Lsp,
    /// To know how a session ended: whether `shutdown` came before `exit`.
    Outcome(u64),
    /// To know how the daemon is.
    Status,
    /// To know how the plugins of a workspace are.
    Plugins,
    /// The end of the daemon.
    Stop,
}

/// The answer to [`Hello`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Welcome {
    /// Why the daemon does not serve this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What was wanted, or for [`Want::Lsp`] the number of the session.
    #[serde(default)]
    pub answer: Value,
}

/// Tells two builds apart: the version, and the size and age of the binary.
pub fn build() -> String {
    let data = std::env::current_exe().and_then(|path| path.metadata()).ok();
    let age = data.as_ref().and_then(|data| data.modified().ok());
    let age = age.and_then(|age| age.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |age| age.as_millis());
    format!("{} {} {age}", env!("CARGO_PKG_VERSION"), data.map_or(0, |data| data.len()))
}

impl Hello {
    /// What this process would say.
    pub fn new(want: Want) -> Self {
        const FOLDERS: &[&str] =
            &["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "FORETYPE_MODELS"];
        let variable = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_owned(), value));
        let folders = FOLDERS.iter().filter_map(variable).collect();
        let options = std::env::vars().filter(|(name, _)| name.starts_with("FORETYPE_")).collect();
        Self { want, build: build(), folders, options, workspace: None }
    }
}

/// The folder of socket, lock and log: `foretype` in `XDG_RUNTIME_DIR`, else a folder of the user's own among the temporary
/// ones. It is made if need be, for the user alone.
#[cfg(unix)]
pub fn folder() -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    let own = own_uid()?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        runtime.map_or_else(|| std::env::temp_dir().join(format!("foretype-{own}")), |run| run.join("foretype"));
    let failed = || format!("cannot use {} for the daemon's socket", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(failed)?;
    let data = std::fs::symlink_metadata(&folder).with_context(failed)?;
    anyhow::ensure!(data.is_dir() && data.uid() == own, "{} belongs to somebody else", folder.display());
    if data.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).with_context(failed)?;
    }
    Ok(folder)
}

/// The user of this process: who owns what it creates.
#[cfg(unix)]
fn own_uid() -> Result<u32> {
    use std::os::unix::fs::MetadataExt;

    Ok(tempfile::tempfile().context("no temporary file can be made")?.metadata()?.uid())
}

#[cfg(unix)]
fn socket() -> Result<PathBuf> {
    Ok(folder()?.join("daemon.sock"))
}

#[cfg(not(unix))]
mod absent {
    use super::{Result, Value};

    /// There is no daemon on this system: the window serves itself.
    pub fn connect() -> Result<Option<bool>> {
        Ok(None)
    }

    /// There is no daemon on this system.
    pub fn status() -> Result<Option<Value>> {
        Ok(None)
    }

    /// There is no daemon on this system.
    pub fn plugins(_: &std::path::Path) -> Result<Option<Option<Vec<crate::plugins::Report>>>> {
        Ok(None)
    }

    /// There is no daemon on this system.
    pub fn stop() -> Result<bool> {
        Ok(false)
    }

    /// There is no daemon on this system.
    pub fn serve() -> Result<()> {
        anyhow::bail!("there is no daemon on this system; `foretype lsp` keeps everything in one process")
    }
}

#[cfg(not(unix))]
pub use absent::{connect, plugins, serve, status, stop};
