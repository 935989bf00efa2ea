//! Holes of training samples, cut at characters, whatever the tokens will be.
//!
//! The shares imitate live completion: a cursor is as often at the beginning of a line or after its indentation as
//! inside it, and the text written there ends with the line, some lines below, with the block, or anywhere.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tree_sitter::Tree;

use super::mix::{self, OptionsError};
use crate::random::Random;
use crate::{syntax, window};

/// Number of attempts to draw a hole that is not blank.
const MAX_DRAWS: usize = 8;
/// Maximum number of lines of a hole that ends with a line below.
const MAX_HOLE_LINES: usize = 12;

/// Shares of the places where holes begin and end. All but `at_lines` add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoleShares {
    /// Holes that begin at the beginning of a line or after its indentation; the others begin at any character. Default
    /// 0.5.
    pub at_lines: f64,
    /// Holes that end with the line. Default 0.35.
    pub line: f64,
    /// Holes that end with a line below. Default 0.2.
    pub lines: f64,
    /// Holes that end with the block around them; where there is none, with a line below. Default 0.15.
    pub block: f64,
    /// Holes that end within the line. Default 0.15.
    pub within: f64,
    /// Holes that end at any character. Default 0.15.
    pub anywhere: f64,
}

impl Default for HoleShares {
    fn default() -> Self {
        Self { at_lines: 0.5, line: 0.35, lines: 0.2, block: 0.15, within: 0.15, anywhere: 0.15 }
    }
}

/// Place where a hole ends.
#[derive(Debug, Clone, Copy)]
enum HoleEnd {
    Line,
    Lines,
    Block,
    Within,
    Anywhere,
}

/// A text in which holes are cut, and their limits.
pub(super) struct HoleContext<'a> {
    pub(super) text: &'a str,
    pub(super) tree: Option<&'a Tree>,
    /// Byte range in which the hole may lie.
    pub(super) piece: Range<usize>,
    /// End of the text that the sample may show.
    pub(super) text_end: usize,
    /// Maximum length of the hole.
    pub(super) max_bytes: usize,
}

impl HoleShares {
    /// Checks the shares.
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        mix::check_share("at_lines", self.at_lines)?;
        mix::check_sum(&[
            ("line", self.line),
            ("lines", self.lines),
            ("block", self.block),
            ("within", self.within),
            ("anywhere", self.anywhere),
        ])
    }

    /// Draws a hole that is not blank; `None` if [`MAX_DRAWS`] attempts find none.
    pub(super) fn draw(&self, context: &HoleContext<'_>, random: &mut Random) -> Option<Range<usize>> {
        (0..MAX_DRAWS).find_map(|_| {
            let start = self.draw_start(context, random);
            let end = self.draw_end(context, start, random);
            context.with_hidden_closers(start..end)
        })
    }

    fn draw_start(&self, context: &HoleContext<'_>, random: &mut Random) -> usize {
        let (text, piece) = (context.text, &context.piece);
        let at = text.floor_char_boundary(piece.start + random.below(piece.len()));
        if !random.happens(self.at_lines) {
            return at;
        }
        let line = text[piece.start..at].rfind('\n').map_or(piece.start, |end| piece.start + end + 1);
        let rest = &text[line..piece.end];
        let indentation = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if random.happens(0.5) { line } else { line + indentation }
    }

    fn draw_end(&self, context: &HoleContext<'_>, start: usize, random: &mut Random) -> usize {
        let shares = [
            (HoleEnd::Line, self.line),
            (HoleEnd::Lines, self.lines),
            (HoleEnd::Block, self.block),
            (HoleEnd::Within, self.within),
            (HoleEnd::Anywhere, self.anywhere),
        ];
        let rest = context.reachable_text(start);
        let line = rest.find('\n').unwrap_or(rest.len());
        let below = 1 + random.below(MAX_HOLE_LINES);
        let end = match random.pick(&shares).unwrap_or(HoleEnd::Line) {
            HoleEnd::Line => start + line,
            HoleEnd::Lines => context.line_end_below(start, below),
            HoleEnd::Block => context.last_statement_end(start).unwrap_or_else(|| context.line_end_below(start, below)),
            HoleEnd::Within => context.text.floor_char_boundary(start + 1 + random.below(line)),
            HoleEnd::Anywhere => context.text.floor_char_boundary(start + 1 + random.below(rest.len())),
        };
        end.min(start + rest.len())
    }
}

impl<'a> HoleContext<'a> {
    /// Draws one of the docstrings in the piece.
    pub(super) fn docstring(&self, random: &mut Random) -> Option<Range<usize>> {
        const MAX_DOCSTRINGS: usize = 1000;
        let inside =
            |it: &Range<usize>| self.piece.start <= it.start && it.end <= self.piece.end && it.len() <= self.max_bytes;
        let mut found = syntax::docstring_ranges(self.tree?, self.text, MAX_DOCSTRINGS);
        found.retain(inside);
        found.get(random.below(found.len())).cloned().and_then(|hole| self.with_hidden_closers(hole))
    }

