//! Languages that Foretype knows the syntax of. All others are plain text, which works without a syntax tree.

/// A language with a known syntax, or plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Language {
    Python,
    Rust,
    JavaScript,
    TypeScript,
    Tsx,
    Go,
    Java,
    C,
    Cpp,
    CSharp,
    Ruby,
    Php,
    Lua,
    Bash,
    Html,
    Css,
    Json,
    Yaml,
    Toml,
    Markdown,
    PlainText,
}

/// Syntax that ends a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockStyle {
    /// Indentation alone.
    Indentation,
    /// A closing bracket.
    Brackets,
    /// A keyword such as `end`.
    Keywords,
    /// None: the language has no blocks.
    None,
}

/// Facts about a language: LSP ids, file extensions and names, line comment, block style.
struct LanguageInfo {
    language: Language,
    lsp_ids: &'static [&'static str],
    extensions: &'static [&'static str],
    file_names: &'static [&'static str],
    line_comment: Option<&'static str>,
    block_style: BlockStyle,
}

const fn language_info(
    language: Language,
    lsp_ids: &'static [&'static str],
    extensions: &'static [&'static str],
    line_comment: Option<&'static str>,
    block_style: BlockStyle,
) -> LanguageInfo {
    LanguageInfo { language, lsp_ids, extensions, file_names: &[], line_comment, block_style }
}

use BlockStyle::{Brackets, Indentation, Keywords};
use Language::*;

static LANGUAGES: &[LanguageInfo] = &[
    language_info(Python, &["python"], &["py", "pyi", "pyw"], Some("#"), Indentation),
    language_info(Rust, &["rust"], &["rs"], Some("//"), Brackets),
    language_info(JavaScript, &["javascript", "javascriptreact"], &["js", "mjs", "cjs", "jsx"], Some("//"), Brackets),
    language_info(TypeScript, &["typescript"], &["ts", "mts", "cts"], Some("//"), Brackets),
    language_info(Tsx, &["typescriptreact"], &["tsx"], Some("//"), Brackets),
    language_info(Go, &["go"], &["go"], Some("//"), Brackets),
    language_info(Java, &["java"], &["java"], Some("//"), Brackets),
    language_info(C, &["c"], &["c", "h"], Some("//"), Brackets),
    language_info(Cpp, &["cpp", "c++"], &["cpp", "cc", "cxx", "hpp", "hh", "hxx"], Some("//"), Brackets),
    language_info(CSharp, &["csharp", "cs"], &["cs"], Some("//"), Brackets),
    LanguageInfo {
        file_names: &["Gemfile", "Rakefile"],
        ..language_info(Ruby, &["ruby"], &["rb", "rake", "gemspec"], Some("#"), Keywords)
    },
    language_info(Php, &["php"], &["php"], Some("//"), Brackets),
    language_info(Lua, &["lua"], &["lua"], Some("--"), Keywords),
    LanguageInfo {
        file_names: &[".bashrc", ".bash_profile", ".profile", ".zshrc"],
        ..language_info(Bash, &["shellscript", "sh", "bash", "zsh"], &["sh", "bash", "zsh"], Some("#"), Keywords)
    },
    language_info(Html, &["html"], &["html", "htm"], None, BlockStyle::None),
    language_info(Css, &["css"], &["css"], None, Brackets),
    language_info(Json, &["json", "jsonc"], &["json", "jsonc"], None, Brackets),
    language_info(Yaml, &["yaml"], &["yaml", "yml"], Some("#"), Indentation),
    LanguageInfo {
        file_names: &["Cargo.lock"],
        ..language_info(Toml, &["toml"], &["toml"], Some("#"), BlockStyle::None)
    },
    language_info(Markdown, &["markdown"], &["md", "markdown"], None, BlockStyle::None),
    language_info(PlainText, &["plaintext", "text"], &["txt"], None, BlockStyle::None),
];

