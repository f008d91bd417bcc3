use super::drift::watch;
use super::fit::{Fit, fit};
use super::validate::validate;
use super::*;

const LEVEL: f64 = 0.9;

/// Numbers from 0 to 1 that look like chance and are always the same.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let value = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        value
    }

    /// Roughly normal, deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn prior() -> Band {
    Band {
        watts: std::array::from_fn(|level| 100.0 + 200.0 * load(level)),
        half: [0.3; LOADS],
    }
}

fn hidden(utilisation: f64) -> f64 {
    140.0 + 180.0 * utilisation.powf(0.7)
}

/// A node of the hidden kind, `own` times as hungry as the others.
fn node(number: u64, own: f64, samples: u32, watts: impl Fn(f64, f64) -> f64) -> Node {
    let mut chance = Chance(number * 7_919 + 1);
    let observations = (0..samples).map(|minute| {
        let utilisation = chance.next();
        let true_watts = hidden(utilisation) * own * (1.0 + 0.01 * chance.noise());
        Observation {
            at_s: i64::from(minute) * 60,
            utilisation,
            watts: watts(true_watts, utilisation),
            ..Observation::default()
        }
    });
    Node {
        name: format!("node-{number}"),
        observations: observations.collect(),
    }
}

fn honest(number: u64) -> Node {
    let mut chance = Chance(number);
    chance.next();
    let own = 1.0 + 0.02 * (chance.next() - 0.5);
    node(number, own, 60, |watts, _| watts)
}

/// A node whose power above idle goes with its clock to the power of 1.8, and
/// whose clock goes its own way; what it tells of the clock is `told`.
fn clocked(number: u64, exponent: f64, told: fn(f64) -> f64) -> Node {
    let mut clocks = Chance(number * 104_729 + 17);
    let mut node = honest(number);
    for sample in &mut node.observations {
        let mhz = 1_400.0 + 1_900.0 * clocks.next();
        let idle = hidden(0.0);
        let above = (sample.watts - idle).max(0.0) * (mhz / 2_300.0).powf(exponent);
        sample.watts = idle + above;
        sample.activity.frequency_mhz = Some(told(mhz));
    }
    node
}

fn ten_with(bad: Node) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..9).map(honest).collect();
    nodes.insert(4, bad);
    nodes
}

fn fitted(nodes: &[Node]) -> Fit {
    fit(nodes, &prior(), LEVEL).unwrap()
}

#[test]
fn the_hidden_curve_is_found() {
    let nodes: Vec<Node> = (0..10).map(honest).collect();
    let fit = fitted(&nodes);
    for level in 0..LOADS {
        let (found, truth) = (fit.band.watts[level], hidden(load(level)));
        assert!(
            (found / truth).ln().abs() < 0.04,
            "{level}: {found} against {truth}"
        );
    }
    assert_eq!(fit.trusted(), 10);
}

