//! A spec becomes a checked policy, or all its faults at once; pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tanso_carbon::account::{Metering, Place};
use tanso_carbon::calendar::{self, UtcHour};
use tanso_carbon::recommend::move_region::Limits;
use tanso_carbon::recommend::shift::Within;
use tanso_carbon::regions::Region;
use tanso_carbon::regulation::Preset;
use tanso_carbon::{FacilityPue, Intensity, Pue, Thresholds};
use tanso_crds::carbon_policy::{ActionMode, CarbonPolicySpec};
use tanso_crds::condition::reasons;
use tanso_faces::view::stated;
use tanso_intensity::table::Table;
use tanso_intensity::{Loaded, Marginal};

use crate::intensity::Asked;
use crate::ledger::PlaceNumbers;
use crate::regulations::Rules;

mod accounting;
mod intensity;
mod places;

pub use accounting::{Accounting, Units};
use intensity::intensity;
#[cfg(test)]
pub(super) use places::others;
pub use places::{Others, PlaceOf, alike};

const HOUR_S: u64 = 3_600;

/// What was read beside the spec.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// The table of the user, if the spec names one: its text, or why there is none.
    pub table: Option<Result<Table, String>>,
    /// What the services of the list said, by provider name.
    pub asked: &'a Asked,
    /// The rules there are.
    pub rules: &'a Rules,
    /// The year that is evaluated.
    pub year: i16,
    /// What else the spec names, as far as it was found.
    pub observed: &'a Observed,
}

/// What a spec names beside intensity and rules, as far as it was found.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The table of contracts: its text, or why there is none.
    pub contracts: Option<Result<Table, String>>,
    /// Tables of other grid zones by their zone: their text, or why there is none.
    pub zone_tables: BTreeMap<String, Result<Table, String>>,
    /// The PUE that the facility's meters give, or why they give none.
    pub pue: Option<Result<f64, String>>,
    /// The functional units that were served, or why they are not known.
    pub units: Option<Result<f64, String>>,
    /// The cloud region of each node that is known to be in one: from the beginning, where it moved.
    pub node_regions: BTreeMap<String, &'static Region>,
    /// The region that a node's label names, of each node whose region is none of the table's.
    pub unplaced: BTreeMap<String, String>,
    /// Where nodes were from an hour on that were elsewhere before, in the order of hours; `None` where
    /// no region is known.
    pub moved: BTreeMap<String, Vec<(UtcHour, Option<&'static Region>)>>,
}

/// A policy that can be judged.
#[derive(Clone)]
pub struct ValidatedPolicy {
    /// Kinds of workload; empty for all.
    pub kinds: Vec<String>,
    /// Labels that pods must carry.
    pub match_labels: BTreeMap<String, String>,
    /// IANA name of the site's time zone.
    pub time_zone: jiff::tz::TimeZone,
    /// The facility's PUE.
    pub pue: Option<FacilityPue>,
    /// The average intensity, which prices the energy.
    pub intensity: Loaded,
    /// Marginal intensity, told beside the advice.
    pub marginal: Option<Marginal>,
    /// Where energy is metered.
    pub metering: Metering,
    /// Where nodes are that are not at the site.
    pub others: Others,
    /// What is computed beside the location-based sum.
    pub accounting: Accounting,
    /// What could not be asked, in words.
    pub notes: Vec<String>,
    /// Rules by the id that the spec names.
    pub presets: Vec<Preset>,
    /// Hours that are added up.
    pub window_hours: u32,
    /// What a verdict demands.
    pub thresholds: Thresholds,
    /// Whether advice is carried out where it is asked for.
    pub may_apply: bool,
    /// Above this intensity what asks for it is suspended.
    pub hold_above: Option<Intensity>,
    /// Which advice is looked for.
    pub advice: Wanted,
    /// Most workloads in the status.
    pub max_listed: usize,
}

/// Which advice is looked for.
#[derive(Clone)]
pub struct Wanted {
    /// How far a job may be moved, hours.
    pub slack_hours: u8,
    /// The local hours of day that runs must stay in.
    pub within: Within,
    /// `CronJobs` whose runs may be interrupted, with what a restart costs in
    /// thousandths of an hour's energy.
    pub interruptible: BTreeMap<String, u32>,
    /// Least saving worth advice, percent.
    pub min_saving_percent: f64,
    /// Regions that workloads may move to.
    pub targets: Vec<PlaceOf>,
    /// Where they may not.
    pub limits: Limits,
    /// What a workload would carry per day out of another region.
    pub gigabytes_per_day: u64,
    /// Least replicas in dirty hours; `None` for no such advice.
    pub min_replicas: Option<u32>,
}

