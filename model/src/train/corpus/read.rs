//! Reads files of a source, without following links and with a size limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exclusion::ExclusionReason;

/// Number of bytes that suffice to tell a text file from a binary file.
const HEAD_BYTES: u64 = 8192;

/// Reads a file of at most `limit` bytes. Nothing is read of a larger one.
pub(super) fn read_whole(root: &Path, path: &str, limit: u64) -> Result<Vec<u8>, ExclusionReason> {
    let (file, length) = open(root, path)?;
    if length > limit {
        return Err(ExclusionReason::TooLarge);
    }
    // The file may grow while it is read.
    let bytes = read_at_most(file, limit.saturating_add(1))?;
    if bytes.len() as u64 > limit { Err(ExclusionReason::TooLarge) } else { Ok(bytes) }
}

/// Reads the first bytes of a file.
pub(super) fn read_head(root: &Path, path: &str) -> Result<Vec<u8>, ExclusionReason> {
    read_at_most(open(root, path)?.0, HEAD_BYTES)
}

fn read_at_most(file: File, limit: u64) -> Result<Vec<u8>, ExclusionReason> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|_| ExclusionReason::Unreadable)?;
    Ok(bytes)
}

/// Opens a file and returns it with its length. Each component of the path is checked, because a directory may be a
/// link.
fn open(root: &Path, path: &str) -> Result<(File, u64), ExclusionReason> {
    let mut full = root.to_owned();
    let mut length = 0;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        full.push(part);
        let data = full.symlink_metadata().map_err(|_| ExclusionReason::Unreadable)?;
        let expected = if parts.peek().is_some() { data.is_dir() } else { data.is_file() };
        if !expected {
            return Err(ExclusionReason::NotAFile);
        }
        length = data.len();
    }
    Ok((File::open(&full).map_err(|_| ExclusionReason::Unreadable)?, length))
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;

    #[test]
    fn large_files_and_directories_are_not_read() {
        let folder = folder(&[("a/b.rs", "12345")]);
        let whole = |path, limit| read_whole(folder.path(), path, limit);
        assert_eq!(whole("a/b.rs", 5), Ok(b"12345".to_vec()));
        assert_eq!(whole("a/b.rs", 4), Err(ExclusionReason::TooLarge));
        assert_eq!(whole("a", 5), Err(ExclusionReason::NotAFile));
        assert_eq!(whole("a/c.rs", 5), Err(ExclusionReason::Unreadable));
    }

    #[test]
    fn huge_files_are_not_read() {
        let folder = folder(&[("small.rs", "x")]);
        let huge = File::create(folder.path().join("huge.rs")).expect("a writable folder");
        huge.set_len(2 << 30).expect("a sparse file");
        assert_eq!(read_whole(folder.path(), "huge.rs", 1_000_000), Err(ExclusionReason::TooLarge));
        assert_eq!(read_head(folder.path(), "huge.rs").map(|head| head.len() as u64), Ok(HEAD_BYTES));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_and_directories_are_not_followed() {
        let (inside, outside) = (folder(&[("real/a.rs", "x")]), folder(&[("a.rs", "outside")]));
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, inside.path().join(name)).expect("a writable folder");
        };
        link(outside.path(), "folder");
        link(&outside.path().join("a.rs"), "file.rs");
        for path in ["folder/a.rs", "file.rs"] {
            assert_eq!(read_whole(inside.path(), path, 100), Err(ExclusionReason::NotAFile), "{path}");
        }
        assert!(read_whole(inside.path(), "real/a.rs", 100).is_ok());
    }
}
