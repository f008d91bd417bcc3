use super::*;
use crate::account::{Coverage, EnergyRow, Metering, Place, account};
use crate::calendar::UtcHour;
use crate::pue::{Entity, PueEvidence};
use crate::regulation::{Metric, RuleSet};
use crate::series::{Boundary, Origin, Point, SeriesInfo, StaticIntensity};
use crate::units::{GramsCo2e, Intensity, Pue};
use jiff::civil::date;
use tanso_power::{Joules, Provenance};

mod boundary;
mod grounds;

const TODAY: Date = date(2026, 11, 21);

fn rule(fields: &str) -> Rule {
    let period = if fields.contains("ReductionPath") {
        "Year"
    } else {
        "Window"
    };
    let text = format!(
        "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - {{id: R, name: The rule, \
         authority: us, binds: Facility, source: board, evidence: none, period: {period}, {fields}}}\n"
    );
    RuleSet::parse("own.yaml", &text).unwrap().rules.remove(0)
}

fn target_424() -> Rule {
    rule("kind: quotedTarget, metric: GridIntensity, op: AtMost, limit: 424, unit: gCO2eq/kWh")
}

/// Energy metered at the facility.
fn used(energy_uj: u64, provenance: Provenance, bounds: [f64; 3], coverage: Coverage) -> Account {
    let [low, value, high] = bounds.map(|grams| Intensity::try_from_grams_per_kwh(grams).unwrap());
    let info = SeriesInfo::average_life_cycle("KR", "policy");
    let grid = StaticIntensity::new(info, Estimate { low, value, high });
    let row = EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(energy_uj)),
        provenance,
    };
    let place = Place {
        metering: Metering::Facility,
        ..Place::new(&grid, None)
    };
    account(&[row], &[place], coverage)
}

fn kwh(bounds: [f64; 3]) -> Account {
    used(
        3_600_000_000_000,
        Provenance::Modelled,
        bounds,
        Coverage::new(10, 10),
    )
}

fn verdict(rule: &Rule, account: &Account) -> Judgement {
    let evidence = Evidence {
        account: Some(account),
        ..Evidence::default()
    };
    judge(rule, &evidence, Thresholds::default(), TODAY)
}

#[test]
fn the_interval_decides() {
    let rule = target_424();
    for (bounds, expected) in [
        ([400.0, 410.0, 424.0], Verdict::Compliant),
        ([400.0, 420.0, 424.000_001], Verdict::Inconclusive),
        ([424.0, 430.0, 440.0], Verdict::Inconclusive),
        ([424.1, 430.0, 440.0], Verdict::NonCompliant),
    ] {
        let judgement = verdict(&rule, &kwh(bounds));
        assert_eq!(
            judgement.verdict, expected,
            "{bounds:?}: {}",
            judgement.message
        );
    }
    let judgement = verdict(&rule, &kwh([390.0, 410.5, 430.25]));
    assert_eq!(
        judgement.message,
        "intensity of the consumed energy is 410.5 (390 to 430.2) gCO2eq/kWh; at most 424 gCO2eq/kWh \
         (a quoted target, not a law): the limit lies within the bounds"
    );
    assert_eq!(judgement.value.unwrap().value.to_string(), "410.5");
}

#[test]
fn too_little_evidence_is_unknown_with_its_reason() {
    let rule = target_424();
    let clean = [100.0; 3];
    let whole = Coverage::new(10, 10);
    let reason = |account: &Account| {
        let judgement = verdict(&rule, account);
        assert_eq!(judgement.verdict, Verdict::Unknown);
        judgement.reason
    };
    let some = 3_600_000_000_000;
    assert_eq!(
        reason(&used(some, Provenance::Simulated, clean, whole)),
        Reason::SimulatedEnergy
    );
    let half = Coverage::new(10, 5);
    assert_eq!(
        reason(&used(some, Provenance::Measured, clean, half)),
        Reason::CoverageTooLow
    );
    assert_eq!(
        reason(&used(0, Provenance::Measured, clean, whole)),
        Reason::NoEnergy
    );
    assert_eq!(
        judge(&rule, &Evidence::default(), Thresholds::default(), TODAY).reason,
        Reason::NoEvidence
    );
}

