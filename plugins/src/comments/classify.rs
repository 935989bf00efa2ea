//! Classification of the lines of a comment: which are prose, and at which byte the prose begins after bullets, tags
//! and the names of parameters.

use super::verbatim::without_verbatim;
use crate::Language;

/// Columns by which further lines of an entry or tag are indented.
const ENTRY_INDENT: usize = 4;
/// Digits of the number of a list item; longer numbers are prose.
const MAX_ITEM_DIGITS: usize = 3;

/// Role of a line in its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// A line without prose, which stays as it is.
    Other,
    /// Prose that continues the paragraph above or begins a new one.
    Prose,
    /// Prose that follows a bullet, a tag or a name and begins a new paragraph.
    ProseAt {
        /// Byte of the line's content at which the prose begins.
        offset: usize,
        /// Columns by which its further lines are indented.
        hanging_indent: usize,
    },
}

/// Classifier that reads the lines of one comment from top to bottom.
#[derive(Debug, Default)]
pub(super) struct LineClassifier {
    /// Mark that ends the block of code that the next line is in.
    fence_end: Option<&'static str>,
    /// True in an example and its output, up to a blank line.
    in_example: bool,
    /// Column of a line that introduces literal text: lines that are indented further are code.
    literal_indent: Option<usize>,
    /// True below the title of a section that lists parameters or the like.
    in_section: bool,
}

/// Beginnings of comments that tools read, in lower case.
const DIRECTIVE_PREFIXES: &[&str] = &[
    "noqa",
    "type:",
    "pylint",
    "mypy:",
    "pyright",
    "ruff:",
    "flake8",
    "fmt:",
    "isort:",
    "yapf:",
    "pragma",
    "coverage:",
    "eslint",
    "tslint",
    "jshint",
    "jslint",
    "global ",
    "globals ",
    "prettier-ignore",
    "@ts-",
    "ts-ignore",
    "istanbul",
    "c8 ",
    "v8 ",
    "webpack",
    "go:",
    "nolint",
    "lint:",
    "+build",
    "clang-",
    "cppcheck",
    "iwyu",
    "rustfmt",
    "-*-",
    "vim:",
    "coding:",
    "coding=",
    "endregion",
    "#region",
    "#endregion",
    "rubocop",
    "frozen_string_literal",
    "typed:",
    "encoding:",
    "phpcs",
    "phpstan",
    "psalm",
    "luacheck",
    "shellcheck",
    "language=",
    "spdx-",
    "copyright",
    "(c) ",
    "©",
    "sourcemappingurl",
    "sourceurl",
    "<reference",
    "@jsx",
    "@flow",
    "@format",
    "@generated",
    "code generated",
    "!/",
];

/// Titles of sections, which tools look for, in lower case.
const SECTION_TITLES: &[&str] = &[
    "args:",
    "arguments:",
    "parameters:",
    "params:",
    "keyword args:",
    "keyword arguments:",
    "other parameters:",
    "returns:",
    "return:",
    "yields:",
    "raises:",
    "attributes:",
    "errors:",
    "warns:",
    "parameters",
    "returns",
    "yields",
    "raises",
    "attributes",
    "other parameters",
    "# arguments",
    "# errors",
    "# panics",
    "# safety",
    "# examples",
    "# example",
    "example:",
    "examples:",
    "note:",
    "notes:",
    "todo:",
    "see also",
    "see also:",
    "warning:",
    "warnings:",
];

/// Tags whose name is followed by prose.
const PROSE_TAGS: &[&str] = &[
    "return",
    "returns",
    "brief",
    "deprecated",
    "note",
    "description",
    "summary",
    "remarks",
    "remark",
    "details",
    "warning",
    "yields",
    "yield",
];

/// Tags whose name is followed by another name and then by prose.
const NAMED_TAGS: &[&str] =
    &["param", "arg", "argument", "property", "prop", "template", "throws", "exception", "raises", "tparam"];

impl LineClassifier {
    /// Classifies the next line by its content without marks, which begins at column `columns`. `no_space` says that no
    /// space separates it from the comment mark.
    pub(super) fn classify(&mut self, language: Language, content: &str, columns: usize, no_space: bool) -> LineKind {
        if content.is_empty() {
            self.in_example = false;
            return LineKind::Other;
        }
        if self.is_code(content, columns) || is_directive(content, no_space) {
            return LineKind::Other;
        }
        let lower = content.to_lowercase();
        if SECTION_TITLES.contains(&lower.as_str()) {
            self.in_section = true;
            return LineKind::Other;
        }
        if content.ends_with("::") {
            self.literal_indent = Some(columns);
        }
        if let Some(at) = prose_after_tag(language, content) {
            return at.map_or(LineKind::Other, |offset| prose_at(content, offset, ENTRY_INDENT));
        }
        // `name : type` in NumPy style.
        if self.in_section && content.split_once(" : ").is_some_and(|(name, _)| !name.contains(' ')) {
            return LineKind::Other;
        }
        if self.in_section
            && let Some(offset) = prose_after_entry_name(content)
        {
            return prose_at(content, offset, ENTRY_INDENT);
        }
        if let Some(offset) = prose_after_bullet(content) {
            return prose_at(content, offset, offset);
        }
        if is_prose(content) && !looks_like_code(content) { LineKind::Prose } else { LineKind::Other }
    }

