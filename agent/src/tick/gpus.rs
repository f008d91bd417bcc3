//! Who used the accelerators in an interval: by the driver's own figures, a
//! process to its container.
//!
//! Where no driver tells, nothing is said here, and CPU time stands in. Where one
//! does, cards whose driver does not are the system's: by CPU time they would be
//! charged to those who are known to use the others.

use std::collections::{BTreeMap, HashMap};

use tanso_agent_wire::energy::Account;
use tanso_power::apportion;

use super::Cycle;
use crate::books::Books;
use crate::charges::place_of_process;
use crate::meters::{Device, ProcessShare};

/// Who used the accelerators in the last interval; weights are microjoules of
/// whole devices.
#[derive(Debug, Default)]
pub(super) struct GpuUsers {
    /// Account, process and weight; what no process is known for is the
    /// system's, as process 0.
    users: Vec<(usize, u32, u64)>,
    /// Whose the processes were: one that has ended is still to be charged.
    known: HashMap<u32, Account>,
}

impl GpuUsers {
    /// Weights by account, rising.
    pub(super) fn by_account(&self) -> Vec<(usize, u64)> {
        let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
        for &(place, _, weight) in &self.users {
            *sums.entry(place).or_default() += weight;
        }
        sums.into_iter().collect()
    }

    /// Account, process and weight, rising.
    pub(super) fn by_process(&self) -> &[(usize, u32, u64)] {
        &self.users
    }

    /// Takes an interval: each device's energy by its processes' weights.
    fn note(
        &mut self,
        devices: &[Device],
        shares: &[ProcessShare],
        mut place: impl FnMut(u32, Option<&Account>) -> (usize, Account),
    ) {
        self.users.clear();
        let mut known = HashMap::new();
        for device in devices {
            let own = || shares.iter().filter(|share| share.device == device.id);
            let weights: Vec<u64> = own().map(|share| share.weight).collect();
            let energy_uj = device.last.microjoules();
            let Some(parts) = apportion(energy_uj, &weights) else {
                self.users.push((Books::SYSTEM, 0, energy_uj));
                continue;
            };
            for (share, part_uj) in own().zip(parts) {
                let (place, account) = place(share.pid, self.known.get(&share.pid));
                self.users.push((place, share.pid, part_uj));
                known.insert(share.pid, account);
            }
        }
        self.users.sort_unstable();
        self.known = known;
    }
}

impl Cycle {
    /// Asks the drivers who used their devices since they were last asked.
    pub(super) fn look_at_gpus(&mut self) {
        let devices = self.parts.bench.devices();
        if !devices.iter().any(|device| device.tells_users) {
            self.gpu_users = None;
            return;
        }
        let shares = self.parts.bench.processes();
        let proc = &self.parts.roots.proc;
        let books = &mut self.state.books;
        let users = self.gpu_users.get_or_insert_default();
        users.note(&devices, &shares, |pid, known| {
            let text = std::fs::read_to_string(proc.join(pid.to_string()).join("cgroup"));
            let place = match (text, known) {
                (Ok(text), _) => place_of_process(&text, books),
                (Err(_), Some(account)) => books.account(account),
                (Err(_), None) => Books::SYSTEM,
            };
            let account = books.accounts.get(place).map(|book| book.account.clone());
            (place, account.unwrap_or(Account::System))
        });
    }
}

#[cfg(test)]
mod tests {
    use tanso_power::Joules;

    use super::*;

    fn device(id: &str, last_uj: u64) -> Device {
        Device {
            id: id.into(),
            last: Joules::from_microjoules(last_uj),
            ..Device::default()
        }
    }

    fn share(device: &str, pid: u32, weight: u64) -> ProcessShare {
        ProcessShare {
            device: device.into(),
            pid,
            weight,
        }
    }

    #[test]
    fn each_devices_energy_is_its_own_processes() {
        let mut users = GpuUsers::default();
        let devices = [device("a", 100), device("b", 60), device("idle", 7)];
        let shares = [share("a", 1, 3), share("a", 2, 1), share("b", 2, 50)];
        let mut asked = Vec::new();
        let account = |pid: u32| Account::Standalone {
            container_id: format!("c{pid}"),
        };
        let mut place = |pid: u32, known: Option<&Account>| {
            asked.push((pid, known.is_some()));
            (10 + pid as usize, account(pid))
        };
        users.note(&devices, &shares, &mut place);
        assert_eq!(users.by_account(), [(Books::SYSTEM, 7), (11, 75), (12, 85)]);
        let wanted = [(Books::SYSTEM, 0, 7), (11, 1, 75), (12, 2, 25), (12, 2, 60)];
        assert_eq!(users.by_process(), wanted);
        users.note(&devices, &shares[..1], &mut place);
        assert_eq!(asked, [(1, false), (2, false), (2, false), (1, true)]);
        assert_eq!(users.by_account(), [(Books::SYSTEM, 67), (11, 100)]);
    }
}
