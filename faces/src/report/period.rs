//! A policy over another time than its window: the ledger's rows of that time
//! priced and judged as the operator does it, in place of its status. Also the
//! rows as a table for `kubectl tanso whatif` (`tables`).
//!
//! What such a report says was computed when it was made; that of the window
//! is the status.

pub(crate) mod coverage;
pub(crate) mod placed;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::account::{Account, Coverage, EnergyRow, Place, account};
use tanso_carbon::calendar::{CalendarError, Period, UtcHour, local_day};
use tanso_carbon::regulation::Metric;
use tanso_carbon::verdict::{Evidence, Judgement, combine};
use tanso_carbon::{GramsCo2e, Rule, RuleSet, Thresholds, judge};
use tanso_crds::carbon_policy::status::{
    Bounded, CarbonPolicyStatus, IntensityProvenance, RegulationResult, SciFigures, SettledRun,
    UsedSource, Verdict, WorkloadResult,
};

use crate::answer::figures::{bounded, figures, milligrams, regulation};
use crate::answer::presets::Presets;
use crate::answer::{beside, sources};
use crate::pue;
use crate::view::{Energy, EnergyAccount, EnergyHour, Market, Policy, Site, WorkloadKey};
use crate::words::float;
use coverage::{Seen, data_end, so_far};
pub use tables::{energy_table, intensity_table};
use tanso_power::Estimate;

/// A local day, month or year: `2026-06-15`, `2026-06`, `2026`.
///
/// # Errors
/// If it is none.
pub fn parse(text: &str, site: &Site) -> Result<Period, PeriodError> {
    let wrong = || PeriodError::Unreadable(text.to_owned());
    let day = |text: &str| text.parse::<Date>().map_err(|_| wrong());
    let zone = &site.time_zone;
    Ok(match text.split('-').count() {
        3 => Period::local_day(day(text)?, zone)?,
        2 => Period::local_month(day(&format!("{text}-01"))?, zone)?,
        _ => Period::local_year(text.parse().map_err(|_| wrong())?, zone)?,
    })
}

/// What a market-based sum is made with. Contracts are of one market, so there
/// is none where energy was used in several.
fn market_of(site: &Site) -> Option<&Market> {
    let market = site.beside.market.as_ref();
    market.filter(|_| site.others.is_empty())
}

/// The nodes' embodied emissions that belong to rows.
fn embodied(site: &Site, rows: &[&EnergyHour]) -> Option<Estimate<GramsCo2e>> {
    let hardware = site.beside.hardware.as_ref()?;
    let reserved = rows.iter().map(|row| beside::OnNode {
        node: &row.node,
        gives: site.beside.gives(&row.node, row.hour),
        millicore_seconds: row.asked_millicore_seconds,
    });
    // One that is not whole is none.
    beside::embodied_by_size(hardware, reserved).ok()
}

/// Who spoke for the hours of rows at the site.
fn sources_of(site: &Site, rows: &[&EnergyHour]) -> Vec<UsedSource> {
    let here = rows
        .iter()
        .filter(|row| site.place_of(&row.node, row.hour) == 0);
    sources::used(&*site.intensity.series, here.map(|row| row.hour))
}

/// Whole hours between two instants.
///
/// # Errors
/// If the second is not after the first.
pub fn between(from: Timestamp, until: Timestamp) -> Result<Period, PeriodError> {
    let last = UtcHour::from_unix_seconds(until.as_second().saturating_sub(1));
    let period = Period {
        from: UtcHour::containing(from),
        until: last.plus_hours(1),
    };
    if period.until <= period.from {
        return Err(PeriodError::Empty { from, until });
    }
    Ok(period)
}

/// Why there is no such time.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PeriodError {
    /// It is no day, month or year.
    #[error(
        "period \"{0}\"; accepted are a day, a month or a year, as in 2026-06-15, 2026-06, 2026"
    )]
    Unreadable(String),
    /// It ends before it begins.
    #[error("from {from} until {until} is no time; accepted is an end after the begin")]
    Empty {
        /// The begin.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// It is outside the calendar.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// Nothing was booked then.
    #[error("the ledger has no energy of the policy's workloads from {from} until {until}")]
    NoEnergy {
        /// The first hour.
        from: UtcHour,
        /// The hour after the last.
        until: UtcHour,
    },
}

/// A policy whose status is about another time.
#[derive(Clone, Debug)]
pub struct Restated {
    /// The policy with that status.
    pub policy: Policy,
    /// Its workloads, largest emissions first.
    pub workloads: Vec<WorkloadResult>,
    /// The nodes' embodied emissions that belong to them.
    pub embodied: Option<Bounded>,
}

