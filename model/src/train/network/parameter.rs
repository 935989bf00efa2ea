//! Trained tensors.

use candle_core::Var;

use crate::weights::{Slot, TensorKind};

/// The role of a parameter in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterRole {
    /// A tensor of the base model.
    Base(Slot, TensorKind),
    /// The matrix A of an adapter, `[rank, in]`.
    LoraA(Slot),
    /// The matrix B of an adapter, `[out, rank]`.
    LoraB(Slot),
}

/// A trained tensor.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) role: ParameterRole,
    pub(crate) var: Var,
}
