//! The policies' statuses as metrics: what the objects say, read from the
//! controllers' own caches at each scrape. Never more series than rules and
//! policies; workloads stay in the status and the reports.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kube::ResourceExt as _;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tanso_crds::carbon_policy::status::{
    Bounded, CarbonPolicyStatus, Figures, RegulationResult, Verdict,
};

use super::kinds::Policy;

/// The caches of the running controllers; clones share them.
#[derive(Clone, Default)]
pub struct PolicyBoard(Arc<RwLock<Vec<Cache>>>);

struct Cache {
    controller: &'static str,
    rows: Box<dyn Fn() -> Vec<Row> + Send + Sync>,
}

/// A policy and what was found last.
struct Row {
    kind: &'static str,
    namespace: String,
    name: String,
    status: CarbonPolicyStatus,
}

impl fmt::Debug for PolicyBoard {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        into.debug_struct("PolicyBoard").finish_non_exhaustive()
    }
}

impl PolicyBoard {
    /// Reads from this cache from now on, in place of an earlier term's.
    pub(super) fn follow<P: Policy>(&self, store: Store<P>) {
        let cache = Cache {
            controller: P::CONTROLLER,
            rows: Box::new(move || rows(&store)),
        };
        let mut caches = self.0.write().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|other| other.controller != P::CONTROLLER);
        caches.push(cache);
    }

    /// Adds the policies' metrics to what is served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    fn rows(&self) -> Vec<Row> {
        let caches = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<Row> = caches.iter().flat_map(|cache| (cache.rows)()).collect();
        rows.sort_by(|one, other| {
            (one.kind, &one.namespace, &one.name).cmp(&(other.kind, &other.namespace, &other.name))
        });
        rows
    }
}

fn rows<P: Policy>(store: &Store<P>) -> Vec<Row> {
    let row = |policy: &P| {
        Some(Row {
            kind: P::CONTROLLER,
            namespace: policy.namespace().unwrap_or_default(),
            name: policy.name_any(),
            status: policy.status()?.clone(),
        })
    };
    store
        .state()
        .iter()
        .filter_map(|policy| row(policy))
        .collect()
}

/// A family: name, help, unit, and a policy's samples.
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    samples: fn(&CarbonPolicyStatus) -> Vec<Sample>,
}

/// Labels beside the policy's own, and the value.
type Sample = (Vec<(&'static str, String)>, f64);

/// Every family, in the order in which they are served.
const FAMILIES: [Family; 11] = [
    Family {
        name: "tanso_policy_verdict",
        help: "1 for the policy's present verdict",
        unit: None,
        samples: |status| {
            status
                .verdict
                .map_or_else(Vec::new, |found| verdicts(&[], found))
        },
    },
    Family {
        name: "tanso_policy_rule_verdict",
        help: "1 for the present verdict of each regulation of the policy",
        unit: None,
        samples: |status| {
            let rules = status.regulations.iter();
            rules
                .flat_map(|rule| verdicts(&[("rule", rule.rule.clone())], rule.verdict))
                .collect()
        },
    },
    Family {
        name: "tanso_policy_rule_limit",
        help: "Limit of each regulation, in the unit that its label says",
        unit: None,
        samples: |status| {
            let rules = status.regulations.iter();
            rules
                .filter_map(|rule| Some((rule_labels(rule), milli(rule.limit_milli?))))
                .collect()
        },
    },
    Family {
        name: "tanso_policy_rule_value",
        help: "What each regulation's limit is compared with, in the unit that its label says",
        unit: None,
        samples: |status| {
            let rules = status.regulations.iter();
            rules
                .filter_map(|rule| {
                    let value = rule.value_milli.as_ref()?;
                    Some((rule_labels(rule), milli(value.value)))
                })
                .collect()
        },
    },
    Family {
        name: "tanso_policy_window_energy",
        help: "Energy of the policy's workloads over its window: value, and the ends of its 90 % interval",
        unit: Some(Unit::Joules),
        samples: |status| figure(status, |totals| &totals.energy_microjoules, 1e6),
    },
    Family {
        name: "tanso_policy_window_emissions",
        help: "Emissions of the policy's workloads over its window, gCO2eq: value, and the ends of its 90 % interval",
        unit: Some(Unit::Grams),
        samples: |status| figure(status, |totals| &totals.emissions_milligrams, 1e3),
    },
    Family {
        name: "tanso_policy_intensity_grams_per_kwh",
        help: "Carbon intensity of the energy that the policy's workloads used, weighted by it",
        unit: None,
        samples: |status| {
            let intensity = status
                .totals
                .as_ref()
                .and_then(|t| t.intensity_milligrams_per_kwh);
            intensity.map_or_else(Vec::new, |value| vec![(Vec::new(), milli(value))])
        },
    },
    Family {
        name: "tanso_policy_coverage_ratio",
        help: "Share of the window for which energy is known",
        unit: None,
        samples: |status| share(status, |totals| totals.coverage_percent),
    },
    Family {
        name: "tanso_policy_intensity_estimated_ratio",
        help: "Share of the energy whose intensity is an estimate",
        unit: None,
        samples: |status| share(status, |totals| totals.intensity_estimated_percent),
    },
    Family {
        name: "tanso_policy_energy_provenance_ratio",
        help: "Share of the energy that is measured, modelled or simulated",
        unit: None,
        samples: |status| {
            let Some(totals) = &status.totals else {
                return Vec::new();
            };
            [
                ("measured", totals.measured_percent),
                ("modelled", totals.modelled_percent),
                ("simulated", totals.simulated_percent),
            ]
            .map(|(name, percent)| {
                (
                    vec![("provenance", name.to_owned())],
                    f64::from(percent) / 100.0,
                )
            })
            .to_vec()
        },
    },
    Family {
        name: "tanso_policy_condition",
        help: "1 for the state of each condition of the policy",
        unit: None,
        samples: |status| {
            let conditions = status.conditions.iter();
            conditions
                .map(|condition| {
                    let labels = vec![
                        ("type", condition.type_.clone()),
                        ("status", condition.status.clone()),
                        ("reason", condition.reason.clone()),
                    ];
                    (labels, 1.0)
                })
                .collect()
        },
    },
];

/// Every verdict, so that a query finds 0 and not nothing.
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::Compliant, "Compliant"),
    (Verdict::NonCompliant, "NonCompliant"),
    (Verdict::Inconclusive, "Inconclusive"),
    (Verdict::Unknown, "Unknown"),
    (Verdict::NotYetBinding, "NotYetBinding"),
];

