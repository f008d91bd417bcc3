//! What the engine really says has a Korean wording: it is asked about all
//! bundled rules, with every kind of evidence missing in turn.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use tanso_carbon::account::{Account, Coverage, EnergyRow, Metering, Place, account};
use tanso_carbon::indicator::{Indicator, Stated};
use tanso_carbon::pue::{Entity, FacilityPue, PueCategory, PueEvidence, PueScope};
use tanso_carbon::regulation::{BUNDLED, Metric, Rule, RuleSet};
use tanso_carbon::series::{IntensitySeries, Origin, Point, SeriesInfo, StaticIntensity};
use tanso_carbon::verdict::{Evidence, Thresholds};
use tanso_carbon::{GramsCo2e, Intensity, Pue, UtcHour, judge};
use tanso_power::{Estimate, Joules, Provenance};

use super::*;

mod advice;
mod bases;
mod idle;

fn names() -> RuleNames {
    let rules = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let all = rules.iter().flat_map(|preset| preset.rules.clone());
    all.filter_map(|rule| Some((rule.name, rule.name_ko?)))
        .collect()
}

fn used(bounds: [f64; 3], metering: Metering) -> Account {
    let [low, value, high] = bounds.map(|grams| Intensity::try_from_grams_per_kwh(grams).unwrap());
    let info = SeriesInfo::average_life_cycle("KR", "policy");
    let grid = StaticIntensity::new(info, Estimate { low, value, high });
    let row = EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
        provenance: Provenance::Measured,
    };
    let place = Place {
        metering,
        ..Place::new(&grid, None)
    };
    account(&[row], &[place], Coverage::new(10, 10))
}

/// The same with direct figures, and so much of it with life-cycle figures.
fn direct(mut account: Account, life_cycle: Joules) -> Account {
    account.direct = account.life_cycle;
    account.life_cycle = life_cycle;
    account
}

/// A clean hour of 1 to 2 kWh and a dirty one of 1 kWh.
fn of_two_hours() -> Account {
    let info = SeriesInfo::average_life_cycle("KR", "hours");
    let hour = |step| UtcHour::from_unix_seconds(0).plus_hours(step);
    let point = |step, grams| {
        let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
        (hour(step), Point::exact(value, Origin::Published))
    };
    let grid = IntensitySeries::try_new(info, [point(0, 300.0), point(1, 500.0)]).unwrap();
    let kwh = |count: u64| Joules::from_microjoules(count * 3_600_000_000_000);
    let row = |step, most| EnergyRow {
        hour: hour(step),
        place: 0,
        energy: Estimate {
            high: kwh(most),
            ..Estimate::exact(kwh(1))
        },
        provenance: Provenance::Modelled,
    };
    let rows = [row(0, 2), row(1, 1)];
    account(&rows, &[Place::new(&grid, None)], Coverage::new(2, 2))
}

/// Accounts, each with another thing wrong, and some with nothing.
fn accounts() -> Vec<Account> {
    let whole = used([400.0, 420.0, 440.0], Metering::Facility);
    let part = Joules::from_microjoules(360_000_000_000);
    let with = |change: &dyn Fn(&mut Account)| {
        let mut account = whole.clone();
        change(&mut account);
        account
    };
    vec![
        with(&|a| *a.by_provenance.entry(Provenance::Simulated).or_default() = part),
        with(&|a| a.coverage = Coverage::new(10, 3)),
        with(&|a| a.it_energy = Estimate::default()),
        with(&|a| (a.direct, a.life_cycle) = (part, part)),
        with(&|a| a.unpriced = part),
        with(&|a| {
            *a.by_origin.entry(Origin::Forecast).or_default() =
                Joules::from_microjoules(3_600_000_000_000);
        }),
        with(&|a| a.by_provenance.clear()),
        with(&|a| a.pue_guessed = part),
        with(&|a| a.facility_energy.high = Joules::from_microjoules(u64::MAX)),
        used([100.0; 3], Metering::ItEquipment),
        used([900.0, 950.0, 980.5], Metering::Facility),
        used([0.001; 3], Metering::Facility),
        direct(used([100.0; 3], Metering::Facility), whole.direct),
        direct(used([900.0; 3], Metering::Facility), whole.direct),
        direct(used([100.0; 3], Metering::Facility), part),
        direct(used([900.0; 3], Metering::Facility), part),
        of_two_hours(),
        whole,
    ]
}

fn pues() -> Vec<Option<FacilityPue>> {
    let pue = |evidence| FacilityPue::annual(Pue::try_new(1.32).unwrap(), evidence, "own");
    let mut all = vec![None];
    for evidence in [
        PueEvidence::Measured,
        PueEvidence::Certificate,
        PueEvidence::PublishedForRegion,
        PueEvidence::ProviderAverage,
        PueEvidence::Assumed,
    ] {
        all.push(Some(pue(evidence)));
    }
    for scope in [
        PueScope::Annual,
        PueScope::Interim,
        PueScope::Partial,
        PueScope::Design,
        PueScope::AtQuarterLoad,
        PueScope::AtFullLoad,
    ] {
        for category in [
            None,
            Some(PueCategory::Ups),
            Some(PueCategory::Pdu),
            Some(PueCategory::Device),
        ] {
            for entity in [Entity::Site, Entity::AllSites] {
                all.push(Some(FacilityPue {
                    scope,
                    category,
                    entity,
                    ..pue(PueEvidence::Measured)
                }));
            }
        }
    }
    all
}

