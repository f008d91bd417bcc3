//! From what runs without faults do to what shall go wrong.
//!
//! Pure.

use std::collections::BTreeSet;

use crate::call::{Call, Point};
use crate::fault::{Fault, Plan, READ, SLOW_WRITE, Target, WATCH, WRITE};

/// Points that every run without faults has.
#[must_use]
pub fn common(runs: &[Vec<Point>]) -> BTreeSet<Point> {
    let mut sets = runs
        .iter()
        .map(|points| points.iter().cloned().collect::<BTreeSet<_>>());
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |all, set| all.intersection(&set).cloned().collect())
}

/// Every plan for these points, in order; the slow ones too if asked for.
#[must_use]
pub fn plans(points: &BTreeSet<Point>, with_slow: bool) -> Vec<Plan> {
    let mut plans = Vec::new();
    for point in points.iter().filter(|point| point.call.writes()) {
        let slow = if with_slow { &SLOW_WRITE[..] } else { &[] };
        // Who keeps the lease visits no object: a panic there ends the process.
        let fits = |fault: &&Fault| **fault != Fault::Panic || !point.call.is_lease();
        for fault in WRITE.iter().chain(slow).filter(fits) {
            plans.push(Plan {
                target: Target::Point(point.clone()),
                fault: *fault,
            });
        }
        let may_be_replaced = matches!(
            point.call.resource.as_str(),
            "services" | "deployments" | "serviceaccounts"
        );
        if point.call.verb == "delete" && may_be_replaced {
            plans.push(Plan {
                target: Target::Point(point.clone()),
                fault: Fault::Replaced,
            });
        }
    }
    let reads: BTreeSet<Call> = points
        .iter()
        .filter(|point| !point.call.writes() && !point.call.is_lease())
        .map(|point| Call {
            name: String::new(),
            ..point.call.clone()
        })
        .collect();
    for call in reads {
        let faults = if call.verb == "watch" {
            &WATCH[..]
        } else {
            &READ[..]
        };
        let fits = |fault: &&Fault| with_slow || !fault.is_silence();
        for fault in faults.iter().filter(fits) {
            plans.push(Plan {
                target: Target::Every(call.clone()),
                fault: *fault,
            });
        }
    }
    plans.push(Plan {
        target: Target::All,
        fault: Fault::Away,
    });
    // Not withstood yet: a page of the report before may stay.
    if with_slow {
        plans.push(Plan {
            target: Target::Reads,
            fault: Fault::TwoServers,
        });
    }
    plans
}

/// Three plans at a time for as many runs, the same for the same seed. Each has
/// its own target; what takes a caller's whole patience is left out, and so is
/// `Replaced`, which asks for another end.
#[must_use]
pub fn triples(plans: &[Plan], count: usize, seed: u64) -> Vec<Vec<Plan>> {
    let fits = |plan: &&Plan| plan.fault != Fault::Replaced && !SLOW_WRITE.contains(&plan.fault);
    let plans: Vec<&Plan> = plans.iter().filter(fits).collect();
    let targets: BTreeSet<&Target> = plans.iter().map(|plan| &plan.target).collect();
    if targets.len() < 3 {
        return Vec::new();
    }
    // Another stream of numbers than that of the sample.
    let mut state = next(!seed);
    let mut draw = || {
        state = next(state);
        let most = u64::try_from(plans.len()).unwrap_or(1);
        usize::try_from((state >> 33) % most).unwrap_or(0)
    };
    let mut triple = || {
        let mut chosen: Vec<Plan> = Vec::new();
        while chosen.len() < 3 {
            let Some(plan) = plans.get(draw()) else {
                continue;
            };
            if chosen.iter().all(|other| other.target != plan.target) {
                chosen.push((*plan).clone());
            }
        }
        chosen.sort();
        chosen
    };
    (0..count).map(|_| triple()).collect()
}

/// A part of the plans: about `count` of them, the same for the same seed, so
/// spread that all points and all faults come to their turn.
#[must_use]
pub fn sample(plans: &[Plan], count: usize, seed: u64) -> Vec<Plan> {
    if count == 0 || plans.is_empty() {
        return Vec::new();
    }
    let must = |plan: &&Plan| plan.fault == Fault::Replaced;
    let mut chosen: Vec<Plan> = plans.iter().filter(must).cloned().collect();
    let others: Vec<&Plan> = plans.iter().filter(|plan| !must(plan)).collect();
    let mut state = seed;
    let rest = count.saturating_sub(chosen.len()).min(others.len());
    for at in 0..rest {
        // One of each stretch of equal length.
        let (from, until) = (at * others.len() / rest, (at + 1) * others.len() / rest);
        state = next(state);
        let width = u64::try_from((until - from).max(1)).unwrap_or(1);
        let offset = usize::try_from((state >> 33) % width).unwrap_or(0);
        chosen.extend(others.get(from + offset).map(|plan| (*plan).clone()));
    }
    chosen
}

/// Knuth's linear congruential generator (MMIX).
fn next(state: u64) -> u64 {
    state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: u32) -> BTreeSet<Point> {
        let call = Call {
            verb: "patch",
            resource: "services".into(),
            name: "a/b".into(),
        };
        (1..=count)
            .map(|nth| Point {
                call: call.clone(),
                nth,
            })
            .collect()
    }

    #[test]
    fn only_what_every_run_does_is_a_point() {
        let run = |count| points(count).into_iter().collect::<Vec<_>>();
        assert_eq!(common(&[run(3), run(2), run(4)]), points(2));
    }

    #[test]
    fn a_sample_is_the_same_for_the_same_seed_and_of_its_size() {
        let plans = plans(&points(20), false);
        assert_eq!(plans.len(), 20 * WRITE.len() + 1);
        let once = sample(&plans, 30, 7);
        assert_eq!(once.len(), 30);
        assert_eq!(once, sample(&plans, 30, 7));
        assert_ne!(once, sample(&plans, 30, 8));
        let faults: BTreeSet<Fault> = once.iter().map(|plan| plan.fault).collect();
        assert!(faults.len() > 6, "{faults:?}");
    }

    #[test]
    fn a_triple_has_three_targets_and_is_the_same_for_the_same_seed() {
        let plans = plans(&points(20), true);
        let once = triples(&plans, 50, 7);
        assert_eq!((once.len(), once == triples(&plans, 50, 7)), (50, true));
        assert_ne!(once, triples(&plans, 50, 8));
        for triple in &once {
            let targets: BTreeSet<_> = triple.iter().map(|plan| &plan.target).collect();
            assert_eq!(targets.len(), 3, "{triple:?}");
            assert!(triple.iter().all(|plan| plan.fault != Fault::Hold));
        }
        assert!(triples(&plans[..2], 5, 7).is_empty(), "no three targets");
    }
}
