//! Many simulated studies: do intervals hold the truth as often as they say,
//! is the power what was promised, what does a sequential rule cost? From
//! fixed seeds, so each run sees the same studies.
//!
//! `cargo test -p tanso-carbon --test study_simulated -- --nocapture` prints
//! the rates.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails there; counts are small"
)]

use tanso_carbon::study::bootstrap::{Bootstrap, bca};
use tanso_carbon::study::difference::{fieller, plain_mean, t_interval};
use tanso_carbon::study::power::{pairs_needed, power};
use tanso_carbon::study::random::Generator;
use tanso_carbon::study::sample::Sample;
use tanso_carbon::study::stopping::StoppingRule;
use tanso_carbon::study::strata::weighted;
use tanso_carbon::study::{Confidence, Interval};

const STUDIES: u32 = 2_000;

/// Simulated blocks: a level that both arms share, and noise of each.
struct World {
    generator: Generator,
    skewed: bool,
}

impl World {
    fn of(seed: u64, skewed: bool) -> Self {
        let generator = Generator::from_seed(seed);
        Self { generator, skewed }
    }

    /// Above 0, up to 1.
    fn share(&mut self) -> f64 {
        ((self.generator.next_u64() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// Noise with mean 0 and deviation 1: normal (Box & Muller 1958), or as
    /// skewed as waiting times.
    fn noise(&mut self) -> f64 {
        let radius = -self.share().ln();
        if self.skewed {
            return radius - 1.0;
        }
        (2.0 * radius).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    /// An arm that uses `effect` joules more than another of about 500.
    fn block(&mut self, effect: f64) -> (f64, f64) {
        let level = 500.0 + 40.0 * self.noise();
        (
            level + effect + 10.0 * self.noise(),
            level + 10.0 * self.noise(),
        )
    }

    fn study(&mut self, blocks: u32, effect: f64) -> Found {
        Found::of((0..blocks).map(|_| self.block(effect)))
    }
}

/// The differences of a study, and what they are compared against.
struct Found {
    differences: Sample,
    against: Sample,
}

impl Found {
    fn of(blocks: impl Iterator<Item = (f64, f64)>) -> Self {
        let (differences, against) = blocks
            .map(|(arm, against)| (arm - against, against))
            .unzip();
        Self {
            differences: Sample::try_new(differences).unwrap(),
            against: Sample::try_new(against).unwrap(),
        }
    }

    fn interval(&self) -> Interval {
        let (mean, sd) = (self.differences.mean(), self.differences.sd().unwrap());
        let count = self.differences.count();
        t_interval(mean, sd / count.sqrt(), count - 1.0, Confidence::USUAL)
    }
}

/// How many studies in a hundred hold, of so many.
fn rate(studies: u32, mut holds: impl FnMut() -> bool) -> f64 {
    let held = (0..studies).filter(|_| holds()).count();
    100.0 * held as f64 / f64::from(studies)
}

#[test]
fn a_placebo_comparison_holds_zero_as_often_as_the_interval_says() {
    let mut world = World::of(1, false);
    let held = rate(STUDIES, || world.study(30, 0.0).interval().contains(0.0));
    println!("placebo, t interval: {held:.1} % hold 0 (nominal 95)");
    // The rate's own deviation is 0.49 points.
    assert!((held - 95.0).abs() < 1.9, "{held}");
}

#[test]
fn an_injected_effect_lies_in_its_interval_as_often_as_it_says() {
    let mut world = World::of(2, false);
    let held = rate(STUDIES, || world.study(12, 17.0).interval().contains(17.0));
    let relative = 17.0 / 500.0;
    let held_relative = rate(STUDIES, || {
        let found = world.study(12, 17.0);
        let interval = fieller(&found.differences, &found.against, Confidence::USUAL);
        interval.is_some_and(|interval| interval.contains(relative))
    });
    println!("17 J injected: {held:.1} % of t, {held_relative:.1} % of Fieller intervals hold it");
    assert!((held - 95.0).abs() < 1.9, "{held}");
    assert!((held_relative - 95.0).abs() < 1.9, "{held_relative}");
}

#[test]
fn bootstrap_intervals_hold_the_truth_nearly_as_often_as_they_say() {
    for (skewed, nominal) in [(false, 94.0), (true, 92.0)] {
        let mut world = World::of(3, skewed);
        let held = rate(1_000, || {
            let found = world.study(30, 17.0);
            let mean = |places: &[usize]| plain_mean(found.differences.values(), places);
            let bootstrap = Bootstrap {
                resamples: 999,
                seed: world.generator.next_u64(),
            };
            let found = bca(30, &mean, Confidence::USUAL, bootstrap).unwrap();
            found.interval.contains(17.0)
        });
        println!("BCa, 30 blocks, skewed {skewed}: {held:.1} % hold the effect (nominal 95)");
        assert!((held - nominal).abs() < 2.8, "{held}");
    }
}

#[test]
fn the_promised_power_is_found() {
    let spread = 10.0 * 2.0_f64.sqrt();
    let effect = 8.0;
    let blocks = pairs_needed(effect / spread, 0.8, Confidence::USUAL).unwrap();
    let promised = 100.0 * power(effect / spread, blocks, Confidence::USUAL);
    let mut world = World::of(4, false);
    let seen = rate(STUDIES, || {
        !world.study(blocks, effect).interval().contains(0.0)
    });
    println!("{blocks} blocks: {seen:.1} % see 8 J, {promised:.1} % promised");
    // The rate's own deviation is 0.9 points.
    assert!((seen - promised).abs() < 3.5, "{seen} {promised}");
}

#[test]
fn stopping_at_a_narrow_interval_costs_little_coverage_if_the_first_look_is_not_early() {
    for (blocks_min, usual) in [(10, 92.5..95.5), (2, 87.0..92.2)] {
        let rule = StoppingRule::HalfWidth {
            relative: 0.011,
            blocks_min,
            blocks_max: 80,
        };
        let mut world = World::of(5, false);
        let mut blocks_run = 0;
        let held = rate(STUDIES, || {
            let mut pairs: Vec<_> = (0..blocks_min).map(|_| world.block(17.0)).collect();
            loop {
                let found = Found::of(pairs.iter().copied());
                let width = found.interval().half_width() / found.against.mean();
                let blocks = u32::try_from(pairs.len()).unwrap();
                if rule.decide(blocks, Some(width)).is_stop() {
                    blocks_run += blocks;
                    return found.interval().contains(17.0);
                }
                pairs.push(world.block(17.0));
            }
        });
        let mean = f64::from(blocks_run) / f64::from(STUDIES);
        println!(
            "looked at from block {blocks_min} on, stopped after {mean:.1} in the mean: {held:.1} % hold the effect"
        );
        assert!(usual.contains(&held), "{blocks_min}: {held}");
    }
}

#[test]
fn parts_hold_the_truth_where_phases_at_random_moments_miss_what_is_seldom() {
    // A sync of 40 J in one phase of sixty, as of ten minutes and ten seconds.
    const SHARE: f64 = 1.0 / 60.0;
    const TRUTH: f64 = 2.0 + 40.0 * SHARE;
    let mut world = World::of(9, false);
    let mut phase = |level: f64, spread: f64| level + spread * world.noise();
    let in_parts = rate(STUDIES, || {
        let study = Found::of((0..30).map(|_| {
            let (quiet, sync) = (phase(12.0, 1.0), phase(52.0, 4.0));
            let arm = weighted(&[(1.0 - SHARE, quiet), (SHARE, sync)]);
            (arm, phase(10.0, 1.0))
        }));
        study.interval().contains(TRUTH)
    });
    let (mut world, mut moments) = (World::of(9, false), World::of(10, false));
    let at_random = rate(STUDIES, || {
        let study = Found::of((0..30).map(|_| {
            let sync = if moments.share() <= SHARE { 40.0 } else { 0.0 };
            (12.0 + sync + world.noise(), 10.0 + world.noise())
        }));
        study.interval().contains(TRUTH)
    });
    println!(
        "a sync in one phase of 60, 30 blocks: {in_parts:.1} % hold the truth in parts (nominal 95), {at_random:.1} % \
         at random moments"
    );
    assert!((in_parts - 95.0).abs() < 1.9, "{in_parts}");
    assert!(at_random < 85.0, "{at_random}");
}
