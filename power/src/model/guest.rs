//! The power of a part of a machine: what a virtual machine owns of its host.

use crate::units::UnitError;
use crate::{Estimate, Utilisation, Watts};

use super::{CurvePoint, ModelDocument};

/// How many times the modelled machine a machine is: the share of its host
/// that a guest owns, or 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    factor: f64,
    /// The curve is the whole host's, so that others run on it too.
    of_host: bool,
}

impl Part {
    /// The modelled machine itself.
    pub const WHOLE: Self = Self {
        factor: 1.0,
        of_host: false,
    };

    /// The part that a machine with `threads` hardware threads (or vCPUs) is
    /// of the machine that `document` was made for.
    ///
    /// A document for a guest is scaled to its vCPUs; one for a host gives a
    /// guest its vCPUs' share of the host's threads.
    #[must_use]
    pub fn of(document: &ModelDocument, threads: u32, virtualised: bool) -> Self {
        let modelled = &document.machine;
        let for_guest = modelled.virtual_machine == Some(true);
        match modelled.threads {
            Some(theirs) if virtualised && theirs > 0 && threads > 0 => {
                let factor = f64::from(threads) / f64::from(theirs);
                Self {
                    // Nobody owns more than a whole host.
                    factor: if for_guest { factor } else { factor.min(1.0) },
                    of_host: !for_guest && factor < 1.0,
                }
            }
            _ => Self::WHOLE,
        }
    }

    /// A guest that owns this share of its host.
    ///
    /// # Errors
    /// If `share` is not within 0 and 1.
    pub fn try_of_host(share: f64) -> Result<Self, UnitError> {
        let share = Utilisation::try_new(share)?.ratio();
        Ok(Self {
            factor: share,
            of_host: share < 1.0,
        })
    }

    /// How many times the modelled machine it is.
    #[must_use]
    pub const fn factor(self) -> f64 {
        self.factor
    }
}

/// A curve, and the factor on what it says above idle, if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) curve: &'a [CurvePoint],
    pub(super) factor: Option<f64>,
}

impl<'a> Shape<'a> {
    /// A curve as it is.
    pub(super) const fn plain(curve: &'a [CurvePoint]) -> Self {
        Self {
            curve,
            factor: None,
        }
    }

    /// Power at a utilisation, linear between the curve's points.
    pub(super) fn power_at(self, utilisation: Utilisation) -> Estimate<Watts> {
        let power = between_points(self.curve, utilisation);
        let (Some(factor), Some(idle)) = (self.factor, self.curve.first()) else {
            return power;
        };
        let of = |idle: Watts, power: Watts| {
            let (idle_w, power_w) = (idle.as_watts_f64(), power.as_watts_f64());
            // Power never falls with load, so that nothing is taken from idle.
            let watts = idle_w + (power_w - idle_w).max(0.0) * factor;
            Watts::try_from_watts(watts).unwrap_or(power)
        };
        let value = of(idle.power.value, power.value);
        Estimate {
            low: of(idle.power.low, power.low).min(value),
            value,
            high: of(idle.power.high, power.high).max(value),
        }
    }

    /// As [`super::ModelDocument::power_of`].
    pub(super) fn power_of(
        self,
        part: Part,
        utilisation: Utilisation,
        stolen: Utilisation,
    ) -> Estimate<Watts> {
        let own = utilisation.ratio();
        let likely = (own + stolen.ratio()).min(1.0);
        if part == Part::WHOLE && stolen == Utilisation::IDLE {
            return self.power_at(utilisation);
        }
        let idle = self.power_at(Utilisation::IDLE);
        let mut power = self.above(idle, own, likely);
        if part.of_host {
            for host in [own * part.factor, 1.0] {
                // Alone, its CPU time is all that the host's load is.
                let other = self.above(idle, own, host.max(own * part.factor));
                power[0] = power[0].min(other[0]);
                power[2] = power[2].max(other[2]);
            }
        }
        let of_part = |idle: Watts, above: f64| {
            let watts = part.factor * (idle.as_watts_f64() + above.max(0.0));
            Watts::try_from_watts(watts).unwrap_or(idle)
        };
        let value = of_part(idle.value, power[1]);
        Estimate {
            low: of_part(idle.low, power[0]).min(value),
            value,
            high: of_part(idle.high, power[2]).max(value),
        }
    }

