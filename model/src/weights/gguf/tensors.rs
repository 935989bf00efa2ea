//! The tensor list of a GGUF file, with every entry checked against the file's length and the other entries.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use super::cursor::Cursor;
use crate::weights::Fault;

/// Type, shape and location of a tensor.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) dtype: GgmlDType,
    /// Outermost dimension first, as everywhere in this crate; the file lists the innermost first.
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// Size of the smallest entry: name length, number of dimensions, type, offset.
pub(super) const MIN_TENSOR_ENTRY_BYTES: usize = 8 + 4 + 4 + 8;
const MAX_DIMENSIONS: u32 = 4;

/// Reads the tensor list at the cursor. `len` is the size of the whole file.
pub(super) fn read(
    cursor: &mut Cursor,
    count: usize,
    alignment: usize,
    len: usize,
) -> Result<HashMap<String, TensorInfo>, Fault> {
    let entries = (0..count).map(|_| TensorEntry::read(cursor, alignment)).collect::<Result<Vec<_>, _>>()?;
    let data = cursor.offset().next_multiple_of(alignment);
    let mut tensors = HashMap::with_capacity(count);
    for entry in entries {
        let name = entry.name.clone();
        if tensors.insert(name.clone(), entry.locate(data, len)?).is_some() {
            return Err(Fault::Malformed(format!("the tensor '{name}' occurs twice")));
        }
    }
    reject_overlaps(&tensors)?;
    Ok(tensors)
}

/// An entry of the tensor list.
struct TensorEntry {
    name: String,
    dtype: GgmlDType,
    shape: Vec<usize>,
    bytes: usize,
    offset: u64,
}

impl TensorEntry {
    fn read(cursor: &mut Cursor, alignment: usize) -> Result<Self, Fault> {
        let name = cursor.string()?.to_string();
        let wrong = |what: &str| Fault::Malformed(format!("the tensor '{name}' {what}"));
        let dimensions = cursor.u32()?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(wrong(&format!("has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(usize::try_from(cursor.u64()?).map_err(|_| wrong("is too large"))?);
        }
        shape.reverse();
        let kind = cursor.u32()?;
        let dtype = dtype(kind).ok_or_else(|| Fault::Unsupported(format!("type {kind} of the tensor '{name}'")))?;
        let bytes = tensor_bytes(dtype, &shape).ok_or_else(|| wrong(&format!("cannot have the shape {shape:?}")))?;
        let offset = cursor.u64()?;
        if !offset.is_multiple_of(alignment as u64) {
            return Err(wrong(&format!("has the offset {offset}, which is not a multiple of {alignment}")));
        }
        Ok(Self { name, dtype, shape, bytes, offset })
    }

    /// Resolves the entry to a range of the file. `data` is where the tensor data begins.
    fn locate(self, data: usize, len: usize) -> Result<TensorInfo, Fault> {
        let start = usize::try_from(self.offset).ok().and_then(|offset| offset.checked_add(data));
        match start.and_then(|start| Some(start..start.checked_add(self.bytes)?)) {
            Some(range) if range.end <= len => Ok(TensorInfo { dtype: self.dtype, shape: self.shape, range }),
            _ => Err(Fault::Malformed(format!(
                "the tensor '{}' of {} bytes extends past the end of the file ({len} bytes): the file may be truncated",
                self.name, self.bytes
            ))),
        }
    }
}

/// Maps a ggml type number to its type.
fn dtype(kind: u32) -> Option<GgmlDType> {
    Some(match kind {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

/// Size of a tensor in bytes, or `None` if the shape is empty, too large, or its rows are not whole blocks.
fn tensor_bytes(dtype: GgmlDType, shape: &[usize]) -> Option<usize> {
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
    if elements == 0 || !shape.last()?.is_multiple_of(dtype.block_size()) {
        return None;
    }
    (elements / dtype.block_size()).checked_mul(dtype.type_size())
}

/// Rejects tensors that overlap: a crafted file could use them to make a small file look huge.
fn reject_overlaps(tensors: &HashMap<String, TensorInfo>) -> Result<(), Fault> {
    let mut ranges: Vec<_> = tensors.iter().map(|(name, info)| (info.range.start, info.range.end, name)).collect();
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Fault::Malformed(format!("the tensors '{}' and '{}' overlap", pair[0].2, pair[1].2))),
    }
}
