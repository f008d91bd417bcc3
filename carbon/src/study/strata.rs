//! Arms that are measured in parts: what happens seldom is measured as often as
//! what happens mostly, and each part counts by the share of time that it has.
//!
//! An arm whose controllers act once in an interval that is longer than a phase
//! has two kinds of phases: those in which they act, a share of phase ÷ interval
//! of all, and those in which they do not. Phases at random moments would meet
//! the seldom kind seldom (once in sixty) or never; the shares are known, so
//! both kinds are measured in every block and the arm's figure is
//! `Σ share × figure of the part`. It has no bias whatever the parts are, and its
//! variance is `Σ share² × variance of the part` (Cochran, Sampling Techniques,
//! 3rd ed. 1977, §5.3–5.4).

use serde::{Deserialize, Serialize};

use super::difference::{Confidence, Interval, t_interval};
use super::sample::{Sample, sum};
use super::trial::name_fault;

/// How far from 1 the shares of an arm may add up to: what is left of decimals.
const SUM_TOLERANCE: f64 = 1e-9;

/// A part of an arm's time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stratum {
    /// The trials that measure it: their arm in the CSV. Arms may share trials.
    pub trials: String,
    /// The share of the arm's time that it has, above 0; an arm's shares add up
    /// to 1.
    pub share: f64,
}

/// A part's figures with the share that they count by.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The share of time.
    pub share: f64,
    /// The figures.
    pub sample: &'a Sample,
}

/// A mean over parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stratified {
    /// The mean, each part by its share.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Its degrees of freedom by Satterthwaite's rule (1946; Cochran 5.16):
    /// between those of the smallest part and those of all together. Absent if
    /// no part's figures differ.
    pub degrees_of_freedom: Option<f64>,
}

impl Stratified {
    /// The mean's interval by Student's t; of no width where nothing differs.
    #[must_use]
    pub fn interval(&self, confidence: Confidence) -> Interval {
        match self.degrees_of_freedom {
            Some(df) => t_interval(self.mean, self.error, df, confidence),
            None => Interval {
                low: self.mean,
                high: self.mean,
            },
        }
    }
}

/// `Σ share × figure`: one arm's figure of a block from those of its parts.
#[must_use]
pub fn weighted(parts: &[(f64, f64)]) -> f64 {
    sum(parts.iter().map(|(share, figure)| share * figure))
}

