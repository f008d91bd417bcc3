//! The policies' statuses as metrics: what the objects say, read from the
//! controllers' own caches at each scrape, so that what is gone has no series
//! any more. Bounded by policies, their rules, and the workloads that their
//! statuses list; every other workload stays in the reports.

mod workloads;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tanso_crds::carbon_policy::status::{
    AdviceSavings, Bounded, CarbonPolicyStatus, Figures, RegulationResult, Verdict,
};
use tanso_faces::words::Priced;

use super::held::{Brief, Held};
use super::kinds::Policy;

pub(super) use workloads::Shown;

/// The caches of the running controllers; clones share them.
#[derive(Clone, Default)]
pub struct PolicyBoard(Arc<RwLock<Vec<Cache>>>);

struct Cache {
    controller: &'static str,
    rows: Box<dyn Fn() -> Vec<Row> + Send + Sync>,
    judged: Box<dyn Fn() -> usize + Send + Sync>,
}

/// A policy and what was found last: shared with the cache, since statuses of a
/// thousand policies are many megabytes.
struct Row {
    kind: &'static str,
    policy: Arc<dyn Told>,
}

/// What has a status once it was judged.
trait Told: Send + Sync {
    fn brief(&self) -> Option<&Brief>;

    fn named(&self) -> &ObjectMeta;
}

impl<P: Policy> Told for Held<P> {
    fn brief(&self) -> Option<&Brief> {
        self.brief()
    }

    fn named(&self) -> &ObjectMeta {
        self.meta()
    }
}

impl fmt::Debug for PolicyBoard {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        into.debug_struct("PolicyBoard").finish_non_exhaustive()
    }
}

impl PolicyBoard {
    /// How many policies were judged.
    pub(super) fn judged(&self) -> usize {
        let caches = self.0.read().unwrap_or_else(PoisonError::into_inner);
        caches.iter().map(|cache| (cache.judged)()).sum()
    }

    /// Reads from this cache from now on, in place of an earlier term's.
    pub(super) fn follow<P: Policy>(&self, store: Store<Held<P>>) {
        let counted = store.clone();
        let cache = Cache {
            controller: P::CONTROLLER,
            rows: Box::new(move || rows(&store)),
            judged: Box::new(move || judged(&counted).count()),
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
        rows.sort_by(|one, other| one.labels().cmp(&other.labels()));
        rows
    }
}

fn judged<P: Policy>(store: &Store<Held<P>>) -> impl Iterator<Item = Arc<Held<P>>> {
    let all = store.state().into_iter();
    all.filter(|policy| policy.brief().is_some())
}

fn rows<P: Policy>(store: &Store<Held<P>>) -> Vec<Row> {
    let row = |policy: Arc<Held<P>>| Row {
        kind: P::CONTROLLER,
        policy,
    };
    judged(store).map(row).collect()
}

/// A family: name, help, unit, labels beside the policy's, and a policy's
/// samples.
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    labels: &'static [&'static str],
    samples: for<'a> fn(&'a CarbonPolicyStatus) -> Vec<Sample<'a>>,
}

/// The values of its family's labels, and the sample's own.
type Sample<'a> = (Vec<&'a str>, f64);

