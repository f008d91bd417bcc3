use kube::runtime::{reflector, watcher};
use tanso_crds::CarbonPolicy;
use tanso_crds::carbon_policy::status::{Recommendation, WorkloadResult};

use super::super::fixture;
use super::*;
use crate::cluster::Readable;
use crate::metrics;

fn held(policy: CarbonPolicy) -> Held<CarbonPolicy> {
    Held::from(Readable(Ok(policy)))
}

fn board_of(status: CarbonPolicyStatus) -> PolicyBoard {
    let (store, mut writer) = reflector::store::<Held<CarbonPolicy>>();
    let mut policy = CarbonPolicy::new("korea", tanso_crds::CarbonPolicySpec::default());
    policy.metadata.namespace = Some("shop".into());
    policy.status = Some(status);
    writer.apply_watcher_event(&watcher::Event::Apply(held(policy)));
    let board = PolicyBoard::default();
    board.follow(store);
    board
}

fn text_of(board: &PolicyBoard) -> String {
    let mut registry = Registry::default();
    board.register(&mut registry);
    metrics::text(&Arc::new(registry)).unwrap()
}

#[test]
fn what_the_status_says_is_what_the_metrics_say() {
    let mut status = CarbonPolicyStatus {
        verdict: Some(Verdict::NonCompliant),
        ..CarbonPolicyStatus::default()
    };
    status.totals = Some(Figures {
        emissions_milligrams: Bounded {
            low: 900,
            value: 1_500,
            high: 2_000,
        },
        coverage_percent: 97,
        ..Default::default()
    });
    let text = text_of(&board_of(status));
    let of = "kind=\"carbon_policy\",policy_namespace=\"shop\",policy=\"korea\"";
    for line in [
        format!("tanso_policy_verdict{{{of},verdict=\"NonCompliant\"}} 1.0"),
        format!("tanso_policy_verdict{{{of},verdict=\"Compliant\"}} 0.0"),
        format!("tanso_policy_window_emissions_grams{{{of},bound=\"value\"}} 1.5"),
        format!("tanso_policy_coverage_ratio{{{of}}} 0.97"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn a_policy_that_was_never_judged_has_no_series() {
    let text = text_of(&board_of(CarbonPolicyStatus::default()));
    assert!(!text.contains("policy=\"korea\""), "{text}");
}

#[test]
fn a_new_term_of_office_replaces_the_last_ones_cache() {
    let board = board_of(CarbonPolicyStatus {
        verdict: Some(Verdict::Compliant),
        ..CarbonPolicyStatus::default()
    });
    board.follow(reflector::store::<Held<CarbonPolicy>>().0);
    assert!(!text_of(&board).contains("policy=\"korea\""));
}

fn workload(name: &str, energy_uj: i64, recommendations: Vec<Recommendation>) -> WorkloadResult {
    let around = |value: i64| Bounded {
        low: value - 1,
        value,
        high: value + 1,
    };
    WorkloadResult {
        figures: Figures {
            energy_microjoules: around(energy_uj),
            emissions_milligrams: around(7_611),
            ..Figures::default()
        },
        ..fixture::workload(name, recommendations)
    }
}

fn advice() -> Recommendation {
    Recommendation {
        action: "Rightsize".into(),
        saving_milligrams_per_day: Bounded {
            low: 1,
            value: 206_257,
            high: 300_000,
        },
        cluster_saving_milligrams_per_day: 867,
        saving_milli_percent: 0,
        confidence: "Low".into(),
        basis: String::new(),
        change: String::new(),
        schedule: None,
        windows: Vec::new(),
    }
}

/// Emissions of energy without any intensity were told as 0 g.
#[test]
fn emissions_that_are_not_known_have_no_series_and_the_energy_of_them_has() {
    let mut dark = workload("dark", 5_000_000, Vec::new());
    dark.figures.emissions_milligrams = Bounded::default();
    dark.figures.unpriced_microjoules = 5_000_000;
    let status = CarbonPolicyStatus {
        totals: Some(dark.figures.clone()),
        workloads: vec![dark],
        ..CarbonPolicyStatus::default()
    };
    let text = text_of(&board_of(status));
    assert!(
        text.contains("window_energy_without_intensity_joules{"),
        "{text}"
    );
    assert!(text.contains("workload_window_energy_joules{"), "{text}");
    assert!(!text.contains("window_emissions_grams{"), "{text}");
}

/// Metrics had the sums of policies only: a workload's number was in every
/// face but Prometheus.
#[test]
fn a_workload_that_the_status_lists_has_its_own_number() {
    let status = CarbonPolicyStatus {
        workloads: vec![workload("api", 50_000_000_001, vec![advice()])],
        savings: Some(AdviceSavings {
            workloads: 1,
            cluster_milligrams_per_day: 867,
            attributed_milligrams_per_day: 205_390,
            consolidation_milligrams_per_day: 0,
        }),
        ..CarbonPolicyStatus::default()
    };
    let text = text_of(&board_of(status));
    let policy = "kind=\"carbon_policy\",policy_namespace=\"shop\",policy=\"korea\"";
    let of = format!(
        "{policy},workload_namespace=\"shop\",workload_kind=\"Deployment\",workload=\"api\""
    );
    for line in [
        format!("tanso_workload_window_energy_joules{{{of},bound=\"value\"}} 50000.000001"),
        format!("tanso_workload_window_energy_joules{{{of},bound=\"low\"}} 50000.0\n"),
        format!("tanso_workload_window_emissions_grams{{{of},bound=\"value\"}} 7.611"),
        format!("tanso_workload_advice_savings_grams_per_day{{{of},effect=\"cluster\"}} 0.867"),
        format!("tanso_workload_advice_savings_grams_per_day{{{of},effect=\"attributed\"}} 205.39"),
        format!(
            "tanso_policy_advice_savings_grams_per_day{{{policy},effect=\"attributed\"}} 205.39"
        ),
        format!(
            "tanso_policy_advice_savings_grams_per_day{{{policy},effect=\"consolidation\"}} 0.0"
        ),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn of_a_workload_nothing_is_known_of_there_is_no_figure_and_no_advice_is_zero() {
    let unseen = WorkloadResult {
        verdict: Verdict::Unknown,
        figures: Figures::default(),
        ..workload("unseen", 1, Vec::new())
    };
    let text = text_of(&board_of(CarbonPolicyStatus {
        workloads: vec![unseen],
        ..CarbonPolicyStatus::default()
    }));
    assert!(
        !text.contains("tanso_workload_window_energy_joules{"),
        "{text}"
    );
    assert!(
        text.contains("workload=\"unseen\",effect=\"cluster\"} 0.0"),
        "{text}"
    );
}

/// A series that stays after its object would be added up for ever.
#[test]
fn what_is_gone_has_no_series() {
    let (store, mut writer) = reflector::store::<Held<CarbonPolicy>>();
    let mut policy = CarbonPolicy::new("korea", tanso_crds::CarbonPolicySpec::default());
    policy.metadata.namespace = Some("shop".into());
    let board = PolicyBoard::default();
    board.follow(store);
    let mut with = |names: &[&str]| {
        let workloads = names.iter().map(|name| workload(name, 9, Vec::new()));
        policy.status = Some(CarbonPolicyStatus {
            workloads: workloads.collect(),
            ..CarbonPolicyStatus::default()
        });
        writer.apply_watcher_event(&watcher::Event::Apply(held(policy.clone())));
        text_of(&board)
    };
    let both = with(&["api", "web"]);
    assert!(both.contains("workload=\"api\"") && both.contains("workload=\"web\""));
    let one = with(&["web"]);
    assert!(!one.contains("workload=\"api\"") && one.contains("workload=\"web\""));
    writer.apply_watcher_event(&watcher::Event::Delete(held(policy)));
    assert!(!text_of(&board).contains("policy=\"korea\""));
}

#[test]
fn series_of_workloads_are_bounded_however_many_policies_there_are() {
    assert_eq!(workloads::of_each(0), workloads::WORKLOADS_MAX);
    assert_eq!(workloads::of_each(20), 100, "as many as a status lists");
    assert_eq!(workloads::of_each(1_000), 2);
    assert_eq!(workloads::of_each(9_999), 1);
    let (store, mut writer) = reflector::store::<Held<CarbonPolicy>>();
    for index in 0..workloads::WORKLOADS_MAX {
        let name = format!("policy-{index}");
        let mut policy = CarbonPolicy::new(&name, tanso_crds::CarbonPolicySpec::default());
        policy.metadata.namespace = Some("shop".into());
        policy.status = Some(CarbonPolicyStatus {
            workloads: vec![workload("a", 9, Vec::new()), workload("b", 8, Vec::new())],
            ..CarbonPolicyStatus::default()
        });
        writer.apply_watcher_event(&watcher::Event::Apply(held(policy)));
    }
    let board = PolicyBoard::default();
    board.follow(store);
    let text = text_of(&board);
    let series = text
        .lines()
        .filter(|line| line.starts_with("tanso_workload_"));
    assert_eq!(series.count(), workloads::WORKLOADS_MAX * 8);
}

#[test]
fn every_metric_of_policies_is_in_the_reference_with_its_labels() {
    let page = include_str!("../../../../../docs/operator-metrics.md");
    let stands = |name: &str, unit: Option<&Unit>, labels: &[&str]| {
        let unit = unit.map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let cell = match labels.join(", ") {
            none if none.is_empty() => none,
            some => format!(" {some}"),
        };
        let row = format!("| `{name}{unit}` | gauge |{cell} | ");
        assert!(
            page.contains(&row),
            "docs/operator-metrics.md lacks {row:?}"
        );
    };
    for family in &FAMILIES {
        stands(family.name, family.unit.as_ref(), family.labels);
    }
    for family in &workloads::FAMILIES {
        let own = workloads::LABELS.into_iter();
        let labels: Vec<&str> = own.chain(family.labels.iter().copied()).collect();
        stands(family.name, family.unit.as_ref(), &labels);
    }
    assert!(page.contains("no more than 2,000 workloads"));
    assert_eq!(workloads::WORKLOADS_MAX, 2_000);
}
