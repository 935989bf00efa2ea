//! Tests: the prose of comments is found, and a translation changes nothing else.

use super::answer::checked_answer;
use super::*;
use crate::docstring::{Edit, same_code};
use crate::{Language, syntax};

fn found(language: Language, text: &str) -> Vec<Paragraph> {
    let tree = syntax::parse(language, text, None).expect("a tree");
    paragraphs(language, &tree, text, &(0..text.len()))
}

fn prose(language: Language, text: &str) -> Vec<String> {
    found(language, text).into_iter().map(|it| it.text).collect()
}

/// Returns the text with each paragraph replaced by `answer` of it.
fn translated(language: Language, text: &str, width: usize, answer: impl Fn(&str) -> String) -> String {
    let german = NaturalLanguage::from_name("German").expect("known");
    let edit = |it: &Paragraph| it.edit(language, german, width, &answer(&it.text)).expect("fit");
    let edits: Vec<Edit> = found(language, text).iter().map(edit).collect();
    let after = edits.iter().rev().fold(text.to_owned(), |text, edit| edit.apply(&text));
    let [one, other] = [text, &after].map(|text| syntax::parse(language, text, None).expect("a tree"));
    assert!(same_code(language, (&one, text), (&other, &after)), "{after}");
    after
}

#[test]
fn adjacent_lines_form_one_paragraph() {
    let text =
        "# The sum of\n# all prices.\n#\n# - no item: zero,\n#   and no error\n# - else the sum\nx = 1  # at the end\n";
    let expected = ["The sum of all prices.", "no item: zero, and no error", "else the sum", "at the end"];
    assert_eq!(prose(Language::Python, text), expected);
    let text = "// One.\nint x; // Two.\n// Three\n// goes on.\n\n// Four.\n";
    assert_eq!(prose(Language::C, text), ["One.", "Two.", "Three goes on.", "Four."]);
}

#[test]
fn directives_to_tools_are_not_prose() {
    let python = "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nimport os  # noqa: F401\nx = []  # type: list\n# pylint: disable=x\n# =====\n# y = f(x);\n";
    assert_eq!(prose(Language::Python, python), [""; 0]);
    let go = "//go:build linux\n\n//nolint:all\n//export Add\nfunc Add() {}\n";
    assert_eq!(prose(Language::Go, go), [""; 0]);
    let script = "/* eslint-disable no-console */\n// @ts-ignore\n// https://example.org/a\nlet x = 1; // `x`\n";
    assert_eq!(prose(Language::JavaScript, script), [""; 0]);
}

#[test]
fn tags_names_and_code_in_docstrings_are_not_prose() {
    let java = "/**\n * Adds numbers,\n * all of them.\n *\n * @param left the left one\n *     of both\n * @throws Error if it fails\n * @see Other\n * @return the sum\n */\nint add(int left) { return left; }\n";
    let expected = ["Adds numbers, all of them.", "the left one of both", "if it fails", "the sum"];
    assert_eq!(prose(Language::Java, java), expected);
    let google = "def add(x):\n    \"\"\"Adds one.\n\n    Args:\n        x (int): What is added.\n\n    >>> add(1)\n    2\n\n    ```\n    add(some words)\n    ```\n    \"\"\"\n    return x\n";
    assert_eq!(prose(Language::Python, google), ["Adds one.", "What is added."]);
    let numpy = "def add(x):\n    \"\"\"Adds one.\n\n    Parameters\n    ----------\n    x : int\n        What is added.\n    \"\"\"\n";
    assert_eq!(prose(Language::Python, numpy), ["Adds one.", "What is added."]);
    let rest = "def add(x):\n    \"\"\"Adds one.\n\n    :param x: What is added.\n    :type x: int\n    \"\"\"\n";
    assert_eq!(prose(Language::Python, rest), ["Adds one.", "What is added."]);
    let rust = "/// Adds one.\n///\n/// # Examples\n///\n/// ```\n/// assert_eq!(add(1), 2); // two words\n/// ```\nfn add() {}\n";
    assert_eq!(prose(Language::Rust, rust), ["Adds one."]);
    let sharp = "/// <summary>\n/// Adds one.\n/// </summary>\n/// <param name=\"x\">What is added.</param>\nint Add(int x) { return x; }\n";
    assert_eq!(prose(Language::CSharp, sharp), ["Adds one.", "What is added."]);
}

