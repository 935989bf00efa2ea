//! Converts a Hugging Face directory to a GGUF file, which llama.cpp also loads.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result as CandleResult, Tensor};

use super::names;
use super::source::interleaved_heads;
use crate::config::{Architecture, Config, Positions, RopeScaling};
use crate::tokenizer::to_gguf::vocabulary_metadata;
use crate::weights::json::read_json;
use crate::weights::location::interleave_heads;
use crate::weights::model_files::ModelFiles;
use crate::weights::{Fault, LayerTensor, LoadError, Slot, TensorKind, peft};

/// Storage format of the matrices in a converted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// 16-bit floats.
    F16,
    /// 8-bit quants with one scale per 32 weights.
    Q8_0,
    /// 4-bit quants with one scale and one minimum per 32 weights.
    Q4_1,
}

impl WeightFormat {
    fn dtype(self) -> GgmlDType {
        match self {
            Self::F16 => GgmlDType::F16,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4_1 => GgmlDType::Q4_1,
        }
    }
}

/// Converts the model in a Hugging Face directory to the GGUF file `output`, with `name` as the model's name.
///
/// # Errors
/// Fails if the model is not supported or the file cannot be written; no partial file is left behind.
pub fn convert_to_gguf(directory: &Path, output: &Path, name: &str, packing: WeightFormat) -> Result<(), LoadError> {
    let opened = ModelFiles::open(directory)?;
    let ModelFiles::Directory(_, config, _) = &opened else {
        return Err(Fault::Unsupported("converting anything but a Hugging Face directory".into()).in_file(directory));
    };
    let tokenizer = read_json(&directory.join("tokenizer.json"))?;
    let mut metadata = metadata(config, name).map_err(|fault| fault.in_file(directory))?;
    metadata.extend(
        vocabulary_metadata(&tokenizer, config.vocab_size)
            .map_err(|fault| fault.in_file(&directory.join("tokenizer.json")))?,
    );
    let tensors = tensors(&opened, config, packing)?;
    let unfinished = output.with_extension("unfinished");
    let written = write_file(&unfinished, &metadata, &tensors)
        .map_err(|fault| fault.in_file(&unfinished))
        .and_then(|()| fs::rename(&unfinished, output).map_err(|error| Fault::Io(error).in_file(output)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn write_file(path: &Path, metadata: &[(String, Value)], tensors: &[(String, QTensor)]) -> Result<(), Fault> {
    let mut file = BufWriter::new(File::create(path)?);
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (&**key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (&**name, tensor)).collect();
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(file.into_inner().map_err(|error| error.into_error())?.sync_all()?)
}

/// Metadata that describes the model's shape.
fn metadata(config: &Config, name: &str) -> Result<Vec<(String, Value)>, Fault> {
    let architecture = match config.architecture {
        Architecture::Llama => "llama",
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        other => return Err(Fault::Unsupported(format!("writing a GGUF file of the architecture {other:?}"))),
    };
    let Positions::Rotary { theta, scaling: RopeScaling::None } = config.positions else {
        return Err(Fault::Unsupported("writing a GGUF file of a model with scaled positions".into()));
    };
    let size = |key: &str, value: usize| (format!("{architecture}.{key}"), Value::U32(value as u32));
    let float = |key: &str, value: f32| (format!("{architecture}.{key}"), Value::F32(value));
    Ok(vec![
        ("general.architecture".into(), Value::String(architecture.into())),
        ("general.name".into(), Value::String(name.into())),
        size("block_count", config.layers),
        size("context_length", config.context_length),
        size("embedding_length", config.hidden_size),
        size("feed_forward_length", config.intermediate_size),
        size("attention.head_count", config.heads),
        size("attention.head_count_kv", config.kv_heads),
        size("attention.key_length", config.head_dim),
        size("attention.value_length", config.head_dim),
        size("rope.dimension_count", config.head_dim),
        size("vocab_size", config.vocab_size),
        float("attention.layer_norm_rms_epsilon", config.norm_eps),
        float("rope.freq_base", theta as f32),
    ])
}

/// All tensors with their names: matrices in `format`, vectors in f32.
fn tensors(opened: &ModelFiles, config: &Config, packing: WeightFormat) -> Result<Vec<(String, QTensor)>, LoadError> {
    let source = opened.source(&Device::Cpu);
    let in_memory = |error| Fault::Tensor(error).in_file(Path::new("memory"));
    let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
    let mut matrices = vec![(Slot::Embedding, vocabulary, hidden)];
    if !config.tied_embeddings {
        matrices.push((Slot::Output, vocabulary, hidden));
    }
    matrices.extend(peft::layer_matrices(config));
    let mut tensors = Vec::new();
    for (slot, out, inner) in matrices {
        let weight = source.matrix(slot, out, inner)?.into_f32(&Device::Cpu).map_err(in_memory)?;
        let packed =
            quantize(&to_file_order(config, slot, &weight).map_err(in_memory)?, packing.dtype()).map_err(in_memory)?;
        tensors.push((names::tensor_name(slot, TensorKind::Weight), packed));
    }
    for (slot, kind, length) in vector_slots(config) {
        let vector = source.vector(slot, kind, length)?;
        let vector = to_file_order(config, slot, &vector).and_then(|vector| QTensor::quantize(&vector, GgmlDType::F32));
        tensors.push((names::tensor_name(slot, kind), vector.map_err(in_memory)?));
    }
    Ok(tensors)
}

/// Quantises a matrix, or stores it as f16 if its rows are not whole blocks.
fn quantize(weight: &Tensor, dtype: GgmlDType) -> CandleResult<QTensor> {
    let fits = weight.dim(1)?.is_multiple_of(dtype.block_size());
    QTensor::quantize(weight, if fits { dtype } else { GgmlDType::F16 })
}

/// Reorders the rows of each head as GGUF files store them.
fn to_file_order(config: &Config, slot: Slot, tensor: &Tensor) -> CandleResult<Tensor> {
    match interleaved_heads(config, slot) {
        Some(heads) => interleave_heads(tensor, heads),
        None => Ok(tensor.clone()),
    }
}

/// The slots of all norms and biases, with their lengths.
fn vector_slots(config: &Config) -> Vec<(Slot, TensorKind, usize)> {
    let (hidden, query, kv) = (config.hidden_size, config.query_width(), config.kv_width());
    let mut vectors = vec![(Slot::OutputNorm, TensorKind::Weight, hidden)];
    for index in 0..config.layers {
        let mut add = |part, kind, length| vectors.push((Slot::Layer(index, part), kind, length));
        add(LayerTensor::AttentionNorm, TensorKind::Weight, hidden);
        add(LayerTensor::MlpNorm, TensorKind::Weight, hidden);
        if config.qk_norm {
            add(LayerTensor::QueryNorm, TensorKind::Weight, config.head_dim);
            add(LayerTensor::KeyNorm, TensorKind::Weight, config.head_dim);
        }
        if config.qkv_bias {
            add(LayerTensor::Query, TensorKind::Bias, query);
            add(LayerTensor::Key, TensorKind::Bias, kv);
            add(LayerTensor::Value, TensorKind::Bias, kv);
        }
        if config.out_bias {
            add(LayerTensor::AttentionOutput, TensorKind::Bias, hidden);
        }
        if config.mlp_bias {
            add(LayerTensor::Gate, TensorKind::Bias, config.intermediate_size);
            add(LayerTensor::Up, TensorKind::Bias, config.intermediate_size);
            add(LayerTensor::Down, TensorKind::Bias, hidden);
        }
    }
    vectors
}
