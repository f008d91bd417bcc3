//! Fewer nodes: which can be emptied onto the others.
//!
//! Pods are placed first-fit, largest first, by what they ask for of CPU and
//! memory, and nothing is placed that must stay. What a node saves is its idle
//! energy; what its pods use they use elsewhere.

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules};

use super::{NoAdvice, WhyNot};
use crate::units::{GramsCo2e, Intensity, Pue};

/// Most of a node's CPU and memory that requests may fill, in percent: a
/// rollout needs room.
const FULL_PERCENT: u64 = 90;

/// A node and what it has to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Thousandths of a core.
    pub millicores: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// What it uses in a day doing nothing, at the IT equipment.
    pub idle_per_day: Joules,
    /// Whether it may go: no control plane, no storage of its own.
    pub may_go: bool,
}

/// A pod and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// `namespace/name`.
    pub name: String,
    /// Where it runs.
    pub node: String,
    /// Thousandths of a core.
    pub millicores: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// What runs on each node alike: it goes with its node.
    pub is_daemon: bool,
    /// Whether it can run elsewhere.
    pub may_move: bool,
}

/// Nodes that can go, and where their pods would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consolidation {
    /// Nodes in the order in which they are emptied.
    pub nodes: Vec<String>,
    /// Pod and the node it would move to, once for each pod.
    pub moves: Vec<(String, String)>,
    /// What the cluster saves per day: their idle energy, priced.
    pub saving_per_day: Estimate<GramsCo2e>,
}

/// Room on a node.
struct Room<'a> {
    node: &'a Node,
    millicores: u64,
    memory_bytes: u64,
    pods: Vec<&'a Pod>,
}

impl<'a> Room<'a> {
    fn new(node: &'a Node, pods: &'a [Pod]) -> Self {
        let own: Vec<_> = pods.iter().filter(|pod| pod.node == node.name).collect();
        let used = |of: fn(&Pod) -> u64| own.iter().map(|pod| of(pod)).fold(0, u64::saturating_add);
        let limit = |whole: u64| whole / 100 * FULL_PERCENT + whole % 100 * FULL_PERCENT / 100;
        Self {
            millicores: limit(node.millicores).saturating_sub(used(|pod| pod.millicores)),
            memory_bytes: limit(node.memory_bytes).saturating_sub(used(|pod| pod.memory_bytes)),
            node,
            pods: own,
        }
    }

    fn take(&mut self, pod: &'a Pod) {
        self.millicores = self.millicores.saturating_sub(pod.millicores);
        self.memory_bytes = self.memory_bytes.saturating_sub(pod.memory_bytes);
        self.pods.push(pod);
    }

    /// What would have to move; `None` if something must stay.
    fn to_move(&self) -> Option<Vec<&'a Pod>> {
        let moving: Vec<_> = self
            .pods
            .iter()
            .copied()
            .filter(|pod| !pod.is_daemon)
            .collect();
        (self.node.may_go && moving.iter().all(|pod| pod.may_move)).then_some(moving)
    }
}