fn indicators() -> Vec<Vec<Indicator>> {
    let metrics = [
        Metric::Wue,
        Metric::Erf,
        Metric::Ref,
        Metric::RenewableShare,
    ];
    let of = |evidence, entity| {
        let one = |metric| Indicator {
            stated: Stated::try_new(metric, 0.4).unwrap(),
            evidence,
            entity,
            source: "own".to_owned(),
        };
        metrics.map(one).to_vec()
    };
    vec![
        Vec::new(),
        of(PueEvidence::Measured, Entity::Site),
        of(PueEvidence::Measured, Entity::AllSites),
        of(PueEvidence::Assumed, Entity::Site),
        of(PueEvidence::ProviderAverage, Entity::AllSites),
    ]
}

/// Every rule that is bundled, and one of each metric that none is about.
fn rules() -> Vec<Rule> {
    let set = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let mut rules: Vec<Rule> = set.iter().flat_map(|preset| preset.rules.clone()).collect();
    let mut own = |fields: &str| {
        let text = format!(
            "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - {{id: R, name: The rule, \
             authority: us, binds: Facility, source: board, evidence: none, {fields}}}\n"
        );
        rules.extend(RuleSet::parse("own.yaml", &text).unwrap().rules);
    };
    own(
        "kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 1, unit: kgCO2eq, period: Window",
    );
    own(
        "kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 1, unit: tCO2eq, period: Window, basis: Market",
    );
    own("kind: voluntary, metric: EnergyBudget, op: AtMost, limit: 9, unit: kWh, period: Window");
    own("kind: standard, metric: Sci, op: AtMost, limit: 9, unit: gCO2eq/unit, period: Window");
    own(
        "kind: law, metric: Pue, op: AtMost, limit: 1.3, unit: ratio, period: Year, pueCategory: Ups",
    );
    own(
        "kind: draft, metric: GridIntensity, op: AtMost, limit: 9, unit: gCO2eq/kWh, period: Window",
    );
    own(
        "kind: law, metric: GridIntensity, op: AtMost, limit: 420, unit: gCO2eq/kWh, period: Window, from: 2030-01-01",
    );
    own(
        "kind: law, metric: GridIntensity, op: AtMost, limit: 420, unit: gCO2eq/kWh, period: Window, until: 2021-01-01",
    );
    own(
        "kind: law, metric: GridIntensity, op: AtMost, limit: 420, unit: gCO2eq/kWh, period: Window, boundary: Direct",
    );
    rules
}

#[test]
fn whatever_the_engine_says_of_a_rule_has_a_korean_wording() {
    let (names, thresholds) = (names(), Thresholds::default());
    let days: [Date; 3] = [date(2012, 6, 1), date(2026, 11, 21), date(2031, 1, 1)];
    let (accounts, pues, indicators) = (accounts(), pues(), indicators());
    let mut reasons = BTreeSet::new();
    let mut check = |rule: &Rule, evidence: &Evidence<'_>| {
        for day in days {
            let found = judge(rule, evidence, thresholds, day);
            let korean = known(&found.message, &names);
            let korean = korean.unwrap_or_else(|| panic!("{}: no wording", found.message));
            // Names of rules and units may be in other letters, sentences may not.
            assert!(korean.chars().any(particle::is_hangul), "{korean}");
            assert!(
                !korean.contains(" is ") && !korean.contains('{'),
                "{korean}"
            );
            reasons.insert(found.reason.as_str());
        }
    };
    for rule in &rules() {
        check(rule, &Evidence::default());
        for account in &accounts {
            let embodied = Some(Estimate::<GramsCo2e>::default());
            for (embodied, units, base) in [
                (None, None, None),
                (embodied, None, None),
                (embodied, Some(12.0), Some(5_000.0)),
            ] {
                let evidence = Evidence {
                    account: Some(account),
                    embodied,
                    functional_units: units,
                    base_year_grams: base,
                    ..Evidence::default()
                };
                check(rule, &evidence);
            }
        }
        for pue in &pues {
            let evidence = Evidence {
                pue: pue.as_ref(),
                ..Evidence::default()
            };
            check(rule, &evidence);
        }
        for indicators in &indicators {
            let evidence = Evidence {
                indicators,
                ..Evidence::default()
            };
            check(rule, &evidence);
        }
    }
    for reason in [
        "WithinLimit",
        "OverLimit",
        "BoundsStraddleLimit",
        "CoverageTooLow",
        "EstimatedShareTooHigh",
        "SimulatedEnergy",
        "ProvenanceUnknown",
        "NoEnergy",
        "IntensityMissing",
        "PueWithoutEvidence",
        "PueScopeDiffers",
        "PueCategoryDiffers",
        "EntityDiffers",
        "IndicatorWithoutEvidence",
        "BoundariesMixed",
        "BoundaryDiffers",
        "SumTooLarge",
        "NoEvidence",
        "NoLimit",
        "ContextOnly",
        "Draft",
        "BindsLater",
        "BoundBefore",
    ] {
        assert!(
            reasons.contains(reason),
            "{reason} was not asked: {reasons:?}"
        );
    }
}

