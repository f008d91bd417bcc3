//! A meter for trials: constant power, per time and never per read.

use tanso_power::{Estimate, Provenance, Watts};

use super::integrator::Integrator;
use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, Zone, ZoneClass};
use crate::attribution::ZoneEnergy;

/// Zone, power and the idle part of it, in whole watts.
const ZONES: [(ZoneClass, u64, u64); 3] = [
    (ZoneClass::Package, 20, 8),
    (ZoneClass::Core, 12, 3),
    (ZoneClass::Dram, 4, 2),
];

/// Makes energy up, the same on every machine. All of it is marked
/// [`Provenance::Simulated`].
#[derive(Debug, Default)]
pub struct Fake {
    energy: [Integrator; 3],
    idle: [Integrator; 3],
}

impl Meter for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Simulated
    }

    fn loses(&self) -> &'static str {
        "nothing: simulated energy is for trials"
    }

    fn find(&mut self) -> MeterState {
        MeterState::Active
    }

    fn classes(&self) -> Vec<ZoneClass> {
        ZONES.map(|(class, ..)| class).to_vec()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let zones = ZONES.iter().zip(&mut self.energy).zip(&mut self.idle);
        let reading = zones.map(|((&(class, watts, idle_watts), energy), idle)| {
            let zone = Zone {
                class,
                path: format!("fake-{class}"),
            };
            let power = |watts: u64| Estimate::exact(Watts::from_microwatts(watts * 1_000_000));
            let amount = ZoneEnergy {
                energy: energy.add(power(watts), span.elapsed),
                idle: idle.add(power(idle_watts), span.elapsed),
            };
            (zone, amount)
        });
        Ok(reading.collect())
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for ((class, ..), (energy, idle)) in ZONES.iter().zip(self.energy.iter().zip(&self.idle)) {
            energy.save(class.as_str(), &mut memory);
            idle.save(&format!("{class}-idle"), &mut memory);
        }
        memory
    }

    fn resume(&mut self, memory: Memory) {
        for ((class, ..), (energy, idle)) in
            ZONES.iter().zip(self.energy.iter_mut().zip(&mut self.idle))
        {
            *energy = Integrator::load(class.as_str(), &memory);
            *idle = Integrator::load(&format!("{class}-idle"), &memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tanso_power::Utilisation;

    use super::*;

    fn package_uj(meter: &mut Fake, elapsed: Duration) -> u64 {
        let span = Span {
            elapsed,
            utilisation: Utilisation::IDLE,
            ..Span::default()
        };
        meter.read(&span).unwrap()[0].1.energy.value.microjoules()
    }

    #[test]
    fn ten_readings_a_second_give_what_one_gives() {
        let mut often = Fake::default();
        let sum: u64 = (0..10)
            .map(|_| package_uj(&mut often, Duration::from_millis(100)))
            .sum();
        assert_eq!(
            sum,
            package_uj(&mut Fake::default(), Duration::from_secs(1))
        );
        assert_eq!(package_uj(&mut often, Duration::ZERO), 0);
    }

    #[test]
    fn a_restart_loses_no_fraction() {
        let mut before = Fake::default();
        let odd = Duration::from_nanos(33);
        let mut sum = package_uj(&mut before, odd);
        let mut after = Fake::default();
        after.resume(before.memory());
        sum += package_uj(&mut after, odd);
        assert_eq!(sum, package_uj(&mut Fake::default(), odd * 2));
    }
}
