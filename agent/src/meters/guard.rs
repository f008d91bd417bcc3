//! Readings that cannot be true: refused and counted, never booked.

use std::collections::BTreeMap;
use std::time::Duration;

use tanso_power::{Joules, Watts};

/// A register that does not move for this long is stuck: processors that run
/// an agent use energy.
const STILL_MAX: Duration = Duration::from_mins(1);

/// A gauge that shows the same microwatt for this long, while the load moved
/// by more than [`LOAD_MOVED`], is stuck. Coarse gauges of quiet machines
/// stand still for hours and are right.
const FROZEN_MAX: Duration = Duration::from_mins(10);
const LOAD_MOVED: f64 = 0.5;

/// Time added to an interval when its energy is judged: registers are updated
/// every millisecond or so, and the reading is not instantaneous.
const SLACK: Duration = Duration::from_millis(100);

/// Why a reading was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The sensor gave no answer.
    Unreadable,
    /// The answer is no number.
    NotANumber,
    /// The answer is a negative power or energy.
    Negative,
    /// More than the machine can draw.
    Absurd,
    /// A register fell without having wrapped.
    Reset,
    /// The sensor shows the same figure whatever happens.
    Stuck,
    /// The sensor was silent for so long that what it missed is not known.
    Gap,
}

impl Refusal {
    /// Its name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotANumber => "not_a_number",
            Self::Negative => "negative",
            Self::Absurd => "absurd",
            Self::Reset => "reset",
            Self::Stuck => "stuck",
            Self::Gap => "gap",
        }
    }

    /// The reason for people.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Unreadable => "it cannot be read",
            Self::NotANumber => "what it shows is no number",
            Self::Negative => "it shows a negative figure",
            Self::Absurd => "it shows more than a machine can draw",
            Self::Reset => "its register began anew",
            Self::Stuck => "it shows the same figure whatever happens",
            Self::Gap => "it was silent for too long",
        }
    }
}

/// Numbers of refused readings by reason.
pub type Refusals = BTreeMap<Refusal, u64>;

/// Whether this energy can have been used in this time.
pub(super) fn is_plausible(energy: Joules, most: Watts, elapsed: Duration) -> bool {
    energy <= most.over(elapsed.saturating_add(SLACK))
}

/// A number as a sensor's file has it.
///
/// # Errors
/// If it is negative or no whole number that fits.
pub(super) fn number(text: &str) -> Result<u64, Refusal> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match text.strip_prefix('-') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Refusal::Negative)
        }
        _ => Err(Refusal::NotANumber),
    }
}

/// Watches whether a sensor still moves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stillness {
    last: Option<u64>,
    still: Duration,
    /// Lowest and highest load since the figure changed.
    load: Option<(f64, f64)>,
}

impl Stillness {
    /// Notes a raw figure and what the processors did meanwhile.
    pub(super) fn note(&mut self, raw: u64, elapsed: Duration, load: f64) {
        if self.last.replace(raw) == Some(raw) {
            self.still = self.still.saturating_add(elapsed);
            let (low, high) = self.load.unwrap_or((load, load));
            self.load = Some((low.min(load), high.max(load)));
        } else {
            self.still = Duration::ZERO;
            self.load = None;
        }
    }

    /// Whether a register with this history is stuck.
    pub(super) fn register_is_stuck(&self) -> bool {
        self.still >= STILL_MAX
    }

    /// Whether a gauge with this history is stuck.
    pub(super) fn gauge_is_stuck(&self) -> bool {
        self.still >= FROZEN_MAX
            && self
                .load
                .is_some_and(|(low, high)| high - low >= LOAD_MOVED)
    }

    /// Whether `raw` is what it has shown all the time.
    pub(super) fn shows(&self, raw: u64) -> bool {
        self.last == Some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_amount_is_told_apart() {
        assert_eq!(number(" 42\n"), Ok(42));
        assert_eq!(number("-7"), Err(Refusal::Negative));
        for text in ["", "-", "nan", "1e6", "0x10", "1 2", "18446744073709551616"] {
            assert_eq!(number(text), Err(Refusal::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn a_coarse_gauge_of_a_quiet_machine_is_not_stuck() {
        let (mut quiet, mut loaded) = (Stillness::default(), Stillness::default());
        for minute in 0..30 {
            let elapsed = Duration::from_mins(1);
            quiet.note(95_000_000, elapsed, 0.03);
            loaded.note(95_000_000, elapsed, f64::from(minute % 2));
        }
        assert!(!quiet.gauge_is_stuck());
        assert!(loaded.gauge_is_stuck());
        loaded.note(96_000_000, Duration::from_mins(1), 1.0);
        assert!(!loaded.gauge_is_stuck());
    }

    #[test]
    fn energy_is_judged_by_the_time_it_took() {
        let most = Watts::from_microwatts(1_000_000_000);
        let joules = |joules: u64| Joules::from_microjoules(joules * 1_000_000);
        assert!(is_plausible(joules(1_000), most, Duration::from_secs(1)));
        assert!(!is_plausible(joules(1_200), most, Duration::from_secs(1)));
        assert!(is_plausible(joules(1_200), most, Duration::from_secs(2)));
    }
}
