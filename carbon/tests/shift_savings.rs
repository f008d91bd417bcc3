//! What moving a job in time would have saved in 16 grids in 2024: every
//! figure of a table that other code computed, found again by the optimiser.
//!
//! `cargo test -p tanso-carbon --test shift_savings -- --nocapture` prints
//! how far apart the two are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::BTreeMap;
use std::io::Read as _;

use jiff::Timestamp;
use tanso_carbon::schedule::{CostCurve, Job, Slot, interruptible};
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_power::Joules;

const HOURLY: &[u8] = include_bytes!("data/life_cycle_2024_16_zones.csv.gz");
const PUBLISHED: &str = include_str!("data/shift_savings_2024.csv");
const HOUR_S: i64 = 3_600;
/// The table counts starts from here on, so that there is a yesterday.
const FIRST_START: usize = 168;

fn zones() -> BTreeMap<String, Vec<Intensity>> {
    let mut text = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(HOURLY);
    unpacked.read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').skip(1).collect();
    let mut zones: BTreeMap<String, Vec<Intensity>> = BTreeMap::new();
    for line in lines {
        for (name, cell) in names.iter().zip(line.split(',').skip(1)) {
            let value = Intensity::try_from_grams_per_kwh(cell.parse().unwrap()).unwrap();
            zones.entry((*name).to_owned()).or_default().push(value);
        }
    }
    zones
}

fn seconds(hours: usize) -> i64 {
    i64::try_from(hours).unwrap() * HOUR_S
}

/// A job of 1 kWh an hour.
fn job(hours: usize) -> Job {
    let energy = Joules::from_microjoules(3_600_000_000_000 * u64::try_from(hours).unwrap());
    Job::flat(u32::try_from(seconds(hours)).unwrap(), energy).unwrap()
}

fn grams(slot: &Slot) -> f64 {
    slot.emissions.as_grams_f64()
}

/// Percent saved over all starts: contiguous, interrupted (to 48 h of slack),
/// contiguous by yesterday's hours (to 24 h of slack).
fn savings(values: &[Intensity], hours: usize, slack: usize) -> [Option<f64>; 3] {
    let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, 3_600, values).unwrap();
    let job = job(hours);
    let mut at_once = 0.0;
    let (mut contiguous, mut interrupted, mut by_yesterday) = (0.0, 0.0, 0.0);
    for start in FIRST_START..values.len() - hours - slack {
        let (first_s, last_s) = (seconds(start), seconds(start + slack));
        let at = |start_s| curve.emissions(&job, start_s).unwrap().as_grams_f64();
        at_once += at(first_s);
        contiguous += grams(&curve.best(&job, first_s, last_s, 1)[0]);
        if slack <= 48 {
            let ahead = &values[start..start + slack + hours];
            let cost = interruptible(ahead, hours, 0).unwrap().cost;
            // Micrograms per kWh × thousandths of a slot of 1 kWh.
            interrupted += GramsCo2e::from_nanograms(cost).as_grams_f64();
        }
        if slack <= 24 {
            let yesterday: Vec<_> = (0..slack + hours)
                .map(|ahead| values[start - 24 + ahead % 24])
                .collect();
            by_yesterday += at(first_s + seconds(planned(&yesterday, &job, hours, slack)));
        }
    }
    let saving = |sum: f64| (1.0 - sum / at_once) * 100.0;
    [
        Some(saving(contiguous)),
        (slack <= 48).then(|| saving(interrupted)),
        (slack <= 24).then(|| saving(by_yesterday)),
    ]
}

/// The start that a forecast advises, in hours from now. With 24 hours of
/// slack yesterday's hours offer the same window twice, a day apart: of such
/// exact ties the optimiser takes the earliest, the table the one that the
/// rounding of running sums of binary fractions favoured.
fn planned(forecast: &[Intensity], job: &Job, hours: usize, slack: usize) -> usize {
    let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, 3_600, forecast).unwrap();
    let best = curve.best(job, 0, seconds(slack), slack + 1);
    let tied = best
        .iter()
        .filter(|slot| slot.emissions == best[0].emissions);
    let starts: Vec<_> = tied
        .map(|slot| usize::try_from(slot.start_s / HOUR_S).unwrap())
        .collect();
    let mut running = vec![0.0];
    for value in forecast {
        running.push(running[running.len() - 1] + value.as_grams_per_kwh_f64());
    }
    let rounded = |start: &usize| running[start + hours] - running[*start];
    *starts
        .iter()
        .min_by(|a, b| rounded(a).total_cmp(&rounded(b)))
        .unwrap()
}

#[test]
fn the_savings_of_sixteen_grids_are_found_again() {
    let zones = zones();
    assert_eq!(zones.len(), 16);
    assert!(zones.values().all(|values| values.len() == 8_784));
    let (mut compared, mut farthest) = (0, 0.0_f64);
    for line in PUBLISHED.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        let (hours, slack) = (cells[1].parse().unwrap(), cells[2].parse().unwrap());
        let found = savings(&zones[cells[0]], hours, slack);
        for (found, published) in found.into_iter().zip(&cells[3..6]) {
            let Some(found) = found else { continue };
            let published: f64 = published.parse().unwrap();
            let apart = (found - published).abs();
            assert!(apart <= 0.05, "{line}: {found:.3} not {published}");
            (compared, farthest) = (compared + 1, farthest.max(apart));
        }
    }
    // 20 jobs a zone: all contiguous, 16 interrupted, 12 by yesterday's hours.
    assert_eq!(compared, 16 * (20 + 16 + 12));
    eprintln!("{compared} savings of 16 zones: at most {farthest:.4} points apart");
}
