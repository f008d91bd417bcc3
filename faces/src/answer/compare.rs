//! What changes would save: the workload's own hours run through again with
//! each change alone and with all of them, and judged again.
//!
//! Percentages are never added: a second change acts on what the first left.
//! A smaller request or fewer replicas do the same work, so of the workload's
//! own energy nothing falls away; what falls is the share of idle nodes that
//! its requests hold, and the cluster saves that only if nodes go.

mod idle;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::account::Place;
use tanso_carbon::{EnergyRow, GramsCo2e};
use tanso_crds::carbon_policy::status::{Bounded, Figures, RegulationResult, Verdict};
use tanso_power::{Estimate, Joules};

use super::assess::region_named;
use super::figures::{bounded, milligrams, nearest};
use super::find::{Found, Named, find};
use super::judge::{self, Judged, Terms, judge_rows};
use super::presets::Presets;
use super::profile::{Basis, Profile, profile};
use super::{AnswerFault, PolicyName, WorkloadName, note, year_of};
use crate::view::{Facts, PlaceAt, Site};
use crate::words;

/// Most changes at once.
const CHANGES_MAX: usize = 8;
/// Farthest shift, hours.
const SHIFT_MAX_H: u32 = 168;

/// Which workload, and what would be changed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The workload: NAME or KIND/NAME, for example api, deploy/api or cronjob/etl.
    #[schemars(length(min = 1, max = 317))]
    pub workload: String,
    /// Its namespace; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its kind, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// The policy to go by, where several judge the workload; default the first by name.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// The changes, in order; each is computed alone and all together.
    #[schemars(length(min = 1, max = 8))]
    pub changes: Vec<Change>,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Change {
    /// Run so many hours later, or earlier if negative.
    Shift {
        /// Hours, -168 to 168.
        #[schemars(range(min = -168, max = 168))]
        hours: i32,
    },
    /// Run in another cloud region.
    MoveRegion {
        /// The region, for example eu-north-1 or gcp:europe-north1.
        #[schemars(length(min = 1, max = 63))]
        region: String,
    },
    /// Use less energy: what is left of it, in percent, for example 80 after an optimisation of the code.
    KeepEnergy {
        /// Percent of the energy that stays, 0 to 100.
        #[schemars(range(min = 0.0, max = 100.0))]
        percent: f64,
    },
    /// Ask for another amount of CPU.
    Resize {
        /// What each pod asks for now, thousandths of a core.
        #[schemars(range(min = 1, max = 1_000_000))]
        from_millicores: u32,
        /// What it would ask for.
        #[schemars(range(min = 1, max = 1_000_000))]
        to_millicores: u32,
        /// How many pods there are.
        #[schemars(range(min = 1, max = 100_000))]
        replicas: u32,
        /// What each pod asks for of memory, bytes: where that is the larger share of a node, a smaller request of CPU moves nothing.
        #[serde(default)]
        #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
        memory_bytes: Option<u64>,
    },
    /// Run fewer (or more) replicas that do the same work.
    Replicas {
        /// How many there are now.
        #[schemars(range(min = 1, max = 100_000))]
        from: u32,
        /// How many there would be.
        #[schemars(range(min = 1, max = 100_000))]
        to: u32,
        /// What each asks for, thousandths of a core.
        #[schemars(range(min = 1, max = 1_000_000))]
        request_millicores: u32,
        /// What each asks for of memory, bytes: the larger of both shares of a node counts.
        #[serde(default)]
        #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
        memory_bytes: Option<u64>,
    },
}

/// What changes would save.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The workload.
    pub workload: WorkloadName,
    /// The answer in a few sentences.
    pub summary: String,
    /// The policy by whose place, rules and demands it was computed.
    pub policy: PolicyName,
    /// The workload as the policy's status has it.
    pub judged: Side,
    /// The same hours run through again without a change: equal to `judged` as long as nothing was booked since.
    pub before: Side,
    /// With all changes.
    pub after: Side,
    /// What all changes save together over the window, milligrams of CO2eq; negative if they cost. Bounds compare low with low and high with high.
    pub saving_milligrams: Bounded,
    /// The same, thousandths of a percent of what is emitted before.
    pub saving_milli_percent: i64,
    /// Each change alone, in the order given.
    pub alone: Vec<Alone>,
    /// What hours it rests on.
    pub basis: Basis,
    /// What a reader must know beside the numbers.
    pub notes: Vec<String>,
}

