use std::collections::BTreeMap;

use tanso_carbon::account::Metering;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::{FacilityPue, Pue, PueEvidence};
use tanso_crds::ClusterCarbonPolicy;
use tanso_crds::carbon_policy::status::Verdict;
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::static_value::StaticValue;
use tanso_power::{Estimate, Joules, Provenance};

use super::*;

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
        others: Vec::new(),
        of_node: BTreeMap::new(),
        notes: Vec::new(),
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
    let found = restate(&policy, &judged, &energy, &site, &rules, june).unwrap();
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
