//! Template of a docstring: comment marks, indentation and width, with fields for the prose.

use super::comment_marks::{CommentMarks, comment_marks};
use super::field::Field;
use super::item::DocItem;
use super::sections::{self, TemplateLine};
use super::style::DocStyle;
use super::update::{self, ExistingDocstring};
use crate::{Language, wrap};

/// Smallest width of a line, in characters.
const MIN_WIDTH: usize = 40;
/// Largest width of a line, in characters.
const MAX_WIDTH: usize = 1000;

/// Docstring with fields for prose.
#[derive(Debug, Clone)]
pub struct DocTemplate {
    lines: Vec<TemplateLine>,
    /// Comment marks around or before its lines.
    pub(super) marks: CommentMarks,
    /// Style that it is written in.
    pub(super) style: DocStyle,
    indentation: String,
    /// Characters of a line.
    width: usize,
}

impl DocTemplate {
    /// Returns the template of a new docstring for `item` in lines of `width` characters.
    pub(super) fn new(item: &DocItem, language: Language, style: DocStyle, text: &str, width: usize) -> Self {
        Self {
            lines: sections::template_lines(style, item),
            marks: comment_marks(language, style, item, text),
            style,
            indentation: item.position.indentation().to_owned(),
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
        }
    }

    /// Returns the template that updates the docstring `existing`; `None` if it is up to date.
    pub(super) fn updated(self, item: &DocItem, existing: &str, only_documented_fields: bool) -> Option<Self> {
        let marks = CommentMarks::detect(existing, self.marks);
        let existing = ExistingDocstring::parse(existing, marks, &self.indentation);
        let lines = update::updated_lines(item, &self.lines, self.style, &existing, only_documented_fields)?;
        Some(Self { lines, marks, ..self })
    }

    /// Returns the style that it is written in.
    pub fn style(&self) -> DocStyle {
        self.style
    }

    /// Returns its fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.lines.iter().filter_map(|line| line.field.as_ref())
    }

    /// Returns the docstring with `prose` in its first fields, up to the first field without prose.
    pub(crate) fn render(&self, prose: &[String]) -> String {
        // Lines of an existing docstring bring their marks along.
        let has_marks = |line: Option<&TemplateLine>| line.is_some_and(|line| line.existing);
        let mut out = if has_marks(self.lines.first()) { String::new() } else { self.opening() };
        let mut prose = prose.iter();
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            if at > 0 && !line.existing {
                out.push_str(&self.line_prefix(line.text.is_empty() && line.field.is_none()));
            }
            out.push_str(&line.text);
            let Some(field) = &line.field else { continue };
            let Some(words) = prose.next() else { return out };
            self.wrap(&mut out, words, line, *field == Field::Summary && at == 0);
            out.push_str(line.suffix);
        }
        if !has_marks(self.lines.last()) {
            out.push_str(&self.closing(out.contains('\n')));
        }
        out
    }

    fn opening(&self) -> String {
        let indentation = &self.indentation;
        match self.marks {
            CommentMarks::Quotes => format!("{indentation}\"\"\""),
            CommentMarks::Block => format!("{indentation}/**\n{indentation} * "),
            CommentMarks::Lines(mark) => format!("{indentation}{mark} "),
        }
    }

    /// Returns indentation and mark of the lines after the first.
    fn line_prefix(&self, blank: bool) -> String {
        let whole = match self.marks {
            CommentMarks::Quotes => self.indentation.clone(),
            CommentMarks::Block => format!("{} * ", self.indentation),
            CommentMarks::Lines(mark) => format!("{}{mark} ", self.indentation),
        };
        if blank { whole.trim_end().to_owned() } else { whole }
    }

    fn closing(&self, multiline: bool) -> String {
        let indentation = &self.indentation;
        match self.marks {
            CommentMarks::Quotes if !multiline => "\"\"\"".to_owned(),
            CommentMarks::Quotes => format!("\n{indentation}\"\"\""),
            CommentMarks::Block => format!("\n{indentation} */"),
            CommentMarks::Lines(_) => String::new(),
        }
    }

    /// Appends prose in lines of at most the template's width. Words are never split.
    fn wrap(&self, out: &mut String, prose: &str, line: &TemplateLine, is_first: bool) {
        let prefix = format!("{}{}", self.line_prefix(false), " ".repeat(line.hanging_indent));
        let start = out.rsplit('\n').next().unwrap_or_default().chars().count();
        // The closing quotes follow a single sentence on its line.
        let closing = if is_first && self.lines.len() == 1 && self.marks == CommentMarks::Quotes { 3 } else { 0 };
        let width = self.width.saturating_sub(closing + line.suffix.len());
        let rest = width.saturating_sub(prefix.chars().count());
        for (number, paragraph) in prose.split("\n\n").enumerate() {
            let mut first = rest;
            if number == 0 {
                first = width.saturating_sub(start);
            } else {
                out.push_str(&format!("\n{}\n{prefix}", self.line_prefix(true)));
            }
            let lines = wrap::wrap(&wrap::words(paragraph), first, rest);
            out.push_str(&lines.join(&format!("\n{prefix}")));
        }
    }
}
