//! The hours of one row's day, packed: a rolled-up day keeps what each of its
//! hours used, so that it can be priced by the hour for as long as a rule may
//! ask for it.
//!
//! A version byte; three bytes that say which hours are there, lowest first;
//! for each of them five numbers of one to nine bytes (LEB128): energy,
//! energy − lower bound, upper bound − energy, CPU time, minutes. The three
//! that may be negative in a broken row are folded (zigzag), so that whatever
//! was booked comes back as it was.

use std::collections::BTreeMap;

/// The form that is written.
const VERSION: u8 = 1;

/// Hours of a UTC day.
pub(super) const HOURS: i64 = 24;

/// Most minutes of an hour.
const MINUTES_MAX: i64 = 60;

/// What one hour of a row holds, as in the table of hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) low_uj: i64,
    pub(super) energy_uj: i64,
    pub(super) high_uj: i64,
    pub(super) cpu_us: i64,
    pub(super) minutes: i64,
}

/// The hours of a day that have a row, by their number from 0 to 23.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Day(BTreeMap<i64, Slot>);

impl Day {
    /// Adds to an hour as a booking does: an hour has at most sixty minutes.
    pub(super) fn add(&mut self, hour: i64, more: Slot) {
        let slot = self.0.entry(hour.clamp(0, HOURS - 1)).or_default();
        *slot = Slot {
            low_uj: slot.low_uj.saturating_add(more.low_uj),
            energy_uj: slot.energy_uj.saturating_add(more.energy_uj),
            high_uj: slot.high_uj.saturating_add(more.high_uj),
            cpu_us: slot.cpu_us.saturating_add(more.cpu_us),
            minutes: slot.minutes.saturating_add(more.minutes).min(MINUTES_MAX),
        };
    }

    /// Adds all hours of another day of the same row.
    pub(super) fn merge(&mut self, other: &Self) {
        for (hour, slot) in &other.0 {
            self.add(*hour, *slot);
        }
    }

    /// What all hours come to.
    pub(super) fn sum(&self) -> Slot {
        let add = |sum: Slot, slot: &Slot| Slot {
            low_uj: sum.low_uj.saturating_add(slot.low_uj),
            energy_uj: sum.energy_uj.saturating_add(slot.energy_uj),
            high_uj: sum.high_uj.saturating_add(slot.high_uj),
            cpu_us: sum.cpu_us.saturating_add(slot.cpu_us),
            minutes: sum.minutes.saturating_add(slot.minutes),
        };
        self.0.values().fold(Slot::default(), add)
    }

    /// Each hour, first to last.
    pub(super) fn hours(&self) -> impl Iterator<Item = (i64, Slot)> {
        self.0.iter().map(|(hour, slot)| (*hour, *slot))
    }

    /// A day of which only the sums are known: spread evenly over as many
    /// hours as its minutes fill, so that the sums stay and its price is that
    /// of the day's mean intensity, not of one hour's.
    pub(super) fn spread(sum: Slot) -> Self {
        let filled = sum.minutes.saturating_add(MINUTES_MAX - 1) / MINUTES_MAX;
        let count = filled.clamp(1, HOURS);
        let part = |whole: i64, index: i64| {
            let rest = whole.rem_euclid(count);
            whole.div_euclid(count) + i64::from(index < rest)
        };
        let slot = |index| Slot {
            low_uj: part(sum.low_uj, index),
            energy_uj: part(sum.energy_uj, index),
            high_uj: part(sum.high_uj, index),
            cpu_us: part(sum.cpu_us, index),
            minutes: part(sum.minutes, index),
        };
        Self((0..count).map(|index| (index, slot(index))).collect())
    }

