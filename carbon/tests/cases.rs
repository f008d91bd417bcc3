//! The ten worked cases of carbon accounting that the first tools in the
//! field got wrong, to the digit. Of case 2 the choice among overlapping power
//! zones (package 100 W + dram 10 W, never core and psys on top) is the
//! meter's and is tested there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::market::{Contract, Matching, ResidualMix, market_based};
use tanso_carbon::pue::{PueCategory, PueScope, SiteEnergy};
use tanso_carbon::regulation::Binds;
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::sci::sci;
use tanso_carbon::series::{FillRule, IntensitySeries, Origin, Point};
use tanso_carbon::table::parse_hourly;
use tanso_carbon::{
    Account, Coverage, EnergyRow, Evidence, FacilityPue, GramsCo2e, HourlyIntensity, Intensity,
    Metering, Period, Place, Pue, PueEvidence, Reason, Rule, RuleSet, SeriesInfo, StaticIntensity,
    Thresholds, UtcHour, Verdict, account, judge,
};
use tanso_power::counter::EnergyCounter;
use tanso_power::{Estimate, Joules, Provenance, Watts};

#[path = "cases/advice.rs"]
mod advice;

const KR_2024: &str = include_str!("data/kr_2024.csv");
const DE_2024: &str = include_str!("data/de_2024_03_10.csv");
const TODAY: Date = date(2026, 11, 21);

fn kwh(energy: f64) -> Joules {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small figures"
    )]
    Joules::from_microjoules((energy * 3.6e12).round() as u64)
}

fn grams_per_kwh(value: f64) -> Intensity {
    Intensity::try_from_grams_per_kwh(value).unwrap()
}

fn pue(ratio: f64) -> Pue {
    Pue::try_new(ratio).unwrap()
}

fn table(text: &str, zone: &str) -> IntensitySeries {
    let info = SeriesInfo::average_life_cycle(zone, "Electricity Maps");
    parse_hourly("hourly.csv", text, info).unwrap()
}

/// Hours from midnight on with the given figures; `None` is a gap.
fn hours(values: &[Option<f64>]) -> IntensitySeries {
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    let points = (0..).zip(values).filter_map(|(offset, value)| {
        let point = Point::exact(grams_per_kwh((*value)?), Origin::Published);
        Some((start.plus_hours(offset), point))
    });
    let last = Point::exact(Intensity::ZERO, Origin::Published);
    let points = points.chain([(start.plus_hours(100), last)]);
    IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "case"), points).unwrap()
}

fn rows(energies: &[f64]) -> Vec<EnergyRow> {
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    let row = |(offset, energy): (i32, &f64)| EnergyRow {
        hour: start.plus_hours(offset),
        place: 0,
        energy: Estimate::exact(kwh(*energy)),
        provenance: Provenance::Measured,
    };
    (0..).zip(energies).map(row).collect()
}

/// Priced as metered at the facility: a budget needs no PUE then.
fn price(rows: &[EnergyRow], intensity: &dyn HourlyIntensity) -> Account {
    let place = Place {
        metering: Metering::Facility,
        ..Place::new(intensity, None)
    };
    account(rows, &[place], Coverage::new(4, 4))
}

/// What 1 kW emits over a period.
fn one_kilowatt(series: &IntensitySeries, period: Period) -> String {
    let rows: Vec<_> = period
        .hours()
        .map(|hour| EnergyRow {
            hour,
            place: 0,
            energy: Estimate::exact(kwh(1.0)),
            provenance: Provenance::Measured,
        })
        .collect();
    let sum = price(&rows, series);
    assert_eq!(sum.unpriced, Joules::ZERO);
    format!("{:.2}", sum.emissions.value.as_grams_f64())
}

fn shown(grams: GramsCo2e) -> String {
    format!("{:.2}", grams.as_grams_f64())
}

fn rule(fields: &str) -> Rule {
    let text = format!(
        "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - {{id: R, name: The rule, kind: policyTarget, \
         authority: us, binds: Facility, source: board, evidence: none, period: Year, {fields}}}\n"
    );
    RuleSet::parse("own.yaml", &text).unwrap().rules.remove(0)
}

