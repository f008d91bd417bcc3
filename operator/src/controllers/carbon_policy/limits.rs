//! What an object may weigh.
//!
//! etcd refuses a request above 1.5 MiB, and what is refused for its size is
//! refused for ever: a policy would have no status any more. A number of
//! workloads alone is no limit, since advice makes some of them long.

use std::io::{self, Write};

use tanso_crds::carbon_policy::status::WorkloadResult;

/// Most workloads of a page.
const ROWS_MAX: usize = 500;

/// Most bytes of a page's workloads, as JSON.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of the workloads that a status lists: its other lists may have as
/// much again.
const LISTED_BYTES_MAX: usize = 256 << 10;

/// The workloads by the page, in their order.
pub(super) fn in_pages(rows: impl Iterator<Item = WorkloadResult>) -> Vec<Vec<WorkloadResult>> {
    let mut pages: Vec<Vec<WorkloadResult>> = Vec::new();
    let mut weight = 0;
    for row in rows {
        let more = bytes(&row);
        match pages.last_mut() {
            Some(page) if page.len() < ROWS_MAX && weight + more <= PAGE_BYTES_MAX => {
                page.push(row);
                weight += more;
            }
            _ => {
                pages.push(vec![row]);
                weight = more;
            }
        }
    }
    pages
}

/// How many of the first workloads a status lists.
pub(super) fn listed(rows: &[WorkloadResult], most: usize) -> usize {
    let weights = rows.iter().take(most).scan(0, |weight, row| {
        *weight += bytes(row);
        Some(*weight)
    });
    weights
        .take_while(|weight| *weight <= LISTED_BYTES_MAX)
        .count()
}

/// The length of a workload as JSON, with the comma after it.
fn bytes(row: &WorkloadResult) -> usize {
    let mut count = Count(1);
    match serde_json::to_writer(&mut count, row) {
        Ok(()) => count.0,
        // It has a page of its own, whose write says why it cannot be.
        Err(_) => PAGE_BYTES_MAX,
    }
}

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0 += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workload with so many pieces of advice, as long as the kind lets them be.
    fn row(number: usize, advice: usize) -> WorkloadResult {
        let figure = json!({"low": 90, "value": 100, "high": 110});
        let piece = json!({
            "action": "Rightsize", "savingMilligramsPerDay": figure, "savingMilliPercent": 7,
            "confidence": "Low", "basis": "b".repeat(512), "change": "c".repeat(512),
        });
        let figures = json!({
            "energyMicrojoules": figure, "emissionsMilligrams": figure,
            "intensityMilligramsPerKwh": 417_300, "cpuMilliseconds": 1, "measuredPercent": 0,
            "modelledPercent": 100, "simulatedPercent": 0, "intensityEstimatedPercent": 0,
            "coveragePercent": 100,
        });
        serde_json::from_value(json!({
            "namespace": "shop", "kind": "Deployment", "name": format!("w-{number}"),
            "verdict": "Compliant", "reason": "WithinLimit", "pods": 1, "figures": figures,
            "recommendations": vec![piece; advice],
        }))
        .unwrap()
    }

    fn weight(rows: &[WorkloadResult]) -> usize {
        serde_json::to_vec(rows).unwrap().len()
    }

    #[test]
    fn short_workloads_are_five_hundred_a_page() {
        let pages = in_pages((0..1_200).map(|number| row(number, 0)));
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [500, 500, 200]);
        assert_eq!(in_pages(std::iter::empty()), Vec::<Vec<_>>::new());
    }

    /// Five hundred of these had 5 MB: no API server took the page, and the policy
    /// was `Unavailable` from then on.
    #[test]
    fn long_workloads_are_as_many_a_page_as_etcd_takes() {
        let all: Vec<_> = (0..1_200).map(|number| row(number, number % 9)).collect();
        let pages = in_pages(all.iter().cloned());
        for page in &pages {
            assert!(weight(page) <= PAGE_BYTES_MAX + 2, "{}", weight(page));
        }
        assert_eq!(pages.concat(), all, "each once, in their order");
        // And no more pages than that takes.
        assert!(pages.len() <= 2 * weight(&all).div_ceil(PAGE_BYTES_MAX));
    }

    #[test]
    fn a_status_lists_what_it_was_asked_for_and_no_more_than_it_can_hold() {
        let short: Vec<_> = (0..200).map(|number| row(number, 0)).collect();
        assert_eq!(listed(&short, 100), 100);
        assert_eq!(listed(&short[..3], 100), 3);
        let long: Vec<_> = (0..200).map(|number| row(number, 8)).collect();
        let count = listed(&long, 100);
        assert!((20..40).contains(&count), "{count}");
        assert!(weight(&long[..count]) <= LISTED_BYTES_MAX + 2);
    }
}
