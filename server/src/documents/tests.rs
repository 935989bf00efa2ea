//! Edits, versions and encodings, and arbitrary sequences of edits against a reference model.

use super::*;

use tower_lsp::lsp_types::{Position, Range};

const URI: &str = "file:///w/a.py";

fn opened(text: &str) -> Documents {
    let documents = Documents::default();
    documents.open(DocumentMeta::resolve(URI.into(), &[]), "python", 1, text, LoneCr::EndsLine);
    documents
}

fn change(range: Option<(u32, u32, u32, u32)>, text: &str) -> TextDocumentContentChangeEvent {
    let range = range.map(|(line, character, end_line, end)| Range {
        start: Position { line, character },
        end: Position { line: end_line, character: end },
    });
    TextDocumentContentChangeEvent { range, range_length: None, text: text.into() }
}

fn changed(documents: &Documents, version: i32, changes: &[TextDocumentContentChangeEvent]) -> Arc<Snapshot> {
    documents.change(URI, version, changes, &ClientText::default()).expect("an open document")
}

#[test]
fn all_changes_of_a_notification_are_applied_in_order() {
    let documents = opened("one\ntwo\n");
    let snapshot = changed(&documents, 2, &[change(Some((0, 3, 0, 3)), "!"), change(Some((0, 4, 1, 0)), " ")]);
    assert_eq!((&*snapshot.text, snapshot.version), ("one! two\n", 2));
}

#[test]
fn an_older_snapshot_does_not_change() {
    let documents = opened("x");
    let before = documents.snapshot(URI).expect("open");
    changed(&documents, 2, &[change(None, "y")]);
    assert_eq!(&*before.text, "x");
}

#[test]
fn an_edit_outside_the_text_is_clamped_and_marks_the_document() {
    let documents = opened("one\n");
    assert!(changed(&documents, 2, &[change(Some((0, 99, 2, 0)), "!")]).in_sync, "the end of the document");
    let snapshot = changed(&documents, 3, &[change(Some((70, 0, 80, 0)), "?")]);
    assert_eq!((&*snapshot.text, snapshot.in_sync), ("one!?", false));
    assert!(changed(&documents, 4, &[change(None, "all")]).in_sync, "the whole text again");
}

#[test]
fn a_reversed_range_and_an_old_version_do_no_harm() {
    let documents = opened("abc");
    let snapshot = changed(&documents, -5, &[change(Some((0, 2, 0, 1)), "-")]);
    assert_eq!((&*snapshot.text, snapshot.version, snapshot.in_sync), ("a-c", -5, false));
}

#[test]
fn a_closed_document_is_dropped() {
    let documents = opened("abc");
    documents.close(URI);
    assert!(documents.snapshot(URI).is_none() && documents.parsed(URI).is_none());
    assert!(documents.change(URI, 2, &[change(None, "x")], &ClientText::default()).is_none());
}

#[test]
fn the_tree_matches_the_text_after_every_edit() {
    let documents = opened("def f():\n    pass\n");
    for (version, edit) in [
        change(Some((0, 4, 0, 5)), "größe𝄞"),
        change(Some((1, 4, 1, 8)), "return [\n"),
        change(None, "x = 1\n"),
        change(Some((0, 4, 0, 5)), "(1,\n 2)"),
    ]
    .into_iter()
    .enumerate()
    {
        documents.parsed(URI);
        changed(&documents, version as i32 + 2, &[edit]);
        let parsed = documents.parsed(URI).expect("open");
        let fresh = syntax::parse(parsed.language, &parsed.text, None).map(|tree| tree.root_node().to_sexp());
        assert_eq!(parsed.tree.as_ref().map(|tree| tree.root_node().to_sexp()), fresh, "{:?}", parsed.text);
    }
}

#[test]
fn overlapping_edits_are_recorded_as_one() {
    let documents = opened(&"line\n".repeat(40));
    for (version, letter) in ["a", "b", "c"].into_iter().enumerate() {
        changed(&documents, version as i32 + 2, &[change(Some((3, version as u32, 3, version as u32)), letter)]);
    }
    changed(&documents, 9, &[change(Some((30, 0, 30, 0)), "far ")]);
    let edited: Vec<_> = documents.recent_edits().into_iter().map(|edited| edited.text).collect();
    assert_eq!(edited, ["line\nabcline\nline", "line\nfar line\nline"]);
}

#[test]
fn suggestions_get_the_line_ends_of_their_line() {
    let documents = opened("a\r\nb\nc");
    let snapshot = documents.snapshot(URI).expect("open");
    assert_eq!(&*snapshot.text, "a\nb\nc");
    assert_eq!([0, 2, 5].map(|at| snapshot.client_text(at, "x\ny")), ["x\r\ny", "x\ny", "x\ny"]);
    let snapshot = changed(&documents, 2, &[change(Some((1, 1, 2, 0)), "\r\n")]);
    assert_eq!((&*snapshot.text, snapshot.client_text(2, "x\ny")), ("a\nb\nc", "x\r\ny".to_owned()));
}

/// Reference implementation of a position: walks the characters and counts. A lone `\r` ends a line unless `is_text`,
/// where the line contains the `\r` of a `\r\n`, too.
fn reference_offset(text: &str, line: u32, character: u32, is_text: bool, width: impl Fn(char) -> u32) -> usize {
    let is_text = is_text && text.contains('\n');
    let (mut at_line, mut left) = (0, character);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let ends = letter == '\n' || letter == '\r' && !is_text;
        if at_line == line && (ends || width(letter) > left) {
            return at;
        }
        if at_line == line {
            left -= width(letter);
        }
        if letter == '\n' || (letter == '\r' && !is_text && letters.peek().is_none_or(|(_, next)| *next != '\n')) {
            at_line += 1;
        }
    }
    text.len()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn edits_match_the_reference_model_in_every_encoding(
        start in "([ab é𝄞]|\r\n|\n|\r){0,30}",
        edits in proptest::collection::vec(
            ((0u32..6, 0u32..9), (0u32..6, 0u32..9), "([xé𝄞]|\r\n|\n|\r){0,5}"), 1..6),
        encoding in 0usize..3,
        is_text: bool,
    ) {
        let encoding = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32][encoding];
        let width = |letter: char| match encoding {
            Encoding::Utf8 => letter.len_utf8() as u32,
            Encoding::Utf16 => letter.len_utf16() as u32,
            Encoding::Utf32 => 1,
        };
        let lone_cr = if is_text { LoneCr::IsText } else { LoneCr::EndsLine };
        let documents = Documents::default();
        documents.open(DocumentMeta::resolve(URI.into(), &[]), "python", 1, &start, lone_cr);
        let mut text = start;
        for (version, (from, to, new)) in edits.into_iter().enumerate() {
            let (from, to) = (from.min(to), from.max(to));
            let from_at = reference_offset(&text, from.0, from.1, is_text, width);
            let to_at = reference_offset(&text, to.0, to.1, is_text, width);
            text.replace_range(from_at..to_at.max(from_at), &new);
            let edit = change(Some((from.0, from.1, to.0, to.1)), &new);
            documents.parsed(URI);
            let client = ClientText { encoding, lone_cr };
            let snapshot = documents.change(URI, version as i32 + 2, &[edit], &client).expect("open");
            proptest::prop_assert_eq!(&*snapshot.line_ends.restore(&snapshot.text), &*text);
            proptest::prop_assert_eq!(&*snapshot.text, &*LineEnds::split(&text, lone_cr).0);
            proptest::prop_assert_eq!(&*snapshot.lines, &LineIndex::new(&snapshot.text));
        }
    }
}
