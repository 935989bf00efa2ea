//! Sets of problems: files with one JSON object a line, packed or not.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

/// Reads every `every`th problem of a file.
pub(super) fn read<T: DeserializeOwned>(path: &Path, every: usize) -> Result<Vec<T>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn std::io::Read> =
        if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let lines = BufReader::new(reader).lines().enumerate().step_by(every.max(1));
    let problems: Vec<T> = lines
        .map(|(number, line)| {
            serde_json::from_str(&line?).with_context(|| format!("{} line {}", path.display(), number + 1))
        })
        .collect::<Result<_>>()?;
    ensure!(!problems.is_empty(), "{} holds no problems", path.display());
    Ok(problems)
}

/// How many problems were taken, for the notes of a report.
pub(super) fn taken(every: usize, count: usize) -> String {
    match every {
        1 => format!("all {count} problems"),
        every => format!("one of every {every} problems, {count} of them"),
    }
}

/// Says where the tests of problems can reach the network.
pub(super) fn warn(sandbox: &super::sandbox::Sandbox) {
    if !sandbox.without_network() {
        eprintln!("note: the network cannot be taken away from the tests here; they run with it");
    }
}
