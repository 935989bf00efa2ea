//! A model with an adapter worked into its weights: a copy of its files in which the changed matrices are written over.
//!
//! A merged matrix has the type and the size of the one that it replaces, so everything else in the files stays as it was:
//! metadata, tokenizer, names. Quantised matrices are quantised again, which costs a little of their exactness; on top of the
//! model the adapter is exact.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Result as CandleResult, Tensor};

use super::model_files::ModelFiles;
use super::peft::{PeftAdapter, LoraWeights, layer_matrices};
use super::{Fault, LoadError, Slot};

/// Where a matrix lies.
pub(crate) struct MatrixLocation {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its bytes there.
    pub(crate) range: Range<usize>,
    pub(crate) dtype: GgmlDType,
    pub(crate) order: ElementOrder,
}

/// In which order a file has the numbers of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementOrder {
    /// Row after row.
    RowMajor,
    /// Column after column.
    ColumnMajor,
    /// The rows of so many heads each with halves interleaved.
    InterleavedHeads(usize),
}

/// Writes the model at `base` with the adapter at `adapter` worked in to `output`: a GGUF file for a GGUF file, a directory for a
/// directory.
///
/// # Errors
/// If either cannot be read, the adapter was made for another model, there is something at `output` already, or it cannot be
/// written; nothing is left there then.
pub fn merge_adapter(base: &Path, adapter: &Path, output: &Path) -> Result<(), LoadError> {
    let opened = ModelFiles::open(base)?;
    let adapter = PeftAdapter::open(adapter, opened.config())?;
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |error: std::io::Error| Fault::Io(error).in_file(&path)
    };
    if output.exists() {
        return Err(Fault::Malformed("there is something already: give another name".into()).in_file(output));
    }
    let unfinished = output.with_extension("unfinished");
    let merged = copy_model(base, &unfinished).map_err(at(&unfinished)).and_then(|()| {
        overwrite_matrices(&opened, &adapter, base, &unfinished)?;
        fs::rename(&unfinished, output).map_err(at(output))
    });
    if merged.is_err() {
        let _ = if unfinished.is_dir() { fs::remove_dir_all(&unfinished) } else { fs::remove_file(&unfinished) };
    }
    merged
}

/// Copies a file, or the files of a directory.
fn copy_model(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Writes the merged matrices over those of the copy.
fn overwrite_matrices(opened: &ModelFiles, adapter: &PeftAdapter, base: &Path, copy: &Path) -> Result<(), LoadError> {
    let source = opened.source(&Device::Cpu);
    for (slot, out, inner) in layer_matrices(opened.config()) {
        let Some(part) = adapter.weights_for(slot) else { continue };
        let place = opened.locate(slot)?;
        let path =
            if base.is_dir() { copy.join(place.path.file_name().unwrap_or_default()) } else { copy.to_path_buf() };
        let weight = source.matrix(slot, out, inner)?;
        let bytes = weight.to_f32(&Device::Cpu).and_then(|weight| part.merged(&weight)).and_then(|w| place.encode(&w));
        let bytes = bytes.map_err(|error| Fault::Tensor(error).in_file(&place.path))?;
        overwrite(&path, &place, slot, &bytes).map_err(|fault| fault.in_file(&path))?;
    }
    Ok(())
}

fn overwrite(path: &Path, place: &MatrixLocation, slot: Slot, bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() != place.range.len() {
        let (found, room) = (bytes.len(), place.range.len());
        return Err(Fault::Malformed(format!("{slot:?} takes {found} bytes where there are {room}")));
    }
    let mut file = File::options().write(true).open(path)?;
    file.seek(SeekFrom::Start(place.range.start as u64))?;
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

impl LoraWeights {
    /// A matrix with this addition.
    fn merged(&self, weight: &Tensor) -> CandleResult<Tensor> {
        weight + (self.b.matmul(&self.a)? * self.scale)?
    }
}

impl MatrixLocation {
    /// A matrix `[out, in]` as the file has it.
    fn encode(&self, weight: &Tensor) -> CandleResult<Vec<u8>> {
        let weight = match self.order {
            ElementOrder::RowMajor => weight.clone(),
            ElementOrder::ColumnMajor => weight.t()?.contiguous()?,
            ElementOrder::InterleavedHeads(heads) => interleave_heads(weight, heads)?,
        };
        let flat = weight.flatten_all()?;
        Ok(match self.dtype {
            GgmlDType::F32 => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
            GgmlDType::F16 => {
                let values = flat.to_dtype(DType::F16)?.to_vec1::<half::f16>()?;
                values.into_iter().flat_map(half::f16::to_le_bytes).collect()
            }
            GgmlDType::BF16 => {
                let values = flat.to_dtype(DType::BF16)?.to_vec1::<half::bf16>()?;
                values.into_iter().flat_map(half::bf16::to_le_bytes).collect()
            }
            dtype => QTensor::quantize(&weight, dtype)?.data()?.into_owned(),
        })
    }
}

/// The rows of each head in the order that pairs neighbours: row `j * dim/2 + i` goes to row `2i + j`.
pub(super) fn interleave_heads(weight: &Tensor, heads: usize) -> CandleResult<Tensor> {
    let rows = weight.dim(0)?;
    let dim = rows / heads;
    let from = (0..rows).map(|row| (row / dim * dim + row % 2 * (dim / 2) + row % dim / 2) as u32);
    weight.index_select(&Tensor::new(from.collect::<Vec<_>>(), weight.device())?, 0)
}
