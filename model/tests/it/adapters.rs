//! Adapters in the format of PEFT, loaded on top of a model and merged into its files, against the logits of PEFT (see
//! `golden/train.py`).

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use foretype_model::{Model, WeightFormat, convert_to_gguf, merge_adapter};

use crate::families::{Golden, folder, relative_error};

fn golden() -> Golden {
    read(&folder("qwen3").join("adapter.json"))
}

fn read(path: &Path) -> Golden {
    let text = std::fs::read_to_string(path).expect("a golden file");
    serde_json::from_str(&text).expect("a script in golden/ wrote it")
}

fn load(path: &Path) -> Arc<Model> {
    Arc::new(Model::load(path, &Device::Cpu).expect("it loads"))
}

fn adapter() -> std::path::PathBuf {
    folder("qwen3").join("adapter")
}

/// The error of loading an adapter after a change to its directory.
fn rejection(change: impl FnOnce(&Path)) -> String {
    let place = tempfile::tempdir().expect("a folder");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(adapter().join(name), place.path().join(name)).expect("a copy");
    }
    change(place.path());
    load(&folder("qwen3")).with_adapter(place.path()).map(|_| ()).expect_err("the adapter must be rejected").to_string()
}

fn with_setting(key: &str, value: serde_json::Value) -> String {
    rejection(|folder| {
        let path = folder.join("adapter_config.json");
        let text = std::fs::read_to_string(&path).expect("settings");
        let mut settings: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        settings[key] = value;
        std::fs::write(path, settings.to_string()).expect("settings");
    })
}

#[test]
fn a_loaded_adapter_matches_peft() {
    for base in [folder("qwen3"), folder("qwen3").join("model.gguf")] {
        let adapted = load(&base).with_adapter(&adapter()).expect("it fits");
        let error = relative_error(&adapted, &golden(), 20);
        assert!(error < 1e-4, "{}: {error}", base.display());
    }
}

#[test]
#[ignore = "tests/check-peft trains the adapters and runs it; that needs PyTorch"]
fn adapters_trained_here_and_by_peft_match_peft() {
    let place = std::env::var("FORETYPE_PEFT").expect("tests/check-peft sets it");
    for name in ["ours", "theirs"] {
        let adapted = load(&folder("qwen3")).with_adapter(&Path::new(&place).join(name)).expect("it fits");
        let error = relative_error(&adapted, &read(&Path::new(&place).join(format!("{name}.json"))), 20);
        println!("{name}: relative error {error:.1e}");
        assert!(error < 1e-4, "{name}: {error}");
    }
}

#[test]
fn a_merged_adapter_matches_peft() {
    let place = tempfile::tempdir().expect("a folder");
    for (base, output) in [(folder("qwen3"), "merged"), (folder("qwen3").join("model.gguf"), "merged.gguf")] {
        let output = place.path().join(output);
        merge_adapter(&base, &adapter(), &output).expect("it fits");
        let error = relative_error(&load(&output), &golden(), 20);
        // The files store weights in 16 bits.
        assert!(error < 1e-2, "{}: {error}", output.display());
        let again = merge_adapter(&base, &adapter(), &output).expect_err("there is something");
        assert!(again.to_string().contains("another name"), "{again}");
    }
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_converted_model_has_the_logits_of_its_directory() {
    let place = tempfile::tempdir().expect("a folder");
    for family in ["qwen2", "qwen3"] {
        let output = place.path().join(format!("{family}.gguf"));
        convert_to_gguf(&folder(family), &output, family, WeightFormat::F16).expect("it is a directory");
        let error = relative_error(&load(&output), &crate::families::golden(family), 37);
        assert!(error < 1e-3, "{family}: {error}");
        let (text, tokens) =
            ("let x = y;\n    return", |model: &Model| model.tokenizer.encode("let x = y;\n    return"));
        assert_eq!(tokens(&load(&output)), tokens(&load(&folder(family))), "{text}");
    }
}

#[test]
fn adapters_share_the_weights_of_their_base_model() {
    let base = load(&folder("qwen3"));
    let one = base.with_adapter(&adapter()).expect("it fits");
    assert!(one.adapter.as_ref().is_some_and(|(_, other)| Arc::ptr_eq(other, &base)));
    // The base model is unchanged.
    assert!(relative_error(&base, &crate::families::golden("qwen3"), 37) < 1e-4);
}

#[test]
fn unsupported_adapters_are_rejected_with_the_reason() {
    assert!(with_setting("use_dora", true.into()).contains("DoRA"));
    assert!(with_setting("modules_to_save", serde_json::json!(["lm_head"])).contains("modules_to_save"));
    assert!(with_setting("bias", "all".into()).contains("biases"));
    assert!(with_setting("peft_type", "IA3".into()).contains("IA3"));
    assert!(with_setting("r", 0.into()).contains("'r'"));
    assert!(with_setting("r", 8.into()).contains("another model"));
}

#[test]
fn damaged_and_mismatched_adapters_are_rejected_with_the_file() {
    let cut = rejection(|folder| {
        let path = folder.join("adapter_model.safetensors");
        let bytes = std::fs::read(&path).expect("weights");
        std::fs::write(path, &bytes[..bytes.len() / 2]).expect("weights");
    });
    assert!(cut.contains("adapter_model.safetensors"), "{cut}");
    let missing = rejection(|folder| std::fs::remove_file(folder.join("adapter_config.json")).expect("it was there"));
    assert!(missing.contains("adapter_config.json"), "{missing}");
    let other = load(&folder("gpt2")).with_adapter(&adapter()).map(|_| ()).expect_err("another model").to_string();
    assert!(other.contains("another one"), "{other}");
}
