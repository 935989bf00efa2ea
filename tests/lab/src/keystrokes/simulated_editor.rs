//! The editor under the typist's hands: open texts, a cursor, brackets that close by themselves.
//!
//! As editors do it, an opening bracket or quote brings its closing mark with it, which is then typed over, and Enter between
//! brackets makes a block. The typist's target tells which marks belong together, so that the text always ends as it
//! should.

mod brackets;

use std::ops::Range;

use foretype::trace::{BACKSPACE, TraceFile, TypingSegment};
use brackets::matching_brackets;

/// Open texts and what the typist is about to write.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulatedEditor {
    texts: Vec<String>,
    file: usize,
    cursor: usize,
    target: String,
    /// For each byte of the target that opens something, where it is closed.
    brackets: Vec<Option<usize>>,
    /// Bytes of the target that stand before the cursor.
    done: usize,
    /// Wrong keys that are to be taken back.
    typos: Vec<String>,
    /// What the editor has put right of the cursor, the nearest last.
    closers: Vec<AutoClosed>,
}

/// A mark that stands right of the cursor because the editor put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AutoClosed {
    /// What stands there: the mark, or the line end and indentation before it, too.
    text: String,
    /// Where it stands in the target.
    at: usize,
}

/// Text that replaces other text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextChange {
    /// Bytes of the text before.
    pub(super) range: Range<usize>,
    /// What stands there now.
    pub(super) text: String,
}

impl SimulatedEditor {
    /// With these files open.
    pub(super) fn new(files: &[TraceFile]) -> Self {
        Self { texts: files.iter().map(|file| file.text.clone()).collect(), ..Self::default() }
    }

    /// Which file has the cursor.
    pub(super) fn file(&self) -> usize {
        self.file
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.texts[self.file]
    }

    /// All texts.
    #[cfg(test)]
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Byte offset of the cursor in it.
    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// The rest of the cursor's line.
    pub(super) fn right_of_cursor(&self) -> &str {
        let rest = &self.text()[self.cursor..];
        &rest[..rest.find('\n').unwrap_or(rest.len())]
    }

    /// Moves to the place of a stint.
    pub(super) fn move_to(&mut self, stint: &TypingSegment) {
        (self.file, self.cursor) = (stint.file, stint.offset);
        self.target = stint.target();
        self.brackets = matching_brackets(&self.target);
        self.done = 0;
        self.typos.clear();
        self.closers.clear();
    }

    /// Bytes of the target that stand before the cursor.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Presses a key; returns what it changed, which is nothing where an automatic mark was typed over.
    pub(super) fn press(&mut self, key: &str, slip: bool) -> Option<TextChange> {
        if key == BACKSPACE {
            let gone = self.typos.pop()?;
            return Some(self.replace(self.cursor - gone.len()..self.cursor, "", ""));
        }
        if slip {
            self.typos.push(key.to_owned());
            return Some(self.replace(self.cursor..self.cursor, key, ""));
        }
        if self.type_over(key) {
            return None;
        }
        let brings = self.open_block(key).or_else(|| self.auto_close(key)).unwrap_or_default();
        self.done += key.len();
        Some(self.replace(self.cursor..self.cursor, key, &brings))
    }

    fn type_over(&mut self, key: &str) -> bool {
        let Some(closer) = self.closers.last_mut().filter(|closer| closer.at == self.done) else { return false };
        let Some(rest) = closer.text.strip_prefix(key) else { return false };
        (closer.text, closer.at) = (rest.to_owned(), closer.at + key.len());
        if closer.text.is_empty() {
            self.closers.pop();
        }
        self.done += key.len();
        self.cursor += key.len();
        true
    }

    /// Enter between brackets whose target is a block: the closing one moves to a line of its own.
    fn open_block(&mut self, key: &str) -> Option<String> {
        let closer = self.closers.last_mut().filter(|_| key.starts_with('\n') && self.done > 0)?;
        let opened_just_now = self.brackets[self.done - 1] == Some(closer.at);
        let line = self.target[..closer.at].rfind('\n').filter(|line| *line > self.done)?;
        let lead = &self.target[line..closer.at];
        if !opened_just_now || !lead.trim().is_empty() {
            return None;
        }
        (closer.text, closer.at) = (format!("{lead}{}", closer.text), line);
        Some(lead.to_owned())
    }

    fn auto_close(&mut self, key: &str) -> Option<String> {
        let at = (*self.brackets.get(self.done)?)?;
        let text = self.target.get(at..at + 1).filter(|_| key.len() == 1)?.to_owned();
        self.closers.push(AutoClosed { text: text.clone(), at });
        Some(text)
    }

    /// Puts text before and behind the cursor.
    fn replace(&mut self, range: Range<usize>, before: &str, behind: &str) -> TextChange {
        let text = [before, behind].concat();
        self.texts[self.file].replace_range(range.clone(), &text);
        self.cursor = range.start + before.len();
        TextChange { range, text }
    }

