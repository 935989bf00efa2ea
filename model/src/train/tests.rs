//! Training against PyTorch, and resuming from checkpoints.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::network::{LoraConfig, TrainingMode};
use super::optimizer::{AdamW, Muon, OptimizerConfig};
use super::sample::PackedRow;
use super::schedule::{Decay, Schedule};
use super::{BaseModel, Precision, TrainError, Trainer, TrainingPlan, checkpoint};
use crate::Config;

fn qwen3() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/qwen3")
}

/// Losses of PyTorch (see `tests/golden/train.py`).
#[derive(serde::Deserialize)]
struct GoldenLosses {
    sequences: Vec<Vec<u32>>,
    losses: Vec<f64>,
    losses_bf16: Vec<f64>,
}

fn plan(mode: TrainingMode, optimizer: OptimizerConfig) -> TrainingPlan {
    let schedule = Schedule { steps: 10, warm_up: 0, decay: Decay::WarmDown(0.0), floor: 1.0 };
    let precision = Precision::F32;
    TrainingPlan { mode, optimizer, schedule, rows: 1, dropout: 0.0, recompute: false, precision, seed: 1 }
}

fn adam(rate: f64) -> OptimizerConfig {
    OptimizerConfig {
        adam: AdamW { rate, betas: (0.9, 0.95), eps: 1e-8, weight_decay: 0.1 },
        muon: None,
        clip: Some(1.0),
    }
}

/// A row with a segment for each sequence.
fn row(sequences: &[Vec<u32>]) -> PackedRow {
    let mut row = PackedRow { tokens: Vec::new(), targets: Vec::new(), segments: Vec::new() };
    for sequence in sequences {
        let start = row.tokens.len();
        row.tokens.extend(sequence);
        row.targets.extend(sequence[1..].iter().map(|token| Some(*token)).chain([None]));
        row.segments.push(start..row.tokens.len());
    }
    row
}

fn some_row(seed: u32) -> PackedRow {
    row(&[(0..20).map(|i| (i * 7 + seed) % 250).collect(), (0..9).map(|i| (i * 3 + seed) % 250).collect()])
}

/// Compares ten steps with those of PyTorch.
fn compare(precision: Precision, expected: impl Fn(&GoldenLosses) -> &[f64], tolerance: f64) {
    let text = std::fs::read_to_string(qwen3().join("training.json")).expect("a golden file");
    let golden: GoldenLosses = serde_json::from_str(&text).expect("train.py wrote it");
    let plan = TrainingPlan { precision, ..plan(TrainingMode::Full, adam(1e-3)) };
    let mut trainer = Trainer::new(&BaseModel::Pretrained(qwen3()), &plan, &Device::Cpu).expect("it loads");
    for expected in expected(&golden) {
        let step = trainer.step(&[row(&golden.sequences)]).expect("a step");
        assert!((step.loss - expected).abs() < tolerance, "step {}: {}, not {expected}", step.step, step.loss);
    }
}

#[test]
fn ten_steps_match_pytorch() {
    compare(Precision::F32, |golden| &golden.losses, 1e-4);
}

#[test]
fn ten_bf16_steps_match_pytorch_in_bf16() {
    // PyTorch rounds at other points. The f32 losses differ by up to 0.06.
    compare(Precision::Bf16, |golden| &golden.losses_bf16, 0.01);
}

#[test]
fn bf16_training_keeps_weights_in_f32() {
    let plan = TrainingPlan { precision: Precision::Bf16, ..plan(TrainingMode::Full, adam(1e-5)) };
    let mut trainer = Trainer::new(&BaseModel::Pretrained(qwen3()), &plan, &Device::Cpu).expect("it loads");
    let weights = |trainer: &Trainer| -> Vec<Vec<f32>> {
        let values = |parameter: &super::network::Parameter| parameter.var.flatten_all()?.to_vec1();
        trainer.network.parameters().iter().map(values).collect::<candle_core::Result<_>>().expect("32-bit floats")
    };
    let before = weights(&trainer);
    trainer.step(&[some_row(1)]).expect("a step");
    for (before, after) in before.iter().zip(weights(&trainer)) {
        // A change of 1e-5 is less than half of the spacing of bf16 values at 0.1.
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(changed * 10 > before.len() * 9, "{changed} of {}", before.len());
    }
}

#[test]
fn a_new_model_predicts_uniformly() {
    let config = Config::tiny();
    let guess = (config.vocab_size as f64).ln();
    let trainer = Trainer::new(&BaseModel::New(Box::new(config)), &plan(TrainingMode::Full, adam(1e-3)), &Device::Cpu);
    let loss = trainer.expect("a new model").held_out_loss(&[some_row(1)]).expect("a loss");
    assert!((loss - guess).abs() < 0.1, "{loss}, and a guess costs {guess}");
}

#[test]
fn every_mode_memorises_a_text() {
    let tiny = || BaseModel::New(Box::new(Config::tiny()));
    let lora = TrainingMode::Lora(LoraConfig { rank: 8, alpha: 16.0, dropout: 0.0 });
    let muon = OptimizerConfig { muon: Some(Muon::default()), ..adam(3e-3) };
    for (mode, optimizer, factor) in
        [(TrainingMode::Full, adam(3e-3), 0.5), (TrainingMode::Full, muon, 0.5), (lora, adam(1e-2), 0.8)]
    {
        let mut trainer = Trainer::new(&tiny(), &plan(mode, optimizer), &Device::Cpu).expect("a new model");
        let first = trainer.step(&[some_row(1)]).expect("a step").loss;
        let last = (0..40).map(|_| trainer.step(&[some_row(1)]).expect("a step").loss).last().expect("a loss");
        assert!(last < factor * first, "{first} to {last}");
    }
}

