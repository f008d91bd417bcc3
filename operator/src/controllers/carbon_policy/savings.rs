//! What a policy's advice comes to, in numbers; pure.
//!
//! Pieces of one workload's advice are alternatives, or act on what another
//! one left: of each workload the piece counts that does most, and no piece is
//! added to another of the same workload.

use tanso_crds::carbon_policy::status::{AdviceSavings, Recommendation, WorkloadResult};

/// What a workload's advice would do, milligrams of CO2eq per day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Savings {
    /// What the cluster would emit less, by the piece that saves it most.
    pub(super) cluster: i64,
    /// What others would bear instead, by the piece that moves most.
    pub(super) attributed: i64,
}

/// What pieces of advice for one workload would do; nothing without any.
pub(super) fn of(advice: &[Recommendation]) -> Savings {
    let most = |of: fn(&Recommendation) -> i64| advice.iter().map(of).max().unwrap_or(0).max(0);
    Savings {
        cluster: most(|piece| piece.cluster_saving_milligrams_per_day),
        attributed: most(|piece| {
            let all = piece.saving_milligrams_per_day.value;
            all.saturating_sub(piece.cluster_saving_milligrams_per_day)
        }),
    }
}

/// What all workloads' advice would do, and that about the cluster as a whole.
pub(super) fn of_policy(workloads: &[WorkloadResult], whole: &[Recommendation]) -> AdviceSavings {
    let mut sum = AdviceSavings::default();
    for workload in workloads {
        let found = of(&workload.recommendations);
        let add = |to: &mut i64, more: i64| *to = to.saturating_add(more);
        add(&mut sum.cluster_milligrams_per_day, found.cluster);
        add(&mut sum.attributed_milligrams_per_day, found.attributed);
        add(
            &mut sum.workloads,
            i64::from(!workload.recommendations.is_empty()),
        );
    }
    sum.consolidation_milligrams_per_day = of(whole).cluster;
    sum
}

#[cfg(test)]
mod tests {
    use tanso_crds::carbon_policy::status::Bounded;

    use super::super::fixture::workload;
    use super::*;

    fn piece(action: &str, cluster: i64, all: i64) -> Recommendation {
        Recommendation {
            action: action.to_owned(),
            saving_milligrams_per_day: Bounded {
                low: all / 2,
                value: all,
                high: all * 2,
            },
            cluster_saving_milligrams_per_day: cluster,
            saving_milli_percent: 0,
            confidence: "Low".to_owned(),
            basis: String::new(),
            change: String::new(),
            schedule: None,
            windows: Vec::new(),
        }
    }

    #[test]
    fn pieces_of_one_workload_are_never_added_up() {
        let advice = [
            piece("ShiftInTime", 70, 70),
            piece("Rightsize", 0, 500),
            piece("MoveRegion", 90, 90),
        ];
        let found = of(&advice);
        assert_eq!((found.cluster, found.attributed), (90, 500));
        assert_eq!(of(&[]), Savings::default());
    }

    #[test]
    fn what_would_cost_is_no_saving() {
        assert_eq!(of(&[piece("ShiftInTime", -7, -7)]), Savings::default());
    }

    #[test]
    fn a_policys_savings_are_those_of_its_workloads_with_the_nodes_apart() {
        let workloads = [
            workload("a", vec![piece("ShiftInTime", 70, 70)]),
            workload("b", vec![piece("Rightsize", 3, 500)]),
            workload("c", Vec::new()),
        ];
        let found = of_policy(&workloads, &[piece("Consolidate", 11, 11)]);
        assert_eq!(
            found,
            AdviceSavings {
                workloads: 2,
                cluster_milligrams_per_day: 73,
                attributed_milligrams_per_day: 497,
                consolidation_milligrams_per_day: 11,
            }
        );
    }
}
