//! LoRA adapters in the format of PEFT: a directory with `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter adds `scale * B A` to matrices of a base model (LoRA, Hu et al. 2021). Adapters that cannot be applied
//! exactly (DoRA, fully trained modules, biases) are rejected.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use super::json::read_json;
use super::lora::LoraWeights;
use super::safetensors::names::tensor_names;
use super::{Fault, LayerTensor, LoadError, Slot, TensorKind};
use crate::config::{Architecture, Config};

/// Name of the configuration file in an adapter's directory.
pub(crate) const ADAPTER_CONFIG_FILE: &str = "adapter_config.json";
/// Name of the weights file in an adapter's directory.
pub(crate) const ADAPTER_WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// An adapter loaded from a PEFT directory.
pub(crate) struct PeftAdapter {
    /// The adapted matrices.
    pub(crate) matrices: Vec<(Slot, LoraWeights)>,
}

/// All matrices of a model's layers with their output and input widths. An adapter may add to any of them.
pub(crate) fn layer_matrices(config: &Config) -> Vec<(Slot, usize, usize)> {
    let (hidden, inner, query, kv) =
        (config.hidden_size, config.intermediate_size, config.query_width(), config.kv_width());
    let mut tensors = if config.fused_qkv {
        vec![(LayerTensor::FusedQkv, query + 2 * kv, hidden)]
    } else {
        vec![(LayerTensor::Query, query, hidden), (LayerTensor::Key, kv, hidden), (LayerTensor::Value, kv, hidden)]
    };
    if config.gated {
        tensors.push((LayerTensor::Gate, inner, hidden));
    }
    tensors.extend([
        (LayerTensor::AttentionOutput, hidden, query),
        (LayerTensor::Up, inner, hidden),
        (LayerTensor::Down, hidden, inner),
    ]);
    let in_layer =
        |index| tensors.clone().into_iter().map(move |(tensor, out, inner)| (Slot::Layer(index, tensor), out, inner));
    (0..config.layers).flat_map(in_layer).collect()
}

/// The module name of a matrix in a Hugging Face model, without `.weight`.
fn module_name(architecture: Architecture, slot: Slot) -> String {
    let mut names = tensor_names(architecture, slot, TensorKind::Weight);
    names.swap_remove(0).trim_end_matches(".weight").to_owned()
}

/// The names of an adapter's tensors A and B for a matrix.
pub(crate) fn lora_tensor_names(architecture: Architecture, slot: Slot) -> [String; 2] {
    let module = module_name(architecture, slot);
    ["A", "B"].map(|matrix| format!("base_model.model.{module}.lora_{matrix}.weight"))
}

/// The `adapter_config.json` of an adapter. `base` is the base model's name or path.
pub(crate) fn adapter_config(config: &Config, base: &str, rank: usize, alpha: f64, dropout: f64) -> Value {
    let mut modules: Vec<String> = layer_matrices(config)
        .into_iter()
        .map(|(slot, _, _)| module_name(config.architecture, slot).rsplit('.').next().unwrap_or_default().to_owned())
        .collect();
    modules.sort();
    modules.dedup();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": modules,
        "bias": "none",
        "fan_in_fan_out": config.architecture == Architecture::Gpt2,
        "use_rslora": false,
        "use_dora": false,
        "init_lora_weights": true,
        "inference_mode": true,
        "modules_to_save": null,
    })
}

