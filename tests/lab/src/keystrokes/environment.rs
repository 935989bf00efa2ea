//! Environment of a benchmark, which shows whether two results can be compared.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::args::{self, Args};
use super::llama;
use crate::process;

/// Properties that all runs of one call of `foretype-lab keystrokes` share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BenchmarkEnvironment {
    /// Version of Foretype.
    pub(super) foretype: String,
    /// Version of llama-server, as it reports it.
    pub(super) llama_server: Option<String>,
    /// Arguments of `--llama-argument`.
    pub(super) llama_arguments: Vec<String>,
    /// File name of the model.
    pub(super) model: String,
    /// Size of the model's file.
    pub(super) model_bytes: u64,
    /// Name of the processor, if the system reports it.
    pub(super) processor: Option<String>,
    /// Number of processors that this process may use.
    pub(super) processors: usize,
    /// Instruction set of Foretype's kernels.
    pub(super) instruction_set: String,
    /// Threads of each system.
    pub(super) threads: usize,
    /// Options of `--options`.
    pub(super) options: Value,
    /// Factor of `--speed`.
    pub(super) speed: f64,
    /// Milliseconds before the typist accepts a suggestion.
    pub(super) reaction_ms: u64,
    /// Characters of the shortest suggestion that the typist accepts.
    pub(super) shortest: usize,
}

impl BenchmarkEnvironment {
    /// Looks up the environment that these arguments give on this machine.
    pub(super) fn detect(args: &Args, model: &Path) -> Result<Self> {
        let file = std::fs::metadata(model).with_context(|| format!("cannot read {}", model.display()))?;
        Ok(Self {
            foretype: env!("CARGO_PKG_VERSION").to_owned(),
            llama_server: args.llama_server.as_deref().map(llama::server::version).transpose()?,
            llama_arguments: args.llama_argument.clone(),
            model: model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            model_bytes: file.len(),
            processor: process::processor_name(),
            processors: args::available_processors(),
            instruction_set: foretype_model::kernels::isa().name().to_owned(),
            threads: args.thread_count(),
            options: args.options.clone(),
            speed: args.speed,
            reaction_ms: args.reaction_ms,
            shortest: args.shortest,
        })
    }

    /// Summary in one line.
    pub(super) fn summary(&self) -> String {
        let llama_server = self.llama_server.as_deref().map(|version| format!(", llama-server {version}"));
        format!(
            "{}, {} threads on {} x {} ({} kernels), Foretype {}{}",
            self.model,
            self.threads,
            self.processors,
            self.processor.as_deref().unwrap_or("unknown processor"),
            self.instruction_set,
            self.foretype,
            llama_server.unwrap_or_default()
        )
    }
}

/// Names of the fields that are not the same in all environments.
pub(super) fn differing_fields(environments: &[BenchmarkEnvironment]) -> Vec<String> {
    let all: Vec<Value> = environments.iter().filter_map(|it| serde_json::to_value(it).ok()).collect();
    let Some((Value::Object(first), rest)) = all.split_first() else { return Vec::new() };
    let differs = |name: &&String| rest.iter().any(|other| other[name.as_str()] != first[*name]);
    first.keys().filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_fields_are_named() {
        let one = BenchmarkEnvironment { threads: 2, model: "a.gguf".into(), ..BenchmarkEnvironment::default() };
        let other = BenchmarkEnvironment { threads: 4, processor: Some("x".into()), ..one.clone() };
        assert_eq!(differing_fields(&[one.clone(), other]), ["processor", "threads"]);
        assert_eq!(differing_fields(&[one.clone(), one]), [""; 0]);
        assert_eq!(differing_fields(&[]), [""; 0]);
    }
}
