//! Steps on the CPU agree with the reference implementations, up to the 16-bit KV cache.

use std::path::Path;

use candle_core::Device;

use super::{Logits, LogitsRequest};
use crate::healing::VocabularyIndex;
use crate::kv::{KvBatch, KvCache};
use crate::{Model, allocations};

const FAMILIES: [&str; 6] = ["gpt2", "gpt_bigcode", "llama", "qwen2", "qwen3", "starcoder2"];

/// Evaluates `tokens` in several steps and compares logits with those of the reference (`tests/golden/make.py`).
fn check(family: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family);
    let text = std::fs::read_to_string(folder.join("golden.json")).expect("the golden file is in the repository");
    let golden: serde_json::Value = serde_json::from_str(&text).expect("make.py wrote it");
    let tokens: Vec<u32> = serde_json::from_value(golden["tokens"].clone()).expect("token ids");
    let rows: Vec<usize> = serde_json::from_value(golden["rows"].clone()).expect("rows");
    let expected: Vec<Vec<f32>> = serde_json::from_value(golden["logits"].clone()).expect("logits");
    let model = Model::load(&folder, &Device::Cpu).expect("it loads");
    let (decoder, mut cache) = (&model.decoder, KvCache::new(model.decoder.config()));
    let largest = expected.iter().flatten().fold(0f32, |largest, logit| largest.max(logit.abs()));
    let cuts = [0, 1, 12, 37, tokens.len()];
    for range in cuts.windows(2).map(|cut| cut[0]..cut[1]) {
        let positions: Vec<u32> = range.clone().map(|position| position as u32).collect();
        let here: Vec<usize> = (0..rows.len()).filter(|i| range.contains(&rows[*i])).collect();
        let logits_rows: Vec<usize> = here.iter().map(|i| rows[*i] - range.start).collect();
        cache.reserve(range.len());
        let mut step = KvBatch::new(vec![(&mut cache, range.len())], decoder.config().heads);
        let mut logits = Logits::default();
        decoder
            .step(
                &tokens[range.clone()],
                &positions,
                LogitsRequest::all_full(&logits_rows),
                &mut step,
                &|| false,
                &mut logits,
            )
            .expect("a step");
        cache.commit(range.len());
        for (at, i) in here.into_iter().enumerate() {
            let row = logits.row(at);
            let pairs = row.values.iter().zip(&expected[i]);
            let error = pairs.map(|(got, want)| (got - want).abs()).fold(0f32, f32::max) / largest;
            assert!(error < 2e-3, "{family}, row {}: relative error {error}", rows[i]);
            let (id, logprob) = row.argmax.expect("no logit is NaN");
            let max = row.values.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = row.values.iter().map(|logit| f64::from(logit - max).exp()).sum();
            assert_eq!(row.values[id as usize], max, "{family}");
            assert!((f64::from(logprob) + sum.ln()).abs() < 1e-4, "{family}: {logprob} {}", -sum.ln());
        }
    }
}

#[test]
fn every_family_has_the_reference_logits() {
    for family in FAMILIES {
        check(family);
    }
}

#[test]
fn a_step_allocates_nothing_after_one_of_its_size() {
    let golden = FAMILIES.map(|family| format!("tests/golden/{family}"));
    let quantised = ["default/foretype-7m.gguf".to_owned()];
    for path in golden.iter().chain(&quantised) {
        let model = Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &Device::Cpu).expect("it loads");
        let (decoder, mut cache, mut logits) =
            (&model.decoder, KvCache::new(model.decoder.config()), Logits::default());
        let mut position = 0;
        // The first three steps make room for what the others request: the argmax or all logits, of one row and of
        // several.
        for (number, (rows, full)) in [(6, 0), (6, 6), (1, 1), (1, 0), (6, 6), (1, 1), (6, 0)].into_iter().enumerate() {
            let tokens: Vec<u32> = (0..rows as u32).map(|row| row + 1).collect();
            let positions: Vec<u32> = (position..position + rows as u32).collect();
            let logits_rows: Vec<usize> = (0..rows).collect();
            let request = LogitsRequest { rows: &logits_rows, full, argmax: rows - full };
            cache.reserve(rows);
            let mut step =
                KvBatch { single_threaded: true, ..KvBatch::new(vec![(&mut cache, rows)], decoder.config().heads) };
            let allocated = allocations::count_allocations(|| {
                decoder.step(&tokens, &positions, request, &mut step, &|| false, &mut logits).expect("a step");
            });
            cache.commit(rows);
            position += rows as u32;
            assert!(number < 3 || allocated == 0, "{path}: step {number} allocated {allocated} times");
        }
    }
}

