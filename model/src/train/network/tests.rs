//! The network against the reference implementation, and gradients against finite differences.

use std::path::{Path, PathBuf};

use std::ops::Range;

use super::*;
use crate::config::{Activation, Architecture, Norm, RopeScaling};
use crate::decoder::RandomWeights;
use crate::train::gradients::{Gradients, PassOptions};
use crate::weights::model_files::ModelFiles;

const SEGMENTS: [Range<usize>; 2] = [0..7, 7..12];

/// Output of the reference implementation (see `tests/golden/make.py`).
#[derive(serde::Deserialize)]
struct GoldenLogits {
    tokens: Vec<u32>,
    rows: Vec<usize>,
    logits: Vec<Vec<f32>>,
}

fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family)
}

/// A few small configurations that together cover every feature.
fn shapes() -> Vec<Config> {
    let tiny = Config {
        vocab_size: 24,
        hidden_size: 16,
        heads: 2,
        kv_heads: 1,
        head_dim: 8,
        intermediate_size: 24,
        ..Config::tiny()
    };
    let learned = Config {
        architecture: Architecture::Gpt2,
        norm: Norm::Layer,
        positions: Positions::Learned,
        activation: Activation::GeluTanh,
        gated: false,
        fused_qkv: true,
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        context_length: 16,
        ..tiny.clone()
    };
    let qwen3 = Config { architecture: Architecture::Qwen3, qk_norm: true, tied_embeddings: false, ..tiny.clone() };
    let scaled = Positions::Rotary { theta: 100.0, scaling: RopeScaling::Linear { factor: 2.0 } };
    vec![Config { positions: scaled, qkv_bias: true, ..tiny }, learned, qwen3]
}

fn network(config: &Config, mode: &TrainingMode) -> Network {
    network_in(Precision::F32, config, mode)
}

fn network_in(precision: Precision, config: &Config, mode: &TrainingMode) -> Network {
    Network::load(config, &RandomWeights { seed: 5 }, mode, precision, 11, &Device::Cpu).expect("random weights fit")
}

fn tokens(config: &Config) -> Vec<u32> {
    (0..12).map(|i| (i * 7 + 3) % config.vocab_size as u32).collect()
}

fn targets(config: &Config) -> Vec<Option<u32>> {
    let target = |i: u32| if i % 5 == 2 { None } else { Some((i * 5 + 1) % config.vocab_size as u32) };
    (0..12).map(target).collect()
}

/// Loss and gradients for a batch of two segments.
fn pass(network: &Network, recompute: bool) -> (f64, Gradients) {
    pass_with(network, recompute, None)
}

fn pass_with(network: &Network, recompute: bool, dropout: Option<Dropout>) -> (f64, Gradients) {
    let (tokens, targets) = (tokens(network.config()), targets(network.config()));
    let batch = TrainBatch { tokens: &tokens, segments: &SEGMENTS };
    let mut gradients = Gradients::new(network);
    let pass = PassOptions { scale: 1.0, dropout, recompute };
    let loss = gradients.add(network, &batch, &targets, pass).expect("the shapes fit");
    (loss, gradients)
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("32-bit floats")
}

#[test]
fn every_family_has_the_logits_of_the_reference() {
    for family in ["gpt2", "gpt_bigcode", "llama", "qwen2", "qwen3", "starcoder2"] {
        let text = std::fs::read_to_string(folder(family).join("golden.json")).expect("a golden file");
        let golden: GoldenLogits = serde_json::from_str(&text).expect("make.py wrote it");
        let opened = ModelFiles::open(&folder(family)).expect("it opens");
        let (source, precision) = (opened.source(&Device::Cpu), Precision::F32);
        let network = Network::load(opened.config(), &*source, &TrainingMode::Full, precision, 0, &Device::Cpu);
        let network = network.expect("it loads");
        let all = 0..golden.tokens.len();
        let batch = TrainBatch { tokens: &golden.tokens, segments: std::slice::from_ref(&all) };
        let logits: Vec<Vec<f32>> = network.logits(&batch).and_then(|x| x.to_vec2()).expect("logits");
        let largest = golden.logits.iter().flatten().fold(0f32, |most, x| most.max(x.abs()));
        for (row, expected) in golden.rows.iter().zip(&golden.logits) {
            let wrong = logits[*row].iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(wrong / largest < 1e-4, "{family}, row {row}: {wrong}");
        }
    }
}

