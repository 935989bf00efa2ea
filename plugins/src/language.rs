//! The languages Foretype knows by their syntax. Everything else is plain text and works without a tree.

/// A language.
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

/// How a language marks the end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockStyle {
    /// By indentation alone.
    Indentation,
    /// By a closing bracket.
    Brackets,
    /// By a word such as `end`.
    Keywords,
    /// There are none to speak of.
    None,
}

/// What is known of a language: LSP ids, file endings and names, line comment, blocks.
struct LanguageInfo {
    language: Language,
    lsp_ids: &'static [&'static str],
    extensions: &'static [&'static str],
    file_names: &'static [&'static str],
    line_comment: Option<&'static str>,
    blocks: BlockStyle,
}

const fn language_info(
    language: Language,
    ids: &'static [&'static str],
    endings: &'static [&'static str],
    comment: Option<&'static str>,
    blocks: BlockStyle,
) -> LanguageInfo {
    LanguageInfo { language, lsp_ids: ids, extensions: endings, file_names: &[], line_comment: comment, blocks }
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
        LANGUAGES.iter().map(|facts| facts.language)
    }

    fn info(self) -> &'static LanguageInfo {
        LANGUAGES.iter().find(|facts| facts.language == self).unwrap_or(&LANGUAGES[LANGUAGES.len() - 1])
    }

    /// The language of an LSP language id; plain text where it is not known.
    pub fn from_lsp_id(id: &str) -> Self {
        LANGUAGES.iter().find(|facts| facts.lsp_ids.contains(&id)).map_or(PlainText, |facts| facts.language)
    }

    /// The language of a file by its name; plain text where it is not known.
    pub fn from_path(path: &str) -> Self {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        let fits =
            |facts: &&LanguageInfo| facts.file_names.contains(&name) || facts.extensions.contains(&ending.as_str());
        LANGUAGES.iter().find(fits).map_or(PlainText, |facts| facts.language)
    }

    /// The LSP id of the language, which is also its name in configuration.
    pub fn lsp_id(self) -> &'static str {
        self.info().lsp_ids[0]
    }

    /// The language by its name, its id or an ending of its files, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let is = |facts: &&LanguageInfo| {
            facts.lsp_ids.contains(&&*name)
                || facts.language.name().to_lowercase() == name
                || facts.extensions.contains(&&*name)
        };
        LANGUAGES.iter().find(is).map(|facts| facts.language)
    }

    /// The name that people use.
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

    /// Whether programs are written in it.
    pub fn is_programming_language(self) -> bool {
        !matches!(self, Html | Css | Json | Yaml | Toml | Markdown | PlainText)
    }

    /// What begins a comment that ends with the line.
    pub fn line_comment(self) -> Option<&'static str> {
        self.info().line_comment
    }

    /// How blocks end.
    pub fn blocks(self) -> BlockStyle {
        self.info().blocks
    }

    /// The grammar, where there is one.
    pub fn grammar(self) -> Option<tree_sitter::Language> {
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
    fn editors_ids_and_file_names_are_known() {
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
    fn people_name_a_language_as_they_like() {
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