impl ValidatedPolicy {
    /// The site, and the regions of nodes after it.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        let site = Place {
            metering: self.metering,
            ..Place::new(&*self.intensity.series, self.pue.as_ref())
        };
        let others = self.others.places.iter();
        let others = others.map(|other| other.place(self.metering));
        std::iter::once(site).chain(others).collect()
    }

    /// The factor of the site's facility.
    #[must_use]
    pub fn factor(&self) -> Pue {
        let site = self.places();
        let site = site.first();
        site.map_or(Pue::ONE, |site| site.pue_factor().value)
    }

    /// The factor of another facility: of energy that was metered at a
    /// facility only the grids are compared.
    #[must_use]
    pub fn factor_at(&self, other: &PlaceOf) -> Pue {
        other.place(self.metering).pue_factor().value
    }

    /// The number of the place where a node was in an hour.
    #[must_use]
    pub fn place_of(&self, node: &str, hour: UtcHour) -> usize {
        self.others.number_of(node, hour)
    }

    /// The numbers of a node's places over time.
    #[must_use]
    pub fn places_of(&self, node: &str) -> PlaceNumbers {
        self.others.numbers_of(node)
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PolicyFault {
    /// The reason of the condition.
    pub reason: &'static str,
    /// The field.
    pub path: &'static str,
    /// What is wrong, and what is accepted.
    pub message: String,
}

impl PolicyFault {
    fn spec(path: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason: reasons::INVALID_SPEC,
            path,
            message: message.into(),
        }
    }

    fn input(path: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason: reasons::INVALID_INPUT,
            path,
            message: message.into(),
        }
    }
}

/// Checks a spec with what it refers to.
///
/// # Errors
/// Every fault, in the order of the fields.
pub fn validate(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
) -> Result<ValidatedPolicy, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let mut notes = Vec::new();
    let time_zone = note(&mut faults, time_zone(&spec.site.time_zone));
    let site = note(&mut faults, site(spec, sources, &mut notes));
    let presets = note(&mut faults, presets(spec, sources.rules));
    let window = note(&mut faults, duration("spec.window", &spec.window));
    let accounting = accounting::accounting(&spec.accounting, sources.observed, &mut notes);
    let accounting = note(&mut faults, accounting);
    let advice = note(&mut faults, advice(spec, sources));
    let (Some(time_zone), Some(site), Some(presets), Some(window)) =
        (time_zone, site, presets, window)
    else {
        return Err(faults);
    };
    let (Some(accounting), Some(advice)) = (accounting, advice) else {
        return Err(faults);
    };
    Ok(ValidatedPolicy {
        kinds: spec.selector.kinds.clone(),
        match_labels: spec.selector.match_labels.clone(),
        time_zone,
        pue: site.pue,
        intensity: site.intensity,
        marginal: sources.asked.marginal().cloned(),
        metering: stated::metering(spec.site.metering),
        others: site.others,
        accounting,
        notes,
        presets,
        window_hours: whole_hours(window),
        thresholds: Thresholds {
            min_coverage_percent: f64::from(spec.evidence.min_coverage_percent),
            max_estimated_percent: f64::from(spec.evidence.max_estimated_percent),
        },
        may_apply: spec.actions.mode == ActionMode::Apply,
        hold_above: spec
            .actions
            .suspend_above_grams_per_kwh
            .and_then(|grams| Intensity::try_from_grams_per_kwh(f64::from(grams)).ok()),
        advice,
        max_listed: usize::try_from(spec.recommendations.max_listed)
            .unwrap_or(0)
            .min(100),
    })
}

/// The site and the places of nodes.
struct Site {
    pue: Option<FacilityPue>,
    intensity: Loaded,
    others: Others,
}

fn site(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
    notes: &mut Vec<String>,
) -> Result<Site, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let pue = spec.site.pue.as_ref();
    let pue = pue.map(|pue| places::pue(pue, sources.observed, notes));
    let pue = note(&mut faults, pue.transpose());
    let intensity = note(&mut faults, intensity(spec, sources));
    let tables = note(&mut faults, places::zone_tables(spec, sources));
    let (Some(pue), Some(intensity), Some(())) = (pue, intensity, tables) else {
        return Err(faults);
    };
    Ok(Site {
        others: places::others(spec, sources, &intensity, pue.as_ref(), notes)?,
        pue,
        intensity,
    })
}

