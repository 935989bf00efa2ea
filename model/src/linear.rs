//! Linear layers of the decoder.
//!
//! On the CPU they run on our kernels, also as a candle operation; on other devices on candle's. A row of activations
//! gives the same bits whatever the other rows of the call are.

mod lora_delta;

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Module, Result, Shape, Tensor, bail};

use crate::kernels::Kernels;
use crate::kernels::activations::{Activations, GroupedActivations};
use crate::kernels::block_format::BlockFormat;
use crate::kernels::dense::{DenseMatrix, DenseValues};
use crate::kernels::packed::{PackedMatrix, PartialProduct, copy_results};
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::split_q8::SplitQ8;
use crate::weights::storage::{Bytes, QuantizedMatrix};
pub(crate) use lora_delta::LoraDelta;
use lora_delta::LowRankProducts;

/// Matrix `[out, in]` with an optional bias `[out]` and an optional LoRA delta. Clones share the matrix.
#[derive(Clone)]
pub(crate) struct Linear {
    weight: Arc<Weight>,
    bias: Option<Bias>,
    shape: (usize, usize),
    lora_delta: Option<Arc<LoraDelta>>,
}

#[derive(Clone)]
struct Bias {
    tensor: Tensor,
    values: Vec<f32>,
}

impl Bias {
    fn new(tensor: Tensor) -> Result<Self> {
        let values = tensor.to_dtype(DType::F32)?.to_vec1()?;
        Ok(Self { tensor, values })
    }
}

enum Weight {
    Packed(PackedMatrix),
    SplitQ8(SplitQ8),
    Dense(DenseMatrix),
    /// Blocks that stay in the file, for row look-ups only.
    Table(BlockFormat, Bytes),
    /// Matrix on another device, in candle's form, and the tensor for row look-ups.
    Device(QMatMul, Tensor),
}

