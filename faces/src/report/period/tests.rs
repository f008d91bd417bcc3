use std::collections::BTreeMap;

use tanso_carbon::account::Metering;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::sci::Hardware;
use tanso_carbon::stays::PlaceNumbers;
use tanso_carbon::{FacilityPue, Pue, PueEvidence};
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::ClusterCarbonPolicy;
use tanso_crds::carbon_policy::status::Verdict;
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::static_value::StaticValue;
use tanso_power::{Estimate, Joules, Provenance};

use super::*;
use crate::view::{Beside, Market, PlaceAt};

const OWN: &str = "
id: own
title: Own limits
jurisdiction: KR
timeZone: Asia/Seoul
rules:
  - {id: YEAR, name: A year's budget, kind: policyTarget, authority: us, binds: Nobody, source: board,
     evidence: none, metric: CarbonBudget, op: AtMost, limit: 1000, unit: kgCO2eq, period: Year}
  - {id: DAY, name: A day's budget, kind: policyTarget, authority: us, binds: Nobody, source: board,
     evidence: none, metric: CarbonBudget, op: AtMost, limit: 20, unit: kgCO2eq, period: Day}
  - {id: MONTH, name: A month's budget, kind: policyTarget, authority: us, binds: Nobody, source: board,
     evidence: none, metric: CarbonBudget, op: AtMost, limit: 100, unit: kgCO2eq, period: Month}
";

fn policy() -> Policy {
    let text = include_str!("../tests/policy.json");
    let mut policy = Policy::from(serde_json::from_str::<ClusterCarbonPolicy>(text).unwrap());
    for (reference, rule) in policy
        .spec
        .regulations
        .iter_mut()
        .zip(["own", "kr-carbon-2050"])
    {
        reference.rule = rule.into();
    }
    policy.spec.regulations.truncate(2);
    policy
}

fn site() -> Site {
    let static_value = StaticValue {
        grams_per_kwh: 400.0,
        reference: "made up".into(),
    };
    Site {
        zone: "KR".into(),
        time_zone: time_zone("Asia/Seoul").unwrap(),
        pue: Some(FacilityPue::annual(
            Pue::try_new(1.25).unwrap(),
            PueEvidence::Certificate,
            "certificate 7",
        )),
        metering: Metering::ItEquipment,
        intensity: static_value.load("KR", 2026).unwrap(),
        grids: BTreeMap::new(),
        others: Vec::new(),
        of_node: BTreeMap::new(),
        beside: Beside::default(),
        notes: Vec::new(),
        without_past: None,
        is_partial: false,
    }
}

/// A kilowatt in each hour: half a kilogram, 12 kg a day, 360 in June.
fn energy(policy: &Policy, period: Period) -> Energy {
    let one = &policy.status.workloads[0];
    let key = Arc::new(WorkloadKey {
        namespace: one.namespace.clone(),
        kind: one.kind.clone(),
        name: one.name.clone(),
    });
    let row = |hour| EnergyHour {
        hour,
        node: Arc::from("n1"),
        account: EnergyAccount::Workload(Arc::clone(&key)),
        provenance: Provenance::Measured,
        energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
        cpu_us: 1,
        minutes: 60,
        asked_millicore_seconds: 3_600 * 500,
    };
    Energy {
        revision: Some(1),
        rows: period.hours().map(row).collect(),
    }
}

