//! Ends a session when the process of its editor is gone, which may close no stream of ours.

use std::sync::Arc;
use std::time::Duration;

use crate::session::Session;

/// Interval at which the editor's process is checked.
const EDITOR_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Ends a session when the process of its editor is gone. A process that is not visible now is not watched: it may run
/// in another container.
pub(super) fn end_when_process_exits(session: Arc<Session>, pid: u32) {
    if !process_is_alive(pid) {
        return;
    }
    tokio::spawn(async move {
        while tokio::time::timeout(EDITOR_POLL_INTERVAL, session.wait_until_ended()).await.is_err() {
            if !process_is_alive(pid) {
                tracing::info!("the editor (process {pid}) is gone");
                return session.end();
            }
        }
    });
}

#[cfg(target_os = "linux")]
fn process_is_alive(pid: u32) -> bool {
    // The state follows the process name, which may contain anything but ends with the last parenthesis. Z is a zombie.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn process_is_alive(pid: u32) -> bool {
    let probe = std::process::Command::new("kill").args(["-0", &pid.to_string()]).stderr(std::process::Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

#[cfg(not(unix))]
fn process_is_alive(_: u32) -> bool {
    // Standard input is closed when the editor ends.
    true
}
