//! Docstring styles: the languages of each, and the detection of the style that a text uses.

use crate::Language;

/// Format of docstrings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocStyle {
    /// Python: `Args:`, indented names.
    Google,
    /// Python: underlined sections, a type with each name.
    Numpy,
    /// Python: `:param name:`.
    Rest,
    /// Rust: Markdown with `# Arguments`.
    Rustdoc,
    /// JavaScript: `@param {type} name - …`.
    Jsdoc,
    /// TypeScript: `@param name - …`, without types.
    Tsdoc,
    /// Java: `@param name …`.
    Javadoc,
    /// Go: sentences that begin with the name.
    Godoc,
    /// C and C++: `@brief`, `@param` in a block comment.
    Doxygen,
    /// C#: `<summary>`, `<param>`.
    Xmldoc,
    /// Ruby: `@param name [Type] …`.
    Yard,
    /// PHP: `@param Type $name …`.
    Phpdoc,
    /// Lua: `---@param name type …`.
    Luacats,
}

use DocStyle::*;

/// Styles with their names and languages. The first style of a language is its default.
static STYLES: &[(DocStyle, &str, &[Language])] = &[
    (Google, "google", &[Language::Python]),
    (Numpy, "numpy", &[Language::Python]),
    (Rest, "rest", &[Language::Python]),
    (Rustdoc, "rustdoc", &[Language::Rust]),
    (Tsdoc, "tsdoc", &[Language::TypeScript, Language::Tsx]),
    (Jsdoc, "jsdoc", &[Language::JavaScript, Language::TypeScript, Language::Tsx]),
    (Tsdoc, "tsdoc", &[Language::JavaScript]),
    (Javadoc, "javadoc", &[Language::Java]),
    (Godoc, "godoc", &[Language::Go]),
    (Doxygen, "doxygen", &[Language::C, Language::Cpp]),
    (Xmldoc, "xmldoc", &[Language::CSharp]),
    (Yard, "yard", &[Language::Ruby]),
    (Phpdoc, "phpdoc", &[Language::Php]),
    (Luacats, "luacats", &[Language::Lua]),
];

impl std::fmt::Display for DocStyle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = STYLES.iter().find(|(style, ..)| style == self).map_or("", |(_, name, _)| name);
        formatter.write_str(name)
    }
}

impl std::str::FromStr for DocStyle {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = STYLES.iter().find(|(_, own, _)| own.eq_ignore_ascii_case(name));
        found
            .map(|(style, ..)| *style)
            .ok_or_else(|| format!("there is no docstring style {name:?}: use {}", Self::joined_names(Self::all())))
    }
}

impl DocStyle {
    /// Returns all styles, each once.
    pub fn all() -> impl Iterator<Item = Self> {
        let is_first = |at: &usize| STYLES[..*at].iter().all(|(style, ..)| *style != STYLES[*at].0);
        (0..STYLES.len()).filter(is_first).map(|at| STYLES[at].0)
    }

    /// Returns the styles of a language, its default first.
    pub fn for_language(language: Language) -> Vec<Self> {
        STYLES.iter().filter(|(_, _, languages)| languages.contains(&language)).map(|(style, ..)| *style).collect()
    }

    /// Returns the dominant style of the first text that shows one, or else the language's default. `None` if the
    /// language has no style.
    pub fn detect<'a>(language: Language, texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let several = Self::for_language(language).len() > 1;
        let found = if several { texts.into_iter().find_map(|text| Self::dominant(language, text)) } else { None };
        found.or(Self::for_language(language).first().copied())
    }

    /// Returns the style with the most markers in a text, of several the first; `None` without any marker.
    pub(super) fn dominant(language: Language, text: &str) -> Option<Self> {
        let counts = Self::for_language(language).into_iter().map(|style| (style.count_markers(text), style));
        let (count, style) = counts.rev().max_by_key(|(count, _)| *count)?;
        if count > 0 { Some(style) } else { None }
    }

    /// Returns the number of lines that only this style has.
    fn count_markers(self, text: &str) -> usize {
        let lines = || text.lines().map(str::trim);
        match self {
            Google => lines()
                .filter(|line| matches!(*line, "Args:" | "Returns:" | "Raises:" | "Yields:" | "Attributes:"))
                .count(),
            Numpy => {
                let titled = |(title, below): (&str, &str)| {
                    matches!(title, "Parameters" | "Returns" | "Raises" | "Yields") && below.starts_with("---")
                };
                lines().zip(lines().skip(1)).filter(|pair| titled(*pair)).count()
            }
            Rest => lines()
                .filter(|line| [":param ", ":return", ":raises "].iter().any(|mark| line.starts_with(mark)))
                .count(),
            Jsdoc => lines().filter(|line| line.starts_with("* @param {") || line.starts_with("* @returns {")).count(),
            Tsdoc => {
                let typed = |line: &&str| line.starts_with("* @param ") && !line.starts_with("* @param {");
                lines().filter(typed).count()
            }
            _ => 0,
        }
    }

    /// Returns the names of styles, joined for a message.
    pub(super) fn joined_names(styles: impl IntoIterator<Item = Self>) -> String {
        let names: Vec<_> = styles.into_iter().map(|style| style.to_string()).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }

    /// Returns the languages that have a style, joined for a message.
    pub(super) fn supported_languages() -> String {
        let all: Vec<_> =
            Language::all().filter(|it| !Self::for_language(*it).is_empty()).map(Language::lsp_id).collect();
        all.join(", ")
    }
}
