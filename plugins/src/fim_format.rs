//! FIM formats.

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
    pub stop_tokens: &'static [&'static str],
    /// Where other families have the same tokens: a word of the model's own name, in small letters.
    pub model_name_part: Option<&'static str>,
}

const fn format(
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
        stop_tokens: stops,
        model_name_part: None,
    }
}

/// The known formats, the more particular ones first. Published formats are never edited in place: a change is a new row.
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
    /// The first format whose tokens a tokenizer has, for a model of this name.
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
    fn a_format_is_known_by_the_tokens_of_a_tokenizer() {
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
    fn no_format_writes_on_past_its_own_markers() {
        for format in FIM_FORMATS {
            assert!(!format.stop_tokens.is_empty(), "{}", format.name);
        }
    }
}
