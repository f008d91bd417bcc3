//! What a figure rests on: hours that nobody saw, the PUE's source, estimates.

use super::*;
use crate::series::IntensitySeries;

/// 55 kWh at 410 and 45 kWh at 440 g/kWh, the second hour estimated by its
/// publisher: 423.5 g/kWh.
fn two_hours(coverage: Coverage, pue: Option<&FacilityPue>) -> Account {
    let hour = UtcHour::from_unix_seconds(0);
    let point = |step: i32, grams: f64, origin| {
        let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
        (hour.plus_hours(step), Point::exact(value, origin))
    };
    let points = [
        point(0, 410.0, Origin::Published),
        point(1, 440.0, Origin::PublisherEstimate),
    ];
    let info = SeriesInfo::average_life_cycle("KR", "hours");
    let grid = IntensitySeries::try_new(info, points).unwrap();
    let row = |step, kwh: u64| EnergyRow {
        hour: hour.plus_hours(step),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(kwh * 3_600_000_000_000)),
        provenance: Provenance::Measured,
    };
    account(
        &[row(0, 55), row(1, 45)],
        &[Place::new(&grid, pue)],
        coverage,
    )
}

fn lenient() -> Thresholds {
    Thresholds {
        max_estimated_percent: 100.0,
        ..Thresholds::default()
    }
}

/// A twenty-fifth of the hours may have been at 440 g/kWh: the mean of what was
/// seen was called compliant all the same.
#[test]
fn hours_that_nobody_saw_widen_an_intensity_as_they_widen_a_budget() {
    let judged = |coverage| {
        let sum = two_hours(coverage, None);
        let evidence = Evidence {
            account: Some(&sum),
            ..Evidence::default()
        };
        judge(&target_424(), &evidence, lenient(), TODAY)
    };
    let whole = judged(Coverage::new(25, 25));
    assert_eq!(whole.verdict, Verdict::Compliant, "{}", whole.message);
    let part = judged(Coverage::new(25, 24));
    assert_eq!(part.verdict, Verdict::Inconclusive, "{}", part.message);
    let value = part.value.unwrap();
    let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-6;
    assert!(
        near(value.low, 0.96 * 423.5 + 0.04 * 410.0)
            && near(value.value, 423.5)
            && near(value.high, 0.96 * 423.5 + 0.04 * 440.0),
        "{value:?}"
    );
    assert!(
        part.message
            .contains("; 4.0 % of the period was not seen, which widens the bounds"),
        "{}",
        part.message
    );
    // One factor for all hours leaves nothing open about those that are missing.
    let flat = used(
        3_600_000_000_000,
        Provenance::Measured,
        [423.9; 3],
        Coverage::new(25, 24),
    );
    assert_eq!(verdict(&target_424(), &flat).verdict, Verdict::Compliant);
}

#[test]
fn units_of_a_period_that_was_seen_in_part_leave_their_intensity_open_upwards() {
    let rule = rule("kind: policyTarget, metric: Sci, op: AtMost, limit: 430, unit: gCO2eq/unit");
    let judged = |coverage| {
        let sum = two_hours(coverage, None);
        let evidence = Evidence {
            account: Some(&sum),
            functional_units: Some(100.0),
            embodied: Some(Estimate::exact(GramsCo2e::ZERO)),
            ..Evidence::default()
        };
        judge(&rule, &evidence, lenient(), TODAY)
    };
    assert_eq!(judged(Coverage::new(24, 24)).verdict, Verdict::Compliant);
    let part = judged(Coverage::new(25, 24));
    assert_eq!(part.verdict, Verdict::Inconclusive, "{}", part.message);
}

/// Neither who says the PUE nor how much of the intensity is an estimate stood
/// in the line of a rule.
#[test]
fn a_line_says_whose_pue_it_rests_on_and_how_much_is_estimated() {
    let budget =
        rule("kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 100, unit: kgCO2eq");
    let of = |evidence, source: &str| {
        let pue = FacilityPue::annual(Pue::try_new(1.4).unwrap(), evidence, source);
        let sum = two_hours(Coverage::new(2, 2), Some(&pue));
        let evidence = Evidence {
            account: Some(&sum),
            pue: Some(&pue),
            ..Evidence::default()
        };
        judge(&budget, &evidence, lenient(), TODAY)
    };
    let found = of(PueEvidence::Measured, "meters of 2025");
    let said = &found.message;
    assert!(
        said.ends_with(
            "; the site's PUE is 1.40, measured; the PUE is from: meters of 2025; the intensity of 45.0 % of it is estimated"
        ),
        "{said}"
    );
    assert_eq!(found.estimated_percent, Some(45.0));
    let assumed = of(PueEvidence::Assumed, "a guess");
    assert_eq!(assumed.reason, Reason::PueWithoutEvidence);
    let pue = assumed.pue.unwrap();
    assert_eq!(pue.evidence, PueEvidence::Assumed);
    // An intensity does not rest on it.
    let sum = two_hours(Coverage::new(2, 2), Some(&pue));
    let evidence = Evidence {
        account: Some(&sum),
        pue: Some(&pue),
        ..Evidence::default()
    };
    assert_eq!(judge(&target_424(), &evidence, lenient(), TODAY).pue, None);
}

#[test]
fn a_verdict_on_a_pue_names_its_source() {
    let rule = rule("kind: law, metric: Pue, op: AtMost, limit: 1.4, unit: ratio");
    let said = |evidence| {
        let pue = FacilityPue::annual(Pue::try_new(1.3).unwrap(), evidence, "certificate 7");
        let evidence = Evidence {
            pue: Some(&pue),
            ..Evidence::default()
        };
        let found = judge(&rule, &evidence, Thresholds::default(), TODAY);
        assert_eq!(found.pue, Some(pue.clone()));
        found.message
    };
    let judged = said(PueEvidence::Certificate);
    assert!(
        judged.starts_with("annual PUE, from a certificate is 1.3")
            && judged.ends_with("; the PUE is from: certificate 7"),
        "{judged}"
    );
    let assumed = said(PueEvidence::Assumed);
    assert!(
        assumed.starts_with("PUE 1.30 is only assumed: judged are only")
            && assumed.ends_with("; the PUE is from: certificate 7"),
        "{assumed}"
    );
}
