//! Where a report goes: the terminal, a JSON file, an HTML page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::items::EvaluationReport;
use super::{page, table};

/// Options of all sets.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// As JSON, with every item: to this file, or instead of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// As a page with plots and, side by side, what was expected and what was written
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The table as Markdown
    #[arg(long)]
    markdown: bool,
}

impl OutputArgs {
    /// Refuses folders that are not there, before an hour has gone into the figures.
    pub fn check_paths(&self) -> Result<()> {
        for file in self.json_file().into_iter().chain(self.html.as_deref()) {
            let folder = folder_of(file);
            ensure!(folder.is_dir(), "cannot write {}: there is no folder {}", file.display(), folder.display());
            ensure!(!file.is_dir(), "cannot write {}: it is a folder", file.display());
        }
        Ok(())
    }

    /// Writes and prints what was asked for.
    pub fn deliver(&self, report: &EvaluationReport) -> Result<()> {
        let json = || serde_json::to_string_pretty(report);
        if let Some(file) = self.json_file() {
            write_atomically(file, &(json()? + "\n"))?;
        }
        if let Some(file) = &self.html {
            write_atomically(file, &page::html_page(report))?;
        }
        if self.json.is_some() && self.json_file().is_none() {
            println!("{}", json()?);
            return Ok(());
        }
        print!("{}", self.to_text(report));
        Ok(())
    }

    fn json_file(&self) -> Option<&Path> {
        self.json.as_deref().filter(|file| *file != Path::new("-"))
    }

    fn to_text(&self, report: &EvaluationReport) -> String {
        let tables = table::tables(report);
        let tables: Vec<_> = tables.iter().map(|it| if self.markdown { it.markdown() } else { it.text() }).collect();
        let notes =
            report.notes.iter().map(|note| if self.markdown { format!("* {note}\n") } else { format!("{note}\n") });
        let head = format!("{}\n{}\n", report.title, report.model);
        [head, "\n".into(), tables.join("\n"), "\n".into(), notes.collect()].concat()
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes beside the file and renames: whoever reads it, and whenever the process ends, the file is whole.
fn write_atomically(file: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let name = file.file_name().with_context(failed)?.to_string_lossy().into_owned();
    let part = file.with_file_name(format!("{name}.{}.part", std::process::id()));
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        // What cannot be removed either is named by the error.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("report.json");
        write_atomically(&file, "one").expect("writable");
        write_atomically(&file, "two").expect("writable");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(write_atomically(folder.path(), "x").is_err(), "a folder is no file");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_refused_before_the_work() {
        let output = |json: &str| OutputArgs { json: Some(json.into()), html: None, markdown: false };
        assert!(output("/nowhere/at/all/report.json").check_paths().is_err());
        assert!(output("report.json").check_paths().is_ok() && output("-").check_paths().is_ok());
    }
}
