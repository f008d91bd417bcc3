//! How much of a period was seen; pure.
//!
//! A period that a rule names is counted from its begin, also where that lies
//! before the first record of all: a ledger of a day does not know a year. A
//! intensity over the policy's own window is about what was recorded, so it
//! counts from the first record, and the answer says since when that is. A
//! software carbon intensity divides by the units of the whole window, so the
//! window's begin counts.

use tanso_carbon::account::Coverage;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::regulation::{Metric, Rule, RulePeriod};

use super::Inputs;

/// From when on hours count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// From the first record of each node.
    FirstRecord,
    /// From the period's begin.
    Begin,
    /// From the period's begin, and to its end: hours to come are missing too.
    BeginToEnd,
}

impl Since {
    /// From when on hours count for a rule.
    pub(super) fn of(rule: &Rule) -> Self {
        if rule.metric == Metric::GridIntensity && rule.period == RulePeriod::Window {
            Self::FirstRecord
        } else if rule.metric == Metric::ReductionPath {
            // Half a year emits half of a base year, and reduces nothing.
            Self::BeginToEnd
        } else {
            Self::Begin
        }
    }
}

/// Minutes of an hour.
const WHOLE: u64 = 60;

/// The node hours of a period up to the end of the data that have data, of
/// those that should, in minutes: from a node's first hour, to its last minute, or
/// to the end if its agent should be there. Hours before the first record of all
/// are missing on as many nodes as there were on average since.
pub(super) fn coverage(inputs: &Inputs<'_>, period: Period, since: Since) -> Coverage {
    let snapshot = inputs.snapshot;
    let end = period.until.min(inputs.window.until);
    let (mut expected, mut with_data) = (0, 0);
    for node in &snapshot.nodes {
        let Some(first) = snapshot.node_first.get(node.node.as_str()) else {
            continue;
        };
        let from = period.from.max(*first);
        let own_end = UtcHour::from_unix_seconds(node.closed_until.saturating_sub(1)).plus_hours(1);
        let is_expected = inputs.expected_nodes.contains(&node.node);
        let until = if is_expected { end } else { own_end.min(end) };
        expected += WHOLE * hours(from, until);
        let told_until = if is_expected {
            inputs.data_through.as_second().max(node.closed_until)
        } else {
            node.closed_until
        };
        let parts = snapshot.part_hours.get(node.node.as_str());
        let minutes = |hour: &UtcHour| match parts.and_then(|parts| parts.get(hour)) {
            // From its first record on, whenever that was.
            Some(_) if hour == first => WHOLE,
            Some(minutes) => of_hour(*hour, *minutes, told_until),
            None => WHOLE,
        };
        let seen = snapshot.node_hours.get(node.node.as_str());
        let within = seen
            .into_iter()
            .flat_map(|seen| seen.range(from..until.max(from)));
        with_data += within.map(minutes).sum::<u64>();
    }
    if since != Since::FirstRecord {
        let mut blind = blind_hours(inputs, period);
        let known = hours(period.from, end).saturating_sub(blind);
        // As many nodes as since, at least one.
        let nodes = expected.div_ceil(WHOLE * known.max(1)).max(1);
        if since == Since::BeginToEnd {
            blind += hours(end, period.until);
        }
        expected += blind.saturating_mul(nodes).saturating_mul(WHOLE);
    }
    Coverage::new(expected, with_data)
}

/// Of a whole hour as much as was seen of the part that could be: to the minute
/// up to which the node should have told.
fn of_hour(hour: UtcHour, minutes: u64, told_until: i64) -> u64 {
    let seconds = told_until.saturating_sub(hour.unix_seconds());
    let could_be = u64::try_from(seconds / 60).unwrap_or(0).clamp(1, WHOLE);
    (minutes * WHOLE / could_be).min(WHOLE)
}

/// Hours of a period, up to the end of the data, that lie before the first
/// record of all.
pub(super) fn blind_hours(inputs: &Inputs<'_>, period: Period) -> u64 {
    let end = period.until.min(inputs.window.until);
    let first = inputs.snapshot.node_first.values().min().copied();
    hours(period.from, first.unwrap_or(end).min(end))
}

/// The first hour of all that is recorded, if it lies within the window: what
/// is said of the window is about the time since.
pub(super) fn recorded_since(inputs: &Inputs<'_>) -> Option<UtcHour> {
    let first = inputs.snapshot.node_first.values().min().copied()?;
    (first > inputs.window.from).then_some(first)
}

/// What is missing of a rule's period, in words; nothing if all of it is known.
pub(super) fn missing_in_words(
    inputs: &Inputs<'_>,
    period: Period,
    since: Since,
) -> Option<String> {
    let blind = blind_hours(inputs, period);
    let first = inputs.snapshot.node_first.values().min()?;
    let end = period.until.min(inputs.window.until);
    let before = (blind > 0).then(|| {
        format!(
            "of {} h since {} the first {blind} h are missing: energy is recorded since {first}",
            hours(period.from, end),
            period.from
        )
    });
    let to_come = Some(hours(end, period.until))
        .filter(|to_come| since == Since::BeginToEnd && *to_come > 0)
        .map(|to_come| {
            format!(
                "it is about a whole period, and {to_come} h until {} are to come",
                period.until
            )
        });
    let parts: Vec<String> = before.into_iter().chain(to_come).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn hours(from: UtcHour, until: UtcHour) -> u64 {
    u64::try_from(until.hours_since(from)).unwrap_or(0)
}
