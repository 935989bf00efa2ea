//! Merges an adapter into a copy of a model's files by overwriting the matrices that it changes.
//!
//! A merged matrix has the type and size of the one that it replaces, so everything else in the files (metadata,
//! tokenizer, names) stays as it is. Quantised matrices are quantised again, which loses some precision; an adapter
//! that is loaded on top of the model is exact.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use candle_core::Device;

use super::location::MatrixLocation;
use super::model_files::ModelFiles;
use super::peft::{PeftAdapter, layer_matrices};
use super::{Fault, LoadError, Slot};

/// Merges the adapter at `adapter` into the model at `base` and writes the result to `output`, in the format of `base`:
/// a GGUF file or a Hugging Face directory.
///
/// # Errors
/// Fails if the model or adapter cannot be read, if the adapter was made for another model, or if `output` already
/// exists or cannot be written; no partial output is left behind.
pub fn merge_adapter(base: &Path, adapter: &Path, output: &Path) -> Result<(), LoadError> {
    let files = ModelFiles::open(base)?;
    let adapter = PeftAdapter::open(adapter, files.config())?;
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |error: std::io::Error| Fault::Io(error).in_file(&path)
    };
    if output.exists() {
        return Err(Fault::Malformed("the output already exists: choose another name".into()).in_file(output));
    }
    let unfinished = output.with_extension("unfinished");
    let merged = copy_model(base, &unfinished).map_err(at(&unfinished)).and_then(|()| {
        overwrite_matrices(&files, &adapter, base, &unfinished)?;
        fs::rename(&unfinished, output).map_err(at(output))
    });
    if merged.is_err() {
        let _ = if unfinished.is_dir() { fs::remove_dir_all(&unfinished) } else { fs::remove_file(&unfinished) };
    }
    merged
}

/// Copies a GGUF file, or the files of a directory.
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

/// Overwrites the adapted matrices in a copy of the model.
fn overwrite_matrices(files: &ModelFiles, adapter: &PeftAdapter, base: &Path, copy: &Path) -> Result<(), LoadError> {
    let source = files.source(&Device::Cpu);
    for (slot, out, inner) in layer_matrices(files.config()) {
        let Some(lora) = adapter.weights_for(slot) else { continue };
        let location = files.locate(slot)?;
        let path =
            if base.is_dir() { copy.join(location.path.file_name().unwrap_or_default()) } else { copy.to_path_buf() };
        let weight = source.matrix(slot, out, inner)?;
        let bytes =
            weight.into_f32(&Device::Cpu).and_then(|weight| lora.apply_to(&weight)).and_then(|w| location.encode(&w));
        let bytes = bytes.map_err(|error| Fault::Tensor(error).in_file(&location.path))?;
        overwrite(&path, &location, slot, &bytes).map_err(|fault| fault.in_file(&path))?;
    }
    Ok(())
}

fn overwrite(path: &Path, location: &MatrixLocation, slot: Slot, bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() != location.range.len() {
        let (found, room) = (bytes.len(), location.range.len());
        return Err(Fault::Malformed(format!("{slot:?} takes {found} bytes, but the file has room for {room}")));
    }
    let mut file = File::options().write(true).open(path)?;
    file.seek(SeekFrom::Start(location.range.start as u64))?;
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}
