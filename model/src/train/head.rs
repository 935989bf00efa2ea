//! The loss and its gradient at the output matrix, a few rows at a time, so that the logits of a whole batch are never in
//! memory together.

use candle_core::{D, Result, Tensor};

use super::operations::Precision;

/// Rows whose logits are in memory together.
const ROWS: usize = 256;

/// What rows are multiplied with: the output matrix `[vocabulary, hidden]`, and in which numbers.
pub(super) struct Output {
    pub(super) matrix: Tensor,
    pub(super) precision: Precision,
}

impl Output {
    /// `[rows, hidden]` to `[rows, vocabulary]`.
    pub(super) fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        self.precision.multiply(rows, &self.matrix.t()?)
    }
}

/// What the output says about a batch.
pub(super) struct Loss {
    /// The sum of the cross entropies, in nats.
    pub(super) sum: f64,
    /// The gradient of the rows `[rows, hidden]`.
    pub(super) of_rows: Tensor,
    /// The gradient of the output matrix, if it was asked for.
    pub(super) of_output: Option<Tensor>,
}

/// Some rows that count, with their targets `[rows, 1]` and what the output says about them.
struct Part {
    at: Tensor,
    x: Tensor,
    target: Tensor,
    shares: Tensor, // [rows, vocabulary]
}

impl Part {
    fn new(rows: &Tensor, output: &Output, at: &[u32], targets: &[u32]) -> Result<Self> {
        let at = Tensor::new(at, rows.device())?;
        let x = rows.index_select(&at, 0)?;
        let shares = candle_nn::ops::softmax_last_dim(&output.logits(&x)?)?;
        let target = Tensor::new(targets, rows.device())?.unsqueeze(1)?;
        Ok(Self { at, x, target, shares })
    }

    /// The sum of the cross entropies.
    fn sum(&self) -> Result<f64> {
        let hit: Vec<f32> = self.shares.gather(&self.target, D::Minus1)?.flatten_all()?.to_vec1()?;
        // A share that is not a number stays one.
        let one = |share: &f32| if *share < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { *share };
        Ok(-hit.iter().map(|share| f64::from(one(share)).ln()).sum::<f64>())
    }
}

/// The rows that count, and their targets, in parts.
fn parts<'a>(
    rows: &'a Tensor,
    output: &'a Output,
    targets: &[Option<u32>],
) -> impl Iterator<Item = Result<Part>> + use<'a> {
    let counted = (0u32..).zip(targets).filter_map(|(row, target)| target.map(|target| (row, target)));
    let counted: Vec<(u32, u32)> = counted.collect();
    let starts = (0..counted.len()).step_by(ROWS);
    starts.map(move |start| {
        let (at, targets): (Vec<u32>, Vec<u32>) = counted[start..].iter().take(ROWS).copied().unzip();
        Part::new(rows, output, &at, &targets)
    })
}

/// The sum of the cross entropies of `rows` against their targets, in nats; rows without a target do not count.
pub(super) fn sum(rows: &Tensor, output: &Output, targets: &[Option<u32>]) -> Result<f64> {
    parts(rows, output, targets).map(|part| part?.sum()).sum()
}

/// The same with its gradients, those of the sum times `scale`.
pub(super) fn loss(
    rows: &Tensor,
    output: &Output,
    targets: &[Option<u32>],
    scale: f64,
    output_is_trained: bool,
) -> Result<Loss> {
    let mut loss = Loss { sum: 0.0, of_rows: rows.zeros_like()?, of_output: None };
    for part in parts(rows, output, targets) {
        let part = part?;
        loss.sum += part.sum()?;
        let Part { at, x, target, shares } = part;
        let one = Tensor::ones_like(&target.to_dtype(x.dtype())?)?;
        let of_logits = (shares.scatter_add(&target, &one.neg()?, D::Minus1)? * scale)?;
        loss.of_rows = loss.of_rows.index_add(&at, &output.precision.multiply(&of_logits, &output.matrix)?, 0)?;
        if output_is_trained {
            let part = output.precision.multiply(&of_logits.t()?, &x)?;
            loss.of_output = Some(loss.of_output.map_or(Ok(part.clone()), |sum| sum + part)?);
        }
    }
    Ok(loss)
}
