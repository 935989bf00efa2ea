//! Statistics that both benchmarks use.

/// Median of the values: the mean of the two middle values of an even number. `None` without values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 || upper.is_infinite() {
        return Some(upper);
    }
    Some((values[middle - 1] + upper) / 2.0)
}
