//! Output of commands: JSON, diffs, and atomic replacement of files.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use similar::TextDiff;

/// Prints a report as indented JSON.
///
/// # Errors
/// If the report cannot be serialized.
pub(crate) fn print_json(report: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(report)?);
    Ok(())
}

/// Returns a change as a unified diff.
pub(crate) fn unified_diff(path: &Path, before: &str, after: &str) -> String {
    let name = path.display().to_string();
    TextDiff::from_lines(before, after).unified_diff().header(&name, &name).to_string()
}

/// Replaces the text of a file atomically, and only if the file is unchanged since it was read.
pub(crate) fn replace_file(path: &Path, before: &str, after: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let path = path.canonicalize().with_context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&path)).with_context(failed)?;
    file.write_all(after.as_bytes()).with_context(failed)?;
    file.as_file()
        .set_permissions(std::fs::metadata(&path).with_context(failed)?.permissions())
        .with_context(failed)?;
    let unchanged = std::fs::read_to_string(&path).is_ok_and(|now| now == before);
    ensure!(unchanged, "{} has changed in the meantime and is left as it is: run the command again", path.display());
    file.persist(&path).with_context(failed)?;
    Ok(())
}

/// Joins the names of items. A module that is a file has none.
pub(crate) fn item_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| if name.is_empty() { "the module" } else { name }).collect();
    if names.len() > 5 { format!("{} items", names.len()) } else { names.join(", ") }
}
