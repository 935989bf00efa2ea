//! Converts between LSP positions and byte offsets.
//!
//! A position counts code units of the negotiated encoding within a line. The lines of a snapshot end with `\n`,
//! whatever those of the client end with. A position past the end of its line means the end of the line, as the
//! protocol says; one inside a character means its start.

use std::ops::Range;

use tower_lsp::lsp_types;

/// Unit that the `character` of a position counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, the protocol's default.
    #[default]
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

impl Encoding {
    /// Chooses among the encodings that a client offers. UTF-8 is preferred: byte offsets cost nothing to convert.
    pub(crate) fn negotiate(offered: Option<&[lsp_types::PositionEncodingKind]>) -> Self {
        let offers = |kind: lsp_types::PositionEncodingKind| offered.is_some_and(|offered| offered.contains(&kind));
        if offers(lsp_types::PositionEncodingKind::UTF8) {
            Self::Utf8
        } else if !offers(lsp_types::PositionEncodingKind::UTF16) && offers(lsp_types::PositionEncodingKind::UTF32) {
            Self::Utf32
        } else {
            Self::Utf16
        }
    }

    /// Name of the encoding in the protocol.
    pub(crate) fn kind(self) -> lsp_types::PositionEncodingKind {
        match self {
            Self::Utf8 => lsp_types::PositionEncodingKind::UTF8,
            Self::Utf16 => lsp_types::PositionEncodingKind::UTF16,
            Self::Utf32 => lsp_types::PositionEncodingKind::UTF32,
        }
    }

    fn width(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Utf32 => 1,
        }
    }

    /// Length of `text` in units of the encoding.
    pub(crate) fn length(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Utf32 => text.chars().count(),
        }
    }
}

/// Byte offsets at which the lines of a text start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Indexes the lines of `text`.
    pub(crate) fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { starts: starts.collect() }
    }

    /// Number of lines. A text that ends with a line end has an empty last line.
    pub(crate) fn lines(&self) -> usize {
        self.starts.len()
    }

    /// Byte range of a line without its line end.
    pub(crate) fn line(&self, text: &str, line: usize) -> Range<usize> {
        let start = self.starts[line];
        let end = self.starts.get(line + 1).copied().unwrap_or(text.len());
        let line = &text[start..end];
        start..start + line.strip_suffix('\n').unwrap_or(line).len()
    }

    /// Line that contains a byte offset.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// Byte offset of a position. A position past the last line maps to the end of the text.
    pub(crate) fn offset(&self, text: &str, position: lsp_types::Position, encoding: Encoding) -> usize {
        let Some(line) = usize::try_from(position.line).ok().filter(|line| *line < self.lines()) else {
            return text.len();
        };
        let range = self.line(text, line);
        let mut left = position.character as usize;
        for (at, character) in text[range.clone()].char_indices() {
            let width = encoding.width(character);
            if left < width {
                return range.start + at;
            }
            left -= width;
        }
        range.end
    }

    /// Position of a byte offset, which must lie on a character boundary.
    pub(crate) fn position(&self, text: &str, offset: usize, encoding: Encoding) -> lsp_types::Position {
        let line = self.line_of(offset);
        let character = encoding.length(&text[self.starts[line]..offset]);
        lsp_types::Position { line: line as u32, character: character as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsp_types::Position;

    /// Checks the position of the cursor, marked `▁`, in each encoding.
    fn check(marked: &str, line: u32, utf8: u32, utf16: u32, utf32: u32) {
        let cursor = marked.find('▁').expect("a marked cursor");
        let text = marked.replace('▁', "");
        let lines = LineIndex::new(&text);
        for (encoding, character) in [(Encoding::Utf8, utf8), (Encoding::Utf16, utf16), (Encoding::Utf32, utf32)] {
            let position = Position { line, character };
            assert_eq!(lines.offset(&text, position, encoding), cursor, "{marked:?} {encoding:?}");
            assert_eq!(lines.position(&text, cursor, encoding), position, "{marked:?} {encoding:?}");
        }
    }

    #[test]
    fn each_encoding_counts_its_own_units() {
        check("a▁b", 0, 1, 1, 1);
        check("é▁", 0, 2, 1, 1);
        check("𝄞▁x", 0, 4, 2, 1);
        check("one\ntwo𝄞é▁\n", 1, 9, 6, 5);
    }

    #[test]
    fn positions_outside_the_text_are_clamped() {
        let offset = |text: &str, line, character, encoding| {
            LineIndex::new(text).offset(text, Position { line, character }, encoding)
        };
        assert_eq!(offset("ab\ncd", 0, 99, Encoding::Utf16), 2);
        assert_eq!(offset("ab\ncd", 9, 0, Encoding::Utf16), 5);
        assert_eq!(offset("a𝄞b", 0, 2, Encoding::Utf16), 1);
        assert_eq!(offset("aéb", 0, 2, Encoding::Utf8), 1);
        assert_eq!(offset("", u32::MAX, u32::MAX, Encoding::Utf8), 0);
    }
}