#[test]
fn an_estimated_intensity_counts_as_one() {
    struct Typical(SeriesInfo);
    impl crate::HourlyIntensity for Typical {
        fn info(&self) -> &SeriesInfo {
            &self.0
        }
        fn at(&self, _: UtcHour) -> Option<Point> {
            Some(Point::exact(Intensity::ZERO, Origin::TypicalYear))
        }
    }
    let grid = Typical(SeriesInfo::average_life_cycle("KR", "typical"));
    let row = EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(1)),
        provenance: Provenance::Measured,
    };
    let sum = account(&[row], &[Place::new(&grid, None)], Coverage::new(1, 1));
    assert_eq!(
        verdict(&target_424(), &sum).reason,
        Reason::EstimatedShareTooHigh
    );
    let evidence = Evidence {
        account: Some(&sum),
        ..Evidence::default()
    };
    let lenient = Thresholds {
        max_estimated_percent: 100.0,
        ..Thresholds::default()
    };
    assert_eq!(
        judge(&target_424(), &evidence, lenient, TODAY).verdict,
        Verdict::Compliant
    );
}

#[test]
fn a_pue_without_evidence_is_never_judged() {
    let rule = rule("kind: law, metric: Pue, op: AtMost, limit: 1.4, unit: ratio");
    let reason = |evidence| {
        let pue = FacilityPue::annual(Pue::try_new(1.1).unwrap(), evidence, "");
        let evidence = Evidence {
            pue: Some(&pue),
            ..Evidence::default()
        };
        let judgement = judge(&rule, &evidence, Thresholds::default(), TODAY);
        (judgement.verdict, judgement.reason)
    };
    for evidence in [PueEvidence::Assumed, PueEvidence::ProviderAverage] {
        assert_eq!(
            reason(evidence),
            (Verdict::Unknown, Reason::PueWithoutEvidence)
        );
    }
    for evidence in [
        PueEvidence::Measured,
        PueEvidence::Certificate,
        PueEvidence::PublishedForRegion,
    ] {
        assert_eq!(reason(evidence), (Verdict::Compliant, Reason::WithinLimit));
    }
}

#[test]
fn a_rule_binds_on_its_days_and_a_draft_never() {
    let german = "metric: GridIntensity, op: AtMost, limit: 1, unit: gCO2eq/kWh";
    let at = |fields: &str| {
        let judgement = verdict(&rule(&format!("{german}, {fields}")), &kwh([400.0; 3]));
        (judgement.verdict, judgement.reason)
    };
    let later = (Verdict::NotYetBinding, Reason::BindsLater);
    assert_eq!(at("kind: law, from: 2026-11-22"), later);
    assert_eq!(at("kind: law, from: 2026-11-21").0, Verdict::NonCompliant);
    assert_eq!(at("kind: law, until: 2026-11-21").0, Verdict::NonCompliant);
    assert_eq!(
        at("kind: law, until: 2026-11-20"),
        (Verdict::Unknown, Reason::BoundBefore)
    );
    assert_eq!(at("kind: draft"), (Verdict::NotYetBinding, Reason::Draft));
    assert_eq!(at("kind: factor"), (Verdict::Unknown, Reason::NoLimit));
}

#[test]
fn a_budget_is_not_kept_by_seeing_only_a_part() {
    let rule =
        rule("kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 1, unit: kgCO2eq");
    let thresholds = Thresholds {
        min_coverage_percent: 50.0,
        ..Thresholds::default()
    };
    let verdict = |coverage| {
        let sum = used(
            7_200_000_000_000,
            Provenance::Measured,
            [450.0; 3],
            coverage,
        );
        let evidence = Evidence {
            account: Some(&sum),
            ..Evidence::default()
        };
        judge(&rule, &evidence, thresholds, TODAY).verdict
    };
    assert_eq!(verdict(Coverage::new(10, 10)), Verdict::Compliant);
    assert_eq!(verdict(Coverage::new(10, 8)), Verdict::Inconclusive);
}

