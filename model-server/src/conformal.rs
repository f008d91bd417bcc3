//! Intervals and their honesty: residuals of left-out groups, by load level.
//!
//! An interval is `watts · exp(± factor · deviation)`; the factor of a load
//! level is a quantile of the left-out residuals there, with each family
//! weighing by the root of its size, so that a family of 125 machines does not
//! decide for all.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::host::count;

/// A machine predicted without its group.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The machine's own id.
    pub id: String,
    /// The machine's family: intervals are checked with all of it left out.
    pub family: String,
    /// Which load levels are known.
    pub levels: Vec<usize>,
    /// Power as published, watts, by level.
    pub truth: Vec<f64>,
    /// Power as predicted, watts, by level.
    pub predicted: Vec<f64>,
    /// The predictor's own deviation; 1 if it has none.
    pub deviation: f64,
}

impl Scored {
    fn residual(&self, level: usize) -> f64 {
        (self.truth[level] / self.predicted[level]).ln().abs() / self.deviation
    }

    fn error(&self, level: usize) -> f64 {
        (self.predicted[level] / self.truth[level] - 1.0).abs()
    }

    /// The mean relative error over the known levels.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        mean(self.levels.iter().map(|level| self.error(*level)))
    }
}

/// Residuals by load level, ready to ask for quantiles.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    levels: Vec<Vec<(f64, f64)>>,
}

impl Calibration {
    /// Learns from machines that were predicted without their group.
    #[must_use]
    pub fn learn<'a>(scored: impl Iterator<Item = &'a Scored> + Clone, levels: usize) -> Self {
        let mut families: BTreeMap<&str, usize> = BTreeMap::new();
        for machine in scored.clone() {
            *families.entry(&machine.family).or_default() += 1;
        }
        let mut residuals = vec![Vec::new(); levels];
        for machine in scored {
            let size = families.get(machine.family.as_str()).copied().unwrap_or(1);
            let weight = 1.0 / count(size).sqrt();
            for level in &machine.levels {
                residuals[*level].push((machine.residual(*level), weight));
            }
        }
        for level in &mut residuals {
            level.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Self { levels: residuals }
    }

    /// The factor by which a share `coverage` of left-out machines lie within
    /// their interval at a load level. Without residuals it is ln 10: a factor
    /// of ten either way.
    ///
    /// Of some machines, the newest among them, idle and full load are known
    /// alone. A level between, which fewer machines tell of, is taken to be no
    /// surer than the ends: otherwise its bounds, as bounds never fall with
    /// load, would narrow those of full load too.
    #[must_use]
    pub fn factor(&self, level: usize, coverage: f64) -> f64 {
        let known = |level: usize| self.levels.get(level).map_or(0, Vec::len);
        let last = self.levels.len().saturating_sub(1);
        if known(level) >= known(0).min(known(last)) {
            return self.own_factor(level, coverage);
        }
        let (idle, full) = (
            self.own_factor(0, coverage),
            self.own_factor(last, coverage),
        );
        let between = idle + (full - idle) * count(level) / count(last.max(1));
        if known(level) == 0 {
            between
        } else {
            between.max(self.own_factor(level, coverage))
        }
    }

    fn own_factor(&self, level: usize, coverage: f64) -> f64 {
        let residuals = self.levels.get(level).map_or(&[][..], Vec::as_slice);
        let total: f64 = residuals.iter().map(|(_, weight)| weight).sum();
        // One more machine than was seen: the one that is asked about.
        let mean = total / count(residuals.len().max(1));
        let wanted = coverage * (total + mean);
        let mut sum = 0.0;
        for (residual, weight) in residuals {
            sum += weight;
            if sum >= wanted {
                return *residual;
            }
        }
        residuals
            .last()
            .map_or(std::f64::consts::LN_10, |(largest, _)| largest * 1.25)
    }

    /// Lower bound, value and upper bound by level, none of which falls with
    /// load.
    #[must_use]
    pub fn bounds(&self, watts: &[f64], deviation: f64, coverage: f64) -> Vec<[f64; 3]> {
        self.bounds_with(watts, deviation, coverage, &[])
    }

    /// As [`Calibration::bounds`], where `doubt` says by level what share of
    /// the deviation is left; all of it where it says nothing.
    #[must_use]
    pub fn bounds_with(
        &self,
        watts: &[f64],
        deviation: f64,
        coverage: f64,
        doubt: &[f64],
    ) -> Vec<[f64; 3]> {
        let mut most = [0.0_f64; 3];
        let bound = |(level, value): (usize, &f64)| {
            let left = doubt.get(level).copied().unwrap_or(1.0);
            let factor = (self.factor(level, coverage) * deviation * left).exp();
            for (bound, watts) in most
                .iter_mut()
                .zip([value / factor, *value, value * factor])
            {
                *bound = bound.max(watts);
            }
            most
        };
        watts.iter().enumerate().map(bound).collect()
    }
}

