//! How accounts grow with the number of rows, and what the best start of a job
//! costs over a year of five-minute steps.
#![allow(
    missing_docs,
    reason = "the macros of criterion write no documentation"
)]
#![expect(clippy::unwrap_used, reason = "the inputs are made here")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::{Coverage, EnergyRow, Intensity, Place, SeriesInfo, UtcHour, account};
use tanso_power::{Estimate, Joules, Provenance};

const HOURS: i32 = 24;
const YEAR_S: i64 = 365 * 86_400;
const STEP_S: u32 = 300;

fn intensity(number: u32) -> Intensity {
    Intensity::from_micrograms_per_kwh(200_000_000 + number * 7_919 % 400_000_000).unwrap()
}

fn day() -> IntensitySeries {
    let start = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    let points = (0..HOURS).map(|hour| {
        let value = intensity(u32::try_from(hour).unwrap());
        let point = Point {
            intensity: Estimate::exact(value),
            origin: Origin::Published,
        };
        (start.plus_hours(hour), point)
    });
    IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "made"), points).unwrap()
}

fn rows(workloads: u64) -> Vec<EnergyRow> {
    let start = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    let hours = (0..HOURS).map(|hour| start.plus_hours(hour));
    hours
        .flat_map(|hour| {
            (0..workloads).map(move |workload| EnergyRow {
                hour,
                place: 0,
                energy: Estimate::exact(Joules::from_microjoules(1_000_000 + workload)),
                provenance: Provenance::Measured,
            })
        })
        .collect()
}

fn accounts(criterion: &mut Criterion) {
    let series = day();
    let place = Place::new(&series, None);
    let mut group = criterion.benchmark_group("account of a day");
    group.sample_size(10);
    for workloads in [1_000, 10_000, 100_000] {
        let rows = rows(workloads);
        group.throughput(Throughput::Elements(rows.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("workloads", workloads),
            &rows,
            |bencher, rows| {
                bencher.iter(|| account(black_box(rows), &[place], Coverage::new(24, 24)));
            },
        );
    }
    group.finish();
}

fn best_start(criterion: &mut Criterion) {
    let steps = u32::try_from(YEAR_S).unwrap() / STEP_S;
    let values: Vec<_> = (0..steps).map(intensity).collect();
    let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, STEP_S, &values).unwrap();
    let job = Job::flat(4 * 3_600, Joules::from_microjoules(3_600_000_000)).unwrap();
    criterion.bench_function(
        "best start of a 4 h job in a year of 5 min steps",
        |bencher| {
            bencher.iter(|| curve.best(black_box(&job), 0, YEAR_S - job.seconds(), 3));
        },
    );
}

criterion_group!(benches, accounts, best_start);
criterion_main!(benches);