#[test]
fn case_1_units() {
    let ci = Intensity::try_from_pounds_per_mwh(900.0).unwrap();
    let constant = StaticIntensity::new(
        SeriesInfo::average_life_cycle("XX", "case"),
        Estimate::exact(ci),
    );
    let facility = FacilityPue::annual(pue(1.15), PueEvidence::Measured, "meter");
    let place = Place::new(&constant, Some(&facility));
    let sum = account(&rows(&[1.0]), &[place], Coverage::new(1, 1));
    assert_eq!(
        format!("{:.3}", sum.emissions.value.as_grams_f64()),
        "469.468"
    );
    // 0.4173 t/MWh, 0.0005 t/kWh, and "402" tagged as t/kWh.
    let of = |tonnes_per_mwh| Intensity::try_from_tonnes_per_mwh(tonnes_per_mwh);
    assert_eq!(of(0.4173).unwrap(), grams_per_kwh(417.3));
    assert_eq!(of(0.0005 * 1e3).unwrap(), grams_per_kwh(500.0));
    let refused = of(402.0 * 1e3).unwrap_err();
    assert!(refused.to_string().contains("402000000"), "{refused}");
    // 250 mWs are 250 mJ.
    let milliwatt = Watts::from_microwatts(1_000);
    let energy = milliwatt.over(std::time::Duration::from_secs(250));
    assert_eq!(energy, Joules::from_microjoules(250_000));
}

/// A counter at every quarter of an hour, begun anew before the fourth reading:
/// the sum is made from what each quarter counted, never from last less first.
#[test]
fn case_2_a_counter_that_was_reset_is_added_up_by_its_steps() {
    let kilojoules = [1_000, 1_600, 2_200, 150, 750];
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    // The register never wraps: a lower reading is a reset, and then what it
    // holds is what it counted since.
    let mut counter = EnergyCounter::new(0);
    let mut rows = Vec::new();
    for (quarter, kilojoules) in (0..).zip(kilojoules) {
        let reading_uj = kilojoules * 1_000_000_000;
        let first = counter.last_uj().is_none();
        let step = counter.advance(reading_uj);
        let since_reset = Joules::from_microjoules(reading_uj);
        let energy = step.or((!first).then_some(since_reset));
        let Some(energy) = energy else { continue };
        rows.push(EnergyRow {
            hour: UtcHour::from_unix_seconds(start.unix_seconds() + quarter * 900 - 1),
            place: 0,
            energy: Estimate::exact(energy),
            provenance: Provenance::Measured,
        });
    }
    let steps: Vec<_> = rows
        .iter()
        .map(|row| row.energy.value.microjoules() / 1_000_000_000)
        .collect();
    assert_eq!(steps, [600, 600, 150, 600]);
    let constant = StaticIntensity::new(
        SeriesInfo::average_life_cycle("KR", "official factor"),
        Estimate::exact(grams_per_kwh(417.3)),
    );
    let sum = price(&rows, &constant);
    assert_eq!(sum.hours.len(), 1);
    assert_eq!(
        format!("{:.6}", sum.it_energy.value.as_kwh_f64()),
        "0.541667"
    );
    assert_eq!(shown(sum.emissions.value), "226.04");
}

#[test]
fn case_3_gaps_are_filled_by_name_or_left_unknown() {
    let series = hours(&[Some(300.0), None, Some(500.0), Some(420.0)]);
    let used = rows(&[2.0; 4]);
    let dropped = price(&used, &series);
    assert_eq!(shown(dropped.emissions.value), "2440.00");
    assert_eq!(
        (dropped.unpriced, dropped.unpriced_percent()),
        (kwh(2.0), 25.0)
    );

    let interpolated = price(&used, &series.filled(&[FillRule::Interpolate(1)]));
    assert_eq!(shown(interpolated.emissions.value), "3240.00");
    assert!((interpolated.estimated_percent() - 25.0).abs() < f64::EPSILON);

    let korea = table(KR_2024, "KR").range().unwrap();
    let yearly = Estimate {
        value: grams_per_kwh(423.0),
        ..korea
    };
    let filled = price(&used, &series.filled(&[FillRule::YearlyAverage(yearly)]));
    let bounds = filled
        .emissions
        .map(|grams| format!("{:.0}", grams.as_grams_f64()));
    let [low, value, high] = [bounds.low, bounds.value, bounds.high];
    assert_eq!([low, value, high], ["2938", "3286", "3450"]);

    let budget = rule("metric: CarbonBudget, op: AtMost, limit: 3300, unit: gCO2eq");
    let verdict = |sum: &Account, max_estimated_percent| {
        let evidence = Evidence {
            account: Some(sum),
            ..Evidence::default()
        };
        let terms = Thresholds {
            min_coverage_percent: 75.0,
            max_estimated_percent,
        };
        let judgement = judge(&budget, &evidence, terms, TODAY);
        (judgement.verdict, judgement.reason)
    };
    assert_eq!(
        verdict(&dropped, 100.0),
        (Verdict::Unknown, Reason::IntensityMissing)
    );
    assert_eq!(
        verdict(&filled, 20.0),
        (Verdict::Unknown, Reason::EstimatedShareTooHigh)
    );
    assert_eq!(
        verdict(&filled, 25.0),
        (Verdict::Inconclusive, Reason::BoundsStraddleLimit)
    );
}

