//! Logits of each architecture, from a Hugging Face directory and from a GGUF file, against the reference
//! implementation (see `golden/make.py`).

use std::path::{Path, PathBuf};

use candle_core::Device;
use foretype_model::Model;

use crate::reference::Exact;

/// Output of the reference implementation.
#[derive(serde::Deserialize)]
pub(crate) struct Golden {
    pub(crate) tokens: Vec<u32>,
    pub(crate) rows: Vec<usize>,
    pub(crate) logits: Vec<Vec<f32>>,
}

pub(crate) fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family)
}

pub(crate) fn golden(family: &str) -> Golden {
    let text =
        std::fs::read_to_string(folder(family).join("golden.json")).expect("the golden file is in the repository");
    serde_json::from_str(&text).expect("make.py wrote it")
}

/// The largest difference relative to the largest logit. The tokens are evaluated in two steps, split at `split`.
pub(crate) fn relative_error(model: &Model, golden: &Golden, split: usize) -> f32 {
    let mut cache = Exact::default();
    let mut found = Vec::new();
    let positions: Vec<u32> = (0..golden.tokens.len() as u32).collect();
    for range in [0..split, split..golden.tokens.len()] {
        let logits_rows: Vec<usize> =
            golden.rows.iter().filter(|row| range.contains(row)).map(|row| row - range.start).collect();
        let (tokens, positions) = (&golden.tokens[range.clone()], &positions[range]);
        let logits =
            model.decoder.forward(tokens, positions, &logits_rows, &mut cache, &|| false).expect("the step is sound");
        found.extend(logits.to_vec2::<f32>().expect("logits are f32"));
    }
    let largest = golden.logits.iter().flatten().fold(0f32, |m, x| m.max(x.abs()));
    let differences = found.iter().flatten().zip(golden.logits.iter().flatten()).map(|(a, b)| (a - b).abs());
    differences.fold(0f32, f32::max) / largest
}

fn check(family: &str) {
    for path in [folder(family), folder(family).join("model.gguf")] {
        let model = Model::load(&path, &Device::Cpu).expect("it loads");
        let error = relative_error(&model, &golden(family), 37);
        println!("{family}: relative error {error:.1e}");
        assert!(error < 1e-4, "{}: relative error {error}", path.display());
    }
}

#[test]
fn gpt2_matches_the_reference() {
    check("gpt2");
}

#[test]
fn gpt_bigcode_matches_the_reference() {
    check("gpt_bigcode");
}

#[test]
fn llama_with_scaled_rope_matches_the_reference() {
    check("llama");
}

#[test]
fn qwen2_matches_the_reference() {
    check("qwen2");
}

#[test]
fn qwen3_matches_the_reference() {
    check("qwen3");
}

#[test]
fn starcoder2_matches_the_reference() {
    check("starcoder2");
}

#[test]
fn the_fim_format_is_detected_by_special_tokens_and_name() {
    let mut model = Model::load(&folder("qwen2"), &Device::Cpu).expect("it loads");
    assert_eq!(model.fim_format().map(|format| format.name), Some("starcoder"));
    model.name = "Mellum 4b".into();
    let found = model.fim_format().map(|format| format.name);
    assert_eq!(found, Some("starcoder"), "a name without its tokens does not select a format");
}
