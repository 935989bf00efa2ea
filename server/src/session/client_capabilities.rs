//! Capabilities of a client, as far as the server depends on them.

use foretype_plugins::LoneCr;
use tower_lsp::lsp_types::{ClientCapabilities, ClientInfo};

use crate::documents::Encoding;

/// Capabilities of a client, as far as the server depends on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResolvedClientCapabilities {
    /// Encoding in which positions count.
    pub(crate) encoding: Encoding,
    /// The client accepts a dynamic registration of inline completion.
    pub(crate) registers_inline_completion: bool,
    /// The client accepts a registration for watched files.
    pub(crate) registers_watched_files: bool,
    /// The client accepts a registration for configuration changes.
    pub(crate) registers_configuration: bool,
    /// The client answers `workspace/configuration`.
    pub(crate) configuration: bool,
    /// The client shows work-done progress.
    pub(crate) progress: bool,
    /// The client accepts edits for one version of a document.
    pub(crate) document_changes: bool,
    /// The client shows unfinished suggestions and asks again on `foretype/more`.
    pub(crate) partial_suggestions: bool,
    /// Meaning of a `\r` without a `\n` behind it.
    pub(crate) lone_cr: LoneCr,
}

impl ResolvedClientCapabilities {
    /// Reads the capabilities of `initialize`. lsp-types knows those up to LSP 3.17, so `inline_completion_dynamic`
    /// comes from the raw parameters.
    pub(crate) fn read(typed: &ClientCapabilities, info: Option<&ClientInfo>, inline_completion_dynamic: bool) -> Self {
        let workspace = typed.workspace.as_ref();
        let window = typed.window.as_ref();
        let encodings = typed.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        Self {
            encoding: Encoding::negotiate(encodings),
            registers_inline_completion: inline_completion_dynamic,
            registers_watched_files: workspace
                .and_then(|workspace| workspace.did_change_watched_files.as_ref())
                .and_then(|files| files.dynamic_registration)
                .unwrap_or(false),
            registers_configuration: workspace
                .and_then(|workspace| workspace.did_change_configuration.as_ref())
                .and_then(|configuration| configuration.dynamic_registration)
                .unwrap_or(false),
            configuration: workspace.and_then(|workspace| workspace.configuration).unwrap_or(false),
            progress: window.and_then(|window| window.work_done_progress).unwrap_or(false),
            document_changes: workspace
                .and_then(|workspace| workspace.workspace_edit.as_ref())
                .and_then(|edit| edit.document_changes)
                .unwrap_or(false),
            partial_suggestions: typed.experimental.as_ref().is_some_and(|own| own["foretype"]["more"] == true),
            // Neovim splits its buffers at `\n` only.
            lone_cr: if info.is_some_and(|info| info.name == "Neovim") { LoneCr::IsText } else { LoneCr::EndsLine },
        }
    }
}
