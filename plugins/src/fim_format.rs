//! Fill-in-the-middle formats: the special tokens with which each model family was trained to write a hole.
//!
//! A model with fill-in-the-middle training (FIM; Bavarian et al., "Efficient Training of Language Models to Fill in
//! the Middle", 2022) reads the text on both sides of a hole and writes the hole last. Families differ in three ways,
//! all of which are data in a [`FimFormat`]:
//!
//! * **Markers.** Qwen2.5-Coder has `<|fim_prefix|>`, StarCoder2 `<fim_prefix>`, Code Llama `▁<PRE>`. They are special
//!   tokens of the tokenizer, and they are never spelled as text.
//! * **Order.** Prefix, suffix, middle (PSM) in most families; suffix, prefix, middle (SPM) where
//!   [`suffix_first`](FimFormat::suffix_first) is set. A format without a middle marker continues the prefix.
//! * **Repository context.** Some families were trained on several files, each after a [`file`](FimFormat::file) marker
//!   and its path. For the others, snippets are shown as comments inside the prefix.
//!
//! [`FimFormat::detect`] picks the format by the special tokens that a tokenizer has, so a model file needs no
//! configuration. To support a family, add a row to [`FIM_FORMATS`]; [`tasks::fill`](crate::tasks::fill) does the rest.

/// Fill-in-the-middle format of a model family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FimFormat {
    /// Name of the family, for example `qwen2.5-coder`.
    pub name: &'static str,
    /// Marker before the text that precedes the hole.
    pub prefix: &'static str,
    /// Marker before the text that follows the hole.
    pub suffix: &'static str,
    /// Marker after which the model writes the hole; `None` for a suffix-first format in which it continues the
    /// prefix.
    pub middle: Option<&'static str>,
    /// True if the suffix comes before the prefix (SPM).
    pub suffix_first: bool,
    /// Marker before the name of the repository, if the family has one.
    pub repository: Option<&'static str>,
    /// Marker before the path of each file, if the family has one.
    pub file: Option<&'static str>,
    /// Special tokens that end an answer.
    pub stop_tokens: &'static [&'static str],
    /// Lower-case part of the model's name, for a family that shares its tokens with others.
    pub model_name_part: Option<&'static str>,
}

/// A prefix-suffix-middle format without repository context.
const fn format(
    name: &'static str,
    [prefix, suffix, middle]: [&'static str; 3],
    stop_tokens: &'static [&'static str],
) -> FimFormat {
    FimFormat {
        name,
        prefix,
        suffix,
        middle: Some(middle),
        suffix_first: false,
        repository: None,
        file: None,
        stop_tokens,
        model_name_part: None,
    }
}

/// Known formats; where the tokens of one include those of another, the more specific one comes first. Published rows
/// are never edited in place: a change is a new row.
pub static FIM_FORMATS: &[FimFormat] = &[
    FimFormat {
        repository: Some("<|repo_name|>"),
        file: Some("<|file_sep|>"),
        ..format(
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
        ..format(
            "starcoder2",
            ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
            &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<file_sep>", "<repo_name>"],
        )
    },
    FimFormat {
        suffix_first: true,
        file: Some("<filename>"),
        model_name_part: Some("mellum"),
        ..format(
            "mellum",
            ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
            &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<filename>", "<reponame>"],
        )
    },
    format(
        "starcoder",
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        &["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<filename>", "<reponame>"],
    ),
    format(
        "santacoder",
        ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
        &["<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>"],
    ),
    format(
        "codegemma",
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        &["<eos>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_separator|>", "<|endoftext|>"],
    ),
    format("codellama", ["▁<PRE>", "▁<SUF>", "▁<MID>"], &["▁<EOT>", "</s>"]),
    format(
        "deepseek-coder",
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
        &["<｜end▁of▁sentence｜>", "<|EOT|>", "<｜fim▁begin｜>"],
    ),
    FimFormat {
        middle: None,
        suffix_first: true,
        ..format("codestral", ["[PREFIX]", "[SUFFIX]", ""], &["</s>", "[PREFIX]", "[SUFFIX]"])
    },
];

impl FimFormat {
    /// The first format all of whose tokens a tokenizer has (`has` by name), for a model called `model`.
    pub fn detect(model: &str, has: impl Fn(&str) -> bool) -> Option<&'static Self> {
        let model = model.to_lowercase();
        FIM_FORMATS.iter().find(|format| {
            let needed = [Some(format.prefix), Some(format.suffix), format.middle, format.repository, format.file];
            format.model_name_part.is_none_or(|word| model.contains(word)) && needed.into_iter().flatten().all(&has)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_detected_by_special_tokens() {
        for format in FIM_FORMATS {
            let has = |name: &str| {
                [format.prefix, format.suffix].contains(&name)
                    || [format.middle, format.repository, format.file].contains(&Some(name))
            };
            let model = format.model_name_part.unwrap_or("my model");
            assert_eq!(FimFormat::detect(model, has).map(|found| found.name), Some(format.name));
        }
        assert_eq!(FimFormat::detect("my model", |_| false), None);
    }

    #[test]
    fn every_format_has_stop_tokens() {
        for format in FIM_FORMATS {
            assert!(!format.stop_tokens.is_empty(), "{}", format.name);
        }
    }
}
