//! Items of an evaluation with their scores, and the report file that holds them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use foretype_model::evaluate::{chrf, edit, identifiers};
use foretype_plugins::holes::HoleKind;
use serde::{Deserialize, Serialize};

use super::typing::TypingEffort;

/// Version of the report's file format.
const REPORT_FORMAT: u32 = 1;

/// Result of an evaluation: all systems with all their items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    format: u32,
    /// Name of the evaluation.
    pub title: String,
    /// Name of the model.
    pub model: String,
    /// Rules that a reader needs to judge the figures: truncation, selection of the items, and so on.
    pub notes: Vec<String>,
    /// Seed of the bootstrap that gives the confidence intervals.
    pub seed: u64,
    /// Compared systems. All of them have the same items in the same order.
    pub systems: Vec<EvaluatedSystem>,
}

/// A way to ask the model, and the items that it produced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedSystem {
    /// Name of the system in tables.
    pub name: String,
    /// Items in the order of the set.
    pub items: Vec<EvaluationItem>,
}

/// A hole and its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationItem {
    /// Identifier, the same in every report of the same set.
    pub id: String,
    /// Kind of hole, for example `line` or `call`.
    pub kind: String,
    /// Identifier of the language, for example `python`.
    pub language: String,
    /// Lines above the hole, for human readers.
    pub above: String,
    /// Lines below the hole, for human readers.
    pub below: String,
    /// Original text of the hole.
    pub expected: String,
    /// Text that an editor would show. Empty if it would show nothing.
    pub answer: String,
    /// Similarity of the answer to the expected text.
    #[serde(flatten)]
    pub scores: ItemScores,
}

/// Scores of one answer. Scores that were not measured are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemScores {
    /// True if the texts are equal up to white space at both ends.
    pub exact: bool,
    /// Edit similarity, from 0 to 1.
    pub edit: f64,
    /// F1 of the identifiers, from 0 to 1.
    pub identifiers: f64,
    /// chrF, from 0 to 1.
    pub chrf: f64,
    /// Milliseconds from the request to the answer.
    pub milliseconds: f64,
    /// True if the file with the answer has no more syntax errors than before. Not measured for empty answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parses: Option<bool>,
    /// Smoothed BLEU-4, for texts in natural language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bleu: Option<f64>,
    /// Form of a generated docstring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<DocstringForm>,
    /// True if the problem's tests passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// Information content of the expected text under the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<EncodingCost>,
    /// Keystrokes that it takes to type the expected text with suggestions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<TypingEffort>,
}

/// Properties that a docstring must have whatever its wording is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DocstringForm {
    /// True if the file parses as well as before and the docstring is found as the function's.
    pub well_formed: bool,
    /// True if the docstring names all parameters of the signature in their order. `None` if its style names no
    /// parameters.
    pub parameters: Option<bool>,
    /// True if the code around the docstring is unchanged.
    pub unchanged: bool,
}

/// Information content of a text under the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EncodingCost {
    /// Negative base-2 logarithm of the text's probability.
    pub bits: f64,
    /// Length of the text in bytes.
    pub bytes: usize,
}

/// Returns the text with `\n` as line ending and without white space at both ends, as comparisons take it.
pub fn normalized(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

impl ItemScores {
    /// Scores that follow from the two texts alone, and the time to the answer in milliseconds.
    pub fn new(expected: &str, answer: &str, milliseconds: f64) -> Self {
        let (expected, answer) = (normalized(expected), normalized(answer));
        Self {
            exact: expected == answer,
            edit: edit::similarity(&expected, &answer),
            identifiers: identifiers::f1(&expected, &answer),
            chrf: chrf::sentence_chrf(&expected, &answer),
            milliseconds,
            ..Self::default()
        }
    }
}

impl EvaluationReport {
    /// A report in the current format.
    pub fn new(title: String, model: String, notes: Vec<String>, seed: u64, systems: Vec<EvaluatedSystem>) -> Self {
        Self { format: REPORT_FORMAT, title, model, notes, seed, systems }
    }

    /// Reads a report that `--json` wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is not a report of this format.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let advice = || {
            let file = path.display();
            format!("{file} is not a report of `foretype evaluate`: make one with `--json {file}`")
        };
        let report: Self = serde_json::from_str(&text).with_context(advice)?;
        let own = report.format;
        ensure!(
            own == REPORT_FORMAT,
            "{} has format {own} and this Foretype reads {REPORT_FORMAT}: evaluate again",
            path.display()
        );
        Ok(report)
    }

    /// Kinds of the items: the kinds of holes in their usual order, then all others in order of appearance.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for item in self.systems.iter().flat_map(|system| &system.items) {
            if !kinds.contains(&item.kind.as_str()) {
                kinds.push(&item.kind);
            }
        }
        let rank =
            |name: &&str| HoleKind::ALL.iter().position(|kind| kind.name() == *name).unwrap_or(HoleKind::ALL.len());
        kinds.sort_by_key(rank);
        kinds
    }
}

impl EvaluatedSystem {
    /// Items of a kind, or all items for `None`.
    pub(crate) fn items_of_kind(&self, kind: Option<&str>) -> Vec<&EvaluationItem> {
        self.items.iter().filter(|item| kind.is_none_or(|kind| item.kind == kind)).collect()
    }
}

/// Returns the last lines of `before` and the first lines of `after`, for human readers.
pub fn surrounding_lines(before: &str, after: &str) -> (String, String) {
    const MAX_LINES_EACH_SIDE: usize = 6;
    let lines = before.split('\n').count().saturating_sub(MAX_LINES_EACH_SIDE);
    let above: Vec<&str> = before.split('\n').skip(lines).collect();
    let below: Vec<&str> = after.split('\n').take(MAX_LINES_EACH_SIDE).collect();
    (above.join("\n"), below.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_both_ends_is_ignored() {
        let exact = |answer| ItemScores::new("a = b\r\n  c\n", answer, 1.0).exact;
        assert!(exact("\n  a = b\n  c") && exact("a = b\r\n  c "));
        assert!(!exact("a = b\n c") && !exact("a=b\n  c") && !exact(""));
    }

    #[test]
    fn a_report_survives_a_round_trip_through_json() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        let scores = ItemScores { passed: Some(true), ..ItemScores::new("a", "b", 2.0) };
        let item =
            EvaluationItem { id: "a.py:1:1 line".into(), kind: "line".into(), scores, ..EvaluationItem::default() };
        let systems = vec![EvaluatedSystem { name: "anchored".into(), items: vec![item] }];
        let report = EvaluationReport::new("a set".into(), "a model".into(), Vec::new(), 1, systems);
        std::fs::write(&path, serde_json::to_string(&report).expect("plain data")).expect("writable");
        assert_eq!(EvaluationReport::load(&path).expect("a report"), report);
        let later = serde_json::to_string(&EvaluationReport { format: 9, ..report }).expect("plain data");
        std::fs::write(&path, later).expect("writable");
        assert!(EvaluationReport::load(&path).expect_err("another format").to_string().contains("format 9"));
        std::fs::write(&path, "{}").expect("writable");
        assert!(EvaluationReport::load(&path).expect_err("no report").to_string().contains("--json"));
    }

    #[test]
    fn only_a_few_lines_around_a_hole_are_kept() {
        let text = (1..=20).map(|number| format!("{number}\n")).collect::<String>();
        let (above, below) = surrounding_lines(&text, &text);
        assert_eq!((above.as_str(), below.as_str()), ("16\n17\n18\n19\n20\n", "1\n2\n3\n4\n5\n6"));
    }
}
