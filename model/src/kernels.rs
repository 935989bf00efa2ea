//! Kernels of the decoder. On the CPU they are our own; on other devices candle's operations run.
//!
//! Each kernel is written once over the operations of an instruction set (`simd`) and compiled for every set that the
//! architecture may have. The best set that the processor supports is chosen at run time ([`isa`]). A kernel computes
//! each row independently of the others, so results do not depend on the batch.

pub(crate) mod activations;
pub(crate) mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bandwidth;
pub(crate) mod block_format;
pub(crate) mod dense;
pub(crate) mod elementwise;
mod layout;
pub(crate) mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod packed;
pub(crate) mod pool;
mod portable;
mod product;
pub(crate) mod shared_buffer;
pub(crate) mod simd;
pub(crate) mod split_q8;
mod table;
pub(crate) mod tensor_ops;

pub use bandwidth::read_bandwidth;
pub use memory::trim_heap;
pub(crate) use pool::set_threads;
pub use table::{Isa, isa};
pub(crate) use table::{Kernels, kernels};
pub(crate) use tensor_ops::{RopeTable, layer_norm, rms_norm, rope, swiglu};

#[cfg(test)]
mod tests;
