//! Rows, series and rules become verdicts and advice; pure.
//!
//! Every figure comes from the ledger's rows of one instant, so the same
//! snapshot and policy give the same evaluation, whenever it is made.

mod advise;
mod at_site;
mod beside;
mod booked;
mod cluster;
mod coverage;
mod cpu;
mod digest;
mod elsewhere;
mod figures;
mod group;
mod memory;
mod outcomes;
mod rules;
mod scene;
mod settled;
mod standing;
mod tally;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use tanso_carbon::account::{Account, Accounts, Coverage};
use tanso_carbon::calendar::{CalendarError, Period, UtcHour};
use tanso_carbon::recommend::{Action, consolidate};
use tanso_carbon::regulation::{Metric, Preset};
use tanso_carbon::report::Digest;
use tanso_carbon::verdict::{self, Combined, Evidence};
use tanso_crds::carbon_policy::status::{
    AccountEnergy, Figures, MarketFigures, NoAdviceCount, PlaceFigures, Recommendation,
    RegulationResult, SciFigures, UsedSource, WorkloadResult,
};
use tanso_crds::power_monitor::IdleSharing;

use super::validate::ValidatedPolicy;
use crate::ledger::{AdviceRow, Snapshot};
use crate::owners::{Inventory, Schedule};

pub use at_site::AtSite;
use booked::{Booked, Rows};
use coverage::{Since, coverage};
use digest::digest;
pub use figures::{bounded, verdict_of};
use group::{Grouped, Pod, Workload};
pub use group::{Unseen, selects};
use scene::Scene;
use tally::Tally;

/// What is known of the cluster beside the ledger.
pub trait Facts: Send + Sync {
    /// When a `CronJob` starts.
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule>;
    /// When a `CronJob` started before a policy moved it; `None` if none did.
    fn original_schedule(&self, _namespace: &str, _name: &str) -> Option<Schedule> {
        None
    }
    /// The CPU that a node has to give, thousandths of a core.
    fn allocatable_millicores(&self, node: &str) -> Option<u32>;
    /// The CPU that a node had to give until an hour, thousandths of a core, in the order of hours; nothing
    /// where it is what it always was.
    fn earlier_millicores(&self, _node: &str) -> &[(UtcHour, u32)] {
        &[]
    }
    /// The memory that a node has to give, bytes.
    fn allocatable_bytes(&self, node: &str) -> Option<u64>;
    /// All nodes with what they have to give.
    fn nodes(&self) -> Vec<consolidate::Node>;
    /// All pods that hold a place on a node.
    fn load(&self) -> Vec<consolidate::Pod>;
}

impl Facts for Inventory {
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        Self::schedule(self, namespace, name)
    }

    fn original_schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        Self::original_schedule(self, namespace, name)
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        Self::allocatable_millicores(self, node)
    }

    fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        Self::allocatable_bytes(self, node)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Self::nodes(self)
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Self::load(self)
    }
}

/// What a policy is judged by.
pub struct Inputs<'a> {
    /// The policy.
    pub policy: &'a ValidatedPolicy,
    /// The ledger's rows.
    pub snapshot: &'a Snapshot,
    /// The cluster.
    pub facts: &'a dyn Facts,
    /// The window.
    pub window: Period,
    /// End of the last minute whose energy is in.
    pub data_through: Timestamp,
    /// Nodes that should have data up to now.
    pub expected_nodes: &'a BTreeSet<String>,
    /// Nodes whose agents charge somebody with idle energy, and by what.
    pub idle_sharing: &'a BTreeMap<String, IdleSharing>,
    /// Whether the policy sees all of the cluster.
    pub is_whole: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The verdict over all rules.
    pub combined: Combined,
    /// The PUE's own verdict, if a rule is about it.
    pub pue: Option<verdict::Verdict>,
    /// The account of all selected workloads.
    pub account: Account,
    /// The same as figures.
    pub totals: Figures,
    /// The same energy market-based.
    pub market: Option<MarketFigures>,
    /// Software carbon intensity, or why there is none.
    pub sci: Option<Result<SciFigures, String>>,
    /// Who spoke for the site's hours, where these are several.
    pub sources: Vec<UsedSource>,
    /// Where the energy was used.
    pub places: Vec<PlaceFigures>,
    /// Nodes that count as at the site although they name another place.
    pub at_site: Option<AtSite>,
    /// Advice about the cluster as a whole.
    pub recommendations: Vec<Recommendation>,
    /// What is not advised, by kind and reason.
    pub no_advice: Vec<NoAdviceCount>,
    /// Advice on requests as it is told now.
    pub told: Vec<AdviceRow>,
    /// Energy that belongs to no selected workload.
    pub unallocated: Vec<AccountEnergy>,
    /// Pods whose owners nobody knows.
    pub unseen: Unseen,
    /// The verdict of each rule.
    pub regulations: Vec<RegulationResult>,
    /// Rules that are judged and that a status has no room for.
    pub rules_not_listed: usize,
    /// Every workload, largest emissions first.
    pub workloads: Vec<WorkloadResult>,
    /// The first hour of all that is recorded, if it lies within the window.
    pub recorded_since: Option<UtcHour>,
    /// Digest of all inputs.
    pub inputs_digest: Digest,
}

