//! What a model is given to read, as plain data: text and the names of special tokens, never token ids.
//!
//! A special token is named in a [`Content::Special`] and is written by its id; the same characters inside a
//! [`Content::Text`] are ordinary text. So nothing in a user's file can pose as a marker.

use std::borrow::Cow;

use crate::window::Window;

/// One piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Ordinary text, tokenised without looking for special tokens.
    Text(String),
    /// A special token, by the exact name that it has in the tokenizer, for example `<|fim_prefix|>`.
    Special(Cow<'static, str>),
}

impl Content {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Special(_) => None,
        }
    }
}

/// Where a piece of a prompt came from, for `--explain`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// A marker that the format asks for.
    Format,
    /// The name of the repository, the path of the file.
    Header,
    /// A snippet from elsewhere in the workspace.
    Snippet {
        /// The file it comes from, relative to the workspace.
        path: String,
        /// Why it is here: `definition`, `recent edit`, `open file`, or a plugin's name.
        why: String,
    },
    /// Imports of this file that lie outside the window.
    Imports,
    /// Signatures of the items around the cursor that begin outside the window.
    Enclosing,
    /// Text before the anchor.
    Before,
    /// Text after the cursor.
    After,
    /// Text between the anchor and the cursor.
    Middle,
    /// What a plugin put there that lays the prompt out.
    Plugin {
        /// The plugin's name.
        name: String,
    },
    /// What the model is to write: in a training sample.
    Answer,
    /// What was said in a conversation, with what the model's chat template puts around it.
    Conversation,
}

/// A piece of a prompt and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the model reads.
    pub content: Content,
    /// Where it came from.
    pub source: Source,
}

impl Part {
    /// Ordinary text.
    pub fn text(text: impl Into<String>, source: Source) -> Self {
        Self { content: Content::Text(text.into()), source }
    }

    /// A special token.
    pub fn special(name: impl Into<Cow<'static, str>>) -> Self {
        Self { content: Content::Special(name.into()), source: Source::Format }
    }
}

/// Everything that the model room needs to know of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// In the order in which the model reads them. Adjacent texts are tokenised separately at each part's border, so
    /// that a part which did not change keeps its tokens.
    pub parts: Vec<Part>,
    /// Back up over the last partial token of the last text and make the first generated tokens spell it (token healing).
    pub heal: bool,
    /// Names of special tokens that end the answer, beside the model's own end-of-text tokens. Names that the tokenizer
    /// does not have are ignored.
    pub stop_specials: Vec<Cow<'static, str>>,
    /// The frozen window that this prompt was built on, to be handed back with the next request for this document.
    pub window: Option<Window>,
}

/// A piece of context from elsewhere in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The file it comes from, relative to the workspace, with `/`.
    pub path: String,
    /// The text itself.
    pub text: String,
    /// Why it is here: `definition`, `recent edit`, `open file`, or a plugin's name.
    pub why: String,
}

/// How a model family wants fill-in-the-middle written. Pure data, chosen by the special tokens that a tokenizer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FimFormat {
    /// The family, for example `qwen2.5-coder`.
    pub name: &'static str,
    /// Token before the text that precedes the hole.
    pub prefix: &'static str,
    /// Token before the text that follows the hole.
    pub suffix: &'static str,
    /// Token after which the model writes the hole; `None` where the format is suffix first and writes on from the prefix.
    pub middle: Option<&'static str>,
    /// Whether the suffix is written before the prefix.
    pub suffix_first: bool,
    /// Token before the name of the repository, if the family has one.
    pub repository: Option<&'static str>,
    /// Token before each file's path, if the family has one.
    pub file: Option<&'static str>,
    /// Tokens that end an answer.
    pub stops: &'static [&'static str],
    /// Where other families have the same tokens: a word of the model's own name, in small letters.
    pub model: Option<&'static str>,
}

const fn tokens(
    name: &'static str,
    [prefix, suffix, middle]: [&'static str; 3],
    stops: &'static [&'static str],
) -> FimFormat {
    FimFormat {
        name,
        prefix,
        suffix,
        middle: Some(middle),
        suffix_first: false,
        repository: None,
        file: None,
        stops,
        model: None,
    }
}

/// The known formats, the more particular ones first. Published formats are never edited in place: a change is a new row.
pub static FORMATS: &[FimFormat] = &[
    FimFormat {
        repository: Some("<|repo_name|>"),
        file: Some("<|file_sep|>"),
        ..tokens(
            "qwen2.5-coder",
            ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
            &[
                "<|endoftext|>",
                "<|fim_prefix|>",
                "<|fim_middle|>",
                "<|fim_suffix|>",
                "<|fim_pad|>",
                "<|repo_name|>",
                "<|file_sep|>",
                "<|im_start|>",
                "<|im_end|>",
            ],
        )
    },
    FimFormat {
        repository: Some("<repo_name>"),
        file: Some("<file_sep>"),
        ..tokens(
            "starcoder2",
            ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
            &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<file_sep>", "<repo_name>"],
        )
    },
    FimFormat {
        suffix_first: true,
        file: Some("<filename>"),
        model: Some("mellum"),
        ..tokens(
            "mellum",
            ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
            &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<filename>", "<reponame>"],
        )
    },
    tokens(
        "starcoder",
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<filename>", "<reponame>"],
    ),
    tokens(
        "santacoder",
        ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
        &["<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>"],
    ),
    tokens(
        "codegemma",
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        &["<eos>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_separator|>", "<|endoftext|>"],
    ),
    tokens("codellama", ["▁<PRE>", "▁<SUF>", "▁<MID>"], &["▁<EOT>", "</s>"]),
    tokens(
        "deepseek-coder",
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
        &["<｜end▁of▁sentence｜>", "<|EOT|>", "<｜fim▁begin｜>"],
    ),
    FimFormat {
        middle: None,
        suffix_first: true,
        ..tokens("codestral", ["[PREFIX]", "[SUFFIX]", ""], &["</s>", "[PREFIX]", "[SUFFIX]"])
    },
];

impl FimFormat {
    /// The first format whose tokens a tokenizer has, for a model of this name.
    pub fn detect(model: &str, has: impl Fn(&str) -> bool) -> Option<&'static Self> {
        let model = model.to_lowercase();
        FORMATS.iter().find(|format| {
            let needed = [Some(format.prefix), Some(format.suffix), format.middle, format.repository, format.file];
            format.model.is_none_or(|word| model.contains(word)) && needed.into_iter().flatten().all(&has)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_the_tokens_of_a_tokenizer() {
        for format in FORMATS {
            let has = |name: &str| {
                [format.prefix, format.suffix].contains(&name)
                    || [format.middle, format.repository, format.file].contains(&Some(name))
            };
            let model = format.model.unwrap_or("my model");
            assert_eq!(FimFormat::detect(model, has).map(|found| found.name), Some(format.name));
        }
        assert_eq!(FimFormat::detect("my model", |_| false), None);
    }

    #[test]
    fn no_format_writes_on_past_its_own_markers() {
        for format in FORMATS {
            assert!(!format.stops.is_empty(), "{}", format.name);
        }
    }
}