/// How good predictions of left-out machines are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Machines scored.
    pub machines: usize,
    /// Families among them.
    pub families: usize,
    /// Mean absolute error over machines and their known levels, percent.
    pub mape_percent: f64,
    /// The same, each family weighing alike.
    pub macro_mape_percent: f64,
    /// The same in watts.
    pub mae_w: f64,
    /// At idle, percent.
    pub idle_percent: f64,
    /// At half load, percent; missing if no machine's half load is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_percent: Option<f64>,
    /// At full load, percent.
    pub full_percent: f64,
    /// By load level, as far as known.
    pub by_level: Vec<LevelScore>,
    /// Share of true values within the interval, percent, the interval being
    /// made without the family.
    pub coverage_percent: f64,
    /// Mean width of the interval relative to the value.
    pub width: f64,
    /// The family with the largest error.
    pub worst_family: String,
    /// By family.
    pub by_family: Vec<FamilyScore>,
}

/// How good predictions are at one load level.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LevelScore {
    /// The level's place in the curve.
    pub level: usize,
    /// Mean absolute error, percent.
    pub mape_percent: f64,
    /// The same in watts.
    pub mae_w: f64,
    /// Share of true values within the interval, percent.
    pub coverage_percent: f64,
}

/// How good predictions of one family are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyScore {
    /// Microarchitecture.
    pub family: String,
    /// Machines scored.
    pub machines: usize,
    /// Mean absolute error, percent.
    pub mape_percent: f64,
    /// Share of true values within the interval, percent.
    pub coverage_percent: f64,
}

/// Scores left-out predictions; each family's intervals are calibrated on the
/// other families only. `half` is the level of half load.
#[must_use]
pub fn score(scored: &[Scored], levels: usize, half: usize, coverage: f64) -> Score {
    let mut families: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for machine in scored {
        families.entry(&machine.family).or_default().push(machine);
    }
    let mut widths = Vec::new();
    let mut held = vec![(0, 0); levels];
    let mut by_family = Vec::new();
    for (family, machines) in &families {
        let others = Calibration::learn(
            scored.iter().filter(|other| other.family != *family),
            levels,
        );
        let (mut inside, mut points) = (0, 0);
        for machine in machines {
            let bounds = others.bounds(&machine.predicted, machine.deviation, coverage);
            for level in &machine.levels {
                let [low, value, high] = bounds[*level];
                let holds = usize::from((low..=high).contains(&machine.truth[*level]));
                points += 1;
                inside += holds;
                held[*level].0 += holds;
                held[*level].1 += 1;
                widths.push((high - low) / value);
            }
        }
        by_family.push(FamilyScore {
            family: (*family).to_owned(),
            machines: machines.len(),
            mape_percent: 100.0 * mean(machines.iter().map(|machine| machine.mean_error())),
            coverage_percent: 100.0 * count(inside) / count(points),
        });
    }
    let by_level: Vec<LevelScore> = (0..levels)
        .filter_map(|level| level_score(scored, level, held[level]))
        .collect();
    let at = |level: usize| {
        let known = by_level.iter().find(|known| known.level == level);
        known.map(|known| known.mape_percent)
    };
    let worst = by_family
        .iter()
        .max_by(|a, b| a.mape_percent.total_cmp(&b.mape_percent));
    Score {
        machines: scored.len(),
        families: families.len(),
        mape_percent: 100.0 * mean(scored.iter().map(Scored::mean_error)),
        macro_mape_percent: mean(by_family.iter().map(|family| family.mape_percent)),
        mae_w: mean(scored.iter().map(|m| {
            mean(
                m.levels
                    .iter()
                    .map(|l| (m.predicted[*l] - m.truth[*l]).abs()),
            )
        })),
        idle_percent: at(0).unwrap_or(0.0),
        half_percent: at(half),
        full_percent: at(levels - 1).unwrap_or(0.0),
        by_level: by_level.clone(),
        coverage_percent: mean(
            by_family
                .iter()
                .flat_map(|f| std::iter::repeat_n(f.coverage_percent, f.machines)),
        ),
        width: mean(widths.into_iter()),
        worst_family: worst.map_or_else(String::new, |family| family.family.clone()),
        by_family,
    }
}

