//! Malformed files: each is a valid tiny file with one thing changed.

use std::path::Path;

use candle_core::Device;

use super::*;
use crate::Model;

/// The parts of a GGUF file, to be changed and then encoded.
struct TestFile {
    magic: [u8; 4],
    version: u32,
    tensor_count: Option<u64>,
    value_count: Option<u64>,
    values: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<TestTensor>,
}

struct TestTensor {
    name: String,
    dimensions: Vec<u64>,
    kind: u32,
    offset: Option<u64>,
    bytes: Vec<u8>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn texts<'a>(all: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let all: Vec<Vec<u8>> = all.into_iter().map(text).collect();
    [&8u32.to_le_bytes()[..], &(all.len() as u64).to_le_bytes(), &all.concat()].concat()
}

fn floats(count: u64) -> Vec<u8> {
    (0..count).flat_map(|i| (0.01 * (i % 17) as f32).to_le_bytes()).collect()
}

/// A Llama of one layer: hidden size 32, two heads of 16, a vocabulary of three words and an end token.
fn valid_file() -> TestFile {
    let number = |name: &str, n: u32| (format!("llama.{name}"), 4, n.to_le_bytes().to_vec());
    let word = |name: &str, value: &str| (name.to_string(), 8, text(value));
    let values = vec![
        word("general.architecture", "llama"),
        number("block_count", 1),
        number("context_length", 64),
        number("embedding_length", 32),
        number("feed_forward_length", 64),
        number("attention.head_count", 2),
        word("tokenizer.ggml.model", "gpt2"),
        word("tokenizer.ggml.pre", "gpt-2"),
        ("tokenizer.ggml.tokens".into(), 9, texts(["a", "b", "ab", "</s>"])),
        ("tokenizer.ggml.merges".into(), 9, texts(["a b"])),
    ];
    let tensor = |name: &str, dimensions: &[u64]| TestTensor {
        name: name.into(),
        dimensions: dimensions.to_vec(),
        kind: 0,
        offset: None,
        bytes: floats(dimensions.iter().product()),
    };
    let mut tensors = vec![tensor("token_embd.weight", &[32, 4]), tensor("output_norm.weight", &[32])];
    for (name, dimensions) in [
        ("attn_norm", &[32][..]),
        ("attn_q", &[32, 32]),
        ("attn_k", &[32, 32]),
        ("attn_v", &[32, 32]),
        ("attn_output", &[32, 32]),
        ("ffn_norm", &[32]),
        ("ffn_gate", &[32, 64]),
        ("ffn_up", &[32, 64]),
        ("ffn_down", &[64, 32]),
    ] {
        tensors.push(tensor(&format!("blk.0.{name}.weight"), dimensions));
    }
    TestFile { magic: *b"GGUF", version: 3, tensor_count: None, value_count: None, values, tensors }
}

