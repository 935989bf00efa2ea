//! Table of a corpus by language.

use std::cmp::Reverse;
use std::collections::HashMap;

use foretype_model::train::corpus::{SourceFile, Split};
use serde::Serialize;

/// Figures of one language, or of all languages together.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LanguageRow {
    pub(super) language: &'static str,
    pub(super) files: usize,
    pub(super) bytes: usize,
    pub(super) lines: usize,
    pub(super) training: usize,
    pub(super) held_out: usize,
}

impl LanguageRow {
    fn add(&mut self, file: &SourceFile) {
        self.files += 1;
        self.bytes += file.text.len();
        self.lines += file.text.lines().count();
        match file.split {
            Split::Training => self.training += 1,
            Split::HeldOut => self.held_out += 1,
        }
    }
}

/// Returns a row for each language, the one with the most bytes first, and their sum.
pub(super) fn table(files: &[SourceFile]) -> (Vec<LanguageRow>, LanguageRow) {
    let mut rows: HashMap<&'static str, LanguageRow> = HashMap::new();
    let mut total = LanguageRow { language: "all", ..LanguageRow::default() };
    for file in files {
        let language = file.language.lsp_id();
        rows.entry(language).or_insert_with(|| LanguageRow { language, ..LanguageRow::default() }).add(file);
        total.add(file);
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| (Reverse(row.bytes), row.language));
    (rows, total)
}

/// Prints the table.
pub(super) fn print(rows: &[LanguageRow], total: &LanguageRow) {
    println!("{:16} {:>8} {:>12} {:>10} {:>10} {:>10}", "language", "files", "bytes", "lines", "training", "held out");
    for row in rows.iter().chain([total]) {
        let LanguageRow { language, files, bytes, lines, training, held_out } = row;
        println!("{language:16} {files:>8} {bytes:>12} {lines:>10} {training:>10} {held_out:>10}");
    }
}
