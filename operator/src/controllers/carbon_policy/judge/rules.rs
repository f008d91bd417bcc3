//! Each rule over its own period, with the places of that period's energy;
//! pure.

use std::cmp::Reverse;

use tanso_carbon::account::{Account, EnergyRow, account};
use tanso_carbon::calendar::Period;
use tanso_carbon::regulation::{Metric, Preset, Rule};
use tanso_carbon::verdict::{Evidence, Judgement, Reason};
use tanso_carbon::{GramsCo2e, judge as judge_rule};
use tanso_crds::carbon_policy::status::{PlaceShare, RegulationResult};
use tanso_faces::answer::beside::market as market_based;
use tanso_power::Estimate;

use super::coverage::{self, Since, coverage};
use super::group::Grouped;
use super::{Inputs, beside, figures, local_day};

/// Most lines of a status: what has more no API server takes, and the policy
/// would have no status any more.
const LINES_MAX: usize = 32;

/// A rule with what was found.
pub(super) struct Judged<'a> {
    pub(super) preset: &'a Preset,
    pub(super) rule: &'a Rule,
    pub(super) judgement: Judgement,
    /// Where the energy of its own period was used.
    places: Vec<PlaceShare>,
}

/// The lines of a status in the order of their rules, and how many it has no room
/// for: of more than fit the worst are there, and last what is only context.
pub(super) fn lines(judged: Vec<Judged<'_>>) -> (Vec<RegulationResult>, usize) {
    let left = judged.len().saturating_sub(LINES_MAX);
    let mut numbered: Vec<_> = judged.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, one)| {
        let Judgement {
            verdict, reason, ..
        } = &one.judgement;
        let is_context = matches!(reason, Reason::NoLimit | Reason::ContextOnly);
        (is_context, Reverse(verdict.severity()))
    });
    numbered.truncate(LINES_MAX);
    numbered.sort_by_key(|(number, _)| *number);
    let lines = numbered.into_iter().map(|(_, one)| one.result());
    (lines.collect(), left)
}

impl Judged<'_> {
    /// For a status.
    fn result(self) -> RegulationResult {
        RegulationResult {
            places: self.places,
            ..figures::regulation(self.preset, self.rule, &self.judgement)
        }
    }
}

/// Each rule in force, judged by the energy of all selected workloads.
pub(super) fn judge_all<'a>(
    inputs: &'a Inputs<'_>,
    grouped: &Grouped<'_>,
    of_window: &Account,
    embodied: Option<Estimate<GramsCo2e>>,
) -> Vec<Judged<'a>> {
    let mut judged = Vec::new();
    for preset in &inputs.policy.presets {
        let day = local_day(preset, inputs.data_through);
        for rule in preset.on(day) {
            let period = match preset.period(rule, day) {
                // The units that were served are those of the window.
                Ok(Some(period)) if !rule.metric.is_facility() && rule.metric != Metric::Sci => {
                    period
                }
                _ => inputs.window,
            };
            let since = Since::of(rule);
            let (of_period, places) = match within(inputs, (grouped, of_window), period, since) {
                Some(found) => (Some(found.account), found.places),
                None => (None, Vec::new()),
            };
            let account = of_period.as_ref().unwrap_or(of_window);
            let judgement = judge_by(inputs, (rule, period), account, embodied, day);
            judged.push(Judged {
                preset,
                rule,
                judgement,
                places,
            });
        }
    }
    judged
}

/// A rule judged by the account of its period.
fn judge_by(
    inputs: &Inputs<'_>,
    (rule, period): (&Rule, Period),
    account: &Account,
    embodied: Option<Estimate<GramsCo2e>>,
    day: jiff::civil::Date,
) -> Judgement {
    let beside = &inputs.policy.accounting;
    let market = beside.market.as_ref();
    // What is delivered later has matched nothing yet.
    let matched = Period {
        until: period.until.min(inputs.window.until),
        ..period
    };
    let market = market.map(|by| market_based(by, account, matched));
    let evidence = Evidence {
        account: Some(account),
        market: market.as_ref(),
        pue: inputs.policy.pue.as_ref(),
        indicators: &beside.indicators,
        base_year_grams: beside.base_year_grams,
        functional_units: beside.units.as_ref().map(|units| units.count),
        embodied,
    };
    let mut judgement = judge_rule(rule, &evidence, inputs.policy.thresholds, day);
    let since = Since::of(rule);
    if since != Since::FirstRecord
        && !rule.metric.is_facility()
        && let Some(missing) = coverage::missing_in_words(inputs, period, since)
    {
        judgement.message = format!("{}; {missing}", judgement.message);
    }
    judgement
}

/// The account of a rule's own time, and where its energy was used.
struct Within {
    account: Account,
    places: Vec<PlaceShare>,
}

/// The account of a rule's own period, or of the window with its whole length
/// as what should be known; `None` where it is the window's own.
fn within(
    inputs: &Inputs<'_>,
    (grouped, of_window): (&Grouped<'_>, &Account),
    period: Period,
    since: Since,
) -> Option<Within> {
    if period == inputs.window && since == Since::FirstRecord {
        return None;
    }
    let covered = coverage(inputs, period, since);
    if period == inputs.window {
        // Its places are the status's own.
        return Some(Within {
            account: Account {
                coverage: covered,
                ..of_window.clone()
            },
            places: Vec::new(),
        });
    }
    let earlier = inputs.snapshot.earlier.iter();
    let earlier = earlier.filter(|row| period.contains(row.hour));
    let rows = grouped.rows_of(inputs.policy, inputs.snapshot, period);
    let rows: Vec<EnergyRow> = earlier.copied().chain(rows).collect();
    Some(Within {
        places: beside::places_of(inputs.policy, &rows),
        account: account(&rows, &inputs.policy.places(), covered),
    })
}
