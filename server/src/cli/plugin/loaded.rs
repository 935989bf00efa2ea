//! Plugins of a workspace, loaded for a command.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::config::Config;
use crate::plugins::{PluginRegistry, WorkspacePlugins};

/// Loads the plugins of the workspace at `root`.
pub(super) fn loaded_plugins(root: &Path) -> Result<Arc<WorkspacePlugins>> {
    let config = Config::load(Some(root))?;
    let plugins = PluginRegistry::default().for_workspace(Some(root), &config);
    plugins.refresh(&config);
    Ok(plugins)
}
