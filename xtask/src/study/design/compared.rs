//! What is compared with what, and what a difference is the cost of.

use tanso_carbon::study::plan::{Comparison, Cost, Injected};

use super::arms::{IDLE, NO_EDITS};
use super::{ArmDesign, By, Design};

impl Design {
    /// Flux against the script where both get the same stream, idle arms and the
    /// script against nothing; a change against an idle day of the same interval,
    /// and edits by hand against none, as far as those arms are there.
    pub(super) fn comparisons(&self) -> Vec<Comparison> {
        let of = |arm: &ArmDesign| -> Vec<Comparison> {
            let mut bases: Vec<(String, Option<Cost>)> = Vec::new();
            bases.extend(
                arm.against()
                    .map(|base| (base.to_owned(), self.cost(arm, base))),
            );
            // More Kustomizations also against the fewest of the same arm.
            bases.extend(arm.of_fewest().map(|base| (base.to_owned(), None)));
            bases.extend(self.siblings(arm));
            let there = bases
                .into_iter()
                .filter(|(base, _)| self.arm(base).is_some());
            let comparison = |(against, cost): (String, Option<Cost>)| Comparison {
                arm: arm.name.clone(),
                against,
                placebo: arm.is_placebo(),
                injected: arm.load.then(|| Injected {
                    response: "cluster_cpu_seconds".to_owned(),
                    difference: self.load_cpu_seconds,
                }),
                cost,
            };
            there.map(comparison).collect()
        };
        self.arms.iter().flat_map(of).collect()
    }

    /// The same arm without edits, and the one without changes: of an arm with
    /// both the latter only where none is there that has changes alone.
    fn siblings(&self, arm: &ArmDesign) -> Vec<(String, Option<Cost>)> {
        let mut found = Vec::new();
        let without_edits = arm.sibling(NO_EDITS);
        let has_calm = self.arm(&without_edits).is_some();
        if arm.edits && !arm.load && !arm.is_placebo() {
            found.push((without_edits, None));
        }
        if matches!(arm.by, By::Flux { .. }) && arm.changes && !(arm.edits && has_calm) {
            found.push((arm.sibling(IDLE), Some(Cost::Change)));
        }
        found
    }

    /// What an arm costs more than nothing: of a script that makes changes alone,
    /// or of the one there is.
    fn cost(&self, arm: &ArmDesign, base: &str) -> Option<Cost> {
        if base != "nothing" {
            return None;
        }
        let has_calm = self.arm(&arm.sibling(NO_EDITS)).is_some();
        match arm.by {
            By::Script => (!arm.edits || !has_calm).then_some(Cost::Change),
            By::Flux { .. } => Some(Cost::IdleDay),
            By::Nobody => None,
        }
    }
}
