//! Simulated editor: open files, a cursor, and brackets that close automatically.
//!
//! As in real editors, an opening bracket or quote inserts its closing mark, typing the closing mark moves over it, and
//! Enter between brackets opens a block. The typist's target decides which marks belong together, so that the text
//! always ends up correct.

mod brackets;

use std::ops::Range;

use brackets::matching_brackets;
use foretype::trace::{BACKSPACE, TraceFile, TypingSegment};

/// Open files and the text that the typist is about to write.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulatedEditor {
    texts: Vec<String>,
    file: usize,
    cursor: usize,
    target: String,
    /// For each byte of the target that opens a bracket or quotation, the offset of the closing mark.
    closing_offsets: Vec<Option<usize>>,
    /// Bytes of the target before the cursor.
    completed_bytes: usize,
    /// Typing mistakes that are still in the text.
    typos: Vec<String>,
    /// Marks that the editor has inserted right of the cursor, the nearest last.
    auto_closed: Vec<AutoClosed>,
}

/// Text right of the cursor that the editor has inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AutoClosed {
    /// Closing mark, with the line break and indentation before it if it closes a block.
    text: String,
    /// Offset of the text in the target.
    offset: usize,
}

/// Replacement of a range of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextChange {
    /// Replaced bytes, as offsets into the text before the change.
    pub(super) range: Range<usize>,
    /// New text of the range.
    pub(super) text: String,
}

impl SimulatedEditor {
    /// Opens files.
    pub(super) fn new(files: &[TraceFile]) -> Self {
        Self { texts: files.iter().map(|file| file.text.clone()).collect(), ..Self::default() }
    }

    /// Index of the file with the cursor.
    pub(super) fn file(&self) -> usize {
        self.file
    }

    /// Text of the file with the cursor.
    pub(super) fn text(&self) -> &str {
        &self.texts[self.file]
    }

    /// Byte offset of the cursor.
    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Rest of the cursor's line.
    pub(super) fn right_of_cursor(&self) -> &str {
        let rest = &self.text()[self.cursor..];
        &rest[..rest.find('\n').unwrap_or(rest.len())]
    }

    /// Moves the cursor to the place of a segment.
    pub(super) fn move_to(&mut self, segment: &TypingSegment) {
        (self.file, self.cursor) = (segment.file, segment.offset);
        self.target = segment.target();
        self.closing_offsets = matching_brackets(&self.target);
        self.completed_bytes = 0;
        self.typos.clear();
        self.auto_closed.clear();
    }

    /// Bytes of the target before the cursor.
    pub(super) fn completed_bytes(&self) -> usize {
        self.completed_bytes
    }

    /// Presses a key. Returns `None` if the key only moved over an automatic mark.
    pub(super) fn press(&mut self, key: &str, is_typo: bool) -> Option<TextChange> {
        if key == BACKSPACE {
            let removed = self.typos.pop()?;
            return Some(self.replace(self.cursor - removed.len()..self.cursor, "", ""));
        }
        if is_typo {
            self.typos.push(key.to_owned());
            return Some(self.replace(self.cursor..self.cursor, key, ""));
        }
        if self.type_over(key) {
            return None;
        }
        let inserted_after = self.open_block(key).or_else(|| self.auto_close(key)).unwrap_or_default();
        self.completed_bytes += key.len();
        Some(self.replace(self.cursor..self.cursor, key, &inserted_after))
    }

    /// Moves the cursor over an automatic mark if the key types it. Returns true if so.
    fn type_over(&mut self, key: &str) -> bool {
        let Some(closer) = self.auto_closed.last_mut() else { return false };
        if closer.offset != self.completed_bytes {
            return false;
        }
        let Some(rest) = closer.text.strip_prefix(key) else { return false };
        (closer.text, closer.offset) = (rest.to_owned(), closer.offset + key.len());
        if closer.text.is_empty() {
            self.auto_closed.pop();
        }
        self.completed_bytes += key.len();
        self.cursor += key.len();
        true
    }

