//! Energy of many workloads as sums by the hour: what a chart is drawn of needs
//! no row of each of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tanso_carbon::EnergyRow;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::stays::PlaceNumbers;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_power::{Estimate, Joules, Provenance};

use super::{Energy, EnergyAccount, Policy, WorkloadKey};

/// Which workloads count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Those of kinds, none for all; of every namespace that is read.
    Kinds(BTreeSet<String>),
    /// Those of a list.
    Named(HashSet<WorkloadKey>),
}

impl Chosen {
    /// Those that a policy judges, where its spec alone says it: not where it
    /// chooses by labels, or some namespaces of several.
    #[must_use]
    pub fn of_spec(policy: &Policy) -> Option<Self> {
        let selector = &policy.spec.selector;
        let is_all = policy.namespace.is_some() || policy.is_everywhere;
        let by_kind = is_all && selector.match_labels.is_empty();
        by_kind.then(|| Self::Kinds(selector.kinds.iter().cloned().collect()))
    }

    /// Those that were judged.
    #[must_use]
    pub fn of_judged(workloads: &[WorkloadResult]) -> Self {
        let key = |one: &WorkloadResult| WorkloadKey {
            namespace: one.namespace.clone(),
            kind: one.kind.clone(),
            name: one.name.clone(),
        };
        Self::Named(workloads.iter().map(key).collect())
    }

    /// Whether a workload counts.
    #[must_use]
    pub fn holds(&self, workload: &WorkloadKey) -> bool {
        match self {
            Self::Kinds(kinds) => kinds.is_empty() || kinds.contains(&workload.kind),
            Self::Named(names) => names.contains(workload),
        }
    }
}

/// What is summed, and where nodes are.
#[derive(Clone, Debug)]
pub struct Summed {
    /// Which workloads count.
    pub chosen: Chosen,
    /// Numbers of places by node and hour; nodes that are not here are at the site.
    pub of_node: BTreeMap<String, PlaceNumbers>,
}

/// What was booked, by hour, place and provenance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// The last booking that is in, where the reader knows it.
    pub revision: Option<i64>,
    /// The sums, by hour.
    pub rows: Vec<EnergyRow>,
}

impl Sums {
    /// The sums of rows.
    #[must_use]
    pub fn of(energy: &Energy, summed: &Summed) -> Self {
        type Key = (UtcHour, usize, Provenance);
        let mut sums: BTreeMap<Key, Estimate<Joules>> = BTreeMap::new();
        for row in &energy.rows {
            let EnergyAccount::Workload(workload) = &row.account else {
                continue;
            };
            if summed.chosen.holds(workload) {
                let numbers = summed.of_node.get(&*row.node);
                let place = numbers.map_or(0, |numbers| numbers.at(row.hour));
                let sum = sums.entry((row.hour, place, row.provenance)).or_default();
                *sum = *sum + row.energy;
            }
        }
        let row = |((hour, place, provenance), energy)| EnergyRow {
            hour,
            place,
            energy,
            provenance,
        };
        Self {
            revision: energy.revision,
            rows: sums.into_iter().map(row).collect(),
        }
    }
}

/// What to sum; shared with whoever reads it elsewhere.
pub type Summing = Arc<Summed>;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tanso_crds::CarbonPolicy;
    use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;

    use super::*;

    fn spec(selector: &Value) -> Value {
        json!({"selector": selector, "site": {"zone": "KR"},
            "regulations": [{"rule": "kr-carbon-2050"}]})
    }

    fn namespaced(selector: &Value) -> Policy {
        let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop"}, "spec": spec(selector)});
        Policy::from(serde_json::from_value::<CarbonPolicy>(object).unwrap())
    }

    fn wide(namespaces: &Value) -> Policy {
        let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
            "metadata": {"name": "all"},
            "spec": {"namespaceSelector": namespaces, "policy": spec(&json!({}))}});
        Policy::from(serde_json::from_value::<ClusterCarbonPolicy>(object).unwrap())
    }

    #[test]
    fn only_what_a_spec_alone_says_is_chosen_by_it() {
        let all = Some(Chosen::Kinds(BTreeSet::new()));
        assert_eq!(Chosen::of_spec(&namespaced(&json!({}))), all);
        assert_eq!(Chosen::of_spec(&wide(&json!({}))), all);
        assert_eq!(Chosen::of_spec(&wide(&json!({"matchLabels": {}}))), all);
        let kinds = Chosen::of_spec(&namespaced(&json!({"kinds": ["CronJob"]}))).unwrap();
        let key = |kind: &str| WorkloadKey {
            namespace: "shop".to_owned(),
            kind: kind.to_owned(),
            name: "etl".to_owned(),
        };
        assert!(kinds.holds(&key("CronJob")) && !kinds.holds(&key("Job")));
        let by_label = namespaced(&json!({"matchLabels": {"team": "red"}}));
        assert_eq!(Chosen::of_spec(&by_label), None);
        let some = wide(&json!({"matchLabels": {"team": "red"}}));
        assert_eq!(Chosen::of_spec(&some), None);
    }
}
