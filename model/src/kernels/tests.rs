//! Properties of the kernels, for every instruction set that this processor supports.

use candle_core::quantized::GgmlDType;

use super::activations::{Activations, GroupedActivations};
use super::block_format::BlockFormat;
use super::block_format::tests::{ALL_TYPES, sample};
use super::packed::{PackedMatrix, PartialProduct};
use super::product::MAX_ROWS;
use super::simd::PANEL;
use super::*;

/// Returns the kernels that this processor can run.
pub(super) fn kernels() -> Vec<(Isa, &'static Kernels)> {
    Isa::ALL.into_iter().filter_map(|isa| Some((isa, isa.kernels()?))).collect()
}

pub(super) fn wave(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 31 % 97) as f32 / 48.5 - 1.0) * (1.0 + (i % 7) as f32)).collect()
}

/// Multiplies `x`, `[rows, columns]`, with a matrix: `[rows, out]`.
pub(super) fn product(kernels: &Kernels, matrix: &PackedMatrix, x: &[f32]) -> Vec<f32> {
    let (rows, out) = (x.len() / matrix.columns, matrix.out);
    let inputs = Activations::new(kernels, x, matrix.columns);
    let mut y = vec![f32::NAN; rows * out];
    let part = PartialProduct::new(kernels, 0..rows, 0..matrix.panels(), &inputs);
    matrix.multiply(part, &mut GroupedActivations::default(), |row, output, values| {
        y[row * out + output..][..values.len()].copy_from_slice(values);
    });
    y
}