impl PeftAdapter {
    /// Loads an adapter for a model of this shape.
    ///
    /// # Errors
    /// Fails if the adapter is of an unsupported kind, was made for another model, or is damaged.
    pub(crate) fn open(folder: &Path, config: &Config) -> Result<Self, LoadError> {
        let path = folder.join(ADAPTER_CONFIG_FILE);
        let settings = AdapterConfig::read(&read_json(&path)?).map_err(|fault| fault.in_file(&path))?;
        let path = folder.join(ADAPTER_WEIGHTS_FILE);
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu);
        let tensors = tensors.map_err(|e| Fault::Malformed(e.to_string()).in_file(&path))?;
        Self::assemble(&settings, tensors, config).map_err(|fault| fault.in_file(&path))
    }

    fn assemble(
        settings: &AdapterConfig,
        mut tensors: HashMap<String, Tensor>,
        config: &Config,
    ) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        for (slot, out, inner) in layer_matrices(config) {
            let [a_name, b_name] = lora_tensor_names(config.architecture, slot);
            let (a, b) = match (tensors.remove(&a_name), tensors.remove(&b_name)) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => continue,
                (None, _) => return Err(Fault::Missing(format!("the tensor '{a_name}'"))),
                (_, None) => return Err(Fault::Missing(format!("the tensor '{b_name}'"))),
            };
            let rank = settings.rank_for(&a_name);
            for (name, tensor, shape) in [(&a_name, &a, [rank, inner]), (&b_name, &b, [out, rank])] {
                if tensor.dims() != shape {
                    return Err(Fault::Malformed(format!(
                        "the tensor '{name}' has the shape {:?}, expected {shape:?}: the adapter was made for another \
                         model",
                        tensor.dims()
                    )));
                }
            }
            let scale = settings.scale_for(&a_name, rank);
            let (a, b) = (a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
            parts.push((slot, LoraWeights { a, b, scale }));
        }
        match (tensors.into_keys().min(), parts.is_empty()) {
            (Some(name), _) => Err(Fault::Unsupported(format!(
                "the tensor '{name}', which belongs to no matrix of this model (was the adapter made for another one?),"
            ))),
            (None, true) => Err(Fault::Malformed("the adapter is empty".into())),
            (None, false) => Ok(Self { matrices: parts }),
        }
    }

    /// The adapter's weights for a matrix, if it changes that one.
    pub(crate) fn weights_for(&self, slot: Slot) -> Option<&LoraWeights> {
        self.matrices.iter().find(|(other, _)| *other == slot).map(|(_, part)| part)
    }
}

/// The parsed `adapter_config.json`.
struct AdapterConfig {
    rank: usize,
    alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank` (rank-stabilised LoRA, Kalajdzievski 2023).
    rank_stabilized: bool,
    rank_pattern: HashMap<String, usize>,
    alpha_pattern: HashMap<String, f64>,
}

impl AdapterConfig {
    fn read(json: &Value) -> Result<Self, Fault> {
        let kind = json["peft_type"].as_str().unwrap_or("none");
        if kind != "LORA" {
            return Err(Fault::Unsupported(format!("an adapter of the kind {kind}")));
        }
        let on = |key: &str| !matches!(json[key], Value::Null | Value::Bool(false));
        let filled = |key: &str| on(key) && json[key].as_array().is_none_or(|list| !list.is_empty());
        for (wrong, what) in [
            (on("use_dora"), "DoRA"),
            (filled("modules_to_save"), "an adapter with fully trained modules (modules_to_save)"),
            (filled("trainable_token_indices"), "an adapter with trained tokens"),
            (json["bias"].as_str().is_some_and(|bias| bias != "none"), "an adapter with biases"),
        ] {
            if wrong {
                return Err(Fault::Unsupported(what.into()));
            }
        }
        let positive = |key: &str| json[key].as_f64().filter(|x| x.is_finite() && *x > 0.0);
        let missing = |key: &str| Fault::Missing(format!("a positive number '{key}'"));
        let rank = positive("r").ok_or_else(|| missing("r"))?;
        let alpha = positive("lora_alpha").ok_or_else(|| missing("lora_alpha"))?;
        let pattern = |key: &str| json[key].as_object().cloned().unwrap_or_default();
        let named_number = |(name, value): (String, Value)| Some((name, value.as_f64()?));
        Ok(Self {
            rank: rank as usize,
            alpha,
            rank_stabilized: on("use_rslora"),
            rank_pattern: pattern("rank_pattern")
                .into_iter()
                .filter_map(named_number)
                .map(|(n, x)| (n, x as usize))
                .collect(),
            alpha_pattern: pattern("alpha_pattern").into_iter().filter_map(named_number).collect(),
        })
    }

    fn rank_for(&self, name: &str) -> usize {
        pattern_value(&self.rank_pattern, name).unwrap_or(self.rank)
    }

    fn scale_for(&self, name: &str, rank: usize) -> f64 {
        let alpha = pattern_value(&self.alpha_pattern, name).unwrap_or(self.alpha);
        alpha / if self.rank_stabilized { (rank as f64).sqrt() } else { rank as f64 }
    }
}

/// The value whose key is a suffix of the tensor's module name.
fn pattern_value<T: Copy>(pattern: &HashMap<String, T>, name: &str) -> Option<T> {
    let module = name.trim_end_matches(".lora_A.weight");
    pattern.iter().find(|(key, _)| module == *key || module.ends_with(&format!(".{key}"))).map(|(_, value)| *value)
}