impl TestFile {
    fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.value_count.unwrap_or(self.values.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.values {
            out.extend(text(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut data: Vec<u8> = Vec::new();
        for part in &self.tensors {
            out.extend(text(&part.name));
            out.extend((part.dimensions.len() as u32).to_le_bytes());
            for dimension in &part.dimensions {
                out.extend(dimension.to_le_bytes());
            }
            out.extend(part.kind.to_le_bytes());
            out.extend(part.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&part.bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    fn tensor(&mut self, name: &str) -> &mut TestTensor {
        self.tensors.iter_mut().find(|part| part.name.contains(name)).expect("a tensor of the valid file")
    }

    fn value(&mut self, name: &str) -> &mut (String, u32, Vec<u8>) {
        self.values.iter_mut().find(|(key, ..)| key.contains(name)).expect("a key of the valid file")
    }
}

fn load(bytes: &[u8]) -> Result<Model, LoadError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("written");
    Model::load(&path, &Device::Cpu)
}

/// Checks that loading the valid file with one change fails with an error that names the file and contains `fault`.
fn check(change: impl FnOnce(&mut TestFile), fault: &str) {
    let mut parts = valid_file();
    change(&mut parts);
    check_rejected(&parts.bytes(), fault);
}

fn check_rejected(bytes: &[u8], fault: &str) {
    let error = load(bytes).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("model.gguf: ") && error.contains(fault), "'{error}' does not say '{fault}'");
}

#[test]
fn a_valid_file_loads_in_both_versions() {
    for version in [2, 3] {
        let model = load(&TestFile { version, ..valid_file() }.bytes()).expect("valid");
        assert_eq!(model.decoder.config().vocab_size, 4);
        assert_eq!(model.tokenizer.encode("abb"), [2, 1]);
    }
}

#[test]
fn files_that_are_not_gguf_are_rejected() {
    check_rejected(b"", "");
    check_rejected(b"GG", "this is not a GGUF file");
    check(|p| p.magic = *b"GGML", "this is not a GGUF file");
    check(|p| p.version = 1, "version 1 of GGUF is not supported");
    check(|p| p.version = 3 << 24, "big-endian");
    assert!(load(&[0; 64]).is_err());
}

#[test]
fn a_missing_file_is_named() {
    let error = Model::load(Path::new("no/such.gguf"), &Device::Cpu).err().expect("an error").to_string();
    assert!(error.starts_with("no/such.gguf: "), "{error}");
}

#[test]
fn huge_counts_are_rejected_before_allocating() {
    check(|p| p.tensor_count = Some(u64::MAX), "tensors, more than the file can hold");
    check(|p| p.value_count = Some(1 << 60), "metadata values, more than the file can hold");
    check(|p| p.value("tokens").2[4..12].fill(0xff), "strings in an array, more than the file can hold");
    check(|p| p.value("general.architecture").2[..8].fill(0xff), "inside its header");
    let numbers = [&4u32.to_le_bytes()[..], &(1u64 << 62).to_le_bytes()].concat();
    check(|p| p.values.push(("x".into(), 9, numbers)), "numbers in an array, more than the file can hold");
}

#[test]
fn malformed_metadata_is_rejected() {
    check(|p| p.value("block_count").1 = 99, "unknown type 99");
    check(|p| p.value("block_count").0 = "general.architecture".into(), "'general.architecture' occurs twice");
    check(|p| p.values.push(("x".into(), 9, 9u32.to_le_bytes().to_vec())), "an array of arrays");
    check(|p| p.values.remove(0).2.clear(), "the key 'general.architecture' is missing");
    check(|p| p.values.remove(3).2.clear(), "the key 'llama.embedding_length' is missing");
    check(|p| p.value("block_count").2 = u32::MAX.to_le_bytes().to_vec(), "the number of layers is zero or too large");
    check(|p| p.value("head_count").2 = vec![0; 4], "the number of heads is zero or too large");
    check(|p| p.value("architecture").2 = text("rwkv7"), "the architecture 'rwkv7' is not supported");
    check(|p| p.values.push(("general.alignment".into(), 4, vec![0; 4])), "the alignment is not a power of two");
}

#[test]
fn tensors_outside_the_file_are_rejected() {
    check(|p| p.tensor("ffn_down").offset = Some(1 << 40), "extends past the end of the file");
    check(|p| p.tensor("ffn_down").offset = Some(u64::MAX - 31), "extends past the end of the file");
    check(|p| p.tensor("ffn_down").offset = Some(8), "has the offset 8, which is not a multiple of 32");
    check(|p| p.tensor("ffn_down").offset = Some(0), "overlap");
    check(|p| p.tensor("ffn_down").dimensions = vec![u64::MAX, u64::MAX], "cannot have the shape");
    check(|p| p.tensor("ffn_down").dimensions = vec![0, 64], "cannot have the shape");
    check(|p| p.tensor("ffn_down").dimensions = vec![1; 9], "has 9 dimensions");
    check(|p| p.tensor("ffn_down").kind = 77, "type 77 of the tensor 'blk.0.ffn_down.weight' is not supported");
    check(|p| p.tensor("ffn_up").name = "blk.0.ffn_gate.weight".into(), "occurs twice");
}

#[test]
fn wrong_shapes_are_rejected() {
    check(|p| p.tensor("ffn_down").dimensions = vec![32, 64], "has the shape [64, 32], expected [32, 64]");
    check(|p| p.tensor("attn_norm").dimensions = vec![4, 8], "has the shape [8, 4], expected [32]");
    check(|p| p.tensor("token_embd").dimensions = vec![128], "has the shape [128]");
    check(|p| p.tensor("attn_q").kind = 12, "cannot have the shape");
    check(|p| p.tensor("attn_v").name = "blk.0.other.weight".into(), "the tensor 'blk.0.attn_v.weight' is missing");
}

#[test]
fn weights_that_are_not_finite_are_rejected() {
    check(|p| p.tensor("attn_norm").bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes()), "infinite or NaN");
    let block = |p: &mut TestFile| {
        let part = p.tensor("attn_q"); // 32 blocks of Q8_0, the tenth with a scale that is infinite
        part.kind = 8;
        part.bytes = vec![1; 34 * 32];
        part.bytes[34 * 9..34 * 9 + 2].copy_from_slice(&0x7c00u16.to_le_bytes());
    };
    check(block, "the tensor 'blk.0.attn_q.weight' contains an infinite or NaN value");
}

#[test]
fn a_mismatched_tokenizer_is_rejected() {
    check(|p| p.value("tokens").2 = texts(["a", "b"]), "merges do not match its tokens");
    check(
        |p| p.value("tokens").2 = texts(["a", "b", "ab", "c", "d"]),
        "the tokenizer has 5 tokens, but the embedding has only 4 rows",
    );
    check(|p| p.value("merges").2 = texts(["ab"]), "a merge is not a pair of tokens");
    check(|p| p.value("merges").2 = texts(["ab </s>"]), "merges do not match its tokens");
    check(|p| p.value("merges").2 = texts(["b a"]), "merges do not match its tokens");
    check(|p| p.value("ggml.pre").2 = text("klingon"), "the pre-tokenizer 'klingon' is not supported");
    check(|p| p.value("ggml.model").2 = text("bert"), "the tokenizer 'bert' is not supported");
}

#[test]
fn a_file_truncated_anywhere_is_rejected() {
    let whole = valid_file().bytes();
    for len in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        assert!(load(&whole[..len]).is_err(), "{len} of {} bytes", whole.len());
    }
}

#[test]
fn a_corrupted_header_byte_never_panics() {
    let whole = valid_file().bytes();
    for at in 0..1200 {
        for mask in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            let _outcome = load(&bytes);
        }
    }
}
