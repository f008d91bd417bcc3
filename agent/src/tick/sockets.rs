//! Energy of the node's zones by socket, where meters tell several apart.
//!
//! Beside the books: there a zone is one sum, which stays over restarts; these
//! count from the agent's start.

use std::collections::BTreeMap;

use tanso_power::Joules;

use crate::meters::ZoneClass;
use crate::meters::bench::BenchReading;

/// All that each socket used of each zone.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketTotals(BTreeMap<(ZoneClass, u32), Joules>);

impl SocketTotals {
    /// Takes an interval.
    pub(super) fn note(&mut self, reading: Option<&BenchReading>) {
        for (&class, sockets) in reading.iter().flat_map(|reading| &reading.sockets) {
            for &(socket, energy) in sockets {
                *self.0.entry((class, socket)).or_default() += energy;
            }
        }
    }

    /// Zone, socket and energy, in their order.
    pub(super) fn all(&self) -> Vec<(ZoneClass, u32, Joules)> {
        let all = self.0.iter();
        all.map(|(&(class, socket), &energy)| (class, socket, energy))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use tanso_power::Provenance;

    use super::*;

    #[test]
    fn sockets_of_a_zone_add_up_and_a_silent_meter_changes_none() {
        let uj = Joules::from_microjoules;
        let reading = |package: [u64; 2]| BenchReading {
            meter: "rapl",
            zones: Vec::new(),
            sockets: BTreeMap::from([(
                ZoneClass::Package,
                vec![(0, uj(package[0])), (1, uj(package[1]))],
            )]),
            provenance: Provenance::Measured,
            model: None,
        };
        let mut totals = SocketTotals::default();
        totals.note(Some(&reading([7, 11])));
        totals.note(None);
        totals.note(Some(&reading([1, 0])));
        let wanted = [
            (ZoneClass::Package, 0, uj(8)),
            (ZoneClass::Package, 1, uj(11)),
        ];
        assert_eq!(totals.all(), wanted);
    }
}
