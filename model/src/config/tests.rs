//! Valid configurations, and malformed ones that must be rejected.

use serde_json::{Value, json};

use super::*;

fn llama() -> Value {
    json!({
        "model_type": "llama", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 96, "max_position_embeddings": 4096
    })
}

/// Checks the error for the Llama configuration after one field is changed; null removes the field.
fn check(field: &str, value: Value, fault: &str) {
    let mut json = llama();
    json[field] = value;
    let error = Config::from_hugging_face(&json).expect_err("a fault");
    assert_eq!(error.to_string(), fault);
}

#[test]
fn a_complete_configuration_is_read() {
    let config = Config::from_hugging_face(&llama()).expect("valid");
    assert_eq!((config.head_dim, config.query_width(), config.kv_width()), (16, 64, 32));
    assert_eq!(config.positions, Positions::Rotary { theta: 10_000.0, scaling: RopeScaling::None });
}

#[test]
fn missing_fields_are_named() {
    check("hidden_size", Value::Null, "the field 'hidden_size' is missing");
    check("model_type", Value::Null, "the field 'model_type' is missing");
}

#[test]
fn unsupported_values_are_rejected() {
    check("model_type", json!("mamba"), "the model type 'mamba' is not supported");
    check("hidden_act", json!("xielu"), "the activation 'xielu' is not supported");
    check("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0}), "the rope scaling 'yarn' is not supported");
}

#[test]
fn impossible_sizes_are_rejected() {
    check("num_hidden_layers", json!(u64::MAX), "the number of layers is zero or too large");
    check("num_attention_heads", json!(0), "the number of heads is zero or too large");
    check("hidden_size", json!(1u64 << 60), "the hidden size is zero or too large");
    check("vocab_size", json!(-1), "the field 'vocab_size' is not a size");
    check("num_key_value_heads", json!(3), "4 heads cannot share 3 KV heads");
    check("head_dim", json!(15), "rotary positions need an even head size, not 15");
    check("rope_theta", json!(0), "the rotary base is not a positive number");
    check("rope_scaling", json!({"type": "linear", "factor": 0.0}), "the rotary scaling gives no usable frequencies");
}

#[test]
fn other_json_documents_are_rejected() {
    for json in [json!([]), json!(null), json!("llama"), json!({})] {
        assert!(Config::from_hugging_face(&json).is_err());
    }
}

#[test]
fn a_sliding_window_bounds_the_context() {
    let mut json = llama();
    json["sliding_window"] = json!(1024);
    assert_eq!(Config::from_hugging_face(&json).expect("valid").context_length, 1024);
}

#[test]
fn linear_scaling_divides_every_frequency() {
    let mut json = llama();
    let plain = Config::from_hugging_face(&json).expect("valid").rope_frequencies().expect("rotary");
    json["rope_scaling"] = json!({"type": "linear", "factor": 4.0});
    let scaled = Config::from_hugging_face(&json).expect("valid").rope_frequencies().expect("rotary");
    assert!(plain.iter().zip(&scaled).all(|(plain, scaled)| (plain / 4.0 - scaled).abs() < 1e-7));
}
