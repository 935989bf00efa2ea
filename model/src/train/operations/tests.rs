//! Values and gradients of the fused operations against their references.

use candle_core::{CpuStorage, Device, Result, Storage, Tensor, Var};
use foretype_plugins::random::Random;

use super::Precision::{Bf16, F32};
use super::*;

fn random(shape: &[usize], seed: u64) -> Var {
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| (random.unit() * 2.0 - 1.0) as f32).collect();
    Var::from_vec(values, shape, &Device::Cpu).expect("a tensor of its own shape")
}

/// The output of an operation and the gradients of its inputs, for random weights of the output elements.
fn output_and_gradients(inputs: &[Var], operation: &dyn Fn(&[Tensor]) -> Result<Tensor>) -> Vec<Vec<f32>> {
    let run = || -> Result<Vec<Vec<f32>>> {
        let tensors: Vec<_> = inputs.iter().map(|var| var.as_tensor().clone()).collect();
        let y = operation(&tensors)?;
        let weights = random(y.dims(), 99);
        let store = (&y * weights.as_detached_tensor())?.sum_all()?.backward()?;
        let gradients = inputs.iter().map(|var| store.get(var).expect("a gradient for each input").clone());
        [y].into_iter().chain(gradients).map(|x| x.flatten_all()?.to_vec1()).collect()
    };
    run().expect("the shapes fit")
}

fn check_equal(
    shapes: &[&[usize]],
    fused: impl Fn(&[Tensor]) -> Result<Tensor>,
    plain: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let inputs: Vec<_> = shapes.iter().zip(1..).map(|(shape, seed)| random(shape, seed)).collect();
    for (fused, plain) in output_and_gradients(&inputs, &fused).iter().zip(output_and_gradients(&inputs, &plain)) {
        assert_eq!(fused.len(), plain.len());
        for (a, b) in fused.iter().zip(plain) {
            assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{a} and {b}");
        }
    }
}

#[test]
fn fused_rms_norm_matches_its_reference() {
    for shape in [&[5, 8][..], &[3, 2, 16]] {
        let width = shape[shape.len() - 1];
        check_equal(&[shape, &[width]], |x| rms_norm(&x[0], &x[1], 1e-5), |x| rms_norm_reference(&x[0], &x[1], 1e-5));
    }
}

#[test]
fn fused_swiglu_matches_its_reference() {
    check_equal(&[&[7, 9], &[7, 9]], |x| swiglu(&x[0], &x[1]), |x| x[0].silu()? * &x[1]);
}

#[test]
fn fused_softmax_matches_its_reference() {
    check_equal(&[&[2, 6, 6]], |x| causal_softmax(&x[0]), |x| causal_softmax_reference(&x[0]));
}

#[test]
fn frozen_matmul_matches_a_product() {
    let weight = random(&[4, 6], 7).as_detached_tensor();
    check_equal(&[&[3, 6]], |x| frozen_matmul(&x[0], &weight, F32), |x| x[0].matmul(&weight.t()?));
}

#[test]
fn lora_matmul_matches_separate_products() {
    let weight = random(&[5, 6], 7).as_detached_tensor();
    check_equal(
        &[&[3, 6], &[2, 6], &[5, 2]],
        |x| lora_matmul(&x[0], &weight, &x[1], &x[2], 0.5, F32),
        |x| x[0].matmul(&weight.t()?)? + low_rank_matmul(&x[0], &x[1], &x[2], 0.5, F32)?,
    );
}

#[test]
fn matmul_of_storages_matches_matmul_of_tensors() {
    let (x, weight) = (random(&[4, 3], 6).as_detached_tensor().t(), random(&[5, 4], 7).as_detached_tensor());
    let x = x.expect("a matrix");
    let ((a, a_at), (b, b_at)) = (x.storage_and_layout(), weight.storage_and_layout());
    let (Storage::Cpu(a), Storage::Cpu(b)) = (&*a, &*b) else { panic!("tensors on the CPU") };
    let (y, shape) = matmul::matmul_transposed((a, a_at), (b, b_at)).expect("the shapes fit");
    assert_eq!(shape.dims(), [3, 5]);
    let expected: Vec<f32> =
        weight.t().and_then(|w| x.contiguous()?.matmul(&w.contiguous()?)?.flatten_all()?.to_vec1()).expect("a product");
    let CpuStorage::F32(y) = y else { panic!("32-bit floats") };
    assert!(y.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?} and {expected:?}");
}

#[test]
fn bf16_products_round_factors_and_result() {
    let (a, b) = (random(&[4, 6], 1), random(&[6, 3], 2));
    let y: Vec<Vec<f32>> = Bf16.matmul(&a, &b).and_then(|y| y.to_vec2()).expect("a product");
    let round = |x: f32| half::bf16::from_f32(x).to_f32();
    let rows = |x: &Var| x.to_vec2::<f32>().expect("a matrix");
    let (a, b) = (rows(&a), rows(&b));
    for (i, row) in y.iter().enumerate() {
        for (j, y) in row.iter().enumerate() {
            let sum: f32 = (0..6).map(|k| round(a[i][k]) * round(b[k][j])).sum();
            // The order of summation may decide between two neighbouring bf16 values.
            assert!((y - sum).abs() <= sum.abs() / 256.0 && round(*y) == *y, "{y} and {sum}");
        }
    }
}

#[test]
fn bf16_gradients_are_close_to_f32_gradients() {
    let weight = random(&[5, 6], 7).as_detached_tensor();
    let inputs = [random(&[3, 6], 1), random(&[2, 6], 2), random(&[5, 2], 3)];
    let with =
        |precision| output_and_gradients(&inputs, &|x| lora_matmul(&x[0], &weight, &x[1], &x[2], 0.5, precision));
    for (low, full) in with(Bf16).iter().zip(with(F32)) {
        let size = full.iter().map(|x| x * x).sum::<f32>().sqrt();
        let wrong = low.iter().zip(&full).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        assert!(wrong < 0.01 * size, "{low:?} and {full:?}");
        assert!(wrong > 0.0, "nothing was rounded");
    }
}

#[test]
fn fused_rope_matches_its_reference() {
    let (cos, sin) = (random(&[3, 1, 4], 4).as_detached_tensor(), random(&[3, 1, 4], 5).as_detached_tensor());
    check_equal(&[&[3, 2, 8]], |x| rope(&x[0], &cos, &sin), |x| rope_reference(&x[0], &cos, &sin));
}

#[test]
fn grouped_query_attention_matches_copied_heads() {
    let shapes: [&[usize]; 3] = [&[4, 5, 8], &[2, 5, 8], &[2, 5, 8]];
    let copies = |x: &Tensor| x.unsqueeze(1)?.broadcast_as((2, 2, 5, 8))?.contiguous()?.reshape((4, 5, 8));
    check_equal(
        &shapes,
        |x| causal_attention(&x[0], &x[1], &x[2], F32),
        |x| causal_attention(&x[0], &copies(&x[1])?, &copies(&x[2])?, F32),
    );
}

#[test]
fn a_frozen_norm_still_propagates_the_gradient_of_its_input() {
    let weight = random(&[8], 2).as_detached_tensor();
    check_equal(&[&[5, 8]], |x| rms_norm(&x[0], &weight, 1e-5), |x| rms_norm_reference(&x[0], &weight, 1e-5));
}

#[test]
fn layer_norm_has_gradients() {
    let inputs = [random(&[3, 8], 1), random(&[8], 2), random(&[8], 3)];
    assert_eq!(output_and_gradients(&inputs, &|x| layer_norm(&x[0], &x[1], &x[2], 1e-5)).len(), 4);
}
