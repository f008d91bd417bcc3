//! The same sums by a short script in another language: a random month, random
//! workloads that move between zones and PUEs, equal to 10^-9.
//!
//! `TANSO_SEED=7 cargo test -p tanso-carbon --test independent -- --nocapture`
//! takes another month. Needs `python3` (3.9 or newer).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails there"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use jiff::civil::date;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::whatif::{EnergyTable, Inputs, Report, whatif};
use tanso_carbon::{HourlyIntensity, Intensity, Period, SeriesInfo, UtcHour};

const HOURLY: &str = "tests/data/life_cycle_2024_16_zones.csv.gz";
const TOLERANCE: f64 = 1e-9;

/// Knuth's linear congruential generator: enough for figures in a table.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

fn grids() -> BTreeMap<String, IntensitySeries> {
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(HOURLY)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').skip(1).collect();
    let mut points: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for line in lines {
        let mut cells = line.split(',');
        let hour = UtcHour::parse(cells.next().unwrap()).unwrap();
        for (name, cell) in names.iter().zip(cells) {
            let value = Intensity::try_from_grams_per_kwh(cell.parse().unwrap()).unwrap();
            let point = Point::exact(value, Origin::Published);
            points.entry(name).or_default().push((hour, point));
        }
    }
    let series = |(name, points): (&str, Vec<_>)| {
        let info = SeriesInfo::average_life_cycle(name, "Electricity Maps");
        let series = IntensitySeries::try_new(info, points).unwrap();
        (name.to_owned(), series)
    };
    points.into_iter().map(series).collect()
}

/// Hourly energy of three weeks around the month: some hours twice, since a
/// workload moved within them, some not at all.
fn energy(dice: &mut Dice, month: Period) -> String {
    let mut text = "datetime_utc,workload,node,zone,pue,energy_kwh\n".to_owned();
    let first = month.from.plus_hours(-100);
    for offset in 0..i32::try_from(month.hour_count()).unwrap() + 200 {
        for workload in ["shop", "batch", "search", "train"] {
            for node in 0..dice.roll(3) {
                let hour = first.plus_hours(offset);
                let zone = dice.pick(&["KR", "DE", "GB", "US-CAL-CISO"]);
                let pue = dice.pick(&["1", "1.09", "1.4", "1.587"]);
                let (whole, part) = (dice.roll(30), dice.roll(1_000_000));
                writeln!(
                    text,
                    "{hour},{workload},n{node},{zone},{pue},{whole}.{part:06}"
                )
                .unwrap();
            }
        }
    }
    text
}

fn by_rust(text: &str, month: Period, zone: &jiff::tz::TimeZone) -> Report {
    let series = grids();
    let grids = series
        .iter()
        .map(|(name, series)| (name.clone(), series as &dyn HourlyIntensity));
    let energy = EnergyTable::parse("energy.csv", text).unwrap();
    let grids = grids.collect();
    whatif(&Inputs {
        period: Some(month),
        ..Inputs::new(&energy, &grids, "KR", zone)
    })
    .unwrap()
}

fn by_python(text: &str, month: &str, zone: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let energy = folder.path().join("energy.csv");
    std::fs::write(&energy, text).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg(here.join("tests/independent.py"));
    command.arg(&energy).arg(here.join(HOURLY));
    let output = command.arg(month).arg(zone).output();
    let output = output.expect("this test needs python3");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The seed given, or one that nobody knows before.
fn seed() -> u64 {
    let given = std::env::var("TANSO_SEED").ok();
    let random = || {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    };
    given.map_or_else(random, |text| text.parse().unwrap())
}

#[test]
fn another_program_finds_the_same_sums() {
    let seed = seed();
    let mut dice = Dice(seed);
    let name = dice.pick(&["Europe/Berlin", "Asia/Seoul", "America/New_York", "UTC"]);
    let number = i8::try_from(dice.roll(10) + 2).unwrap();
    let zone = time_zone(name).unwrap();
    let month = Period::local_month(date(2024, number, 1), &zone).unwrap();
    let text = energy(&mut dice, month);
    let ours = by_rust(&text, month, &zone);
    let theirs = by_python(&text, &format!("2024-{number:02}"), name);

    let (mut compared, mut farthest) = (0, 0.0_f64);
    let mut same = |what: &str, ours: f64, theirs: &serde_json::Value| {
        let theirs = theirs.as_f64().unwrap();
        let apart = (ours / theirs - 1.0).abs();
        assert!(
            apart <= TOLERANCE,
            "seed {seed}, {what}: {ours} and {theirs}"
        );
        (compared, farthest) = (compared + 1, farthest.max(apart));
    };
    let kwh = |energy: u64| tanso_power::Joules::from_microjoules(energy).as_kwh_f64();
    let grams = |mass| tanso_carbon::GramsCo2e::from_nanograms(mass).as_grams_f64();
    let totals = &ours.totals;
    same(
        "it",
        kwh(totals.it_energy_microjoules.value),
        &theirs["it_kwh"],
    );
    same(
        "facility",
        kwh(totals.facility_energy_microjoules.value),
        &theirs["facility_kwh"],
    );
    let their_grams = theirs["grams"].as_object().unwrap();
    same(
        "all",
        grams(totals.emissions_nanograms.value),
        &their_grams["all"],
    );
    for one in &ours.workloads {
        let name = format!("workload {}", one.workload);
        same(
            &name,
            grams(one.sums.emissions_nanograms.value),
            &their_grams[&name],
        );
    }
    for one in &ours.days {
        let name = format!("day {}", one.day);
        same(
            &name,
            grams(one.emissions_nanograms.value),
            &their_grams[&name],
        );
    }
    assert_eq!(compared, 2 + their_grams.len());
    eprintln!(
        "seed {seed}: 2024-{number:02} in {name}, {compared} sums of {} hours: at most {farthest:.1e} apart",
        ours.hours
    );
}