/// The report of a month held the month's sum against the budget of a year,
/// and against that of a day, and so did each workload's row.
#[test]
fn each_rule_is_judged_over_its_own_period_and_a_workload_by_its_own_ratio() {
    let (policy, site) = (policy(), site());
    let june = parse("2026-06", &site).unwrap();
    let energy = energy(&policy, june);
    let rules = RuleSet::try_from_files(
        [("own.yaml", OWN)]
            .into_iter()
            .chain(tanso_carbon::regulation::BUNDLED.iter().copied()),
    )
    .unwrap();
    let judged = policy.status.workloads.clone();
    let found = restate(&policy, &judged, &energy, &site, &rules, (june, None)).unwrap();
    let told = |id: &str| {
        let mut results = found.policy.status.regulations.iter();
        let one = results.find(|one| one.rule == id).unwrap();
        (one.verdict, one.reason.as_str())
    };
    assert_eq!(told("YEAR"), (Verdict::Unknown, "CoverageTooLow"));
    assert_eq!(told("DAY"), (Verdict::Compliant, "WithinLimit"));
    assert_eq!(told("MONTH"), (Verdict::NonCompliant, "OverLimit"));
    // 400 g/kWh keeps the quoted 424; the site's budget is not a workload's.
    assert_eq!(found.workloads[0].verdict, Verdict::Compliant);
}

/// One node of two was silent for half a month, and all of it was told as seen.
#[test]
fn a_node_that_was_silent_in_between_lowers_the_coverage_of_a_clusters_policy() {
    let (mut policy, site) = (policy(), site());
    let june = parse("2026-06", &site).unwrap();
    let mut energy = energy(&policy, june);
    let whole = energy.rows.clone();
    let other: Arc<str> = Arc::from("n2");
    // From the tenth hour, without 360 hours in the middle, to the end.
    let rows = whole.into_iter().enumerate();
    let rows = rows.filter(|(index, _)| *index >= 10 && !(200..560).contains(index));
    energy.rows.extend(rows.map(|(_, row)| EnergyHour {
        node: Arc::clone(&other),
        account: EnergyAccount::Named(Arc::from("idle")),
        ..row
    }));
    let rules = RuleSet::try_from_files(tanso_carbon::regulation::BUNDLED.iter().copied());
    let (judged, rules) = (policy.status.workloads.clone(), rules.unwrap());
    let percent = |policy: &Policy| {
        let found = restate(policy, &judged, &energy, &site, &rules, (june, None)).unwrap();
        found.policy.status.totals.unwrap().coverage_percent
    };
    // 720 and 350 of 720 and 710 hours.
    assert_eq!(percent(&policy), 75);
    // A namespace's pods come and go: its hours are not told by node.
    policy.namespace = Some(judged[0].namespace.clone());
    assert_eq!(percent(&policy), 100);
}

/// Hours to come counted as missing: a month's report was `Unknown` until the
/// month was nearly over, while the status had a verdict.
#[test]
fn hours_to_come_are_not_missing_but_of_a_path() {
    const PATH: &str = "
id: path
title: Own path
jurisdiction: KR
timeZone: Asia/Seoul
rules:
  - {id: PATH, name: A path, kind: policyTarget, authority: us, binds: Nobody, source: board, evidence: none,
     metric: ReductionPath, op: AtLeast, limit: 40, unit: percent, period: Year, baseYear: 2018, targetYear: 2030}
";
    let (mut policy, site) = (policy(), site());
    let (june, year) = (
        parse("2026-06", &site).unwrap(),
        parse("2026", &site).unwrap(),
    );
    let (mut days, mut half) = (energy(&policy, june), energy(&policy, year));
    days.rows.truncate(10 * 24);
    half.rows.truncate(160 * 24);
    let evaluated = |policy: &mut Policy, text: &str| {
        policy.status.data_through = Some(Time(text.parse().unwrap()));
    };
    let mut more = policy.spec.regulations[0].clone();
    more.rule = "path".into();
    policy.spec.regulations.push(more);
    let files = [("own.yaml", OWN), ("path.yaml", PATH)];
    let bundled = tanso_carbon::regulation::BUNDLED.iter().copied();
    let rules = RuleSet::try_from_files(files.into_iter().chain(bundled)).unwrap();
    let judged = policy.status.workloads.clone();
    let told = |policy: &Policy, energy: &Energy, period: Period| {
        let found = restate(policy, &judged, energy, &site, &rules, (period, None)).unwrap();
        let status = found.policy.status;
        let one = |id: &str| {
            let mut results = status.regulations.iter();
            results.find(|one| one.rule == id).unwrap().verdict
        };
        let percent = status.totals.as_ref().unwrap().coverage_percent;
        (percent, one("MONTH"), one("YEAR"), one("path"))
    };
    let (broken, open) = (Verdict::NonCompliant, Verdict::Unknown);
    // 120 kg in ten days are more than 100 already.
    evaluated(&mut policy, "2026-06-10T15:00:00Z");
    assert_eq!(told(&policy, &days, june), (100, broken, open, open));
    evaluated(&mut policy, "2026-06-09T15:00:00Z");
    let (percent, _, budget, path) = told(&policy, &half, year);
    assert_eq!((percent, budget, path), (100, broken, open));
    // Once the month is over, they are missing.
    evaluated(&mut policy, "2026-10-05T09:30:00Z");
    assert_eq!(told(&policy, &days, june).0, 33);
}

