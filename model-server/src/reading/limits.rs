//! How far a reading may be from what machines were ever seen to take.
//!
//! A reading moves a whole curve, so one that no machine could show (another
//! machine's, a rack's, a slip of the pen) is refused with its limits: half of
//! the least and twice the most that any measured machine took at that load, by
//! its design power, or by its threads where that is unknown. Nothing here
//! judges what is merely surprising.

use super::Reading;
use crate::catalog::curves::TrainingMachine;
use crate::columns::View;
use crate::host::{Host, LOADS};

/// By how much the extremes of measured machines may be passed.
const ROOM: f64 = 2.0;

/// The least and the most by load level, in watts by unit of a scale.
type Extremes = [(f64, f64); LOADS];

/// What was ever measured.
#[derive(Clone, Debug)]
pub struct Limits {
    by_tdp: Extremes,
    by_thread: Extremes,
}

/// A reading that cannot be of the machine.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "reading {power_w} W at a load of {load}; accepted is {least_w:.1} to {most_w:.1} W, as {why}"
)]
pub struct Implausible {
    /// Its place among the readings.
    pub index: usize,
    /// Utilisation, 0 to 1.
    pub load: f64,
    /// Watts.
    pub power_w: f64,
    /// The least that is accepted.
    pub least_w: f64,
    /// The most.
    pub most_w: f64,
    /// Where the limits come from.
    pub why: &'static str,
}

impl Limits {
    /// Learns from measured machines.
    #[must_use]
    pub fn learn(machines: &[TrainingMachine]) -> Self {
        let extremes = |view: View| {
            std::array::from_fn(|level| {
                machines
                    .iter()
                    .filter(|machine| machine.full)
                    .map(|machine| machine.watts[level] / view.scale(&machine.host))
                    .fold((f64::INFINITY, 0.0_f64), |(least, most), ratio| {
                        (least.min(ratio), most.max(ratio))
                    })
            })
        };
        Self {
            by_tdp: extremes(View::Cpu),
            by_thread: extremes(View::Guest),
        }
    }

    /// Checks readings of `share` of a host, beside whose own power `extra_w`
    /// are drawn by accelerators.
    ///
    /// # Errors
    /// The first reading that is outside of the limits.
    pub fn check(
        &self,
        readings: &[Reading],
        host: &Host,
        share: f64,
        extra_w: f64,
    ) -> Result<(), Implausible> {
        self.check_up_to(readings, (host, 1.0), share, extra_w)
    }

    /// As [`Limits::check`], of a host whose sockets are not told: as many as
    /// `host` has, or up to so many times as many.
    ///
    /// # Errors
    /// As [`Limits::check`].
    pub fn check_up_to(
        &self,
        readings: &[Reading],
        (host, times): (&Host, f64),
        share: f64,
        extra_w: f64,
    ) -> Result<(), Implausible> {
        let view = View::of(host);
        let (extremes, why) = if view == View::Guest {
            let why = "no measured machine took less than twice that, or more than half of that, by thread";
            (&self.by_thread, why)
        } else {
            let why = "no measured machine took less than twice that, or more than half of that, by its design power";
            (&self.by_tdp, why)
        };
        let scale = view.scale(host) * share;
        for (index, reading) in readings.iter().enumerate() {
            let weights = super::between(reading.load);
            let at = |pick: fn(&(f64, f64)) -> f64| -> f64 {
                let parts = weights.iter().zip(extremes);
                parts.map(|(weight, of)| weight * pick(of)).sum::<f64>() * scale
            };
            let (least_w, most_w) = (
                at(|of| of.0) / ROOM + extra_w,
                at(|of| of.1) * ROOM * times + extra_w,
            );
            if !(least_w..=most_w).contains(&reading.power_w) {
                return Err(Implausible {
                    index,
                    load: reading.load,
                    power_w: reading.power_w,
                    least_w,
                    most_w,
                    why,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// 5,000 W at 30 % load of two processors of 205 W were believed.
    #[test]
    fn every_measured_machine_is_plausible_and_a_rack_is_none() {
        let catalog = Catalog::bundled();
        let limits = Limits::learn(&catalog.machines);
        for machine in &catalog.machines {
            let readings: Vec<Reading> = machine
                .measured()
                .iter()
                .map(|level| {
                    Reading::try_new(crate::host::load(*level), machine.watts[*level]).unwrap()
                })
                .collect();
            limits.check(&readings, &machine.host, 1.0, 0.0).unwrap();
        }
        let usual = catalog.machines.iter().map(|machine| &machine.host);
        let mut of_two = usual.filter(|host| host.cpu == "8280" && host.sockets < 3.0);
        let host = of_two.next().unwrap();
        for power_w in [5_000.0, 2.0] {
            let reading = Reading::try_new(0.3, power_w).unwrap();
            let fault = limits.check(&[reading], host, 1.0, 0.0).unwrap_err();
            assert!(
                !(fault.least_w..=fault.most_w).contains(&power_w),
                "{fault}"
            );
            assert!(fault.to_string().contains("design power"), "{fault}");
        }
        // Eight boards of 700 W beside it make that power a likely one.
        let reading = Reading::try_new(0.3, 5_000.0).unwrap();
        limits.check(&[reading], host, 1.0, 4_500.0).unwrap();
    }
}
