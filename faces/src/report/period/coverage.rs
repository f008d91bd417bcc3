//! How much of a time was seen, as far as the rows of energy tell it; pure.
//!
//! Of a cluster's policy the rows are those of all nodes, so a node that was
//! silent in between lowers it, as it does in a status. Of one namespace the
//! rows are those of its own pods, which come and go: there an hour counts as
//! seen if any of them used energy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tanso_carbon::account::Coverage;
use tanso_carbon::calendar::{Period, UtcHour};

use crate::view::{Energy, Policy};

/// Hours that have energy, by node; under one name where nodes are not told
/// apart.
pub(super) struct Seen(BTreeMap<Arc<str>, BTreeSet<UtcHour>>);

impl Seen {
    /// The hours of a report's time.
    pub(super) fn of(policy: &Policy, energy: &Energy, period: Period) -> Self {
        let together: Arc<str> = Arc::from("");
        let mut hours: BTreeMap<Arc<str>, BTreeSet<UtcHour>> = BTreeMap::new();
        for row in energy.rows.iter().filter(|row| period.contains(row.hour)) {
            let node = match policy.namespace {
                None => &row.node,
                Some(_) => &together,
            };
            hours.entry(Arc::clone(node)).or_default().insert(row.hour);
        }
        Self(hours)
    }

    /// The node hours of a period that were seen, of those between each node's
    /// first and last. Hours in which no node is known are missing on as many
    /// as there are on average in the others.
    pub(super) fn coverage(&self, period: Period) -> Coverage {
        let (mut expected, mut with_data, mut spans) = (0, 0, Vec::new());
        for node in self.0.values() {
            let mut within = node.range(period.from..period.until.max(period.from));
            let count = within.clone().count();
            let Some(first) = within.next() else {
                continue;
            };
            let until = within.next_back().unwrap_or(first).plus_hours(1);
            expected += hours(*first, until);
            with_data += u64::try_from(count).unwrap_or(u64::MAX);
            spans.push((*first, until));
        }
        let known = within_any(spans);
        let blind = u64::from(period.hour_count()).saturating_sub(known);
        // As many nodes as in the known hours, at least one.
        let nodes = expected.div_ceil(known.max(1)).max(1);
        Coverage::new(expected + blind.saturating_mul(nodes), with_data)
    }
}

/// The end of the hours that can have data: that of the last evaluation, or of
/// the last row of energy if that is later.
pub(crate) fn data_end(policy: &Policy, energy: &Energy) -> Option<UtcHour> {
    let booked = energy.rows.iter().map(|row| row.hour.plus_hours(1)).max();
    let evaluated = policy.status.data_through.as_ref().map(|at| {
        // The end of a minute is of the hour that it ends.
        UtcHour::from_unix_seconds(at.0.as_second().saturating_sub(1)).plus_hours(1)
    });
    booked.max(evaluated)
}

/// The part of a period before that end: hours to come are not missing.
pub(crate) fn so_far(period: Period, end: Option<UtcHour>) -> Period {
    let end = end.unwrap_or(period.until);
    Period {
        until: period.until.min(end).max(period.from),
        ..period
    }
}

/// The hours that lie within any of these spans.
fn within_any(mut spans: Vec<(UtcHour, UtcHour)>) -> u64 {
    spans.sort_unstable();
    let (mut known, mut end) = (0, None);
    for (first, until) in spans {
        let from = end.map_or(first, |end: UtcHour| end.max(first));
        known += hours(from, until);
        end = Some(end.map_or(until, |end| end.max(until)));
    }
    known
}

/// Hours between two; none where the second is not later.
fn hours(from: UtcHour, until: UtcHour) -> u64 {
    u64::try_from(until.hours_since(from)).unwrap_or(0)
}
