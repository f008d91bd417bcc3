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

    /// Whether a node could have the labels of both.
    fn may_share(&self, other: &Self) -> bool {
        self.node_selector.iter().all(|(key, value)| {
            let theirs = other.node_selector.get(key);
            theirs.is_none_or(|theirs| theirs == value)
        })
    }
}

/// Nodes that older monitors measure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "PowerMonitor \"{with}\" is older and measures {} of the {} chosen nodes, first \"{first}\": they are left to it; choose other nodes by spec.agent.nodeSelector, or delete one of the two",
    count,
    chosen
)]
pub struct Conflict {
    /// The oldest monitor that measures one of them.
    pub with: String,
    /// How many nodes older monitors measure.
    pub count: usize,
    /// How many nodes are chosen in all.
    pub chosen: usize,
    /// The first of them by name.
    pub first: String,
}

/// Node selectors of the older of `others` that could choose a node of `me`,
/// oldest first: their nodes are theirs, those of today and those to come.
#[must_use]
pub fn older(me: &Claimant, others: &[Claimant]) -> Vec<Claimant> {
    let mut older: Vec<Claimant> = others
        .iter()
        .filter(|other| other.name != me.name && other.precedes(me) && me.may_share(other))
        .cloned()
        .collect();
    older.sort_by(|a, b| {
        if a.precedes(b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    older
}

/// The conflict of `me` with the `older` ones, if any measures one of its nodes.
#[must_use]
pub fn conflict(me: &Claimant, older: &[Claimant], nodes: &[Node]) -> Option<Conflict> {
    let chosen: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.matches(&me.node_selector))
        .collect();
    let with = older
        .iter()
        .find(|other| chosen.iter().any(|node| node.matches(&other.node_selector)))?;
    let theirs = chosen.iter().filter(|node| {
        let mut older = older.iter();
        older.any(|other| node.matches(&other.node_selector))
    });
    let first = theirs.clone().map(|node| &node.name).min()?;
    Some(Conflict {
        with: with.name.clone(),
        count: theirs.count(),
        chosen: chosen.len(),
        first: first.clone(),
    })
}

/// The nodes that `me` chooses and no `older` one does, by name.
#[must_use]
pub fn own_nodes(me: &Claimant, older: &[Claimant], nodes: &[Node]) -> Vec<String> {
    let is_theirs = |node: &Node| {
        let mut older = older.iter();
        older.any(|other| node.matches(&other.node_selector))
    };
    let mut own: Vec<String> = nodes
        .iter()
        .filter(|node| node.matches(&me.node_selector) && !is_theirs(node))
        .map(|node| node.name.clone())
        .collect();
    own.sort();
    own
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
    fn the_older_monitor_keeps_its_nodes_and_the_younger_its_others() {
        let rack = claimant("rack", 10, &[("rack", "7")]);
        let pool = claimant("pool", 20, &[("pool", "gpu")]);
        let both = [rack.clone(), pool.clone()];
        let nodes = [
            node("c", &[("pool", "gpu")]),
            node("b", &[("pool", "gpu"), ("rack", "7")]),
            node("a", &[("rack", "7")]),
        ];
        assert_eq!(older(&rack, &both), []);
        assert_eq!(own_nodes(&rack, &[], &nodes), ["a", "b"]);
        let of_pool = older(&pool, &both);
        let found = conflict(&pool, &of_pool, &nodes).unwrap();
        assert_eq!(
            (
                found.with.as_str(),
                found.count,
                found.chosen,
                found.first.as_str()
            ),
            ("rack", 1, 2, "b")
        );
        assert_eq!(own_nodes(&pool, &of_pool, &nodes), ["c"]);
    }

    #[test]
    fn selectors_that_share_no_node_do_not_conflict() {
        let a = claimant("a", 10, &[("rack", "1")]);
        let b = claimant("b", 20, &[("rack", "2")]);
        // No node has two values of one label, neither now nor later.
        assert_eq!(older(&b, std::slice::from_ref(&a)), []);
        let c = claimant("c", 30, &[("pool", "gpu")]);
        let nodes = [node("x", &[("rack", "1")]), node("y", &[("pool", "gpu")])];
        let of_c = older(&c, &[b.clone(), a.clone()]);
        assert_eq!(of_c, [a, b]);
        assert_eq!(conflict(&c, &of_c, &nodes), None);
    }

    proptest! {
        #[test]
        fn of_two_that_share_a_node_exactly_one_gives_way(first in 0i64..3, second in 0i64..3) {
            let a = claimant("a", first, &[]);
            let b = claimant("b", second, &[]);
            let nodes = [node("x", &[])];
            let both = [a.clone(), b.clone()];
            let own = [&a, &b].map(|me| own_nodes(me, &older(me, &both), &nodes).len());
            prop_assert!(own == [1, 0] || own == [0, 1]);
        }
    }
}