#[test]
fn a_reduction_path_is_a_line_to_its_target() {
    let rule = rule(
        "kind: policyTarget, metric: ReductionPath, op: AtLeast, limit: 35, unit: percent, baseYear: 2018, targetYear: 2030",
    );
    let sum = kwh([400.0; 3]);
    let judged = |base_year_grams| {
        let evidence = Evidence {
            account: Some(&sum),
            base_year_grams,
            ..Evidence::default()
        };
        judge(&rule, &evidence, Thresholds::default(), TODAY)
    };
    assert_eq!(judged(None).reason, Reason::NoEvidence);
    let judgement = judged(Some(500.0));
    // Eight of twelve years: 23.3 % are due, 20 % are reached.
    assert_eq!(judgement.verdict, Verdict::NonCompliant);
    assert!((judgement.limit.unwrap() - 35.0 * 8.0 / 12.0).abs() < 1e-9);
    assert_eq!(judged(Some(600.0)).verdict, Verdict::Compliant);
}

#[test]
fn the_worst_rule_explains_the_combined_verdict() {
    let at = |id: &str, verdict| Judgement {
        rule: id.to_owned(),
        kind: RuleKind::Law,
        verdict,
        reason: Reason::OverLimit,
        message: format!("words of {id}"),
        value: None,
        limit: None,
        unit: String::new(),
        pue: None,
        estimated_percent: None,
    };
    let all = [
        at("a", Verdict::Compliant),
        at("b", Verdict::NonCompliant),
        at("c", Verdict::Unknown),
        at("d", Verdict::NonCompliant),
    ];
    let combined = combine(&all);
    assert_eq!(
        (combined.verdict, combined.rule.as_deref()),
        (Verdict::NonCompliant, Some("b"))
    );
    assert_eq!(
        combined.message,
        "b: words of b; 1 more rule is NonCompliant"
    );
    assert_eq!(combine(&all[..1]).verdict, Verdict::Compliant);
    assert_eq!(
        combine(&[at("e", Verdict::NotYetBinding)]).verdict,
        Verdict::NotYetBinding
    );
    assert_eq!(combine(&[]).reason, Reason::NoRule);
}

#[test]
fn an_indicator_is_judged_only_if_somebody_stands_for_it() {
    let water = rule("kind: voluntary, metric: Wue, op: AtMost, limit: 0.4, unit: L/kWh");
    let judged = |indicators: &[Indicator]| {
        let evidence = Evidence {
            indicators,
            ..Evidence::default()
        };
        let judgement = judge(&water, &evidence, Thresholds::default(), TODAY);
        (judgement.verdict, judgement.reason)
    };
    let unknown = |reason| (Verdict::Unknown, reason);
    assert_eq!(judged(&[]), unknown(Reason::NoEvidence));
    let stated = crate::indicator::Stated::try_new(Metric::Wue, 0.1).unwrap();
    let guess = Indicator::new(stated, PueEvidence::Assumed, "");
    assert_eq!(judged(&[guess]), unknown(Reason::IndicatorWithoutEvidence));
    // 760,000 L over 2 GWh.
    let metered = Indicator::measured(Metric::Wue, 760e3, 2e6, "meters").unwrap();
    assert_eq!(judged(std::slice::from_ref(&metered)).0, Verdict::Compliant);
    let all = Indicator {
        entity: Entity::AllSites,
        ..metered
    };
    assert_eq!(judged(&[all]), unknown(Reason::EntityDiffers));
    let reuse = Indicator::measured(Metric::Erf, 0.3e6, 2e6, "meters").unwrap();
    assert!((reuse.stated.figure() - 15.0).abs() < 1e-9);
    assert!(Indicator::measured(Metric::Erf, 1.0, 0.0, "meters").is_err());
}

#[test]
fn a_software_intensity_needs_its_embodied_part_and_its_units() {
    let rule = rule("kind: policyTarget, metric: Sci, op: AtMost, limit: 5, unit: gCO2eq/unit");
    let sum = kwh([400.0; 3]);
    let judged = |embodied: Option<f64>, functional_units| {
        let grams = |grams| Estimate::exact(GramsCo2e::try_from_grams(grams).unwrap());
        let evidence = Evidence {
            account: Some(&sum),
            embodied: embodied.map(grams),
            functional_units,
            ..Evidence::default()
        };
        judge(&rule, &evidence, Thresholds::default(), TODAY)
    };
    assert!(
        judged(None, Some(100.0))
            .message
            .contains("embodied emissions (M)")
    );
    assert!(judged(Some(1.0), None).message.contains("functional units"));
    assert_eq!(judged(Some(1.0), Some(0.0)).reason, Reason::NoEvidence);
    // (400 + 100) g over 100 requests.
    let judgement = judged(Some(100.0), Some(100.0));
    assert_eq!(
        judgement.verdict,
        Verdict::Compliant,
        "{}",
        judgement.message
    );
    assert!((judgement.value.unwrap().value - 5.0).abs() < 1e-9);
    assert_eq!(
        judged(Some(100.1), Some(100.0)).verdict,
        Verdict::NonCompliant
    );
}

