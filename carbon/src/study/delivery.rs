//! How soon what was wanted was there, and how long an edit by hand stayed:
//! from what was done and what was seen, in one phase.

use std::time::Duration;

/// Something that was done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// After the phase began.
    pub at: Duration,
    /// The object.
    pub object: String,
    /// What it says then, where that is wanted; an edit by hand has the text
    /// that nobody wants.
    pub text: String,
    /// Whether somebody edited past whatever holds the wanted state.
    pub by_hand: bool,
}

/// What an object was seen to say from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// After the phase began.
    pub at: Duration,
    /// The object.
    pub object: String,
    /// What it says.
    pub text: String,
}

/// What became of all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delivery {
    /// Changes that were seen in the phase.
    pub applied: u32,
    /// Changes that were not seen before its end.
    pub waiting: u32,
    /// The mean time from a change to its being seen, of those that were.
    pub latency: Option<Duration>,
    /// The time that edits by hand stayed, added up over objects; at most to
    /// the phase's end.
    pub drift: Duration,
}

/// What became of what was done in a phase of that length. An edit stays from
/// when it was seen (or done, if it was not) until the object says something
/// else.
///
/// ```
/// use std::time::Duration;
/// use tanso_carbon::study::delivery::{Done, Seen, delivery};
/// let second = Duration::from_secs;
/// let done = [Done { at: second(2), object: "a".into(), text: "r1".into(), by_hand: false }];
/// let seen = [Seen { at: second(5), object: "a".into(), text: "r1".into() }];
/// let found = delivery(&done, &seen, second(10));
/// assert_eq!((found.applied, found.latency), (1, Some(second(3))));
/// ```
#[must_use]
pub fn delivery(done: &[Done], seen: &[Seen], phase: Duration) -> Delivery {
    let mut found = Delivery::default();
    let mut latencies = Duration::ZERO;
    for one in done {
        let of_object = || seen.iter().filter(|seen| seen.object == one.object);
        let sighting = of_object().find(|seen| seen.text == one.text && seen.at >= one.at);
        if one.by_hand {
            let from = sighting.map_or(one.at, |seen| seen.at).min(phase);
            let later = of_object().filter(|seen| seen.at >= from && seen.text != one.text);
            let until = later.map(|seen| seen.at).min();
            found.drift += until.unwrap_or(phase).min(phase).saturating_sub(from);
            continue;
        }
        match sighting.filter(|seen| seen.at <= phase) {
            Some(seen) => {
                found.applied += 1;
                latencies += seen.at.saturating_sub(one.at);
            }
            None => found.waiting += 1,
        }
    }
    found.latency = (found.applied > 0).then(|| latencies / found.applied);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASE: Duration = Duration::from_secs(20);

    fn done(seconds: u64, object: &str, text: &str, by_hand: bool) -> Done {
        Done {
            at: Duration::from_secs(seconds),
            object: object.to_owned(),
            text: text.to_owned(),
            by_hand,
        }
    }

    fn seen(seconds: u64, object: &str, text: &str) -> Seen {
        Seen {
            at: Duration::from_secs(seconds),
            object: object.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn an_edit_stays_until_the_object_says_something_else_or_the_phase_ends() {
        let edits = [done(3, "a", "hand", true), done(5, "b", "hand", true)];
        let sightings = [
            seen(4, "a", "hand"),
            seen(11, "a", "r1"),
            seen(6, "b", "hand"),
            // What is seen after the phase is no end of it.
            seen(25, "b", "r1"),
        ];
        let found = delivery(&edits, &sightings, PHASE);
        assert_eq!(found.drift, Duration::from_secs(7 + 14));
        assert_eq!((found.applied, found.latency), (0, None));
    }

    #[test]
    fn a_change_that_comes_after_the_phase_is_waiting_and_not_late() {
        let changes = [done(3, "a", "r1", false), done(4, "b", "r1", false)];
        let sightings = [seen(8, "a", "r1"), seen(21, "b", "r1")];
        let found = delivery(&changes, &sightings, PHASE);
        assert_eq!((found.applied, found.waiting), (1, 1));
        assert_eq!(found.latency, Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_earlier_sighting_of_the_same_text_is_not_the_change() {
        let found = delivery(
            &[done(5, "a", "r1", false)],
            &[seen(2, "a", "r1"), seen(9, "a", "r1")],
            PHASE,
        );
        assert_eq!(found.latency, Some(Duration::from_secs(4)));
    }
}
