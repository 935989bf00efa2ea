//! Encoding and decoding, including special tokens and unusual bytes.

use std::path::Path;

use tokenizers::models::bpe::{BPE, Vocab};

use super::*;

impl Tokenizer {
    /// A tiny tokenizer for tests: ids 0 to 255 are the bytes, followed by `words` and then `specials`. A word is one
    /// token only where it is a word of its own, including its leading space if it has one.
    pub(crate) fn byte_level(words: &[&str], specials: &[&str]) -> Self {
        let texts: Vec<Vec<u8>> =
            (0..=255).map(|byte| vec![byte]).chain(words.iter().map(|word| word.as_bytes().to_vec())).collect();
        let vocabulary: Vocab = texts.iter().map(|text| byte_level::bytes_to_chars(text)).zip(0..).collect();
        // A word in the vocabulary becomes one token; all others are split into bytes.
        let model = BPE::builder().vocab_and_merges(vocabulary, vec![]);
        let model = model.ignore_merges(true).build().unwrap_or_default();
        let inner = byte_level::assemble(model, &[]).unwrap_or_else(|_| tokenizers::Tokenizer::new(BPE::default()));
        let first = texts.len() as u32;
        let specials: HashMap<String, u32> = specials.iter().map(|name| name.to_string()).zip(first..).collect();
        let blanks = vec![Vec::new(); specials.len()];
        Self::assemble(inner, TokenBytes::new(texts.into_iter().chain(blanks)), specials, &[])
    }
}

fn golden() -> Tokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/qwen2");
    Tokenizer::from_directory(&folder, &[]).expect("the golden tokenizer is valid")
}

fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect()
}

#[test]
fn decoding_restores_every_byte_of_the_text() {
    for tokenizer in [golden(), Tokenizer::byte_level(&["def", " return"], &["<|endoftext|>"])] {
        for text in ["", "def f(x):\n\treturn x", "naïve — 日本 🦀\u{0}\u{feff}", "  \r\n\r\n    e\u{301}"] {
            assert_eq!(decode(&tokenizer, &tokenizer.encode(text)), text.as_bytes(), "{text:?}");
        }
    }
}

#[test]
fn merges_are_applied() {
    let tokenizer = golden();
    assert_eq!(tokenizer.encode("def").len(), 1);
    assert_eq!(tokenizer.encode("    ").len(), 1);
}

#[test]
fn the_tiny_tokenizer_lists_bytes_then_words_then_special_tokens() {
    let tokenizer = Tokenizer::byte_level(&["def", " return"], &["<fim_prefix>", "<|endoftext|>"]);
    assert_eq!(tokenizer.encode("def return"), [256, 257]);
    assert_eq!(tokenizer.encode("de\n"), [100, 101, 10]);
    assert_eq!(tokenizer.special_id("<fim_prefix>"), Some(258));
    assert_eq!(tokenizer.end_tokens(), [259]);
    assert_eq!(tokenizer.vocab_size(), 260);
}

#[test]
fn special_tokens_are_never_produced_from_text() {
    for tokenizer in [golden(), Tokenizer::byte_level(&[], &["<|endoftext|>", "<fim_middle>"])] {
        for text in ["<|endoftext|>", "a <fim_middle> b", "<|endoftext|><|endoftext|>"] {
            let ids = tokenizer.encode(text);
            assert!(ids.iter().all(|&id| !tokenizer.is_special(id)), "{text}: {ids:?}");
            assert_eq!(decode(&tokenizer, &ids), text.as_bytes());
        }
    }
}

#[test]
fn special_tokens_are_not_even_produced_by_merges() {
    let inner = sentence_piece::assemble(&["<unk>", "</s>", "</", "s>", "<", "/", "s", ">"], &[0.0; 8]).expect("valid");
    let specials: HashMap<String, u32> = [("<unk>".to_string(), 0), ("</s>".to_string(), 1)].into();
    let tokenizer = Tokenizer::assemble(inner, TokenBytes::new(vec![vec![]; 8]), specials, &[]);
    assert_eq!(tokenizer.encode("</s>"), [4, 5, 6, 7]);
}

#[test]
fn special_tokens_and_unknown_ids_have_no_bytes() {
    let tokenizer = golden();
    let end = tokenizer.special_id("<|endoftext|>").expect("it has one");
    assert!(tokenizer.is_special(end) && tokenizer.token_bytes(end).is_empty());
    assert!(tokenizer.token_bytes(u32::MAX).is_empty());
    assert_eq!(tokenizer.end_tokens(), [end]);
}

#[test]
fn sentence_piece_tokens_decode_to_spaces_and_bytes() {
    assert_eq!(sentence_piece::token_to_bytes("▁the"), b" the");
    assert_eq!(sentence_piece::token_to_bytes("<0x0A>"), b"\n");
    assert_eq!(sentence_piece::token_to_bytes("<0xzz>"), b"<0xzz>");
    let tokens = ["<unk>", "<0xC3>", "<0xA9>", "▁", "a", "b", "ab", "▁ab"];
    let inner = sentence_piece::assemble(&tokens, &[0.0, 0.0, 0.0, -3.0, -4.0, -5.0, -1.0, -2.0]).expect("valid");
    let tokenizer = Tokenizer::assemble(inner, TokenBytes::new(vec![vec![]; 8]), HashMap::new(), &[]);
    assert_eq!(tokenizer.encode("ab ab"), [6, 7]);
    assert_eq!(tokenizer.encode("é"), [1, 2]);
}
