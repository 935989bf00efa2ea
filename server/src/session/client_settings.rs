//! Settings that a client sent.

use crate::config::Layer;

/// Settings that a client sent.
#[derive(Debug, Default)]
pub(super) struct ClientSettings {
    /// Settings sent with `initialize`, until later ones replace them.
    pub(super) initial: Option<Layer>,
    /// Settings sent or answered since.
    pub(super) current: Option<Layer>,
    /// Revision given to the latest settings that were sent or asked for.
    pub(super) latest_revision: u64,
    /// Revision of `current`.
    pub(super) applied_revision: u64,
}