    /// Text that a hole can take from `start` on.
    fn reachable_text(&self, start: usize) -> &'a str {
        &self.text[start..self.text.floor_char_boundary(self.piece.end.min(start + self.max_bytes)).max(start)]
    }

    /// End of the line `below` lines below `start`, or of the last line that is reachable.
    fn line_end_below(&self, start: usize, below: usize) -> usize {
        let rest = self.reachable_text(start);
        let ends = rest.match_indices('\n').map(|(at, _)| at);
        start + ends.take(below + 1).last().unwrap_or(rest.len())
    }

    /// End of the last statement of the block around `start`.
    fn last_statement_end(&self, start: usize) -> Option<usize> {
        let end = syntax::block_end(self.tree?, start, start)?;
        let inner = self.reachable_text(start).get(..end.checked_sub(start)?)?.trim_end();
        Some(start + inner.strip_suffix('}').unwrap_or(inner).trim_end().len())
    }

    /// The hole, extended by closing characters after it that no live prompt shows ([`window`]), so that the model
    /// learns to write them. `None` if it is blank.
    fn with_hidden_closers(&self, hole: Range<usize>) -> Option<Range<usize>> {
        let after = self.text.get(hole.end..self.text_end)?;
        let end = hole.end + after.len() - window::without_closers(after).len();
        if hole.start >= end || self.text[hole.start..end].trim().is_empty() {
            return None;
        }
        Some(hole.start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    const TEXT: &str = "import os\n\n\ndef total(items, tax):\n    amount = 0\n    for item in items:\n        \
                        amount += item.price * (1 + tax)\n    return round(amount)\n\n\nprint(total([], 0.2))\n";

    fn context<'a>(text: &'a str, tree: Option<&'a Tree>) -> HoleContext<'a> {
        HoleContext { text, tree, piece: 0..text.len(), text_end: text.len(), max_bytes: text.len() }
    }

    fn only(end: &str) -> HoleShares {
        let share = |name: &str| f64::from(u8::from(name == end));
        HoleShares {
            at_lines: 0.5,
            line: share("line"),
            lines: share("lines"),
            block: share("block"),
            within: share("within"),
            anywhere: share("anywhere"),
        }
    }

    fn holes(options: &HoleShares, text: &str) -> Vec<Range<usize>> {
        let tree = syntax::parse(Language::Python, text, None).expect("a tree");
        (0..300).filter_map(|seed| options.draw(&context(text, Some(&tree)), &mut Random::new(seed))).collect()
    }

    fn share(holes: &[Range<usize>], which: impl Fn(&Range<usize>) -> bool) -> f64 {
        holes.iter().filter(|hole| which(hole)).count() as f64 / holes.len() as f64
    }

    #[test]
    fn default_shares_are_valid() {
        assert_eq!(HoleShares::default().check(), Ok(()));
        assert!(HoleShares { line: 0.9, ..HoleShares::default() }.check().is_err());
    }

    #[test]
    fn half_of_the_holes_begin_with_a_line() {
        let holes = holes(&HoleShares::default(), TEXT);
        assert!(holes.len() > 290);
        let begins = |hole: &Range<usize>| {
            let line = TEXT[..hole.start].rsplit('\n').next().unwrap_or_default();
            line.trim().is_empty()
        };
        let share = share(&holes, begins);
        assert!((0.45..0.75).contains(&share), "{share}");
    }

    #[test]
    fn all_lengths_of_holes_occur() {
        let holes = holes(&HoleShares::default(), TEXT);
        let lines = |hole: &Range<usize>| TEXT[hole.clone()].trim_end().matches('\n').count();
        let to_the_end = |hole: &Range<usize>| TEXT[hole.end..].starts_with('\n');
        for (what, share) in [
            ("within a line", share(&holes, |hole| lines(hole) == 0 && !to_the_end(hole))),
            ("to the end of a line", share(&holes, |hole| lines(hole) == 0 && to_the_end(hole))),
            ("several lines", share(&holes, |hole| lines(hole) > 0)),
        ] {
            assert!(share > 0.1, "{what}: {share}");
        }
    }

    #[test]
    fn block_holes_end_with_the_last_statement() {
        let inside = TEXT.find("amount = 0").expect("it is there")..TEXT.find("for item").expect("it is there");
        let end = TEXT.find("\n\n\nprint").expect("it is there");
        let holes = holes(&only("block"), TEXT);
        let mut holes = holes.iter().filter(|hole| inside.contains(&hole.start)).peekable();
        assert!(holes.peek().is_some() && holes.all(|hole| hole.end == end));
        let text = "fn f() {\n    a();\n    b();\n}\n";
        let tree = syntax::parse(Language::Rust, text, None).expect("a tree");
        let start = text.find("a()").expect("it is there");
        assert_eq!(context(text, Some(&tree)).last_statement_end(start), text.find("\n}"));
    }

    #[test]
    fn holes_include_hidden_closers() {
        let text = "f(a, b);\ng(c);\n";
        assert_eq!(context(text, None).with_hidden_closers(2..6), Some(2..8));
        assert_eq!(context(text, None).with_hidden_closers(2..3), Some(2..3));
        assert_eq!(context(text, None).with_hidden_closers(8..8), None);
    }

    #[test]
    fn holes_respect_their_limits() {
        let text = "word ".repeat(100);
        let context = HoleContext { max_bytes: 40, piece: 100..300, ..context(&text, None) };
        for seed in 0..200 {
            let hole = HoleShares::default().draw(&context, &mut Random::new(seed)).expect("a hole");
            assert!(hole.len() <= 40 && hole.start >= 100 && hole.end <= 300, "{hole:?}");
        }
    }
}
