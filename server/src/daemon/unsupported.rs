//! Stand-ins for systems without a daemon, where each window serves itself.

use anyhow::Result;
use serde_json::Value;

/// Returns `None`: the window must serve itself.
pub(crate) fn connect() -> Result<Option<bool>> {
    Ok(None)
}

/// Returns `None`: no daemon is running.
pub(crate) fn status() -> Result<Option<Value>> {
    Ok(None)
}

/// Returns `None`: no daemon is running.
pub(crate) fn plugins(_: &std::path::Path) -> Result<Option<Option<Vec<crate::plugins::PluginReport>>>> {
    Ok(None)
}

/// Returns false: no daemon was running.
pub(crate) fn stop() -> Result<bool> {
    Ok(false)
}

/// Fails, because there is no daemon.
pub(crate) fn serve() -> Result<()> {
    anyhow::bail!("there is no daemon on this system: `foretype lsp` runs in one process")
}
