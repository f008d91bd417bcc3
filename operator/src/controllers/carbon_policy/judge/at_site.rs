//! Nodes that say that they are elsewhere and count as at the policy's site;
//! pure.

use std::collections::BTreeSet;

use tanso_faces::answer::figures::percent;
use tanso_faces::answer::places;

use super::ValidatedPolicy;
use super::group::Grouped;

/// How many nodes, which regions they name, and what of the energy they used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtSite {
    nodes: usize,
    regions: BTreeSet<String>,
    share_percent: i32,
}

impl AtSite {
    /// In words, with what would be accepted.
    #[must_use]
    pub fn in_words(&self) -> String {
        let regions = self.regions.iter().map(String::as_str).collect();
        places::at_site(self.nodes, &regions, Some(self.share_percent))
    }
}

/// Those nodes that used energy; `None` if there are none: what was gone before
/// the window needs no note.
pub(super) fn at_site(policy: &ValidatedPolicy, grouped: &Grouped<'_>) -> Option<AtSite> {
    let unplaced = &policy.others.at_site;
    if unplaced.is_empty() {
        return None;
    }
    let (mut all, mut here) = (0_u128, 0_u128);
    let (mut nodes, mut regions) = (BTreeSet::new(), BTreeSet::new());
    for row in grouped.rows() {
        let energy = u128::from(row.energy.value.microjoules());
        all += energy;
        // A node that moved was elsewhere in other hours.
        let node = grouped.all.node(row).filter(|_| row.place() == 0);
        let named = node.and_then(|node| Some((node, unplaced.get(node)?)));
        if let Some((node, region)) = named {
            here += energy;
            nodes.insert(node);
            regions.insert(region.as_str());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share in whole percent")]
    let share = here as f64 / all.max(1) as f64 * 100.0;
    (!nodes.is_empty()).then(|| AtSite {
        nodes: nodes.len(),
        regions: regions.into_iter().map(str::to_owned).collect(),
        share_percent: percent(share),
    })
}