#[test]
fn a_translation_is_wrapped_to_the_width() {
    let text = "class A:\n    # The sum of all.\n    # It is zero.\n    x = 1  # One.\n";
    let long = "die Summe aller Preise der Liste, die nicht leer ist und sonst auch nichts";
    let after = translated(Language::Python, text, 50, |_| long.to_owned());
    let expected = "class A:\n    # die Summe aller Preise der Liste, die nicht\n    # leer ist und sonst auch nichts\n    x = 1  # ";
    assert_eq!(after, format!("{expected}{long}\n"));
    let java = "/**\n * Adds numbers.\n *\n * @param left the left one\n */\nint add(int left) { return left; }\n";
    let after = translated(Language::Java, java, 40, |_| "die Summe aller Preise der Liste von links".to_owned());
    let expected = "/**\n * die Summe aller Preise der Liste von\n * links\n *\n * @param left die Summe aller Preise\n *     der Liste von links\n */\n";
    assert!(after.starts_with(expected), "{after}");
    let one = "def f():\n    \"\"\"Adds.\"\"\"\n    return 1\n";
    let after = translated(Language::Python, one, 40, |_| "die Summe aller Preise der ganzen Liste".to_owned());
    assert!(after.starts_with("def f():\n    \"\"\"die Summe aller Preise der ganzen\n    Liste\"\"\"\n"), "{after}");
}

#[test]
fn an_unusable_answer_is_refused() {
    let german = NaturalLanguage::from_name("German").expect("known");
    let refused = |source: &str, to: &NaturalLanguage, answer: &str| {
        checked_answer(Language::Python, source, to, answer).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(refused("The sum.", german, " \"Die Summe.\"\n"), Ok("Die Summe.".into()));
    assert_eq!(refused("Calls `f(x)`.", german, "Ruft `f(x)` auf."), Ok("Ruft `f(x)` auf.".into()));
    for (source, answer, why) in [
        ("Calls `f(x)`.", "Ruft f auf.", "left out `f(x)`"),
        ("See max_len.", "Siehe maximale Länge.", "left out max_len"),
        ("The sum.", "  ", "wrote nothing"),
        ("The sum.", "The sum.", "repeated the text"),
        ("The sum.", "总和", "did not write German"),
        ("The sum.", "Die \"\"\" Summe.", "has a meaning"),
        ("The sum.", "Die\\n Summe.", "has a meaning"),
    ] {
        let error = refused(source, german, answer).expect_err(why);
        assert!(error.contains(why), "{answer}: {error}");
    }
    assert!(refused("The sum.", german, &"Die Summe. ".repeat(20)).expect_err("long").contains("much more"));
    let chinese = NaturalLanguage::from_name("zh").expect("known");
    assert_eq!(refused("The sum of `x`.", chinese, "`x` 的总和。"), Ok("`x` 的总和。".into()));
    assert!(refused("The sum.", chinese, "Die Summe.").is_err());
}

#[test]
fn prose_in_the_target_language_needs_no_translation() {
    let german = NaturalLanguage::from_name("German").expect("known");
    assert!(found(Language::C, "// The sum of all.\n")[0].needs_translation(german));
    assert!(!found(Language::C, "// Die Summe der Preise ist leer.\n")[0].needs_translation(german));
    let prompt = found(Language::C, "// The sum of all.\n")[0].question(german);
    assert!(prompt.messages[1].content.contains("The sum of all.\n```\n\nTranslate this text into German (Deutsch)."));
}

#[test]
fn only_paragraphs_in_the_selection_are_found() {
    let text = "// One thing.\nint x;\n// Two things.\nint y;\n";
    let tree = syntax::parse(Language::C, text, None).expect("a tree");
    let at = text.find("int y").expect("it is there") - 3;
    let some: Vec<_> = paragraphs(Language::C, &tree, text, &(at..at + 1)).into_iter().map(|it| it.text).collect();
    assert_eq!(some, ["Two things."]);
}
