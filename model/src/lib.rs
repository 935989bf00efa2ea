//! Inference and training of GPT-style language models on the user's own CPU or GPU.
//!
//! [`Engine`] turns a [`Prompt`](foretype_plugins::Prompt), which is plain data, into text. The crate knows tensors and
//! token ids, but no LSP, no async runtime and no editor. Weights are immutable and shared. The KV cache is an argument
//! of the forward pass and outlives the request, so a keystroke only costs a prefill of the new tokens.

#[cfg(test)]
mod allocations;
mod attend;
mod cache_lm;
mod chat;
mod config;
mod decoder;
mod engine;
pub mod evaluate;
pub mod git;
mod healing;
pub mod kernels;
mod kv;
mod linear;
mod model;
mod prefix_cache;
mod sampler;
pub mod score;
mod speculative;
mod tokenizer;
pub mod train;
mod weights;

pub use attend::Attend;
pub use candle_core::Device;
pub use chat::{ChatError, ChatPrompt};
pub use config::{Activation, Architecture, Config, Norm, Positions, RopeScaling};
pub use decoder::{Decoder, ForwardError};
pub use engine::{
    Engine, EngineOptions, EngineStatus, Event, FinishReason, Job, Priority, StopCondition, Ticket, TokenInfo, Usage,
};
pub use model::{Model, ModelInfo};
pub use sampler::SamplingParams;
pub use tokenizer::Tokenizer;
pub use weights::gguf::convert::{WeightFormat, convert_to_gguf};
pub use weights::merge::merge_adapter;
pub use weights::{Fault, LoadError};