#[test]
fn case_4_the_mean_is_weighted_by_energy() {
    let series = hours(&[Some(500.0), Some(100.0), Some(100.0), Some(300.0)]);
    let sum = price(&rows(&[10.0, 0.0, 0.0, 2.0]), &series);
    assert_eq!(shown(sum.emissions.value), "5600.00");
    let effective = sum.effective_intensity().unwrap().value;
    assert_eq!(format!("{:.2}", effective.as_grams_per_kwh_f64()), "466.67");
    assert_eq!(
        price(&rows(&[0.0, 0.0]), &series).effective_intensity(),
        None
    );
}

#[test]
fn case_5_days_in_berlin_have_23_and_25_hours() {
    let series = table(DE_2024, "DE");
    let berlin = time_zone("Europe/Berlin").unwrap();
    let day = |day| one_kilowatt(&series, Period::local_day(day, &berlin).unwrap());
    assert_eq!(day(date(2024, 3, 31)), "6116.59");
    assert_eq!(day(date(2024, 10, 27)), "10555.10");
    let utc = Period::local_day(date(2024, 10, 27), &TimeZone::UTC).unwrap();
    assert_eq!(one_kilowatt(&series, utc), "10230.10");
    let month = |month| {
        let period = Period::local_month(date(2024, month, 1), &berlin).unwrap();
        (period.hour_count(), one_kilowatt(&series, period))
    };
    assert_eq!(month(3), (743, "257928.23".to_owned()));
    assert_eq!(month(10), (745, "276351.44".to_owned()));
}

#[test]
fn case_6_a_korean_day_is_not_a_utc_day() {
    let series = table(KR_2024, "KR");
    let seoul = time_zone("Asia/Seoul").unwrap();
    let day = Period::local_day(date(2024, 6, 15), &seoul).unwrap();
    assert_eq!(one_kilowatt(&series, day), "10266.89");
    let utc = Period::local_day(date(2024, 6, 15), &TimeZone::UTC).unwrap();
    assert_eq!(one_kilowatt(&series, utc), "10030.09");
    let june = Period::local_month(date(2024, 6, 15), &seoul).unwrap();
    assert_eq!(one_kilowatt(&series, june), "294863.13");

    let curve = CostCurve::of_hours(&series, day, |point| point.intensity.value).unwrap();
    let job = Job::flat(4 * 3_600, kwh(4.0)).unwrap();
    let from_s = day.from.unix_seconds();
    let best = curve.best(&job, from_s, from_s + 20 * 3_600, 1)[0];
    assert_eq!((best.start_s - from_s) / 3_600, 9);
    let mean = |hour: i64| {
        let intensity = curve.mean(from_s + hour * 3_600, 4 * 3_600).unwrap();
        format!("{:.2}", intensity.as_grams_per_kwh_f64())
    };
    assert_eq!((mean(9).as_str(), mean(2).as_str()), ("400.23", "437.68"));
}

