//! Reading a file of a source: never through a link, never more than wanted.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::reason::Reason;

/// Enough to tell a text from a binary file.
const HEAD: u64 = 8192;

/// All of a file of at most `most` bytes. Of a larger one nothing is read.
pub(super) fn whole(root: &Path, path: &str, most: u64) -> Result<Vec<u8>, Reason> {
    let (file, length) = open(root, path)?;
    if length > most {
        return Err(Reason::TooLarge);
    }
    // It may grow meanwhile.
    let bytes = read(file, most.saturating_add(1))?;
    if bytes.len() as u64 > most { Err(Reason::TooLarge) } else { Ok(bytes) }
}

/// Its first bytes.
pub(super) fn head(root: &Path, path: &str) -> Result<Vec<u8>, Reason> {
    read(open(root, path)?.0, HEAD)
}

fn read(file: File, most: u64) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|_| Reason::Unreadable)?;
    Ok(bytes)
}

/// The file and its length. Each part of the path is looked at, because a folder may be a link, too.
fn open(root: &Path, path: &str) -> Result<(File, u64), Reason> {
    let mut full = root.to_owned();
    let mut length = 0;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        full.push(part);
        let data = full.symlink_metadata().map_err(|_| Reason::Unreadable)?;
        let expected = if parts.peek().is_some() { data.is_dir() } else { data.is_file() };
        if !expected {
            return Err(Reason::NotAFile);
        }
        length = data.len();
    }
    Ok((File::open(&full).map_err(|_| Reason::Unreadable)?, length))
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;

    #[test]
    fn what_is_too_large_or_no_file_is_not_read() {
        let folder = folder(&[("a/b.rs", "12345")]);
        let whole = |path, most| whole(folder.path(), path, most);
        assert_eq!(whole("a/b.rs", 5), Ok(b"12345".to_vec()));
        assert_eq!(whole("a/b.rs", 4), Err(Reason::TooLarge));
        assert_eq!(whole("a", 5), Err(Reason::NotAFile));
        assert_eq!(whole("a/c.rs", 5), Err(Reason::Unreadable));
    }

    #[test]
    fn a_file_of_two_gigabytes_is_not_read() {
        let folder = folder(&[("small.rs", "x")]);
        let huge = File::create(folder.path().join("huge.rs")).expect("a writable folder");
        huge.set_len(2 << 30).expect("a sparse file");
        assert_eq!(whole(folder.path(), "huge.rs", 1_000_000), Err(Reason::TooLarge));
        assert_eq!(head(folder.path(), "huge.rs").map(|head| head.len() as u64), Ok(HEAD));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_and_folders_are_not_followed() {
        let (inside, outside) = (folder(&[("real/a.rs", "x")]), folder(&[("a.rs", "outside")]));
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, inside.path().join(name)).expect("a writable folder");
        };
        link(outside.path(), "folder");
        link(&outside.path().join("a.rs"), "file.rs");
        for path in ["folder/a.rs", "file.rs"] {
            assert_eq!(whole(inside.path(), path, 100), Err(Reason::NotAFile), "{path}");
        }
        assert!(whole(inside.path(), "real/a.rs", 100).is_ok());
    }
}