impl Language {
    /// Every language, plain text last.
    pub fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().map(|info| info.language)
    }

    fn info(self) -> &'static LanguageInfo {
        LANGUAGES.iter().find(|info| info.language == self).unwrap_or(&LANGUAGES[LANGUAGES.len() - 1])
    }

    /// The language with this LSP language id; plain text for an unknown id.
    pub fn from_lsp_id(id: &str) -> Self {
        LANGUAGES.iter().find(|info| info.lsp_ids.contains(&id)).map_or(PlainText, |info| info.language)
    }

    /// The language of a file by its name or extension; plain text for an unknown one.
    pub fn from_path(path: &str) -> Self {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let matches =
            |info: &&LanguageInfo| info.file_names.contains(&name) || info.extensions.contains(&extension.as_str());
        LANGUAGES.iter().find(matches).map_or(PlainText, |info| info.language)
    }

    /// LSP id of the language, which is also its name in the configuration.
    pub fn lsp_id(self) -> &'static str {
        self.info().lsp_ids[0]
    }

    /// The language with this name, LSP id or file extension, ignoring case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let matches = |info: &&LanguageInfo| {
            info.lsp_ids.contains(&&*name)
                || info.language.name().to_lowercase() == name
                || info.extensions.contains(&&*name)
        };
        LANGUAGES.iter().find(matches).map(|info| info.language)
    }

    /// Common name of the language.
    pub fn name(self) -> &'static str {
        match self {
            Python => "Python",
            Rust => "Rust",
            JavaScript => "JavaScript",
            TypeScript => "TypeScript",
            Tsx => "TSX",
            Go => "Go",
            Java => "Java",
            C => "C",
            Cpp => "C++",
            CSharp => "C#",
            Ruby => "Ruby",
            Php => "PHP",
            Lua => "Lua",
            Bash => "Bash",
            Html => "HTML",
            Css => "CSS",
            Json => "JSON",
            Yaml => "YAML",
            Toml => "TOML",
            Markdown => "Markdown",
            PlainText => "plain text",
        }
    }

    /// Returns true for a language that programs are written in, not markup or data.
    pub fn is_programming_language(self) -> bool {
        !matches!(self, Html | Css | Json | Yaml | Toml | Markdown | PlainText)
    }

    /// Mark that begins a comment up to the line end.
    pub(crate) fn line_comment(self) -> Option<&'static str> {
        self.info().line_comment
    }

    /// Syntax that ends a block.
    pub(crate) fn block_style(self) -> BlockStyle {
        self.info().block_style
    }

    /// Tree-sitter grammar; `None` for plain text.
    pub(crate) fn grammar(self) -> Option<tree_sitter::Language> {
        Some(match self {
            Python => tree_sitter_python::LANGUAGE.into(),
            Rust => tree_sitter_rust::LANGUAGE.into(),
            JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Go => tree_sitter_go::LANGUAGE.into(),
            Java => tree_sitter_java::LANGUAGE.into(),
            C => tree_sitter_c::LANGUAGE.into(),
            Cpp => tree_sitter_cpp::LANGUAGE.into(),
            CSharp => tree_sitter_c_sharp::LANGUAGE.into(),
            Ruby => tree_sitter_ruby::LANGUAGE.into(),
            Php => tree_sitter_php::LANGUAGE_PHP.into(),
            Lua => tree_sitter_lua::LANGUAGE.into(),
            Bash => tree_sitter_bash::LANGUAGE.into(),
            Html => tree_sitter_html::LANGUAGE.into(),
            Css => tree_sitter_css::LANGUAGE.into(),
            Json => tree_sitter_json::LANGUAGE.into(),
            Yaml => tree_sitter_yaml::LANGUAGE.into(),
            Toml => tree_sitter_toml_ng::LANGUAGE.into(),
            Markdown => tree_sitter_md::LANGUAGE.into(),
            PlainText => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_lsp_id_and_file_name() {
        for (id, language) in
            [("typescriptreact", Tsx), ("sh", Bash), ("shellscript", Bash), ("csharp", CSharp), ("x", PlainText)]
        {
            assert_eq!(Language::from_lsp_id(id), language, "{id}");
        }
        let paths =
            [("a/b.rs", Rust), ("x.test.TSX", Tsx), (".bashrc", Bash), ("Makefile", PlainText), ("C:\\a.cs", CSharp)];
        for (path, language) in paths.into_iter().chain([("Cargo.lock", Toml), ("noending", PlainText)]) {
            assert_eq!(Language::from_path(path), language, "{path}");
        }
    }

    #[test]
    fn languages_are_found_by_informal_names() {
        let names =
            [("C++", Some(Cpp)), ("rust", Some(Rust)), ("PY", Some(Python)), (" c# ", Some(CSharp)), ("Klingon", None)];
        for (name, language) in names {
            assert_eq!(Language::from_name(name), language, "{name}");
        }
    }

    #[test]
    fn every_language_but_plain_text_has_a_grammar_that_loads() {
        for language in Language::all() {
            let Some(grammar) = language.grammar() else {
                assert_eq!(language, PlainText);
                continue;
            };
            assert!(tree_sitter::Parser::new().set_language(&grammar).is_ok(), "{language:?}");
        }
    }
}
