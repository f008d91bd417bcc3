//! Conditions: setting, finding, and telling what changed.
//!
//! `lastTransitionTime` moves with the status only, so that a status that says
//! the same is the same and need not be written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use tanso_faces::answer::figures::short;

/// Longest message that the API accepts.
const MESSAGE_LIMIT: usize = 32_768;

/// The conditions of an object, as one look at it sets them.
#[derive(Debug)]
pub struct Conditions<'a> {
    all: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Conditions<'a> {
    /// Those of an object of that generation.
    pub fn new(all: &'a mut Vec<Condition>, generation: Option<i64>, now: Timestamp) -> Self {
        // RFC 3339 with whole seconds is what the API keeps.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self {
            all,
            generation,
            now,
        }
    }

    /// Sets one, keeping its place and, while its status stays, its time.
    /// `status` is `True`, `False` or `Unknown`.
    pub fn set(&mut self, type_: &str, status: &str, reason: &str, message: &str) {
        let last = condition(self.all, type_);
        let last_transition_time = match last {
            Some(last) if last.status == status => last.last_transition_time.clone(),
            _ => Time(self.now),
        };
        let next = Condition {
            last_transition_time,
            message: short(message, MESSAGE_LIMIT),
            observed_generation: self.generation,
            reason: reason.to_owned(),
            status: status.to_owned(),
            type_: type_.to_owned(),
        };
        match self.all.iter_mut().find(|c| c.type_ == type_) {
            Some(place) => *place = next,
            None => self.all.push(next),
        }
    }

    /// Says nothing of that type any more.
    pub fn remove(&mut self, type_: &str) {
        self.all.retain(|condition| condition.type_ != type_);
    }
}

/// The condition of that type.
#[must_use]
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// The conditions whose status or reason is another than before; a condition
/// that is new and `Unknown` is no transition.
#[must_use]
pub fn transitions<'a>(before: &[Condition], after: &'a [Condition]) -> Vec<&'a Condition> {
    after
        .iter()
        .filter(|next| match condition(before, &next.type_) {
            Some(last) => last.status != next.status || last.reason != next.reason,
            None => next.status != "Unknown",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let mut all = Vec::new();
        Conditions::new(&mut all, Some(1), at(10)).set("Ready", "Unknown", "Progressing", "");
        Conditions::new(&mut all, Some(2), at(20)).set("Ready", "Unknown", "Other", "now");
        assert_eq!(all[0].last_transition_time, Time(at(10)));
        assert_eq!(all[0].observed_generation, Some(2));
        Conditions::new(&mut all, Some(2), at(30)).set("Ready", "True", "Succeeded", "");
        assert_eq!(all[0].last_transition_time, Time(at(30)));
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn a_transition_is_a_change_of_status_or_reason() {
        let mut before = Vec::new();
        Conditions::new(&mut before, Some(1), at(10)).set("Ready", "True", "Succeeded", "a");
        let mut after = before.clone();
        Conditions::new(&mut after, Some(1), at(20)).set("Ready", "True", "Succeeded", "b");
        Conditions::new(&mut after, Some(1), at(20)).set("Stalled", "Unknown", "Progressing", "");
        assert!(transitions(&before, &after).is_empty());
        Conditions::new(&mut after, Some(1), at(20)).set("Ready", "False", "Conflicted", "b");
        assert_eq!(transitions(&before, &after).len(), 1);
    }
}
