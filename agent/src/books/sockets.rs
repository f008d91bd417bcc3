//! What ran on which socket, and what each socket used.

use std::collections::BTreeMap;

use tanso_power::Joules;

use crate::attribution::sockets::Socket;
use crate::meters::ZoneClass;

/// A machine with several sockets in one interval.
#[derive(Clone, Copy, Debug)]
pub struct Sockets<'a> {
    /// Energy by socket of classes of zones that are metered so.
    pub energy: &'a BTreeMap<ZoneClass, Vec<(u32, Joules)>>,
    /// CPU time by account and socket, nanoseconds, in their order.
    pub cpu_ns: &'a [(usize, u32, u64)],
}

impl Sockets<'_> {
    /// The sockets of a class, with the CPU time of `users` on each; none if
    /// either is not known by socket.
    pub(super) fn of(&self, class: ZoneClass, users: &[(usize, u64)]) -> Vec<Socket> {
        let Some(energy) = self.energy.get(&class).filter(|_| !self.cpu_ns.is_empty()) else {
            return Vec::new();
        };
        let mut sockets: Vec<Socket> = energy
            .iter()
            .map(|&(_, energy)| Socket {
                energy,
                cpu_ns: Vec::with_capacity(users.len()),
            })
            .collect();
        let parts = sockets.len().max(1) as u64;
        for &(account, all_ns) in users {
            let own = self.of_account(account);
            let known: u64 = own.iter().map(|&(_, _, ns)| ns).sum();
            // What is known of no socket, as what found no room, is of all alike.
            let each_ns = all_ns.saturating_sub(known) / parts;
            for (socket, &(number, _)) in sockets.iter_mut().zip(energy) {
                let on_it = own.iter().find(|&&(_, on, _)| on == number);
                let on_it_ns = on_it.map_or(0, |&(_, _, ns)| ns);
                socket.cpu_ns.push(on_it_ns.saturating_add(each_ns));
            }
        }
        sockets
    }

    fn of_account(&self, account: usize) -> &[(usize, u32, u64)] {
        let begin = self.cpu_ns.partition_point(|&(one, ..)| one < account);
        let own = self.cpu_ns.get(begin..).unwrap_or_default();
        let end = own.partition_point(|&(one, ..)| one == account);
        own.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_no_known_socket_is_spread_over_all() {
        let joules = Joules::from_microjoules;
        let energy = [(ZoneClass::Package, vec![(0, joules(7)), (1, joules(5))])].into();
        let sockets = Sockets {
            energy: &energy,
            cpu_ns: &[(2, 0, 30), (2, 1, 10), (5, 1, 8)],
        };
        let of = sockets.of(ZoneClass::Package, &[(1, 4), (2, 40), (5, 8)]);
        assert_eq!(of[0].cpu_ns, [2, 30, 0]);
        assert_eq!(of[1].cpu_ns, [2, 10, 8]);
        assert_eq!((of[0].energy, of[1].energy), (joules(7), joules(5)));
        assert_eq!(sockets.of(ZoneClass::Dram, &[(2, 40)]), []);
    }
}
