//! Which figures stand far off, by a rule stated before the run. A figure is
//! marked, never dropped: reports show the result with and without it.

use serde::{Deserialize, Serialize};

use super::sample::{MAD_TO_SD, Sample};

/// The rule, chosen before the first trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum OutlierPolicy {
    /// Nothing is an outlier.
    #[default]
    None,
    /// A figure further from the median than so many scaled median absolute
    /// deviations (MAD × 1.4826; Leys et al. 2013 advise 3, 2.5 or 2).
    Mad(f64),
}

impl OutlierPolicy {
    /// The places of the figures that the rule marks. If more than half are
    /// equal, so that the median absolute deviation is 0, it marks none.
    ///
    /// ```
    /// use tanso_carbon::study::{outlier::OutlierPolicy, sample::Sample};
    /// let figures = Sample::try_new(vec![2.0, 2.5, 1.5, 2.25, 9.0])?;
    /// assert_eq!(OutlierPolicy::Mad(3.0).marks(&figures), [4]);
    /// assert!(OutlierPolicy::None.marks(&figures).is_empty());
    /// # Ok::<(), tanso_carbon::study::sample::SampleError>(())
    /// ```
    #[must_use]
    pub fn marks(self, figures: &Sample) -> Vec<usize> {
        let Self::Mad(most) = self else {
            return Vec::new();
        };
        let (median, unit) = (figures.median(), figures.mad() * MAD_TO_SD);
        let far = |(_, value): &(usize, &f64)| unit > 0.0 && (*value - median).abs() > most * unit;
        let values = figures.values().iter().enumerate();
        values.filter(far).map(|(place, _)| place).collect()
    }

    /// The rule in words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::None => "no difference counts as an outlier".to_owned(),
            Self::Mad(most) => {
                format!("a difference over {most} scaled MADs from the median is marked")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_spread_of_the_middle_half_nothing_is_marked() {
        let figures = Sample::try_new(vec![2.0, 2.0, 2.0, 2.0, 90.0]).unwrap();
        assert!(OutlierPolicy::Mad(3.0).marks(&figures).is_empty());
    }
}
