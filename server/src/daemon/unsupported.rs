//! Stand-ins for systems without a daemon, where each window serves itself.

use anyhow::Result;
use serde_json::Value;

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
