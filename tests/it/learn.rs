//! `foretype train` as a user sees it: a new model learns a small corpus, an adapter learns on top of it, and both are
//! used.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use foretype_tests::{TestEnv, text};
use serde_json::Value;

/// A model of two layers.
const SHAPE: &str = r#"{
    "model_type": "qwen3", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0, "tie_word_embeddings": true, "vocab_size": 512
}"#;

/// A folder `app` of Python files that are much alike, and the shape of a model.
fn env() -> TestEnv {
    let env = TestEnv::new();
    for number in 0..30 {
        let function =
            |name: &str| format!("def {name}_{number}(self, value):\n    return self.{name}(value, {number})\n\n\n");
        let text: String = ["load", "store", "check", "parse", "write", "close"].map(function).concat();
        env.write(&format!("app/file_{number}.py"), text);
    }
    env.write("shape.json", SHAPE);
    env
}

fn train(env: &TestEnv, arguments: &[&str]) -> (bool, String) {
    let (good, _, err) =
        text(&env.run(&[&["train", "app", "--held-out", "0.1", "--context", "256"], arguments].concat()));
    assert!(!err.contains("panicked"), "{err}");
    (good, err)
}

fn pretrain(env: &TestEnv, steps: &str) {
    let new =
        ["--mode", "pretrain", "--shape", "shape.json", "--vocabulary", "400", "--rows", "2", "--output", "model"];
    let (good, err) = train(env, &[&new[..], &["--steps", steps]].concat());
    assert!(good, "{err}");
}

/// Arguments of an adapter's run.
const ADAPTER: [&str; 12] =
    ["--model", "model", "--output", "adapter", "--rank", "4", "--rate", "1e-2", "--rows", "1", "--save-every", "2"];

/// The losses of a run, step by step.
fn losses(env: &TestEnv, output: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(env.path().join(output).join("run/metrics.jsonl")).expect("figures");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines.map(|line| line["loss"].as_f64().expect("a number")).collect()
}

fn has(path: &Path, names: &[&str]) {
    for name in names {
        assert!(path.join(name).is_file(), "{name} is not in {}", path.display());
    }
}

#[test]
fn a_new_model_and_an_adapter_on_top_of_it_learn_and_complete() {
    let env = env();
    pretrain(&env, "120");
    has(&env.path().join("model"), &["config.json", "model.safetensors", "tokenizer.json", "run/curves.svg"]);
    let learned = losses(&env, "model");
    assert!(learned[119] < 0.4 * learned[0], "{} to {}", learned[0], learned[119]);

    let (good, err) = train(&env, &[&ADAPTER[..], &["--steps", "20"]].concat());
    assert!(good && err.contains("adapter = \"adapter\""), "{err}");
    has(&env.path().join("adapter"), &["adapter_config.json", "adapter_model.safetensors"]);

    env.write(
        "new.py",
        "def load_31(self, value):\n    \n\n\ndef store_31(self, value):\n    return self.store(value, 31)\n",
    );
    env.write(".foretype/config.toml", "model = \"model\"\nadapter = \"adapter\"\n");
    let (good, out, err) = text(&env.run(&["complete", "new.py:2:5", "--json"]));
    assert!(good, "{err}");
    let shown = |out: &str| serde_json::from_str::<Value>(out).expect("JSON")[0]["suggestions"][0]["text"].to_string();
    assert!(shown(&out).contains("return self."), "{out}");
    env.write(".foretype/config.toml", "model = \"model\"\n");

    for (output, arguments) in [
        ("merged", vec!["model", "merge", "model", "adapter", "merged"]),
        ("model.gguf", vec!["model", "convert", "model", "model.gguf", "--packing", "f16"]),
        ("merged.gguf", vec!["model", "merge", "model.gguf", "adapter", "merged.gguf"]),
    ] {
        let (good, _, err) = text(&env.run(&arguments));
        assert!(good && env.path().join(output).exists(), "{arguments:?}: {err}");
    }
    let of = |model: &str| {
        let (_, out, _) = text(&env.run(&["complete", "new.py:2:5", "--model", model]));
        out.lines().next().map(String::from)
    };
    assert_eq!(of("merged"), of("merged.gguf"));
}

