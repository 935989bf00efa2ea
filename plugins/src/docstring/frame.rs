//! A docstring with holes: marks of comments, indentation, width.

use super::item::{Item, Kind};
use super::sections::{self, Line};
use super::style::Style;
use super::update;
use crate::Language;

/// What a hole is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The item as a whole, in one sentence.
    Summary,
    /// The parameter of that name.
    Parameter(String),
    /// The type parameter of that name.
    Generic(String),
    /// What is returned or yielded.
    Returns,
    /// When the error of that name is raised.
    Raises(String),
}

/// The marks around and before the lines of a docstring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// `"""` … `"""`
    Quotes,
    /// `/**`, ` * `, ` */`
    Block,
    /// One before each line.
    Lines(&'static str),
}

impl Marks {
    /// Those of a docstring that is there, where its beginning says so.
    fn of(existing: &str, usual: Self) -> Self {
        const LINES: &[&str] = &["///", "//!", "//", "---", "#"];
        match existing.trim_start() {
            block if block.starts_with("/*") => Self::Block,
            lines => LINES.iter().find(|mark| lines.starts_with(**mark)).map_or(usual, |mark| Self::Lines(mark)),
        }
    }
}

/// A docstring with holes.
#[derive(Debug, Clone)]
pub struct Frame {
    lines: Vec<Line>,
    pub(super) marks: Marks,
    pub(super) style: Style,
    indentation: String,
    width: usize,
}

impl Frame {
    pub(super) fn new(item: &Item, language: Language, style: Style, text: &str, width: usize) -> Self {
        Self {
            lines: sections::lines(style, item),
            marks: marks(language, style, item, text),
            style,
            indentation: item.place.indentation().to_owned(),
            width: width.clamp(40, 1000),
        }
    }

    /// The frame that brings a docstring up to date; nothing where nothing is to be done.
    pub(super) fn updated(self, item: &Item, existing: &str, only_parts: bool) -> Option<Self> {
        let marks = Marks::of(existing, self.marks);
        let existing = update::Existing::new(existing, marks, &self.indentation);
        let lines = update::lines(item, &self.lines, self.style, &existing, only_parts)?;
        Some(Self { lines, marks, ..self })
    }

    /// The style it is written in.
    pub fn style(&self) -> Style {
        self.style
    }

    /// What the holes are about, in their order.
    pub fn holes(&self) -> impl Iterator<Item = &About> {
        self.lines.iter().filter_map(|line| line.hole.as_ref())
    }

    /// The docstring with this prose in its first holes: all of it, or as far as the first hole that is left.
    pub fn text(&self, prose: &[String]) -> String {
        let has_marks = |line: Option<&Line>| line.is_some_and(|line| line.whole);
        let mut out = if has_marks(self.lines.first()) { String::new() } else { self.opening() };
        let mut prose = prose.iter();
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            if at > 0 && !line.whole {
                out.push_str(&self.before(line.text.is_empty() && line.hole.is_none()));
            }
            out.push_str(&line.text);
            let Some(about) = &line.hole else { continue };
            let Some(words) = prose.next() else { return out };
            self.wrap(&mut out, words, line, *about == About::Summary && at == 0);
            out.push_str(line.after);
        }
        if !has_marks(self.lines.last()) {
            out.push_str(&self.closing(out.contains('\n')));
        }
        out
    }

    fn opening(&self) -> String {
        let indentation = &self.indentation;
        match self.marks {
            Marks::Quotes => format!("{indentation}\"\"\""),
            Marks::Block => format!("{indentation}/**\n{indentation} * "),
            Marks::Lines(mark) => format!("{indentation}{mark} "),
        }
    }

    /// What the second line and those after it begin with.
    fn before(&self, blank: bool) -> String {
        let whole = match self.marks {
            Marks::Quotes => self.indentation.clone(),
            Marks::Block => format!("{} * ", self.indentation),
            Marks::Lines(mark) => format!("{}{mark} ", self.indentation),
        };
        if blank { whole.trim_end().to_owned() } else { whole }
    }

    fn closing(&self, several: bool) -> String {
        let indentation = &self.indentation;
        match self.marks {
            Marks::Quotes if !several => "\"\"\"".to_owned(),
            Marks::Quotes => format!("\n{indentation}\"\"\""),
            Marks::Block => format!("\n{indentation} */"),
            Marks::Lines(_) => String::new(),
        }
    }

    /// Writes prose, on lines that are no wider than they may be. A word is never broken.
    fn wrap(&self, out: &mut String, words: &str, line: &Line, first: bool) {
        let before = format!("{}{}", self.before(false), " ".repeat(line.hang));
        let start = out.rsplit('\n').next().unwrap_or_default().chars().count();
        // The closing marks follow on the line of a single sentence.
        let closing = if first && self.lines.len() == 1 && self.marks == Marks::Quotes { 3 } else { 0 };
        let room = self.width.saturating_sub(closing + line.after.len());
        let mut column = start;
        for (number, paragraph) in words.split("\n\n").enumerate() {
            if number > 0 {
                out.push_str(&format!("\n{}\n{before}", self.before(true)));
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
fn marks(language: Language, style: Style, item: &Item, text: &str) -> Marks {
    match style {
        Style::Google | Style::Numpy | Style::Rest => Marks::Quotes,
        Style::Rustdoc if item.kind == Kind::Module && item.name.is_empty() => Marks::Lines("//!"),
        Style::Rustdoc | Style::Xmldoc => Marks::Lines("///"),
        Style::Godoc => Marks::Lines("//"),
        Style::Yard => Marks::Lines("#"),
        Style::Luacats => Marks::Lines("---"),
        Style::Doxygen if matches!(language, Language::C | Language::Cpp) && slashes(text) => Marks::Lines("///"),
        Style::Doxygen | Style::Jsdoc | Style::Tsdoc | Style::Javadoc | Style::Phpdoc => Marks::Block,
    }
}

fn slashes(text: &str) -> bool {
    let lines = || text.lines().map(str::trim_start);
    lines().filter(|line| line.starts_with("///")).count() > lines().filter(|line| line.starts_with("/**")).count()
}
