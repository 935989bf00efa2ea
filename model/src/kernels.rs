//! The arithmetic under the decoder. On the CPU it is our own; on other devices it is candle's.
//!
//! Each kernel is written once, over what an instruction set can do (`simd`), and compiled for each set that this architecture may
//! have; which one runs is found out at run time ([`isa`]). Each treats every row alone.

pub(crate) mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod block_format;
pub(crate) mod dense;
pub(crate) mod activations;
mod layout;
pub(crate) mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod packed;
pub(crate) mod split_q8;
pub(crate) mod pool;
mod portable;
mod product;
pub(crate) mod elementwise;
pub(crate) mod shared_buffer;
pub(crate) mod simd;
pub(crate) mod tensor_ops;

use std::sync::OnceLock;

use block_format::Format;
pub use memory::{trim_heap, read_bandwidth};
pub use pool::set_threads;
use product::Products;
pub(crate) use tensor_ops::{RopeTable, layer_norm, rms_norm, rope, swiglu};

/// The instruction sets that kernels exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Any processor.
    Scalar,
    /// NEON with the dot product.
    Neon,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// The same with VNNI on 256 bits.
    AvxVnni,
    /// AVX512 with VNNI.
    Avx512Vnni,
}

impl Isa {
    /// The best last.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Neon, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The name that `FORETYPE_KERNELS` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
        }
    }

    /// Whether this processor has it.
    pub fn is_here(self) -> bool {
        self.kernels().is_some()
    }

    /// Its kernels, if this processor has it.
    #[cfg(target_arch = "x86_64")]
    fn kernels(self) -> Option<&'static Kernels> {
        let avx2 =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        let avx512 = || {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
        };
        match self {
            Self::Scalar => Some(&scalar_table::KERNELS),
            Self::Avx2 if avx2 => Some(&avx2_table::KERNELS),
            Self::AvxVnni if avx2 && is_x86_feature_detected!("avxvnni") => Some(&avxvnni_table::KERNELS),
            Self::Avx512Vnni if avx2 && avx512() => Some(&avx512_table::KERNELS),
            _ => None,
        }
    }

    /// Its kernels, if this processor has it.
    #[cfg(target_arch = "aarch64")]
    fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Self::Scalar => Some(&scalar_table::KERNELS),
            Self::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(&neon_table::KERNELS),
            _ => None,
        }
    }

    /// Its kernels, if this processor has it.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn kernels(self) -> Option<&'static Kernels> {
        (self == Self::Scalar).then_some(&scalar_table::KERNELS)
    }
}

/// The instruction set in use: the best that is here, or what `FORETYPE_KERNELS` names if that is here.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let named = std::env::var("FORETYPE_KERNELS").ok();
        let wanted = named.and_then(|name| Isa::ALL.into_iter().find(|isa| isa.name() == name && isa.is_here()));
        wanted.or_else(|| Isa::ALL.into_iter().rfind(|isa| isa.is_here())).unwrap_or(Isa::Scalar)
    })
}

/// The kernels in use.
pub(crate) fn kernels() -> &'static Kernels {
    isa().kernels().unwrap_or(&scalar_table::KERNELS)
}

/// The kernels of one instruction set. They may be called where the processor has it.
pub(crate) struct Kernels {
    pub(crate) quantise: elementwise::Quantise,
    pub(crate) rms_norm: elementwise::RmsNorm,
    pub(crate) layer_norm: elementwise::LayerNorm,
    pub(crate) silu: elementwise::Silu,
    pub(crate) bound: elementwise::Bound,
    pub(crate) log_sum: elementwise::LogSum,
    pub(crate) to_halves: elementwise::ToHalves,
    pub(crate) read: elementwise::Read,
    pub(crate) dot: dense::Dot,
    pub(crate) attend_block: attention::AttendBlock,
    /// By layout: bits and span.
    packed: [(usize, usize, Products); 6],
    /// For numbers of eight bits in two planes.
    pub(crate) planes: Products,
}

impl Kernels {
    /// The products for numbers as a format packs them.
    pub(crate) fn products(&self, format: &Format) -> Products {
        let found = self.packed.iter().find(|it| (it.0, it.1) == (format.bits, format.span));
        found.unwrap_or(&self.packed[0]).2
    }
}

