//! Trains a byte-level BPE vocabulary (Sennrich et al. 2016) on a corpus.
//!
//! Text is split into words by the pattern of Qwen2, and special tokens have Qwen's names. So llama.cpp, vLLM and
//! transformers load a model with such a vocabulary without further configuration, and prompts have the format of
//! Qwen2.5-Coder.

use std::collections::HashSet;
use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, NormalizerWrapper, PostProcessorWrapper, SplitDelimiterBehavior, TokenizerBuilder};

use super::TrainError;
use crate::tokenizer::gguf::QWEN2_SPLIT_REGEX;

/// The special tokens, beginning with the end token.
const SPECIAL_TOKENS: [&str; 9] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// Trains a vocabulary of at most `size` tokens, including the special ones, and writes it to `folder` as
/// `tokenizer.json` and `tokenizer_config.json`. Returns the number of tokens.
///
/// # Errors
/// Fails if `size` leaves no room for more than single bytes, or if a file cannot be written.
pub fn train_vocabulary<'a>(
    texts: impl Iterator<Item = &'a str> + Send,
    size: usize,
    folder: &Path,
) -> Result<usize, TrainError> {
    if size < 256 + SPECIAL_TOKENS.len() {
        return Err(TrainError::VocabularyTooSmall { size, minimum: 256 + SPECIAL_TOKENS.len() });
    }
    let failed = |error: tokenizers::Error| TrainError::io(folder)(std::io::Error::other(error.to_string()));
    let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(alphabet)
        .special_tokens(SPECIAL_TOKENS.iter().map(|name| AddedToken::from(*name, true)).collect())
        .build();
    let split = Split::new(SplitPattern::Regex(QWEN2_SPLIT_REGEX.into()), SplitDelimiterBehavior::Isolated, false)
        .map_err(failed)?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer = TokenizerBuilder::<BPE, NormalizerWrapper, Sequence, PostProcessorWrapper, ByteLevel>::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_decoder(Some(bytes))
        .build()
        .map_err(failed)?;
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    tokenizer.save(folder.join("tokenizer.json"), false).map_err(failed)?;
    let config = serde_json::json!({
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": SPECIAL_TOKENS[0],
        "pad_token": SPECIAL_TOKENS[0],
        "add_bos_token": false,
        "clean_up_tokenization_spaces": false,
    });
    let path = folder.join("tokenizer_config.json");
    std::fs::write(&path, format!("{config:#}\n")).map_err(TrainError::io(&path))?;
    Ok(tokenizer.get_vocab_size(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    #[test]
    fn a_trained_vocabulary_encodes_any_text_and_has_its_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "fn answer(question: &str) -> usize {\n    question.len()\n}\n".repeat(20);
        let count = train_vocabulary([&*text].into_iter(), 400, folder.path()).expect("it learns");
        assert!((265..=400).contains(&count), "{count}");
        let tokenizer = Tokenizer::from_directory(folder.path(), &[]).expect("it was just written");
        for text in [&text, "naïve 日本 \r\n\t∆ <|fim_prefix|>"] {
            let bytes: Vec<u8> =
                tokenizer.encode(text).iter().flat_map(|id| tokenizer.token_bytes(*id).to_vec()).collect();
            assert_eq!(String::from_utf8(bytes).expect("whole characters"), *text);
        }
        assert_eq!(tokenizer.encode(" question").len(), 1);
        for name in SPECIAL_TOKENS {
            assert!(tokenizer.special_id(name).is_some(), "{name}");
        }
        assert!(tokenizer.end_tokens().contains(&tokenizer.special_id("<|endoftext|>").expect("it is there")));
    }

    #[test]
    fn training_a_vocabulary_is_deterministic() {
        let text = "let x = y + z;\nlet y = x * x;\n".repeat(9);
        let learned = || {
            let folder = tempfile::tempdir().expect("a folder");
            train_vocabulary([&*text].into_iter(), 300, folder.path()).expect("it learns");
            std::fs::read(folder.path().join("tokenizer.json")).expect("a file")
        };
        assert_eq!(learned(), learned());
    }

    #[test]
    fn a_vocabulary_that_is_too_small_is_rejected() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = train_vocabulary(["x"].into_iter(), 100, folder.path()).expect_err("no room");
        assert!(error.to_string().contains("265"), "{error}");
    }
}
