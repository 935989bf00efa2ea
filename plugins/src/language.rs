//! The languages Foretype knows by their syntax. Everything else is plain text and works without a tree.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
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