    /// Handles Enter between brackets whose target is a block: the closing bracket moves to a line of its own. Returns
    /// the text to insert after the cursor.
    fn open_block(&mut self, key: &str) -> Option<String> {
        if !key.starts_with('\n') || self.completed_bytes == 0 {
            return None;
        }
        let closer = self.auto_closed.last_mut()?;
        let follows_opening_bracket = self.closing_offsets[self.completed_bytes - 1] == Some(closer.offset);
        let line_break = self.target[..closer.offset].rfind('\n')?;
        let lead = &self.target[line_break..closer.offset];
        if line_break <= self.completed_bytes || !follows_opening_bracket || !lead.trim().is_empty() {
            return None;
        }
        (closer.text, closer.offset) = (format!("{lead}{}", closer.text), line_break);
        Some(lead.to_owned())
    }

    /// Returns the closing mark if the key opens a bracket or quotation that the target closes.
    fn auto_close(&mut self, key: &str) -> Option<String> {
        let offset = (*self.closing_offsets.get(self.completed_bytes)?)?;
        if key.len() != 1 {
            return None;
        }
        let text = self.target.get(offset..offset + 1)?.to_owned();
        self.auto_closed.push(AutoClosed { text: text.clone(), offset });
        Some(text)
    }

    /// Replaces a range, with the cursor between the two new texts.
    fn replace(&mut self, range: Range<usize>, before_cursor: &str, after_cursor: &str) -> TextChange {
        let text = [before_cursor, after_cursor].concat();
        self.texts[self.file].replace_range(range.clone(), &text);
        self.cursor = range.start + before_cursor.len();
        TextChange { range, text }
    }

