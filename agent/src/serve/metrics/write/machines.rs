//! Virtual machines.

use tanso_agent_wire::families as f;

use super::{joules, state, watts};
use crate::serve::metrics::exposition::{Out, classes};
use crate::snapshot::Snapshot;
use crate::snapshot::details::{Amount, MachineFigures};

/// Writes the virtual machines.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) {
    let classes = classes(&snapshot.books);
    let by_zone = |pick: fn(&Amount) -> tanso_power::Joules| {
        let classes = &classes;
        let machines = snapshot.details.machines.iter();
        machines.flat_map(move |machine| {
            classes.iter().map(move |(zone, places)| {
                let zones = places.iter().filter_map(|&place| machine.zones.get(place));
                let energy: tanso_power::Joules = zones.map(pick).sum();
                (labels(machine, zone), energy)
            })
        })
    };
    out.write(
        &f::VM_JOULES,
        by_zone(|amount| amount.total).map(|(labels, energy)| (labels, joules(energy))),
    );
    let elapsed = snapshot.elapsed;
    out.write(
        &f::VM_WATTS,
        by_zone(|amount| amount.last).map(|(labels, energy)| (labels, watts(energy, elapsed))),
    );
}

fn labels<'a>(machine: &'a MachineFigures, zone: &'a str) -> Vec<&'a str> {
    vec![
        &machine.id,
        &machine.name,
        &machine.hypervisor,
        state(machine.running),
        zone,
    ]
}
