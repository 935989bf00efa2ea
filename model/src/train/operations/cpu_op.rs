//! Custom operations for the CPU, with shorter signatures than candle's `CustomOp1`, `CustomOp2` and `CustomOp3`.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, Result, Shape, Tensor, bail};

/// An input of an operation.
#[derive(Clone, Copy)]
pub(super) struct CpuInput<'a> {
    pub(super) storage: &'a CpuStorage,
    pub(super) layout: &'a Layout,
}

impl<'a> CpuInput<'a> {
    /// The elements of a contiguous f32 tensor.
    pub(super) fn floats(self) -> Result<&'a [f32]> {
        match (self.storage, self.layout.contiguous_offsets()) {
            (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
            _ => bail!("contiguous 32-bit floats are needed"),
        }
    }

    /// Size of the last dimension, which must not be zero.
    pub(super) fn width(self) -> Result<usize> {
        match self.layout.dims().last() {
            Some(&width) if width > 0 => Ok(width),
            _ => bail!("an empty row"),
        }
    }

    /// The shape.
    pub(super) fn shape(self) -> Shape {
        self.layout.shape().clone()
    }
}

/// An operation on `N` inputs whose output is a contiguous f32 tensor.
pub(super) trait CpuKernel<const N: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    /// Computes the elements and the shape of the output.
    fn forward(&self, inputs: [CpuInput; N]) -> Result<(Vec<f32>, Shape)>;

    /// Computes the gradients of the inputs from the gradient of the output. Operations that are only part of a
    /// backward pass have none.
    fn backward(&self, _inputs: [&Tensor; N], _output: &Tensor, _gradient: &Tensor) -> Result<[Option<Tensor>; N]> {
        Err(Error::BackwardNotSupported { op: Self::NAME })
    }
}

/// A kernel as a custom operation of candle.
pub(super) struct CpuOp<K>(pub(super) K);

fn run<const N: usize, K: CpuKernel<N>>(kernel: &K, inputs: [CpuInput; N]) -> Result<(CpuStorage, Shape)> {
    let (values, shape) = kernel.forward(inputs)?;
    Ok((CpuStorage::F32(values), shape))
}

impl<K: CpuKernel<1>> CustomOp1 for CpuOp<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [CpuInput { storage, layout }])
    }

    fn bwd(&self, x: &Tensor, output: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let [of_x] = self.0.backward([x], output, gradient)?;
        Ok(of_x)
    }
}

impl<K: CpuKernel<2>> CustomOp2 for CpuOp<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [CpuInput { storage: s1, layout: l1 }, CpuInput { storage: s2, layout: l2 }])
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.0.backward([x, y], output, gradient).map(Into::into)
    }
}

impl<K: CpuKernel<3>> CustomOp3 for CpuOp<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = [(s1, l1), (s2, l2), (s3, l3)];
        run(&self.0, inputs.map(|(storage, layout)| CpuInput { storage, layout }))
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.0.backward([x, y, z], output, gradient).map(Into::into)
    }
}
