//! Metadata values of a GGUF file. Texts and arrays stay in the file; a value holds where they are.

use std::ops::Range;

use super::cursor::Cursor;
use crate::weights::Fault;

/// A metadata value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
    Flag(bool),
    Text(Range<usize>),
    Texts(Vec<Range<usize>>),
    /// Numbers of one scalar kind, packed.
    Numbers {
        kind: u32,
        bytes: Range<usize>,
    },
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a scalar kind.
fn width(kind: u32) -> Result<usize, Fault> {
    Ok(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return Err(Fault::Malformed(format!("a metadata value has the unknown type {kind}"))),
    })
}

impl Value {
    /// The value at the cursor.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self, Fault> {
        match cursor.u32()? {
            TEXT => Ok(Self::Text(cursor.text_range()?)),
            ARRAY => Self::read_array(cursor),
            kind => Self::read_scalar(cursor, kind),
        }
    }

    fn read_array(cursor: &mut Cursor) -> Result<Self, Fault> {
        match cursor.u32()? {
            TEXT => {
                let count = cursor.count(8, "texts in an array")?;
                (0..count).map(|_| cursor.text_range()).collect::<Result<_, _>>().map(Self::Texts)
            }
            ARRAY => Err(Fault::Unsupported("an array of arrays in the metadata".into())),
            kind => {
                let each = width(kind)?;
                let count = cursor.count(each, "numbers in an array")?;
                Ok(Self::Numbers { kind, bytes: cursor.run(count, each)? })
            }
        }
    }

    fn read_scalar(cursor: &mut Cursor, kind: u32) -> Result<Self, Fault> {
        let mut bytes = [0; 8];
        match width(kind)? {
            1 => bytes[..1].copy_from_slice(&cursor.array::<1>()?),
            2 => bytes[..2].copy_from_slice(&cursor.array::<2>()?),
            4 => bytes[..4].copy_from_slice(&cursor.array::<4>()?),
            _ => bytes = cursor.array()?,
        }
        Ok(scalar(kind, bytes))
    }

    /// The numbers of a packed array, given the file.
    pub(super) fn numbers(&self, file: &[u8]) -> Option<Vec<Self>> {
        let Self::Numbers { kind, bytes } = self else { return None };
        let each = width(*kind).ok()?;
        let read = |chunk: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..each].copy_from_slice(chunk);
            scalar(*kind, bytes)
        };
        Some(file[bytes.clone()].chunks_exact(each).map(read).collect())
    }
}

/// The scalar in the first bytes, little end first.
fn scalar(kind: u32, bytes: [u8; 8]) -> Value {
    let unsigned = u64::from_le_bytes(bytes);
    match kind {
        1 => Value::Integer((unsigned as i8).into()),
        3 => Value::Integer((unsigned as i16).into()),
        5 => Value::Integer((unsigned as i32).into()),
        11 => Value::Integer((unsigned as i64).into()),
        6 => Value::Float(f32::from_bits(unsigned as u32).into()),
        12 => Value::Float(f64::from_bits(unsigned)),
        7 => Value::Flag(unsigned != 0),
        _ => Value::Integer(unsigned.into()),
    }
}