/// A budget that the policy breaks was left out where its text cannot be read,
/// and what is left was kept.
#[test]
fn a_rule_that_cannot_be_read_is_unknown_and_not_left_out() {
    let (policy, site) = (policy(), site());
    let june = parse("2026-06", &site).unwrap();
    let energy = energy(&policy, june);
    let bundled = RuleSet::try_from_files(tanso_carbon::regulation::BUNDLED.iter().copied());
    let (judged, bundled) = (policy.status.workloads.clone(), bundled.unwrap());
    let found = restate(&policy, &judged, &energy, &site, &bundled, (june, None)).unwrap();
    let status = &found.policy.status;
    assert_eq!(status.verdict, Some(Verdict::Unknown));
    let told: Vec<_> = status
        .regulations
        .iter()
        .map(|one| (one.rule.as_str(), one.verdict, one.reason.as_str()))
        .collect();
    let (kept, unread) = (Verdict::Compliant, Verdict::Unknown);
    let expected = [
        ("kr-carbon-2050", kept, "WithinLimit"),
        ("own", unread, "RuleNotRead"),
    ];
    assert_eq!(told, expected);
    let own = &found.workloads[0];
    assert_eq!(
        (own.verdict, own.reason.as_str()),
        (Verdict::Unknown, "RuleNotRead")
    );
}

/// The window's sources, and the first one's year, were told of any time.
#[test]
fn another_times_report_tells_who_spoke_for_its_own_hours() {
    use tanso_intensity::bundled::Bundled;
    use tanso_intensity::layers::{Layer, over_each_other};
    use tanso_intensity::table::Table;

    let (mut policy, mut site) = (policy(), site());
    policy.status.intensity.as_mut().unwrap().sources = vec![UsedSource::default()];
    let own = Table {
        file: "own/t.csv".into(),
        text: "datetime_utc,gco2eq_per_kwh\n2026-06-15T00:00Z,412.5\n".into(),
    };
    let found = [
        ("own", own.load("KR", 2026)),
        ("typical", Bundled.load("KR", 2026)),
    ];
    let list = found.map(|(name, found)| Layer {
        name: name.to_owned(),
        found,
    });
    let day = parse("2026-06-15", &site).unwrap();
    let energy = energy(&policy, day);
    let rules = RuleSet::try_from_files(tanso_carbon::regulation::BUNDLED.iter().copied());
    let (judged, rules) = (policy.status.workloads.clone(), rules.unwrap());
    let sources = |site: &Site| {
        let found = restate(&policy, &judged, &energy, site, &rules, (day, None)).unwrap();
        found.policy.status.intensity.unwrap().sources
    };
    assert_eq!(sources(&site), []);
    site.intensity = over_each_other(list.into()).unwrap();
    let told: Vec<_> = sources(&site)
        .into_iter()
        .map(|one| (one.data_year, one.hours))
        .collect();
    assert_eq!(told, [(Some(2024), 23), (None, 1)]);
}