impl Evaluation {
    /// The advice that saves the cluster most, even if it is nothing: what only
    /// moves energy to others saves none.
    #[must_use]
    pub fn largest_saving(&self) -> Option<&Recommendation> {
        let all = self
            .workloads
            .iter()
            .flat_map(|workload| &workload.recommendations)
            .chain(&self.recommendations);
        all.max_by_key(|advice| advice.cluster_saving_milligrams_per_day)
    }

    /// How many workloads break a rule.
    #[must_use]
    pub fn failing(&self) -> usize {
        let failing = tanso_crds::carbon_policy::status::Verdict::NonCompliant;
        self.workloads
            .iter()
            .filter(|workload| workload.verdict == failing)
            .count()
    }
}

/// The hours that a window covers: whole UTC hours up to the one that
/// `data_through` lies in.
#[must_use]
pub fn window(data_through: Timestamp, hours: u32) -> Period {
    let last = UtcHour::from_unix_seconds(data_through.as_second().saturating_sub(1));
    let until = last.plus_hours(1);
    Period {
        from: until.plus_hours(-i32::try_from(hours).unwrap_or(i32::MAX)),
        until,
    }
}

/// The hours that must be read for a policy: its window and the periods of its
/// rules.
///
/// # Errors
/// If the day is outside the calendar.
pub fn needed(policy: &ValidatedPolicy, data_through: Timestamp) -> Result<Period, CalendarError> {
    let mut period = needed_by(&policy.presets, policy.window_hours, data_through)?;
    // What is newer than the window is in too: with workloads and accounts
    // together nothing that was booked may be missing.
    period.until = period.until.plus_hours(24);
    Ok(period)
}

/// The window and the periods of rules, to the window's end.
///
/// # Errors
/// If the day is outside the calendar.
pub fn needed_by<'a>(
    presets: impl IntoIterator<Item = &'a Preset>,
    window_hours: u32,
    data_through: Timestamp,
) -> Result<Period, CalendarError> {
    let mut period = window(data_through, window_hours);
    for preset in presets {
        let day = local_day(preset, data_through);
        for rule in preset
            .on(day)
            .into_iter()
            .filter(|rule| !rule.metric.is_facility())
        {
            if let Some(of_rule) = preset.period(rule, day)? {
                period.from = period.from.min(of_rule.from);
            }
        }
    }
    Ok(period)
}

