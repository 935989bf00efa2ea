//! Products with a frozen matrix and, on the CPU, with an adapter in addition: one operation each, with one output
//! buffer.
//!
//! If an adapter were composed of separate operations, sums and copies would cost more than the products: each
//! operation keeps its result, and gets a gradient buffer that is filled with zeros first.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail};

use super::cpu_op::{CpuInput, CpuKernel, CpuOp};
use super::precision::Precision;

/// A view of an f32 matrix with arbitrary strides.
#[derive(Clone, Copy)]
struct StridedMatrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Distances between neighbouring rows and between neighbouring columns, in elements.
    strides: (usize, usize),
}

impl<'a> StridedMatrix<'a> {
    fn from_storage(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (CpuStorage::F32(values), [rows, columns], [down, right]) = (storage, layout.dims(), layout.stride())
        else {
            bail!("a matrix of 32-bit floats is needed, not {:?}", layout.shape());
        };
        Ok(Self::new(&values[layout.start_offset()..], (*rows, *columns), (*down, *right)))
    }

    fn from_inputs(inputs: [CpuInput<'a>; 3]) -> Result<[Self; 3]> {
        let [x, y, z] = inputs.map(|input| Self::from_storage(input.storage, input.layout));
        Ok([x?, y?, z?])
    }

    /// Panics unless `values` contains the last element of the matrix, so that no product reads past the end.
    fn new(values: &'a [f32], (rows, columns): (usize, usize), strides: (usize, usize)) -> Self {
        let last = rows.saturating_sub(1) * strides.0 + columns.saturating_sub(1) * strides.1;
        assert!(rows * columns == 0 || last < values.len(), "a matrix that ends past its values");
        Self { values, rows, columns, strides }
    }

    fn transposed(self) -> Self {
        let Self { values, rows, columns, strides: (down, right) } = self;
        Self { values, rows: columns, columns: rows, strides: (right, down) }
    }

    /// Computes `factor * self * right` in row-major order.
    fn times(self, right: StridedMatrix, factor: f32) -> Vec<f32> {
        let mut out = vec![0f32; self.rows * right.columns];
        self.multiply(right, factor, &mut out, false);
        out
    }

    /// Adds `self * right` to `out`.
    fn add_times(self, right: StridedMatrix, out: &mut [f32]) {
        self.multiply(right, 1.0, out, true);
    }

    fn multiply(self, right: StridedMatrix, factor: f32, out: &mut [f32], add: bool) {
        assert_eq!((self.columns, self.rows * right.columns), (right.rows, out.len()), "mismatched shapes");
        let steps = |(down, right): (usize, usize)| (down as isize, right as isize);
        let ((a_down, a_right), (b_down, b_right)) = (steps(self.strides), steps(right.strides));
        // SAFETY: `new` checked that both matrices lie within their values, and `out` is an exclusive buffer with an
        // element for each row and column.
        unsafe {
            gemm::gemm(
                self.rows,
                right.columns,
                self.columns,
                out.as_mut_ptr(),
                1,
                right.columns as isize,
                add,
                self.values.as_ptr(),
                a_right,
                a_down,
                right.values.as_ptr(),
                b_right,
                b_down,
                1.0,
                factor,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
    }
}

/// Calls a function with a view of a tensor's matrix.
fn with_matrix<T>(tensor: &Tensor, f: impl FnOnce(StridedMatrix) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(StridedMatrix::from_storage(storage, layout)?),
        _ => bail!("a matrix on the CPU is needed"),
    }
}

/// `x w^T` with a frozen `w` `[out, in]`. Only the input gets a gradient.
pub(super) struct FrozenMatmul {
    pub(super) weight: Tensor,
    pub(super) precision: Precision,
}

/// Computes `x w^T` in the storage format of `w`, on any device that supports products in it.
pub(super) fn matmul_transposed<S: BackendStorage>(
    (x, x_layout): (&S, &Layout),
    (w, w_layout): (&S, &Layout),
) -> Result<(S, Shape)> {
    let ((rows, inner), (out, _)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
    let (dtype, shape) = (x.dtype(), Shape::from((rows, out)));
    let x = x.to_dtype(x_layout, w.dtype())?;
    let y = x.matmul(w, (1, rows, out, inner), &Layout::contiguous((rows, inner)), &w_layout.transpose(0, 1)?)?;
    Ok((y.to_dtype(&Layout::contiguous(&shape), dtype)?, shape))
}

impl CustomOp1 for FrozenMatmul {
    fn name(&self) -> &'static str {
        "frozen"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = StridedMatrix::from_storage(storage, layout)?;
        with_matrix(&self.weight, |w| Ok((CpuStorage::F32(x.times(w.transposed(), 1.0)), (x.rows, w.rows).into())))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (weight, weight_layout) = self.weight.storage_and_layout();
        match &*weight {
            Storage::Cuda(weight) => matmul_transposed((storage, layout), (weight, weight_layout)),
            _ => bail!("a matrix on the same device is needed"),
        }
    }

    fn metal_fwd(&self, storage: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        let (weight, weight_layout) = self.weight.storage_and_layout();
        match &*weight {
            Storage::Metal(weight) => matmul_transposed((storage, layout), (weight, weight_layout)),
            _ => bail!("a matrix on the same device is needed"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.precision.matmul(gradient, &self.weight.detach()).map(Some)
    }
}

/// `x w^T + scale (x a^T) b^T` with a frozen `w` `[out, in]` and an adapter `a` `[rank, in]`, `b` `[out, rank]`.
pub(super) struct LoraMatmul {
    pub(super) weight: Tensor,
    pub(super) scale: f64,
}

impl CpuKernel<3> for LoraMatmul {
    const NAME: &'static str = "adapted";

    fn forward(&self, [x, a, b]: [CpuInput; 3]) -> Result<(Vec<f32>, Shape)> {
        let [x, a, b] = StridedMatrix::from_inputs([x, a, b])?;
        let narrow = x.times(a.transposed(), self.scale as f32); // [rows, rank]
        with_matrix(&self.weight, |w| {
            let mut y = x.times(w.transposed(), 1.0);
            StridedMatrix::new(&narrow, (x.rows, a.rows), (a.rows, 1)).add_times(b.transposed(), &mut y);
            Ok((y, (x.rows, w.rows).into()))
        })
    }

    fn backward(&self, [x, a, b]: [&Tensor; 3], _: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let narrow = (x.matmul(&a.t()?)? * self.scale)?; // [rows, rank]
        let of_narrow = (gradient.matmul(b)? * self.scale)?;
        let of_x = gradient.apply_op3_no_bwd(&of_narrow, a, &CpuOp(SumOfProducts(self.weight.clone())))?;
        let (of_a, of_b) = (of_narrow.t()?.matmul(x)?, gradient.t()?.matmul(&narrow)?);
        Ok([Some(of_x), Some(of_a), Some(of_b)])
    }
}

/// `x w + y v`: the gradient of an input that is multiplied by two matrices. The field is `w`.
struct SumOfProducts(Tensor);

impl CpuKernel<3> for SumOfProducts {
    const NAME: &'static str = "two_products";

    fn forward(&self, [x, y, v]: [CpuInput; 3]) -> Result<(Vec<f32>, Shape)> {
        let [x, y, v] = StridedMatrix::from_inputs([x, y, v])?;
        with_matrix(&self.0, |w| {
            let mut out = x.times(w, 1.0);
            y.add_times(v, &mut out);
            Ok((out, (x.rows, w.columns).into()))
        })
    }
}