/// A workload before or after.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The verdict over all rules that can be judged for a workload.
    pub verdict: Verdict,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// Energy and emissions.
    pub figures: Figures,
    /// Each rule; empty where only the status is shown.
    pub rules: Vec<RegulationResult>,
}

/// One change by itself.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alone {
    /// The change in words.
    pub change: String,
    /// What it saves alone over the window, milligrams of CO2eq.
    pub saving_milligrams: Bounded,
    /// The verdict with it alone.
    pub verdict: Verdict,
    /// Of a change of requests: the idle energy that others would bear instead per day, milligrams of CO2eq; saved only if nodes go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributed_idle_milligrams_per_day: Option<i64>,
}

/// Everything a simulation needs.
struct World<'a> {
    found: &'a Found,
    site: &'a Site,
    profile: &'a Profile,
    regions: Vec<PlaceAt>,
    presets: Presets,
}

/// Computes what changes would save.
///
/// # Errors
/// If there is no such workload, a change makes no sense, or an hour's
/// intensity is not known.
pub async fn compare(facts: &dyn Facts, question: &Question) -> Result<Comparison, AnswerFault> {
    check(&question.changes)?;
    let named = Named {
        workload: &question.workload,
        namespace: question.namespace.as_deref(),
        kind: question.kind.as_deref(),
        policy: question.policy.as_deref(),
    };
    let all = find(facts, named).await?;
    let Some(found) = all.first() else {
        return Err(AnswerFault::invalid(
            "workload",
            &question.workload,
            "a workload",
        ));
    };
    let site = facts.site(&found.policy).await?;
    let profile = profile(facts, found, &site, None).await?;
    let rules = facts.rules().await?;
    let world = World {
        found,
        site: &site,
        profile: &profile,
        regions: regions(&question.changes, &site, year_of(facts.now()))?,
        presets: Presets::of(&found.policy, &rules),
    };
    facts.note(50, "the workload's hours were read");
    let idle = idle::of_nodes(facts, found, &question.changes).await;
    let before = world.with(&[])?;
    // A sum without some of its hours would be less than what another has of all.
    if before.account.unpriced > Joules::ZERO {
        return Err(unpriced(&question.changes));
    }
    let after = world.with(&question.changes)?;
    let alone = (1..).zip(&question.changes).map(|(number, change)| {
        let with = world.with(std::slice::from_ref(change))?;
        note(facts, (number, question.changes.len()), (60, 95), "change");
        Ok::<_, AnswerFault>(Alone {
            change: in_words(change),
            saving_milligrams: saving(&before, &with),
            verdict: with.verdict,
            attributed_idle_milligrams_per_day: idle
                .as_ref()
                .ok()
                .and_then(|idle| idle::moved(change, idle.node, &before, &site)),
        })
    });
    let alone = alone.collect::<Result<Vec<_>, _>>()?;
    let of_idle = idle::notes(&idle, &question.changes);
    Ok(world.comparison(before, after, alone, of_idle))
}

