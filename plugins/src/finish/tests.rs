//! How the rules are checked: a text with the cursor marked `▁`, what the model wrote, what is shown.

use std::sync::Arc;

use super::*;
use crate::request::{Budget, Document};
use crate::{Language, syntax};

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

/// In Python, or in Rust where the text looks like it.
fn path(marked: &str) -> &'static str {
    if marked.contains("fn ") { "a.rs" } else { "a.py" }
}

pub(crate) fn check(marked: &str, written: &str, shown: Option<&str>) {
    check_in(path(marked), marked, written, shown);
}

pub(crate) fn check_in(path: &str, marked: &str, written: &str, shown: Option<&str>) {
    let shown_here = finish(&request(path, marked), &answer(written));
    assert_eq!(shown_here.as_deref(), shown, "{path} {marked:?} + {written:?}");
}

pub(crate) fn check_done_in(path: &str, marked: &str, written: &str, expected: bool) {
    assert_eq!(is_done(&request(path, marked), written), expected, "{path} {marked:?} + {written:?}");
}

pub(crate) fn check_done(marked: &str, written: &str, expected: bool) {
    check_done_in(path(marked), marked, written, expected);
}

#[test]
fn nothing_is_shown_where_nothing_is_said() {
    check("x = 1▁\n", "", None);
    check("x = 1▁\n", "   \n  ", None);
    check("f(▁)\n", ")", None);
}

#[test]
fn an_unsure_answer_is_shown_only_on_demand() {
    let mut request = request("a.py", "x = ▁\n");
    let unsure = Answer { confidence: -9.0, ..answer("1") };
    assert_eq!(finish(&request, &unsure), None);
    request.trigger = Trigger::Invoked;
    assert_eq!(finish(&request, &unsure).as_deref(), Some("1"));
}

#[test]
fn an_answer_that_is_too_long_is_done() {
    assert!(is_done(&request("a.py", "x = ▁\n"), &"a + ".repeat(200)));
}

#[test]
fn suggestions_that_differ_in_white_space_only_are_alike() {
    assert!(equal_ignoring_whitespace("f(a, b)\n", " f(a,b)"));
    assert!(!equal_ignoring_whitespace("f(a)", "f(b)"));
}

#[test]
fn a_rule_is_switched_off_by_its_name() {
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
fn every_rule_has_a_name_of_its_own_and_says_what_it_keeps() {
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