    /// Returns true if `text`, inserted at the cursor in place of the next `replaced_bytes`, is what the typist wants
    /// up to the end of the line, or up to marks that the editor has inserted already.
    pub(super) fn fits_target(&self, text: &str, replaced_bytes: usize) -> bool {
        let rest = &self.target[self.completed_bytes..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        if text.is_empty() || !self.typos.is_empty() || !line.starts_with(text) {
            return false;
        }
        let end = self.completed_bytes + text.len();
        let (kept, replaced): (Vec<_>, Vec<_>) = self.auto_closed.iter().partition(|closer| closer.offset >= end);
        let replaced: String = replaced.iter().rev().map(|closer| closer.text.as_str()).collect();
        let completes_line = line.len() == text.len() || kept.last().is_some_and(|closer| closer.offset == end);
        completes_line && self.text().get(self.cursor..self.cursor + replaced_bytes) == Some(replaced.as_str())
    }

    /// Accepts a suggestion that [fits the target](Self::fits_target).
    pub(super) fn accept(&mut self, text: &str, replaced_bytes: usize) -> TextChange {
        self.completed_bytes += text.len();
        let completed_bytes = self.completed_bytes;
        self.auto_closed.retain(|closer| closer.offset >= completed_bytes);
        self.replace(self.cursor..self.cursor + replaced_bytes, text, "")
    }

    #[cfg(test)]
    fn text_with_cursor(&self) -> String {
        let (before, after) = self.text().split_at(self.cursor);
        format!("{before}|{after}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use foretype::trace::Trace;

    use super::*;

    /// An editor in an empty file after the first keys of a target.
    fn typed(target: &[&str], count: usize) -> SimulatedEditor {
        let keys = target.iter().map(|key| (1, (*key).to_owned())).collect();
        let segment = TypingSegment { file: 0, offset: 0, delay_ms: 0, accepts_suggestions: true, keys };
        let mut editor = SimulatedEditor::new(&[TraceFile { path: "a.rs".into(), text: "\n".into() }]);
        editor.move_to(&segment);
        let typos = segment.typos();
        for ((_, key), is_typo) in segment.keys.iter().zip(typos).take(count) {
            editor.press(key, is_typo);
        }
        editor
    }

    fn check(target: &[&str], count: usize, expected: &str) {
        assert_eq!(typed(target, count).text_with_cursor(), format!("{expected}\n"));
    }

    #[test]
    fn typing_the_shipped_traces_gives_their_final_texts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/traces");
        let files = std::fs::read_dir(folder).expect("fixtures").flatten().map(|entry| entry.path());
        let traces: Vec<_> = files.map(|path| Trace::load(&path).expect("a trace")).collect();
        assert!(!traces.is_empty());
        for trace in traces {
            let mut editor = SimulatedEditor::new(&trace.files);
            for segment in &trace.segments {
                editor.move_to(segment);
                for ((_, key), is_typo) in segment.keys.iter().zip(segment.typos()) {
                    editor.press(key, is_typo);
                }
                assert_eq!(editor.completed_bytes(), segment.target().len());
            }
            assert_eq!(editor.texts, trace.final_texts().expect("a trace"), "{}", trace.command);
        }
    }

    #[test]
    fn brackets_close_automatically_and_are_typed_over() {
        let keys = ["f", "(", "a", "[", "0", "]", ")", ";"];
        check(&keys, 2, "f(|)");
        check(&keys, 5, "f(a[0|])");
        check(&keys, 7, "f(a[0])|");
        check(&keys, 8, "f(a[0]);|");
    }

    #[test]
    fn enter_between_brackets_opens_a_block() {
        let keys = ["x", "{", "\n  ", "y", "\n", "}", "z"];
        check(&keys, 3, "x{\n  |\n}");
        check(&keys, 5, "x{\n  y\n|}");
        check(&keys, 7, "x{\n  y\n}z|");
    }

    #[test]
    fn a_bracket_that_the_target_leaves_open_is_not_closed() {
        check(&["f", "(", "a"], 3, "f(a|");
        check(&["\"", "a", "\n"], 2, "\"a|");
    }

    #[test]
    fn a_typo_is_inserted_and_removed() {
        let keys = ["a", "x", BACKSPACE, "b"];
        check(&keys, 2, "ax|");
        check(&keys, 4, "ab|");
    }

    #[test]
    fn a_suggestion_fits_if_it_completes_the_line() {
        let keys = ["l", "e", "t", " ", "x", ";", "\n", "y"];
        let fits = |count, text| typed(&keys, count).fits_target(text, 0);
        assert!(fits(1, "et x;") && fits(5, ";") && fits(7, "y"));
        for (count, text) in [(1, "et x"), (1, "et y;"), (1, "et x;\ny"), (6, "y"), (6, ""), (1, "et x; ")] {
            assert!(!fits(count, text), "{count} {text}");
        }
    }

    #[test]
    fn a_suggestion_may_end_before_automatic_marks_or_replace_them() {
        let keys = ["f", "(", "a", ",", "b", ")", ";"];
        let fits = |text, replaces| typed(&keys, 2).fits_target(text, replaces);
        assert!(fits("a,b", 0) && fits("a,b);", 1));
        assert!(!fits("a,b);", 0) && !fits("a,b", 1) && !fits("a,", 0));
    }

    #[test]
    fn nothing_fits_while_a_typo_is_in_the_text() {
        assert!(!typed(&["a", "x", BACKSPACE, "b"], 2).fits_target("b", 0));
    }

    #[test]
    fn typing_continues_normally_after_an_accepted_suggestion() {
        let keys = ["f", "(", "a", ")", " ", "{", "\n  ", "b", "\n", "}"];
        let mut editor = typed(&keys, 2);
        assert!(editor.fits_target("a", 0));
        editor.accept("a", 0);
        assert_eq!(editor.text_with_cursor(), "f(a|)\n");
        let mut editor = typed(&keys, 1);
        assert!(editor.fits_target("(a) {", 0));
        editor.accept("(a) {", 0);
        for key in &keys[6..] {
            editor.press(key, false);
        }
        assert_eq!(editor.text_with_cursor(), "f(a) {\n  b\n}|\n");
    }
}