#[test]
fn a_resumed_run_has_the_same_losses() {
    let folder = tempfile::tempdir().expect("a folder");
    let lora = TrainingMode::Lora(LoraConfig { dropout: 0.1, ..LoraConfig::default() });
    let muon = OptimizerConfig { muon: Some(Muon::default()), ..adam(1e-3) };
    for (mode, optimizer, dropout) in [(TrainingMode::Full, muon, 0.1), (lora, adam(1e-3), 0.0)] {
        let plan = TrainingPlan { dropout, ..plan(mode, optimizer) };
        let new = || Trainer::new(&BaseModel::New(Box::new(Config::tiny())), &plan, &Device::Cpu).expect("a new model");
        let losses = |trainer: &mut Trainer, rows: std::ops::Range<u32>| -> Vec<f64> {
            rows.map(|seed| trainer.step(&[some_row(seed)]).expect("a step").loss).collect()
        };
        let mut whole = new();
        let expected = losses(&mut whole, 0..6);
        let mut first = new();
        losses(&mut first, 0..3);
        let saved = first.save(folder.path(), &3).expect("a checkpoint");
        let mut second = new();
        assert_eq!(second.restore::<u32>(&saved).expect("it was just written"), 3);
        assert_eq!(losses(&mut second, 3..6), expected[3..]);
    }
}

#[test]
fn the_newest_two_complete_checkpoints_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(TrainingMode::Full, adam(1e-3));
    let mut trainer =
        Trainer::new(&BaseModel::New(Box::new(Config::tiny())), &plan, &Device::Cpu).expect("a new model");
    for seed in 0..3 {
        trainer.step(&[some_row(seed)]).expect("a step");
        trainer.save(folder.path(), &()).expect("a checkpoint");
    }
    std::fs::create_dir(folder.path().join("unfinished")).expect("a folder");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["step-0000002", "step-0000003", "unfinished"]);
    assert_eq!(checkpoint::newest(folder.path()), Some(folder.path().join("step-0000003")));
}

#[test]
fn a_checkpoint_of_another_run_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let trainer = |config: Config| {
        Trainer::new(&BaseModel::New(Box::new(config)), &plan(TrainingMode::Full, adam(1e-3)), &Device::Cpu)
            .expect("a new model")
    };
    let saved = trainer(Config::tiny()).save(folder.path(), &()).expect("a checkpoint");
    let error = trainer(Config { vocab_size: 300, ..Config::tiny() }).restore::<()>(&saved).expect_err("another shape");
    assert!(matches!(error, TrainError::CheckpointMismatch { .. }), "{error}");
}

#[test]
fn a_non_finite_loss_changes_no_weight() {
    let plan = plan(TrainingMode::Full, adam(f64::INFINITY));
    let mut trainer =
        Trainer::new(&BaseModel::New(Box::new(Config::tiny())), &plan, &Device::Cpu).expect("a new model");
    trainer.step(&[some_row(1)]).expect("the first step sees good weights");
    let folder = tempfile::tempdir().expect("a folder");
    let before = std::fs::read(trainer.save(folder.path(), &()).expect("saved").join("weights.safetensors"));
    let error = trainer.step(&[some_row(2)]).expect_err("the weights are infinite");
    assert!(matches!(error, TrainError::NonFiniteLoss { step: 2 }), "{error}");
    let after = std::fs::read(trainer.save(folder.path(), &()).expect("saved").join("weights.safetensors"));
    assert_eq!(before.expect("a file"), after.expect("a file"));
}

#[test]
fn exported_adapters_match_peft_and_load_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let lora = TrainingMode::Lora(LoraConfig { rank: 4, alpha: 8.0, dropout: 0.0 });
    let mut trainer =
        Trainer::new(&BaseModel::Pretrained(qwen3()), &plan(lora, adam(1e-2)), &Device::Cpu).expect("it loads");
    trainer.step(&[some_row(1)]).expect("a step");
    trainer.export(folder.path(), "qwen3").expect("written");
    let read = |folder: &Path| {
        let weights = candle_core::safetensors::load(folder.join("adapter_model.safetensors"), &Device::Cpu);
        let mut shapes: Vec<_> =
            weights.expect("weights").into_iter().map(|(name, x)| (name, x.dims().to_vec())).collect();
        shapes.sort();
        let text = std::fs::read_to_string(folder.join("adapter_config.json")).expect("settings");
        (shapes, serde_json::from_str::<serde_json::Value>(&text).expect("JSON"))
    };
    let ((ours, settings), (theirs, reference)) = (read(folder.path()), read(&qwen3().join("adapter")));
    assert_eq!(ours, theirs);
    for key in ["peft_type", "task_type", "r", "bias", "fan_in_fan_out", "use_dora", "base_model_name_or_path"] {
        assert_eq!(settings[key], reference[key], "{key}");
    }
    let base = std::sync::Arc::new(crate::Model::load(&qwen3(), &Device::Cpu).expect("it loads"));
    base.with_adapter(folder.path()).expect("it was just written");
}

#[test]
fn an_exported_model_has_the_same_loss_when_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(TrainingMode::Full, adam(1e-3));
    let mut trainer =
        Trainer::new(&BaseModel::New(Box::new(Config::tiny())), &plan, &Device::Cpu).expect("a new model");
    trainer.step(&[some_row(1)]).expect("a step");
    trainer.export(folder.path(), "").expect("written");
    let again =
        Trainer::new(&BaseModel::Pretrained(folder.path().into()), &plan, &Device::Cpu).expect("it was just written");
    let (before, after) =
        (trainer.held_out_loss(&[some_row(2)]).expect("a loss"), again.held_out_loss(&[some_row(2)]).expect("a loss"));
    // The file stores weights in 16 bits.
    assert!((before - after).abs() < 0.05, "{before} and {after}");
}
