//! Agents keep off the nodes of older monitors.
//!
//! By the older ones' labels and not by names: nodes come, go and change their
//! labels without a change of the `DaemonSet`, which would replace every agent.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
};

use super::Plan;

/// Most terms of a pod. Each is one more way to be a node of this monitor, so
/// that one too few leaves a node without an agent, and none with two.
const TERMS_MAX: usize = 64;

/// By label the values that a node must not have.
type Term = BTreeMap<String, BTreeSet<String>>;

/// The affinity of a monitor's agents; `None` where there is no older monitor.
pub(super) fn agent(plan: Plan<'_>) -> Option<Affinity> {
    if plan.older.is_empty() {
        return None;
    }
    let terms = terms(
        &plan.monitor.node_selector,
        plan.older.iter().map(|older| &older.node_selector),
    );
    let requirement = |(key, values): (String, BTreeSet<String>)| NodeSelectorRequirement {
        key,
        operator: "NotIn".into(),
        values: Some(values.into_iter().collect()),
    };
    let node_selector_terms = terms
        .into_iter()
        .map(|term| NodeSelectorTerm {
            match_expressions: Some(term.into_iter().map(requirement).collect()),
            match_fields: None,
        })
        .collect();
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms,
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

/// A node is none of an older monitor's if it lacks one of that one's labels:
/// of each older one a label, in every combination. Labels that this monitor's
/// own selector demands no node of it lacks.
fn terms<'a>(
    own: &BTreeMap<String, String>,
    older: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> BTreeSet<Term> {
    let mut terms = BTreeSet::from([Term::new()]);
    for selector in older {
        let lacks: Vec<(&String, &String)> = selector
            .iter()
            .filter(|(key, value)| own.get(*key) != Some(value))
            .collect();
        let one_more = |term: &Term, (key, value): (&String, &String)| {
            let mut term = term.clone();
            term.entry(key.clone()).or_default().insert(value.clone());
            term
        };
        terms = terms
            .iter()
            .flat_map(|term| lacks.iter().map(move |lack| one_more(term, *lack)))
            .take(TERMS_MAX)
            .collect();
    }
    if terms.is_empty() {
        // Every node is an older monitor's. No term would be every node: one
        // that contradicts the own selector, which is never empty, is none.
        let nothing = own.iter().next();
        terms.extend(
            nothing
                .map(|(key, value)| Term::from([(key.clone(), BTreeSet::from([value.clone()]))])),
        );
    }
    terms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn has(node: &BTreeMap<String, String>, selector: &BTreeMap<String, String>) -> bool {
        let mut wanted = selector.iter();
        wanted.all(|(key, value)| node.get(key) == Some(value))
    }

    /// As Kubernetes reads it: one term with all its requirements.
    fn passes(node: &BTreeMap<String, String>, terms: &BTreeSet<Term>) -> bool {
        terms.iter().any(|term| {
            let mut term = term.iter();
            term.all(|(key, values)| node.get(key).is_none_or(|value| !values.contains(value)))
        })
    }

    #[test]
    fn a_monitor_whose_nodes_are_all_an_older_ones_has_none() {
        let own = labels(&[("kubernetes.io/os", "linux"), ("rack", "7")]);
        let all = labels(&[("kubernetes.io/os", "linux")]);
        let found = terms(&own, [&all].into_iter());
        assert_eq!(found.len(), 1);
        assert!(!passes(&own, &found));
    }

    #[test]
    fn of_too_many_combinations_none_lets_an_older_ones_node_through() {
        let own = labels(&[("kubernetes.io/os", "linux")]);
        let older: Vec<_> = (0..8)
            .map(|at| labels(&[(&format!("a{at}"), "1"), (&format!("b{at}"), "1")]))
            .collect();
        let found = terms(&own, older.iter());
        assert_eq!(found.len(), TERMS_MAX);
        for theirs in &older {
            assert!(!passes(theirs, &found));
        }
        assert!(passes(&own, &found));
    }

    fn some_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[abc]", "[12]", 1..3)
    }

    proptest! {
        /// Left out are the older monitors' nodes, and no others.
        #[test]
        fn what_is_left_are_the_nodes_of_no_older_monitor(
            own in some_labels(),
            older in prop::collection::vec(some_labels(), 1..4),
            node in prop::collection::btree_map("[abc]", "[12]", 0..4),
        ) {
            let could = |other: &&BTreeMap<String, String>| {
                let mut own = own.iter();
                own.all(|(key, value)| other.get(key).is_none_or(|theirs| theirs == value))
            };
            let older: Vec<_> = older.iter().filter(could).collect();
            if has(&node, &own) && !older.is_empty() {
                let found = terms(&own, older.iter().copied());
                let is_theirs = older.iter().any(|selector| has(&node, selector));
                prop_assert_eq!(passes(&node, &found), !is_theirs);
            }
        }
    }
}
