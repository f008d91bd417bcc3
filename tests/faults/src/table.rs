//! What the runs came to, in rows and one sentence.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::fault::{Fault, Plan};

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// What went wrong on purpose.
    pub plans: Vec<Plan>,
    /// How often it did.
    pub struck: u32,
    /// From start to the end state.
    pub took: Duration,
    /// What did not hold.
    pub error: Option<String>,
}

impl Row {
    /// The fault of a run that has one; runs with several are told together.
    fn fault(&self) -> Option<Fault> {
        match self.plans.as_slice() {
            [plan] => Some(plan.fault),
            _ => None,
        }
    }
}

/// A row for each fault: runs, how many were struck, how many converged, and
/// how long they took.
#[must_use]
pub fn by_fault(rows: &[Row]) -> String {
    let mut faults: BTreeMap<Option<Fault>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        faults.entry(row.fault()).or_default().push(row);
    }
    let mut text = format!(
        "{:<18}{:>6}{:>8}{:>11}{:>10}{:>10}\n",
        "FAULT", "RUNS", "STRUCK", "CONVERGED", "MEDIAN", "SLOWEST"
    );
    for (fault, rows) in faults {
        let struck = rows.iter().filter(|row| row.struck > 0).count();
        let good: Vec<&&Row> = rows.iter().filter(|row| row.error.is_none()).collect();
        let mut times: Vec<Duration> = good.iter().map(|row| row.took).collect();
        times.sort();
        let at = |index: usize| times.get(index).copied().unwrap_or_default().as_secs_f64();
        let _ = writeln!(
            text,
            "{:<18}{:>6}{struck:>8}{:>11}{:>8.1} s{:>8.1} s",
            fault.map_or_else(|| "three at once".to_owned(), |one| format!("{one:?}")),
            rows.len(),
            good.len(),
            at(times.len() / 2),
            at(times.len().saturating_sub(1)),
        );
    }
    text
}

/// The outcome in one sentence.
#[must_use]
pub fn summary(rows: &[Row], writes: usize, seed: u64, seconds: f64) -> String {
    let all = rows.iter().flat_map(|row| &row.plans);
    let faults: BTreeSet<Fault> = all.map(|plan| plan.fault).collect();
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    let verdict = if failed == 0 {
        "all converged".to_owned()
    } else {
        format!("{failed} FAILED")
    };
    format!(
        "{writes} write points × {} faults: {verdict} ({} runs, seed {seed}, {seconds:.0} s)",
        faults.len(),
        rows.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::fault::Target;

    fn row(error: Option<&str>) -> Row {
        let call = Call {
            verb: "patch",
            resource: "services".into(),
            name: "a/b".into(),
        };
        Row {
            plans: vec![Plan {
                target: Target::Every(call),
                fault: Fault::Gone,
            }],
            struck: 1,
            took: Duration::from_secs(2),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn one_failure_is_enough_to_say_so() {
        let good = [row(None)];
        assert!(summary(&good, 9, 1, 1.0).starts_with("9 write points × 1 faults: all converged"));
        let bad = [row(None), row(Some("no"))];
        assert!(summary(&bad, 9, 1, 1.0).contains("1 FAILED"));
        assert!(by_fault(&bad).contains("Gone"));
    }
}
