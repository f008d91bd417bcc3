//! A machine with several sockets that are metered each for itself: what a
//! socket used goes to those who ran on it.
//!
//! Pure. The idle power that is known is that of all sockets; they are alike,
//! so each has its equal part of it, as far as it used so much.

use tanso_power::{Joules, apportion};

use super::{Split, ZoneEnergy, around, split, told_apart};

/// One socket in one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What the zone used on it.
    pub energy: Joules,
    /// Weights on it, by account, in the order of the whole's.
    pub weights: Vec<u64>,
}

/// As [`split`], by socket: what a socket used above idle goes to those who have a
/// weight on it, and to all in proportion to `weights` where nobody has. If the
/// sockets are not the zone's whole energy, they say nothing.
#[must_use]
pub fn split_by_socket(zone: ZoneEnergy, sockets: &[Socket], weights: &[u64]) -> Split {
    by_socket(zone, sockets, weights).unwrap_or_else(|| split(zone, weights))
}

fn by_socket(zone: ZoneEnergy, sockets: &[Socket], weights: &[u64]) -> Option<Split> {
    let (idle, dynamic) = told_apart(zone);
    let energies: Vec<u64> = sockets
        .iter()
        .map(|socket| socket.energy.microjoules())
        .collect();
    let sum = energies
        .iter()
        .try_fold(0_u64, |sum, &energy_uj| sum.checked_add(energy_uj))?;
    let same_accounts = |socket: &Socket| socket.weights.len() == weights.len();
    if sockets.is_empty()
        || sum != zone.energy.value.microjoules()
        || !sockets.iter().all(same_accounts)
    {
        return None;
    }
    let idles = evenly(idle.value.microjoules(), &energies);
    let mut values = vec![0_u64; weights.len()];
    for ((socket, energy_uj), idle_uj) in sockets.iter().zip(energies).zip(idles) {
        let above_uj = energy_uj - idle_uj.min(energy_uj);
        let parts =
            apportion(above_uj, &socket.weights).or_else(|| apportion(above_uj, weights))?;
        for (value, part) in values.iter_mut().zip(parts) {
            *value += part;
        }
    }
    Some(Split {
        idle,
        parts: around(dynamic, &values, weights)?,
        ..Split::default()
    })
}

/// Splits a whole into parts as equal as can be of which none is above its most;
/// all of these together are no less than the whole.
fn evenly(whole: u64, most: &[u64]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..most.len()).collect();
    order.sort_unstable_by_key(|&place| most.get(place));
    let mut parts = vec![0; most.len()];
    let (mut left, mut open) = (whole, most.len() as u64);
    // From the one that can take least on: what it cannot, the others can.
    for place in order {
        let fair = left.checked_div(open).unwrap_or_default();
        if let (Some(part), Some(&most)) = (parts.get_mut(place), most.get(place)) {
            *part = fair.min(most);
            left -= *part;
        }
        open -= 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tanso_power::Estimate;

    use super::*;

    fn joules(energy_uj: u64) -> Joules {
        Joules::from_microjoules(energy_uj)
    }

    fn zone(energy_uj: u64, idle_uj: u64) -> ZoneEnergy {
        ZoneEnergy {
            energy: Estimate::exact(joules(energy_uj)),
            idle: Estimate::exact(joules(idle_uj)),
        }
    }

    fn socket(energy_uj: u64, weights: &[u64]) -> Socket {
        Socket {
            energy: joules(energy_uj),
            weights: weights.to_vec(),
        }
    }

    fn values(split: &Split) -> Vec<u64> {
        let parts = split.parts.iter();
        parts.map(|part| part.value.microjoules()).collect()
    }

    #[test]
    fn each_socket_s_energy_is_of_those_who_ran_on_it() {
        // The first ran on one socket, the second on the other and half as long.
        let sockets = [socket(170, &[100, 0]), socket(90, &[0, 50])];
        let split = split_by_socket(zone(260, 100), &sockets, &[100, 50]);
        assert_eq!(split.idle.value, joules(100));
        assert_eq!(values(&split), [120, 40]);
        assert_eq!(split.unowned, Estimate::default());
    }

    #[test]
    fn a_socket_on_which_nobody_is_known_to_have_run_is_all_s() {
        let sockets = [socket(100, &[30, 10]), socket(60, &[0, 0])];
        let split = split_by_socket(zone(160, 100), &sockets, &[30, 10]);
        assert_eq!(values(&split), [38 + 8, 12 + 2]);
    }

    #[test]
    fn an_idle_part_that_a_socket_did_not_use_is_the_others() {
        let sockets = [socket(20, &[1, 0]), socket(180, &[0, 1])];
        let split = split_by_socket(zone(200, 100), &sockets, &[1, 1]);
        assert_eq!(values(&split), [0, 100]);
    }

    #[test]
    fn sockets_that_are_not_the_whole_say_nothing() {
        let part = [socket(20, &[1, 0]), socket(30, &[0, 1])];
        let other = [socket(100, &[1]), socket(100, &[1])];
        for sockets in [&part[..], &other[..], &[]] {
            let by_socket = split_by_socket(zone(200, 100), sockets, &[3, 1]);
            assert_eq!(by_socket, split(zone(200, 100), &[3, 1]));
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole_whatever_ran_where(
            energies in prop::collection::vec(0..1_000_000_000_u64, 1..5),
            idle in 0..2_000_000_000_u64,
            times in prop::collection::vec(prop::collection::vec(0..u64::MAX >> 8, 5), 6),
            spread in (0..1_000_u64, 0..1_000_u64),
        ) {
            let whole: u64 = energies.iter().sum();
            let (below, above) = spread;
            let energy = Estimate {
                low: joules(whole.saturating_sub(below)),
                value: joules(whole),
                high: joules(whole + above),
            };
            let zone = ZoneEnergy { energy, idle: Estimate::exact(joules(idle)) };
            let all = times.first().cloned().unwrap_or_default();
            let sockets: Vec<Socket> = energies
                .iter()
                .zip(times.iter().skip(1))
                .map(|(&energy, weights)| socket(energy, weights))
                .collect();
            let split = split_by_socket(zone, &sockets, &all);
            let sum: Estimate<Joules> = split.parts.iter().copied().sum();
            prop_assert_eq!(split.idle + split.unowned + sum, energy);
            for part in &split.parts {
                prop_assert!(part.low <= part.value && part.value <= part.high);
            }
        }
    }
}
