//! The operations of the decoder beside its matrices, and the kernels under both. Each treats every row alone.
//!
//! On the CPU they are our own, chosen at run time for the processor at hand ([`isa`]); on other devices they are
//! candle's.

pub(crate) mod attention;
pub(crate) mod blocks;
pub(crate) mod dense;
pub(crate) mod packed;
pub(crate) mod pool;
pub(crate) mod row_ops;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;

use candle_core::{DType, Device, Result, Tensor};

pub use attention::attention;
pub use pool::set_threads;

/// The instruction sets that kernels exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Any processor.
    Scalar,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// The same with VNNI on 256 bits.
    AvxVnni,
    /// AVX512 with VNNI.
    Avx512Vnni,
}

impl Isa {
    /// The best last.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The name that `FORETYPE_KERNELS` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
        }
    }

    /// Whether this processor has it.
    #[cfg(target_arch = "x86_64")]
    pub fn is_here(self) -> bool {
        let avx2 =
            || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        match self {
            Self::Scalar => true,
            Self::Avx2 => avx2(),
            Self::AvxVnni => avx2() && is_x86_feature_detected!("avxvnni"),
            Self::Avx512Vnni => {
                avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
        }
    }

    /// Whether this processor has it.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_here(self) -> bool {
        self == Self::Scalar
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

/// The panel kernel of an instruction set that is here.
pub(crate) fn panel_kernel(isa: Isa) -> packed::PanelKernel {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => x86::avx512,
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => x86::avxvnni,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::avx2,
        _ => packed::scalar,
    }
}

/// Cosines and sines by position.
pub struct RopeTable {
    cos: Tensor, // [length, dim / 2]
    sin: Tensor,
    on_cpu: Option<(Vec<f32>, Vec<f32>)>,
}

impl RopeTable {
    /// From the angle per position of each pair (`[dim / 2]`), for positions below `length`.
    pub fn new(frequencies: &[f32], length: usize, device: &Device) -> Result<Self> {
        let angles = (0..length).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        let tensor = |values: &[f32]| Tensor::from_slice(values, (length, frequencies.len()), device);
        if device.is_cpu() {
            let none = Tensor::zeros(0, DType::F32, device)?;
            return Ok(Self { cos: none.clone(), sin: none, on_cpu: Some((cos, sin)) });
        }
        Ok(Self { cos: tensor(&cos)?, sin: tensor(&sin)?, on_cpu: None })
    }
}

/// `[rows, heads, dim]` rotated by position, halves paired. Where the table covers fewer than `dim / 2` pairs, the rest of
/// each head stays as it is.
pub fn rope(x: &Tensor, positions: &[u32], table: &RopeTable) -> Result<Tensor> {
    if let Some((cos, sin)) = &table.on_cpu {
        return x.contiguous()?.apply_op1_no_bwd(&row_ops::Rope { positions, cos, sin });
    }
    let at = Tensor::new(positions, x.device())?;
    let cos = table.cos.index_select(&at, 0)?.unsqueeze(1)?;
    let sin = table.sin.index_select(&at, 0)?.unsqueeze(1)?;
    let half = x.dim(2)? / 2;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[left, right], 2)
}

/// Root mean square norm over the last dimension.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::rms_norm(&x.contiguous()?, weight, eps)
}

/// Layer norm over the last dimension.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::layer_norm(&x.contiguous()?, weight, bias, eps)
}

/// `silu(gate) * up`.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.device().is_cpu() && gate.dtype() == DType::F32 {
        return gate.contiguous()?.apply_op2_no_bwd(&up.contiguous()?, &row_ops::Swiglu);
    }
    gate.silu()? * up
}
