//! A Hugging Face directory as one GGUF file, which llama.cpp loads, too.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result as CandleResult, Tensor};

use super::names;
use super::source::interleaved_heads;
use crate::config::{Architecture, Config, Positions, RopeScaling};
use crate::tokenizer::written::vocabulary_metadata;
use crate::weights::merge::interleaved;
use crate::weights::opened::{self, Opened};
use crate::weights::{Fault, Kind, LoadError, Part, Slot, peft};

/// How the matrices of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// 16-bit floats.
    F16,
    /// 8 bits, a scale for 32 numbers.
    Q8_0,
    /// 4 bits, a scale and a minimum for 32 numbers.
    Q4_1,
}

impl Packing {
    fn dtype(self) -> GgmlDType {
        match self {
            Self::F16 => GgmlDType::F16,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4_1 => GgmlDType::Q4_1,
        }
    }
}

/// Writes the model of a Hugging Face directory as a GGUF file called `name`.
///
/// # Errors
/// If the model is of a kind that is not supported, or the file cannot be written; nothing is left there then.
pub fn convert(directory: &Path, output: &Path, name: &str, packing: Packing) -> Result<(), LoadError> {
    let opened = Opened::open(directory)?;
    let Opened::Directory(_, config, _) = &opened else {
        return Err(Fault::Unsupported("converting what is no Hugging Face directory".into()).within(directory));
    };
    let tokenizer = opened::json(&directory.join("tokenizer.json"))?;
    let mut metadata = metadata(config, name).map_err(|fault| fault.within(directory))?;
    metadata.extend(
        vocabulary_metadata(&tokenizer, config.vocab_size)
            .map_err(|fault| fault.within(&directory.join("tokenizer.json")))?,
    );
    let tensors = tensors(&opened, config, packing)?;
    let unfinished = output.with_extension("unfinished");
    let written = write(&unfinished, &metadata, &tensors)
        .map_err(|fault| fault.within(&unfinished))
        .and_then(|()| fs::rename(&unfinished, output).map_err(|error| Fault::Io(error).within(output)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn write(path: &Path, metadata: &[(String, Value)], tensors: &[(String, QTensor)]) -> Result<(), Fault> {
    let mut file = BufWriter::new(File::create(path)?);
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (&**key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (&**name, tensor)).collect();
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(file.into_inner().map_err(|error| error.into_error())?.sync_all()?)
}

/// What the file says of the model's shape.
fn metadata(config: &Config, name: &str) -> Result<Vec<(String, Value)>, Fault> {
    let architecture = match config.architecture {
        Architecture::Llama => "llama",
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        other => return Err(Fault::Unsupported(format!("writing a GGUF file of the family {other:?}"))),
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

/// All tensors with their names: matrices packed, vectors in full.
fn tensors(opened: &Opened, config: &Config, packing: Packing) -> Result<Vec<(String, QTensor)>, LoadError> {
    let source = opened.source(&Device::Cpu);
    let in_memory = |error| Fault::Tensor(error).within(Path::new("memory"));
    let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
    let mut matrices = vec![(Slot::Embedding, vocabulary, hidden)];
    matrices.extend((!config.tied).then_some((Slot::Output, vocabulary, hidden)));
    matrices.extend(peft::matrices(config));
    let mut tensors = Vec::new();
    for (slot, out, inner) in matrices {
        let weight = source.matrix(slot, out, inner)?.floats(&Device::Cpu).map_err(in_memory)?;
        let packed = pack(&paired(config, slot, &weight).map_err(in_memory)?, packing.dtype()).map_err(in_memory)?;
        tensors.push((names::name(slot, Kind::Weight), packed));
    }
    for (slot, kind, length) in vectors(config) {
        let vector = source.vector(slot, kind, length)?;
        let vector = paired(config, slot, &vector).and_then(|vector| QTensor::quantize(&vector, GgmlDType::F32));
        tensors.push((names::name(slot, kind), vector.map_err(in_memory)?));
    }
    Ok(tensors)
}

/// A matrix in a packing; in 16 bits where its rows are not whole blocks.
fn pack(weight: &Tensor, dtype: GgmlDType) -> CandleResult<QTensor> {
    let fits = weight.dim(1)?.is_multiple_of(dtype.block_size());
    QTensor::quantize(weight, if fits { dtype } else { GgmlDType::F16 })
}

/// With the rows of each head in the order of the file.
fn paired(config: &Config, slot: Slot, tensor: &Tensor) -> CandleResult<Tensor> {
    interleaved_heads(config, slot).map_or_else(|| Ok(tensor.clone()), |heads| interleaved(tensor, heads))
}

/// Norms and biases.
fn vectors(config: &Config) -> Vec<(Slot, Kind, usize)> {
    let (hidden, query, kv) = (config.hidden_size, config.query_width(), config.kv_width());
    let mut vectors = vec![(Slot::OutputNorm, Kind::Weight, hidden)];
    for index in 0..config.layers {
        let mut add = |part, kind, length| vectors.push((Slot::Layer(index, part), kind, length));
        add(Part::AttentionNorm, Kind::Weight, hidden);
        add(Part::MlpNorm, Kind::Weight, hidden);
        if config.qk_norm {
            add(Part::QueryNorm, Kind::Weight, config.head_dim);
            add(Part::KeyNorm, Kind::Weight, config.head_dim);
        }
        if config.qkv_bias {
            add(Part::Query, Kind::Bias, query);
            add(Part::Key, Kind::Bias, kv);
            add(Part::Value, Kind::Bias, kv);
        }
        if config.out_bias {
            add(Part::AttentionOut, Kind::Bias, hidden);
        }
        if config.mlp_bias {
            add(Part::Gate, Kind::Bias, config.intermediate_size);
            add(Part::Up, Kind::Bias, config.intermediate_size);
            add(Part::Down, Kind::Bias, hidden);
        }
    }
    vectors
}