    /// Watts above idle, per part of the host, of who used `own` of its
    /// threads' time while the whole host's load was `host`: low, value,
    /// high. A load that is the part's alone is `own` times its factor.
    fn above(self, idle: Estimate<Watts>, own: f64, host: f64) -> [f64; 3] {
        if host <= 0.0 {
            return [0.0; 3];
        }
        let at = self.power_at(Utilisation::try_new(host).unwrap_or(Utilisation::FULL));
        let share = own / host;
        [
            share * (at.low.as_watts_f64() - idle.low.as_watts_f64()),
            share * (at.value.as_watts_f64() - idle.value.as_watts_f64()),
            share * (at.high.as_watts_f64() - idle.high.as_watts_f64()),
        ]
    }
}

/// Power between the two points around a utilisation.
fn between_points(curve: &[CurvePoint], utilisation: Utilisation) -> Estimate<Watts> {
    let after = curve.partition_point(|point| point.utilisation < utilisation);
    let right = curve.get(after).or(curve.last());
    let left = after
        .checked_sub(1)
        .and_then(|index| curve.get(index))
        .or(right);
    let (Some(left), Some(right)) = (left, right) else {
        return Estimate::exact(Watts::ZERO);
    };
    let span = right.utilisation.ratio() - left.utilisation.ratio();
    let share = if span > 0.0 {
        ((utilisation.ratio() - left.utilisation.ratio()) / span).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let between = |a: Watts, b: Watts| {
        let watts = a.as_watts_f64() + share * (b.as_watts_f64() - a.as_watts_f64());
        // Between two powers lies a power.
        Watts::try_from_watts(watts).unwrap_or(a)
    };
    Estimate {
        low: between(left.power.low, right.power.low),
        value: between(left.power.value, right.power.value),
        high: between(left.power.high, right.power.high),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::document;
    use super::*;

    fn at(ratio: f64) -> Utilisation {
        Utilisation::try_new(ratio).unwrap()
    }

    #[test]
    fn a_host_filled_by_its_guests_is_the_sum_of_them() {
        let document = document();
        for load in [0.0, 0.3, 1.0] {
            let whole = document.power_at(at(load)).value.as_watts_f64();
            let quarter = Part::try_of_host(0.25).unwrap();
            let guest = document.power_of(quarter, at(load), Utilisation::IDLE);
            assert!((4.0 * guest.value.as_watts_f64() - whole).abs() < 1e-3);
        }
    }

    #[test]
    fn a_guest_owns_its_vcpus_of_the_hosts_threads() {
        let mut document = document();
        document.machine.threads = Some(96);
        let part = Part::of(&document, 24, true);
        assert!((part.factor() - 0.25).abs() < 1e-12);
        assert_eq!(Part::of(&document, 24, false), Part::WHOLE);
        // A model that was made for a guest is this guest's as it is.
        document.machine.virtual_machine = Some(true);
        document.machine.threads = Some(8);
        assert!((Part::of(&document, 8, true).factor() - 1.0).abs() < 1e-12);
        assert!((Part::of(&document, 16, true).factor() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn stolen_time_is_not_charged_and_means_a_busier_host() {
        let mut document = document();
        // The first half of the load costs more than the second.
        for (point, watts) in document.curve.iter_mut().zip([50.0, 110.0, 140.0]) {
            point.power = Estimate::exact(Watts::try_from_watts(watts).unwrap());
        }
        let part = Part::WHOLE;
        let calm = document.power_of(part, at(0.4), Utilisation::IDLE);
        let stolen = document.power_of(part, at(0.4), at(0.5));
        let full = document.power_at(at(0.9));
        assert!(stolen.value < full.value, "{stolen:?} {full:?}");
        // A busy host's CPU time costs less a piece.
        assert!(stolen.value <= calm.value, "{stolen:?} {calm:?}");
    }

    proptest! {
        #[test]
        fn bounds_lie_around_the_value_and_no_power_is_below_idle(
            share in 0.01_f64..=1.0,
            own in 0.0_f64..=1.0,
            stolen in 0.0_f64..=1.0,
        ) {
            let document = document();
            let part = Part::try_of_host(share).unwrap();
            let power = document.power_of(part, at(own), at(stolen.min(1.0 - own)));
            prop_assert!(power.low <= power.value && power.value <= power.high);
            let idle = document.power_at(Utilisation::IDLE).value.as_watts_f64() * share;
            prop_assert!(power.value.as_watts_f64() >= idle - 1e-3);
        }
    }
}
