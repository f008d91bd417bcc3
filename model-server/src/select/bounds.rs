//! A curve's bounds, before and after readings of the machine.

use tanso_power::model::CurvePoint;
use tanso_power::units::UnitError;
use tanso_power::{Estimate, Utilisation, Watts};

use super::ladder::{Curve, Grounds};
use crate::host::LOADS;
use crate::reading::Reading;

/// How surely a machine like it shows what a reading must lie within not to be
/// strange.
const STRANGE: f64 = 0.99;

/// Corrects a curve by readings; its bounds, and a word on readings that are
/// strange, with whom the bounds hold the uncorrected curve's as well.
pub(super) fn corrected(
    curve: &mut Curve,
    grounds: &Grounds<'_>,
    level: f64,
    readings: &[Reading],
) -> (Vec<[f64; 3]>, String) {
    let calibration = grounds.calibration();
    let before = curve.watts.clone();
    let expected = calibration.bounds(&before, curve.deviation, STRANGE);
    // Correction goes by the eleven levels of a whole curve alone.
    let strange: Vec<&Reading> = readings
        .iter()
        .filter(|reading| before.len() == LOADS && reading.is_outside(&expected))
        .collect();
    let corrected = grounds.correction().apply(&curve.watts, readings);
    curve.watts = corrected.watts;
    curve.doubt = corrected.doubt;
    if strange.is_empty() {
        let bounds = calibration.bounds_with(&curve.watts, curve.deviation, level, &curve.doubt);
        return (bounds, String::new());
    }
    curve.doubt = vec![1.0; LOADS];
    let without = calibration.bounds(&before, curve.deviation, level);
    let with = calibration.bounds(&curve.watts, curve.deviation, level);
    let both = without.iter().zip(&with);
    let mut both: Vec<[f64; 3]> = both
        .map(|(without, with)| [without[0].min(with[0]), with[1], without[2].max(with[2])])
        .collect();
    for reading in &strange {
        reading.hold(&mut both);
    }
    let named: Vec<String> = strange.iter().map(ToString::to_string).collect();
    let words = format!(
        "; not one in a hundred machines like it would show {}: check the meter, and that it reads this machine alone; the bounds hold both that and what was expected without it",
        named.join(", ")
    );
    (both, words)
}

pub(super) fn points(loads: &[f64], bounds: &[[f64; 3]]) -> Result<Vec<CurvePoint>, UnitError> {
    // Whole hundredths of a watt: no digit is said that is not meant, and the
    // digest does not hang on the last bit of a logarithm.
    let watts = |watts: f64| Watts::try_from_watts((watts * 100.0).round() / 100.0);
    let point = |(load, [low, value, high]): (&f64, &[f64; 3])| {
        let power = Estimate {
            low: watts(*low)?,
            value: watts(*value)?,
            high: watts(*high)?,
        };
        Ok(CurvePoint {
            utilisation: Utilisation::try_new(*load)?,
            power,
        })
    };
    loads.iter().zip(bounds).map(point).collect()
}
