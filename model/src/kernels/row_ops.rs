//! Small operations as one pass over the data, on all threads: rotary positions and SwiGLU.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, bail};

use super::pool::pool;

/// Values of a contiguous float tensor.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("this operation takes contiguous 32-bit floats"),
    }
}

/// Rotary positions, halves paired (the form of GPT-NeoX).
pub(crate) struct Rope<'a> {
    pub(crate) positions: &'a [u32],
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
}

impl CustomOp1 for Rope<'_> {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut values = floats(storage, layout)?.to_vec();
        let (rows, heads, dim) = layout.shape().dims3()?;
        let half = dim / 2;
        for (row, values) in values.chunks_exact_mut(heads * dim).enumerate().take(rows) {
            let at = self.positions[row] as usize * half..(self.positions[row] as usize + 1) * half;
            let (Some(cos), Some(sin)) = (self.cos.get(at.clone()), self.sin.get(at)) else {
                bail!("position {} is outside the table of rotary positions", self.positions[row]);
            };
            for head in values.chunks_exact_mut(dim) {
                let (a, b) = head.split_at_mut(half);
                for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
        Ok((CpuStorage::F32(values), layout.shape().clone()))
    }
}

/// `silu(gate) * up`.
pub(crate) struct Swiglu;

impl CustomOp2 for Swiglu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (floats(s1, l1)?, floats(s2, l2)?);
        if gate.len() != up.len() {
            bail!("gate and up differ in size: {} and {}", gate.len(), up.len());
        }
        let mut out = vec![0f32; gate.len()];
        let target = Target(out.as_mut_ptr());
        pool().ranges(gate.len().div_ceil(CHUNK), &|range| {
            let target = &target;
            for i in range.start * CHUNK..(range.end * CHUNK).min(gate.len()) {
                // SAFETY: `i` is inside `out`, and ranges do not overlap.
                unsafe { *target.0.add(i) = gate[i] / (1.0 + (-gate[i]).exp()) * up[i] };
            }
        });
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
}

/// Values that one thread takes at once.
const CHUNK: usize = 4096;

struct Target(*mut f32);

// SAFETY: threads write to disjoint places.
unsafe impl Sync for Target {}
