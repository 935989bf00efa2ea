//! Output of a report: a table on the terminal, a JSON file, an HTML page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::items::EvaluationReport;
use super::{page, table};

/// Options for the output of a report.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// Write the report with all items as JSON, to this file or instead of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write an HTML page with plots, and with expected and generated text side by side
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

impl OutputArgs {
    /// Checks that the output files can be created, before an evaluation takes an hour.
    ///
    /// # Errors
    /// If a file's folder does not exist or the file is a folder.
    pub fn check_paths(&self) -> Result<()> {
        for file in self.json_file().into_iter().chain(self.html.as_deref()) {
            let folder = folder_of(file);
            ensure!(folder.is_dir(), "cannot write {}: there is no folder {}", file.display(), folder.display());
            ensure!(!file.is_dir(), "cannot write {}: it is a folder", file.display());
        }
        Ok(())
    }

    /// Writes the files and prints the report as the options say.
    ///
    /// # Errors
    /// If a file cannot be written.
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

/// Writes a temporary file next to `file` and renames it, so that a reader never sees half a report.
fn write_atomically(file: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let name = file.file_name().with_context(failed)?.to_string_lossy().into_owned();
    let part = file.with_file_name(format!("{name}.{}.part", std::process::id()));
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        // A leftover file is not worth a second error.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_atomically_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("report.json");
        write_atomically(&file, "one").expect("writable");
        write_atomically(&file, "two").expect("writable");
        assert_eq!(std::fs::read_to_string(&file).expect("the written file"), "two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(write_atomically(folder.path(), "x").is_err(), "a folder cannot be overwritten");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_missing_folder_is_reported_before_the_evaluation() {
        let output = |json: &str| OutputArgs { json: Some(json.into()), html: None, markdown: false };
        assert!(output("/nowhere/at/all/report.json").check_paths().is_err());
        assert!(output("report.json").check_paths().is_ok() && output("-").check_paths().is_ok());
    }
}