#[test]
fn an_export_has_what_another_engine_needs() {
    let env = env();
    pretrain(&env, "1");
    let arguments = ["export", "app", "out", "--held-out", "0.1", "--context", "256", "--epochs", "1", "--rank", "4"];
    let (good, _, err) = text(&env.run(&[&["train"], &arguments[..], &["--model", "model"]].concat()));
    assert!(good, "{err}");
    let (good, _, err) = text(&env.run(&["train", "export", "app"]));
    assert!(!good && err.contains("<INTO>"), "{err}");
    let out = env.path().join("out");
    has(&out, &["train.jsonl", "held_out.jsonl", "train.py", "axolotl.yaml", "accelerate.yaml", "README.md"]);
    has(&out.join("model"), &["config.json", "model.safetensors", "tokenizer.json"]);
    let text = std::fs::read_to_string(out.join("train.jsonl")).expect("data");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let [tokens, labels] = ["input_ids", "labels"].map(|key| line[key].as_array().expect("a list").clone());
        assert_eq!((tokens.len(), &labels[0]), (labels.len(), &(-100).into()));
        assert!(tokens.iter().zip(&labels).skip(1).all(|(token, label)| token == label));
    }
    let settings = std::fs::read_to_string(out.join("axolotl.yaml")).expect("settings");
    assert!(settings.contains("lora_r: 4\n") && !settings.contains('{'), "{settings}");
}

#[test]
fn an_export_of_a_new_model_has_its_vocabulary_its_first_weights_and_a_script() {
    let env = env();
    let new = ["--mode", "pretrain", "--shape", "shape.json", "--vocabulary", "400", "--context", "256"];
    let (good, _, err) = text(&env.run(&[&["train", "export", "app", "out"], &new[..]].concat()));
    assert!(good, "{err}");
    let out = env.path().join("out");
    has(&out, &["train.jsonl", "held_out.jsonl", "train.py", "README.md"]);
    has(&out.join("model"), &["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    assert!(!out.join("axolotl.yaml").exists() && !env.path().join("foretype-adapter").exists());
    let (good, out, err) = text(&env.run(&["model", "show", "out/model", "--json"]));
    assert!(good && out.contains("Qwen3"), "{out} {err}");
}

#[test]
fn a_run_that_was_killed_goes_on_with_the_same_losses() {
    let env = env();
    pretrain(&env, "4");
    let (good, err) = train(&env, &[&ADAPTER[..], &["--steps", "30"]].concat());
    assert!(good, "{err}");
    let whole = losses(&env, "adapter");
    std::fs::rename(env.path().join("adapter"), env.path().join("whole")).expect("a folder");

    let arguments =
        [&["train", "app", "--held-out", "0.1", "--context", "256"], &ADAPTER[..], &["--steps", "30"]].concat();
    let mut child = env.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    let checkpoint = env.path().join("adapter/run/checkpoints/step-0000004");
    while !checkpoint.is_dir() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ended");

    let (good, err) = train(&env, &[&ADAPTER[..], &["--steps", "30"]].concat());
    assert!(!good && err.contains("--resume"), "{err}");
    let (good, err) = train(&env, &[&ADAPTER[..], &["--steps", "30", "--alpha", "99", "--resume"]].concat());
    assert!(!good && err.contains("mode"), "{err}");
    let (good, err) = train(&env, &[&ADAPTER[..], &["--steps", "30", "--resume"]].concat());
    assert!(good, "{err}");
    assert_eq!(losses(&env, "adapter"), whole);
    let weights = |folder: &str| std::fs::read(env.path().join(folder).join("adapter_model.safetensors"));
    assert_eq!(weights("adapter").expect("weights"), weights("whole").expect("weights"));
}

#[test]
fn what_cannot_be_learned_is_said_with_what_to_do() {
    let env = env();
    let (good, err) = train(&env, &["--mode", "pretrain", "--output", "model"]);
    assert!(!good && err.contains("--shape"), "{err}");
    let (good, err) =
        train(&env, &["--mode", "pretrain", "--shape", "shape.json", "--vocabulary", "9", "--output", "m"]);
    assert!(!good && err.contains("no room for words"), "{err}");
    let (good, err) = train(&env, &["--model", "nowhere.gguf"]);
    assert!(!good && err.contains("nowhere.gguf"), "{err}");
    env.write(".foretype/config.toml", "adapter = \"nowhere\"\n");
    pretrain(&env, "1");
    let (good, err) = train(&env, &["--model", "model", "--precision", "bf16"]);
    assert!(!good && err.contains("needs a GPU") && err.contains("f32"), "{err}");
    let (good, _, err) = text(&env.run(&["complete", "app/file_3.py:2:5", "--model", "model"]));
    assert!(!good && err.contains("nowhere") && err.contains("adapter"), "{err}");
}