fn verdicts(labels: &[(&'static str, String)], found: Verdict) -> Vec<Sample> {
    let sample = |(verdict, name): (Verdict, &str)| {
        let mut labels = labels.to_vec();
        labels.push(("verdict", name.to_owned()));
        (labels, if verdict == found { 1.0 } else { 0.0 })
    };
    VERDICTS.map(sample).to_vec()
}

fn rule_labels(rule: &RegulationResult) -> Vec<(&'static str, String)> {
    vec![("rule", rule.rule.clone()), ("unit", rule.unit.clone())]
}

fn figure(
    status: &CarbonPolicyStatus,
    of: fn(&Figures) -> &Bounded,
    parts_per_unit: f64,
) -> Vec<Sample> {
    let Some(totals) = &status.totals else {
        return Vec::new();
    };
    let figure = of(totals);
    [
        ("low", figure.low),
        ("value", figure.value),
        ("high", figure.high),
    ]
    .map(|(bound, value)| {
        (
            vec![("bound", bound.to_owned())],
            to_f64(value) / parts_per_unit,
        )
    })
    .to_vec()
}

fn share(status: &CarbonPolicyStatus, of: fn(&Figures) -> i32) -> Vec<Sample> {
    let totals = status.totals.iter();
    totals
        .map(|totals| (Vec::new(), f64::from(of(totals)) / 100.0))
        .collect()
}

fn milli(value: i64) -> f64 {
    to_f64(value) / 1e3
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric is a double; the status keeps the whole number"
)]
fn to_f64(value: i64) -> f64 {
    value as f64
}

impl Collector for PolicyBoard {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.rows();
        for family in &FAMILIES {
            let gauge = ConstGauge::new(0.0);
            let mut metric = encoder.encode_descriptor(
                family.name,
                family.help,
                family.unit.as_ref(),
                gauge.metric_type(),
            )?;
            for row in &rows {
                for (more, value) in (family.samples)(&row.status) {
                    let mut labels = vec![
                        ("kind", row.kind.to_owned()),
                        ("policy_namespace", row.namespace.clone()),
                        ("policy", row.name.clone()),
                    ];
                    labels.extend(more);
                    ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use tanso_crds::CarbonPolicy;

    use super::*;
    use crate::metrics;

    fn board_of(status: CarbonPolicyStatus) -> PolicyBoard {
        let (store, mut writer) = reflector::store::<CarbonPolicy>();
        let mut policy = CarbonPolicy::new("korea", tanso_crds::CarbonPolicySpec::default());
        policy.metadata.namespace = Some("shop".into());
        policy.status = Some(status);
        writer.apply_watcher_event(&watcher::Event::Apply(policy));
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
        board.follow(reflector::store::<CarbonPolicy>().0);
        assert!(!text_of(&board).contains("policy=\"korea\""));
    }
}
