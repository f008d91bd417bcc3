//! How long an evaluation of a large cluster and the best start within a year
//! take, one JSON line each: `cargo xtask bench carbon`.
//!
//! Beside the benchmark of `account.rs`, which shows how the time grows, this
//! one takes the sizes that are promised, on one thread, and fails if a limit is
//! not kept.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the inputs are made here, and lines are what it gives"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::{
    Coverage, EnergyRow, FacilityPue, Intensity, Place, Pue, PueEvidence, SeriesInfo, UtcHour,
    account,
};
use tanso_power::{Estimate, Joules, Provenance};

const WORKLOADS: u64 = 100_000;
const HOURS: i32 = 24;
const YEAR_S: i64 = 365 * 86_400;
const STEP_S: u32 = 300;

fn start() -> UtcHour {
    UtcHour::parse("2026-11-21T00:00Z").unwrap()
}

fn intensity(number: u32) -> Intensity {
    Intensity::from_micrograms_per_kwh(200_000_000 + number * 7_919 % 400_000_000).unwrap()
}

fn day() -> IntensitySeries {
    let points = (0..HOURS).map(|hour| {
        let value = intensity(u32::try_from(hour).unwrap());
        (
            start().plus_hours(hour),
            Point::exact(value, Origin::Published),
        )
    });
    IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "made"), points).unwrap()
}

/// A day of one workload, in two places if its number is even.
fn rows(workload: u64) -> Vec<EnergyRow> {
    let row = |hour: i32| EnergyRow {
        hour: start().plus_hours(hour),
        place: usize::from(hour % 2 == 0 && workload.is_multiple_of(2)),
        energy: Estimate::exact(Joules::from_microjoules(1_000_000_000 + workload)),
        provenance: Provenance::Measured,
    };
    (0..HOURS).map(row).collect()
}

/// The same energy, known to a tenth.
fn uncertain(rows: &[EnergyRow]) -> Vec<EnergyRow> {
    let row = |row: &EnergyRow| {
        let best = row.energy.value.microjoules();
        let energy = Estimate {
            low: best - best / 10,
            value: best,
            high: best + best / 10,
        };
        EnergyRow {
            energy: energy.map(Joules::from_microjoules),
            provenance: Provenance::Modelled,
            ..*row
        }
    };
    rows.iter().map(row).collect()
}

/// Processor time of this thread so far, as the kernel books it; `None` where
/// it does not tell.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Runs it so many times and prints a line: the mean of processor time, which
/// other work on the machine does not lengthen, and the median by the clock. True
/// if the limit was kept.
fn measure<T>(what: &str, runs: u32, limit: Duration, elements: u64, run: impl Fn() -> T) -> bool {
    let used_before = processor_time();
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            black_box(run());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[times.len() / 2];
    let used = processor_time().zip(used_before);
    let used = used.map_or(median, |(after, before)| {
        after.saturating_sub(before) / runs
    });
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let is_within = used <= limit;
    println!(
        "{{\"bench\":\"{what}\",\"elements\":{elements},\"runs\":{runs},\"processor_ms\":{:.3},\"clock_ms\":{:.3},\"limit_ms\":{:.0},\"within_limit\":{}}}",
        milliseconds(used),
        milliseconds(median),
        milliseconds(limit),
        is_within
    );
    is_within
}

/// Whether accounts of a large cluster are made within the limit.
fn accounts(kept: &mut Vec<bool>) {
    let (here, there) = (day(), day());
    let pue = FacilityPue::annual(Pue::try_new(1.4).unwrap(), PueEvidence::Measured, "made");
    let places = [Place::new(&here, Some(&pue)), Place::new(&there, None)];
    let coverage = Coverage::new(24, 24);
    let by_workload: Vec<_> = (0..WORKLOADS).map(rows).collect();
    let count = WORKLOADS * 24;
    let half_second = Duration::from_millis(500);
    kept.push(measure(
        "carbon/account-each-workload",
        5,
        half_second,
        count,
        || {
            // As an evaluation does: an account is made, its figures are taken.
            let each = by_workload.iter().map(|rows| {
                let sum = account(rows, &places, coverage);
                (sum.emissions, sum.effective_intensity(), sum.hours.len())
            });
            each.collect::<Vec<_>>()
        },
    ));
    // As a power model gives it: each hour weighs between bounds.
    let modelled: Vec<_> = by_workload.iter().map(|rows| uncertain(rows)).collect();
    kept.push(measure(
        "carbon/account-each-workload-with-bounds",
        5,
        half_second,
        count,
        || {
            let each = modelled.iter().map(|rows| {
                let sum = account(rows, &places, coverage);
                (sum.emissions, sum.effective_intensity(), sum.hours.len())
            });
            each.collect::<Vec<_>>()
        },
    ));
    drop(modelled);
    let all: Vec<_> = by_workload.concat();
    kept.push(measure(
        "carbon/account-all-together",
        5,
        half_second,
        count,
        || account(&all, &places, coverage),
    ));
}

/// Whether the best start within a year is found within the limit.
fn windows(kept: &mut Vec<bool>) {
    let steps = u32::try_from(YEAR_S).unwrap() / STEP_S;
    let values: Vec<_> = (0..steps).map(intensity).collect();
    let job = Job::flat(4 * 3_600, Joules::from_microjoules(3_600_000_000)).unwrap();
    let limit = Duration::from_millis(2);
    let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, STEP_S, &values).unwrap();
    let best = || curve.best(&job, 0, YEAR_S - job.seconds(), 3);
    kept.push(measure(
        "carbon/best-window-of-a-year",
        101,
        limit,
        steps.into(),
        best,
    ));
    // With the running sums made anew each time.
    kept.push(measure(
        "carbon/best-window-of-a-year-from-figures",
        101,
        limit,
        steps.into(),
        || {
            let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, STEP_S, &values).unwrap();
            curve.best(&job, 0, YEAR_S - job.seconds(), 3)
        },
    ));
}

fn main() -> ExitCode {
    let mut kept = Vec::new();
    accounts(&mut kept);
    windows(&mut kept);
    if kept.contains(&false) {
        eprintln!("a limit was not kept: see the lines with \"within_limit\":false");
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