/// A table of kernels: each is compiled for the features of its set.
macro_rules! table {
    ($name:ident, $set:ty, $(#[$features:meta])*) => {
        mod $name {
            use std::ops::Range;

            use half::f16;

            use super::attention::{self, Keys, Partial};
            use super::layout::{Bytes, Layout, Nibbles, Planes, Wide};
            use super::memory::Line;
            use super::product::{self, Panel, Product, Products, Rows, Widen};
            use super::simd::{PANEL, Simd};
            use super::{Kernels, dense, elementwise};

            type Set = $set;

            $(#[$features])*
            unsafe fn product<L: Layout>(panel: Panel, rows: Rows, row: usize, result: &mut [[f32; PANEL]]) {
                // SAFETY: the caller's.
                unsafe { product::product::<Set, L>(panel, rows, row, result) }
            }

            $(#[$features])*
            unsafe fn widen<L: Layout>(panel: Panel, wide: *mut u8) {
                // SAFETY: the caller's.
                unsafe { product::widen::<Set, L>(panel, wide) }
            }

            $(#[$features])*
            unsafe fn quantise(x: &[f32], numbers: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
                // SAFETY: the caller's.
                unsafe { elementwise::quantise::<Set>(x, numbers, scales, sums) }
            }

            $(#[$features])*
            unsafe fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
                // SAFETY: the caller's.
                unsafe { elementwise::rms_norm::<Set>(x, weight, eps, out) }
            }

            $(#[$features])*
            unsafe fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
                // SAFETY: the caller's.
                unsafe { elementwise::layer_norm::<Set>(x, weight, bias, eps, out) }
            }

            $(#[$features])*
            unsafe fn silu(gate: &mut [f32], up: &[f32]) {
                // SAFETY: the caller's.
                unsafe { elementwise::silu::<Set>(gate, up) }
            }

            $(#[$features])*
            unsafe fn bound(values: &[f32], errors: &[f32], by: f32) -> f32 {
                // SAFETY: the caller's.
                unsafe { elementwise::bound::<Set>(values, errors, by) }
            }

            $(#[$features])*
            unsafe fn log_sum(x: &[f32]) -> (f32, f32) {
                // SAFETY: the caller's.
                unsafe { elementwise::log_sum::<Set>(x) }
            }

            $(#[$features])*
            unsafe fn attend_block(
                q: &[f32],
                keys: Keys,
                positions: Range<usize>,
                scores: &mut Vec<f32>,
                out: &mut Partial,
            ) {
                // SAFETY: the caller's.
                unsafe { attention::attend_block::<Set>(q, keys, positions, scores, out) }
            }

            $(#[$features])*
            unsafe fn to_halves(x: &[f32], halves: &mut [f16]) {
                // SAFETY: the caller's.
                unsafe { elementwise::to_halves::<Set>(x, halves) }
            }

            $(#[$features])*
            unsafe fn read(lines: &[Line]) -> i32 {
                // SAFETY: the caller's.
                unsafe { elementwise::read::<Set>(lines) }
            }

            $(#[$features])*
            unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
                // SAFETY: the caller's.
                unsafe { dense::dot::<Set>(a, b) }
            }

            const fn packed<L: Layout>() -> (usize, usize, Products) {
                let wide = <Set as Simd>::UNPACKS_FOR_BATCHES && L::BITS > 4 && L::BITS < 8;
                let wide = if wide { Some((widen::<L> as Widen, product::<Wide<L>> as Product)) } else { None };
                (L::BITS, L::SPAN, Products { product: product::<L>, wide })
            }

            pub(super) static KERNELS: Kernels = Kernels {
                quantise,
                rms_norm,
                layer_norm,
                silu,
                bound,
                log_sum,
                to_halves,
                read,
                dot,
                attend_block,
                packed: [
                    packed::<Bytes<32>>(),
                    packed::<Bytes<16>>(),
                    packed::<Nibbles<32, 0>>(),
                    packed::<Nibbles<16, 0>>(),
                    packed::<Nibbles<32, 1>>(),
                    packed::<Nibbles<16, 2>>(),
                ],
                planes: Products { product: product::<Planes>, wide: None },
            };
        }
    };
}

table!(scalar_table, super::portable::Portable,);
#[cfg(target_arch = "x86_64")]
table!(avx2_table, super::avx2::Avx2<super::avx2::Plain>, #[target_feature(enable = "avx2,fma,f16c")]);
#[cfg(target_arch = "x86_64")]
table!(avxvnni_table, super::avx2::Avx2<super::avx2::Vnni>, #[target_feature(enable = "avx2,fma,f16c,avxvnni")]);
#[cfg(target_arch = "x86_64")]
table!(avx512_table, super::avx512::Avx512, #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]);
#[cfg(target_arch = "aarch64")]
table!(neon_table, super::neon::Neon, #[target_feature(enable = "neon,dotprod")]);

#[cfg(test)]
mod tests;
