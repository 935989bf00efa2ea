//! Weight matrices of the decoder.
//!
//! On the CPU they run on our kernels, as one candle operation each; on another device on candle's. A row of the input
//! gives the same bits whatever the other rows of the call are.

mod lora_delta;

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Module, Result, Shape, Tensor, bail};

use crate::kernels::Kernels;
use crate::kernels::block_format::Format;
use crate::kernels::dense::{Dense, Values};
use crate::kernels::activations::{Activations, GroupedActivations};
use crate::kernels::packed::{Packed, Part, copy_results};
use crate::kernels::split_q8::SplitQ8;
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::weights::storage::{Bytes, QuantizedMatrix};
pub(crate) use lora_delta::LoraDelta;
use lora_delta::LowRankFactor;

/// A matrix `[out, in]` with an optional bias `[out]`, perhaps with an adapter's addition. Copies share the matrix.
#[derive(Clone)]
pub struct Linear {
    weight: Arc<Weight>,
    bias: Option<Bias>,
    shape: (usize, usize),
    addition: Option<Arc<LoraDelta>>,
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
    Packed(Packed),
    Planes(SplitQ8),
    Dense(Dense),
    /// For look-ups only: blocks that stay in the file.
    Table(Format, Bytes),
    /// On another device, in candle's form; the tensor, if there is one, serves look-ups.
    Device(QMatMul, Tensor),
}

impl Linear {
    /// From a float matrix `[out, in]`.
    pub fn dense(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let shape = weight.dims2()?;
        let bias = bias.map(Bias::new).transpose()?;
        if !weight.device().is_cpu() {
            return Ok(Self::of(Weight::Device(QMatMul::Tensor(weight.clone()), weight), bias, shape));
        }
        let flat = weight.flatten_all()?;
        let values = match weight.dtype() {
            DType::F16 => Values::F16(flat.to_vec1()?),
            DType::BF16 => Values::Bf16(flat.to_vec1()?),
            _ => Values::F32(flat.to_dtype(DType::F32)?.to_vec1()?),
        };
        Ok(Self::of(Weight::Dense(Dense { out: shape.0, columns: shape.1, values }), bias, shape))
    }

    fn of(weight: Weight, bias: Option<Bias>, shape: (usize, usize)) -> Self {
        Self { weight: Arc::new(weight), bias, shape, addition: None }
    }

    /// From blocks.
    pub fn quantized(weight: QuantizedMatrix, bias: Option<Tensor>) -> Result<Self> {
        weight.check()?;
        let QuantizedMatrix { dtype, shape, bytes, device } = weight;
        if let (Some(format), true) = (Format::of(dtype), device.is_cpu()) {
            let bias = bias.map(Bias::new).transpose()?;
            let packed = Packed::new(format, shape.0, shape.1, bytes.as_ref());
            bytes.release();
            return Ok(Self::of(Weight::Packed(packed), bias, shape));
        }
        let bytes = bytes.as_ref();
        let storage = QStorage::from_data(bytes.into(), &device, dtype)?;
        let tensor = Arc::new(QTensor::new(storage, shape)?);
        if device.is_cpu() {
            return Self::dense(tensor.dequantize(&device)?, bias);
        }
        let rows = tensor.dequantize_f16(&device)?;
        let bias = bias.map(Bias::new).transpose()?;
        Ok(Self::of(Weight::Device(QMatMul::from_arc(tensor)?, rows), bias, shape))
    }

    /// From blocks, for the outputs of a model, of which often only the largest is asked for.
    pub(crate) fn vocabulary(weight: QuantizedMatrix) -> Result<Self> {
        weight.check()?;
        let QuantizedMatrix { dtype, shape, bytes, device } = &weight;
        let worth_it = *dtype == GgmlDType::Q8_0 && device.is_cpu() && bytes.as_ref().len() >= IN_PLANES;
        match worth_it.then(|| SplitQ8::new(shape.0, shape.1, bytes.as_ref())).flatten() {
            Some(planes) => {
                bytes.release();
                Ok(Self::of(Weight::Planes(planes), None, *shape))
            }
            None => Self::quantized(weight, None),
        }
    }

    /// From blocks, for [`rows`](Self::rows) alone: on the CPU they stay where they are.
    pub(crate) fn table(weight: QuantizedMatrix) -> Result<Self> {
        weight.check()?;
        match Format::of(weight.dtype) {
            Some(format) if weight.device.is_cpu() => {
                weight.bytes.release();
                Ok(Self::of(Weight::Table(format, weight.bytes), None, weight.shape))
            }
            _ => Self::quantized(weight, None),
        }
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = match &*self.weight {
            Weight::Device(weight, _) => weight.forward(x)?,
            _ => x.contiguous()?.apply_op1_no_bwd(self)?,
        };
        let out = match &self.bias {
            Some(bias) => out.broadcast_add(&bias.tensor)?,
            None => out,
        };
        match &self.addition {
            Some(addition) => out + addition.forward(x)?,
            None => Ok(out),
        }
    }

    /// The same matrix with the addition of an adapter.
    pub(crate) fn adapted(&self, addition: LoraDelta) -> Self {
        Self { addition: Some(Arc::new(addition)), ..self.clone() }
    }