fn level_score(
    scored: &[Scored],
    level: usize,
    (inside, points): (usize, usize),
) -> Option<LevelScore> {
    let known: Vec<&Scored> = scored
        .iter()
        .filter(|machine| machine.levels.contains(&level))
        .collect();
    (!known.is_empty()).then(|| LevelScore {
        level,
        mape_percent: 100.0 * mean(known.iter().map(|machine| machine.error(level))),
        mae_w: mean(
            known
                .iter()
                .map(|m| (m.predicted[level] - m.truth[level]).abs()),
        ),
        coverage_percent: 100.0 * count(inside) / count(points.max(1)),
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    sum / count(n.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(family: &str, truth: f64) -> Scored {
        Scored {
            id: String::new(),
            family: family.into(),
            levels: vec![0],
            truth: vec![truth],
            predicted: vec![100.0],
            deviation: 1.0,
        }
    }

    #[test]
    fn nine_of_ten_left_out_machines_decide_the_width() {
        let scored: Vec<Scored> = (1..=99)
            .map(|n| machine("a", 100.0 * (f64::from(n) / 100.0).exp()))
            .collect();
        let factor = Calibration::learn(scored.iter(), 1).factor(0, 0.9);
        assert!((factor - 0.90).abs() < 1e-9, "{factor}");
    }

    #[test]
    fn without_residuals_the_interval_is_a_factor_of_ten() {
        let bounds = Calibration::default().bounds(&[50.0], 1.0, 0.9);
        assert!((bounds[0][0] - 5.0).abs() < 1e-9 && (bounds[0][2] - 500.0).abs() < 1e-9);
    }

    /// Bounds of full load were narrowed by those of 90 % load, which no machine
    /// since 2022 had a say in: 84 instead of 90 of 100 of those lay within.
    #[test]
    fn a_level_that_fewer_machines_tell_of_is_no_surer_than_the_ends() {
        let curve = |levels: Vec<usize>, factor: f64| Scored {
            levels,
            truth: vec![50.0 * factor, 75.0 * factor, 100.0 * factor],
            predicted: vec![50.0, 75.0, 100.0],
            ..machine("a", 1.0)
        };
        let even = (0..50).map(|n| curve(vec![0, 1, 2], 1.0 + f64::from(n) / 500.0));
        let apart = (0..50).map(|n| curve(vec![0, 2], 0.3 + f64::from(n) / 100.0));
        let scored: Vec<Scored> = even.chain(apart).collect();
        let calibration = Calibration::learn(scored.iter(), 3);
        let factors = [0, 1, 2].map(|level| calibration.factor(level, 0.9));
        assert!(factors[1] >= factors[0].min(factors[2]), "{factors:?}");
        let bounds = calibration.bounds(&[50.0, 75.0, 100.0], 1.0, 0.9);
        let inside = scored
            .iter()
            .filter(|m| (bounds[2][0]..=bounds[2][2]).contains(&m.truth[2]));
        assert!(inside.count() >= 90, "{bounds:?}");
        // Where no machine tells of a level, the ends alone do.
        let ends: Vec<Scored> = scored.into_iter().skip(50).collect();
        let calibration = Calibration::learn(ends.iter(), 3);
        let of = |level: usize| calibration.factor(level, 0.9);
        assert!((of(1) - f64::midpoint(of(0), of(2))).abs() < 1e-9);
    }

    #[test]
    fn a_family_is_covered_by_what_the_others_teach() {
        let scored: Vec<Scored> = (0..20)
            .map(|_| machine("easy", 101.0))
            .chain([machine("hard", 300.0)])
            .collect();
        let score = score(&scored, 1, 0, 0.9);
        let hard = score
            .by_family
            .iter()
            .find(|family| family.family == "hard")
            .unwrap();
        assert!(hard.coverage_percent < 1.0);
        assert_eq!(score.worst_family, "hard");
    }
}
