//! Conditions: setting, finding, and telling what changed.
//!
//! `lastTransitionTime` moves with the status only, so that a status that says
//! the same is the same and need not be written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message that the API accepts.
const MESSAGE_LIMIT: usize = 32_768;

/// Sets one condition, keeping its place and, while its status stays, its
/// time. `status` is `True`, `False` or `Unknown`.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    // RFC 3339 with whole seconds is what the API keeps.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let last = conditions.iter().find(|c| c.type_ == type_);
    let last_transition_time = match last {
        Some(last) if last.status == status => last.last_transition_time.clone(),
        _ => Time(now),
    };
    let next = Condition {
        last_transition_time,
        message: shortened(message),
        observed_generation: generation,
        reason: reason.to_owned(),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    match conditions.iter_mut().find(|c| c.type_ == type_) {
        Some(place) => *place = next,
        None => conditions.push(next),
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

fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_LIMIT).collect()
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
        set_condition(
            &mut all,
            "Ready",
            "Unknown",
            "Progressing",
            "",
            Some(1),
            at(10),
        );
        set_condition(
            &mut all,
            "Ready",
            "Unknown",
            "Other",
            "now",
            Some(2),
            at(20),
        );
        assert_eq!(all[0].last_transition_time, Time(at(10)));
        assert_eq!(all[0].observed_generation, Some(2));
        set_condition(&mut all, "Ready", "True", "Succeeded", "", Some(2), at(30));
        assert_eq!(all[0].last_transition_time, Time(at(30)));
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn a_transition_is_a_change_of_status_or_reason() {
        let mut before = Vec::new();
        set_condition(
            &mut before,
            "Ready",
            "True",
            "Succeeded",
            "a",
            Some(1),
            at(10),
        );
        let mut after = before.clone();
        set_condition(
            &mut after,
            "Ready",
            "True",
            "Succeeded",
            "b",
            Some(1),
            at(20),
        );
        set_condition(
            &mut after,
            "Stalled",
            "Unknown",
            "Progressing",
            "",
            Some(1),
            at(20),
        );
        assert!(transitions(&before, &after).is_empty());
        set_condition(
            &mut after,
            "Ready",
            "False",
            "Conflicted",
            "b",
            Some(1),
            at(20),
        );
        assert_eq!(transitions(&before, &after).len(), 1);
    }
}