    /// Rows of the matrix, `[ids, in]`, as floats.
    ///
    /// # Errors
    /// If an id is outside the matrix.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let (out, columns) = self.shape;
        if let Some(id) = ids.iter().find(|id| **id as usize >= out) {
            bail!("row {id} of a matrix of {out} rows was asked for");
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

    /// One row of a matrix on the CPU, as floats. `id` must be inside the matrix.
    pub(crate) fn row(&self, id: usize, values: &mut [f32]) {
        match &*self.weight {
            Weight::Packed(matrix) => matrix.row(id, values),
            Weight::Planes(matrix) => matrix.row(id, values),
            Weight::Dense(matrix) => matrix.row(id, values),
            Weight::Table(format, bytes) => {
                let size = values.len() / format.columns * format.bytes;
                format.values(&bytes.as_ref()[id * size..][..size], values);
            }
            Weight::Device(..) => {}
        }
    }

    /// Panels of 16 outputs, the last one perhaps not full.
    pub(crate) fn panels(&self) -> usize {
        self.shape.0.div_ceil(PANEL)
    }

    /// On the CPU: multiplies the first `rows` rows of `inputs`, which have been quantised, with the outputs of `panels` and adds the bias.
    /// `take` gets every result: row, first output, up to 16 values.
    pub(crate) fn multiply(
        &self,
        kernels: &Kernels,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        own: &mut ThreadScratch,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) {
        let bias = self.bias.as_ref().map(|bias| &bias.values[..]);
        let mut low = std::mem::take(&mut own.low);
        let addition = self.addition.as_deref().map(|addition| (addition, low.of(addition, rows, inputs)));
        self.product(kernels, rows, panels, inputs, own, |row, output, values| {
            if bias.is_none() && addition.is_none() {
                return take(row, output, values);
            }
            let mut sums = [0f32; PANEL];
            copy_results(&mut sums[..values.len()], values);
            if let Some(bias) = bias {
                sums.iter_mut().zip(&bias[output..]).for_each(|(sum, bias)| *sum += bias);
            }
            if let Some((addition, low)) = addition {
                addition.add(low, row, output, &mut sums);
            }
            take(row, output, &sums[..values.len()]);
        });
        own.low = low;
    }

    /// The same without the bias.
    fn product(
        &self,
        kernels: &Kernels,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        own: &mut ThreadScratch,
        take: impl FnMut(usize, usize, &[f32]),
    ) {
        let part = Part::new(kernels, 0..rows, panels, inputs);
        match &*self.weight {
            Weight::Packed(matrix) => matrix.multiply(part, &mut own.prepared, take),
            Weight::Planes(matrix) => matrix.multiply(part, &mut own.prepared, take),
            Weight::Dense(matrix) => matrix.multiply(part, &mut own.weights, take),
            Weight::Table(..) | Weight::Device(..) => {}
        }
    }

    /// Bytes that a product on the CPU reads; of a matrix in planes, what it takes to find the largest output.
    pub(crate) fn bytes(&self) -> usize {
        match &*self.weight {
            Weight::Packed(matrix) => matrix.bytes(),
            Weight::Planes(matrix) => matrix.bytes(),
            Weight::Dense(matrix) => matrix.bytes(),
            Weight::Table(..) | Weight::Device(..) => 0,
        }
    }

    /// The matrix, if its largest product can be found from half of its bytes.
    pub(crate) fn planes(&self) -> Option<&SplitQ8> {
        match &*self.weight {
            Weight::Planes(matrix) if self.bias.is_none() && self.addition.is_none() => Some(matrix),
            _ => None,
        }
    }

    /// Columns of the matrix.
    pub fn in_features(&self) -> usize {
        self.shape.1
    }

    /// Rows of the matrix.
    pub fn out_features(&self) -> usize {
        self.shape.0
    }
}

/// Bytes of a matrix that is large enough to be read in planes: it has to come from memory at every step.
const IN_PLANES: usize = 16 << 20;

/// What one thread needs to multiply.
#[derive(Default)]
pub(crate) struct ThreadScratch {
    /// What it worked out of the inputs.
    pub(crate) prepared: GroupedActivations,
    /// The same for the estimates of a matrix in planes.
    pub(crate) for_estimates: GroupedActivations,
    low: LowRankFactor,
    weights: Vec<f32>,
}

impl ThreadScratch {
    /// The inputs have changed.
    pub(crate) fn forget(&mut self) {
        self.prepared.forget();
        self.for_estimates.forget();
        self.low.forget();
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(x), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("a matrix takes contiguous 32-bit floats");
        };
        let (rows, columns) = layout.shape().dims2()?;
        let (out, inner) = self.shape;
        if columns != inner {
            bail!("{columns} inputs for a matrix of {:?}", self.shape);
        }
        let kernels = crate::kernels::kernels();
        let inputs = Activations::new(kernels, &x[start..end], columns);
        let mut y = SharedBuffer::default();
        y.reserve(rows * out);
        pool().ranges(self.panels(), &|panels| {
            self.product(kernels, rows, panels, &inputs, &mut ThreadScratch::default(), |row, output, values| {
                // SAFETY: each result is written once, by the thread that has its panel.
                unsafe { y.slice_mut(row * out + output..row * out + output + values.len()) }.copy_from_slice(values);
            });
        });
        Ok((CpuStorage::F32(y.into_vec()), (rows, out).into()))
    }
}
