//! The kinds of trials: an arm's own, or the two parts of one whose interval is
//! longer than a phase. Pure.
//!
//! In a phase of such an arm every Kustomization syncs once, or none does; the
//! first is as often as the phase is part of the interval. Each part is a kind of
//! trial of its own, and the plan weights them by these shares. Which of both a
//! trial is, is told to the controllers by the interval in their objects: one that
//! ends within the phase, or one that ends long after it. So the controllers'
//! own timers run each sync, and nothing else is written to any object.

use std::time::Duration;

use tanso_carbon::study::strata::Stratum;

use super::{ArmDesign, By, Design};

/// By so much of itself the controllers shorten or lengthen an interval at random
/// (`--interval-jitter-percentage`, 5 unless set).
const JITTER: f64 = 0.05;
/// Before the first sync that may come, a phase has begun for so long.
const MARGIN: Duration = Duration::from_millis(500);
/// The most that a sync of one Kustomization may take of the machine.
const SYNC: Duration = Duration::from_millis(150);
/// An interval that ends in no trial.
const NEVER: Duration = Duration::from_hours(1);
/// The shortest phase that a whole sync of a few Kustomizations fits into,
/// wherever jitter puts it.
const PHASE_SECONDS_MIN: u64 = 10;

/// When Flux syncs in a measured phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// As its interval has it, which is part of the phase; or there is no Flux.
    Own,
    /// Not at all.
    Quiet,
    /// Every Kustomization once, with so many applications that changed before.
    Sync {
        /// Applications that are not as Git has them when the phase begins.
        waiting: usize,
    },
}

/// A kind of trials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What is set up: of a part its own name, and the interval that its objects
    /// have.
    pub arm: ArmDesign,
    /// When Flux syncs.
    pub timer: Timer,
}

impl Design {
    /// The kinds of trials, of which a block has one each, in the plan's order.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        let mut found: Vec<Kind> = Vec::new();
        for (kind, _) in self.arms.iter().flat_map(|arm| self.parts(arm)) {
            if found.iter().all(|other| other.arm.name != kind.arm.name) {
                found.push(kind);
            }
        }
        found
    }

    /// A kind by its name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<Kind> {
        let mut kinds = self.kinds().into_iter();
        kinds.find(|kind| kind.arm.name == name)
    }

    /// The parts of an arm as a plan has them; none of one that is whole.
    pub(super) fn strata(&self, arm: &ArmDesign) -> Vec<Stratum> {
        let parts = self.parts(arm);
        if parts.len() < 2 {
            return Vec::new();
        }
        let stratum = |(kind, share): (Kind, f64)| Stratum {
            trials: kind.arm.name,
            share,
        };
        parts.into_iter().map(stratum).collect()
    }

    /// The kinds of trials of an arm, with the share of its time.
    fn parts(&self, arm: &ArmDesign) -> Vec<(Kind, f64)> {
        let phase = self.measured();
        let Some(interval) = arm.interval().filter(|interval| *interval > phase) else {
            let timer = Timer::Own;
            let arm = arm.clone();
            return vec![(Kind { arm, timer }, 1.0)];
        };
        let share = phase.as_secs_f64() / interval.as_secs_f64();
        let waiting = self.waiting(arm, interval);
        let quiet = Kind {
            arm: Self::part(arm, "quiet", NEVER),
            timer: Timer::Quiet,
        };
        let sync = Kind {
            arm: Self::part(arm, &sync_word(self, arm, waiting), self.lead(arm)),
            timer: Timer::Sync { waiting },
        };
        vec![(quiet, 1.0 - share), (sync, share)]
    }

    /// A part: arms that differ in their interval alone have the same ones.
    fn part(arm: &ArmDesign, word: &str, interval: Duration) -> ArmDesign {
        let stem = match (arm.changes, arm.edits) {
            (true, true) => "flux-busy",
            (true, false) => "flux-no-edits",
            (false, _) => "flux-idle",
        };
        ArmDesign {
            name: format!("{stem}{}.{word}", arm.number()),
            by: By::Flux {
                interval_seconds: interval.as_secs(),
            },
            ..arm.clone()
        }
    }

    /// How many applications changed in an interval, of those that changes fall on.
    fn waiting(&self, arm: &ArmDesign, interval: Duration) -> usize {
        if !arm.changes {
            return 0;
        }
        let changes =
            f64::from(self.changes) * interval.as_secs_f64() / self.measured().as_secs_f64();
        let all = self.objects();
        let fit =
            |count: &usize| u32::try_from(*count).is_ok_and(|count| f64::from(count) <= changes);
        (0..=all).rev().find(fit).unwrap_or_default()
    }

    /// How many applications changes and edits fall on.
    pub(super) fn objects(&self) -> usize {
        self.kustomizations.first().copied().unwrap_or_default()
    }

    /// The interval whose first end lies within a phase and whose second does not:
    /// longer than a phase, and longer where a start takes longer.
    fn lead(&self, arm: &ArmDesign) -> Duration {
        let tenth = u64::try_from(arm.kustomizations.div_ceil(10)).unwrap_or(u64::MAX);
        Duration::from_secs((self.measured_seconds * 6).div_ceil(5) + tenth)
    }
}

