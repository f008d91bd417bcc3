//! What only some nodes have: virtual machines, GPUs, power supplies.

use std::collections::BTreeMap;

use tanso_agent_wire::energy::Account;
use tanso_power::{Joules, Watts, apportion};

use super::guests::Guests;
use crate::books::{AccountBook, Books};
use crate::charges::KVM;
use crate::meters::{Bench, Device, Memory, ZoneClass};
use crate::snapshot::Details;
use crate::snapshot::details::{Amount, FloorFigures, GpuFigures, MachineFigures, SupplyFigures};

/// The idle energy of each accelerator since the agent's start: its part of
/// its zone's, by what it used.
#[derive(Debug, Default)]
pub(super) struct IdleOfDevices(BTreeMap<String, Joules>);

impl IdleOfDevices {
    /// Splits the zone's idle energy of the last interval exactly.
    fn split(&mut self, books: &Books, devices: Vec<Device>) -> Vec<GpuFigures> {
        let zone = books
            .zones
            .iter()
            .find(|book| book.zone.class == ZoneClass::Gpu);
        let idle_uj = zone.map_or(0, |book| book.last.1.microjoules());
        let weights: Vec<u64> = devices
            .iter()
            .map(|device| device.last.microjoules())
            .collect();
        // Nothing used: nothing idle either.
        let parts = apportion(idle_uj, &weights).unwrap_or_default();
        let parts = parts.into_iter().chain(std::iter::repeat(0));
        let figures = devices.into_iter().zip(parts).map(|(device, part_uj)| {
            let part = Joules::from_microjoules(part_uj).min(device.last);
            let total = self.0.entry(device.id.clone()).or_default();
            *total += part;
            GpuFigures {
                number: device.number,
                uuid: device.id,
                name: device.name,
                vendor: device.vendor.to_owned(),
                all: Amount {
                    total: device.total,
                    last: device.last,
                },
                idle: Amount {
                    total: *total,
                    last: part,
                },
            }
        });
        figures.collect()
    }
}

/// All details after an interval.
pub(super) fn details(
    books: &Books,
    bench: &Bench,
    memory: Option<&Memory>,
    guests: &Guests,
    idle: &mut IdleOfDevices,
) -> Details {
    let supplies = bench.supplies().into_iter().map(|supply| SupplyFigures {
        source: "redfish".to_owned(),
        bmc_id: supply.bmc,
        chassis_id: supply.chassis,
        name: supply.id.clone(),
        id: supply.id,
        kind: "PowerControl".to_owned(),
        power: supply.power,
    });
    Details {
        machines: machines(books, guests),
        gpus: idle.split(books, bench.devices()),
        gpu_by_account: gpu_by_account(books),
        floors: memory.map(floors).unwrap_or_default(),
        supplies: supplies.collect(),
        ..Details::default()
    }
}

/// The idle floors of zones, by the meters' memories; of several meters' the
/// one that is known best.
fn floors(memory: &Memory) -> Vec<FloorFigures> {
    let all = std::iter::once(memory).chain(memory.parts.values());
    let mut by_zone: BTreeMap<ZoneClass, FloorFigures> = BTreeMap::new();
    for (&zone, floor) in all.flat_map(|memory| &memory.floors) {
        let figures = FloorFigures {
            zone,
            basis: floor.basis(),
            power: floor.power().unwrap_or(Watts::ZERO),
        };
        let known = by_zone.entry(zone).or_insert(figures);
        if figures.basis < known.basis {
            *known = figures;
        }
    }
    by_zone.into_values().collect()
}

/// The accelerators' energy of containers that used any.
fn gpu_by_account(books: &Books) -> BTreeMap<Account, Amount> {
    let zones = books.zones.iter();
    let Some(place) = zones
        .map(|book| book.zone.class)
        .position(|class| class == ZoneClass::Gpu)
    else {
        return BTreeMap::new();
    };
    let at = |amounts: &[Joules]| amounts.get(place).copied().unwrap_or_default();
    let used = books.accounts.iter().filter(|book| {
        let container = matches!(
            book.account,
            Account::Container { .. } | Account::Standalone { .. }
        );
        container && at(&book.energy) > Joules::ZERO
    });
    used.map(|book| {
        let amount = Amount {
            total: at(&book.energy),
            last: at(&book.last),
        };
        (book.account.clone(), amount)
    })
    .collect()
}