    /// The bytes of the hours.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mask = self.0.keys().fold(0_u32, |mask, hour| mask | bit(*hour));
        let [low, middle, high, _] = mask.to_le_bytes();
        let mut bytes = vec![VERSION, low, middle, high];
        for slot in self.0.values() {
            put(&mut bytes, folded(slot.energy_uj));
            put(&mut bytes, folded(slot.energy_uj.wrapping_sub(slot.low_uj)));
            put(
                &mut bytes,
                folded(slot.high_uj.wrapping_sub(slot.energy_uj)),
            );
            put(&mut bytes, folded(slot.cpu_us));
            put(&mut bytes, folded(slot.minutes));
        }
        bytes
    }

    /// The hours of bytes; `None` if no version of this program wrote them.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mask = mask(bytes)?;
        let mut rest = bytes.get(4..)?;
        let mut hours = BTreeMap::new();
        for hour in (0..HOURS).filter(|hour| mask & bit(*hour) != 0) {
            let energy_uj = unfolded(take(&mut rest)?);
            let below = unfolded(take(&mut rest)?);
            let above = unfolded(take(&mut rest)?);
            let slot = Slot {
                low_uj: energy_uj.wrapping_sub(below),
                energy_uj,
                high_uj: energy_uj.wrapping_add(above),
                cpu_us: unfolded(take(&mut rest)?),
                minutes: unfolded(take(&mut rest)?),
            };
            hours.insert(hour, slot);
        }
        rest.is_empty().then_some(Self(hours))
    }
}

/// Which hours packed bytes hold, without reading them all: hour `n` is the
/// `n`-th bit. `None` if no version of this program wrote them.
pub(super) fn mask(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [VERSION, low, middle, high, ..] => Some(u32::from_le_bytes([*low, *middle, *high, 0])),
        _ => None,
    }
}

/// The bit of an hour in a mask.
pub(super) fn bit(hour: i64) -> u32 {
    u32::try_from(hour).map_or(0, |hour| 1_u32.checked_shl(hour).unwrap_or(0))
}

/// A number without its sign: small ones stay small.
const fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Writes a number of one to nine bytes, lowest seven bits first.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Reads such a number; `None` if there is none.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot() -> impl Strategy<Value = Slot> {
        let number = || prop_oneof![0_i64..100, 0_i64..4_000_000_000_000, any::<i64>()];
        (number(), number(), number(), number(), 0..=60_i64).prop_map(
            |(low_uj, energy_uj, high_uj, cpu_us, minutes)| Slot {
                low_uj,
                energy_uj,
                high_uj,
                cpu_us,
                minutes,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_was_packed_comes_back_as_it_was(
            hours in prop::collection::btree_map(0_i64..24, slot(), 0..=24)
        ) {
            let day = Day(hours);
            let bytes = day.pack();
            prop_assert_eq!(Day::unpack(&bytes), Some(day.clone()));
            let said = mask(&bytes).unwrap();
            prop_assert!((0..HOURS).all(|h| (said & bit(h) != 0) == day.0.contains_key(&h)));
            // A part of it, or more than it, is nothing.
            prop_assert_eq!(Day::unpack(&bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(Day::unpack(&[bytes.as_slice(), &[0]].concat()), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_never_panic(bytes: Vec<u8>) {
            let _ = Day::unpack(&bytes);
        }

        #[test]
        fn a_sum_that_is_spread_is_the_same_sum_with_its_bounds_in_order(
            low_uj in 0..4_000_000_000_000_i64, more in 0..9_999_i64, yet_more in 0..9_999_i64,
            cpu_us in 0..9_999_999_i64, minutes in 0..=1_440_i64
        ) {
            let energy_uj = low_uj + more;
            let sum = Slot { low_uj, energy_uj, high_uj: energy_uj + yet_more, cpu_us, minutes };
            let day = Day::spread(sum);
            prop_assert_eq!(day.sum(), sum);
            prop_assert!(day.hours().all(|(_, s)| s.low_uj <= s.energy_uj && s.energy_uj <= s.high_uj));
            let expected = minutes.div_euclid(60) + i64::from(minutes % 60 > 0);
            prop_assert_eq!(i64::try_from(day.0.len()).unwrap(), expected.max(1));
        }
    }

    #[test]
    fn an_hour_of_a_pod_takes_some_twenty_bytes() {
        let mut day = Day::default();
        for hour in 0..HOURS {
            day.add(
                hour,
                Slot {
                    low_uj: 180_000_000,
                    energy_uj: 200_000_000,
                    high_uj: 240_000_000,
                    cpu_us: 36_000_000,
                    minutes: 60,
                },
            );
        }
        assert_eq!(day.pack().len(), 4 + 24 * (5 + 4 + 4 + 4 + 1));
    }
}
