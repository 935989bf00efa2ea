//! The language-model head: the loss and its gradients at the output matrix, computed for a chunk of rows at a time, so
//! that the logits of a whole batch are never in memory together.

use candle_core::{D, Result, Tensor};

use super::operations::Precision;

/// Number of rows whose logits are in memory together.
const LOSS_CHUNK_ROWS: usize = 256;

/// The output matrix `[vocabulary, hidden]` and the precision of products with it.
pub(super) struct LmHead {
    pub(super) matrix: Tensor,
    pub(super) precision: Precision,
}

impl LmHead {
    /// Logits `[rows, vocabulary]` of hidden states `[rows, hidden]`.
    pub(super) fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        self.precision.matmul(rows, &self.matrix.t()?)
    }
}

/// The loss of a batch with its gradients.
pub(super) struct LossGradients {
    /// The sum of the cross entropies, in nats.
    pub(super) sum: f64,
    /// The gradient of the hidden states `[rows, hidden]`.
    pub(super) hidden_gradient: Tensor,
    /// The gradient of the output matrix `[vocabulary, hidden]`, if it is trained.
    pub(super) weight_gradient: Option<Tensor>,
}

/// A chunk of rows that have a target: their indices `at`, hidden states `x` `[rows, hidden]`, targets `[rows, 1]` and
/// predicted probabilities.
struct LossChunk {
    at: Tensor,
    x: Tensor,
    target: Tensor,
    probabilities: Tensor, // [rows, vocabulary]
}

impl LossChunk {
    fn new(rows: &Tensor, output: &LmHead, at: &[u32], targets: &[u32]) -> Result<Self> {
        let at = Tensor::new(at, rows.device())?;
        let x = rows.index_select(&at, 0)?;
        let probabilities = candle_nn::ops::softmax_last_dim(&output.logits(&x)?)?;
        let target = Tensor::new(targets, rows.device())?.unsqueeze(1)?;
        Ok(Self { at, x, target, probabilities })
    }

    /// The sum of the cross entropies.
    fn sum(&self) -> Result<f64> {
        let hit: Vec<f32> = self.probabilities.gather(&self.target, D::Minus1)?.flatten_all()?.to_vec1()?;
        // Tiny probabilities are clamped, but NaN stays NaN.
        let clamp = |p: &f32| if *p < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { *p };
        Ok(-hit.iter().map(|p| f64::from(clamp(p)).ln()).sum::<f64>())
    }
}

/// Splits the rows that have a target into chunks.
fn loss_chunks<'a>(
    rows: &'a Tensor,
    output: &'a LmHead,
    targets: &[Option<u32>],
) -> impl Iterator<Item = Result<LossChunk>> + use<'a> {
    let counted = (0u32..).zip(targets).filter_map(|(row, target)| target.map(|target| (row, target)));
    let counted: Vec<(u32, u32)> = counted.collect();
    let starts = (0..counted.len()).step_by(LOSS_CHUNK_ROWS);
    starts.map(move |start| {
        let (at, targets): (Vec<u32>, Vec<u32>) = counted[start..].iter().take(LOSS_CHUNK_ROWS).copied().unzip();
        LossChunk::new(rows, output, &at, &targets)
    })
}

/// The sum of the cross entropies of `rows` against their targets, in nats; rows without a target are ignored.
pub(super) fn sum(rows: &Tensor, output: &LmHead, targets: &[Option<u32>]) -> Result<f64> {
    loss_chunks(rows, output, targets).map(|part| part?.sum()).sum()
}

/// Like [`sum`], with the gradients of the sum multiplied by `scale`.
pub(super) fn loss_with_gradients(
    rows: &Tensor,
    output: &LmHead,
    targets: &[Option<u32>],
    scale: f64,
    output_is_trained: bool,
) -> Result<LossGradients> {
    let mut loss = LossGradients { sum: 0.0, hidden_gradient: rows.zeros_like()?, weight_gradient: None };
    for chunk in loss_chunks(rows, output, targets) {
        let chunk = chunk?;
        loss.sum += chunk.sum()?;
        let LossChunk { at, x, target, probabilities } = chunk;
        let one = Tensor::ones_like(&target.to_dtype(x.dtype())?)?;
        let of_logits = (probabilities.scatter_add(&target, &one.neg()?, D::Minus1)? * scale)?;
        loss.hidden_gradient =
            loss.hidden_gradient.index_add(&at, &output.precision.matmul(&of_logits, &output.matrix)?, 0)?;
        if output_is_trained {
            let gradient = output.precision.matmul(&of_logits.t()?, &x)?;
            loss.weight_gradient = Some(match loss.weight_gradient {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            });
        }
    }
    Ok(loss)
}