    /// Whether `text`, put at the cursor in place of the next `replaces` bytes, is what the typist wants there up to the
    /// line's end, or up to marks that the editor has put there already.
    pub(super) fn fits_target(&self, text: &str, replaces: usize) -> bool {
        let rest = &self.target[self.done..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        if text.is_empty() || !self.typos.is_empty() || !line.starts_with(text) {
            return false;
        }
        let end = self.done + text.len();
        let (stay, gone): (Vec<_>, Vec<_>) = self.closers.iter().partition(|closer| closer.at >= end);
        let replaced: String = gone.iter().rev().map(|closer| closer.text.as_str()).collect();
        let whole = line.len() == text.len() || stay.last().is_some_and(|closer| closer.at == end);
        whole && self.text().get(self.cursor..self.cursor + replaces) == Some(replaced.as_str())
    }

    /// Takes a suggestion that [fits](Self::fits).
    pub(super) fn accept(&mut self, text: &str, replaces: usize) -> TextChange {
        self.done += text.len();
        let done = self.done;
        self.closers.retain(|closer| closer.at >= done);
        self.replace(self.cursor..self.cursor + replaces, text, "")
    }

    #[cfg(test)]
    fn text_with_cursor(&self) -> String {
        let (before, after) = self.text().split_at(self.cursor);
        format!("{before}|{after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A desk with nothing but a target, of which the typist has pressed the first keys.
    fn typed(target: &[&str], count: usize) -> SimulatedEditor {
        let keys = target.iter().map(|key| (1, (*key).to_owned())).collect();
        let stint = TypingSegment { file: 0, offset: 0, delay_ms: 0, accepts_suggestions: true, keys };
        let mut desk = SimulatedEditor::new(&[TraceFile { path: "a.rs".into(), text: "\n".into() }]);
        desk.move_to(&stint);
        let slips = stint.typos();
        for ((_, key), slip) in stint.keys.iter().zip(slips).take(count) {
            desk.press(key, slip);
        }
        desk
    }

    fn check(target: &[&str], count: usize, expected: &str) {
        assert_eq!(typed(target, count).text_with_cursor(), format!("{expected}\n"));
    }

    #[test]
    fn brackets_close_by_themselves_and_are_typed_over() {
        let keys = ["f", "(", "a", "[", "0", "]", ")", ";"];
        check(&keys, 2, "f(|)");
        check(&keys, 5, "f(a[0|])");
        check(&keys, 7, "f(a[0])|");
        check(&keys, 8, "f(a[0]);|");
    }

    #[test]
    fn enter_between_brackets_makes_a_block() {
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
    fn a_slip_is_there_and_gone_again() {
        let keys = ["a", "x", BACKSPACE, "b"];
        check(&keys, 2, "ax|");
        check(&keys, 4, "ab|");
    }

    #[test]
    fn a_suggestion_fits_that_ends_the_line_as_wanted() {
        let keys = ["l", "e", "t", " ", "x", ";", "\n", "y"];
        let fits = |count, text| typed(&keys, count).fits_target(text, 0);
        assert!(fits(1, "et x;") && fits(5, ";") && fits(7, "y"));
        for (count, text) in [(1, "et x"), (1, "et y;"), (1, "et x;\ny"), (6, "y"), (6, ""), (1, "et x; ")] {
            assert!(!fits(count, text), "{count} {text}");
        }
    }

    #[test]
    fn a_suggestion_may_end_before_marks_that_are_there_or_replace_them() {
        let keys = ["f", "(", "a", ",", "b", ")", ";"];
        let fits = |text, replaces| typed(&keys, 2).fits_target(text, replaces);
        assert!(fits("a,b", 0) && fits("a,b);", 1));
        assert!(!fits("a,b);", 0) && !fits("a,b", 1) && !fits("a,", 0));
    }

    #[test]
    fn nothing_fits_while_a_slip_stands() {
        assert!(!typed(&["a", "x", BACKSPACE, "b"], 2).fits_target("b", 0));
    }

    #[test]
    fn what_follows_a_taken_suggestion_is_typed_as_if_it_had_been_typed() {
        let keys = ["f", "(", "a", ")", " ", "{", "\n  ", "b", "\n", "}"];
        let mut desk = typed(&keys, 2);
        assert!(desk.fits_target("a", 0));
        desk.accept("a", 0);
        assert_eq!(desk.text_with_cursor(), "f(a|)\n");
        let mut desk = typed(&keys, 1);
        assert!(desk.fits_target("(a) {", 0));
        desk.accept("(a) {", 0);
        for key in &keys[6..] {
            desk.press(key, false);
        }
        assert_eq!(desk.text_with_cursor(), "f(a) {\n  b\n}|\n");
    }
}
