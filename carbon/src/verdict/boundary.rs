//! Figures of one boundary against a limit of the other: direct emissions are
//! a part of those of the life cycle, so each proves one side of a limit and
//! leaves the other open. Never computes a figure.

use tanso_power::Joules;

use super::{Evidence, Reason, Verdict};
use crate::regulation::{Op, Rule};
use crate::series::Boundary;

/// How a sum's figures differ from the boundary that a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Differs {
    /// The boundary of the figures that the limit is not about.
    figures: Boundary,
    /// Whether others of the sum are of the limit's boundary.
    is_in_part: bool,
}

/// `None` of a rule that names no boundary, and where all figures have it.
pub(super) fn differs(rule: &Rule, evidence: &Evidence<'_>) -> Option<Differs> {
    let (limit, account) = (rule.boundary?, evidence.account?);
    let (figures, priced) = match limit {
        Boundary::LifeCycle => (Boundary::Direct, account.direct),
        Boundary::Direct => (Boundary::LifeCycle, account.life_cycle),
    };
    (priced > Joules::ZERO).then(|| Differs {
        figures,
        is_in_part: account.mixes_boundaries(),
    })
}

impl Differs {
    /// What is left of a verdict. Direct figures that break a limit of the life
    /// cycle break it all the more with the rest; those that keep it may not.
    /// Of life-cycle figures and a direct limit it is the other way round. A sum
    /// of both kinds is too low, or too high, like one of the other kind alone.
    pub(super) fn left_of(self, op: Op, (verdict, reason): (Verdict, Reason)) -> (Verdict, Reason) {
        let open = match (self.figures, op) {
            (Boundary::Direct, Op::AtMost) | (Boundary::LifeCycle, Op::AtLeast) => {
                Verdict::Compliant
            }
            (Boundary::LifeCycle, Op::AtMost) | (Boundary::Direct, Op::AtLeast) => {
                Verdict::NonCompliant
            }
        };
        match (verdict == open, self.is_in_part) {
            (false, _) => (verdict, reason),
            (true, false) => (Verdict::Inconclusive, Reason::BoundaryDiffers),
            (true, true) => (Verdict::Inconclusive, Reason::BoundariesMixed),
        }
    }

    /// After a semicolon.
    pub(super) const fn in_words(self) -> &'static str {
        match (self.figures, self.is_in_part) {
            (Boundary::Direct, false) => {
                "; the intensity is direct and the limit life-cycle: life-cycle figures are no lower"
            }
            (Boundary::Direct, true) => {
                "; the intensity is in part direct and the limit life-cycle: life-cycle figures are no lower"
            }
            (Boundary::LifeCycle, false) => {
                "; the intensity is life-cycle and the limit direct: direct figures are no higher"
            }
            (Boundary::LifeCycle, true) => {
                "; the intensity is in part life-cycle and the limit direct: direct figures are no higher"
            }
        }
    }
}
