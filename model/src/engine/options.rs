//! Engine options.

use crate::speculative::MAX_DRAFT_TOKENS;

/// Options of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Size limit of the prefix cache, in bytes. A single prompt may not need more than this.
    pub kv_bytes: usize,
    /// Threads of the kernels, including the engine's own; `None` for one per core. The first engine of a process sets
    /// this for all of them.
    pub threads: Option<usize>,
    /// Draft tokens to verify per candidate and step, at most; 0 turns speculative decoding off. The output does not
    /// depend on it.
    pub max_draft_tokens: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { kv_bytes: 512 << 20, threads: None, max_draft_tokens: MAX_DRAFT_TOKENS }
    }
}
