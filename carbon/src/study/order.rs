//! The order of trials: randomised blocks from a seed. Each block holds each
//! arm once in a random order, so that a slow change of the machine falls on
//! all arms alike and each block can be compared within itself.

use super::random::Generator;

/// One trial to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its place in time, from 1.
    pub order: u32,
    /// Its block, from 1.
    pub block: u32,
    /// Its arm.
    pub arm: String,
}

/// So many blocks of all arms. A longer study begins with the same blocks as
/// a shorter one of the same seed, so a study that is not done can go on.
///
/// ```
/// let arms = ["idle".to_owned(), "flux-1m".to_owned()];
/// let slots = tanso_carbon::study::order::randomised_blocks(&arms, 3, 7);
/// assert_eq!(slots.len(), 6);
/// assert_ne!(slots[0].arm, slots[1].arm);
/// ```
#[must_use]
pub fn randomised_blocks(arms: &[String], blocks: u32, seed: u64) -> Vec<Slot> {
    let mut generator = Generator::from_seed(seed);
    let mut slots = Vec::new();
    for block in 1..=blocks {
        let mut dealt = arms.to_vec();
        generator.shuffle(&mut dealt);
        for arm in dealt {
            let order = u32::try_from(slots.len() + 1).unwrap_or(u32::MAX);
            slots.push(Slot { order, block, arm });
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_holds_each_arm_once_and_a_longer_study_begins_alike() {
        let arms: Vec<_> = ["none", "snow", "flux", "placebo"]
            .map(str::to_owned)
            .into();
        let long = randomised_blocks(&arms, 30, 42);
        for block in long.chunks(4) {
            let mut dealt: Vec<_> = block.iter().map(|slot| slot.arm.as_str()).collect();
            dealt.sort_unstable();
            assert_eq!(dealt, ["flux", "none", "placebo", "snow"]);
        }
        assert_eq!(randomised_blocks(&arms, 12, 42), long[..48]);
        assert_ne!(randomised_blocks(&arms, 12, 43), long[..48]);
    }
}
