//! A curve that knows more than load: what a machine draws above idle goes
//! with the clock and with what the processors do.

use serde::{Deserialize, Serialize};

use super::{CurvePoint, ModelError, ModelFault, check_curve};
use crate::activity::{Activity, Input};

/// No power goes with a higher power of a clock than this.
pub const EXPONENT_MOST: f64 = 4.0;

/// One factor on the power above idle: (quantity ÷ reference) to an exponent,
/// the quantity held within what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Term {
    /// The quantity.
    pub input: Input,
    /// Where the factor is 1, above 0.
    pub reference: f64,
    /// The exponent, at most [`EXPONENT_MOST`] either way.
    pub exponent: f64,
    /// The least that was seen, above 0; less counts as this.
    pub least: f64,
    /// The most that was seen; more counts as this.
    pub most: f64,
}

impl Term {
    /// Logarithm of the quantity over the reference; `None` if it is missing.
    #[must_use]
    pub fn distance(&self, activity: &Activity) -> Option<f64> {
        let quantity = activity.get(self.input)?;
        Some((quantity.clamp(self.least, self.most) / self.reference).ln())
    }

    fn is_usable(&self) -> bool {
        let figures = [self.reference, self.exponent, self.least, self.most];
        figures.iter().all(|figure| figure.is_finite())
            && self.least > 0.0
            && (self.least..=self.most).contains(&self.reference)
            && self.exponent.abs() <= EXPONENT_MOST
    }
}

/// A curve at its terms' references, and how power above idle goes with their
/// quantities. Never falls with load, whatever the quantities are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refined {
    /// As [`super::ModelDocument::curve`], at the references.
    pub curve: Vec<CurvePoint>,
    /// One to three, each of another quantity.
    pub terms: Vec<Term>,
    /// How good it is where all quantities are known.
    pub error: ModelError,
}

impl Refined {
    /// The factor on power above idle; `None` unless all quantities are known.
    #[must_use]
    pub fn factor(&self, activity: &Activity) -> Option<f64> {
        let mut exponent = 0.0;
        for term in &self.terms {
            exponent += term.exponent * term.distance(activity)?;
        }
        Some(exponent.exp())
    }

    pub(super) fn check(&self) -> Result<(), ModelFault> {
        check_curve(&self.curve)?;
        if !(1..=Input::ALL.len()).contains(&self.terms.len()) {
            return Err(ModelFault::Terms("accepted are 1 to 3"));
        }
        if !self.terms.iter().all(Term::is_usable) {
            return Err(ModelFault::Terms(
                "accepted are a reference within least and most, both above 0, and an exponent from -4 to 4",
            ));
        }
        let twice = |term: &Term| {
            self.terms
                .iter()
                .filter(|other| other.input == term.input)
                .count()
                > 1
        };
        if self.terms.iter().any(twice) {
            return Err(ModelFault::Terms("accepted is one for each quantity"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::document;
    use super::super::{ModelDocument, Part};
    use super::*;
    use crate::Utilisation;

    fn refined() -> ModelDocument {
        let mut document = document();
        document.refined = Some(Refined {
            curve: document.curve.clone(),
            terms: vec![Term {
                input: Input::FrequencyMhz,
                reference: 2_000.0,
                exponent: 2.0,
                least: 1_000.0,
                most: 4_000.0,
            }],
            error: document.error.clone(),
        });
        document.check().unwrap();
        document
    }

    fn clock(mhz: f64) -> Activity {
        Activity {
            frequency_mhz: Some(mhz),
            ..Activity::default()
        }
    }

    fn watts(document: &ModelDocument, load: f64, activity: &Activity) -> f64 {
        let load = Utilisation::try_new(load).unwrap();
        document
            .power_given(Part::WHOLE, load, Utilisation::IDLE, activity)
            .value
            .as_watts_f64()
    }

    #[test]
    fn half_the_clock_takes_a_quarter_of_the_power_above_idle() {
        let document = refined();
        // 50 W idle, 140 W at full load and 2 GHz.
        assert!((watts(&document, 1.0, &clock(2_000.0)) - 140.0).abs() < 1e-3);
        assert!((watts(&document, 1.0, &clock(1_000.0)) - (50.0 + 90.0 / 4.0)).abs() < 1e-3);
        assert!((watts(&document, 0.0, &clock(4_000.0)) - 50.0).abs() < 1e-3);
        // Beyond what was seen nothing is extrapolated.
        let most = watts(&document, 1.0, &clock(4_000.0));
        assert!((watts(&document, 1.0, &clock(9_000.0)) - most).abs() < 1e-9);
    }

    #[test]
    fn a_missing_quantity_leaves_the_curve_of_load_alone() {
        let mut document = refined();
        for point in &mut document.refined.as_mut().unwrap().curve {
            point.power = point.power.map(|watts| watts.min(point.power.value));
        }
        let load = Utilisation::try_new(0.5).unwrap();
        let given =
            document.power_given(Part::WHOLE, load, Utilisation::IDLE, &Activity::default());
        assert_eq!(given, document.power_at(load));
    }

    #[test]
    fn a_document_survives_its_own_json_and_bad_terms_are_refused() {
        let document = refined();
        let again = ModelDocument::parse(&document.to_json().unwrap()).unwrap();
        assert_eq!(again, document);
        let spoilt: [fn(&mut Term); 4] = [
            |term| term.exponent = 5.0,
            |term| term.least = 0.0,
            |term| term.reference = 9_000.0,
            |term| term.most = f64::NAN,
        ];
        for spoil in spoilt {
            let mut document = refined();
            spoil(&mut document.refined.as_mut().unwrap().terms[0]);
            assert!(
                matches!(document.check(), Err(ModelFault::Terms(_))),
                "{document:?}"
            );
        }
        let mut twice = refined();
        let terms = &mut twice.refined.as_mut().unwrap().terms;
        terms.push(terms[0]);
        assert!(matches!(twice.check(), Err(ModelFault::Terms(_))));
    }

    proptest! {
        #[test]
        fn no_clock_makes_power_fall_with_load_and_bounds_hold_the_value(
            mhz in 1.0_f64..20_000.0,
            exponent in -4.0_f64..=4.0,
            load in 0.0_f64..=1.0,
            more in 0.0_f64..=1.0,
            share in 0.05_f64..=1.0,
        ) {
            let mut document = refined();
            document.refined.as_mut().unwrap().terms[0].exponent = exponent;
            let at = |load: f64| {
                let load = Utilisation::try_new(load).unwrap();
                let part = Part::try_of_host(share).unwrap();
                document.power_given(part, load, Utilisation::IDLE, &clock(mhz))
            };
            let (low, high) = (at(load.min(more)), at(load.max(more)));
            prop_assert!(low.value <= high.value, "{:?} {:?}", low, high);
            for power in [low, high] {
                prop_assert!(power.low <= power.value && power.value <= power.high);
            }
        }
    }
}
