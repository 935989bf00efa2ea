//! Line ends: every text inside Foretype ends its lines with `\n`.
//!
//! A text is [split](LineEnds::split) from its line ends where it is read, from an editor or from a file, and what is
//! written back gets them again. Prompts, syntax trees and finishing rules therefore see the same text in a file with
//! `\r\n` as in one with `\n`, and so suggest the same.

use std::borrow::Cow;

/// End of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnd {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r`.
    Cr,
}

impl LineEnd {
    /// Characters of the line end.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// Writes this line end for each `\n` of `text`.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Lf => Cow::Borrowed(text),
            _ => Cow::Owned(text.replace('\n', self.as_str())),
        }
    }
}

/// Meaning of a `\r` without a `\n` behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoneCr {
    /// It ends a line, as the Language Server Protocol says.
    #[default]
    EndsLine,
    /// It is a character of its line, as Neovim has it, unless the text has no `\n` at all.
    IsText,
}

/// Line ends of a text. The last line has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEnds {
    /// All lines end alike.
    Uniform(LineEnd),
    /// The end of each line but the last.
    Mixed(Vec<LineEnd>),
}

impl Default for LineEnds {
    fn default() -> Self {
        Self::Uniform(LineEnd::Lf)
    }
}

impl LineEnds {
    /// Splits a text into its lines, each of which ends with `\n`, and their original ends.
    pub fn split(text: &str, lone_cr: LoneCr) -> (Cow<'_, str>, Self) {
        if !text.contains('\r') {
            return (Cow::Borrowed(text), Self::default());
        }
        let is_text = lone_cr == LoneCr::IsText && text.contains('\n');
        let mut lines = String::with_capacity(text.len());
        let mut ends = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['\r', '\n']) {
            let (line, behind) = rest.split_at(at);
            lines.push_str(line);
            let end = if behind.starts_with("\r\n") {
                LineEnd::CrLf
            } else if behind.starts_with('\n') {
                LineEnd::Lf
            } else {
                LineEnd::Cr
            };
            rest = &behind[end.as_str().len()..];
            if end == LineEnd::Cr && is_text {
                lines.push('\r');
            } else {
                lines.push('\n');
                ends.push(end);
            }
        }
        lines.push_str(rest);
        (Cow::Owned(lines), Self::from_ends(ends))
    }

    /// Text whose lines end with `\n`, where the ends themselves are of no interest.
    pub fn normalize(text: String) -> String {
        match Self::split(&text, LoneCr::EndsLine).0 {
            Cow::Borrowed(_) => text,
            Cow::Owned(lines) => lines,
        }
    }

    fn from_ends(ends: Vec<LineEnd>) -> Self {
        match ends.first() {
            None => Self::default(),
            Some(first) if ends.iter().all(|end| end == first) => Self::Uniform(*first),
            Some(_) => Self::Mixed(ends),
        }
    }

    /// True if every line ends with `\n`.
    pub fn are_lf(&self) -> bool {
        *self == Self::default()
    }

    /// End of a line, counted from 0. A line without one, such as the last, takes that of the line before it.
    pub fn of_line(&self, line: usize) -> LineEnd {
        match self {
            Self::Uniform(end) => *end,
            Self::Mixed(ends) => ends.get(line).or(ends.last()).copied().unwrap_or_default(),
        }
    }

    /// Number of bytes by which the first `lines` lines are longer in the original text.
    pub fn extra_bytes(&self, lines: usize) -> usize {
        match self {
            Self::Uniform(LineEnd::CrLf) => lines,
            Self::Uniform(_) => 0,
            Self::Mixed(ends) => ends.iter().take(lines).filter(|end| **end == LineEnd::CrLf).count(),
        }
    }

    /// Original text of `lines`, whose line ends these are.
    pub fn restore<'a>(&self, lines: &'a str) -> Cow<'a, str> {
        let ends = match self {
            Self::Uniform(end) => return end.apply(lines),
            Self::Mixed(ends) => ends,
        };
        let mut text = String::with_capacity(lines.len() + ends.len());
        for (number, line) in lines.split('\n').enumerate() {
            if number > 0 {
                text.push_str(self.of_line(number - 1).as_str());
            }
            text.push_str(line);
        }
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (String, LineEnds) {
        let (lines, ends) = LineEnds::split(text, LoneCr::EndsLine);
        (lines.into_owned(), ends)
    }

    #[test]
    fn a_text_is_restored_with_the_line_ends_it_had() {
        for text in ["", "a", "a\nb", "a\r\nb\r\n", "a\rb\r", "a\r\nb\nc\rd", "\r\r\n\n\r", "\n\r\n", "é\r\n∆\n"] {
            for lone_cr in [LoneCr::EndsLine, LoneCr::IsText] {
                let (lines, ends) = LineEnds::split(text, lone_cr);
                assert_eq!(ends.restore(&lines), text, "{text:?} {lone_cr:?}");
                assert!(lone_cr == LoneCr::IsText || !lines.contains('\r'), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_text_with_one_kind_of_line_end_has_uniform_ends() {
        assert_eq!(split("a\r\nb\r\nc"), ("a\nb\nc".to_owned(), LineEnds::Uniform(LineEnd::CrLf)));
        assert_eq!(split("a\nb"), ("a\nb".to_owned(), LineEnds::default()));
        assert_eq!(split("a\rb"), ("a\nb".to_owned(), LineEnds::Uniform(LineEnd::Cr)));
    }

    #[test]
    fn each_line_of_a_mixed_text_keeps_its_end() {
        let (lines, ends) = split("a\r\nb\nc\r\nd");
        assert_eq!(lines, "a\nb\nc\nd");
        assert_eq!(
            [0, 1, 2, 3].map(|line| ends.of_line(line)),
            [LineEnd::CrLf, LineEnd::Lf, LineEnd::CrLf, LineEnd::CrLf]
        );
        assert_eq!([0, 1, 2, 3].map(|lines| ends.extra_bytes(lines)), [0, 1, 1, 2]);
    }

    #[test]
    fn a_lone_carriage_return_is_text_where_the_client_says_so() {
        let (lines, ends) = LineEnds::split("a\rb\r\nc", LoneCr::IsText);
        assert_eq!((&*lines, ends), ("a\rb\nc", LineEnds::Uniform(LineEnd::CrLf)));
        let (lines, ends) = LineEnds::split("a\rb\r", LoneCr::IsText);
        assert_eq!((&*lines, ends), ("a\nb\n", LineEnds::Uniform(LineEnd::Cr)));
    }
}
