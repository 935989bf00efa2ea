//! Paragraphs of prose: the lines of comments, joined where they belong together, and the edit that puts a translation
//! in their place.

use std::ops::Range;

use tree_sitter::Tree;

use super::answer::{TranslationError, checked_answer};
use super::classify::{LineClassifier, LineKind};
use super::find::{Comment, CommentLine, find_comments};
use super::natural_language::NaturalLanguage;
use super::verbatim::without_verbatim;
use crate::Language;
use crate::docstring::Edit;
use crate::tasks::code::{self, CodePrompt};
use crate::wrap::{self, display_width};

/// Columns that a line of prose has at least, however deeply its comment is indented.
const MIN_LINE_COLUMNS: usize = 24;

/// One paragraph of prose in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// Number of its comment in the file. The paragraphs of one comment are translated together or not at all.
    pub comment: usize,
    /// Line of its first letter, from 1.
    pub line: usize,
    /// Bytes from its first to its last letter, with the marks of its further lines.
    pub range: Range<usize>,
    /// Its text on one line.
    pub text: String,
    /// Marks and indentation of further lines; `None` if it must stay on one line.
    continuation_prefix: Option<String>,
    /// Column of the bullet or tag before it, if there is one.
    marker_column: Option<usize>,
    /// Column of its first letter.
    start_column: usize,
    /// Width of its longest line in columns.
    max_width: usize,
}

/// Returns the paragraphs that `range` touches, in the order of the text.
pub fn paragraphs(language: Language, tree: &Tree, text: &str, range: &Range<usize>) -> Vec<Paragraph> {
    let mut all = Vec::new();
    for (number, comment) in find_comments(language, tree, text).into_iter().enumerate() {
        all.extend(comment_paragraphs(language, text, number, &comment));
    }
    all.retain(|paragraph: &Paragraph| paragraph.range.start <= range.end && range.start <= paragraph.range.end);
    all
}

impl Paragraph {
    /// Returns true if its letters and words do not show that it is in the language `to` already.
    pub fn needs_translation(&self, to: &NaturalLanguage) -> bool {
        !to.is_language_of(&without_verbatim(&self.text))
    }

    /// Returns the prompt that asks a model for the translation.
    pub fn question(&self, to: &NaturalLanguage) -> CodePrompt {
        let system = "You translate comments of programs. Keep names and what stands in backticks as they are. Give only \
                      the translation.";
        let block = code::fenced_block(Language::PlainText, &self.text);
        let question = format!("{block}\n\nTranslate this text into {}.", to.prompt_name());
        CodePrompt::new(Language::PlainText, system, question, &self.text, "")
    }

    /// Returns the edit that replaces the paragraph by the answer of a model, in lines of at most `width` columns or as
    /// many as its longest line has now.
    ///
    /// # Errors
    /// If the answer is not a usable translation.
    pub fn edit(
        &self,
        language: Language,
        to: &NaturalLanguage,
        width: usize,
        answer: &str,
    ) -> Result<Edit, TranslationError> {
        let prose = checked_answer(language, &self.text, to, answer)?;
        let Some(prefix) = &self.continuation_prefix else {
            return Ok(Edit { range: self.range.clone(), text: prose });
        };
        let width = width.max(self.max_width);
        let columns_after = |column| width.saturating_sub(column).max(MIN_LINE_COLUMNS);
        let (first, rest) = (columns_after(self.start_column), columns_after(display_width(prefix)));
        let lines = wrap::wrap(&wrap::prose_words(&prose), first, rest);
        Ok(Edit { range: self.range.clone(), text: lines.join(&format!("\n{prefix}")) })
    }
}

/// Returns the paragraphs of comment number `number`.
fn comment_paragraphs(language: Language, text: &str, number: usize, comment: &Comment) -> Vec<Paragraph> {
    let mut all: Vec<Paragraph> = Vec::new();
    let mut classifier = LineClassifier::default();
    // True while the next line may continue the last paragraph.
    let mut is_open = false;
    for line in &comment.lines {
        let content = &text[line.start..line.end];
        let columns_before = display_width(&text[line_start(text, line.start)..line.start]);
        let shebang = text[..line.start].trim_end() == "#!";
        let kind = if shebang {
            LineKind::Other
        } else {
            classifier.classify(language, content, columns_before, line.no_space)
        };
        let (offset, hanging_indent) = match kind {
            LineKind::Other => {
                is_open = false;
                continue;
            }
            LineKind::Prose
                if is_open && all.last_mut().is_some_and(|above| above.append_line(text, line, columns_before)) =>
            {
                continue;
            }
            LineKind::Prose => (0, 0),
            LineKind::ProseAt { offset, hanging_indent } => (offset, hanging_indent),
        };
        all.push(first_line(text, number, line, (offset, hanging_indent), comment.multiline));
        is_open = comment.multiline;
    }
    all
}

/// Returns a paragraph of one line, which begins at byte `offset` of the line's content. Its further lines are indented
/// by `hanging_indent` more columns.
fn first_line(
    text: &str,
    comment: usize,
    line: &CommentLine,
    (offset, hanging_indent): (usize, usize),
    multiline: bool,
) -> Paragraph {
    let content = &text[line.start..line.end];
    // A closing tag at the end is not part of the prose.
    let closing =
        content.rfind("</").filter(|close| *close > offset && content.ends_with('>')).unwrap_or(content.len());
    let range = line.start + offset..line.start + offset + content[offset..closing].trim_end().len();
    let row = &text[line_start(text, range.start)..range.end];
    let start_column = display_width(&row[..row.len() - range.len()]);
    let mut continuation_prefix = None;
    if multiline && closing == content.len() {
        continuation_prefix = Some(format!("{}{}", line.prefix, " ".repeat(hanging_indent)));
    }
    let mut marker_column = None;
    if hanging_indent > 0 {
        marker_column = Some(start_column - display_width(&content[..offset]));
    }
    Paragraph {
        comment,
        line: 1 + text[..range.start].matches('\n').count(),
        text: text[range.clone()].to_owned(),
        continuation_prefix,
        marker_column,
        start_column,
        max_width: display_width(row),
        range,
    }
}

impl Paragraph {
    /// Appends a line if it belongs to the paragraph, and returns true if it does: its marks equal those of the lines
    /// above, or it is the second line below a bullet or tag and is indented further.
    fn append_line(&mut self, text: &str, line: &CommentLine, columns: usize) -> bool {
        let Some(prefix) = &self.continuation_prefix else { return false };
        let is_second = !text[self.range.clone()].contains('\n');
        // Below a bullet or a tag, a line that is indented further continues it.
        let is_deeper = is_second && self.marker_column.is_some_and(|column| columns > column);
        if *prefix != line.prefix && !is_deeper {
            return false;
        }
        let content = &text[line.start..line.end];
        let is_wide = |c: Option<char>| c.is_some_and(|c| ('\u{3000}'..='\u{9fff}').contains(&c) || c >= '\u{ff00}');
        if !(is_wide(self.text.chars().next_back()) && is_wide(content.chars().next())) {
            self.text.push(' ');
        }
        self.text.push_str(content);
        self.range.end = line.end;
        self.continuation_prefix = Some(line.prefix.clone());
        self.max_width = self.max_width.max(columns + display_width(content));
        true
    }
}

/// Returns the byte at which the line of byte `at` begins.
fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}