#[test]
fn what_bundled_korean_rules_say_of_themselves_is_in_korean() {
    let set = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    for preset in set.iter().filter(|preset| preset.id.starts_with("kr-")) {
        for rule in &preset.rules {
            let said = [
                Some(&rule.authority),
                Some(&rule.evidence),
                Some(&rule.source),
                rule.clause.as_ref(),
                rule.note.as_ref(),
                cited(rule).as_ref(),
            ]
            .map(Option::<&String>::cloned);
            for text in said.into_iter().flatten() {
                let korean = own_text(&text);
                assert!(!korean.contains(ORIGINAL), "{}: {korean}", rule.id);
            }
        }
    }
    for preset in set.iter() {
        for rule in &preset.rules {
            assert!(words::text(&rule.evidence).is_some(), "{}", rule.evidence);
            assert!(words::text(&rule.authority).is_some(), "{}", rule.authority);
        }
    }
}

#[test]
fn methods_advice_and_what_is_missing_of_a_period_have_a_wording() {
    let none = RuleNames::new();
    for text in [
        "Table: interpolated up to 3 h, else the same hour of the last 7 days; then Bundled: the zone's yearly mean for every hour",
        "a: one figure for every hour; then b: typical hours of the data year: same month, kind of day and hour; then c: hours that are missing stay missing",
        "hours that are missing stay missing; forecast of 2026-10-05T09:00:00Z until 2026-10-06T09:00Z",
        "nothing: no figures of this kind are known",
        "run Deployment shop/web in tk instead of kr",
        "scale Deployment shop/api to 5 in the dirtiest quarter of the hours",
        "remove DaemonSet shop/old if nobody needs it",
        "set the schedule to \"0 4 * * 1\" in the same time zone",
        "start Job shop/once at 2026-06-15 13:00 +09:00",
        "kubectl drain --ignore-daemonsets n1 n2 and switch off",
        "a duty binds from 2027-03-09; judged is 2026-10-05",
        "a duty bound until 2025-03-09; judged is 2026-10-05",
        "emissions is 12.5 (11 to 14) kgCO2eq; at most 20 kgCO2eq (a policy target); the site's PUE is 1.32, from a certificate; the PUE is from: certificate 7; the intensity of 4.2 % of it is estimated; 2.5 % of the period was not seen, which widens the bounds",
        "no energy was accounted; of 8760 h since 2026-01-01T00:00Z the first 90 h are missing: energy is recorded since 2026-01-04T18:00Z; it is about a whole period, and 12 h until 2027-01-01T00:00Z are to come",
    ] {
        let korean = known(text, &none).unwrap_or_else(|| panic!("{text}"));
        assert!(korean.chars().any(particle::is_hangul), "{korean}");
    }
    let said = known(
        "annual PUE, from a certificate, category 2 (IT metered at the PDU) is 1.32; at most 1.4 (a quoted target, not a law)",
        &none,
    );
    assert_eq!(
        said.as_deref(),
        Some(
            "연간 PUE, 인증서에 기재된 값, 2등급(PDU 출력에서 계량): 1.32. 기준: 1.4 이하(인용 목표로서 법령이 아님)"
        )
    );
}

#[test]
fn what_is_not_known_is_marked_and_never_passed_off_as_korean() {
    let none = RuleNames::new();
    assert_eq!(
        sentence("a new kind of reason", &none),
        "(영어 원문) a new kind of reason"
    );
    assert_eq!(own_text("certificate 7"), "(영어 원문) certificate 7");
    assert_eq!(own_text("인증서 제7호"), "인증서 제7호");
    assert_eq!(own_text("2026-04"), "2026-04");
    // A number's place takes no words, so nothing is torn apart wrongly.
    assert_eq!(
        known(
            "PUE many is only assumed: judged are only a measured one, a certificate, or one published for the region",
            &none
        ),
        None
    );
}

#[test]
fn each_wording_has_each_place_of_its_sentence_once() {
    for phrase in PHRASES.iter().chain(ADVICE).chain(BASES) {
        let places = phrase.english.matches('{').count();
        for place in 0..places {
            let wanted = format!("{{{place}}}");
            let times = phrase.korean.matches(&wanted).count();
            assert_eq!(times, 1, "{}: {}", phrase.code, phrase.korean);
        }
        assert_eq!(
            phrase.korean.matches('{').count(),
            places,
            "{}",
            phrase.code
        );
    }
}
