//! Which lines of a comment are prose, and where in them it begins: behind bullets, tags and the names of parameters.

use crate::Language;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// It stays as it is.
    Other,
    /// It goes on with the paragraph above it, or begins one.
    Prose,
    /// Prose begins behind so many bytes, and further lines have so many more columns before them.
    ProseAt { offset: usize, hanging_indent: usize },
}

/// What is known of the lines above.
#[derive(Debug, Default)]
pub(super) struct LineClassifier {
    /// What ends a block of code.
    fence_end: Option<&'static str>,
    /// In the output of an example, which ends with a blank line.
    in_example: bool,
    /// Lines that have more columns before them than this are code.
    literal_indent: Option<usize>,
    /// In a list of parameters or the like.
    in_section: bool,
}

/// How comments to tools begin, in small letters.
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

/// Words that tools look for above lists of parameters and the like.
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

/// Tags behind whose name comes prose.
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

/// Tags behind whose name come the name of something and then prose.
const NAMED_TAGS: &[&str] =
    &["param", "arg", "argument", "property", "prop", "template", "throws", "exception", "raises", "tparam"];

impl LineClassifier {
    /// What the next line is: `content` without marks, which has `columns` before it.
    pub(super) fn classify(&mut self, language: Language, content: &str, columns: usize, tight: bool) -> LineKind {
        if content.is_empty() {
            self.in_example = false;
            return LineKind::Other;
        }
        if self.is_code(content, columns) || is_directive(content, tight) {
            return LineKind::Other;
        }
        let small = content.to_lowercase();
        if SECTION_TITLES.contains(&small.as_str()) {
            self.in_section = true;
            return LineKind::Other;
        }
        if content.ends_with("::") {
            self.literal_indent = Some(columns);
        }
        if let Some(at) = prose_after_tag(language, content) {
            return at
                .filter(|at| is_prose(&content[*at..]))
                .map_or(LineKind::Other, |at| LineKind::ProseAt { offset: at, hanging_indent: 4 });
        }
        // `name : type`, as NumPy has it.
        if self.in_section && content.split_once(" : ").is_some_and(|(name, _)| !name.contains(' ')) {
            return LineKind::Other;
        }
        let entry = prose_after_entry_name(content).filter(|_| self.in_section);
        if let Some(at) = entry.or_else(|| prose_after_bullet(content)) {
            let hang = if entry.is_some() { 4 } else { at };
            return if is_prose(&content[at..]) {
                LineKind::ProseAt { offset: at, hanging_indent: hang }
            } else {
                LineKind::Other
            };
        }
        if is_prose(content) && !looks_like_code(content) { LineKind::Prose } else { LineKind::Other }
    }

    /// Whether a line belongs to an example or a block of code.
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
            let ends = content[begin.len()..].contains(end);
            self.fence_end = (!ends).then_some(end);
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

/// Whether a line is for a tool.
fn is_directive(content: &str, tight: bool) -> bool {
    let small = content.to_lowercase();
    // `//go:build`, `//export name`: no blank before, and a name with a colon or of small letters.
    let name = content.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
    let called = tight && !name.is_empty() && content[name.len()..].starts_with(':');
    let exported = tight && small.starts_with("export ");
    called || exported || DIRECTIVE_PREFIXES.iter().any(|begins| small.starts_with(begins))
}

/// Where prose begins behind a tag: `Some(None)` for a tag that has none, `None` where there is no tag.
fn prose_after_tag(language: Language, content: &str) -> Option<Option<usize>> {
    if content.starts_with('<') {
        return Some(content.find('>').map(|at| at + 1 + leading_blanks(&content[at + 1..])));
    }
    // `:param name: text`, as reST has it.
    if let Some(inner) = content.strip_prefix(':') {
        let end =
            inner.find(": ").filter(|end| inner[..*end].chars().all(|c| c.is_alphanumeric() || " _*.".contains(c)));
        let field = inner.starts_with(|c: char| c.is_ascii_lowercase());
        return field
            .then(|| end.filter(|_| !inner.starts_with("type") && !inner.starts_with("rtype")).map(|end| end + 3));
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
    let behind = named + leading_blanks(&content[named..]);
    Some(Some(if dash.starts_with("- ") { behind + 2 } else { behind }))
}

/// Where the text of an entry begins: `name: text` or `name (type): text`.
fn prose_after_entry_name(content: &str) -> Option<usize> {
    let end = content.find(": ")?;
    let name = content[..end].split([' ', '(']).next().unwrap_or_default();
    let named = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_*.".contains(c));
    let typed = content[..end].ends_with(')') || !content[..end].contains(' ');
    (named && typed).then_some(end + 2)
}

/// Where the text of a list's entry begins.
fn prose_after_bullet(content: &str) -> Option<usize> {
    let marks = ["- ", "* ", "+ ", "• ", "TODO: ", "FIXME: ", "XXX: ", "HACK: ", "NOTE: "];
    let number = content.len() - content.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let numbered =
        number > 0 && number < 4 && (content[number..].starts_with(". ") || content[number..].starts_with(") "));
    let mark = marks.iter().find(|mark| content.starts_with(**mark)).map(|mark| mark.len());
    let at = mark.or(numbered.then_some(number + 2))?;
    Some(at + leading_blanks(&content[at..]))
}

/// Whether there is something to translate: a word, and not names and numbers alone.
pub(super) fn is_prose(content: &str) -> bool {
    let bare = super::paragraph::without_verbatim(content);
    let wide = bare.chars().any(|c| c.is_alphabetic() && !c.is_ascii() && !c.is_lowercase() && !c.is_uppercase());
    let word = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        letters > 1 && word.chars().all(|c| c.is_alphabetic() || ".,;:!?'’\"()-/".contains(c))
    };
    wide || bare.split_whitespace().any(word)
}

/// Whether a line is rather code that somebody took out.
fn looks_like_code(content: &str) -> bool {
    const BEGINS: &[&str] =
        &["def ", "return ", "import ", "if (", "for (", "while (", "let ", "const ", "var ", "fn ", "print("];
    const HOLDS: &[&str] = &[" = ", " == ", " != ", "=>", "->", "();", " += ", " && ", " || "];
    let bare = super::paragraph::without_verbatim(content);
    content.ends_with([';', '{', '}'])
        || BEGINS.iter().any(|begins| content.starts_with(begins))
        || HOLDS.iter().any(|mark| bare.contains(mark))
}

/// Bytes of blanks at the beginning.
fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}