#[test]
fn a_market_based_budget_is_judged_by_the_market_based_sum_only() {
    use crate::market::{Matching, ResidualMix, market_based};
    let rule = rule(
        "kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 450, unit: gCO2eq, basis: Market",
    );
    let sum = kwh([400.0; 3]);
    let residual = ResidualMix {
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(480.0).unwrap()),
        source: "made up".to_owned(),
        data_year: Some(2025),
    };
    let period = crate::calendar::Period {
        from: UtcHour::from_unix_seconds(0),
        until: UtcHour::from_unix_seconds(3_600),
    };
    let market = market_based(&sum, period, &[], Matching::Hourly, &residual);
    let judged = |market| {
        let evidence = Evidence {
            account: Some(&sum),
            market,
            ..Evidence::default()
        };
        judge(&rule, &evidence, Thresholds::default(), TODAY)
    };
    assert_eq!(judged(None).reason, Reason::NoEvidence);
    let judgement = judged(Some(&market));
    assert_eq!(judgement.verdict, Verdict::NonCompliant);
    assert_eq!(
        judgement.message,
        "market-based emissions is 480 gCO2eq; at most 450 gCO2eq (a policy target)"
    );
}

/// A budget was kept with a guessed PUE, and with none at all, where the sum
/// is of IT energy and so too small.
#[test]
fn a_budget_is_judged_only_by_a_pue_that_somebody_stands_for() {
    let rules = [
        "metric: EnergyBudget, op: AtMost, limit: 10, unit: kWh",
        "metric: CarbonBudget, op: AtMost, limit: 10, unit: tCO2eq",
        "metric: ReductionPath, op: AtLeast, limit: 35, unit: percent, baseYear: 2018, targetYear: 2030",
        "metric: Sci, op: AtMost, limit: 1000, unit: gCO2eq/unit",
    ]
    .map(|fields| rule(&format!("kind: policyTarget, {fields}")));
    let grid = Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap());
    let grid = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "policy"), grid);
    let row = EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
        provenance: Provenance::Measured,
    };
    let judged = |pue: Option<PueEvidence>, metering| {
        let pue = pue.map(|by| FacilityPue::annual(Pue::try_new(1.4).unwrap(), by, ""));
        let place = Place {
            metering,
            ..Place::new(&grid, pue.as_ref())
        };
        let sum = account(&[row], &[place], Coverage::new(1, 1));
        let evidence = Evidence {
            account: Some(&sum),
            base_year_grams: Some(1e6),
            functional_units: Some(10.0),
            embodied: Some(Estimate::default()),
            ..Evidence::default()
        };
        let judge = |rule: &Rule| judge(rule, &evidence, Thresholds::default(), TODAY);
        rules.each_ref().map(|rule| {
            let found = judge(rule);
            let is_pue = found.reason == Reason::PueWithoutEvidence;
            assert_eq!(
                is_pue,
                found.verdict == Verdict::Unknown,
                "{}",
                found.message
            );
            found.verdict == Verdict::Compliant
        })
    };
    let it = Metering::ItEquipment;
    for guess in [PueEvidence::Assumed, PueEvidence::ProviderAverage] {
        assert_eq!(judged(Some(guess), it), [false; 4]);
        // The factor is not used on energy that has it in already.
        assert_eq!(judged(Some(guess), Metering::Facility), [true; 4]);
    }
    // Software may be bounded to its IT equipment; a facility's sum may not.
    assert_eq!(judged(None, it), [false, false, false, true]);
    for stood_for in [
        PueEvidence::Measured,
        PueEvidence::Certificate,
        PueEvidence::PublishedForRegion,
    ] {
        assert_eq!(judged(Some(stood_for), it), [true; 4]);
    }
}

