//! Malformed directories: each is the golden model's with one file changed.

use std::path::Path;

use candle_core::Device;
use serde_json::Value;

use crate::Model;

/// The error of loading a copy of the golden Qwen2 after a change to its directory.
fn fault(change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(folder.path());
    change(folder.path());
    Model::load(folder.path(), &Device::Cpu).err().map(|error| error.to_string()).unwrap_or_default()
}

fn copy(folder: &Path) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/qwen2");
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(golden.join(name), folder.join(name)).expect("copied");
    }
}

fn check(change: impl FnOnce(&Path), expected: &str) {
    let fault = fault(change);
    assert!(fault.contains(expected), "'{fault}' does not say '{expected}'");
}

/// Rewrites a file of the directory.
fn edit(name: &'static str, change: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join(name);
        let mut bytes = std::fs::read(&path).expect("read");
        change(&mut bytes);
        std::fs::write(path, bytes).expect("written");
    }
}

fn edit_json(name: &'static str, change: impl FnOnce(&mut Value)) -> impl FnOnce(&Path) {
    edit(name, |bytes| {
        let mut json = serde_json::from_slice(bytes).expect("JSON");
        change(&mut json);
        *bytes = json.to_string().into_bytes();
    })
}

/// Replaces text in the header of the weights file, keeping its length.
fn edit_header(from: &str, to: &str) -> impl FnOnce(&Path) {
    assert_eq!(from.len(), to.len());
    let (from, to) = (from.as_bytes().to_vec(), to.as_bytes().to_vec());
    edit("model.safetensors", move |bytes| {
        let at = bytes.windows(from.len()).position(|window| window == from).expect("it is in the header");
        bytes[at..at + to.len()].copy_from_slice(&to);
    })
}

#[test]
fn missing_files_are_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        check(|folder| std::fs::remove_file(folder.join(name)).expect("removed"), &format!("{name}: "));
    }
}

#[test]
fn malformed_weights_are_rejected() {
    check(edit("model.safetensors", |bytes| bytes.truncate(bytes.len() - 1)), "model.safetensors: ");
    check(edit("model.safetensors", |bytes| bytes.truncate(100)), "model.safetensors: ");
    check(edit("model.safetensors", |bytes| bytes.clear()), "model.safetensors: ");
    check(edit("model.safetensors", |bytes| bytes[..8].fill(0xff)), "model.safetensors: ");
    check(edit_header("\"shape\":[272,64]", "\"shape\":[64,272]"), "expected [272, 64]");
    check(edit_header("\"shape\":[272,64]", "\"shape\":[999,64]"), "model.safetensors: ");
    check(edit_header("embed_tokens", "embed_tokons"), "'model.embed_tokens.weight' is missing");
    let len = |bytes: &Vec<u8>| bytes.len();
    check(
        edit("model.safetensors", move |bytes| {
            let end = len(bytes);
            bytes[end - 2..].copy_from_slice(&[0xc0, 0x7f])
        }),
        "infinite or NaN",
    );
}

#[test]
fn malformed_json_files_are_rejected() {
    check(edit("config.json", |bytes| bytes.truncate(30)), "config.json: the file is not valid JSON");
    check(edit_json("config.json", |json| json["num_hidden_layers"] = 3.into()), "'model.layers.2.");
    check(edit_json("config.json", |json| json["hidden_size"] = 128.into()), "expected [272, 128]");
    check(edit("tokenizer.json", |bytes| bytes.truncate(30)), "tokenizer.json: ");
    check(edit_json("tokenizer.json", |json| json["model"]["type"] = "Unigram".into()), "not byte pair encoding");
    check(edit_json("tokenizer.json", |json| json["model"]["merges"][0] = "zz yy".into()), "tokenizer.json: ");
    check(edit_json("tokenizer.json", |json| json["model"]["merges"][0] = "defdefdef def".into()), "do not match");
    check(
        edit_json("tokenizer.json", |json| json["model"]["continuing_subword_prefix"] = "##".into()),
        "not supported",
    );
    check(edit_json("tokenizer.json", |json| json["added_tokens"][0]["id"] = (1u64 << 40).into()), "valid id");
    check(edit_json("tokenizer.json", |json| json["model"]["vocab"]["a"] = u32::MAX.into()), "out-of-range id");
    check(
        edit_json("tokenizer.json", |json| json["added_tokens"][0]["id"] = 9000.into()),
        "the tokenizer has 9001 tokens, but the embedding has only",
    );
}

#[test]
fn shards_load_like_one_file_and_cannot_leave_their_directory() {
    let index = |file: &'static str| {
        move |folder: &Path| {
            std::fs::rename(folder.join("model.safetensors"), folder.join("a.safetensors")).expect("renamed");
            let json = serde_json::json!({"weight_map": {"model.embed_tokens.weight": file}});
            std::fs::write(folder.join("model.safetensors.index.json"), json.to_string()).expect("written");
        }
    };
    assert_eq!(fault(index("a.safetensors")), "");
    check(index("b.safetensors"), "b.safetensors: ");
    check(index("../a.safetensors"), "is not the name of a file in the same directory");
    check(edit_json("config.json", |_| {}), "");
}