/// Prices and judges what was booked within a period, which served so many
/// functional units, if somebody says it.
///
/// # Errors
/// If nothing was.
pub fn restate(
    policy: &Policy,
    judged: &[WorkloadResult],
    energy: &Energy,
    site: &Site,
    rules: &RuleSet,
    (period, units): (Period, Option<i64>),
) -> Result<Restated, PeriodError> {
    let rows: Vec<&EnergyHour> = rows_of(policy, judged, energy)
        .filter(|row| period.contains(row.hour))
        .collect();
    let last = rows.iter().map(|row| row.hour).max();
    let Period { from, until } = period;
    let last = last.ok_or(PeriodError::NoEnergy { from, until })?;
    let (seen, end) = (Seen::of(policy, energy, period), data_end(policy, energy));
    let embodied = embodied(site, &rows);
    let terms = Terms {
        places: site.places(),
        units: units.map(float),
        embodied,
        period,
        coverage: seen.coverage(so_far(period, end)),
        end,
        seen,
        presets: Presets::of(policy, rules),
        thresholds: Thresholds {
            min_coverage_percent: f64::from(policy.spec.evidence.min_coverage_percent),
            max_estimated_percent: f64::from(policy.spec.evidence.max_estimated_percent),
        },
        base_year_grams: policy
            .spec
            .accounting
            .base_year
            .as_ref()
            .map(|base| base.tonnes * 1e6),
        site,
        last: last.start(),
    };
    let mut by_workload: BTreeMap<Arc<WorkloadKey>, Vec<&EnergyHour>> = BTreeMap::new();
    for row in &rows {
        if let EnergyAccount::Workload(key) = &row.account {
            by_workload.entry(Arc::clone(key)).or_default().push(row);
        }
    }
    let one = |(key, rows): (&Arc<WorkloadKey>, &Vec<&EnergyHour>)| {
        let known = judged.iter().find(|one| key.is_of(one));
        terms.workload(key, rows, known)
    };
    let mut workloads: Vec<_> = by_workload.iter().map(one).collect();
    workloads.sort_by_key(|one| std::cmp::Reverse(one.figures.emissions_milligrams.value));
    let (sum, cpu_ms) = terms.account(&rows, period);
    let (regulations, verdict, _) = terms.judge(&rows, &sum, |_| true);
    let before = &policy.status;
    let by = market_of(site);
    let market = by.map(|by| beside::market_figures(by, &beside::market(by, &sum, period), &sum));
    let status = CarbonPolicyStatus {
        observed_generation: before.observed_generation,
        verdict: Some(verdict),
        data_through: Some(Time(last.plus_hours(1).start())),
        ledger_revision: energy.revision,
        totals: Some(figures(&sum, cpu_ms)),
        pue: site
            .pue
            .as_ref()
            .map(|used| pue::figure(used, site.metering)),
        market,
        software_carbon_intensity: terms.sci(policy, &sum),
        recommendations: before.recommendations.clone(),
        regulations,
        places: placed::places(site, &rows),
        intensity: before.intensity.clone().map(|from| IntensityProvenance {
            sources: sources_of(site, &rows),
            ..from
        }),
        ..CarbonPolicyStatus::default()
    };
    Ok(Restated {
        policy: Policy {
            status,
            ..policy.clone()
        },
        workloads,
        embodied: embodied.map(|mass| bounded(mass, milligrams)),
    })
}

/// The rows of the workloads that a policy is about: of its namespace (of a
/// cluster's policy: of those whose workloads it judged), of its kinds; with
/// labels in the selector of those workloads alone that it judged.
fn rows_of<'a>(
    policy: &'a Policy,
    judged: &'a [WorkloadResult],
    energy: &'a Energy,
) -> impl Iterator<Item = &'a EnergyHour> {
    let namespaces: BTreeSet<&str> = match &policy.namespace {
        Some(own) => [own.as_str()].into(),
        None => judged.iter().map(|one| one.namespace.as_str()).collect(),
    };
    let by_label = !policy.spec.selector.match_labels.is_empty();
    let kinds = &policy.spec.selector.kinds;
    energy.rows.iter().filter(move |row| match &row.account {
        EnergyAccount::Workload(key) => {
            namespaces.contains(key.namespace.as_str())
                && (kinds.is_empty() || kinds.contains(&key.kind))
                && (!by_label || judged.iter().any(|one| key.is_of(one)))
        }
        EnergyAccount::Named(_) => false,
    })
}

/// What rows are priced and judged by.
struct Terms<'a> {
    places: Vec<Place<'a>>,
    /// What the report is about.
    period: Period,
    /// Hours of it that have energy.
    seen: Seen,
    /// How much of its hours so far that is.
    coverage: Coverage,
    /// The end of the hours that can have data.
    end: Option<UtcHour>,
    presets: Presets,
    thresholds: Thresholds,
    base_year_grams: Option<f64>,
    /// Functional units that the report's time served.
    units: Option<f64>,
    /// The hardware's part of that time.
    embodied: Option<Estimate<GramsCo2e>>,
    site: &'a Site,
    last: Timestamp,
}