/// Such reports had the location-based sum alone.
#[test]
fn what_stands_beside_the_sum_is_computed_for_another_time_too() {
    let mut policy = policy();
    let advised = policy.status.workloads[0].clone();
    let started: Timestamp = "2026-06-03T09:00:00Z".parse().unwrap();
    let run = |at: Timestamp| SettledRun {
        started: Time(at),
        moved_from: None,
        forecast_known: None,
        advised: Time(at),
        best: Time(at),
        forecast_issued: Time(at),
        predicted_milligrams: 1,
        realised: Vec::new(),
        source: "grid".to_owned(),
        method: "Average".to_owned(),
        boundary: "LifeCycle".to_owned(),
        data_year: None,
        intensity_estimated_percent: Some(0),
    };
    let years_end: Timestamp = "2026-12-31T09:00:00Z".parse().unwrap();
    policy.status.workloads[0].settled = vec![run(started), run(years_end)];
    let mut site = site();
    let june = parse("2026-06", &site).unwrap();
    let delivered = june.hours().take(360);
    let grams = |grams| Intensity::try_from_grams_per_kwh(grams).unwrap();
    site.beside = Beside {
        market: Some(Market {
            contracts: vec![Contract {
                name: "solar".into(),
                intensity: grams(0.0),
                delivered: delivered
                    .map(|hour| (hour, Joules::from_microjoules(9_000_000_000_000)))
                    .collect(),
            }],
            matching: Matching::Hourly,
            residual: ResidualMix {
                intensity: Estimate::exact(grams(480.0)),
                source: "supplier".into(),
                data_year: Some(2025),
            },
            boundary: None,
        }),
        hardware: Some(Hardware {
            name: "node".into(),
            total: Estimate::exact(GramsCo2e::try_from_grams(1_200_000.0).unwrap()),
            lifespan_years: 4,
            source: "maker".into(),
        }),
        millicores: [("n1".to_owned(), 4_000)].into(),
        ..Beside::default()
    };
    let energy = energy(&policy, june);
    let rules = RuleSet::try_from_files(tanso_carbon::regulation::BUNDLED.iter().copied());
    let judged = policy.status.workloads.clone();
    let rules = rules.unwrap();
    let found = restate(&policy, &judged, &energy, &site, &rules, (june, None)).unwrap();
    let status = &found.policy.status;
    assert_eq!(
        status.software_carbon_intensity, None,
        "nobody said of what"
    );
    assert_eq!(status.pue.as_ref().unwrap().value, "1.25");
    // The same month with what it served, as somebody said.
    let served = (june, Some(2_000_000));
    let told = restate(&policy, &judged, &energy, &site, &rules, served).unwrap();
    let sci = told.policy.status.software_carbon_intensity.unwrap();
    assert_eq!((sci.units, sci.unit.as_str()), (2_000_000, "request"));
    let kinds = (&*sci.method, &*sci.boundary, &*sci.basis);
    assert_eq!(kinds, ("Average", "LifeCycle", "Location"));
    assert_eq!(sci.embodied_source, "maker");
    let sum = sci.operational_milligrams.value + sci.embodied_milligrams.value;
    let off = sci.micrograms_per_unit.value - sum * 1_000 / 2_000_000;
    assert!(off.abs() <= 1, "{sci:?}");
    assert_eq!(
        Some(sci.embodied_milligrams),
        told.embodied,
        "the hardware's part is the same"
    );
    // 360 of 720 hours of 1.25 kWh are covered; the rest is 450 kWh of 480 g.
    let market = found.policy.status.market.unwrap();
    assert_eq!(market.emissions_milligrams.value, 216_000_000);
    assert_eq!(
        (market.covered_percent, market.matching.as_str()),
        (50, "Hourly")
    );
    // Of 2025, and the energy of 2026: half of it is priced by another year's mix.
    assert_eq!(
        (market.data_year, market.intensity_estimated_percent),
        (Some(2025), Some(50))
    );
    // 1.2 t over 4 years of 365 days: half a core of four, for 30 days.
    let embodied = found.embodied.unwrap().value;
    let exact = 1_200_000_000.0 * 30.0 / (4.0 * 365.0) / 8.0;
    #[expect(clippy::cast_precision_loss, reason = "milligrams of a month")]
    let off = (embodied as f64 / exact - 1.0).abs();
    assert!(off < 0.001, "{embodied} {exact}");
    let own = &found.workloads[0];
    assert_eq!(own.recommendations, advised.recommendations);
    let began: Vec<_> = own.settled.iter().map(|run| run.started.0).collect();
    assert_eq!(began, [started]);
}

