//! What a figure rests on beside its own evidence: the site's PUE, and
//! intensity that is estimated. Judges nothing.

use super::Evidence;
use crate::pue::FacilityPue;
use crate::regulation::{Metric, Rule};
use crate::series::Basis;

/// The site's PUE, if the rule is about it or about a sum that it is a factor
/// of.
pub(super) fn pue<'a>(rule: &Rule, evidence: &Evidence<'a>) -> Option<&'a FacilityPue> {
    let is_factor = || {
        let account = evidence.account;
        account.is_some_and(|sum| sum.facility_energy.value != sum.it_energy.value)
    };
    match rule.metric {
        Metric::Pue => evidence.pue,
        Metric::EnergyBudget | Metric::CarbonBudget | Metric::ReductionPath | Metric::Sci => {
            evidence.pue.filter(|_| is_factor())
        }
        _ => None,
    }
}

/// Share of the energy whose intensity is an estimate; `None` of a figure that
/// no intensity of the grid is in.
pub(super) fn estimated_percent(rule: &Rule, evidence: &Evidence<'_>) -> Option<f64> {
    let is_priced = matches!(
        rule.metric,
        Metric::GridIntensity | Metric::CarbonBudget | Metric::ReductionPath | Metric::Sci
    );
    let account = evidence.account?;
    (is_priced && rule.basis == Basis::Location).then(|| account.estimated_percent())
}
