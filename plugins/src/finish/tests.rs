//! Fixtures of the finishing rules (a text with the cursor marked `▁`, the model's answer, the text shown) and tests of
//! all rules together.

use std::sync::Arc;

use super::*;
use crate::request::{Budget, Document};
use crate::{Language, syntax};

/// A request at the mark `▁` of a text.
pub(crate) fn request(path: &str, marked: &str) -> Request {
    let cursor = marked.find('▁').expect("a mark");
    let text = marked.replace('▁', "");
    let language = Language::from_path(path);
    let tree = syntax::parse(language, &text, None);
    let document = Document { path: path.into(), language, text: text.into(), tree };
    Request {
        budget: Budget { prefix: 2000, suffix: 600, middle: 800, snippets: 800, answer: 400, reduced: false },
        min_confidence: -5.0,
        ..Request::new(document, cursor)
    }
}

fn answer(text: &str) -> Answer {
    Answer { text: text.into(), reached_end_token: false, confidence: -0.1 }
}

/// A Rust file if the text looks like Rust, else a Python file.
fn path(marked: &str) -> &'static str {
    if marked.contains("fn ") { "a.rs" } else { "a.py" }
}

/// Asserts what is shown for an answer, in a language guessed from the text.
pub(crate) fn check(marked: &str, written: &str, shown: Option<&str>) {
    check_in(path(marked), marked, written, shown);
}

/// Asserts what is shown for an answer in the file `path`.
pub(crate) fn check_in(path: &str, marked: &str, written: &str, shown: Option<&str>) {
    let shown_here = finish(&request(path, marked), &answer(written));
    assert_eq!(shown_here.as_deref(), shown, "{path} {marked:?} + {written:?}");
}

/// Asserts whether decoding stops after `written` in the file `path`.
pub(crate) fn check_done_in(path: &str, marked: &str, written: &str, expected: bool) {
    assert_eq!(is_done(&request(path, marked), written), expected, "{path} {marked:?} + {written:?}");
}

/// Asserts whether decoding stops after `written`.
pub(crate) fn check_done(marked: &str, written: &str, expected: bool) {
    check_done_in(path(marked), marked, written, expected);
}

#[test]
fn blank_answers_are_not_shown() {
    check("x = 1▁\n", "", None);
    check("x = 1▁\n", "   \n  ", None);
    check("f(▁)\n", ")", None);
}

#[test]
fn low_confidence_answers_are_shown_on_demand_only() {
    let mut request = request("a.py", "x = ▁\n");
    let unsure = Answer { confidence: -9.0, ..answer("1") };
    assert_eq!(finish(&request, &unsure), None);
    request.trigger = Trigger::Invoked;
    assert_eq!(finish(&request, &unsure).as_deref(), Some("1"));
}

#[test]
fn an_answer_over_budget_is_done() {
    assert!(is_done(&request("a.py", "x = ▁\n"), &"a + ".repeat(200)));
}

#[test]
fn suggestions_that_differ_in_white_space_are_equal() {
    assert!(equal_ignoring_whitespace("f(a, b)\n", " f(a,b)"));
    assert!(!equal_ignoring_whitespace("f(a)", "f(b)"));
}

#[test]
fn rules_are_disabled_by_name() {
    let says = |off: &[&str], marked: &str, text: &str| {
        let mut request = request("a.py", marked);
        request.builtins = Arc::new(crate::Builtins::default().with_disabled(off));
        assert_eq!(is_done(&request, text), earliest_end(&request, text, text.ends_with('\n')).is_some());
        finish(&request, &Answer { reached_end_token: true, ..answer(text) })
    };
    assert_eq!(says(&[], "x = f(▁)\n", "1))").as_deref(), Some("1"));
    assert_eq!(says(&["brackets", "overlap"], "x = f(▁)\n", "1))").as_deref(), Some("1))"));
    let tabs = |off: &[&str]| {
        let text = says(off, "def f():\n\t▁\n\treturn 1\n", "if x:\n        y()").expect("a block");
        text.contains('\t')
    };
    assert!(tabs(&[]) && !tabs(&["indentation", "whole"]));
}

#[test]
fn rule_names_are_unique_and_select_one_rule() {
    let request = request("a.py", "x = f(▁)\n");
    assert_eq!(trim_by_rule("brackets", &request, "1))"), Some("1"));
    assert_eq!(trim_by_rule("whole", &request, "1))"), Some("1))"));
    assert_eq!(trim_by_rule("no-such-rule", &request, "1))"), None);
    let mut names: Vec<_> = FINISH_RULES
        .iter()
        .map(|rule| rule.name)
        .chain(crate::context::CONTEXT_SOURCES.iter().map(|s| s.name))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