fn advice(spec: &CarbonPolicySpec, sources: &Sources<'_>) -> Result<Wanted, Vec<PolicyFault>> {
    let wanted = &spec.recommendations;
    let slack = duration("spec.recommendations.slack", &wanted.slack)?;
    let unsigned = |figure: i32| u32::try_from(figure).unwrap_or(0);
    Ok(Wanted {
        within: Within {
            earliest: time_of_day(
                "spec.recommendations.earliestStart",
                wanted.earliest_start.as_deref(),
            )?,
            deadline: time_of_day("spec.recommendations.deadline", wanted.deadline.as_deref())?,
        },
        slack_hours: u8::try_from(slack / HOUR_S).unwrap_or(u8::MAX),
        interruptible: wanted
            .interruptible
            .iter()
            .map(|one| (one.cron_job.clone(), unsigned(one.restart_percent) * 10))
            .collect(),
        min_saving_percent: f64::from(wanted.min_saving_percent),
        targets: places::targets(spec, sources)?,
        limits: Limits {
            allowed: Vec::new(),
            residency: wanted.residency.clone(),
            latency_ms_max: wanted.latency_ms_max.map(unsigned),
        },
        gigabytes_per_day: u64::from(unsigned(wanted.gigabytes_per_day)),
        min_replicas: wanted.min_replicas.map(unsigned),
    })
}

/// A time of day from text such as `22:00`.
fn time_of_day(
    path: &'static str,
    text: Option<&str>,
) -> Result<Option<jiff::civil::Time>, PolicyFault> {
    let parse = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        jiff::civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
    };
    let time = |text: &str| {
        let message = format!("{text:?}: accepted are times of day, as in 22:00");
        parse(text).ok_or_else(|| PolicyFault::spec(path, message))
    };
    text.map(time).transpose()
}

/// Keeps a fault, passes a value on.
fn note<T>(
    faults: &mut Vec<PolicyFault>,
    result: Result<T, impl Into<Vec<PolicyFault>>>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(found) => {
            faults.extend(found.into());
            None
        }
    }
}

impl From<PolicyFault> for Vec<PolicyFault> {
    fn from(fault: PolicyFault) -> Self {
        vec![fault]
    }
}

fn time_zone(name: &str) -> Result<jiff::tz::TimeZone, PolicyFault> {
    calendar::time_zone(name)
        .map_err(|fault| PolicyFault::spec("spec.site.timeZone", fault.to_string()))
}

fn presets(spec: &CarbonPolicySpec, rules: &Rules) -> Result<Vec<Preset>, Vec<PolicyFault>> {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for wanted in &spec.regulations {
        if let Some(why) = rules.refused(&wanted.rule) {
            let message = format!("rule \"{}\": {why}", wanted.rule);
            faults.push(PolicyFault::input("spec.regulations", message));
            continue;
        }
        match rules.set.get(&wanted.rule) {
            Some(preset) => found.push(preset.clone()),
            None => faults.push(PolicyFault::input(
                "spec.regulations",
                unknown_rule(&wanted.rule, rules),
            )),
        }
    }
    if spec.regulations.is_empty() {
        faults.push(PolicyFault::spec(
            "spec.regulations",
            "empty; accepted is at least one rule",
        ));
    }
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults)
    }
}

fn unknown_rule(id: &str, rules: &Rules) -> String {
    let mut message = format!(
        "unknown rule \"{id}\"; accepted are {}",
        rules.set.ids().join(", ")
    );
    for (file, fault) in &rules.broken {
        // Writing to a String cannot fail.
        let _ = write!(message, "; rule file \"{file}\" could not be read: {fault}");
    }
    message
}

/// The hours that a window such as `24h` adds up; a day of one that cannot be
/// read, which `validate` refuses.
pub(crate) fn window_hours(text: &str) -> u32 {
    seconds(text).map_or(24, whole_hours)
}

fn whole_hours(window_s: u64) -> u32 {
    let hours = u32::try_from(window_s.div_ceil(HOUR_S));
    hours.unwrap_or(u32::MAX).clamp(1, 744)
}

/// Seconds of a text such as `24h`, `15m` or `90s`.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "s" => 1,
        "m" => 60,
        "h" => HOUR_S,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn duration(path: &'static str, text: &str) -> Result<u64, PolicyFault> {
    seconds(text).ok_or_else(|| {
        PolicyFault::spec(
            path,
            format!("\"{text}\"; accepted is a duration such as 24h, 15m or 90s"),
        )
    })
}

#[cfg(test)]
mod tests;