impl Linear {
    /// Creates a layer from a float matrix `[out, in]`.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub(crate) fn dense(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let shape = weight.dims2()?;
        let bias = bias.map(Bias::new).transpose()?;
        if !weight.device().is_cpu() {
            return Ok(Self::new(Weight::Device(QMatMul::Tensor(weight.clone()), weight), bias, shape));
        }
        let flat = weight.flatten_all()?;
        let values = match weight.dtype() {
            DType::F16 => DenseValues::F16(flat.to_vec1()?),
            DType::BF16 => DenseValues::Bf16(flat.to_vec1()?),
            _ => DenseValues::F32(flat.to_dtype(DType::F32)?.to_vec1()?),
        };
        Ok(Self::new(Weight::Dense(DenseMatrix { out: shape.0, columns: shape.1, values }), bias, shape))
    }

    fn new(weight: Weight, bias: Option<Bias>, shape: (usize, usize)) -> Self {
        Self { weight: Arc::new(weight), bias, shape, lora_delta: None }
    }

    /// Creates a layer from quantised blocks.
    ///
    /// # Errors
    /// If the blocks do not have the size that type and shape require, or a tensor operation fails.
    pub(crate) fn quantized(weight: QuantizedMatrix, bias: Option<Tensor>) -> Result<Self> {
        weight.check()?;
        let QuantizedMatrix { dtype, shape, bytes, device } = weight;
        if device.is_cpu()
            && let Some(format) = BlockFormat::of(dtype)
        {
            let bias = bias.map(Bias::new).transpose()?;
            let packed = PackedMatrix::new(format, shape.0, shape.1, bytes.as_ref());
            bytes.release();
            return Ok(Self::new(Weight::Packed(packed), bias, shape));
        }
        let bytes = bytes.as_ref();
        let storage = QStorage::from_data(bytes.into(), &device, dtype)?;
        let tensor = Arc::new(QTensor::new(storage, shape)?);
        if device.is_cpu() {
            return Self::dense(tensor.dequantize(&device)?, bias);
        }
        let rows = tensor.dequantize_f16(&device)?;
        let bias = bias.map(Bias::new).transpose()?;
        Ok(Self::new(Weight::Device(QMatMul::from_arc(tensor)?, rows), bias, shape))
    }

    /// Creates the output matrix of a model from quantised blocks, as [`SplitQ8`] where the argmax alone is often
    /// requested and the matrix is large enough.
    pub(crate) fn vocabulary(weight: QuantizedMatrix) -> Result<Self> {
        weight.check()?;
        let QuantizedMatrix { dtype, shape, bytes, device } = &weight;
        if *dtype == GgmlDType::Q8_0
            && device.is_cpu()
            && bytes.as_ref().len() >= MIN_SPLIT_Q8_BYTES
            && let Some(split) = SplitQ8::new(shape.0, shape.1, bytes.as_ref())
        {
            bytes.release();
            return Ok(Self::new(Weight::SplitQ8(split), None, *shape));
        }
        Self::quantized(weight, None)
    }

    /// Creates a table for [`rows`](Self::rows) alone from quantised blocks. On the CPU they stay in the file.
    pub(crate) fn table(weight: QuantizedMatrix) -> Result<Self> {
        weight.check()?;
        match BlockFormat::of(weight.dtype) {
            Some(format) if weight.device.is_cpu() => {
                weight.bytes.release();
                Ok(Self::new(Weight::Table(format, weight.bytes), None, weight.shape))
            }
            _ => Self::quantized(weight, None),
        }
    }

    /// Maps `[rows, in]` to `[rows, out]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor operation fails.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = match &*self.weight {
            Weight::Device(weight, _) => weight.forward(x)?,
            _ => x.contiguous()?.apply_op1_no_bwd(self)?,
        };
        let out = match &self.bias {
            Some(bias) => out.broadcast_add(&bias.tensor)?,
            None => out,
        };
        match &self.lora_delta {
            Some(delta) => out + delta.forward(x)?,
            None => Ok(out),
        }
    }

    /// Returns the layer with a LoRA delta; it shares the matrix.
    pub(crate) fn with_lora_delta(&self, delta: LoraDelta) -> Self {
        Self { lora_delta: Some(Arc::new(delta)), ..self.clone() }
    }

    /// Rows of the matrix, `[ids, in]`, in f32.
    ///
    /// # Errors
    /// If an id is outside the matrix.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let (out, columns) = self.shape;
        if let Some(id) = ids.iter().find(|id| **id as usize >= out) {
            bail!("row {id} is outside a matrix of {out} rows");
        }
        if let Weight::Device(_, rows) = &*self.weight {
            return rows.index_select(&Tensor::new(ids, rows.device())?, 0)?.to_dtype(DType::F32);
        }
        let mut values = vec![0f32; ids.len() * columns];
        for (id, values) in ids.iter().zip(values.chunks_exact_mut(columns)) {
            self.row(*id as usize, values);
        }
        Tensor::from_vec(values, (ids.len(), columns), &Device::Cpu)
    }

    /// Writes row `id`, which must be inside the matrix, to `values` as floats. Does nothing on another device than the
    /// CPU.
    pub(crate) fn row(&self, id: usize, values: &mut [f32]) {
        match &*self.weight {
            Weight::Packed(matrix) => matrix.row(id, values),
            Weight::SplitQ8(matrix) => matrix.row(id, values),
            Weight::Dense(matrix) => matrix.row(id, values),
            Weight::Table(format, bytes) => {
                let size = values.len() / format.block_columns * format.block_bytes;
                format.dequantise_row(&bytes.as_ref()[id * size..][..size], values);
            }
            Weight::Device(..) => {}
        }
    }

    /// Number of panels of 16 outputs. The last one may not be full.
    pub(crate) fn panels(&self) -> usize {
        self.shape.0.div_ceil(PANEL)
    }

    /// Multiplies the first `rows` rows of `inputs`, which have been quantised, with the outputs of `panels` on the
    /// CPU, and adds bias and LoRA delta. `sink` gets every result: row, first output, up to 16 values.
    pub(crate) fn multiply(
        &self,
        kernels: &Kernels,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        scratch: &mut ThreadScratch,
        mut sink: impl FnMut(usize, usize, &[f32]),
    ) {
        let bias = self.bias.as_ref().map(|bias| &bias.values[..]);
        let mut low_rank = std::mem::take(&mut scratch.low_rank);
        let delta = self.lora_delta.as_deref().map(|delta| (delta, low_rank.product(delta, rows, inputs)));
        self.multiply_without_bias(kernels, rows, panels, inputs, scratch, |row, output, values| {
            if bias.is_none() && delta.is_none() {
                return sink(row, output, values);
            }
            let mut sums = [0f32; PANEL];
            copy_results(&mut sums[..values.len()], values);
            if let Some(bias) = bias {
                for (sum, bias) in sums.iter_mut().zip(&bias[output..]) {
                    *sum += bias;
                }
            }
            if let Some((delta, projected)) = delta {
                delta.add(projected, row, output, &mut sums);
            }
            sink(row, output, &sums[..values.len()]);
        });
        scratch.low_rank = low_rank;
    }

    /// Multiplies as [`multiply`](Self::multiply) does, without bias and LoRA delta.
    fn multiply_without_bias(
        &self,
        kernels: &Kernels,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        scratch: &mut ThreadScratch,
        sink: impl FnMut(usize, usize, &[f32]),
    ) {
        let part = PartialProduct::new(kernels, 0..rows, panels, inputs);
        match &*self.weight {
            Weight::Packed(matrix) => matrix.multiply(part, &mut scratch.grouped, sink),
            Weight::SplitQ8(matrix) => matrix.multiply(part, &mut scratch.grouped, sink),
            Weight::Dense(matrix) => matrix.multiply(part, &mut scratch.dense_weights, sink),
            Weight::Table(..) | Weight::Device(..) => {}
        }
    }

    /// Number of bytes that a product on the CPU reads; for [`SplitQ8`], to find the argmax.
    pub(crate) fn bytes_read(&self) -> usize {
        match &*self.weight {
            Weight::Packed(matrix) => matrix.bytes(),
            Weight::SplitQ8(matrix) => matrix.bytes(),
            Weight::Dense(matrix) => matrix.bytes(),
            Weight::Table(..) | Weight::Device(..) => 0,
        }
    }

    /// The matrix, if its argmax can be found from half of its bytes.
    pub(crate) fn split_q8(&self) -> Option<&SplitQ8> {
        match &*self.weight {
            Weight::SplitQ8(matrix) if self.bias.is_none() && self.lora_delta.is_none() => Some(matrix),
            _ => None,
        }
    }

    /// Number of outputs, the rows of the matrix.
    pub(crate) fn out_features(&self) -> usize {
        self.shape.0
    }
}

