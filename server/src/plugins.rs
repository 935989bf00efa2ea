//! Plugins of the user and of workspaces: discovery, trust, loading and reports.
//!
//! The user's own plugins lie in `foretype/plugins/` of the configuration folder and always run. Plugins of a workspace
//! lie in `.foretype/plugins/` and run only if the user trusts them (`trust`), by path and content, so that a plugin
//! that `git pull` changes needs to be trusted again. The folders are scanned when prompts are built, at most twice a
//! second. Changed plugins are reloaded, and a plugin that was stopped runs again after it changes.

pub(crate) mod contributors;
pub(crate) mod fixtures;
mod git;
mod plugin_files;
mod registry;
pub(crate) mod report;
mod task_plugins;
pub(crate) mod trust;
mod workspace_files;
mod workspace_plugins;

pub(crate) use plugin_files::{list_plugin_files, source_hash, user_folder, uses_search, workspace_folder};
pub(crate) use registry::PluginRegistry;
pub(crate) use report::PluginReport;
pub use task_plugins::CodePlugins;
pub(crate) use task_plugins::TaskPlugins;
pub(crate) use workspace_plugins::{PluginEntry, PluginNotice, PluginState, WorkspacePlugins, with_plugins};