fn sync_word(design: &Design, arm: &ArmDesign, waiting: usize) -> String {
    if arm.changes && waiting < design.objects() {
        format!("sync-{waiting}")
    } else {
        "sync".to_owned()
    }
}

/// Why an arm cannot be measured in phases of this length.
pub(super) fn phase_fault(arm: &ArmDesign, phase: Duration) -> Option<String> {
    let (phase, interval) = (phase.as_secs(), arm.interval()?.as_secs());
    let fine = if interval > phase {
        phase >= PHASE_SECONDS_MIN
    } else {
        phase.is_multiple_of(interval)
    };
    let shorter = if interval > PHASE_SECONDS_MIN {
        format!("{PHASE_SECONDS_MIN} to below {interval}, and ")
    } else {
        String::new()
    };
    (!fine).then(|| {
        format!(
            "--measured {phase}: with arm {:?} accepted are {shorter}multiples of {interval}: else some phases have a \
             sync more than others, or only a part of one",
            arm.name
        )
    })
}

/// When a phase may begin so that every sync lies within it, after Flux was
/// switched on: the earliest moment, and for how long. Syncs at the start lay
/// between `first` and `last`; the next ones come an interval later.
#[must_use]
pub fn begins(
    (lead, phase): (Duration, Duration),
    (first, last): (Duration, Duration),
    kustomizations: usize,
) -> (Duration, Duration) {
    let latest = (first + lead.mul_f64(1.0 - JITTER)).saturating_sub(MARGIN);
    let work = SYNC * u32::try_from(kustomizations).unwrap_or(u32::MAX);
    let done = last + lead.mul_f64(1.0 + JITTER) + MARGIN + work;
    // Where a phase is too short for all, it begins before the first.
    let earliest = done.saturating_sub(phase).min(latest);
    (earliest, latest.saturating_sub(earliest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_phase_holds_the_first_sync_whole_and_not_the_second() {
        let (lead, phase) = (13 * SECOND, 10 * SECOND);
        for last in [3_000, 4_500, 6_000].map(Duration::from_millis) {
            let first = Duration::from_millis(1_500);
            let (earliest, slack) = begins((lead, phase), (first, last), 5);
            let latest = earliest + slack;
            // The earliest sync, and the last with its work, whenever it begins.
            assert!(latest < first + lead.mul_f64(0.95));
            assert!(earliest + phase > last + lead.mul_f64(1.05) + SECOND);
            assert!(latest + phase < first + 2 * lead.mul_f64(0.95));
        }
        // Of a start that takes longer than a phase no window holds all.
        let (_, slack) = begins((lead, phase), (SECOND, 30 * SECOND), 200);
        assert_eq!(slack, Duration::ZERO);
    }
}