/// Judges a policy.
#[must_use]
pub fn judge(inputs: &Inputs<'_>) -> Evaluation {
    let policy = inputs.policy;
    let window = Period {
        until: inputs.window.until.plus_hours(24),
        ..inputs.window
    };
    let rows = Rows::of(policy, inputs.snapshot, window);
    let pods = Pod::all(&rows, inputs.snapshot);
    let grouped = Grouped::of(&rows, &pods, inputs.snapshot);
    let coverage = coverage(inputs, inputs.window, Since::FirstRecord);
    let mut tally = Tally::default();
    let (workloads, account) = results_of(inputs, &grouped, coverage, &mut tally);
    let embodied = beside::embodied(inputs, &grouped);
    let sci = beside::sci(inputs, &account, embodied.as_ref());
    let judged = rules::judge_all(inputs, &grouped, &account, embodied.and_then(Result::ok));
    let judgements: Vec<_> = judged.iter().map(|one| one.judgement.clone()).collect();
    let facility: Vec<_> = judged
        .iter()
        .filter(|one| one.rule.metric == Metric::Pue)
        .map(|one| one.judgement.clone())
        .collect();
    let cpu_us = grouped
        .workloads
        .iter()
        .map(|workload| workload.cpu_us)
        .sum();
    let (regulations, rules_not_listed) = rules::lines(judged);
    let whole = cluster::advise(inputs, &account);
    if let Err(why) = &whole {
        tally.note_whole(Action::Consolidate, why);
    }
    Evaluation {
        combined: verdict::combine(&judgements),
        pue: (!facility.is_empty()).then(|| verdict::combine(&facility).verdict),
        totals: figures::figures(&account, cpu_us),
        market: beside::market(policy, &account, inputs.window),
        sci,
        sources: beside::sources(inputs, &grouped, &account),
        places: beside::places(policy, &grouped),
        at_site: at_site::at_site(policy, &grouped),
        recommendations: whole.into_iter().collect(),
        told: tally.take_told(),
        no_advice: tally.lines(),
        regulations,
        rules_not_listed,
        unallocated: group::unallocated(&grouped),
        unseen: group::unseen(&grouped, inputs.snapshot),
        workloads,
        recorded_since: coverage::recorded_since(inputs),
        inputs_digest: digest(inputs, &grouped),
        account,
    }
}

fn local_day(preset: &Preset, at: Timestamp) -> Date {
    // The last evaluated instant, not the first of the next day.
    let last = Timestamp::from_second(at.as_second().saturating_sub(1)).unwrap_or(at);
    preset.zone.to_datetime(last).date()
}

/// All workloads, largest emissions first, and the account of all together.
fn results_of(
    inputs: &Inputs<'_>,
    grouped: &Grouped<'_>,
    coverage: Coverage,
    tally: &mut Tally,
) -> (Vec<WorkloadResult>, Account) {
    let places = inputs.policy.places();
    let scene = Scene::of(inputs, &places, &grouped.all.nodes);
    let mut accounts = Accounts::at(&places);
    let each = grouped.workloads.iter();
    let mut workloads: Vec<_> = each
        .map(|workload| {
            let rows = workload.rows.iter().map(Booked::energy_row);
            let account = accounts.part(rows, coverage);
            result_of(&scene, workload, &account, tally)
        })
        .collect();
    // They come by name, and so do those that emit as much.
    workloads.sort_by_cached_key(|one| Reverse(one.figures.emissions_milligrams.value));
    (workloads, accounts.whole(coverage))
}

fn result_of(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    tally: &mut Tally,
) -> WorkloadResult {
    let evidence = Evidence {
        account: Some(account),
        ..Evidence::default()
    };
    let rules = scene.rules.iter();
    let outcomes: Vec<_> = rules
        .map(|(rule, day)| verdict::outcome(rule, &evidence, scene.policy.thresholds, *day))
        .collect();
    let (verdict, reason) = verdict::worst(&outcomes);
    let advised = advise::advise(scene, workload, account);
    let figures = figures::figures(account, workload.cpu_us);
    tally.told(advised.requests);
    for why in &advised.counted {
        tally.note(why, workload.key, figures.emissions_milligrams.value);
    }
    WorkloadResult {
        namespace: workload.key.namespace.to_owned(),
        kind: workload.key.kind.to_owned(),
        name: workload.key.name.to_owned(),
        verdict: verdict_of(verdict),
        reason: reason.as_str().to_owned(),
        pods: i64::try_from(workload.pods.len()).unwrap_or(i64::MAX),
        figures,
        together_milligrams_per_day: advised.together,
        settled: settled::settled(scene, workload),
        advice_outcomes: outcomes::outcomes(scene, workload),
        recommendations: advised.pieces,
        in_parts: advised.in_parts,
        no_advice: advised.without,
    }
}

#[cfg(test)]
mod tests;
