//! Per unit of work: what counts of energy, hardware and time.

use tanso_crds::carbon_policy::{AccountingSpec, FunctionalUnitSpec, HardwareSpec, QuerySpec};

use super::super::super::words;
use super::*;

/// A policy that counts orders and knows its nodes' hardware.
pub(super) fn with_units() -> CarbonPolicySpec {
    CarbonPolicySpec {
        accounting: AccountingSpec {
            hardware: Some(HardwareSpec {
                kilograms_per_node: 1_000.0,
                lifespan_years: 4,
                reference: "the maker".into(),
            }),
            functional_unit: Some(FunctionalUnitSpec {
                name: "order".into(),
                count: None,
                query: Some(QuerySpec::default()),
            }),
            ..AccountingSpec::default()
        },
        ..spec(IntensitySource::Static)
    }
}

pub(super) fn served(units: Result<f64, String>) -> Observed {
    Observed {
        units: Some(units),
        ..Observed::default()
    }
}

#[test]
fn a_unit_of_work_has_its_share_of_the_hardware() {
    let with_units = with_units();
    let (known, found) = evaluate_with(&with_units, &snapshot(), &served(Ok(500.0)), &Cluster);
    let sci = found.sci.clone().unwrap().unwrap();
    // Four pods that ask for a quarter of the node for half an hour each:
    // 1,000 kg × 0.5 h / 4 years = 14.269 g.
    assert_eq!(sci.embodied_milligrams.value, 14_269);
    assert_eq!(sci.operational_milligrams.value, 13_771);
    assert_eq!((sci.units, sci.unit.as_str()), (500, "order"));
    // Of what kind, by whom and of which year it is.
    let kind = (&*sci.method, &*sci.boundary, &*sci.basis);
    assert_eq!(kind, ("Average", "LifeCycle", "Location"));
    let by = (&*sci.source, &*sci.embodied_source, sci.data_year);
    assert_eq!(by, ("official factor", "the maker", None));
    assert_eq!(sci.intensity_estimated_percent, Some(0));
    // (13.7709 + 14.2694) g / 500.
    assert_eq!(sci.micrograms_per_unit.value, 56_081);
    // One hour of the 24 that the orders were counted in is recorded.
    assert_eq!(sci.coverage_percent, 4);
    assert!(sci.micrograms_per_unit.high > 24 * sci.micrograms_per_unit.value);
    let said = words::answer(&known, &found);
    assert!(
        said.contains("energy is known of 4 % of the window, so it may be up to"),
        "{said}"
    );

    let silent = served(Err("asking http://p:9090: refused".into()));
    let (policy, found) = evaluate_with(&with_units, &snapshot(), &silent, &Cluster);
    assert_eq!(found.sci, None);
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("no software carbon intensity: asking"),
        "{said}"
    );
}

/// Orders of a whole day were divided into the energy of its last hour, and the
/// first hour of a new ledger covered the day.
#[test]
fn a_rule_per_unit_counts_its_coverage_from_the_windows_begin() {
    let own = "
id: own
title: Own target
jurisdiction: KR
timeZone: Asia/Seoul
rules:
  - {id: ORDER, name: An order, kind: policyTarget, authority: us, binds: Nobody, source: board,
     evidence: none, metric: Sci, op: AtMost, limit: 1, unit: gCO2eq/unit, period: Window}
";
    let rules = Rules::bundled().with([("own.yaml", own)]);
    let spec = CarbonPolicySpec {
        regulations: vec![RegulationRef { rule: "own".into() }],
        ..with_units()
    };
    let policy = policy_by(&spec, &served(Ok(500.0)), &rules);
    let found = judged(&policy, &snapshot(), &Cluster);
    assert_eq!(found.combined.reason.as_str(), "CoverageTooLow");
    let said = &found.combined.message;
    assert!(
        said.contains("of 24 h since 2026-10-04T10:00Z the first 23 h are missing"),
        "{said}"
    );
    // An intensity is of what was recorded, and that is all of it.
    assert_eq!(found.totals.coverage_percent, 100);
    let mut whole = snapshot();
    let hours = (0..24).map(|ago| hour().plus_hours(-ago));
    whole.node_hours = BTreeMap::from([(Arc::from("n1"), hours.collect())]);
    whole.node_first = BTreeMap::from([(Arc::from("n1"), hour().plus_hours(-23))]);
    let found = judged(&policy, &whole, &Cluster);
    assert_eq!(
        found.combined.verdict,
        verdict::Verdict::Compliant,
        "{}",
        found.combined.message
    );
    let line = &found.regulations[0];
    assert_eq!(line.pue_evidence.as_deref(), Some("Certificate"));
    assert_eq!(line.pue_source.as_deref(), Some("certificate 7"));
}

/// A cluster that knows none of the nodes that were used.
struct Forgetful;

impl Facts for Forgetful {
    fn schedule(&self, _: &str, _: &str) -> Option<Schedule> {
        None
    }

    fn allocatable_millicores(&self, _: &str) -> Option<u32> {
        None
    }

    fn allocatable_bytes(&self, _: &str) -> Option<u64> {
        None
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Vec::new()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Vec::new()
    }
}

/// Its share of the hardware was left out, and the figure looked whole.
#[test]
fn hardware_of_a_node_that_nobody_knows_leaves_no_figure_and_says_so() {
    let (policy, found) = evaluate_with(&with_units(), &snapshot(), &served(Ok(500.0)), &Forgetful);
    let why = found.sci.clone().unwrap().unwrap_err();
    assert!(why.starts_with("what n1 had to give is not known"), "{why}");
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("No software carbon intensity: what n1 had to give is not known"),
        "{said}"
    );
}

/// A cluster whose node was half as large before an hour.
struct Grown([(UtcHour, u32); 1]);

impl Facts for Grown {
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        Cluster.schedule(namespace, name)
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        Cluster.allocatable_millicores(node)
    }

    fn earlier_millicores(&self, _: &str) -> &[(UtcHour, u32)] {
        &self.0
    }

    fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        Cluster.allocatable_bytes(node)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Vec::new()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Vec::new()
    }
}

/// The past of a name was on hardware of the size that its machine of now has.
#[test]
fn hardware_is_shared_by_the_size_that_a_node_had_in_the_hour() {
    let embodied = |grown: &dyn Facts| {
        let served = served(Ok(500.0));
        let (_, found) = evaluate_with(&with_units(), &snapshot(), &served, grown);
        let digest = found.inputs_digest.to_string();
        let sci = found.sci.unwrap().unwrap();
        (sci.embodied_milligrams.value, digest)
    };
    let (as_now, digest) = embodied(&Cluster);
    assert_eq!(as_now, 14_269);
    // Half of 4,000 thousandths until after the hour: twice the share.
    let (before, other) = embodied(&Grown([(hour().plus_hours(1), 2_000)]));
    assert!(before.abs_diff(2 * as_now) <= 1, "{before}");
    assert_ne!(digest, other);
    // The hour in which it is replaced is the larger one's.
    assert_eq!(embodied(&Grown([(hour(), 2_000)])).0, as_now);
}
