//! Lines put together to paragraphs, and answers that are fit to take the place of one.

use std::ops::Range;

use super::classify::{LineClassifier, LineKind};
use super::find::{Comment, CommentLine};
use super::natural_language::NaturalLanguage;
use super::{Paragraph, wrap};
use crate::Language;

/// Why an answer is not put in place of what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslationError {
    /// There is nothing.
    #[error("the model wrote nothing")]
    Empty,
    /// The text came back.
    #[error("the model gave the text back")]
    Unchanged,
    /// It is in another language.
    #[error("the model wrote no {0}")]
    WrongLanguage(&'static str),
    /// Something that stays as it is does not stand in it.
    #[error("the model left out {0}")]
    MissingName(String),
    /// It would end the comment, or begin another.
    #[error("the model wrote {0}, which means something to the language")]
    UnsafeMark(String),
    /// The model went on.
    #[error("the model wrote much more than it was given")]
    TooLong,
}

/// The paragraphs of a comment.
pub(super) fn paragraphs(language: Language, text: &str, number: usize, comment: &Comment) -> Vec<Paragraph> {
    let mut all: Vec<Paragraph> = Vec::new();
    let mut reader = LineClassifier::default();
    // Whether the next line may go on with the last paragraph.
    let mut open = false;
    for line in &comment.lines {
        let content = &text[line.start..line.end];
        let before = wrap::display_width(&text[text[..line.start].rfind('\n').map_or(0, |at| at + 1)..line.start]);
        let shebang = text[..line.start].trim_end() == "#!";
        let kind = if shebang { LineKind::Other } else { reader.classify(language, content, before, line.no_space) };
        let (at, hang) = match kind {
            LineKind::Other => {
                open = false;
                continue;
            }
            LineKind::Prose if open && all.last_mut().is_some_and(|above| above.append_line(text, line, before)) => {
                continue;
            }
            LineKind::Prose => (0, 0),
            LineKind::ProseAt { offset: at, hanging_indent: hang } => (at, hang),
        };
        all.push(paragraph(text, number, line, at, hang, comment.multiline));
        open = comment.multiline;
    }
    all
}

/// A paragraph of one line, which begins behind `at` bytes of the line's content.
fn paragraph(text: &str, comment: usize, line: &CommentLine, at: usize, hang: usize, grows: bool) -> Paragraph {
    let content = &text[line.start..line.end];
    // A tag that closes what was opened before the text stays.
    let closing = content.rfind("</").filter(|close| *close > at && content.ends_with('>')).unwrap_or(content.len());
    let range = line.start + at..line.start + at + content[at..closing].trim_end().len();
    let row = &text[text[..range.start].rfind('\n').map_or(0, |at| at + 1)..range.end];
    let column = wrap::display_width(&row[..row.len() - range.len()]);
    Paragraph {
        comment,
        line: 1 + text[..range.start].matches('\n').count(),
        text: text[range.clone()].to_owned(),
        continuation_prefix: (grows && closing == content.len())
            .then(|| format!("{}{}", line.prefix, " ".repeat(hang))),
        marker_column: (hang > 0).then(|| column - wrap::display_width(&content[..at])),
        start_column: column,
        max_width: wrap::display_width(row),
        range,
    }
}

impl Paragraph {
    /// Adds a line, if it is part of this: its marks are those of the lines above it, or it is the second one.
    fn append_line(&mut self, text: &str, line: &CommentLine, columns: usize) -> bool {
        let Some(next) = &self.continuation_prefix else { return false };
        let second = !text[self.range.clone()].contains('\n');
        // Behind a bullet or a tag, whatever is deeper goes on.
        let deeper = second && self.marker_column.is_some_and(|base| columns > base);
        if *next != line.prefix && !deeper {
            return false;
        }
        let content = &text[line.start..line.end];
        let wide = |c: Option<char>| c.is_some_and(|c| ('\u{3000}'..='\u{9fff}').contains(&c) || c >= '\u{ff00}');
        if !(wide(self.text.chars().next_back()) && wide(content.chars().next())) {
            self.text.push(' ');
        }
        self.text.push_str(content);
        self.range.end = line.end;
        self.continuation_prefix = Some(line.prefix.clone());
        self.max_width = self.max_width.max(columns + wrap::display_width(content));
        true
    }
}