/// The mean of parts that were sampled apart, with its error.
///
/// ```
/// use tanso_carbon::study::sample::Sample;
/// use tanso_carbon::study::strata::{Part, stratified};
/// let quiet = Sample::try_new(vec![1.0, 2.0, 3.0])?;
/// let sync = Sample::try_new(vec![10.0, 12.0, 14.0])?;
/// let parts = [Part { share: 0.75, sample: &quiet }, Part { share: 0.25, sample: &sync }];
/// let found = stratified(&parts).ok_or("a part has one figure")?;
/// assert_eq!(found.mean, 4.5);
/// // 0.75² × 1/3 + 0.25² × 4/3
/// assert!((found.error.powi(2) - 0.8125 / 3.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `None` without parts, or if one has fewer than two figures: its spread is
/// not known then, and that is not 0.
#[must_use]
pub fn stratified(parts: &[Part<'_>]) -> Option<Stratified> {
    let mut means = Vec::with_capacity(parts.len());
    let mut variances = Vec::with_capacity(parts.len());
    for part in parts {
        let count = part.sample.count();
        let error = part.share * part.sample.sd()?;
        means.push((part.share, part.sample.mean()));
        variances.push((error * error / count, count - 1.0));
    }
    if parts.is_empty() {
        return None;
    }
    let variance = sum(variances.iter().map(|(variance, _)| *variance));
    let squares = sum(variances
        .iter()
        .map(|(variance, df)| variance * variance / df));
    Some(Stratified {
        mean: weighted(&means),
        error: variance.sqrt(),
        degrees_of_freedom: (squares > 0.0).then(|| variance * variance / squares),
    })
}

/// All that is wrong with an arm's parts; `field` names them.
pub(super) fn faults(field: &str, strata: &[Stratum]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, one) in strata.iter().enumerate() {
        let told = |fault| format!("{field}[{place}].trials {:?}: {fault}", one.trials);
        faults.extend(name_fault(&one.trials).map(told));
        let mut before = strata.iter().take(place);
        if before.any(|other| other.trials == one.trials) {
            faults.push(told("stands twice"));
        }
        if !(one.share > 0.0 && one.share <= 1.0) {
            faults.push(format!(
                "{field}[{place}].share {}: accepted are values above 0 up to 1",
                one.share
            ));
        }
    }
    let total = sum(strata.iter().map(|one| one.share));
    // Also where a share is no number.
    let is_whole = (total - 1.0).abs() <= SUM_TOLERANCE;
    if !strata.is_empty() && !is_whole {
        faults.push(format!(
            "{field}: the shares add up to {total}, accepted is 1"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::try_new(values.to_vec()).unwrap()
    }

    #[test]
    fn a_part_counts_by_its_share_of_time_and_not_by_its_trials() {
        let (quiet, sync) = (sample(&[1.0, 3.0]), sample(&[20.0, 22.0, 24.0, 22.0]));
        let of = |share: f64| {
            let parts = [
                Part {
                    share: 1.0 - share,
                    sample: &quiet,
                },
                Part {
                    share,
                    sample: &sync,
                },
            ];
            stratified(&parts).unwrap()
        };
        // By hand: means 2 and 22, variances 2 and 8/3, of 2 and 4 figures.
        let found = of(0.1);
        assert!((found.mean - 4.0).abs() < 1e-12);
        let parts = [0.81 * 2.0 / 2.0, 0.01 * (8.0 / 3.0) / 4.0];
        let variance: f64 = parts.iter().sum();
        assert!((found.error.powi(2) - variance).abs() < 1e-12);
        let df = variance.powi(2) / (parts[0].powi(2) / 1.0 + parts[1].powi(2) / 3.0);
        assert!((found.degrees_of_freedom.unwrap() - df).abs() < 1e-9);
        assert!(found.interval(Confidence::USUAL).contains(4.0));
        assert!(of(0.5).mean > found.mean);
    }

    #[test]
    fn one_part_alone_is_a_plain_mean_with_its_own_degrees_of_freedom() {
        let figures = sample(&[3.0, 5.0, 10.0, 6.0]);
        let whole = [Part {
            share: 1.0,
            sample: &figures,
        }];
        let found = stratified(&whole).unwrap();
        assert!((found.mean - figures.mean()).abs() < 1e-12);
        assert!((found.degrees_of_freedom.unwrap() - 3.0).abs() < 1e-12);
        assert!((found.error - figures.sd().unwrap() / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_spread_that_is_not_known_is_not_none() {
        let (one, two) = (sample(&[3.0]), sample(&[4.0, 4.0]));
        let parts = |first| {
            [
                Part {
                    share: 0.5,
                    sample: first,
                },
                Part {
                    share: 0.5,
                    sample: &two,
                },
            ]
        };
        assert_eq!(stratified(&parts(&one)), None);
        assert_eq!(stratified(&[]), None);
        let equal = stratified(&parts(&two)).unwrap();
        assert_eq!((equal.error, equal.degrees_of_freedom), (0.0, None));
        let interval = equal.interval(Confidence::USUAL);
        assert_eq!((interval.low, interval.high), (4.0, 4.0));
    }

    #[test]
    fn shares_that_are_no_whole_are_refused_with_what_is_accepted() {
        let strata = |shares: [f64; 2], names: [&str; 2]| {
            let one = |(share, name): (f64, &str)| Stratum {
                trials: name.to_owned(),
                share,
            };
            shares.into_iter().zip(names).map(one).collect::<Vec<_>>()
        };
        let fine = strata([1.0 / 60.0, 59.0 / 60.0], ["a.sync", "a.quiet"]);
        assert_eq!(faults("strata", &fine), Vec::<String>::new());
        let broken = strata([0.0, f64::NAN], ["a b", "a b"]);
        let told = faults("arms[0].strata", &broken).join("; ");
        for part in [
            "arms[0].strata[0].trials \"a b\": accepted are 1 to 63",
            "arms[0].strata[1].trials \"a b\": stands twice",
            "arms[0].strata[0].share 0: accepted are values above 0 up to 1",
            "arms[0].strata[1].share NaN",
            "the shares add up to NaN, accepted is 1",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        let most = strata([0.5, 0.4], ["a", "b"]);
        assert!(faults("strata", &most)[0].contains("add up to 0.9"));
    }
}
