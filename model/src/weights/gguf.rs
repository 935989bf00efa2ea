//! Memory-mapped GGUF files: header, metadata, and tensors as ranges of the file.
//!
//! The file is untrusted. Every count and size is checked against the file's length before anything is allocated for
//! it, every tensor lies at an aligned offset inside the file and overlaps no other, and no scale is infinite or NaN.
//! The format is specified in <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; versions 2 and 3 are
//! supported, little-endian only.

pub(crate) mod convert;
mod cursor;
mod metadata;
mod names;
pub(crate) mod source;
mod tensors;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::storage::Bytes;
use super::{Fault, LoadError};
use cursor::Cursor;
use tensors::TensorInfo;
use value::MetadataValue;

/// An open GGUF file whose header has been validated.
pub(crate) struct GgufFile {
    path: PathBuf,
    map: Arc<Mmap>,
    bytes: Bytes,
    values: HashMap<String, MetadataValue>,
    tensors: HashMap<String, TensorInfo>,
}

/// Size of the smallest metadata entry: the key's length, a type, and a one-byte value.
const MIN_METADATA_ENTRY_BYTES: usize = 8 + 4 + 1;

impl GgufFile {
    /// Maps a file and reads everything but the weights.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let read = || -> Result<Self, Fault> {
            let file = std::fs::File::open(path)?;
            // SAFETY: the map is only read. If another process truncates the file while it is in use, this one may be
            // killed by a bus error; that is the price of mapping, and the file is the user's own.
            let map = Arc::new(unsafe { Mmap::map(&file)? });
            Self::parse(path, map)
        };
        read().map_err(|fault| fault.in_file(path))
    }

    fn parse(path: &Path, map: Arc<Mmap>) -> Result<Self, Fault> {
        let mut cursor = Cursor::new(&map);
        let (tensor_count, value_count) = header(&mut cursor)?;
        let mut values = HashMap::with_capacity(value_count);
        for _ in 0..value_count {
            let key = cursor.string()?;
            let value = MetadataValue::read(&mut cursor)?;
            if values.insert(key.to_string(), value).is_some() {
                return Err(Fault::Malformed(format!("the key '{key}' occurs twice")));
            }
        }
        let alignment = alignment(&values)?;
        let tensors = tensors::read(&mut cursor, tensor_count, alignment, map.len())?;
        let bytes = Bytes::mapped(map.clone());
        Ok(Self { path: path.to_path_buf(), map, bytes, values, tensors })
    }

    /// Size of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// Returns true if the file has a tensor of this name.
    pub(crate) fn has_tensor(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// Looks up a tensor by name.
    fn tensor(&self, name: &str) -> Result<&TensorInfo, Fault> {
        self.tensors.get(name).ok_or_else(|| Fault::Missing(format!("the tensor '{name}'")))
    }

    /// Number of rows of a matrix.
    pub(crate) fn rows(&self, tensor: &str) -> Result<usize, Fault> {
        match self.tensor(tensor)?.shape[..] {
            [rows, _] => Ok(rows),
            ref other => Err(Fault::Malformed(format!("the tensor '{tensor}' has the shape {other:?}"))),
        }
    }
}

/// Reads the header: the number of tensors and the number of metadata entries.
fn header(cursor: &mut Cursor) -> Result<(usize, usize), Fault> {
    if cursor.array().ok() != Some(*b"GGUF") {
        return Err(Fault::Malformed("this is not a GGUF file".into()));
    }
    match cursor.u32()? {
        2 | 3 => {}
        version if version & 0xffff == 0 => return Err(Fault::Unsupported("a big-endian GGUF file".into())),
        version => return Err(Fault::Unsupported(format!("version {version} of GGUF"))),
    }
    let tensors = cursor.count(tensors::MIN_TENSOR_ENTRY_BYTES, "tensors")?;
    Ok((tensors, cursor.count(MIN_METADATA_ENTRY_BYTES, "metadata values")?))
}

/// Alignment of tensor data in bytes.
fn alignment(values: &HashMap<String, MetadataValue>) -> Result<usize, Fault> {
    match values.get("general.alignment") {
        None => Ok(32),
        Some(MetadataValue::Integer(n @ 8..=65_536)) if n.count_ones() == 1 => Ok(*n as usize),
        Some(_) => Err(Fault::Malformed("the alignment is not a power of two from 8 to 65536".into())),
    }
}
