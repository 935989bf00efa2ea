//! Where a hole is cut into a text: at characters, whatever the tokens will be.
//!
//! Cursors stand at the beginning of a line or after its indentation as often as somewhere in it, and what is written there
//! ends with the line, some lines below, with the block, or anywhere.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tree_sitter::Tree;

use super::mix::{self, OptionsError};
use crate::random::Random;
use crate::{syntax, window};

/// How often a hole that came out blank is cut again.
const MAX_DRAWS: usize = 8;
/// Lines of a hole that ends with a line below, at the most.
const MAX_HOLE_LINES: usize = 12;

/// Where holes begin and how they end. All but `at_lines` add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoleShares {
    /// Holes that begin at the beginning of a line or after its indentation; the others begin at any character. Default 0.5.
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

/// How a hole ends.
#[derive(Debug, Clone, Copy)]
enum HoleEnd {
    Line,
    Lines,
    Block,
    Within,
    Anywhere,
}

/// The text that a hole is cut into.
pub(super) struct HoleContext<'a> {
    pub(super) text: &'a str,
    pub(super) tree: Option<&'a Tree>,
    /// Where the hole may lie.
    pub(super) piece: Range<usize>,
    /// Where the text ends that the sample may show.
    pub(super) text_end: usize,
    /// Bytes of the hole, at the most.
    pub(super) max_bytes: usize,
}

impl HoleShares {
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

    /// A hole with more than blanks in it, unless chance finds none.
    pub(super) fn draw(&self, ground: &HoleContext<'_>, random: &mut Random) -> Option<Range<usize>> {
        (0..MAX_DRAWS).find_map(|_| {
            let start = self.draw_start(ground, random);
            let end = self.draw_end(ground, start, random);
            ground.with_hidden_closers(start..end)
        })
    }

    fn draw_start(&self, ground: &HoleContext<'_>, random: &mut Random) -> usize {
        let (text, piece) = (ground.text, &ground.piece);
        let at = text.floor_char_boundary(piece.start + random.below(piece.len()));
        if !random.happens(self.at_lines) {
            // No cursor stands inside a line end.
            let inside = text[..at].ends_with('\r') && text[at..].starts_with('\n');
            return if inside && at > piece.start { at - 1 } else { at };
        }
        let line = text[piece.start..at].rfind('\n').map_or(piece.start, |end| piece.start + end + 1);
        let rest = &text[line..piece.end];
        let indentation = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if random.happens(0.5) { line } else { line + indentation }
    }

    fn draw_end(&self, ground: &HoleContext<'_>, start: usize, random: &mut Random) -> usize {
        let shares = [
            (HoleEnd::Line, self.line),
            (HoleEnd::Lines, self.lines),
            (HoleEnd::Block, self.block),
            (HoleEnd::Within, self.within),
            (HoleEnd::Anywhere, self.anywhere),
        ];
        let rest = ground.reachable_text(start);
        let line = rest.find('\n').unwrap_or(rest.len());
        let below = 1 + random.below(MAX_HOLE_LINES);
        let end = match random.pick(&shares).unwrap_or(HoleEnd::Line) {
            HoleEnd::Line => start + line,
            HoleEnd::Lines => ground.line_end_below(start, below),
            HoleEnd::Block => ground.last_statement_end(start).unwrap_or_else(|| ground.line_end_below(start, below)),
            HoleEnd::Within => ground.text.floor_char_boundary(start + 1 + random.below(line)),
            HoleEnd::Anywhere => ground.text.floor_char_boundary(start + 1 + random.below(rest.len())),
        };
        end.min(start + rest.len())
    }
}

impl<'a> HoleContext<'a> {
    /// The text of one of the docstrings that lie in the piece.
    pub(super) fn docstring(&self, random: &mut Random) -> Option<Range<usize>> {
        const MOST: usize = 1000;
        let inside =
            |it: &Range<usize>| self.piece.start <= it.start && it.end <= self.piece.end && it.len() <= self.max_bytes;
        let mut found = syntax::docstring_ranges(self.tree?, self.text, MOST);
        found.retain(inside);
        found.get(random.below(found.len())).cloned().and_then(|hole| self.with_hidden_closers(hole))
    }

