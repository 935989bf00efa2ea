//! What is measured, item by item, and the file that holds it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use foretype_model::evaluate::{chrf, edit, identifiers};
use foretype_plugins::holes::Kind;
use serde::{Deserialize, Serialize};

use super::typing::TypingEffort;

/// The file's format; another number is another format.
const REPORT_FORMAT: u32 = 1;

/// Everything that is known in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    format: u32,
    /// What was evaluated.
    pub title: String,
    /// With which model.
    pub model: String,
    /// How answers were cut off, and what else a figure needs beside it.
    pub notes: Vec<String>,
    /// The seed of the intervals.
    pub seed: u64,
    /// What was compared, each on the same items in the same order.
    pub systems: Vec<EvaluatedSystem>,
}

/// A way to ask, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedSystem {
    pub name: String,
    pub items: Vec<EvaluationItem>,
}

/// A hole and its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationItem {
    /// The same in every report of the same set.
    pub id: String,
    pub kind: String,
    pub language: String,
    /// The lines around the hole, for people.
    pub above: String,
    pub below: String,
    /// What stood in the hole.
    pub expected: String,
    /// What an editor would show; empty for nothing.
    pub answer: String,
    #[serde(flatten)]
    pub scores: ItemScores,
}

/// How near an answer is. What was not measured is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemScores {
    /// The same text, but for white space at both ends.
    pub exact: bool,
    pub edit: f64,
    pub identifiers: f64,
    pub chrf: f64,
    /// From the request to the answer.
    pub milliseconds: f64,
    /// Whether the file has no error of syntax that it had not before; of answers that are not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parses: Option<bool>,
    /// Smoothed BLEU-4, of texts in natural language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bleu: Option<f64>,
    /// What must be right about a docstring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<DocstringForm>,
    /// Whether the problem's tests passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<EncodingCost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<TypingEffort>,
}

/// What must be right about a docstring, whatever its words are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DocstringForm {
    /// It is found again as the function's docstring, and the file has no more errors of syntax.
    pub well_formed: bool,
    /// It names the parameters of the signature, all in their order; where its style names any.
    pub parameters: Option<bool>,
    /// The code is the same.
    pub unchanged: bool,
}

/// What the expected text costs the model to guess.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EncodingCost {
    pub bits: f64,
    pub bytes: usize,
}

/// A text as it is compared: line ends are all the same, white space at both ends does not count.
pub fn normalized(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

impl ItemScores {
    /// What two texts and a time say.
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
    pub fn new(title: String, model: String, notes: Vec<String>, seed: u64, systems: Vec<EvaluatedSystem>) -> Self {
        Self { format: REPORT_FORMAT, title, model, notes, seed, systems }
    }

    /// Reads a report that `--json` wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let advice = || {
            let file = path.display();
            format!("{file} is no report of `foretype evaluate`: make one with `--json {file}`")
        };
        let report: Self = serde_json::from_str(&text).with_context(advice)?;
        let own = report.format;
        ensure!(own == REPORT_FORMAT, "{} has format {own} and this Foretype reads {REPORT_FORMAT}: evaluate again", path.display());
        Ok(report)
    }

    /// The kinds of items: those of holes in their usual order, others behind them in the order in which they come.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for item in self.systems.iter().flat_map(|system| &system.items) {
            if !kinds.contains(&item.kind.as_str()) {
                kinds.push(&item.kind);
            }
        }
        let rank = |name: &&str| Kind::ALL.iter().position(|kind| kind.name() == *name).unwrap_or(Kind::ALL.len());
        kinds.sort_by_key(rank);
        kinds
    }
}

impl EvaluatedSystem {
    /// The items of a kind; of all kinds for `None`.
    pub fn items_of_kind(&self, kind: Option<&str>) -> Vec<&EvaluationItem> {
        self.items.iter().filter(|item| kind.is_none_or(|kind| item.kind == kind)).collect()
    }
}

/// The last lines before a place and the first lines after it, for people to look at.
pub fn surrounding_lines(before: &str, after: &str) -> (String, String) {
    const LINES: usize = 6;
    let lines = before.split('\n').count().saturating_sub(LINES);
    let above: Vec<&str> = before.split('\n').skip(lines).collect();
    let below: Vec<&str> = after.split('\n').take(LINES).collect();
    (above.join("\n"), below.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_at_the_ends_does_not_count() {
        let exact = |answer| ItemScores::new("a = b\r\n  c\n", answer, 1.0).exact;
        assert!(exact("\n  a = b\n  c") && exact("a = b\r\n  c "));
        assert!(!exact("a = b\n c") && !exact("a=b\n  c") && !exact(""));
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        let scores = ItemScores { passed: Some(true), ..ItemScores::new("a", "b", 2.0) };
        let item = EvaluationItem { id: "a.py:1:1 line".into(), kind: "line".into(), scores, ..EvaluationItem::default() };
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
    fn the_lines_around_a_hole_are_few() {
        let text = (1..=20).map(|number| format!("{number}\n")).collect::<String>();
        let (above, below) = surrounding_lines(&text, &text);
        assert_eq!((above.as_str(), below.as_str()), ("16\n17\n18\n19\n20\n", "1\n2\n3\n4\n5\n6"));
    }
}