/// Every family, in the order in which they are served.
const FAMILIES: [Family; 14] = [
    Family {
        name: "tanso_policy_verdict",
        help: "1 for the policy's present verdict",
        unit: None,
        labels: &["verdict"],
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
        labels: &["rule", "verdict"],
        samples: |status| {
            let rules = status.regulations.iter();
            rules
                .flat_map(|rule| verdicts(&[&rule.rule], rule.verdict))
                .collect()
        },
    },
    Family {
        name: "tanso_policy_rule_limit",
        help: "Limit of each regulation, in the unit that its label says",
        unit: None,
        labels: &["rule", "unit"],
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
        labels: &["rule", "unit"],
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
        labels: &["bound"],
        samples: |status| figure(status, |totals| &totals.energy_microjoules, 1e6),
    },
    Family {
        name: "tanso_policy_window_emissions",
        help: "Emissions of the policy's workloads over its window, gCO2eq: value, and the ends of its 90 % interval; a lower bound while tanso_policy_window_energy_without_intensity_joules is above 0, absent if no energy has an intensity",
        unit: Some(Unit::Grams),
        labels: &["bound"],
        samples: |status| match &status.totals {
            Some(totals) if Priced::of(totals) == Priced::Nothing => Vec::new(),
            _ => figure(status, |totals| &totals.emissions_milligrams, 1e3),
        },
    },
    Family {
        name: "tanso_policy_window_energy_without_intensity",
        help: "Facility energy of the policy's workloads over its window that has no intensity: what it emitted is not known",
        unit: Some(Unit::Joules),
        labels: &[],
        samples: |status| {
            let totals = status.totals.iter();
            let found = totals.map(|t| (Vec::new(), to_f64(t.unpriced_microjoules) / 1e6));
            found.collect()
        },
    },
    Family {
        name: "tanso_policy_intensity_grams_per_kwh",
        help: "Carbon intensity of the energy that the policy's workloads used, weighted by it",
        unit: None,
        labels: &[],
        samples: |status| {
            let intensity = status
                .totals
                .as_ref()
                .and_then(|t| t.intensity_milligrams_per_kwh);
            intensity.map_or_else(Vec::new, |value| vec![(Vec::new(), milli(value))])
        },
    },
    Family {
        name: "tanso_policy_grid_intensity_grams_per_kwh",
        help: "Carbon intensity of the policy's grid zone in the newest hour with energy",
        unit: None,
        labels: &[],
        samples: |status| {
            let from = status.intensity.iter();
            let latest = from.filter_map(|from| from.latest_milligrams_per_kwh);
            latest.map(|value| (Vec::new(), milli(value))).collect()
        },
    },
    Family {
        name: "tanso_policy_coverage_ratio",
        help: "Share of the window for which energy is known",
        unit: None,
        labels: &[],
        samples: |status| share(status, |totals| totals.coverage_percent),
    },
    Family {
        name: "tanso_policy_intensity_estimated_ratio",
        help: "Share of the energy whose intensity is an estimate",
        unit: None,
        labels: &[],
        samples: |status| share(status, |totals| totals.intensity_estimated_percent),
    },
    Family {
        name: "tanso_policy_energy_provenance_ratio",
        help: "Share of the energy that is measured, modelled or simulated",
        unit: None,
        labels: &["provenance"],
        samples: |status| {
            let Some(totals) = &status.totals else {
                return Vec::new();
            };
            [
                ("measured", totals.measured_percent),
                ("modelled", totals.modelled_percent),
                ("simulated", totals.simulated_percent),
            ]
            .map(|(name, percent)| (vec![name], f64::from(percent) / 100.0))
            .to_vec()
        },
    },
    Family {
        name: "tanso_policy_advice_savings_grams_per_day",
        help: "What advice would save, gCO2eq per day, of each workload the piece that does most: what the cluster emits less, what others bear instead (at most), and what emptying nodes saves beside",
        unit: None,
        labels: &["effect"],
        samples: |status| {
            let savings = status.savings.iter();
            savings.flat_map(advised).collect()
        },
    },
    Family {
        name: "tanso_policy_condition",
        help: "1 for the state of each condition of the policy",
        unit: None,
        labels: &["type", "status", "reason"],
        samples: |status| {
            let conditions = status.conditions.iter();
            conditions
                .map(|condition| {
                    let labels = [&condition.type_, &condition.status, &condition.reason];
                    (labels.map(String::as_str).to_vec(), 1.0)
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

fn verdicts<'a>(labels: &[&'a str], found: Verdict) -> Vec<Sample<'a>> {
    let sample = |(verdict, name): (Verdict, &'static str)| {
        let mut labels = labels.to_vec();
        labels.push(name);
        (labels, if verdict == found { 1.0 } else { 0.0 })
    };
    VERDICTS.map(sample).to_vec()
}

fn rule_labels(rule: &RegulationResult) -> Vec<&str> {
    vec![&rule.rule, &rule.unit]
}

fn figure(
    status: &CarbonPolicyStatus,
    of: fn(&Figures) -> &Bounded,
    parts_per_unit: f64,
) -> Vec<Sample<'static>> {
    let Some(totals) = &status.totals else {
        return Vec::new();
    };
    bounded(of(totals), parts_per_unit)
}

fn bounded(figure: &Bounded, parts_per_unit: f64) -> Vec<Sample<'static>> {
    [
        ("low", figure.low),
        ("value", figure.value),
        ("high", figure.high),
    ]
    .map(|(bound, value)| (vec![bound], to_f64(value) / parts_per_unit))
    .to_vec()
}

fn advised(savings: &AdviceSavings) -> [Sample<'static>; 3] {
    [
        ("cluster", savings.cluster_milligrams_per_day),
        ("attributed", savings.attributed_milligrams_per_day),
        ("consolidation", savings.consolidation_milligrams_per_day),
    ]
    .map(|(effect, value)| (vec![effect], milli(value)))
}

fn share(status: &CarbonPolicyStatus, of: fn(&Figures) -> i32) -> Vec<Sample<'static>> {
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

impl Row {
    /// The labels of its policy.
    fn labels(&self) -> [(&'static str, &str); 3] {
        let named = self.policy.named();
        [
            ("kind", self.kind),
            (
                "policy_namespace",
                named.namespace.as_deref().unwrap_or_default(),
            ),
            ("policy", named.name.as_deref().unwrap_or_default()),
        ]
    }
}

/// Writes one sample, of whoever `own` labels, with the labels of its family.
/// Labels are lent: a thousand policies have tens of thousands of samples.
fn write(
    metric: &mut MetricEncoder<'_>,
    own: &[(&'static str, &str)],
    names: &'static [&'static str],
    (values, value): Sample<'_>,
) -> fmt::Result {
    let labels = own.iter().copied();
    let labels = labels.chain(names.iter().copied().zip(values));
    let labels: Vec<(&str, &str)> = labels.collect();
    ConstGauge::new(value).encode(metric.encode_family(&labels)?)
}

impl Collector for PolicyBoard {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.rows();
        let briefs = || {
            let briefs = rows.iter();
            briefs.filter_map(|row| Some((row.labels(), row.policy.brief()?)))
        };
        let gauge = MetricType::Gauge;
        for family in &FAMILIES {
            let unit = family.unit.as_ref();
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit, gauge)?;
            for (own, brief) in briefs() {
                for sample in (family.samples)(&brief.status) {
                    write(&mut metric, &own, family.labels, sample)?;
                }
            }
        }
        let of_each = workloads::of_each(rows.len());
        for family in &workloads::FAMILIES {
            let unit = family.unit.as_ref();
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit, gauge)?;
            for (own, brief) in briefs() {
                for workload in brief.workloads.iter().take(of_each) {
                    let own: Vec<_> = own.into_iter().chain(workload.labels()).collect();
                    for sample in (family.samples)(workload) {
                        write(&mut metric, &own, family.labels, sample)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
