//! How an exact split grows with the number of parts, beside the inexact one
//! that floating point would give.
#![allow(
    missing_docs,
    reason = "the macros of criterion write no documentation"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tanso_power::apportion;

fn weights(parts: u64) -> Vec<u64> {
    (0..parts)
        .map(|part| part * 2_654_435_761 % 1_000_003)
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "that it is inexact is the point"
)]
fn by_float(total: u64, weights: &[u64]) -> Vec<f64> {
    let whole: f64 = weights.iter().map(|&weight| weight as f64).sum();
    weights
        .iter()
        .map(|&weight| total as f64 * weight as f64 / whole)
        .collect()
}

fn splits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split one interval's energy");
    for parts in [50, 500, 5_000] {
        let weights = weights(parts);
        group.bench_with_input(
            BenchmarkId::new("exact", parts),
            &weights,
            |bencher, weights| {
                bencher.iter(|| apportion(black_box(37_251_377), weights));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("float", parts),
            &weights,
            |bencher, weights| {
                bencher.iter(|| by_float(black_box(37_251_377), weights));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, splits);
criterion_main!(benches);
