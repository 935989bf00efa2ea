//! Tokens in, tokens out: the GPT line on the user's own CPU or GPU.
//!
//! This crate takes a [`Prompt`](foretype_plugins::Prompt), which is plain data, and gives text back. It knows tensors and
//! token ids; it knows no LSP, no async runtime and no editor. Weights are immutable and shared; the KV cache is an
//! argument of the forward pass and outlives the request, so that a keystroke costs the tokens that are new.

#[cfg(test)]
mod allocations;
mod attend;
mod cache;
mod chat;
mod config;
mod decoder;
mod draft;
mod engine;
pub mod evaluate;
pub mod git;
mod healing;
pub mod kernels;
mod kv;
mod linear;
mod model;
mod sampler;
pub mod score;
mod sequences;
mod tokenizer;
pub mod train;
mod weights;

pub use attend::Attend;
pub use candle_core::Device;
pub use chat::{ChatPrompt, ChatError};
pub use config::{Activation, Architecture, Config, Norm, Positions, RopeScaling};
pub use decoder::{Decoder, ForwardError};
pub use engine::{
    Engine, EngineOptions, EngineStatus, Event, FinishReason, Job, Priority, Ticket, TokenInfo, StopCondition, Usage,
};
pub use linear::Linear;
pub use model::{ModelInfo, Model};
pub use sampler::Sampling;
pub use tokenizer::Tokenizer;
pub use weights::gguf::write::{WeightFormat, convert_to_gguf};
pub use weights::merge::merge_adapter;
pub use weights::storage::{Bytes, QuantizedMatrix};
pub use weights::{Fault, LoadError};
