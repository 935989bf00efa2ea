//! Folder of the daemon's socket, lock and log.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Returns the folder of the socket, the lock and the log: `foretype` in `XDG_RUNTIME_DIR`, else `foretype-UID` in the
/// temporary folder. It is created if necessary, and is accessible to the user alone.
///
/// # Errors
/// If the folder cannot be created, or belongs to another user.
pub(super) fn runtime_folder() -> Result<PathBuf> {
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
pub(super) fn current_uid() -> Result<u32> {
    use std::os::unix::fs::MetadataExt;

    Ok(tempfile::tempfile().context("cannot create a temporary file")?.metadata()?.uid())
}

/// Returns the path of the socket.
pub(super) fn socket_path() -> Result<PathBuf> {
    Ok(runtime_folder()?.join("daemon.sock"))
}
