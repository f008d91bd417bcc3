//! What was looked for and is not advised, of all workloads by kind and
//! reason: zero is said, and in a few lines however many workloads there are;
//! pure.

use std::collections::BTreeMap;

use tanso_carbon::recommend::{Action, NoAdvice, WhyNot};
use tanso_crds::carbon_policy::status::NoAdviceCount;

use super::advise::Counted;
use super::figures::short;
use super::group::Key;
use crate::ledger::AdviceRow;

/// Most lines of a status.
const LINES_MAX: usize = 32;
/// Longest example.
const MESSAGE_MAX: usize = 256;

/// Counts with an example each, and the advice on requests that there is.
#[derive(Debug, Default)]
pub(super) struct Tally {
    without: BTreeMap<(&'static str, &'static str), Count>,
    told: Vec<AdviceRow>,
}

#[derive(Debug, Default)]
struct Count {
    workloads: i64,
    /// Emissions of the workload that the example is of, milligrams.
    emissions: i64,
    example: String,
}

impl Tally {
    /// Notes that a workload has no advice of a kind. The example is of the one
    /// that emits most.
    pub(super) fn note(&mut self, why: &Counted, of: Key<'_>, emissions: i64) {
        let line = self.line(why.action, why.reason);
        if line.workloads == 0 || emissions > line.emissions {
            line.emissions = emissions;
            line.example = format!("{} {}/{}: {}", of.kind, of.namespace, of.name, why.message);
        }
        line.workloads = line.workloads.saturating_add(1);
    }

    /// Notes why there is no advice about the cluster as a whole.
    pub(super) fn note_whole(&mut self, action: Action, why: &NoAdvice) {
        let line = self.line(action, why.reason);
        line.example.clone_from(&why.message);
    }

    /// Notes advice on a workload's requests.
    pub(super) fn told(&mut self, rows: Vec<AdviceRow>) {
        self.told.extend(rows);
    }

    /// All advice on requests that was noted.
    pub(super) fn take_told(&mut self) -> Vec<AdviceRow> {
        std::mem::take(&mut self.told)
    }

    fn line(&mut self, action: Action, reason: WhyNot) -> &mut Count {
        let key = (action.as_str(), reason.as_str());
        self.without.entry(key).or_default()
    }

    /// For a status.
    pub(super) fn lines(self) -> Vec<NoAdviceCount> {
        let line = |((action, reason), count): ((&str, &str), Count)| NoAdviceCount {
            action: action.to_owned(),
            reason: reason.to_owned(),
            workloads: count.workloads,
            example: short(&count.example, MESSAGE_MAX),
        };
        self.without.into_iter().map(line).take(LINES_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::advise::Message;
    use super::*;

    #[test]
    fn the_example_is_of_the_workload_that_emits_most_and_all_are_counted() {
        let mut tally = Tally::default();
        for (name, emissions) in [("small", 3), ("large", 70), ("middle", 9)] {
            let of = Key {
                namespace: "shop",
                kind: "CronJob",
                name,
            };
            let why = Counted {
                action: Action::ShiftInTime,
                reason: WhyNot::SavesTooLittle,
                message: Message::Said(format!("{name} saves 0.0 %")),
            };
            tally.note(&why, of, emissions);
        }
        let whole = NoAdvice {
            reason: WhyNot::NotApplicable,
            message: "the cluster has one node".to_owned(),
        };
        tally.note_whole(Action::Consolidate, &whole);
        let lines = tally.lines();
        let [consolidate, shift] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!((consolidate.workloads, shift.workloads), (0, 3));
        assert_eq!(consolidate.example, "the cluster has one node");
        assert_eq!(shift.example, "CronJob shop/large: large saves 0.0 %");
        assert_eq!(shift.reason, "SavesTooLittle");
    }
}
