//! Which monitor measures a node that two choose: the older one.
//!
//! Pure. Two agents on a node would count its energy twice.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A node as far as selectors see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Node {
    /// Whether the node has all these labels.
    #[must_use]
    pub fn matches(&self, selector: &BTreeMap<String, String>) -> bool {
        selector
            .iter()
            .all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

/// A monitor as far as precedence matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Option<Time>,
    /// Labels that its nodes have.
    pub node_selector: BTreeMap<String, String>,
}

impl Claimant {
    /// Whether this one was there first; names decide between twins.
    #[must_use]
    pub fn precedes(&self, other: &Self) -> bool {
        let age = |c: &Self| (c.created.is_none(), c.created.clone().map(|time| time.0));
        (age(self), &self.name) < (age(other), &other.name)
    }
}

/// Nodes that an older monitor measures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "PowerMonitor \"{with}\" is older and measures {} of the chosen nodes, first \"{first}\"; choose other nodes by spec.agent.nodeSelector, or delete one of the two",
    count
)]
pub struct Conflict {
    /// The older monitor.
    pub with: String,
    /// How many nodes both choose.
    pub count: usize,
    /// The first of them by name.
    pub first: String,
}

/// The conflict of `me` with the oldest of `others` that chooses one of its
/// nodes.
#[must_use]
pub fn conflict(me: &Claimant, others: &[Claimant], nodes: &[Node]) -> Option<Conflict> {
    let mut older: Vec<&Claimant> = others
        .iter()
        .filter(|other| other.name != me.name && other.precedes(me))
        .collect();
    older.sort_by(|a, b| {
        if a.precedes(b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    older.into_iter().find_map(|other| {
        let both = nodes
            .iter()
            .filter(|node| node.matches(&me.node_selector) && node.matches(&other.node_selector));
        let first = both.clone().map(|node| &node.name).min()?;
        Some(Conflict {
            with: other.name.clone(),
            count: both.count(),
            first: first.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn claimant(name: &str, second: i64, selector: &[(&str, &str)]) -> Claimant {
        Claimant {
            name: name.into(),
            created: Some(Time(Timestamp::from_second(second).unwrap())),
            node_selector: selector
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        }
    }

    fn node(name: &str, labels: &[(&str, &str)]) -> Node {
        Node {
            name: name.into(),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        }
    }

    #[test]
    fn the_older_monitor_keeps_its_nodes() {
        let all = claimant("all", 10, &[]);
        let rack = claimant("rack", 20, &[("rack", "7")]);
        let nodes = [
            node("b", &[("rack", "7")]),
            node("a", &[("rack", "7")]),
            node("c", &[]),
        ];
        assert_eq!(conflict(&all, &[all.clone(), rack.clone()], &nodes), None);
        let found = conflict(&rack, &[all, rack.clone()], &nodes).unwrap();
        assert_eq!(
            (found.with.as_str(), found.count, found.first.as_str()),
            ("all", 2, "a")
        );
    }

    #[test]
    fn selectors_that_share_no_node_do_not_conflict() {
        let a = claimant("a", 10, &[("rack", "1")]);
        let b = claimant("b", 20, &[("rack", "2")]);
        let nodes = [node("x", &[("rack", "1")]), node("y", &[("rack", "2")])];
        assert_eq!(conflict(&b, &[a], &nodes), None);
    }

    proptest! {
        #[test]
        fn of_two_that_share_a_node_exactly_one_gives_way(first in 0i64..3, second in 0i64..3) {
            let a = claimant("a", first, &[]);
            let b = claimant("b", second, &[]);
            let nodes = [node("x", &[])];
            let both = [a.clone(), b.clone()];
            let gives_way = [&a, &b].map(|me| conflict(me, &both, &nodes).is_some());
            prop_assert!(gives_way[0] != gives_way[1]);
        }
    }
}