/// An answer as one line, if it is fit to take the place of `source`.
pub(super) fn checked_answer(
    language: Language,
    source: &str,
    to: &NaturalLanguage,
    answer: &str,
) -> Result<String, TranslationError> {
    let whole = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = without_quotes(source, &whole);
    if !bare.chars().any(char::is_alphabetic) {
        return Err(TranslationError::Empty);
    }
    if bare == source {
        return Err(TranslationError::Unchanged);
    }
    if bare.chars().count() > 4 * source.chars().count() + 60 {
        return Err(TranslationError::TooLong);
    }
    if let Some(lost) =
        verbatim_ranges(source).into_iter().map(|range| &source[range]).find(|piece| !bare.contains(piece))
    {
        return Err(TranslationError::MissingName(lost.to_owned()));
    }
    let marks = ["*/", "/*", "\"\"\"", "'''", "-->", "]]", "=end", "?>", "</script"];
    let escapes = if language == Language::Python { &["\\"][..] } else { &[] };
    let new = |mark: &&&str| bare.contains(**mark) && !source.contains(**mark);
    if let Some(mark) = marks.iter().chain(escapes).find(new) {
        return Err(TranslationError::UnsafeMark((*mark).to_owned()));
    }
    // A quote at the end would stand beside those of a docstring.
    if language == Language::Python && bare.ends_with('"') {
        return Err(TranslationError::UnsafeMark("\"".to_owned()));
    }
    if !to.is_script_of(&without_verbatim(bare)) {
        return Err(TranslationError::WrongLanguage(to.name));
    }
    Ok(bare.to_owned())
}

/// Without quotes that a model has put around it.
fn without_quotes<'a>(source: &str, answer: &'a str) -> &'a str {
    const QUOTES: &[(char, char)] = &[('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」')];
    let around = |(open, close): &(char, char)| {
        let inner = answer.strip_prefix(*open)?.strip_suffix(*close)?;
        (!source.starts_with(*open) && !inner.contains(*open)).then_some(inner)
    };
    QUOTES.iter().find_map(around).unwrap_or(answer)
}

/// What stays as it is: what is in backticks or braces, addresses, tags, and names that only code has.
pub(super) fn verbatim_ranges(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let length = match c {
            '`' => text[at + 1..].find('`').map(|end| end + 2),
            '{' => text[at + 1..].find('}').map(|end| end + 2),
            '<' if text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                text[at + 1..].find('>').map(|end| end + 2)
            }
            _ => verbatim_name_length(&text[at..]),
        };
        match length {
            Some(length) => {
                all.push(at..at + length);
                at += length;
            }
            // The rest of a word is no name of its own.
            None if c.is_alphanumeric() => at += leading_word(&text[at..]).len(),
            None => at += c.len_utf8(),
        }
    }
    all
}

/// The length of an address or of a name of code at the beginning of a text.
fn verbatim_name_length(text: &str) -> Option<usize> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let end = text.find(|c: char| c.is_whitespace() || "<>\"".contains(c)).unwrap_or(text.len());
        return Some(text[..end].trim_end_matches(['.', ',', ')', ';', ':']).len());
    }
    let word = leading_word(text);
    let call = text[word.len()..].starts_with("()");
    let inner = word.trim_matches('_');
    let name = !word.is_empty() && (call || inner.contains('_') || word.starts_with("__"));
    name.then_some(word.len() + if call { 2 } else { 0 })
}

/// The word that a text begins with.
fn leading_word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// A text without what stays as it is.
pub(super) fn without_verbatim(text: &str) -> String {
    let mut bare = String::new();
    let mut at = 0;
    for range in verbatim_ranges(text) {
        bare.push_str(&text[at..range.start]);
        at = range.end;
    }
    bare + &text[at..]
}
