//! Tables of kernels, one per instruction set, and the choice of the set at run time.

use std::sync::OnceLock;

use super::block_format::BlockFormat;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::product::Microkernels;
use super::{attention, elementwise, layout, memory, portable, product, simd};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Instruction set that kernels are compiled for.
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
    /// All sets, the best last.
    pub(crate) const ALL: [Self; 5] = [Self::Scalar, Self::Neon, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// Name of the set in `FORETYPE_KERNELS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
        }
    }

    /// Returns true if this processor supports the set.
    pub(crate) fn is_supported(self) -> bool {
        self.kernels().is_some()
    }

    /// Kernels of the set; `None` if this processor does not support it.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn kernels(self) -> Option<&'static Kernels> {
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

    /// Kernels of the set; `None` if this processor does not support it.
    #[cfg(target_arch = "aarch64")]
    pub(super) fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Self::Scalar => Some(&scalar_table::KERNELS),
            Self::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(&neon_table::KERNELS),
            _ => None,
        }
    }

    /// Kernels of the set; `None` if this processor does not support it.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn kernels(self) -> Option<&'static Kernels> {
        if self == Self::Scalar { Some(&scalar_table::KERNELS) } else { None }
    }
}

/// Instruction set in use: the one that `FORETYPE_KERNELS` names if it is supported, else the best supported one.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let mut supported = Isa::ALL.into_iter().filter(|isa| isa.is_supported());
        if let Ok(name) = std::env::var("FORETYPE_KERNELS")
            && let Some(named) = supported.clone().find(|isa| isa.name() == name)
        {
            return named;
        }
        supported.next_back().unwrap_or(Isa::Scalar)
    })
}

/// Kernels of the instruction set in use.
pub(crate) fn kernels() -> &'static Kernels {
    isa().kernels().unwrap_or(&scalar_table::KERNELS)
}

/// Kernels compiled for one instruction set. They may be called only if the processor supports it.
pub(crate) struct Kernels {
    pub(crate) quantise: elementwise::QuantiseKernel,
    pub(crate) rms_norm: elementwise::RmsNormKernel,
    pub(crate) layer_norm: elementwise::LayerNormKernel,
    pub(crate) silu: elementwise::SiluKernel,
    pub(crate) max_bound: elementwise::MaxBoundKernel,
    pub(crate) log_sum_exp: elementwise::LogSumExpKernel,
    pub(crate) to_f16: elementwise::ToF16Kernel,
    pub(crate) read_lines: elementwise::ReadKernel,
    pub(crate) dot: elementwise::DotKernel,
    pub(crate) attend_block: attention::AttendBlockKernel,
    /// Microkernels by layout: bits per quant and columns per group.
    packed: [(usize, usize, Microkernels); 6],
    /// Microkernels for `SplitQ8`, both planes together.
    pub(crate) split_q8: Microkernels,
}

impl Kernels {
    /// Microkernels for matrices packed in a format.
    pub(crate) fn microkernels(&self, format: &BlockFormat) -> Microkernels {
        for (bits, group_columns, microkernels) in &self.packed {
            if (*bits, *group_columns) == (format.bits, format.group_columns) {
                return *microkernels;
            }
        }
        unreachable!("each format has a layout")
    }
}