/// Prints the median time of a step of one row by what it requests, in milliseconds. FORETYPE_MODEL names the model.
#[test]
#[ignore = "measures"]
fn output_costs() {
    let path = std::env::var("FORETYPE_MODEL").expect("FORETYPE_MODEL names a model");
    let model = Model::load(Path::new(&path), &Device::Cpu).expect("it loads");
    let (decoder, spelling) = (&model.decoder, VocabularyIndex::new(&model.tokenizer));
    let text = "fn total(values: &[f32]) -> f32 {\n    let mut sum = 0.0;\n    for value in values {\n        sum += value;\n    }\n   ";
    let tokens = model.tokenizer.encode(text);
    let (last, before) = tokens.split_last().expect("tokens");
    let positions: Vec<u32> = (0..tokens.len() as u32).collect();
    let mut cache = KvCache::new(decoder.config());
    cache.reserve(before.len());
    let mut step = KvBatch::new(vec![(&mut cache, before.len())], decoder.config().heads);
    let request = LogitsRequest::all_full(&[]);
    decoder
        .step(before, &positions[..before.len()], request, &mut step, &|| false, &mut Logits::default())
        .expect("a step");
    cache.commit(before.len());
    let mut logits = Logits::default();
    let unconstrained = [("all logits", 1, 0, ""), ("argmax", 0, 1, ""), ("hidden state", 0, 0, "")];
    let healing = [" ", " r", " re", " retur"].map(|text| ("argmax that spells", 0, 0, text));
    let mut times = vec![Vec::new(); unconstrained.len() + healing.len()];
    for _ in 0..41 {
        for ((_, full, argmax, text), times) in unconstrained.iter().chain(&healing).zip(&mut times) {
            cache.reserve(1);
            let mut step = KvBatch::new(vec![(&mut cache, 1)], decoder.config().heads);
            let request = LogitsRequest { rows: &[0], full: *full, argmax: *argmax };
            let started_at = std::time::Instant::now();
            decoder
                .step(&[*last], &positions[before.len()..], request, &mut step, &|| false, &mut logits)
                .expect("a step");
            if !text.is_empty() {
                let allowed = spelling.allowed_tokens(&model.tokenizer, text.as_bytes());
                assert!(!decoder.logits_of(&logits.row(0), &allowed, true).is_empty());
            }
            times.push(started_at.elapsed());
        }
    }
    for ((request, .., text), mut times) in unconstrained.iter().chain(&healing).zip(times) {
        times.sort();
        println!("{request} {text:?}: {:.2} ms", times[times.len() / 2].as_secs_f64() * 1e3);
    }
}

/// Prints the error of log-probabilities of the argmax that come from approximate logits, over some code.
/// FORETYPE_MODEL names the model.
#[test]
#[ignore = "measures"]
fn approximate_log_probability_errors() {
    let path = std::env::var("FORETYPE_MODEL").expect("FORETYPE_MODEL names a model");
    let model = Model::load(Path::new(&path), &Device::Cpu).expect("it loads");
    let (decoder, tokens) = (&model.decoder, model.tokenizer.encode(include_str!("logits.rs")));
    let (mut cache, mut logits) = (KvCache::new(decoder.config()), Logits::default());
    let mut differences = Vec::new();
    for (position, token) in (0u32..).zip(&tokens[..200]) {
        cache.reserve(1);
        let [exact, approximate] = [(1, 0), (0, 1)].map(|(full, argmax)| {
            let mut step = KvBatch::new(vec![(&mut cache, 1)], decoder.config().heads);
            let request = LogitsRequest { rows: &[0], full, argmax };
            decoder.step(&[*token], &[position], request, &mut step, &|| false, &mut logits).expect("a step");
            logits.row(0).argmax.expect("no logit is NaN")
        });
        cache.commit(1);
        assert_eq!(exact.0, approximate.0);
        differences.push(approximate.1 - exact.1);
    }
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    let max = differences.iter().fold(0f32, |max, difference| max.max(difference.abs()));
    println!("mean {mean:.6}, maximum {max:.6}");
}