/// Which nodes can be emptied, the emptiest first, each onto those that stay.
///
/// # Errors
/// [`NoAdvice`] if none can: the cluster saves nothing.
pub fn consolidate(
    nodes: &[Node],
    pods: &[Pod],
    intensity: Estimate<Intensity>,
    pue: Pue,
) -> Result<Consolidation, NoAdvice> {
    let mut rooms: Vec<_> = nodes.iter().map(|node| Room::new(node, pods)).collect();
    let mut gone: Vec<&Node> = Vec::new();
    let mut moves: Vec<(&Pod, String)> = Vec::new();
    loop {
        // The least to move first; of equals the one that idles dearest.
        rooms.sort_by_key(|room| {
            let asked: u64 = room
                .to_move()
                .iter()
                .flatten()
                .map(|pod| pod.millicores)
                .sum();
            (
                asked,
                std::cmp::Reverse(room.node.idle_per_day),
                room.node.name.as_str(),
            )
        });
        let emptied = (0..rooms.len()).find_map(|index| Some((index, placed(&rooms, index)?)));
        let Some((index, placed)) = emptied else {
            break;
        };
        for (pod, to) in placed {
            if let Some(room) = rooms.iter_mut().find(|room| room.node.name == to) {
                room.take(pod);
            }
            // The node it went to first may go too.
            match moves
                .iter_mut()
                .find(|(moved, _)| std::ptr::eq(*moved, pod))
            {
                Some((_, last)) => *last = to,
                None => moves.push((pod, to)),
            }
        }
        gone.push(rooms.remove(index).node);
    }
    if gone.is_empty() {
        let message = format!(
            "none of {} nodes can be emptied onto the others: 0 g",
            nodes.len()
        );
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let idle: Joules = gone.iter().map(|node| node.idle_per_day).sum();
    Ok(Consolidation {
        nodes: gone.iter().map(|node| node.name.clone()).collect(),
        moves: moves
            .into_iter()
            .map(|(pod, to)| (pod.name.clone(), to))
            .collect(),
        saving_per_day: intensity.map(|at| at.emissions_of(idle, pue)),
    })
}

/// Where the pods of a room would go; `None` if one finds no place.
fn placed<'a>(rooms: &[Room<'a>], index: usize) -> Option<Vec<(&'a Pod, String)>> {
    let mut moving = rooms.get(index)?.to_move()?;
    moving.sort_by_key(|pod| std::cmp::Reverse((pod.millicores, pod.memory_bytes)));
    let mut left: Vec<_> = rooms
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index)
        .map(|(_, room)| (room.node.name.as_str(), room.millicores, room.memory_bytes))
        .collect();
    // The last node never goes.
    if left.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    for pod in moving {
        let room = left
            .iter_mut()
            .find(|(_, cpu, memory)| pod.millicores <= *cpu && pod.memory_bytes <= *memory)?;
        room.1 -= pod.millicores;
        room.2 -= pod.memory_bytes;
        found.push((pod, room.0.to_owned()));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(name: &str, millicores: u64) -> Node {
        Node {
            name: name.into(),
            millicores,
            memory_bytes: 1_000,
            idle_per_day: Joules::from_microjoules(3_600_000_000_000),
            may_go: true,
        }
    }

    fn pod(name: &str, node: &str, millicores: u64) -> Pod {
        Pod {
            name: name.into(),
            node: node.into(),
            millicores,
            memory_bytes: 10,
            is_daemon: false,
            may_move: true,
        }
    }

    fn intensity() -> Estimate<Intensity> {
        Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap())
    }

    #[test]
    fn a_request_cut_lets_a_node_go_or_saves_nothing() {
        let nodes = [node("a", 1_000), node("b", 1_000)];
        let full = [pod("x", "a", 600), pod("y", "b", 600)];
        let none = consolidate(&nodes, &full, intensity(), Pue::ONE).unwrap_err();
        assert!(none.message.ends_with("0 g"), "{none}");
        let cut = [pod("x", "a", 600), pod("y", "b", 250)];
        let found = consolidate(&nodes, &cut, intensity(), Pue::ONE).unwrap();
        assert_eq!(found.nodes, ["b"]);
        assert_eq!(found.moves, [("y".to_owned(), "a".to_owned())]);
        assert_eq!(found.saving_per_day.value.to_string(), "400 g");
    }

    #[test]
    fn what_must_stay_keeps_its_node_and_daemons_do_not() {
        let nodes = [node("a", 1_000), node("b", 1_000)];
        let fixed = Pod {
            may_move: false,
            ..pod("y", "b", 10)
        };
        let daemon = Pod {
            is_daemon: true,
            may_move: false,
            ..pod("d", "a", 50)
        };
        let found = consolidate(
            &nodes,
            &[pod("x", "a", 10), fixed, daemon],
            intensity(),
            Pue::ONE,
        )
        .unwrap();
        assert_eq!(found.nodes, ["a"]);
        let lone = consolidate(&nodes[..1], &[], intensity(), Pue::ONE);
        assert!(lone.is_err(), "the last node never goes");
    }

    #[test]
    fn a_pod_whose_new_node_goes_too_moves_once() {
        let nodes = [node("a", 1_000), node("b", 500), node("c", 2_000)];
        let pods = [pod("x", "a", 50), pod("y", "b", 300), pod("z", "c", 700)];
        let found = consolidate(&nodes, &pods, intensity(), Pue::ONE).unwrap();
        assert_eq!(found.nodes, ["a", "b"]);
        let moves: Vec<_> = found
            .moves
            .iter()
            .map(|(pod, to)| format!("{pod} {to}"))
            .collect();
        assert_eq!(moves, ["x c", "y c"]);
    }

    proptest! {
        #[test]
        fn no_node_is_ever_filled_beyond_its_limit(
            sizes in prop::collection::vec((0_u64..600, 0_usize..5), 0..30),
        ) {
            let nodes: Vec<_> = (0..5).map(|n| node(&n.to_string(), 1_000)).collect();
            let pods: Vec<_> = sizes.iter().enumerate()
                .map(|(index, (size, at))| pod(&index.to_string(), &at.to_string(), *size))
                .collect();
            if let Ok(found) = consolidate(&nodes, &pods, intensity(), Pue::ONE) {
                let mut at: std::collections::BTreeMap<_, _> =
                    pods.iter().map(|pod| (pod.name.clone(), pod.node.clone())).collect();
                for (pod, to) in &found.moves {
                    at.insert(pod.clone(), to.clone());
                }
                let moved: std::collections::BTreeSet<_> = found.moves.iter().map(|(pod, _)| pod).collect();
                prop_assert_eq!(moved.len(), found.moves.len(), "a pod moves once");
                for pod in &pods {
                    prop_assert!(!found.nodes.contains(&at[&pod.name]), "a pod is left behind");
                }
                for node in &nodes {
                    let sum = |place: &dyn Fn(&Pod) -> String| -> u64 {
                        pods.iter().filter(|pod| place(pod) == node.name).map(|pod| pod.millicores).sum()
                    };
                    let before = sum(&|pod| pod.node.clone());
                    let after = sum(&|pod| at[&pod.name].clone());
                    prop_assert!(after <= before.max(900), "{after} on {}", node.name);
                }
            }
        }
    }
}
