//! The list of tensors: what each is and where it lies, checked against the file and against each other.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use super::cursor::Cursor;
use crate::weights::Fault;

/// A tensor in the file.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) dtype: GgmlDType,
    /// Outermost dimension first, as everywhere in this crate (the file has it the other way round).
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// Smallest entry: name length, number of dimensions, type, offset.
pub(super) const MIN_TENSOR_ENTRY_BYTES: usize = 8 + 4 + 4 + 8;
const MAX_DIMENSIONS: u32 = 4;

/// The list at the cursor, of a file of `len` bytes.
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
            return Err(Fault::Malformed(format!("the tensor '{name}' is there twice")));
        }
    }
    refuse_overlaps(&tensors)?;
    Ok(tensors)
}

/// A tensor as the list has it.
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
            return Err(wrong(&format!("lies at {offset}, which is no multiple of {alignment}")));
        }
        Ok(Self { name, dtype, shape, bytes, offset })
    }

    /// Where the tensor is, given where the tensors begin.
    fn locate(self, data: usize, len: usize) -> Result<TensorInfo, Fault> {
        let start = usize::try_from(self.offset).ok().and_then(|offset| offset.checked_add(data));
        match start.and_then(|start| Some(start..start.checked_add(self.bytes)?)) {
            Some(place) if place.end <= len => Ok(TensorInfo { dtype: self.dtype, shape: self.shape, range: place }),
            _ => Err(Fault::Malformed(format!(
                "the tensor '{}' of {} bytes reaches past the end of the file ({len} bytes); the file may be cut short",
                self.name, self.bytes
            ))),
        }
    }
}

/// The packing by its number in the file.
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

/// Bytes of a tensor; `None` where the shape is empty, too large, or its rows are no whole blocks.
fn tensor_bytes(dtype: GgmlDType, shape: &[usize]) -> Option<usize> {
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
    let whole = elements > 0 && shape.last()?.is_multiple_of(dtype.block_size());
    whole.then_some(elements / dtype.block_size())?.checked_mul(dtype.type_size())
}

/// No two tensors share a byte: an honest file has none, and a crafted one could make a small file look huge.
fn refuse_overlaps(tensors: &HashMap<String, TensorInfo>) -> Result<(), Fault> {
    let mut places: Vec<_> = tensors.iter().map(|(name, info)| (info.range.start, info.range.end, name)).collect();
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Fault::Malformed(format!("the tensors '{}' and '{}' overlap", pair[0].2, pair[1].2))),
    }
}