#[test]
fn case_7_a_pue_names_its_category_and_its_scope() {
    let limit = "metric: Pue, op: AtMost, limit: 1.5, unit: ratio";
    let strict = rule(limit);
    let verdict = |rule: &Rule, facility: &FacilityPue| {
        let evidence = Evidence {
            pue: Some(facility),
            ..Evidence::default()
        };
        judge(rule, &evidence, Thresholds::default(), TODAY)
    };
    let at = |it: f64, category| {
        let site = SiteEnergy {
            facility_kwh: 1.2e6,
            it_kwh: it * 1e3,
        };
        FacilityPue::measured([site], category, "m").unwrap()
    };
    for (it, category, shown, expected) in [
        (800.0, PueCategory::Ups, "1.50", Verdict::Compliant),
        (780.0, PueCategory::Pdu, "1.538", Verdict::NonCompliant),
        (760.0, PueCategory::Device, "1.579", Verdict::NonCompliant),
    ] {
        let facility = at(it, category);
        assert_eq!(facility.value.value.to_string(), shown);
        let judgement = verdict(&strict, &facility);
        assert_eq!(judgement.verdict, expected);
        assert!(
            judgement.message.contains(&category.to_string()),
            "{}",
            judgement.message
        );
    }
    let by_device = rule(&format!("{limit}, pueCategory: Device"));
    let judgement = verdict(&by_device, &at(800.0, PueCategory::Ups));
    assert_eq!(
        (judgement.verdict, judgement.reason),
        (Verdict::Unknown, Reason::PueCategoryDiffers)
    );
    for scope in [
        PueScope::Partial,
        PueScope::Interim,
        PueScope::Design,
        PueScope::AtFullLoad,
    ] {
        let facility = FacilityPue {
            scope,
            ..at(800.0, PueCategory::Ups)
        };
        assert_eq!(verdict(&strict, &facility).reason, Reason::PueScopeDiffers);
    }
    let sites = [(30e6, 20e6), (13e6, 10e6)].map(|(facility_kwh, it_kwh)| SiteEnergy {
        facility_kwh,
        it_kwh,
    });
    let operator = FacilityPue::measured(sites, PueCategory::Ups, "m").unwrap();
    assert_eq!(operator.value.value.to_string(), "1.433");
    let mut japan = rule("metric: Pue, op: AtMost, limit: 1.4, unit: ratio");
    assert_eq!(verdict(&japan, &operator).reason, Reason::EntityDiffers);
    japan.binds = Binds::Operator;
    assert_eq!(verdict(&japan, &operator).verdict, Verdict::NonCompliant);
    // A site of the operator says nothing about all of them.
    let site = at(800.0, PueCategory::Ups);
    assert_eq!(verdict(&japan, &site).reason, Reason::EntityDiffers);
}

#[test]
fn case_7_energy_metered_at_the_facility_is_not_multiplied_again() {
    let series = hours(&[Some(400.0)]);
    let facility = FacilityPue::annual(pue(1.5), PueEvidence::Measured, "m");
    let at = |metering| {
        let place = Place {
            metering,
            ..Place::new(&series, Some(&facility))
        };
        let sum = account(&rows(&[3.0]), &[place], Coverage::new(1, 1));
        (sum.facility_energy.value, shown(sum.emissions.value))
    };
    assert_eq!(at(Metering::ItEquipment), (kwh(4.5), "1800.00".to_owned()));
    assert_eq!(at(Metering::Facility), (kwh(3.0), "1200.00".to_owned()));
}

#[test]
fn case_8_location_based_and_market_based_stand_side_by_side() {
    let constant = StaticIntensity::new(
        SeriesInfo::average_life_cycle("KR", "case"),
        Estimate::exact(grams_per_kwh(417.3)),
    );
    let sum = price(&rows(&[1_000.0; 10]), &constant);
    let tonnes = |grams: GramsCo2e| format!("{:.3}", grams.as_grams_f64() / 1e6);
    assert_eq!(tonnes(sum.emissions.value), "4.173");

    let sun = [
        0.0, 0.0, 500.0, 1_500.0, 2_000.0, 1_500.0, 500.0, 0.0, 0.0, 0.0,
    ];
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    let delivered = (0..)
        .zip(sun)
        .map(|(offset, energy)| (start.plus_hours(offset), kwh(energy)));
    let contract = Contract {
        name: "sun".to_owned(),
        intensity: Intensity::ZERO,
        delivered: delivered.collect(),
    };
    let residual = ResidualMix {
        intensity: Estimate::exact(grams_per_kwh(480.0)),
        source: "case".to_owned(),
        data_year: None,
    };
    let period = Period {
        from: start,
        until: start.plus_hours(10),
    };
    let contracts = std::slice::from_ref(&contract);
    let by = |matching| market_based(&sum, period, contracts, matching, &residual);
    let (annual, hourly) = (by(Matching::Annual), by(Matching::Hourly));
    assert_eq!(tonnes(annual.emissions.value), "1.920");
    assert_eq!(tonnes(hourly.emissions.value), "2.880");
    let covered = &hourly.contracts[0];
    assert_eq!(
        (covered.delivered, covered.counted),
        (kwh(6_000.0), kwh(4_000.0))
    );
    assert!((hourly.covered_percent() - 40.0).abs() < 1e-9);
    // A software carbon intensity takes the location-based sum: there is no
    // way to give it the other.
    let per = sci(&sum, Estimate::default(), 1_000.0, "request").unwrap();
    assert!((per.grams_per_unit.value - 4_173.0).abs() < 1e-9);
}
