//! Each rule judged over its own period by the hours of that period: a year's
//! limit is not kept by a clean June. Never decides what counts as evidence.

use serde::Serialize;

use super::{Inputs, Lines, PerUnit};
use crate::account::{Account, Place};
use crate::calendar::{Period, local_day};
use crate::market::{MarketAccount, market_based};
use crate::regulation::{Metric, Preset, Rule};
use crate::verdict::{Evidence, Judgement, judge};

/// A verdict with the time that it is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The rule's period; the report's own where the rule has none.
    pub period: Period,
    /// Share of it that has energy.
    pub coverage_percent: f64,
    /// The verdict.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// What the rules are held against.
pub(super) struct Case<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) period: Period,
    /// All lines of the table: a rule's period may be longer than the report's.
    pub(super) lines: &'a Lines<'a>,
    pub(super) places: &'a [Place<'a>],
    /// The account of the report's period.
    pub(super) sum: &'a Account,
    pub(super) market: Option<&'a MarketAccount>,
    pub(super) per_unit: PerUnit,
}

/// Judges all rules that are to be judged on the last local day.
pub(super) fn judge_all(case: &Case<'_>) -> Vec<Judged> {
    let passed = case.inputs.passed(case.period);
    let last = passed.until.plus_hours(-1).start();
    let of_preset = |preset: &Preset| {
        let day = local_day(last, &preset.zone);
        let rules = preset.on(day).into_iter();
        let judged = rules.map(|rule| {
            // What is served and embodied is known for the report's period only.
            let is_own = !rule.metric.is_facility() && rule.metric != Metric::Sci;
            let own = preset.period(rule, day).ok().flatten();
            let own = own.filter(|own| is_own && *own != case.period);
            case.judge(rule, own, day)
        });
        judged.collect::<Vec<_>>()
    };
    case.inputs.presets.iter().flat_map(of_preset).collect()
}

impl Case<'_> {
    fn judge(&self, rule: &Rule, own: Option<Period>, day: jiff::civil::Date) -> Judged {
        let of_own = own.map(|period| self.account_of(rule, period));
        // An intensity of the report's period is about what is in the table; any
        // other figure is about all of its time.
        let since_begin =
            (of_own.is_none() && rule.metric != Metric::GridIntensity).then(|| self.since_begin());
        let (account, market) = match &of_own {
            Some((account, market)) => (account, market.as_ref()),
            None => (since_begin.as_ref().unwrap_or(self.sum), self.market),
        };
        let inputs = self.inputs;
        let evidence = Evidence {
            account: Some(account),
            market,
            pue: inputs.pue,
            indicators: inputs.indicators,
            base_year_grams: inputs.base_year_grams,
            functional_units: self.per_unit.units,
            embodied: self.per_unit.embodied,
        };
        let mut judgement = judge(rule, &evidence, inputs.thresholds, day);
        let unknown = account.unknown_provenance_percent();
        if unknown > 0.0 && judgement.value.is_some() && !rule.metric.is_facility() {
            judgement.message = format!(
                "{}; of {unknown:.1} % of the energy nobody says whether it was measured",
                judgement.message
            );
        }
        Judged {
            period: own.unwrap_or(self.period),
            coverage_percent: account.coverage.percent(),
            judgement,
        }
    }

    /// The account of the report's period with its whole time as what should be
    /// known.
    fn since_begin(&self) -> Account {
        let passed = self.inputs.passed(self.period);
        Account {
            coverage: self.lines.coverage_since_begin(passed),
            ..self.sum.clone()
        }
    }

    fn account_of(&self, rule: &Rule, period: Period) -> (Account, Option<MarketAccount>) {
        // Half a year emits half of a base year, and reduces nothing.
        let should_be_known = match rule.metric {
            Metric::ReductionPath => period,
            _ => self.inputs.passed(period),
        };
        let coverage = self.lines.coverage_since_begin(should_be_known);
        let sum = self.lines.within(period).account(self.places, coverage);
        // What contracts deliver after the table's end has matched nothing yet.
        let matched = Period {
            until: period.until.min(self.inputs.energy.period().until),
            ..period
        };
        let market = self.inputs.market.as_ref();
        let market =
            market.map(|by| market_based(&sum, matched, by.contracts, by.matching, by.residual));
        (sum, market)
    }
}
