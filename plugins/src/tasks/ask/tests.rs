//! Excerpts for a question, and citations in an answer.

use std::ops::Range;

use super::*;
use crate::symbol_index::SymbolIndex;
use crate::{Document, Language, syntax};

const SHOP: &str = concat!(
    "from tools import tax\n\nclass Shop:\n    def total(self, items):\n",
    "        prices = [it.price for it in items]\n        return tax(sum(prices))\n\n",
    "    def close(self):\n        self.open = False\n",
);
const TOOLS: &str = "# Money.\n\ndef tax(sum):\n    return sum * 1.19\n\ndef refund(sum):\n    return -sum\n";

fn document(path: &str, text: &str) -> Document {
    let language = Language::from_path(path);
    Document { path: path.into(), language, text: text.into(), tree: syntax::parse(language, text, None) }
}

/// Locations and reasons of the excerpts for a question; `selected` is the text that is selected in the shop.
fn check(question: &str, selected: Option<&str>, room: usize) -> Vec<(String, String)> {
    let symbols = SymbolIndex::default();
    symbols.update("lib/tools.py", Language::Python, TOOLS);
    symbols.update("shop.py", Language::Python, SHOP);
    let shop = document("shop.py", SHOP);
    let range = |it: &str| SHOP.find(it).map(|at| at..at + it.len()).expect("in the shop");
    let selection: Option<Range<usize>> = selected.map(range);
    let read = |path: &str| (path == "lib/tools.py").then(|| TOOLS.into());
    let context = QuestionContext {
        document: Some(&shop),
        selection,
        question,
        symbols: &symbols,
        read_file: &read,
        search: &|_| Vec::new(),
        max_bytes: room,
    };
    excerpts(&context).into_iter().map(|it| (it.location(), it.reason)).collect()
}

fn pairs(found: &[(&str, &str)]) -> Vec<(String, String)> {
    found.iter().map(|(place, why)| (place.to_string(), why.to_string())).collect()
}