fn check(changes: &[Change]) -> Result<(), AnswerFault> {
    if changes.is_empty() || changes.len() > CHANGES_MAX {
        return Err(AnswerFault::invalid(
            "changes",
            changes.len(),
            "1 to 8 changes",
        ));
    }
    for change in changes {
        match change {
            Change::Shift { hours } if hours.unsigned_abs() > SHIFT_MAX_H => {
                return Err(AnswerFault::invalid("changes.hours", hours, "-168 to 168"));
            }
            Change::KeepEnergy { percent } if !(0.0..=100.0).contains(percent) => {
                return Err(AnswerFault::invalid("changes.percent", percent, "0 to 100"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn regions(changes: &[Change], site: &Site, year: i16) -> Result<Vec<PlaceAt>, AnswerFault> {
    let mut places = Vec::new();
    for change in changes {
        if let Change::MoveRegion { region } = change {
            let place = site.region(region_named(region)?, year);
            places.push(place.map_err(|fault| AnswerFault::unfit("changes.region", &fault))?);
        }
    }
    Ok(places)
}

impl World<'_> {
    /// The hours with these changes, judged.
    fn with(&self, changes: &[Change]) -> Result<Judged, AnswerFault> {
        let (mut shift, mut kept, mut moved) = (0_i32, Vec::new(), None);
        for change in changes {
            match change {
                Change::Shift { hours } => shift = shift.saturating_add(*hours),
                Change::KeepEnergy { percent } => kept.push(thousandths(*percent)),
                Change::MoveRegion { region } => {
                    let short = region
                        .split_once(':')
                        .map_or(region.as_str(), |(_, short)| short);
                    moved = self.regions.iter().find(|place| place.region == short);
                }
                Change::Resize { .. } | Change::Replicas { .. } => {}
            }
        }
        let places: Vec<Place<'_>> = moved.map_or_else(
            || self.site.places(),
            |there| vec![there.place(self.site.metering)],
        );
        let rows = self.profile.rows.iter().map(|row| EnergyRow {
            hour: row.hour.plus_hours(shift),
            place: if moved.is_some() { 0 } else { row.place },
            energy: kept.iter().fold(row.energy, |energy, left| {
                energy.map(|one| part(one, *left))
            }),
            provenance: row.provenance,
        });
        let rows: Vec<_> = rows.collect();
        let policy = &self.found.policy;
        let through = policy.status.data_through.as_ref().map(|time| time.0);
        let judged = judge_rows(
            &rows,
            &Terms {
                places: &places,
                coverage: self.profile.coverage,
                cpu_ms: self.profile.cpu_ms,
                presets: &self.presets,
                thresholds: judge::thresholds(policy),
                through: through.unwrap_or_default(),
            },
        );
        if !changes.is_empty() && judged.account.unpriced > Joules::ZERO {
            return Err(unpriced(changes));
        }
        Ok(judged)
    }

    fn comparison(
        &self,
        before: Judged,
        after: Judged,
        alone: Vec<Alone>,
        of_idle: Vec<String>,
    ) -> Comparison {
        let saving = saving(&before, &after);
        let was = before.figures.emissions_milligrams.value;
        let share = if was == 0 {
            0
        } else {
            nearest(words::float(saving.value) / words::float(was) * 1e5)
        };
        let mut notes = self.site.notes.clone();
        if self.profile.basis == Basis::SpreadEvenly {
            notes.push("the ledger's hours cannot be read by you: the window's energy was spread evenly over its hours, so a shift in time is seen at its mean only".to_owned());
        }
        let used = self.found.policy.status.places.as_slice();
        if self.profile.basis == Basis::SpreadEvenly && used.len() > 1 {
            notes.push("the policy's energy was used at several places, and at which the workload ran is in the ledger alone: all is priced at the policy's site".to_owned());
        }
        notes.extend(of_idle);
        let result = &self.found.result;
        Comparison {
            workload: self.found.name(),
            summary: summary(self.found, &before, &after, &saving, share),
            policy: PolicyName::of(&self.found.policy),
            judged: Side {
                verdict: result.verdict,
                reason: result.reason.clone(),
                figures: result.figures.clone(),
                rules: Vec::new(),
            },
            before: side(before),
            after: side(after),
            saving_milligrams: saving,
            saving_milli_percent: share,
            alone,
            basis: self.profile.basis,
            notes,
        }
    }
}

/// Nothing can be said of changes of hours without intensity.
fn unpriced(changes: &[Change]) -> AnswerFault {
    AnswerFault::NotKnown {
        what: changes.iter().map(in_words).collect::<Vec<_>>().join(", "),
        reason: "the grid's intensity of some of those hours is not known".to_owned(),
    }
}

fn side(judged: Judged) -> Side {
    Side {
        verdict: judged.verdict,
        reason: judged.reason,
        figures: judged.figures,
        rules: judged.rules,
    }
}

fn summary(found: &Found, before: &Judged, after: &Judged, saving: &Bounded, share: i64) -> String {
    format!(
        "{}: all changes together {}, {} of {}; {} before, {} after.",
        found.name(),
        saved_in_words(saving),
        words::milli_percent(share.abs()),
        words::emissions(before.figures.emissions_milligrams.value),
        words::verdict(before.verdict),
        words::verdict(after.verdict),
    )
}

/// `saves 5.00 mg (4.00 mg to 6.00 mg)`, or `costs` so much; where the bounds
/// are on both sides of nothing, each is told with its own.
fn saved_in_words(saving: &Bounded) -> String {
    let does = if saving.value < 0 { "costs" } else { "saves" };
    if saving.low < 0 && saving.high > 0 {
        return format!(
            "{does} {} (from {} more to {} less)",
            words::emissions(saving.value.abs()),
            words::emissions(saving.low.abs()),
            words::emissions(saving.high),
        );
    }
    let size = Bounded {
        low: saving.low.abs().min(saving.high.abs()),
        value: saving.value.abs(),
        high: saving.low.abs().max(saving.high.abs()),
    };
    format!("{does} {}", words::emissions_within(&size))
}

/// Bound by bound, in order: a change may cost in one and save in another.
fn saving(before: &Judged, after: &Judged) -> Bounded {
    let (was, is) = (
        before.figures.emissions_milligrams,
        after.figures.emissions_milligrams,
    );
    let parts = [was.low - is.low, was.value - is.value, was.high - is.high];
    Bounded {
        low: parts.into_iter().min().unwrap_or(0),
        value: was.value - is.value,
        high: parts.into_iter().max().unwrap_or(0),
    }
}

fn thousandths(percent: f64) -> u64 {
    u64::try_from(nearest(percent * 10.0)).unwrap_or(0)
}

fn part(energy: Joules, thousandths: u64) -> Joules {
    let product = u128::from(energy.microjoules()) * u128::from(thousandths);
    Joules::from_microjoules(u64::try_from((product + 500) / 1_000).unwrap_or(u64::MAX))
}

/// The change in words.
fn in_words(change: &Change) -> String {
    match change {
        Change::Shift { hours } if *hours < 0 => format!("run {} h earlier", hours.unsigned_abs()),
        Change::Shift { hours } => format!("run {hours} h later"),
        Change::MoveRegion { region } => format!("run in {region}"),
        Change::KeepEnergy { percent } => format!("use {percent} % of the energy"),
        Change::Resize {
            from_millicores,
            to_millicores,
            replicas,
            ..
        } => {
            format!("ask for {to_millicores}m instead of {from_millicores}m CPU in {replicas} pods")
        }
        Change::Replicas {
            from,
            to,
            request_millicores,
            ..
        } => {
            format!("run {to} instead of {from} replicas of {request_millicores}m CPU")
        }
    }
}

/// Bounds of a mass in milligrams.
pub(super) fn milligrams_of(mass: Estimate<GramsCo2e>) -> Bounded {
    bounded(mass, milligrams)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A saving of 5 that may be a cost of 10 was told as `5 (10 to 20)`.
    #[test]
    fn a_saving_that_may_be_a_cost_says_so() {
        let said = |low, value, high| saved_in_words(&Bounded { low, value, high });
        let [five, ten, twenty] = [5_000, 10_000, 20_000].map(words::emissions);
        assert_eq!(
            said(-10_000, 5_000, 20_000),
            format!("saves {five} (from {ten} more to {twenty} less)")
        );
        assert_eq!(
            said(-10_000, -5_000, 20_000),
            format!("costs {five} (from {ten} more to {twenty} less)")
        );
        assert_eq!(
            said(-20_000, -10_000, -5_000),
            format!("costs {ten} ({five} to {twenty})")
        );
        assert_eq!(
            said(5_000, 10_000, 20_000),
            format!("saves {ten} ({five} to {twenty})")
        );
        assert_eq!(said(5_000, 5_000, 5_000), format!("saves {five}"));
    }
}