#[test]
fn one_bad_node_in_ten_never_moves_the_model_beyond_its_interval() {
    type Lie = (&'static str, fn(f64, f64) -> f64);
    let clean = fitted(&(0..10).map(honest).collect::<Vec<_>>()).band;
    let lies: [Lie; 8] = [
        ("three times", |watts, _| watts * 3.0),
        ("a third", |watts, _| watts / 3.0),
        ("stuck", |_, _| 213.0),
        ("a milliwatt", |_, _| 0.001),
        ("a megawatt", |_, _| 1e6),
        ("falling with load", |_, utilisation| {
            400.0 - 300.0 * utilisation
        }),
        ("one tenth more", |watts, _| watts * 1.1),
        ("wild above half load", |watts, utilisation| {
            if utilisation > 0.5 {
                watts * 5.0
            } else {
                watts
            }
        }),
    ];
    for (name, lie) in lies {
        let fit = fitted(&ten_with(node(77, 1.0, 60, lie)));
        for level in 0..LOADS {
            let moved = (fit.band.watts[level] / clean.watts[level]).ln().abs();
            assert!(
                moved < clean.half[level],
                "{name} moved level {level} by {moved}, bounds {}",
                clean.half[level]
            );
            assert!(moved < 0.02, "{name} moved level {level} by {moved}");
            assert!(
                fit.band.half[level] < 1.5 * clean.half[level],
                "{name} widened level {level}"
            );
        }
    }
}

#[test]
fn a_stuck_and_a_lying_node_are_named() {
    let stuck = fitted(&ten_with(node(77, 1.0, 60, |_, _| 213.0)));
    assert!(
        matches!(stuck.trust[4], Trust::Stuck(_)),
        "{:?}",
        stuck.trust[4]
    );
    let lying = fitted(&ten_with(node(77, 1.0, 60, |watts, _| watts * 1.5)));
    assert!(
        matches!(lying.trust[4], Trust::Apart(_)),
        "{:?}",
        lying.trust[4]
    );
    assert_eq!(lying.trusted(), 9);
}

#[test]
fn a_curve_never_falls_and_unseen_load_has_wide_bounds() {
    let nodes: Vec<Node> = (0..5)
        .map(|number| {
            let mut node = honest(number);
            node.observations.retain(|sample| sample.utilisation < 0.5);
            node
        })
        .collect();
    let band = fitted(&nodes).band;
    assert!(band.watts.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(band.half[10] > 2.0 * band.half[2], "{:?}", band.half);
}

#[test]
fn only_what_is_better_out_of_sample_is_promoted() {
    let nodes: Vec<Node> = (0..10).map(honest).collect();
    let first = fitted(&nodes);
    let verdict = validate(&nodes, &first.trust, &prior(), &prior().into(), LEVEL);
    assert!(verdict.better, "{verdict:?}");
    assert!(
        verdict.mape_percent < verdict.prior_mape_percent / 2.0,
        "{verdict:?}"
    );
    assert!(verdict.coverage_percent > 85.0, "{verdict:?}");
    // The same again is not better than itself.
    let again = validate(
        &nodes,
        &first.trust,
        &prior(),
        &first.band.clone().into(),
        LEVEL,
    );
    assert!(!again.better, "{again:?}");
}

#[test]
fn two_nodes_teach_nothing() {
    let nodes: Vec<Node> = (0..2).map(honest).collect();
    assert!(fit(&nodes, &prior(), LEVEL).is_none());
}

#[test]
fn drift_of_all_is_found_within_the_hour_and_of_one_is_not() {
    let band = fitted(&(0..10).map(honest).collect::<Vec<_>>()).band.into();
    let drifted = |factor: f64, nodes: std::ops::Range<u64>| -> Vec<Node> {
        (0..10)
            .map(|number| {
                let grows = nodes.contains(&number);
                node(number + 100, 1.0, 60, move |watts, _| {
                    if grows { watts * factor } else { watts }
                })
            })
            .collect()
    };
    assert_eq!(watch(&drifted(1.0, 0..0), &band), None);
    assert_eq!(watch(&drifted(2.0, 0..1), &band), None);
    for factor in [1.05, 1.15, 0.9] {
        let drift = watch(&drifted(factor, 0..10), &band).unwrap();
        assert!(drift.found_s < 3_600, "{factor}: {drift:?}");
        assert!(
            (drift.ratio / factor).ln().abs() < 0.03,
            "{factor}: {drift:?}"
        );
    }
}

#[test]
fn a_clock_that_power_goes_with_is_learned_and_one_that_it_does_not_is_left_out() {
    let of_clock: Vec<Node> = (0..10)
        .map(|number| clocked(number, 1.8, |mhz| mhz))
        .collect();
    let fit = fitted(&of_clock);
    let verdict = validate(&of_clock, &fit.trust, &prior(), &prior().into(), LEVEL);
    let judged = verdict.refinement.unwrap();
    assert!(
        judged.better && judged.mape_percent < judged.without_percent / 3.0,
        "{judged:?}"
    );
    assert!(judged.coverage_percent > 85.0, "{judged:?}");
    let terms = &validate::find(&fit, &judged.inputs).unwrap().terms;
    assert!((terms[0].exponent - 1.8).abs() < 0.15, "{terms:?}");
    assert!((1_400.0..1_500.0).contains(&terms[0].least), "{terms:?}");

    let of_load: Vec<Node> = (0..10)
        .map(|number| clocked(number, 0.0, |mhz| mhz))
        .collect();
    let fit = fitted(&of_load);
    let verdict = validate(&of_load, &fit.trust, &prior(), &prior().into(), LEVEL);
    assert!(!verdict.refinement.unwrap().better);
    assert!(verdict.better, "the curve of load is promoted all the same");
}

#[test]
fn a_node_that_lies_about_its_clock_does_not_move_the_exponent() {
    type Lie = (&'static str, fn(f64) -> f64);
    let clean: Vec<Node> = (0..10)
        .map(|number| clocked(number, 1.8, |mhz| mhz))
        .collect();
    let lies: [Lie; 4] = [
        ("ten times", |mhz| mhz * 10.0),
        ("turned round", |mhz| 4_700.0 - mhz),
        ("stuck", |_| 2_300.0),
        ("tiny", |_| 1.0),
    ];
    let answer = |nodes: &[Node], mhz: f64, load: f64| {
        let fit = fitted(nodes);
        let sample = Observation {
            utilisation: load,
            activity: tanso_power::activity::Activity {
                frequency_mhz: Some(mhz),
                ..Default::default()
            },
            ..Observation::default()
        };
        let inputs = [tanso_power::activity::Input::FrequencyMhz];
        validate::find(&fit, &inputs)
            .unwrap()
            .answer(&sample)
            .unwrap()
    };
    for (name, lie) in lies {
        let mut nodes = clean.clone();
        nodes[4] = clocked(4, 1.8, lie);
        for mhz in [1_500.0, 2_300.0, 3_200.0] {
            for load in [0.0, 0.3, 1.0] {
                let (truth, half) = answer(&clean, mhz, load);
                let (moved, _) = answer(&nodes, mhz, load);
                let moved = (moved / truth).ln().abs();
                assert!(
                    moved < half && moved < 0.03,
                    "{name}: {moved} of {half} at {mhz}, {load}"
                );
            }
        }
    }
}
