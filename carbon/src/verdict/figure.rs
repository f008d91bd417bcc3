//! The figure that a rule is about, an evaluator per metric, in the rule's
//! unit. Never decides whether there is enough evidence.

use jiff::civil::Date;
use tanso_power::{Estimate, Joules};

use super::Evidence;
use crate::account::{Account, of_the_whole};
use crate::regulation::{Metric, Rule};
use crate::sci::sci;
use crate::series::Basis;
use crate::units::{GramsCo2e, Pue};

/// The figure that the rule is about; `None` if what it needs was not given.
pub(super) fn figure(rule: &Rule, evidence: &Evidence<'_>) -> Option<Estimate<f64>> {
    match rule.metric {
        Metric::Pue => evidence.pue.map(|pue| pue.value.map(Pue::ratio)),
        Metric::GridIntensity => evidence.account?.effective_intensity_of_the_whole(),
        Metric::EnergyBudget => evidence.account.map(energy),
        Metric::CarbonBudget => {
            let per_unit = grams_in(&rule.unit);
            Some(emissions(rule, evidence)?.map(|grams| grams / per_unit))
        }
        Metric::Sci => per_unit(evidence),
        Metric::ReductionPath => reduction(emissions(rule, evidence)?, evidence.base_year_grams?),
        Metric::Duty => None,
        Metric::RenewableShare | Metric::Wue | Metric::Erf | Metric::Ref => {
            let mut given = evidence.indicators.iter();
            given
                .find(|one| one.stated.metric() == rule.metric)
                .map(|one| Estimate::exact(one.stated.figure()))
        }
    }
}

/// The facility energy of the whole period, kWh.
fn energy(account: &Account) -> Estimate<f64> {
    let seen = account.facility_energy.map(Joules::as_kwh_f64);
    of_the_whole(seen, account.coverage)
}

/// The emissions of the whole period in grams, by the sum the rule is about.
fn emissions(rule: &Rule, evidence: &Evidence<'_>) -> Option<Estimate<f64>> {
    let account = evidence.account?;
    let seen = match rule.basis {
        Basis::Location => account.emissions,
        Basis::Market => evidence.market?.emissions,
    };
    let seen = seen.map(GramsCo2e::as_grams_f64);
    Some(of_the_whole(seen, account.coverage))
}

fn grams_in(unit: &str) -> f64 {
    match unit {
        "tCO2eq" => 1e6,
        "kgCO2eq" => 1e3,
        _ => 1.0,
    }
}

/// The software carbon intensity, gCO2eq per functional unit.
fn per_unit(evidence: &Evidence<'_>) -> Option<Estimate<f64>> {
    let units = evidence.functional_units?;
    let found = sci(evidence.account?, evidence.embodied?, units, "unit").ok()?;
    Some(found.grams_per_unit)
}

/// The reduction against a base year, percent: the bounds change sides.
fn reduction(grams: Estimate<f64>, base: f64) -> Option<Estimate<f64>> {
    let reduction = |grams: f64| (1.0 - grams / base) * 100.0;
    (base > 0.0).then(|| Estimate {
        low: reduction(grams.high),
        value: reduction(grams.value),
        high: reduction(grams.low),
    })
}

/// The limit on a day: of a reduction path, the point of the straight line
/// from the base year to the target year.
pub(super) fn limit_on(rule: &Rule, today: Date) -> Option<f64> {
    let limit = rule.limit?;
    match (rule.metric, rule.base_year, rule.target_year) {
        (Metric::ReductionPath, Some(base), Some(target)) if base < target => {
            let years = f64::from(today.year() - base) / f64::from(target - base);
            Some(limit * years.clamp(0.0, 1.0))
        }
        _ => Some(limit),
    }
}
