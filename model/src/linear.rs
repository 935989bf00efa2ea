//! Weight matrices of the decoder.
//!
//! On the CPU they run on our kernels, as one candle operation each; on another device on candle's. A row of the input
//! gives the same bits whatever the other rows of the call are.

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Module, Result, Shape, Tensor, bail};

use crate::kernels::blocks::Format;
use crate::kernels::dense::{Dense, Values};
use crate::kernels::packed::Packed;
use crate::kernels::row_ops::floats;

/// A range of shared, immutable bytes: a piece of a mapped file, or of memory.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// All bytes of `owner`.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let range = 0..(*owner).as_ref().len();
        Self { owner, range }
    }

    /// A part of these bytes; `None` where they do not hold it.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        (range.start <= range.end && range.end <= self.range.len()).then(|| Self {
            owner: self.owner.clone(),
            range: self.range.start + range.start..self.range.start + range.end,
        })
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

/// A quantised matrix as it lies in a file.
pub struct Quantized {
    /// How its blocks are packed.
    pub dtype: GgmlDType,
    /// Rows (outputs) and columns (inputs).
    pub shape: (usize, usize),
    /// The blocks, row after row.
    pub bytes: Bytes,
    /// Where it is to live.
    pub device: Device,
}

/// A matrix `[out, in]` with an optional bias `[out]`.
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
    shape: (usize, usize),
}

enum Weight {
    Packed(Packed),
    Dense(Dense),
    /// On another device, in candle's form; the tensor, if there is one, serves look-ups.
    Device(QMatMul, Tensor),
}

impl Linear {
    /// From a float matrix `[out, in]`.
    pub fn dense(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let shape = weight.dims2()?;
        if !weight.device().is_cpu() {
            return Ok(Self { weight: Weight::Device(QMatMul::Tensor(weight.clone()), weight), bias, shape });
        }
        let flat = weight.flatten_all()?;
        let values = match weight.dtype() {
            DType::F16 => Values::F16(flat.to_vec1()?),
            DType::BF16 => Values::Bf16(flat.to_vec1()?),
            _ => Values::F32(flat.to_dtype(DType::F32)?.to_vec1()?),
        };
        Ok(Self { weight: Weight::Dense(Dense { out: shape.0, columns: shape.1, values }), bias, shape })
    }

    /// From blocks.
    pub fn quantized(weight: Quantized, bias: Option<Tensor>) -> Result<Self> {
        let Quantized { dtype, shape, bytes, device } = weight;
        let bytes = bytes.as_ref();
        let expected = shape.0 * shape.1 / dtype.block_size() * dtype.type_size();
        if !shape.1.is_multiple_of(dtype.block_size()) || bytes.len() != expected {
            bail!("{} bytes are no {dtype:?} matrix of {shape:?}", bytes.len());
        }
        if let (Some(format), true) = (Format::of(dtype), device.is_cpu()) {
            return Ok(Self { weight: Weight::Packed(Packed::new(format, shape.0, shape.1, bytes)), bias, shape });
        }
        let storage = QStorage::from_data(bytes.into(), &device, dtype)?;
        let tensor = Arc::new(QTensor::new(storage, shape)?);
        if device.is_cpu() {
            return Self::dense(tensor.dequantize(&device)?, bias);
        }
        let rows = tensor.dequantize_f16(&device)?;
        Ok(Self { weight: Weight::Device(QMatMul::from_arc(tensor)?, rows), bias, shape })
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = match &self.weight {
            Weight::Device(weight, _) => weight.forward(x)?,
            _ => x.contiguous()?.apply_op1_no_bwd(self)?,
        };
        match &self.bias {
            Some(bias) => out.broadcast_add(bias),
            None => Ok(out),
        }
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
        if let Weight::Device(_, rows) = &self.weight {
            return rows.index_select(&Tensor::new(ids, rows.device())?, 0)?.to_dtype(DType::F32);
        }
        let mut values = vec![0f32; ids.len() * columns];
        for (id, values) in ids.iter().zip(values.chunks_exact_mut(columns)) {
            match &self.weight {
                Weight::Packed(matrix) => matrix.row(*id as usize, values),
                Weight::Dense(matrix) => matrix.row(*id as usize, values),
                Weight::Device(..) => {}
            }
        }
        Tensor::from_vec(values, (ids.len(), columns), &Device::Cpu)
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

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout)?;
        let (rows, columns) = layout.shape().dims2()?;
        if columns != self.shape.1 {
            bail!("{columns} inputs for a matrix of {:?}", self.shape);
        }
        let mut out = vec![0f32; rows * self.shape.0];
        match &self.weight {
            Weight::Packed(matrix) => matrix.multiply(x, &mut out),
            Weight::Dense(matrix) => matrix.multiply(x, &mut out),
            Weight::Device(..) => bail!("this matrix lives on another device"),
        }
        Ok((CpuStorage::F32(out), (rows, self.shape.0).into()))
    }
}
