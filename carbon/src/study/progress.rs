//! How far a study is, and when it will be done.

use std::time::Duration;

use super::trial::Trials;

/// How far a study is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Trials whose measured phase is there.
    pub done: u32,
    /// Trials that are planned.
    pub planned: u32,
    /// How long the rest takes if it goes on as it went; absent before the
    /// second trial.
    pub rest: Option<Duration>,
}

/// How far some trials are of so many. The pace is the median time from one
/// trial's start to the next one's, so that a pause between parts of a study
/// does not count.
///
/// ```
/// use tanso_carbon::study::{Trials, progress::progress};
/// let text = "trial,block,arm,started_at\n1,1,a,2026-01-01T00:00:00Z\n2,1,b,2026-01-01T00:00:20Z\n";
/// let found = progress(&Trials::parse("t.csv", text)?, 5);
/// assert_eq!(found.rest.unwrap().as_secs(), 60);
/// # Ok::<(), tanso_carbon::table::TableFaults>(())
/// ```
#[must_use]
pub fn progress(trials: &Trials, planned: u32) -> Progress {
    let done = u32::try_from(trials.measured().count()).unwrap_or(u32::MAX);
    let starts: Vec<_> = trials.measured().filter_map(|row| row.started_at).collect();
    let mut paces: Vec<Duration> = starts
        .windows(2)
        .filter_map(|two| match two {
            [one, next] => next.duration_since(*one).try_into().ok(),
            _ => None,
        })
        .collect();
    paces.sort_unstable();
    let pace = paces.get(paces.len() / 2);
    Progress {
        done,
        planned,
        rest: pace.map(|pace| *pace * planned.saturating_sub(done)),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_night_between_two_parts_is_no_pace() {
        let mut text = "trial,block,arm,started_at\n".to_owned();
        for (trial, at) in ["T08:00:00", "T08:00:30", "T20:00:00", "T20:00:30"]
            .iter()
            .enumerate()
        {
            let order = trial + 1;
            writeln!(text, "{order},{order},a,2026-01-01{at}Z").unwrap();
        }
        let trials = Trials::parse("t.csv", &text).unwrap();
        let found = progress(&trials, 10);
        assert_eq!((found.done, found.planned), (4, 10));
        assert_eq!(found.rest, Some(Duration::from_mins(3)));
        assert_eq!(progress(&Trials::default(), 4).rest, None);
    }
}
