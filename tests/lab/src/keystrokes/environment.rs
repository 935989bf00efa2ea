//! What a report was measured on and with, so that nobody compares what cannot be compared.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What holds for all runs of one call of `foretype bench keystrokes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BenchmarkEnvironment {
    /// The version of this executable.
    pub(super) foretype: String,
    /// What llama-server says of its version, and the arguments that were added to the usual ones.
    pub(super) llama_server: Option<String>,
    pub(super) llama_arguments: Vec<String>,
    /// The model's file, without its folder, and its bytes.
    pub(super) model: String,
    pub(super) model_bytes: u64,
    /// The processor's name, where the system tells it, and how many of it this process may use.
    pub(super) processor: Option<String>,
    pub(super) processors: usize,
    /// Which kernels Foretype chose.
    pub(super) instruction_set: String,
    /// Threads of each system.
    pub(super) threads: usize,
    /// Options of Foretype over those of the comparison.
    pub(super) options: Value,
    /// The typist.
    pub(super) speed: f64,
    pub(super) reaction_ms: u64,
    pub(super) shortest: usize,
}

impl BenchmarkEnvironment {
    /// In one line.
    pub(super) fn summary(&self) -> String {
        let peer = self.llama_server.as_deref().map(|version| format!(", llama-server {version}"));
        format!(
            "{}, {} threads on {} x {} ({} kernels), Foretype {}{}",
            self.model,
            self.threads,
            self.processors,
            self.processor.as_deref().unwrap_or("unknown processor"),
            self.instruction_set,
            self.foretype,
            peer.unwrap_or_default()
        )
    }
}

/// The names of what is not the same in all of them.
pub(super) fn differing_fields(settings: &[BenchmarkEnvironment]) -> Vec<String> {
    let all: Vec<Value> = settings.iter().filter_map(|setting| serde_json::to_value(setting).ok()).collect();
    let Some((Value::Object(first), rest)) = all.split_first() else { return Vec::new() };
    let differs = |name: &&String| rest.iter().any(|other| other[name.as_str()] != first[*name]);
    first.keys().filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let one = BenchmarkEnvironment { threads: 2, model: "a.gguf".into(), ..BenchmarkEnvironment::default() };
        let other = BenchmarkEnvironment { threads: 4, processor: Some("x".into()), ..one.clone() };
        assert_eq!(differing_fields(&[one.clone(), other]), ["processor", "threads"]);
        assert_eq!(differing_fields(&[one.clone(), one]), [""; 0]);
        assert_eq!(differing_fields(&[]), [""; 0]);
    }
}
