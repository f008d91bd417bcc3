//! A study's raw figures as they grow: CSV that is only ever appended to, a
//! trial at a time. After a crash the last line may be torn and the last trial
//! half there; what stands before is kept, and the rest runs again.

use std::collections::BTreeSet;

use super::order::Slot;
use super::trial::{Phase, Trials};
use crate::table::TableFaults;

/// What a file of raw figures holds after a crash.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The trials whose measured phase is there.
    pub trials: Trials,
    /// The bytes of the file that hold them; what comes after is to be cut off.
    pub keep_bytes: usize,
}

/// Reads a file that may end anywhere.
///
/// A trial is appended with its measured phase last: rows after the last
/// measured one are of a trial that did not end.
///
/// ```
/// use tanso_carbon::study::checkpoint::read;
/// let whole = "trial,block,arm,phase,node_joules\n1,1,flux,warm-up,5\n1,1,flux,measured,9\n";
/// let torn = format!("{whole}2,1,snow,warm-up,5\n2,1,snow,measu");
/// let found = read("trials.csv", &torn)?;
/// assert_eq!((found.keep_bytes, found.trials.rows().len()), (whole.len(), 2));
/// # Ok::<(), tanso_carbon::table::TableFaults>(())
/// ```
///
/// # Errors
/// If what was written whole is broken.
pub fn read(file: &str, text: &str) -> Result<Checkpoint, TableFaults> {
    let mut keep_bytes = 0;
    let mut end = 0;
    // No cell before the phase needs quotes: numbers and names of arms.
    let mut phase_at = None;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let is_header = end == line.len();
        let mut cells = line.trim_end().split(',');
        if is_header {
            phase_at = cells.position(|name| name == "phase");
        }
        let is_measured = phase_at.is_none_or(|place| {
            let cell = line.trim_end().split(',').nth(place);
            cell == Some(Phase::Measured.as_str())
        });
        if line.ends_with('\n') && (is_header || is_measured) {
            keep_bytes = end;
        }
    }
    let kept = text.get(..keep_bytes).unwrap_or_default();
    let trials = if kept.is_empty() {
        Trials::default()
    } else {
        Trials::parse(file, kept)?
    };
    Ok(Checkpoint { trials, keep_bytes })
}

impl Checkpoint {
    /// Those of the planned trials that are still to be run, in their order.
    #[must_use]
    pub fn rest(&self, planned: &[Slot]) -> Vec<Slot> {
        let done: BTreeSet<u32> = self.trials.measured().map(|row| row.order).collect();
        let rest = planned.iter().filter(|slot| !done.contains(&slot.order));
        rest.cloned().collect()
    }

    /// The first trial that is not the one planned at its place: the figures
    /// are of another plan.
    #[must_use]
    pub fn stranger(&self, planned: &[Slot]) -> Option<String> {
        let mut rows = self.trials.measured();
        let foreign = rows.find(|row| {
            planned.iter().all(|slot| {
                (slot.order, slot.block, slot.arm.as_str()) != (row.order, row.block, &row.arm)
            })
        })?;
        Some(format!(
            "trial {} (block {}, arm {:?})",
            foreign.order, foreign.block, foreign.arm
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::study::order::randomised_blocks;

    const ARMS: [&str; 3] = ["nothing", "snow", "flux-1m"];

    fn planned() -> Vec<Slot> {
        randomised_blocks(&ARMS.map(str::to_owned), 3, 11)
    }

    /// A file as the runner writes it.
    fn file(trials: usize) -> String {
        let mut text = "trial,block,arm,phase,marks,node_joules\n".to_owned();
        for slot in planned().iter().take(trials) {
            for phase in ["warm-up", "measured"] {
                let (order, block, arm) = (slot.order, slot.block, &slot.arm);
                writeln!(text, "{order},{block},{arm},{phase},a;b,{order}.5").unwrap();
            }
        }
        text
    }

    proptest! {
        #[test]
        fn wherever_it_breaks_off_whole_trials_are_kept_and_the_others_run_again(cut in 0_usize..700) {
            let whole = file(9);
            let cut = cut.min(whole.len());
            let found = read("t.csv", &whole[..cut]).unwrap();
            let done = found.trials.measured().count();
            prop_assert_eq!(found.rest(&planned()), planned()[done..].to_vec());
            prop_assert!(found.stranger(&planned()).is_none());
            // Appending the rest to what is kept gives the uninterrupted file.
            let mut resumed = whole[..found.keep_bytes].to_owned();
            resumed.push_str(&whole[found.keep_bytes..]);
            let kept = found.keep_bytes == 0 || found.keep_bytes == file(done).len();
            prop_assert!(kept, "kept {} of {} bytes", found.keep_bytes, cut);
            prop_assert_eq!(Trials::parse("t.csv", &resumed), Trials::parse("t.csv", &whole));
        }
    }

    #[test]
    fn figures_of_another_plan_are_named() {
        let found = read("t.csv", &file(2)).unwrap();
        let other = randomised_blocks(&["x".to_owned(), "y".to_owned()], 3, 11);
        let told = found.stranger(&other).unwrap();
        assert!(told.starts_with("trial 1 (block 1, arm "), "{told}");
    }

    #[test]
    fn what_was_written_whole_and_is_broken_is_told() {
        let broken = file(2).replace("1.5\n", "much\n");
        assert!(read("t.csv", &broken).is_err());
        let empty = read("t.csv", "").unwrap();
        assert_eq!(empty.rest(&planned()), planned());
    }
}