/// Minimum size in bytes of a matrix that is stored as [`SplitQ8`]: it must come from memory in every step.
const MIN_SPLIT_Q8_BYTES: usize = 16 << 20;

/// Scratch space of one thread for products.
#[derive(Default)]
pub(crate) struct ThreadScratch {
    /// Activations grouped for the matrices of this phase.
    pub(crate) grouped: GroupedActivations,
    /// Activations grouped for the approximate products of [`SplitQ8`].
    pub(crate) grouped_approx: GroupedActivations,
    low_rank: LowRankProducts,
    /// Rows of a dense matrix, as 32-bit floats.
    dense_weights: Vec<f32>,
}

impl ThreadScratch {
    /// Discards everything that was computed from the activations, after they have changed.
    pub(crate) fn invalidate(&mut self) {
        self.grouped.invalidate();
        self.grouped_approx.invalidate();
        self.low_rank.invalidate();
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(x), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("a linear layer takes contiguous 32-bit floats");
        };
        let (rows, columns) = layout.shape().dims2()?;
        let (outputs, inputs) = self.shape;
        if columns != inputs {
            bail!("{columns} inputs do not fit a linear layer of shape {:?}", self.shape);
        }
        let kernels = crate::kernels::kernels();
        let inputs = Activations::new(kernels, &x[start..end], columns);
        let mut y = SharedBuffer::default();
        y.reserve(rows * outputs);
        pool().run_ranges(self.panels(), &|panels| {
            let mut scratch = ThreadScratch::default();
            self.multiply_without_bias(kernels, rows, panels, &inputs, &mut scratch, |row, output, values| {
                let at = row * outputs + output;
                // SAFETY: each result is written once, by the thread that owns its panel.
                unsafe { y.slice_mut(at..at + values.len()) }.copy_from_slice(values);
            });
        });
        Ok((CpuStorage::F32(y.into_vec()), (rows, outputs).into()))
    }
}
