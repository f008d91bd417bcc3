//! What processors did beside being busy: their clock, and what their cycles
//! were spent on.

use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// A quantity that power above idle may go with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// Mean clock of busy processors, MHz.
    FrequencyMhz,
    /// Instructions per cycle.
    InstructionsPerCycle,
    /// Cache misses per thousand instructions.
    MissesPerKiloInstruction,
}

impl Input {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::FrequencyMhz,
        Self::InstructionsPerCycle,
        Self::MissesPerKiloInstruction,
    ];

    /// The quantity in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::FrequencyMhz => "clock",
            Self::InstructionsPerCycle => "instructions per cycle",
            Self::MissesPerKiloInstruction => "cache misses per instruction",
        }
    }
}

/// The quantities of one interval; what nobody counted is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Activity {
    /// As [`Input::FrequencyMhz`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<f64>,
    /// As [`Input::InstructionsPerCycle`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions_per_cycle: Option<f64>,
    /// As [`Input::MissesPerKiloInstruction`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misses_per_kilo_instruction: Option<f64>,
}

impl Activity {
    /// The quantities of a sample; counts of events become ratios, which do
    /// not hang on the load.
    ///
    /// ```
    /// use tanso_power::activity::Activity;
    /// use tanso_power::sample::Sample;
    /// let events = [("cycles", 4e9), ("instructions", 6e9), ("cacheMisses", 3e6)];
    /// let events = events.map(|(name, rate)| (name.to_owned(), rate)).into();
    /// let activity = Activity::of(&Sample { events, ..Sample::default() });
    /// assert_eq!(activity.instructions_per_cycle, Some(1.5));
    /// assert_eq!(activity.misses_per_kilo_instruction, Some(0.5));
    /// assert_eq!(activity.frequency_mhz, None);
    /// ```
    #[must_use]
    pub fn of(sample: &Sample) -> Self {
        let event = |name: &str| sample.events.get(name).copied();
        Self::of_rates(
            sample.frequency_mhz,
            event("cycles"),
            event("instructions"),
            event("cacheMisses"),
        )
    }

    /// The quantities of a clock and of three rates (or counts over the same
    /// time) of events.
    #[must_use]
    pub fn of_rates(
        frequency_mhz: Option<f64>,
        cycles: Option<f64>,
        instructions: Option<f64>,
        misses: Option<f64>,
    ) -> Self {
        let ratio = |above: Option<f64>, below: Option<f64>| {
            let ratio = above? / below?;
            (ratio.is_finite() && ratio >= 0.0).then_some(ratio)
        };
        Self {
            frequency_mhz: frequency_mhz.filter(|mhz| mhz.is_finite() && *mhz > 0.0),
            instructions_per_cycle: ratio(instructions, cycles).filter(|ratio| *ratio > 0.0),
            misses_per_kilo_instruction: ratio(misses, instructions).map(|ratio| ratio * 1e3),
        }
    }

    /// One of the quantities.
    #[must_use]
    pub const fn get(&self, input: Input) -> Option<f64> {
        match input {
            Input::FrequencyMhz => self.frequency_mhz,
            Input::InstructionsPerCycle => self.instructions_per_cycle,
            Input::MissesPerKiloInstruction => self.misses_per_kilo_instruction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_missing_and_not_zero() {
        let nothing = Activity::of_rates(Some(0.0), Some(0.0), Some(0.0), Some(0.0));
        assert_eq!(nothing, Activity::default());
        let idle_cache = Activity::of_rates(None, Some(2.0), Some(4.0), Some(0.0));
        assert_eq!(idle_cache.misses_per_kilo_instruction, Some(0.0));
        assert_eq!(idle_cache.instructions_per_cycle, Some(2.0));
        assert_eq!(
            Activity::of_rates(Some(f64::NAN), None, None, None),
            Activity::default()
        );
    }
}