#[test]
fn segments_are_independent() {
    for config in shapes() {
        let (network, tokens) = (network(&config, &TrainingMode::Full), tokens(&config));
        let together = network.logits(&TrainBatch { tokens: &tokens, segments: &SEGMENTS }).expect("logits");
        for segment in SEGMENTS {
            let own = 0..segment.len();
            let batch = TrainBatch { tokens: &tokens[segment.clone()], segments: std::slice::from_ref(&own) };
            let alone = numbers(&network.logits(&batch).expect("logits"));
            let part = numbers(&together.narrow(0, segment.start, segment.len()).expect("inside"));
            assert!(alone.iter().zip(part).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}

/// Compares the gradient of each parameter along a random direction with the difference quotient of the loss.
fn check_gradients(config: &Config, mode: &TrainingMode) {
    let network = network(config, mode);
    if matches!(mode, TrainingMode::Lora(_)) {
        // A matrix B of zeros would make the gradient of A zero.
        for (seed, parameter) in (0..).zip(network.parameters()) {
            let mut random = foretype_plugins::random::Random::new(seed);
            let values: Vec<f32> = (0..parameter.var.elem_count()).map(|_| random.unit() as f32 - 0.5).collect();
            let value = Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu).expect("a tensor");
            parameter.var.set(&value).expect("the same shape");
        }
    }
    let (_, gradients) = pass(&network, false);
    for (at, parameter) in network.parameters().iter().enumerate() {
        let gradient =
            numbers(gradients.gradient(at).unwrap_or_else(|| panic!("{:?} has no gradient", parameter.role)));
        let mut random = foretype_plugins::random::Random::new(at as u64);
        let direction: Vec<f32> = gradient.iter().map(|_| if random.happens(0.5) { 1.0 } else { -1.0 }).collect();
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let (before, step) = (numbers(parameter.var.as_tensor()), 1e-3f32 / (gradient.len() as f32).sqrt());
        let loss = |sign: f32| {
            let moved: Vec<f32> = before.iter().zip(&direction).map(|(w, d)| w + sign * step * d).collect();
            let moved = Tensor::from_vec(moved, parameter.var.shape(), &Device::Cpu).expect("a tensor");
            parameter.var.set(&moved).expect("the same shape");
            pass(&network, false).0
        };
        let found = (loss(1.0) - loss(-1.0)) / (2.0 * f64::from(step));
        let value = Tensor::from_vec(before.clone(), parameter.var.shape(), &Device::Cpu).expect("a tensor");
        parameter.var.set(&value).expect("the same shape");
        let size = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
        assert!(size > 0.0, "{:?} has a gradient of zero", parameter.role);
        assert!(
            (found - expected).abs() < 0.02 * size.max(expected.abs()) + 2e-3,
            "{:?}: {found}, not {expected}",
            parameter.role
        );
    }
}

#[test]
fn gradients_of_all_parameters_match_finite_differences() {
    for config in shapes() {
        check_gradients(&config, &TrainingMode::Full);
    }
}

#[test]
fn gradients_of_all_adapters_match_finite_differences() {
    for config in shapes() {
        check_gradients(&config, &TrainingMode::Lora(LoraConfig { rank: 3, alpha: 6.0, dropout: 0.0 }));
    }
}

#[test]
fn bf16_gradients_point_in_the_same_direction_as_f32() {
    for config in shapes() {
        for mode in [TrainingMode::Full, TrainingMode::Lora(LoraConfig::default())] {
            let [low, full] = [Precision::Bf16, Precision::F32].map(|precision| network_in(precision, &config, &mode));
            let ((loss, low), (expected, of_full)) = (pass(&low, false), pass(&full, false));
            assert!((loss - expected).abs() < 0.01 * expected, "{loss}, not {expected}");
            for (at, parameter) in full.parameters().iter().enumerate() {
                let [a, b] = [&low, &of_full].map(|gradients| numbers(gradients.gradient(at).expect("a gradient")));
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
                let (alike, size) = (dot(&a, &b), (dot(&a, &a) * dot(&b, &b)).sqrt());
                assert!(alike >= 0.99 * size && (size > 0.0) == (dot(&b, &b) > 0.0), "{:?}", parameter.role);
            }
        }
    }
}

#[test]
fn recomputing_layers_changes_no_gradient() {
    for config in shapes() {
        for mode in [TrainingMode::Full, TrainingMode::Lora(LoraConfig::default())] {
            let network = network(&config, &mode);
            let ((loss, at_once), (same_loss, by_layer)) = (pass(&network, false), pass(&network, true));
            assert!((loss - same_loss).abs() < 1e-5 * loss, "{loss} and {same_loss}");
            for at in 0..network.parameters().len() {
                let (a, b) = (at_once.gradient(at).map(numbers), by_layer.gradient(at).map(numbers));
                let (a, b) = (a.expect("a gradient"), b.expect("a gradient"));
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs().max(1.0)));
            }
        }
    }
}

#[test]
fn dropout_depends_on_the_seed_and_survives_recomputation() {
    for config in shapes() {
        let network = network(&config, &TrainingMode::Full);
        let loss = |recompute, seed, residual| pass_with(&network, recompute, Some(Dropout { seed, residual })).0;
        assert_eq!(loss(false, 1, 0.0), pass(&network, false).0);
        assert!((loss(false, 1, 0.3) - loss(true, 1, 0.3)).abs() < 1e-4);
        assert!(loss(false, 1, 0.3) != loss(false, 2, 0.3) && loss(false, 1, 0.3) != loss(false, 1, 0.0));
    }
}

#[test]
fn a_new_adapter_changes_nothing() {
    for config in shapes() {
        let tokens = tokens(&config);
        let batch = TrainBatch { tokens: &tokens, segments: &SEGMENTS };
        let plain = numbers(&network(&config, &TrainingMode::Full).logits(&batch).expect("logits"));
        let adapted =
            numbers(&network(&config, &TrainingMode::Lora(LoraConfig::default())).logits(&batch).expect("logits"));
        assert!(plain.iter().zip(adapted).all(|(a, b)| (a - b).abs() < 1e-5 * a.abs().max(1.0)));
    }
}