    /// Returns true if the line belongs to an example or a block of code.
    fn is_code(&mut self, content: &str, columns: usize) -> bool {
        const FENCES: &[(&str, &str)] =
            &[("```", "```"), ("~~~", "~~~"), ("<pre", "</pre>"), ("<code>", "</code>"), ("@code", "@endcode")];
        if let Some(end) = self.fence_end {
            if content.contains(end) {
                self.fence_end = None;
            }
            return true;
        }
        if let Some((begin, end)) = FENCES.iter().find(|(begin, _)| content.starts_with(begin)) {
            if !content[begin.len()..].contains(end) {
                self.fence_end = Some(end);
            }
            return true;
        }
        if content.starts_with("@example") {
            // Until the next tag.
            self.literal_indent = Some(0);
            return true;
        }
        if self.literal_indent.is_some_and(|outer| columns > outer && !content.starts_with('@')) {
            return true;
        }
        self.literal_indent = None;
        if content.starts_with(".. ") {
            self.literal_indent = Some(columns);
            return true;
        }
        self.in_example |= content.starts_with(">>>");
        self.in_example
    }
}

fn prose_at(content: &str, offset: usize, hanging_indent: usize) -> LineKind {
    if is_prose(&content[offset..]) { LineKind::ProseAt { offset, hanging_indent } } else { LineKind::Other }
}

/// Returns true if a tool reads the line.
fn is_directive(content: &str, no_space: bool) -> bool {
    let lower = content.to_lowercase();
    // `//go:build` and `//export name` follow the comment mark without a space.
    let name = content.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
    let is_namespaced = no_space && !name.is_empty() && content[name.len()..].starts_with(':');
    let is_export = no_space && lower.starts_with("export ");
    is_namespaced || is_export || DIRECTIVE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

/// Returns the byte at which the prose after a tag begins: `Some(None)` for a tag without prose, `None` without a tag.
fn prose_after_tag(language: Language, content: &str) -> Option<Option<usize>> {
    if content.starts_with('<') {
        return Some(content.find('>').map(|at| at + 1 + leading_blanks(&content[at + 1..])));
    }
    // `:param name: text` in reST.
    if let Some(inner) = content.strip_prefix(':') {
        let end =
            inner.find(": ").filter(|end| inner[..*end].chars().all(|c| c.is_alphanumeric() || " _*.".contains(c)));
        if !inner.starts_with(|c: char| c.is_ascii_lowercase()) {
            return None;
        }
        if inner.starts_with("type") || inner.starts_with("rtype") {
            return Some(None);
        }
        return Some(end.map(|end| end + 3));
    }
    let inner = content.strip_prefix(['@', '\\'])?;
    let name = inner.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if language == Language::Lua || name.is_empty() {
        return Some(None);
    }
    let mut at = 1 + name.len();
    // `\param[in]`
    if content[at..].starts_with('[') {
        at += content[at..].find(']').map_or(0, |end| end + 1);
    }
    at += leading_blanks(&content[at..]);
    if content[at..].starts_with('{') {
        at += content[at..].find('}').map_or(0, |end| end + 1);
        at += leading_blanks(&content[at..]);
    }
    if PROSE_TAGS.contains(&name) {
        return Some(Some(at));
    }
    if !NAMED_TAGS.contains(&name) {
        return Some(None);
    }
    let Some(named) = content[at..].find(' ').map(|length| at + length) else { return Some(None) };
    let dash = content[named..].trim_start();
    let after_name = named + leading_blanks(&content[named..]);
    Some(Some(if dash.starts_with("- ") { after_name + 2 } else { after_name }))
}

/// Returns the byte at which the text of an entry begins: `name: text` or `name (type): text`.
fn prose_after_entry_name(content: &str) -> Option<usize> {
    let end = content.find(": ")?;
    let name = content[..end].split([' ', '(']).next().unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_*.".contains(c));
    let is_alone = content[..end].ends_with(')') || !content[..end].contains(' ');
    if is_name && is_alone { Some(end + 2) } else { None }
}

/// Returns the byte at which the text of a list item begins.
fn prose_after_bullet(content: &str) -> Option<usize> {
    let marks = ["- ", "* ", "+ ", "• ", "TODO: ", "FIXME: ", "XXX: ", "HACK: ", "NOTE: "];
    let digits = content.len() - content.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let after_digits = &content[digits..];
    let at = if let Some(mark) = marks.iter().find(|mark| content.starts_with(**mark)) {
        mark.len()
    } else if (1..=MAX_ITEM_DIGITS).contains(&digits)
        && after_digits.starts_with(['.', ')'])
        && after_digits[1..].starts_with(' ')
    {
        digits + 2
    } else {
        return None;
    };
    Some(at + leading_blanks(&content[at..]))
}

/// Returns true if there is a word to translate, and not only names and numbers.
fn is_prose(content: &str) -> bool {
    let bare = without_verbatim(content);
    let has_caseless_letter =
        bare.chars().any(|c| c.is_alphabetic() && !c.is_ascii() && !c.is_lowercase() && !c.is_uppercase());
    let is_word = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        letters > 1 && word.chars().all(|c| c.is_alphabetic() || ".,;:!?'’\"()-/".contains(c))
    };
    has_caseless_letter || bare.split_whitespace().any(is_word)
}

/// Returns true if the line looks like code that was commented out.
fn looks_like_code(content: &str) -> bool {
    const PREFIXES: &[&str] =
        &["def ", "return ", "import ", "if (", "for (", "while (", "let ", "const ", "var ", "fn ", "print("];
    const OPERATORS: &[&str] = &[" = ", " == ", " != ", "=>", "->", "();", " += ", " && ", " || "];
    let bare = without_verbatim(content);
    content.ends_with([';', '{', '}'])
        || PREFIXES.iter().any(|prefix| content.starts_with(prefix))
        || OPERATORS.iter().any(|operator| bare.contains(operator))
}

/// Returns the number of spaces at the beginning.
fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}
