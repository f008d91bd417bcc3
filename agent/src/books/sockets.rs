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
    /// CPU time by account and socket, nanoseconds, or what else their weight is,
    /// in their order.
    pub weights: &'a [(usize, u32, u64)],
}

impl Sockets<'_> {
    /// The sockets of a class, with the weights of `users` on each; none if
    /// either is not known by socket.
    pub(super) fn of(&self, class: ZoneClass, users: &[(usize, u64)]) -> Vec<Socket> {
        let Some(energy) = self.energy.get(&class).filter(|_| !self.weights.is_empty()) else {
            return Vec::new();
        };
        let mut sockets: Vec<Socket> = energy
            .iter()
            .map(|&(_, energy)| Socket {
                energy,
                weights: Vec::with_capacity(users.len()),
            })
            .collect();
        let parts = sockets.len().max(1) as u64;
        for &(account, all) in users {
            let own = self.of_account(account);
            let known: u64 = own.iter().map(|&(_, _, weight)| weight).sum();
            // What is known of no socket, as what found no room, is of all alike.
            let each = all.saturating_sub(known) / parts;
            for (socket, &(number, _)) in sockets.iter_mut().zip(energy) {
                let on_it = own.iter().find(|&&(_, on, _)| on == number);
                let on_it = on_it.map_or(0, |&(_, _, weight)| weight);
                socket.weights.push(on_it.saturating_add(each));
            }
        }
        sockets
    }

    fn of_account(&self, account: usize) -> &[(usize, u32, u64)] {
        let begin = self.weights.partition_point(|&(one, ..)| one < account);
        let own = self.weights.get(begin..).unwrap_or_default();
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
            weights: &[(2, 0, 30), (2, 1, 10), (5, 1, 8)],
        };
        let of = sockets.of(ZoneClass::Package, &[(1, 4), (2, 40), (5, 8)]);
        assert_eq!(of[0].weights, [2, 30, 0]);
        assert_eq!(of[1].weights, [2, 10, 8]);
        assert_eq!((of[0].energy, of[1].energy), (joules(7), joules(5)));
        assert_eq!(sockets.of(ZoneClass::Dram, &[(2, 40)]), []);
    }
}
