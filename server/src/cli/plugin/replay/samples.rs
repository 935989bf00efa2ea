//! Samples to type: the segments of keystroke traces, and blocks of source files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_plugins::Document;
use foretype_plugins::holes::HoleKind;

use super::args::ReplayArgs;
use crate::cli::evaluate::repository::files;
use crate::cli::evaluate::repository::selection::{self, HoleSelection};
use crate::request_builder;
use crate::trace::Trace;
use crate::workspace::Workspace;

/// Text to type at a position of a document.
#[derive(Debug, Clone)]
pub(super) struct ReplaySample {
    /// Name for reports.
    pub(super) id: String,
    /// Path of the document in the workspace.
    pub(super) path: String,
    /// Text before the cursor.
    pub(super) before: String,
    /// Text after the cursor.
    pub(super) after: String,
    /// Text to type.
    pub(super) expected: String,
    /// Other open documents.
    pub(super) open_files: Arc<[Arc<Document>]>,
}

/// Returns the samples of the arguments: those of traces in order, then those of source files.
///
/// # Errors
/// If a file cannot be read, or there is nothing to type.
pub(super) fn collect(workspace: &Workspace, args: &ReplayArgs) -> Result<Vec<ReplaySample>> {
    let is_trace = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let (traces, paths): (Vec<_>, Vec<_>) = args.replay.iter().partition(is_trace);
    let mut samples = Vec::new();
    for path in traces {
        samples.extend(from_trace(&Trace::load(path)?, path));
    }
    if !paths.is_empty() {
        samples.extend(from_files(workspace, &paths, args)?);
    }
    ensure!(!samples.is_empty(), "there is nothing to type: the traces have no keystrokes");
    Ok(samples)
}

/// Returns a sample for each segment of a trace, with the texts as earlier segments leave them. The other files are
/// open.
fn from_trace(trace: &Trace, path: &Path) -> Vec<ReplaySample> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut texts: Vec<_> = trace.files.iter().map(|file| file.text.clone()).collect();
    let mut samples = Vec::new();
    for (number, segment) in trace.segments.iter().enumerate() {
        let expected = segment.target();
        let (before, after) = texts[segment.file].split_at(segment.offset);
        let others = (0..texts.len()).filter(|other| *other != segment.file);
        let open =
            others.map(|other| request_builder::parse_document(trace.files[other].path.clone(), texts[other].clone()));
        let sample = ReplaySample {
            id: format!("{name}, place {}", number + 1),
            path: trace.files[segment.file].path.clone(),
            before: before.to_owned(),
            after: after.to_owned(),
            open_files: open.map(Arc::new).collect(),
            expected,
        };
        texts[segment.file].insert_str(segment.offset, &sample.expected);
        if !sample.expected.is_empty() {
            samples.push(sample);
        }
    }
    samples
}

/// Returns samples for blocks of the source files at `paths` or in folders at `paths`.
fn from_files(workspace: &Workspace, paths: &[&PathBuf], args: &ReplayArgs) -> Result<Vec<ReplaySample>> {
    let corpus = files::source_files(workspace);
    let mut named = Vec::new();
    for path in paths {
        let full = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        let root = workspace.root.canonicalize().unwrap_or_else(|_| workspace.root.clone());
        let inside = |file: &&Arc<Document>| root.join(&file.path).starts_with(&full);
        let own: Vec<_> = corpus.iter().filter(inside).cloned().collect();
        ensure!(
            !own.is_empty(),
            "{} has no readable source file of this workspace: ignored, excluded and secret files are skipped",
            path.display()
        );
        named.extend(own);
    }
    named.sort_by(|one, other| one.path.cmp(&other.path));
    named.dedup_by(|one, other| one.path == other.path);
    let draw = HoleSelection { kinds: vec![HoleKind::Block], seed: args.seed, every: None, max_per_kind: args.most };
    let chosen = selection::select(&named, &draw);
    ensure!(!chosen.is_empty(), "none of the {} files has a block to type", named.len());
    let sample = |chosen: selection::SelectedHole| {
        let (text, range) = (&chosen.file.text, &chosen.hole.range);
        ReplaySample {
            path: chosen.file.path.clone(),
            before: text[..range.start].to_owned(),
            after: text[range.end..].to_owned(),
            expected: text[range.clone()].to_owned(),
            open_files: files::nearest_files(&corpus, &chosen.file, args.open),
            id: chosen.id,
        }
    };
    Ok(chosen.into_iter().map(sample).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_of_a_trace_builds_on_the_typed_text_of_earlier_ones() {
        let segment = |offset, key: &str| serde_json::json!({ "file": 0, "offset": offset, "wait": 0, "accepts": true, "keys": [[1, key]] });
        let files = serde_json::json!([{ "path": "a.py", "text": "x\n" }, { "path": "b.py", "text": "y\n" }]);
        let trace =
            serde_json::json!({ "about": "", "files": files, "stints": [segment(2, "one"), segment(0, "two ")] });
        let trace: Trace = serde_json::from_value(trace).expect("a trace");
        let samples = from_trace(&trace, Path::new("t.json"));
        let texts: Vec<_> = samples.iter().map(|it| (&*it.before, &*it.expected, &*it.after)).collect();
        assert_eq!(texts, [("x\n", "one", ""), ("", "two ", "x\none")]);
        assert_eq!((samples[1].id.as_str(), samples[1].open_files[0].path.as_str()), ("t, place 2", "b.py"));
    }
}