#[test]
fn every_kernel_and_format_multiplies_within_the_quantisation_error() {
    for dtype in ALL_TYPES {
        let format = BlockFormat::of(dtype).expect("known");
        for (out, columns, rows) in [(16, 256, 1), (5, 512, 3), (33, 1024, 20)] {
            let (bytes, values) = sample(dtype, out, columns);
            let matrix = PackedMatrix::new(format, out, columns, &bytes);
            let x = wave(columns * rows);
            for (isa, kernels) in kernels() {
                for (i, got) in product(kernels, &matrix, &x).iter().enumerate() {
                    let (row, o) = (i / out, i % out);
                    let terms = (0..columns).map(|c| values[o * columns + c] * x[row * columns + c]);
                    let (want, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
                    assert!((got - want).abs() < 0.01 * size + 1e-3, "{dtype:?} {isa:?} {row} {o}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn exactly_quantised_activations_give_the_exact_product() {
    for dtype in ALL_TYPES {
        let (bytes, values) = sample(dtype, 20, 512);
        let matrix = PackedMatrix::new(BlockFormat::of(dtype).expect("known"), 20, 512, &bytes);
        // Integers with a 127 among each 32 are quantised exactly.
        let x: Vec<f32> = (0..512).map(|i| if i % 32 == 0 { 127.0 } else { (i * 37 % 255) as f32 - 127.0 }).collect();
        for (isa, kernels) in kernels() {
            for (o, got) in product(kernels, &matrix, &x).iter().enumerate() {
                let want: f64 = (0..512).map(|c| f64::from(values[o * 512 + c]) * f64::from(x[c])).sum();
                let size: f64 = (0..512).map(|c| (f64::from(values[o * 512 + c]) * f64::from(x[c])).abs()).sum();
                assert!((f64::from(*got) - want).abs() < 1e-5 * size, "{dtype:?} {isa:?} {o}: {got} {want}");
            }
        }
    }
}

#[test]
fn the_largest_quants_do_not_overflow() {
    // All bits of all quants set, a scale of 1.
    let simple = |bytes: usize| [&[0, 0x3c], &vec![0xff; bytes - 2][..]].concat();
    let large = [&[0xff; 192][..], &[1; 16], &[0, 0x3c]].concat();
    for (dtype, block, value) in [
        (GgmlDType::Q4_0, simple(18), 7.0),
        (GgmlDType::Q5_0, simple(22), 15.0),
        (GgmlDType::Q8_0, simple(34), -1.0),
        (GgmlDType::Q6K, large, 31.0),
    ] {
        let format = BlockFormat::of(dtype).expect("known");
        let matrix = PackedMatrix::new(format, 16, 256, &block.repeat(16 * 256 / format.block_columns));
        for x in [127.0, -127.0] {
            for (isa, kernels) in kernels() {
                let y = product(kernels, &matrix, &[x; 256]);
                assert!(y.iter().all(|y| *y == value * x * 256.0), "{dtype:?} {isa:?} {x}: {y:?}");
            }
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_among_others() {
    for dtype in ALL_TYPES {
        let (bytes, _) = sample(dtype, 40, 768);
        let matrix = PackedMatrix::new(BlockFormat::of(dtype).expect("known"), 40, 768, &bytes);
        let x = wave(768 * MAX_ROWS * 3);
        for (isa, kernels) in kernels() {
            let alone: Vec<_> = x.chunks_exact(768).flat_map(|x| product(kernels, &matrix, x)).collect();
            for rows in (2..=MAX_ROWS + 2).chain([MAX_ROWS * 3]) {
                assert_eq!(
                    product(kernels, &matrix, &x[..rows * 768]),
                    alone[..rows * 40],
                    "{dtype:?} {isa:?} {rows} rows"
                );
            }
        }
    }
}

#[test]
fn a_row_of_a_matrix_is_what_the_file_says() {
    for dtype in ALL_TYPES {
        let format = BlockFormat::of(dtype).expect("known");
        let (bytes, values) = sample(dtype, 21, 512);
        let matrix = PackedMatrix::new(format, 21, 512, &bytes);
        let mut row = vec![0.0; 512];
        matrix.row(20, &mut row);
        let mut want = vec![0.0; 512];
        format.dequantise_row(&bytes[bytes.len() / 21 * 20..], &mut want);
        assert_eq!(row, want, "{dtype:?}");
        assert!(row.iter().zip(&values[20 * 512..]).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)));
    }
}

#[test]
fn columns_that_are_no_multiple_of_256_work() {
    for columns in [32, 96, 896, 576, 960] {
        let (bytes, values) = sample(GgmlDType::Q5_0, 17, columns);
        let matrix = PackedMatrix::new(BlockFormat::of(GgmlDType::Q5_0).expect("known"), 17, columns, &bytes);
        let x = wave(columns * 9);
        for (isa, kernels) in kernels() {
            let got = product(kernels, &matrix, &x)[8 * 17 + 16];
            let terms = values[16 * columns..].iter().zip(&x[8 * columns..]).map(|(w, x)| w * x);
            let (want, size) = terms.fold((0f32, 0f32), |(sum, size), t| (sum + t, size + t.abs()));
            assert!((got - want).abs() < 0.01 * size, "{isa:?} {columns}: {got} {want}");
        }
    }
}

#[test]
fn norms_and_activations_agree_with_their_definitions() {
    let x = wave(83);
    let (weight, bias, up) = (wave(83), wave(83), wave(83));
    let close = |got: &[f32], want: &dyn Fn(usize) -> f64, what: &str| {
        for (i, got) in got.iter().enumerate() {
            let want = want(i);
            assert!((f64::from(*got) - want).abs() < 1e-5 * want.abs().max(1.0), "{what} {i}: {got} {want}");
        }
    };
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / 83.0;
    let squares = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 83.0;
    let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / 83.0;
    for (isa, kernels) in kernels() {
        let mut out = vec![0.0; 83];
        // SAFETY: the set is supported.
        unsafe { (kernels.rms_norm)(&x, &weight, 1e-6, &mut out) };
        close(&out, &|i| f64::from(x[i]) / (squares + 1e-6).sqrt() * f64::from(weight[i]), isa.name());
        // SAFETY: the set is supported.
        unsafe { (kernels.layer_norm)(&x, &weight, &bias, 1e-6, &mut out) };
        let normal = |i: usize| (f64::from(x[i]) - mean) / (variance + 1e-6).sqrt();
        close(&out, &|i| normal(i) * f64::from(weight[i]) + f64::from(bias[i]), isa.name());
        out.copy_from_slice(&x);
        // SAFETY: the set is supported.
        unsafe { (kernels.silu)(&mut out, &up) };
        close(&out, &|i| f64::from(x[i]) / (1.0 + (-f64::from(x[i])).exp()) * f64::from(up[i]), isa.name());
        // SAFETY: the set is supported.
        let (max, log_sum) = unsafe { (kernels.log_sum_exp)(&x) };
        assert_eq!(max, x.iter().copied().fold(f32::MIN, f32::max));
        close(&[log_sum], &|_| x.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln(), isa.name());
    }
}

#[test]
fn activations_are_quantised_to_the_nearest_with_exact_sums() {
    let x = wave(96);
    for (isa, kernels) in kernels() {
        let (mut quants, mut scales, mut sums) = ([0i8; 96], [0f32; 3], [0i32; 6]);
        // SAFETY: the set is supported.
        unsafe { (kernels.quantise)(&x, &mut quants, &mut scales, &mut sums) };
        for (block, scale) in scales.iter().enumerate() {
            let max = x[block * 32..][..32].iter().fold(0f32, |max, x| max.max(x.abs()));
            assert_eq!(*scale, max / 127.0, "{isa:?} block {block}");
        }
        for (index, (quant, x)) in quants.iter().zip(&x).enumerate() {
            let error = (x / scales[index / 32] - f32::from(*quant)).abs();
            assert!(error < 0.501, "{isa:?} {index}: {x} became {quant}");
        }
        let exact: Vec<i32> =
            quants.chunks(16).map(|quants| quants.iter().map(|quant| i32::from(*quant)).sum()).collect();
        assert_eq!(&sums[..], &exact, "{isa:?}");
    }
}

#[test]
fn max_bound_is_the_largest_value_plus_error() {
    for (isa, kernels) in kernels() {
        for count in [0, 1, 15, 16, 83, 256] {
            let (values, errors) = (wave(count), wave(count + 1)[1..].to_vec());
            for factor in [-0.75, 0.0, 0.75] {
                let want = values.iter().zip(&errors).map(|(value, error)| value + error * factor);
                let want = want.fold(f32::NEG_INFINITY, f32::max);
                // SAFETY: the set is supported.
                let got = unsafe { (kernels.max_bound)(&values, &errors, factor) };
                assert!(got == want || (got - want).abs() < 1e-5, "{isa:?} {count} {factor}: {got} {want}");
            }
        }
    }
}

#[test]
fn every_byte_of_a_line_is_read() {
    let mut lines = [memory::Line([0; layout::LINE_BYTES]); 3];
    for (isa, kernels) in kernels() {
        for at in 0..3 * layout::LINE_BYTES {
            lines[at / layout::LINE_BYTES].0[at % layout::LINE_BYTES] = 1;
            // SAFETY: the set is supported.
            assert_ne!(unsafe { (kernels.read_lines)(&lines) }, 0, "{isa:?} {at}");
            lines[at / layout::LINE_BYTES].0[at % layout::LINE_BYTES] = 0;
        }
        // SAFETY: the set is supported.
        assert_eq!(unsafe { (kernels.read_lines)(&lines) }, 0, "{isa:?}");
    }
}

#[test]
fn extreme_activations_give_no_nan() {
    for (isa, kernels) in kernels() {
        let mut x = [-1e30, -200.0, -88.5, -87.0, 0.0, 87.0, 200.0, 1e30, f32::MIN, f32::MAX];
        // SAFETY: the set is supported.
        unsafe { (kernels.silu)(&mut x, &[]) };
        assert!(x.iter().all(|x| x.is_finite()), "{isa:?} {x:?}");
        let zeros = Activations::new(kernels, &[0.0; 64], 32);
        // SAFETY: no thread writes.
        assert!(unsafe { zeros.row(1) }.iter().all(|x| *x == 0.0));
    }
}

/// Prints the time of a group (32 columns of 16 outputs) on one thread in nanoseconds, for 1, 2, 4, 8, 16 and 64 rows,
/// from the cache and from memory: `cargo test --release -p foretype-model --lib -- --ignored --nocapture group_costs`.
#[test]
#[ignore = "a measurement"]
fn group_costs() {
    for (dtype, columns) in
        [(GgmlDType::Q5_0, 896), (GgmlDType::Q8_0, 896), (GgmlDType::Q4K, 4864), (GgmlDType::Q6K, 4864)]
    {
        let format = BlockFormat::of(dtype).expect("known");
        for (place, weights) in [("cache", 1 << 19), ("memory", 1 << 28)] {
            let out = weights / columns / PANEL * PANEL;
            let (bytes, _) = sample(dtype, PANEL, columns);
            let matrix = PackedMatrix::new(format, out, columns, &bytes.repeat(out / PANEL));
            let kernels = crate::kernels::kernels();
            let groups = (out / PANEL * columns / 32) as f64;
            let costs = [1, 2, 4, 8, 16, 64].map(|rows| {
                let inputs = Activations::new(kernels, &wave(columns * rows), columns);
                let mut grouped = GroupedActivations::default();
                let mut times: Vec<f64> = (0..9)
                    .map(|_| {
                        let started = std::time::Instant::now();
                        let mut sum = 0.0;
                        let part = PartialProduct::new(kernels, 0..rows, 0..matrix.panels(), &inputs);
                        matrix.multiply(part, &mut grouped, |_, _, y| sum += y[0]);
                        assert!(std::hint::black_box(sum).is_finite());
                        started.elapsed().as_secs_f64() * 1e9 / groups
                    })
                    .collect();
                times.sort_by(f64::total_cmp);
                format!("{:6.1}", times[4])
            });
            println!("{dtype:?} {place:6} {:4.0} MB: {}", matrix.bytes() as f64 / 1e6, costs.join(" "));
        }
    }
}