    /// What a hole that begins at `start` can take.
    fn reachable_text(&self, start: usize) -> &'a str {
        &self.text[start..self.text.floor_char_boundary(self.piece.end.min(start + self.max_bytes)).max(start)]
    }

    /// Where the line ends that lies `below` the one at `start`, or else the last line that ends in reach.
    fn line_end_below(&self, start: usize, below: usize) -> usize {
        let rest = self.reachable_text(start);
        let ends = rest.match_indices('\n').map(|(at, _)| at);
        start + ends.take(below + 1).last().unwrap_or(rest.len())
    }

    /// Where the last statement ends of the block around `start`.
    fn last_statement_end(&self, start: usize) -> Option<usize> {
        let end = syntax::block_end(self.tree?, start, start)?;
        let inner = self.reachable_text(start).get(..end.checked_sub(start)?)?.trim_end();
        Some(start + inner.strip_suffix('}').unwrap_or(inner).trim_end().len())
    }

    /// A hole that takes in a rest of line of closing marks: no live prompt shows that (see [`window`]), so the model has to
    /// write it. `None` where nothing but blanks is missing.
    fn with_hidden_closers(&self, hole: Range<usize>) -> Option<Range<usize>> {
        let after = self.text.get(hole.end..self.text_end)?;
        let end = hole.end + after.len() - window::without_closers(after).len();
        (hole.start < end && !self.text[hole.start..end].trim().is_empty()).then_some(hole.start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    const TEXT: &str = "import os\n\n\ndef total(items, tax):\n    amount = 0\n    for item in items:\n        \
                        amount += item.price * (1 + tax)\n    return round(amount)\n\n\nprint(total([], 0.2))\n";

    fn ground<'a>(text: &'a str, tree: Option<&'a Tree>) -> HoleContext<'a> {
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
        (0..300).filter_map(|seed| options.draw(&ground(text, Some(&tree)), &mut Random::new(seed))).collect()
    }

    fn share(holes: &[Range<usize>], which: impl Fn(&Range<usize>) -> bool) -> f64 {
        holes.iter().filter(|hole| which(hole)).count() as f64 / holes.len() as f64
    }

    #[test]
    fn the_defaults_are_in_order() {
        assert_eq!(HoleShares::default().check(), Ok(()));
        assert!(HoleShares { line: 0.9, ..HoleShares::default() }.check().is_err());
    }

    #[test]
    fn half_of_the_holes_begin_where_a_line_does() {
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
    fn spans_lines_and_blocks_all_occur() {
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
    fn a_block_ends_with_its_last_statement() {
        let inside = TEXT.find("amount = 0").expect("it is there")..TEXT.find("for item").expect("it is there");
        let end = TEXT.find("\n\n\nprint").expect("it is there");
        let holes = holes(&only("block"), TEXT);
        let mut holes = holes.iter().filter(|hole| inside.contains(&hole.start)).peekable();
        assert!(holes.peek().is_some() && holes.all(|hole| hole.end == end));
        let text = "fn f() {\n    a();\n    b();\n}\n";
        let tree = syntax::parse(Language::Rust, text, None).expect("a tree");
        let start = text.find("a()").expect("it is there");
        assert_eq!(ground(text, Some(&tree)).last_statement_end(start), text.find("\n}"));
    }

    #[test]
    fn a_hole_takes_in_the_closing_marks_that_no_live_prompt_shows() {
        let text = "f(a, b);\ng(c);\n";
        assert_eq!(ground(text, None).with_hidden_closers(2..6), Some(2..8));
        assert_eq!(ground(text, None).with_hidden_closers(2..3), Some(2..3));
        assert_eq!(ground(text, None).with_hidden_closers(8..8), None);
    }

    #[test]
    fn a_hole_is_no_longer_than_it_may_be() {
        let text = "word ".repeat(100);
        let ground = HoleContext { max_bytes: 40, piece: 100..300, ..ground(&text, None) };
        for seed in 0..200 {
            let hole = HoleShares::default().draw(&ground, &mut Random::new(seed)).expect("a hole");
            assert!(hole.len() <= 40 && hole.start >= 100 && hole.end <= 300, "{hole:?}");
        }
    }
}