/// The export named the region's grid zone alone, and the command priced it
/// with the site's PUE.
#[test]
fn the_export_has_the_pue_of_each_nodes_region() {
    let (policy, mut site) = (policy(), site());
    let june = parse("2026-06", &site).unwrap();
    let energy = energy(&policy, june);
    let judged = policy.status.workloads.clone();
    let plain = energy_table(&policy, &judged, &energy, &site, june);
    assert!(
        plain.starts_with("datetime_utc,workload,zone,provenance,energy_low"),
        "{plain}"
    );
    let regions = tanso_intensity::places::regions().unwrap();
    let region = regions.get("europe-west3", Some("gcp")).unwrap();
    site.others = vec![PlaceAt::of(region, 2026).unwrap()];
    site.of_node.insert("n1".to_owned(), PlaceNumbers::from(1));
    let told = energy_table(&policy, &judged, &energy, &site, june);
    let mut lines = told.lines();
    let header = lines.next().unwrap();
    assert!(
        header.starts_with("datetime_utc,workload,zone,pue,pue_evidence,provenance,"),
        "{header}"
    );
    let pue = region.pue.as_ref().unwrap();
    let cells = format!(
        ",DE,{},{:?},measured,",
        pue.value.value.ratio(),
        pue.evidence
    );
    let line = lines.next().unwrap();
    assert!(line.contains(&cells), "{line} {cells}");
    // The reader takes it.
    let read = tanso_carbon::whatif::EnergyTable::parse("energy.csv", &told).unwrap();
    assert_eq!(read.lines().len(), 720);
}

/// All hours were priced where the node is now.
#[test]
fn the_hours_before_a_node_moved_are_priced_where_it_was_then() {
    let (policy, mut site) = (policy(), site());
    let june = parse("2026-06", &site).unwrap();
    let moved = june.from.plus_hours(5);
    let energy = energy(&policy, june);
    let judged = policy.status.workloads.clone();
    let regions = tanso_intensity::places::regions().unwrap();
    let region = regions.get("europe-west3", Some("gcp")).unwrap();
    site.others = vec![PlaceAt::of(region, 2026).unwrap()];
    let numbers = PlaceNumbers {
        first: 1,
        later: vec![(moved, 0)],
    };
    site.of_node.insert("n1".to_owned(), numbers);
    let told = energy_table(&policy, &judged, &energy, &site, june);
    assert_eq!(told.lines().filter(|line| line.contains(",DE,")).count(), 5);
    let rules = RuleSet::try_from_files(tanso_carbon::regulation::BUNDLED.iter().copied());
    let rules = rules.unwrap();
    let found = restate(&policy, &judged, &energy, &site, &rules, (june, None)).unwrap();
    let told: Vec<_> = found
        .policy
        .status
        .places
        .iter()
        .map(|one| {
            let zone = one.intensity.zone.as_str();
            let kwh = one.energy_microjoules / 3_600_000_000_000;
            (one.region.as_str(), kwh, zone, one.pue_figure.is_some())
        })
        .collect();
    let expected = [
        ("site", 715, "KR", true),
        ("europe-west3", 5, "DE", region.pue.is_some()),
    ];
    assert_eq!(told, expected);
    // Its hardware too is that of the machine that had the name then.
    site.beside.millicores.insert("n1".to_owned(), 4_000);
    let earlier = vec![(moved, 2_000)];
    site.beside
        .earlier_millicores
        .insert("n1".to_owned(), earlier);
    let gives = |hours| site.beside.gives("n1", june.from.plus_hours(hours));
    assert_eq!((gives(4), gives(5)), (Some(2_000), Some(4_000)));
}