/// Defines the table of kernels of one instruction set: each is compiled with the features of the set.
macro_rules! table {
    ($name:ident, $set:ty, $(#[$features:meta])*) => {
        mod $name {
            use std::ops::Range;

            use half::f16;

            use super::attention::{self, KvHead, PartialAttention};
            use super::layout::{ByteLayout, Layout, NibbleLayout, SplitQ8Layout, UnpackedLayout};
            use super::memory::Line;
            use super::product::{self, MicrokernelFn, Microkernels, Panel, ProductRows, UnpackFn};
            use super::simd::{PANEL, Simd};
            use super::{Kernels, elementwise};

            type Set = $set;

            $(#[$features])*
            unsafe fn multiply_panel<L: Layout>(
                panel: Panel,
                x: ProductRows,
                first_row: usize,
                result: &mut [[f32; PANEL]],
            ) {
                // SAFETY: as the caller guarantees.
                unsafe { product::multiply_panel::<Set, L>(panel, x, first_row, result) }
            }

            $(#[$features])*
            unsafe fn unpack_panel<L: Layout>(panel: Panel, unpacked: *mut u8) {
                // SAFETY: as the caller guarantees.
                unsafe { product::unpack_panel::<Set, L>(panel, unpacked) }
            }

            $(#[$features])*
            unsafe fn quantise(x: &[f32], quants: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::quantise::<Set>(x, quants, scales, sums) }
            }

            $(#[$features])*
            unsafe fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::rms_norm::<Set>(x, weight, eps, out) }
            }

            $(#[$features])*
            unsafe fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::layer_norm::<Set>(x, weight, bias, eps, out) }
            }

            $(#[$features])*
            unsafe fn silu(gate: &mut [f32], up: &[f32]) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::silu::<Set>(gate, up) }
            }

            $(#[$features])*
            unsafe fn max_bound(values: &[f32], errors: &[f32], factor: f32) -> f32 {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::max_bound::<Set>(values, errors, factor) }
            }

            $(#[$features])*
            unsafe fn log_sum_exp(x: &[f32]) -> (f32, f32) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::log_sum_exp::<Set>(x) }
            }

            $(#[$features])*
            unsafe fn attend_block(
                q: &[f32],
                kv: KvHead,
                positions: Range<usize>,
                scores: &mut Vec<f32>,
                out: &mut PartialAttention,
            ) {
                // SAFETY: as the caller guarantees.
                unsafe { attention::attend_block::<Set>(q, kv, positions, scores, out) }
            }

            $(#[$features])*
            unsafe fn to_f16(x: &[f32], out: &mut [f16]) {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::to_f16::<Set>(x, out) }
            }

            $(#[$features])*
            unsafe fn read_lines(lines: &[Line]) -> i32 {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::read_lines::<Set>(lines) }
            }

            $(#[$features])*
            unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
                // SAFETY: as the caller guarantees.
                unsafe { elementwise::dot::<Set>(a, b) }
            }

            const fn packed<L: Layout>() -> (usize, usize, Microkernels) {
                let unpacked = if <Set as Simd>::UNPACKS_FOR_BATCHES && L::BITS > 4 && L::BITS < 8 {
                    Some((unpack_panel::<L> as UnpackFn, multiply_panel::<UnpackedLayout<L>> as MicrokernelFn))
                } else {
                    None
                };
                (L::BITS, L::GROUP_COLUMNS, Microkernels { microkernel: multiply_panel::<L>, unpacked })
            }

            pub(super) static KERNELS: Kernels = Kernels {
                quantise,
                rms_norm,
                layer_norm,
                silu,
                max_bound,
                log_sum_exp,
                to_f16,
                read_lines,
                dot,
                attend_block,
                packed: [
                    packed::<ByteLayout<32>>(),
                    packed::<ByteLayout<16>>(),
                    packed::<NibbleLayout<32, 0>>(),
                    packed::<NibbleLayout<16, 0>>(),
                    packed::<NibbleLayout<32, 1>>(),
                    packed::<NibbleLayout<16, 2>>(),
                ],
                split_q8: Microkernels { microkernel: multiply_panel::<SplitQ8Layout>, unpacked: None },
            };
        }
    };
}

table!(scalar_table, super::portable::Portable,);
#[cfg(target_arch = "x86_64")]
table!(avx2_table, super::avx2::Avx2<super::avx2::Avx2Dot>, #[target_feature(enable = "avx2,fma,f16c")]);
#[cfg(target_arch = "x86_64")]
table!(avxvnni_table, super::avx2::Avx2<super::avx2::AvxVnniDot>, #[target_feature(enable = "avx2,fma,f16c,avxvnni")]);
#[cfg(target_arch = "x86_64")]
table!(avx512_table, super::avx512::Avx512, #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]);
#[cfg(target_arch = "aarch64")]
table!(neon_table, super::neon::Neon, #[target_feature(enable = "neon,dotprod")]);
