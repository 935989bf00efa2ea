//! State that the functions of the global `foretype` share.

use std::sync::Arc;
use std::time::Duration;

use super::deadline::CallDeadline;
use super::workspace_access::WorkspaceAccess;
use crate::Request;

/// Bytes of one line in the log.
pub(super) const MAX_LOG_LINE_BYTES: usize = 1000;

/// Context of a plugin's API functions.
#[derive(Clone)]
pub(super) struct HostContext {
    /// Access to the workspace.
    pub(super) workspace: Arc<dyn WorkspaceAccess>,
    /// Deadline of the current call.
    pub(super) deadline: CallDeadline,
    /// Time that a call may wait for data that is read in the background.
    pub(super) max_wait: Duration,
    /// Name of the plugin's file, for the log.
    pub(super) file: String,
}

impl HostContext {
    /// Writes a line to the log, cut to [`MAX_LOG_LINE_BYTES`].
    ///
    /// # Errors
    /// If the deadline of the call has passed.
    pub(super) fn log(&self, line: &[u8]) -> mlua::Result<()> {
        self.deadline.check()?;
        let line = String::from_utf8_lossy(&line[..line.len().min(MAX_LOG_LINE_BYTES)]);
        self.workspace.log(&self.file, &line);
        Ok(())
    }

    /// Returns the plugin's name, which is the stem of its file.
    pub(super) fn plugin_name(&self) -> &str {
        self.file.strip_suffix(".luau").unwrap_or(&self.file)
    }
}

/// Request of the current call, kept in the virtual machine; `None` while a file is loaded.
pub(super) struct CurrentRequest(pub(super) Option<Request>);