/// The accounts that are virtual machines. One that was on this node before, and
/// whose container of then is still listed, is shown as its newest: series of
/// one state cannot be told apart.
fn machines(books: &Books, guests: &Guests) -> Vec<MachineFigures> {
    let mut newest: BTreeMap<(String, bool), (Option<i64>, MachineFigures)> = BTreeMap::new();
    for book in &books.accounts {
        let Some(figures) = machine(book, guests) else {
            continue;
        };
        let key = (figures.id.clone(), figures.running);
        let known = newest.get(&key).map(|(ended_ms, _)| *ended_ms);
        if known.is_none_or(|ended_ms| ended_ms < book.ended_ms) {
            newest.insert(key, (book.ended_ms, figures));
        }
    }
    newest.into_values().map(|(_, figures)| figures).collect()
}

/// The account as a virtual machine, if it is one: a machine of libvirt's, or
/// the container of a pod that runs one.
fn machine(book: &AccountBook, guests: &Guests) -> Option<MachineFigures> {
    let (id, name) = match &book.account {
        Account::Standalone { container_id } if book.runtime == KVM => (container_id, container_id),
        account => guests.of(account).map(|guest| (&guest.id, &guest.name))?,
    };
    let zones = book
        .energy
        .iter()
        .enumerate()
        .map(|(place, &total)| Amount {
            total,
            last: book.last.get(place).copied().unwrap_or_default(),
        });
    Some(MachineFigures {
        id: id.clone(),
        name: name.clone(),
        hypervisor: KVM.to_owned(),
        running: book.ended_ms.is_none(),
        zones: zones.collect(),
        cpu_ns: book.cpu_ns,
    })
}

#[cfg(test)]
mod tests {
    use tanso_power::{Estimate, Provenance};

    use super::*;
    use crate::attribution::ZoneEnergy;
    use crate::books::{Booking, Counted};
    use crate::charges::Identity;
    use crate::meters::Zone;

    fn books(idle_uj: u64, accounts: &[&str]) -> Books {
        let mut books = Books::default();
        let mut cpu = Vec::new();
        for path in accounts {
            let identity = Identity::of(path);
            let place = books.account(&identity.account);
            identity
                .runtime
                .clone_into(&mut books.accounts[place].runtime);
            cpu.push((place, 1_000));
        }
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        let zone = Zone {
            class: ZoneClass::Gpu,
            path: "aggregated-gpu".into(),
        };
        let energy = ZoneEnergy {
            energy: exact(900),
            idle: exact(idle_uj),
        };
        books.book(&Booking {
            zones: Some(&vec![(zone, energy)]),
            provenance: Provenance::Measured,
            model: None,
            cpu_ns: &cpu,
            sockets: None,
            counted: Counted::default(),
            idle: &[],
            gpu: None,
            caught_up: false,
            minutes: &[(60, 1)],
        });
        books
    }

    #[test]
    fn the_idle_parts_of_devices_are_their_zones_to_the_microjoule_and_never_fall() {
        let device = |id: &str, total_uj, last_uj| Device {
            id: id.into(),
            total: Joules::from_microjoules(total_uj),
            last: Joules::from_microjoules(last_uj),
            ..Device::default()
        };
        let mut idle = IdleOfDevices::default();
        let sum = |figures: &[GpuFigures], pick: fn(&GpuFigures) -> Joules| -> u64 {
            let all: Joules = figures.iter().map(pick).sum();
            all.microjoules()
        };
        let first = idle.split(
            &books(101, &[]),
            vec![device("a", 600, 600), device("b", 300, 300)],
        );
        assert_eq!(sum(&first, |gpu| gpu.idle.last), 101);
        let second = idle.split(
            &books(50, &[]),
            vec![device("a", 600, 0), device("b", 1200, 900)],
        );
        assert_eq!(sum(&second, |gpu| gpu.idle.last), 50);
        assert_eq!(sum(&second, |gpu| gpu.idle.total), 151);
        for (before, after) in first.iter().zip(&second) {
            assert!(after.idle.total >= before.idle.total && after.idle.total <= after.all.total);
        }
    }

    #[test]
    fn a_virtual_machine_is_one_unit_with_all_of_its_groups_and_no_container() {
        let scope = "/machine.slice/machine-qemu\\x2d7\\x2dgit\\x2drunner.scope";
        let books = books(
            0,
            &[
                &format!("{scope}/libvirt/emulator"),
                &format!("/docker/{}", "c".repeat(64)),
            ],
        );
        let machines = machines(&books, &Guests::default());
        assert_eq!(machines.len(), 1);
        assert_eq!(machines[0].id, "git-runner");
        assert_eq!(machines[0].zones[0].last, Joules::from_microjoules(450));
        let vcpu = Identity::of(&format!("{scope}/libvirt/vcpu0"));
        assert_eq!(vcpu.account, Identity::of(scope).account);
        assert_eq!(vcpu.path.as_deref(), Some(scope));
    }
}
