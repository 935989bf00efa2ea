//! What `foretype docstring` shows and writes.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use similar::TextDiff;

/// The change as a unified diff.
pub(in crate::cli) fn diff(path: &Path, before: &str, after: &str) -> String {
    let name = path.display().to_string();
    TextDiff::from_lines(before, after).unified_diff().header(&name, &name).to_string()
}

/// Puts the new text in place of the old one: all of it or nothing, and only if the file is as it was read.
pub(in crate::cli) fn write(path: &Path, before: &str, after: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let path = path.canonicalize().with_context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&path)).with_context(failed)?;
    file.write_all(after.as_bytes()).with_context(failed)?;
    file.as_file()
        .set_permissions(std::fs::metadata(&path).with_context(failed)?.permissions())
        .with_context(failed)?;
    let unchanged = std::fs::read_to_string(&path).is_ok_and(|now| now == before);
    ensure!(unchanged, "{} was changed meanwhile and is left as it is: run the command again", path.display());
    file.persist(&path).with_context(failed)?;
    Ok(())
}

/// Names in a row; modules that are files have none.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| if name.is_empty() { "the module" } else { name }).collect();
    if names.len() > 5 { format!("{} items", names.len()) } else { names.join(", ") }
}
