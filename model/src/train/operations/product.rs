//! Products with a frozen matrix, and on the CPU with an adapter beside it: one pass each, into memory that is taken once.
//!
//! Written in single operations, an adapter costs more in sums and copies than in products: each of them keeps its result, and gets a
//! gradient that begins with zeros.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp3, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail,
};

use super::Precision;

/// A matrix in memory, transposed or not.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// From one row to the next, and from one column to the next.
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    fn of(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (CpuStorage::F32(values), [rows, columns], [down, right]) = (storage, layout.dims(), layout.stride())
        else {
            bail!("a matrix of 32-bit floats is needed, not {:?}", layout.shape());
        };
        Ok(Self::new(&values[layout.start_offset()..], (*rows, *columns), (*down, *right)))
    }

    /// The values must reach to the last row and column: then no product reads behind them.
    fn new(values: &'a [f32], (rows, columns): (usize, usize), strides: (usize, usize)) -> Self {
        let last = rows.saturating_sub(1) * strides.0 + columns.saturating_sub(1) * strides.1;
        assert!(rows * columns == 0 || last < values.len(), "a matrix that ends behind its values");
        Self { values, rows, columns, strides }
    }

    fn transposed(self) -> Self {
        let Self { values, rows, columns, strides: (down, right) } = self;
        Self { values, rows: columns, columns: rows, strides: (right, down) }
    }

    /// `factor * self * right`, row after row.
    fn times(self, right: Matrix, factor: f32) -> Vec<f32> {
        let mut out = vec![0f32; self.rows * right.columns];
        self.multiply(right, factor, &mut out, false);
        out
    }

    /// Adds `self * right` to `out`.
    fn add_times(self, right: Matrix, out: &mut [f32]) {
        self.multiply(right, 1.0, out, true);
    }

    fn multiply(self, right: Matrix, factor: f32, out: &mut [f32], add: bool) {
        assert_eq!((self.columns, self.rows * right.columns), (right.rows, out.len()), "shapes that do not fit");
        let steps = |(down, right): (usize, usize)| (down as isize, right as isize);
        let ((a_down, a_right), (b_down, b_right)) = (steps(self.strides), steps(right.strides));
        // SAFETY: both matrices lie within their values (`new`), `out` has a number for each row and column, and nobody else has it.
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

/// Lets a function see the values of a matrix that is a tensor.
fn with_matrix<T>(tensor: &Tensor, see: impl FnOnce(Matrix) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => see(Matrix::of(storage, layout)?),
        _ => bail!("a matrix on the CPU is needed"),
    }
}

fn result(values: Vec<f32>, rows: usize, columns: usize) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), (rows, columns).into())
}

/// `x w^T` with the frozen `w` `[out, in]`. Only the input has a gradient.
pub(super) struct Frozen {
    pub(super) weight: Tensor,
    pub(super) precision: Precision,
}

/// `x w^T` in the numbers in which `w` is kept, on any device that multiplies those.
pub(super) fn times_transposed<S: BackendStorage>(
    (x, x_at): (&S, &Layout),
    (w, w_at): (&S, &Layout),
) -> Result<(S, Shape)> {
    let ((rows, inner), (out, _)) = (x_at.shape().dims2()?, w_at.shape().dims2()?);
    let (given, shape) = (x.dtype(), Shape::from((rows, out)));
    let x = x.to_dtype(x_at, w.dtype())?;
    let y = x.matmul(w, (1, rows, out, inner), &Layout::contiguous((rows, inner)), &w_at.transpose(0, 1)?)?;
    Ok((y.to_dtype(&Layout::contiguous(&shape), given)?, shape))
}

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "frozen"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = Matrix::of(storage, layout)?;
        with_matrix(&self.weight, |w| Ok(result(x.times(w.transposed(), 1.0), x.rows, w.rows)))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (kept, at) = self.weight.storage_and_layout();
        match &*kept {
            Storage::Cuda(kept) => times_transposed((storage, layout), (kept, at)),
            _ => bail!("a matrix on the same device is needed"),
        }
    }

    fn metal_fwd(&self, storage: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        let (kept, at) = self.weight.storage_and_layout();
        match &*kept {
            Storage::Metal(kept) => times_transposed((storage, layout), (kept, at)),
            _ => bail!("a matrix on the same device is needed"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.precision.multiply(gradient, &self.weight.detach()).map(Some)
    }
}

/// `x w^T + scale (x a^T) b^T` with the frozen `w` `[out, in]` and the adapter `a` `[rank, in]`, `b` `[out, rank]`.
pub(super) struct Adapted {
    pub(super) weight: Tensor,
    pub(super) scale: f64,
}

impl CustomOp3 for Adapted {
    fn name(&self) -> &'static str {
        "adapted"
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
        let (x, a, b) = (Matrix::of(s1, l1)?, Matrix::of(s2, l2)?, Matrix::of(s3, l3)?);
        let narrow = x.times(a.transposed(), self.scale as f32); // [rows, rank]
        with_matrix(&self.weight, |w| {
            let mut y = x.times(w.transposed(), 1.0);
            Matrix::new(&narrow, (x.rows, a.rows), (a.rows, 1)).add_times(b.transposed(), &mut y);
            Ok(result(y, x.rows, w.rows))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let narrow = (x.matmul(&a.t()?)? * self.scale)?; // [rows, rank]
        let of_narrow = (gradient.matmul(b)? * self.scale)?;
        let of_x = gradient.apply_op3_no_bwd(&of_narrow, a, &TwoProducts(self.weight.clone()))?;
        let (of_a, of_b) = (of_narrow.t()?.matmul(x)?, gradient.t()?.matmul(&narrow)?);
        Ok((Some(of_x), Some(of_a), Some(of_b)))
    }
}

/// `x w + y v`: the gradient of an input that went through two matrices.
struct TwoProducts(Tensor);

impl CustomOp3 for TwoProducts {
    fn name(&self) -> &'static str {
        "two_products"
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
        let (x, y, v) = (Matrix::of(s1, l1)?, Matrix::of(s2, l2)?, Matrix::of(s3, l3)?);
        with_matrix(&self.0, |w| {
            let mut out = x.times(w, 1.0);
            y.add_times(v, &mut out);
            Ok(result(out, x.rows, w.columns))
        })
    }
}