impl Terms<'_> {
    /// The account of a period's rows, and their CPU time in milliseconds.
    fn account(&self, rows: &[&EnergyHour], period: Period) -> (Account, i64) {
        let rows = || rows.iter().filter(|row| period.contains(row.hour));
        let priced = |row: &&EnergyHour| EnergyRow {
            hour: row.hour,
            place: self.site.place_of(&row.node, row.hour),
            energy: row.energy,
            provenance: row.provenance,
        };
        let energy: Vec<EnergyRow> = rows().map(priced).collect();
        let cpu_us: u64 = rows().map(|row| row.cpu_us).sum();
        let coverage = if period == self.period {
            self.coverage
        } else {
            self.seen.coverage(so_far(period, self.end))
        };
        let sum = account(&energy, &self.places, coverage);
        (sum, i64::try_from(cpu_us / 1_000).unwrap_or(i64::MAX))
    }

    /// A workload's figures of the period, with the advice of its last
    /// evaluation and the runs of the period that are settled.
    fn workload(
        &self,
        key: &WorkloadKey,
        rows: &[&EnergyHour],
        known: Option<&WorkloadResult>,
    ) -> WorkloadResult {
        let (sum, cpu_ms) = self.account(rows, self.period);
        let (_, verdict, reason) = self.judge(rows, &sum, Rule::is_of_workload);
        WorkloadResult {
            namespace: key.namespace.clone(),
            kind: key.kind.clone(),
            name: key.name.clone(),
            verdict,
            reason,
            pods: 0,
            figures: figures(&sum, cpu_ms),
            together_milligrams_per_day: known.and_then(|one| one.together_milligrams_per_day),
            in_parts: known.and_then(|one| one.in_parts.clone()),
            settled: known.map_or_else(Vec::new, |one| self.settled(one)),
            advice_outcomes: known.map_or_else(Vec::new, |one| one.advice_outcomes.clone()),
            recommendations: known.map_or_else(Vec::new, |one| one.recommendations.clone()),
            no_advice: known.map_or_else(Vec::new, |one| one.no_advice.clone()),
        }
    }

    /// The software carbon intensity, where hardware and units are known.
    fn sci(&self, policy: &Policy, sum: &Account) -> Option<SciFigures> {
        let named = policy.spec.accounting.functional_unit.as_ref();
        let unit = named.map_or("unit", |unit| unit.name.as_str());
        let made = beside::MadeWith {
            embodied: self.embodied?,
            hardware: self.site.beside.hardware.as_ref()?,
            intensity: self.site.intensity.series.info(),
            units: (self.units?, unit),
        };
        let found = beside::sci_figures(sum, &made);
        found
            .inspect_err(|why| tracing::debug!(why, "no software carbon intensity"))
            .ok()
    }

    /// Runs that began within the period.
    fn settled(&self, of: &WorkloadResult) -> Vec<SettledRun> {
        let began = |run: &&SettledRun| {
            let hour = UtcHour::containing(run.started.0);
            self.period.contains(hour)
        };
        of.settled.iter().filter(began).cloned().collect()
    }

    /// The verdict of each rule that is asked for, over its own period: what
    /// the report does not have of it is missing. Then that over all, and why.
    fn judge(
        &self,
        rows: &[&EnergyHour],
        sum: &Account,
        wanted: impl Fn(&Rule) -> bool,
    ) -> (Vec<RegulationResult>, Verdict, String) {
        let (mut results, mut judgements) = (Vec::new(), Vec::<Judgement>::new());
        for preset in &self.presets.known {
            let day = local_day(self.last, &preset.zone);
            for rule in preset.on(day).into_iter().filter(|rule| wanted(rule)) {
                let own = preset.period(rule, day).ok().flatten();
                let own = own.filter(|own| *own != self.period && !rule.metric.is_facility());
                let of_own = own.map(|own| self.account(rows, own).0);
                // Half a year emits half of a base year, and reduces nothing.
                let whole = (rule.metric == Metric::ReductionPath).then(|| Account {
                    coverage: self.seen.coverage(own.unwrap_or(self.period)),
                    ..of_own.as_ref().unwrap_or(sum).clone()
                });
                let account = whole.as_ref().or(of_own.as_ref()).unwrap_or(sum);
                // What is delivered after the data's end has matched nothing yet.
                let within = own.unwrap_or(self.period);
                let matched = Period {
                    until: within
                        .until
                        .min(UtcHour::containing(self.last).plus_hours(1)),
                    ..within
                };
                let market = market_of(self.site).map(|by| beside::market(by, account, matched));
                let evidence = Evidence {
                    account: Some(account),
                    market: market.as_ref(),
                    indicators: &self.site.beside.indicators,
                    pue: self.site.pue.as_ref(),
                    base_year_grams: self.base_year_grams,
                    // Units are known of the report's own time only.
                    functional_units: self.units.filter(|_| of_own.is_none()),
                    embodied: self.embodied.filter(|_| of_own.is_none()),
                };
                let judgement = judge(rule, &evidence, self.thresholds, day);
                results.push(regulation(preset, rule, &judgement));
                judgements.push(judgement);
            }
        }
        results.extend(self.presets.unread_results());
        let (verdict, reason) = self.presets.verdict(&combine(&judgements));
        (results, verdict, reason)
    }
}

#[cfg(test)]
mod tests;