#[test]
fn a_function_is_shown_with_its_class_and_definitions() {
    let found = check("What does this do?", Some("def total"), 4000);
    let expected = pairs(&[
        ("shop.py:4-6", "the question is about line 4"),
        ("shop.py:3", "around it"),
        ("lib/tools.py:3", "defines tax"),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn a_definition_named_in_the_question_is_shown_whole() {
    let found = check("Does close need `refund`?", Some("        self.open = False\n"), 4000);
    assert!(found.contains(&("lib/tools.py:6-7".into(), "defines refund".into())), "{found:?}");
}

#[test]
fn without_a_selection_the_file_is_shown() {
    assert_eq!(check("What is this?", None, 4000)[0], ("shop.py:1-9".into(), "the file".into()));
}

#[test]
fn long_excerpts_are_cut_at_a_line_end() {
    let text = "line of text\n".repeat(100_000);
    let big = document("big.txt", &text);
    let symbols = SymbolIndex::default();
    let context = QuestionContext {
        document: Some(&big),
        selection: Some(0..text.len()),
        question: "?",
        symbols: &symbols,
        read_file: &|_| None,
        search: &|_| Vec::new(),
        max_bytes: 300,
    };
    let found = excerpts(&context);
    assert_eq!((found[0].location().as_str(), found[0].omitted_lines), ("big.txt:1-15", 99_985));
    assert!(found[0].text.len() <= 200 && found[0].text.ends_with("text"));
}

#[test]
fn a_definition_with_a_secret_is_left_out() {
    let secret = format!("def tax(key='{}{}'):\n    return 0\n", "ghp_", "x".repeat(36));
    let symbols = SymbolIndex::default();
    symbols.update("tools.py", Language::Python, &secret);
    let read = |_: &str| Some(secret.as_str().into());
    let (document, find) = (None, |_: &[SearchTerm]| Vec::new());
    let context = QuestionContext {
        document,
        selection: None,
        question: "tax?",
        symbols: &symbols,
        read_file: &read,
        search: &find,
        max_bytes: 4000,
    };
    assert_eq!(excerpts(&context), []);
}

#[test]
fn code_cannot_close_its_fence() {
    let markdown = document("a.md", "```\nx\n```\n");
    let symbols = SymbolIndex::default();
    let context = QuestionContext {
        document: Some(&markdown),
        selection: None,
        question: "?",
        symbols: &symbols,
        read_file: &|_| None,
        search: &|_| Vec::new(),
        max_bytes: 4000,
    };
    let message = user_message("Why? ", &excerpts(&context));
    assert_eq!(message, "a.md:1-3 (the file):\n````markdown\n```\nx\n```\n````\n\nWhy?");
}

#[test]
fn only_shown_lines_are_cited() {
    let shop = document("src/shop.py", SHOP);
    let symbols = SymbolIndex::default();
    let context = QuestionContext {
        document: Some(&shop),
        selection: Some(60..70),
        question: "",
        symbols: &symbols,
        read_file: &|_| None,
        search: &|_| Vec::new(),
        max_bytes: 4000,
    };
    let excerpts = excerpts(&context);
    let answer = "See `shop.py:5`, src/shop.py:4-6; not op.py:5, shop.py:99, other.py:5, 12:30 or shop.py:x.";
    let found: Vec<_> = find_citations(answer, &excerpts).into_iter().map(|it| &answer[it.range]).collect();
    assert_eq!(found, ["shop.py:5", "src/shop.py:4"]);
}

const DESK: &str = concat!(
    "from lib.tools import tax\n\nclass Desk:\n    def __init__(self):\n",
    "        self.rate = tax\n\n    def bill(self, items):\n        total = sum(items)\n",
    "        # tax is added\n        first = items[0]\n        last = items[-1]\n",
    "        middle = items[1:-1]\n        print(first, last, middle)\n        if total > 9:\n",
    "            print('tax')\n        return tax(total)\n",
);

/// Excerpts for a question about the function `tax`, which three files use.
fn callers_of_tax(room: usize) -> Vec<(String, String)> {
    let symbols = SymbolIndex::default();
    for (path, text) in [("lib/tools.py", TOOLS), ("shop.py", SHOP), ("desk.py", DESK), ("web/tax.js", "tax(1);\n")] {
        symbols.update(path, Language::from_path(path), text);
    }
    let tools = document("lib/tools.py", TOOLS);
    let at = TOOLS.find("def tax").expect("it is there");
    let read = |path: &str| match path {
        "shop.py" => Some(SHOP.into()),
        "desk.py" => Some(DESK.into()),
        _ => None,
    };
    let (selection, find) = (Some(at..at), |_: &[SearchTerm]| Vec::new());
    let context = QuestionContext {
        document: Some(&tools),
        selection,
        question: "Who needs this?",
        symbols: &symbols,
        read_file: &read,
        search: &find,
        max_bytes: room,
    };
    let found = excerpts(&context);
    assert!(found.iter().map(|it| it.text.len()).sum::<usize>() <= room);
    found.into_iter().map(|it| (it.location(), it.reason)).collect()
}

#[test]
fn callers_are_shown_with_signature_and_line() {
    let expected = pairs(&[
        ("lib/tools.py:3-4", "what is asked about"),
        ("desk.py:7", "calls tax at line 16"),
        ("desk.py:16", "calls tax"),
        ("desk.py:4-5", "uses tax"),
        ("shop.py:4-6", "calls tax"),
    ]);
    assert_eq!(callers_of_tax(4000), expected);
    assert_eq!(callers_of_tax(120), expected[..1]);
}

/// Excerpts for a question and its search terms, where a search finds `hits`: lines of the tools with their scores.
fn searched(question: &str, hits: &[(&str, f32)]) -> (Vec<(String, String)>, Vec<String>) {
    let symbols = SymbolIndex::default();
    let asked = std::cell::RefCell::new(Vec::new());
    let find = |wanted: &[SearchTerm]| {
        asked.borrow_mut().extend(wanted.iter().map(|word| word.text.clone()));
        let hit = |(line, score): &(&str, f32)| {
            let at = TOOLS.find(line).expect("in the tools");
            SearchHit { path: "lib/tools.py".into(), text: TOOLS.into(), range: at..at + line.len(), score: *score }
        };
        hits.iter().map(hit).collect()
    };
    let (document, selection) = (None, None);
    let context = QuestionContext {
        document,
        selection,
        question,
        symbols: &symbols,
        read_file: &|_| None,
        search: &find,
        max_bytes: 4000,
    };
    let found = excerpts(&context).into_iter().map(|it| (it.location(), it.reason)).collect();
    (found, asked.into_inner())
}

#[test]
fn search_hits_for_the_question_are_shown() {
    let hits = [("def refund(sum):\n    return -sum", 4.0), ("return -sum", 3.0), ("# Money.", 1.0)];
    let (found, asked) = searched("Where is the sum of a refund?", &hits);
    assert_eq!(found, pairs(&[("lib/tools.py:6-7", "found by sum, refund")]));
    assert_eq!(asked, ["sum", "refund"]);
    let (found, asked) = searched("What is this?", &hits);
    assert_eq!((found, asked), (Vec::new(), Vec::new()));
}
