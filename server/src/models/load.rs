//! Loads models onto a device and starts engines for them, as the configuration asks.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use foretype_model::{Device, Engine, EngineOptions, Model};

use crate::config::Config;

const NO_GPU: &str =
    "this device cannot be used: build with `--features cuda` or `--features metal`, or set device = \"cpu\"";

/// Loads the model at `path` onto the configured device, with the configured adapter.
///
/// # Errors
/// If the device, the model or the adapter cannot be used. The message says what to do.
pub(crate) fn load_model(path: &Path, config: &Config) -> Result<Arc<Model>> {
    with_adapter(load_base_model(path, config)?, config)
}

/// Loads the model at `path` onto the configured device, without an adapter.
///
/// # Errors
/// If the device or the model cannot be used.
pub(crate) fn load_base_model(path: &Path, config: &Config) -> Result<Arc<Model>> {
    let device = parse_device(&config.device.0)?;
    let model = Model::load(path, &device).with_context(|| format!("cannot use the model {}", path.display()))?;
    Ok(Arc::new(model))
}

/// Applies the configured adapter to a model, if there is one.
///
/// # Errors
/// If the adapter cannot be read or does not fit the model.
pub(crate) fn with_adapter(base: Arc<Model>, config: &Config) -> Result<Arc<Model>> {
    let Some(adapter) = &config.adapter else { return Ok(base) };
    let adapted = base.with_adapter(Path::new(adapter));
    Ok(Arc::new(adapted.with_context(|| format!("cannot use the adapter {adapter} with the model {}", base.name))?))
}

/// Starts an engine with the configured number of threads and KV cache size.
pub(crate) fn start_engine(model: Arc<Model>, config: &Config) -> Engine {
    let options = EngineOptions { kv_bytes: config.kv_bytes(), threads: config.threads, ..EngineOptions::default() };
    Engine::start(model, options)
}

/// Parses a device name: `cpu`, `cuda`, `cuda:N`, `metal` or `auto`, which means a GPU if this build supports one and
/// it works, and else the CPU.
///
/// # Errors
/// If the name is unknown, or the device cannot be used.
pub(crate) fn parse_device(name: &str) -> Result<Device> {
    let index = |rest: &str| rest.strip_prefix(':').unwrap_or("0").parse::<usize>();
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" if cfg!(feature = "cuda") => Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        "auto" if cfg!(feature = "metal") => Ok(Device::new_metal(0).unwrap_or(Device::Cpu)),
        "auto" => Ok(Device::Cpu),
        _ if name.starts_with("cuda") => Device::new_cuda(index(&name[4..])?).context(NO_GPU),
        _ if name.starts_with("metal") => Device::new_metal(index(&name[5..])?).context(NO_GPU),
        _ => bail!("there is no device {name:?}: use cpu, cuda, cuda:N, metal or auto"),
    }
}
