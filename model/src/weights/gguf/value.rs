//! Metadata values of a GGUF file. Strings and number arrays stay in the file; a value holds their ranges.

use std::ops::Range;

use super::cursor::Cursor;
use crate::weights::Fault;

/// A metadata value.
#[derive(Debug, Clone)]
pub(super) enum MetadataValue {
    Integer(i128),
    Float(f64),
    Bool(bool),
    String(Range<usize>),
    Strings(Vec<Range<usize>>),
    /// A packed array of one scalar type.
    NumberArray {
        kind: u32,
        bytes: Range<usize>,
    },
}

const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;

/// Size in bytes of a scalar of this type.
fn scalar_bytes(kind: u32) -> Result<usize, Fault> {
    Ok(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return Err(Fault::Malformed(format!("a metadata value has the unknown type {kind}"))),
    })
}

impl MetadataValue {
    /// Reads the value at the cursor.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self, Fault> {
        match cursor.u32()? {
            TYPE_STRING => Ok(Self::String(cursor.string_range()?)),
            TYPE_ARRAY => Self::read_array(cursor),
            kind => Self::read_scalar(cursor, kind),
        }
    }

    fn read_array(cursor: &mut Cursor) -> Result<Self, Fault> {
        match cursor.u32()? {
            TYPE_STRING => {
                let count = cursor.count(8, "strings in an array")?;
                (0..count).map(|_| cursor.string_range()).collect::<Result<_, _>>().map(Self::Strings)
            }
            TYPE_ARRAY => Err(Fault::Unsupported("an array of arrays in the metadata".into())),
            kind => {
                let each = scalar_bytes(kind)?;
                let count = cursor.count(each, "numbers in an array")?;
                Ok(Self::NumberArray { kind, bytes: cursor.array_range(count, each)? })
            }
        }
    }

    fn read_scalar(cursor: &mut Cursor, kind: u32) -> Result<Self, Fault> {
        let mut bytes = [0; 8];
        match scalar_bytes(kind)? {
            1 => bytes[..1].copy_from_slice(&cursor.array::<1>()?),
            2 => bytes[..2].copy_from_slice(&cursor.array::<2>()?),
            4 => bytes[..4].copy_from_slice(&cursor.array::<4>()?),
            _ => bytes = cursor.array()?,
        }
        Ok(scalar(kind, bytes))
    }

    /// Unpacks a number array; `None` for any other value.
    pub(super) fn numbers(&self, file: &[u8]) -> Option<Vec<Self>> {
        let Self::NumberArray { kind, bytes } = self else { return None };
        let each = scalar_bytes(*kind).ok()?;
        let read = |chunk: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..each].copy_from_slice(chunk);
            scalar(*kind, bytes)
        };
        Some(file[bytes.clone()].chunks_exact(each).map(read).collect())
    }
}

/// Decodes the little-endian scalar in the first bytes.
fn scalar(kind: u32, bytes: [u8; 8]) -> MetadataValue {
    let unsigned = u64::from_le_bytes(bytes);
    match kind {
        1 => MetadataValue::Integer((unsigned as i8).into()),
        3 => MetadataValue::Integer((unsigned as i16).into()),
        5 => MetadataValue::Integer((unsigned as i32).into()),
        11 => MetadataValue::Integer((unsigned as i64).into()),
        6 => MetadataValue::Float(f32::from_bits(unsigned as u32).into()),
        12 => MetadataValue::Float(f64::from_bits(unsigned)),
        7 => MetadataValue::Bool(unsigned != 0),
        _ => MetadataValue::Integer(unsigned.into()),
    }
}