/// Nodes of several regions were priced with direct figures here and
/// life-cycle figures there, and the sum was judged as if it were either.
#[test]
fn a_sum_of_direct_and_life_cycle_figures_is_not_judged() {
    let grid = |boundary| {
        let info = SeriesInfo {
            boundary,
            ..SeriesInfo::average_life_cycle("KR", "made")
        };
        let value = Intensity::try_from_grams_per_kwh(100.0).unwrap();
        StaticIntensity::new(info, Estimate::exact(value))
    };
    let (direct, life_cycle) = (grid(Boundary::Direct), grid(Boundary::LifeCycle));
    let places = [Place::new(&direct, None), Place::new(&life_cycle, None)];
    let row = |place| EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place,
        energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
        provenance: Provenance::Measured,
    };
    let judged = |rows: &[EnergyRow]| {
        let sum = account(rows, &places, Coverage::new(1, 1));
        let judgement = verdict(&target_424(), &sum);
        (judgement.verdict, judgement.reason)
    };
    let kept = (Verdict::Compliant, Reason::WithinLimit);
    assert_eq!(judged(&[row(0)]), kept);
    assert_eq!(judged(&[row(1), row(1)]), kept);
    let mixed = (Verdict::Unknown, Reason::BoundariesMixed);
    assert_eq!(judged(&[row(0), row(1)]), mixed);
}

#[test]
fn what_has_nothing_to_keep_does_not_decide_over_what_has() {
    let act = rule(
        "kind: law, metric: ReductionPath, op: AtLeast, limit: 40, unit: percent, baseYear: 2018, targetYear: 2030, workloadVerdict: None",
    );
    let sum = kwh([400.0; 3]);
    let context = verdict(&act, &sum);
    assert_eq!(context.reason, Reason::ContextOnly, "{}", context.message);
    let kept = verdict(&target_424(), &sum);
    let both = combine(&[context.clone(), kept]);
    assert_eq!(both.verdict, Verdict::Compliant, "{}", both.message);
    assert_eq!(combine(&[context]).verdict, Verdict::Unknown);
}

/// An intensity of 424.04 was told as "is 424; at most 424", and it broke the
/// limit; a coverage of 79.96 as "80.0 %, 80 % are demanded".
#[test]
fn a_figure_that_misses_by_little_has_the_places_that_show_it() {
    let told = |grams: f64| verdict(&target_424(), &kwh([grams; 3]));
    let over = told(424.04);
    assert_eq!(over.verdict, Verdict::NonCompliant);
    assert!(
        over.message.contains("is 424.04 gCO2eq/kWh; at most 424 "),
        "{}",
        over.message
    );
    let by_a_hair = told(424.000_001);
    assert!(
        by_a_hair.message.contains("is 424.000001 "),
        "{}",
        by_a_hair.message
    );
    let kept = told(424.0);
    assert_eq!(kept.verdict, Verdict::Compliant);
    assert!(kept.message.contains("is 424 gCO2eq/kWh; at most 424 "));
    let seen = Coverage::new(10_000, 7_996);
    let sum = used(3_600_000_000_000, Provenance::Measured, [400.0; 3], seen);
    let evidence = Evidence {
        account: Some(&sum),
        ..Evidence::default()
    };
    let demands = Thresholds {
        min_coverage_percent: 80.0,
        ..Thresholds::default()
    };
    let missing = judge(&target_424(), &evidence, demands, TODAY);
    assert_eq!(
        missing.message,
        "79.96 % of the period has energy data, 80 % are demanded"
    );
}

/// A site of one megawatt uses more in a year than a sum of microjoules holds:
/// its energy was cut off at 5.1 `GWh`, and a budget of 6 `GWh` kept.
#[test]
fn more_energy_than_a_sum_holds_is_never_compliant() {
    let half = u64::MAX / 2 + 1;
    let one = used(half, Provenance::Measured, [400.0; 3], Coverage::new(1, 1));
    assert!(!one.is_too_large());
    let both = one.clone().merged(&one);
    assert!(both.is_too_large());
    let budget = rule("kind: law, metric: EnergyBudget, op: AtMost, limit: 6000000, unit: kWh");
    assert_eq!(verdict(&budget, &one).verdict, Verdict::Compliant);
    for rule in [budget, target_424()] {
        let judged = verdict(&rule, &both);
        assert_eq!(
            (judged.verdict, judged.reason),
            (Verdict::Unknown, Reason::SumTooLarge)
        );
        assert!(
            judged.message.contains("5,124,095 kWh"),
            "{}",
            judged.message
        );
    }
}
