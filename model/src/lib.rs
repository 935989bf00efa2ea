//! Tokens in, tokens out: the GPT line on the user's own CPU or GPU.
//!
//! This crate takes a [`Prompt`](foretype_plugins::Prompt), which is plain data, and gives text back. It knows tensors and
//! token ids; it knows no LSP, no async runtime and no editor. Weights are immutable and shared; the KV cache is an
//! argument of the forward pass and outlives the request, so that a keystroke costs the tokens that are new.

mod config;
mod decoder;
pub mod kernels;
mod linear;
mod model;
mod tokenizer;
mod weights;

pub use config::{Activation, Architecture, Config, Norm, Positions, RopeScaling};
pub use decoder::{Attend, Decoder, ForwardError};
pub use linear::{Bytes, Linear, Quantized};
pub use model::Model;
pub use tokenizer::Tokenizer;
pub use weights::{Fault, LoadError};
