//! A docstring with holes: marks of comments, indentation, width.

use super::item::{DocItem, ItemKind};
use super::sections::{self, TemplateLine};
use super::style::DocStyle;
use super::update;
use crate::Language;

/// What a hole is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The item as a whole, in one sentence.
    Summary,
    /// The parameter of that name.
    Parameter(String),
    /// The type parameter of that name.
    TypeParameter(String),
    /// What is returned or yielded.
    Returns,
    /// When the error of that name is raised.
    Raises(String),
}

/// The marks around and before the lines of a docstring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentMarks {
    /// `"""` … `"""`
    Quotes,
    /// `/**`, ` * `, ` */`
    Block,
    /// One before each line.
    Lines(&'static str),
}

impl CommentMarks {
    /// Those of a docstring that is there, where its beginning says so.
    fn detect(existing: &str, usual: Self) -> Self {
        const LINES: &[&str] = &["///", "//!", "//", "---", "#"];
        match existing.trim_start() {
            block if block.starts_with("/*") => Self::Block,
            lines => LINES.iter().find(|mark| lines.starts_with(**mark)).map_or(usual, |mark| Self::Lines(mark)),
        }
    }
}

/// A docstring with holes.
#[derive(Debug, Clone)]
pub struct DocTemplate {
    lines: Vec<TemplateLine>,
    pub(super) marks: CommentMarks,
    pub(super) style: DocStyle,
    indentation: String,
    width: usize,
}

impl DocTemplate {
    pub(super) fn new(item: &DocItem, language: Language, style: DocStyle, text: &str, width: usize) -> Self {
        Self {
            lines: sections::template_lines(style, item),
            marks: comment_marks(language, style, item, text),
            style,
            indentation: item.position.indentation().to_owned(),
            width: width.clamp(40, 1000),
        }
    }

    /// The frame that brings a docstring up to date; nothing where nothing is to be done.
    pub(super) fn updated(self, item: &DocItem, existing: &str, only_parts: bool) -> Option<Self> {
        let marks = CommentMarks::detect(existing, self.marks);
        let existing = update::ExistingDocstring::new(existing, marks, &self.indentation);
        let lines = update::updated_lines(item, &self.lines, self.style, &existing, only_parts)?;
        Some(Self { lines, marks, ..self })
    }

    /// The style it is written in.
    pub fn style(&self) -> DocStyle {
        self.style
    }

    /// What the holes are about, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.lines.iter().filter_map(|line| line.field.as_ref())
    }

    /// The docstring with this prose in its first holes: all of it, or as far as the first hole that is left.
    pub fn render(&self, prose: &[String]) -> String {
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
            let Some(about) = &line.field else { continue };
            let Some(words) = prose.next() else { return out };
            self.wrap(&mut out, words, line, *about == Field::Summary && at == 0);
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

    /// What the second line and those after it begin with.
    fn line_prefix(&self, blank: bool) -> String {
        let whole = match self.marks {
            CommentMarks::Quotes => self.indentation.clone(),
            CommentMarks::Block => format!("{} * ", self.indentation),
            CommentMarks::Lines(mark) => format!("{}{mark} ", self.indentation),
        };
        if blank { whole.trim_end().to_owned() } else { whole }
    }

    fn closing(&self, several: bool) -> String {
        let indentation = &self.indentation;
        match self.marks {
            CommentMarks::Quotes if !several => "\"\"\"".to_owned(),
            CommentMarks::Quotes => format!("\n{indentation}\"\"\""),
            CommentMarks::Block => format!("\n{indentation} */"),
            CommentMarks::Lines(_) => String::new(),
        }
    }

    /// Writes prose, on lines that are no wider than they may be. A word is never broken.
    fn wrap(&self, out: &mut String, words: &str, line: &TemplateLine, first: bool) {
        let before = format!("{}{}", self.line_prefix(false), " ".repeat(line.hanging_indent));
        let start = out.rsplit('\n').next().unwrap_or_default().chars().count();
        // The closing marks follow on the line of a single sentence.
        let closing = if first && self.lines.len() == 1 && self.marks == CommentMarks::Quotes { 3 } else { 0 };
        let room = self.width.saturating_sub(closing + line.suffix.len());
        let mut column = start;
        for (number, paragraph) in words.split("\n\n").enumerate() {
            if number > 0 {
                out.push_str(&format!("\n{}\n{before}", self.line_prefix(true)));
                column = before.chars().count();
            }
            for (at, word) in paragraph.split_whitespace().enumerate() {
                let wide = word.chars().count();
                if at > 0 && column + 1 + wide > room {
                    out.push_str(&format!("\n{before}"));
                    column = before.chars().count();
                } else if at > 0 {
                    out.push(' ');
                    column += 1;
                }
                out.push_str(word);
                column += wide;
            }
        }
    }
}

/// In C and C++ a file's own comments decide; a module of Rust has inner comments.
fn comment_marks(language: Language, style: DocStyle, item: &DocItem, text: &str) -> CommentMarks {
    match style {
        DocStyle::Google | DocStyle::Numpy | DocStyle::Rest => CommentMarks::Quotes,
        DocStyle::Rustdoc if item.kind == ItemKind::Module && item.name.is_empty() => CommentMarks::Lines("//!"),
        DocStyle::Rustdoc | DocStyle::Xmldoc => CommentMarks::Lines("///"),
        DocStyle::Godoc => CommentMarks::Lines("//"),
        DocStyle::Yard => CommentMarks::Lines("#"),
        DocStyle::Luacats => CommentMarks::Lines("---"),
        DocStyle::Doxygen if matches!(language, Language::C | Language::Cpp) && prefers_slashes(text) => {
            CommentMarks::Lines("///")
        }
        DocStyle::Doxygen | DocStyle::Jsdoc | DocStyle::Tsdoc | DocStyle::Javadoc | DocStyle::Phpdoc => {
            CommentMarks::Block
        }
    }
}

fn prefers_slashes(text: &str) -> bool {
    let lines = || text.lines().map(str::trim_start);
    lines().filter(|line| line.starts_with("///")).count() > lines().filter(|line| line.starts_with("/**")).count()
}
