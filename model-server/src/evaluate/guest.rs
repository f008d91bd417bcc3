//! A measured machine as a guest on it would ask about it.
//!
//! Told is what an agent in a virtual machine tells (`fetch::features` in the
//! agent), and it goes through the same resolving as a question that is served.
//! A guest sees neither sockets nor cores nor memory of its host, no design
//! power, no date, and of the clock what the CPU's name says.

use tanso_power::model::MachineFeatures;

use crate::catalog::curves::TrainingMachine;
use crate::features::Machine;
use crate::host::Host;
use crate::resolve::Atlas;

/// What guests tell, for people.
pub(super) const TOLD: &str = "Guests tell what an agent in a virtual machine tells: the CPU's name, vendor and CPUID, 8 vCPUs, the \
    memory that is sold with them, the clock where Intel's name ends with it. A data sheet known by the name adds \
    cores, clock and design power of a socket; the host's sockets and date are assumed. Watts are the host's.";

/// The guests' virtual CPUs; a smaller machine has one guest.
const VCPUS: u32 = 8;

/// A machine as a method is asked about it.
pub(super) struct Asked {
    /// What could be made out.
    pub(super) host: Host,
    /// By what the answer is to be multiplied to be the tested machine's: a
    /// guest's watts are its share of those.
    pub(super) factor: f64,
}

impl Asked {
    /// A machine that tells all of itself.
    pub(super) fn itself(host: &Host) -> Self {
        Self {
            host: host.clone(),
            factor: 1.0,
        }
    }

    /// A machine of which a guest asks.
    pub(super) fn guest(machine: &TrainingMachine, atlas: &Atlas) -> Self {
        Self::of(machine, told(&machine.host), atlas)
    }

    fn of(machine: &TrainingMachine, told: MachineFeatures, atlas: &Atlas) -> Self {
        let guests = guests_on(machine, &told);
        let resolved = atlas.resolve(&Machine::new(told));
        let host = resolved
            .host
            .filter(|host| host.tdp_w > 0.0)
            .map(|host| (host, guests * resolved.share));
        let part = resolved.part.map(|part| (part, guests));
        // A guest tells its threads, so that there always is a part.
        let (host, factor) = host
            .or(part)
            .unwrap_or_else(|| (machine.host.clone(), f64::NAN));
        Self { host, factor }
    }
}

/// How many such guests fill a machine.
fn guests_on(machine: &TrainingMachine, told: &MachineFeatures) -> f64 {
    machine.host.threads / told.threads.map_or(1.0, f64::from)
}

/// What an agent in a guest on a host tells of it.
fn told(host: &Host) -> MachineFeatures {
    let threads = (1..=VCPUS).rfind(|threads| f64::from(*threads) <= host.threads);
    let threads = threads.unwrap_or(1);
    MachineFeatures {
        cpu_name: Some(host.cpu.clone()),
        cpu_vendor: Some(host.vendor.clone()),
        // By its CPUID, which hypervisors show.
        microarch: Some(host.microarch.clone()),
        sockets: Some(1),
        cores: Some(if host.threads > host.cores {
            threads.div_ceil(2)
        } else {
            threads
        }),
        threads: Some(threads),
        mem_gb: host
            .mem_gb
            .map(|mem| mem * f64::from(threads) / host.threads),
        virtual_machine: Some(true),
        ..MachineFeatures::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::Method;
    use crate::columns::View;
    use crate::select::tests::selector;

    /// The table's guests were told cores, clock and design power as columns of
    /// the tested row: what no guest sees.
    #[test]
    fn a_guest_tells_nothing_that_its_host_alone_knows() {
        let machines = &selector().catalog().machines;
        for machine in machines {
            let told = told(&machine.host);
            assert_eq!((told.tdp_w, told.year, told.sockets), (None, None, Some(1)));
            assert!(told.threads.is_some_and(|threads| threads <= VCPUS));
            assert_eq!(told.virtual_machine, Some(true));
            assert!(told.base_mhz.is_none() || machine.host.vendor == "intel");
        }
    }

    /// What is evaluated is what is served: the same watts on both ways.
    #[test]
    fn a_guest_is_evaluated_as_it_is_served() {
        let selector = selector();
        let catalog = selector.catalog();
        let atlas = Atlas::as_if_measured(catalog, &catalog.machines, false);
        let (mut by_sheet, mut by_thread) = (0, 0);
        for machine in catalog.machines.iter().step_by(40) {
            let mut features = told(&machine.host);
            for name in [machine.host.cpu.as_str(), "Xeon 0000X"] {
                features.cpu_name = Some(name.to_owned());
                let asked = Asked::of(machine, features.clone(), &atlas);
                let answer = Method::Served
                    .predict(
                        &catalog.machines,
                        std::slice::from_ref(&asked.host),
                        View::Memory,
                        &[],
                    )
                    .unwrap();
                let selection = selector.select(&Machine::new(features.clone())).unwrap();
                let full = selection.document.curve.last().unwrap().power.value;
                let served = full.as_watts_f64() * guests_on(machine, &features);
                let evaluated = answer[0].0[10] * asked.factor;
                if View::of(&asked.host) == View::Guest {
                    by_thread += 1;
                } else {
                    by_sheet += 1;
                }
                let known = asked.host.vendor == "intel" || asked.host.vendor == "amd";
                assert!(
                    !known || (served / evaluated - 1.0).abs() < 0.01,
                    "{features:?}: served {served}, evaluated {evaluated}"
                );
            }
        }
        assert!(by_sheet > 10 && by_thread > 10, "{by_sheet} {by_thread}");
    }
}
