//! What happens to the system in a trial: changes that are wanted, and edits
//! by hand that nobody wants, each at its moment; dealt from a seed, so that
//! every arm of a block gets the same.

use std::time::Duration;

use super::random::Generator;

/// Where in a phase the first and the last event may fall, in 256ths: what
/// comes at the very end could not be seen to be done.
const FIRST: u64 = 16;
const LAST: u64 = 176;

/// What is done to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A change that is wanted.
    Change,
    /// An edit by hand, past whatever holds the wanted state.
    Edit,
}

/// Something that is done, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// After the phase began.
    pub at: Duration,
    /// What is done.
    pub deed: Deed,
    /// To which of the objects, from 0.
    pub object: usize,
}

/// How much happens in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Changes that are wanted.
    pub changes: u32,
    /// Edits by hand.
    pub edits: u32,
    /// How many objects there are to choose from.
    pub objects: usize,
}

/// The events of a block's trials, in the order of time: evenly spread, each
/// moved by chance within its share of the phase. No object is met twice
/// while there are others.
///
/// ```
/// use std::time::Duration;
/// use tanso_carbon::study::stream::{Busy, Deed, deal};
/// let busy = Busy { changes: 3, edits: 1, objects: 5 };
/// let events = deal(busy, Duration::from_secs(60), 7, 2);
/// assert_eq!(events, deal(busy, Duration::from_secs(60), 7, 2));
/// assert_eq!(events.iter().filter(|event| event.deed == Deed::Edit).count(), 1);
/// assert!(events.last().unwrap().at < Duration::from_secs(60));
/// ```
#[must_use]
pub fn deal(busy: Busy, phase: Duration, seed: u64, block: u32) -> Vec<Event> {
    let mut generator = generator(seed, block, "stream");
    let mut objects: Vec<usize> = (0..busy.objects).collect();
    generator.shuffle(&mut objects);
    let (changes, edits) = (busy.changes as usize, busy.edits as usize);
    let mut deeds = vec![Deed::Change; changes];
    deeds.resize(changes.saturating_add(edits), Deed::Edit);
    generator.shuffle(&mut deeds);
    let count = deeds.len().max(1) as u64;
    let places = deeds.into_iter().zip(objects.iter().cycle()).zip(0_u64..);
    let events = places.map(|((deed, object), place)| {
        // Within the place's own share of the phase, to 1/1024 of it.
        let chance = generator.below(1024) as u64;
        let share = FIRST * 1024 + (LAST - FIRST) * (place * 1024 + chance) / count;
        Event {
            at: part(phase, share, 256 * 1024),
            deed,
            object: *object,
        }
    });
    events.collect()
}

/// When a controller that acts once in `interval` acts within a phase that
/// begins at a random moment of that interval; `None` if it does not. For
/// phases shorter than the interval: over many trials it acts as often as it
/// would over the same time in one piece.
///
/// ```
/// use std::time::Duration;
/// use tanso_carbon::study::stream::sampled;
/// let (phase, interval) = (Duration::from_secs(15), Duration::from_secs(60));
/// let acts = (1..=4000).filter(|block| sampled(phase, interval, 3, *block, "flux-1m").is_some());
/// assert!((900..1100).contains(&acts.count()));
/// ```
#[must_use]
pub fn sampled(
    phase: Duration,
    interval: Duration,
    seed: u64,
    block: u32,
    arm: &str,
) -> Option<Duration> {
    let chance = generator(seed, block, arm).next_u64() >> 32;
    let at = part(interval, chance, 1 << 32);
    (at < phase).then_some(at)
}

/// `whole × share ÷ of`.
fn part(whole: Duration, share: u64, of: u64) -> Duration {
    let nanos = whole.as_nanos() * u128::from(share) / u128::from(of.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A generator of its own for each block and purpose (FNV-1a of both).
fn generator(seed: u64, block: u32, purpose: &str) -> Generator {
    let bytes = block.to_le_bytes().into_iter().chain(purpose.bytes());
    let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Generator::from_seed(seed ^ mixed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const PHASE: Duration = Duration::from_secs(40);

    proptest! {
        #[test]
        fn a_stream_has_what_was_asked_for_in_the_order_of_time_and_ends_in_time(
            changes in 0_u32..20, edits in 0_u32..8, objects in 1_usize..50, seed: u64, block in 1_u32..100,
        ) {
            let events = deal(Busy { changes, edits, objects }, PHASE, seed, block);
            let of = |deed| events.iter().filter(|event| event.deed == deed).count();
            prop_assert_eq!((of(Deed::Change), of(Deed::Edit)), (changes as usize, edits as usize));
            prop_assert!(events.windows(2).all(|two| two[0].at <= two[1].at));
            prop_assert!(events.iter().all(|event| event.at < PHASE.mul_f64(0.7) && event.object < objects));
            let met: BTreeSet<_> = events.iter().map(|event| event.object).collect();
            prop_assert_eq!(met.len(), events.len().min(objects));
        }
    }

    #[test]
    fn blocks_differ_and_a_stream_without_events_is_empty() {
        let busy = Busy {
            changes: 4,
            edits: 2,
            objects: 50,
        };
        assert_ne!(deal(busy, PHASE, 1, 1), deal(busy, PHASE, 1, 2));
        assert_ne!(deal(busy, PHASE, 1, 1), deal(busy, PHASE, 2, 1));
        let idle = Busy {
            changes: 0,
            edits: 0,
            ..busy
        };
        assert!(deal(idle, PHASE, 1, 1).is_empty());
    }

    #[test]
    fn an_interval_that_fits_into_the_phase_is_always_met() {
        let short = Duration::from_secs(10);
        assert!((1..200).all(|block| sampled(PHASE, short, 9, block, "a").is_some()));
        let arms = ["a", "b"].map(|arm| sampled(PHASE, short, 9, 1, arm));
        assert_ne!(arms[0], arms[1]);
    }
}
