//! What a report is made of, read as one caller sees it: for the command line
//! and for programs, so that both make the same report.

use std::sync::Arc;

use jiff::Timestamp;
use tanso_carbon::{Period, RuleSet};
use tanso_crds::carbon_policy::status::WorkloadResult;

use crate::report::period::coverage::{data_end, so_far};
use crate::report::period::{PeriodError, between, energy_table, intensity_table, parse, restate};
use crate::report::{BuildError, Inputs, OtherTime, Report, Statement, build, hours};
use crate::view::{Energy, Facts, FactsFault, ListedWorkloads, Missing, Policy, Scope, Site};

/// Which time a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// The policy's window: the figures are those of its status.
    #[default]
    Window,
    /// A local day, month or year: `2026-06-15`, `2026-06`, `2026`.
    Named(String),
    /// Between two instants.
    Between(Timestamp, Timestamp),
}

/// How much may be read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Whether a ledger out of reach is a fault; without it only another time
    /// than the window needs one.
    pub needs_hours: bool,
    /// Most rows of energy: pods times hours.
    pub rows: u64,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadFault {
    /// The cluster did not say what is needed.
    #[error(transparent)]
    Facts(#[from] FactsFault),
    /// The time is none, or nothing was booked then.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// The policy has no figures.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The window's units are the policy's to say.
    #[error(
        "units are given of another time than the policy's window only, with a period: the window's are those of spec.accounting.functionalUnit"
    )]
    UnitsOfWindow,
    /// It would be read for too long.
    #[error(
        "{pods} pods in {hours} hours are more than {most} rows; take a shorter time, or `kubectl tanso report`, which reads them by the day"
    )]
    TooMuch {
        /// Pods of the policy's workloads.
        pods: u64,
        /// Hours asked for.
        hours: u64,
        /// Most rows.
        most: u64,
    },
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    policy: Policy,
    workloads: Arc<Vec<WorkloadResult>>,
    site: Site,
    asked: Option<Period>,
    energy: Option<(Period, Energy)>,
    without_hours: Option<ReadFault>,
}

/// Reads what a report of `policy` is made of.
///
/// # Errors
/// If the cluster does not say it, or the time is none.
pub async fn read(
    facts: &dyn Facts,
    policy: Policy,
    when: &When,
    limits: Limits,
) -> Result<Read, ReadFault> {
    let (listed, site) = (
        facts.listed_workloads(&policy).await?,
        facts.site(&policy).await?,
    );
    is_whole(&policy, &listed)?;
    facts.note(25, "the policy's workloads were read");
    let asked = match when {
        When::Window => None,
        When::Named(text) => Some(parse(text, &site)?),
        When::Between(from, until) => Some(between(*from, *until)?),
    };
    let mut read = Read {
        policy,
        workloads: listed.workloads,
        site,
        asked,
        energy: None,
        without_hours: None,
    };
    let Some(window) = asked.or_else(|| read.policy.window()) else {
        return Ok(read);
    };
    match booked(facts, &read, window, limits.rows).await {
        Ok(energy) => read.energy = Some((window, energy)),
        // The status needs no ledger; what was asked for beside it does.
        Err(fault) if asked.is_some() || limits.needs_hours => return Err(fault),
        Err(fault) => read.without_hours = Some(fault),
    }
    facts.note(60, "the hours of the ledger were read");
    Ok(read)
}

/// A report of some of the workloads would not add up to its own totals.
fn is_whole(policy: &Policy, listed: &ListedWorkloads) -> Result<(), FactsFault> {
    Missing::of(policy, listed).map_or(Ok(()), |missing| {
        Err(FactsFault::Absent {
            what: "workloads beyond those of the status",
            reason: missing.reason,
        })
    })
}

async fn booked(
    facts: &dyn Facts,
    read: &Read,
    window: Period,
    most: u64,
) -> Result<Energy, ReadFault> {
    let pods = read.workloads.iter().map(|one| one.pods.max(1));
    let pods = pods.fold(0_i64, i64::saturating_add).unsigned_abs();
    let hours = u64::from(window.hour_count());
    if pods.saturating_mul(hours) > most {
        return Err(ReadFault::TooMuch { pods, hours, most });
    }
    let scope = Scope::of(read.policy.namespace.as_deref());
    Ok(facts.energy(&scope, window).await?)
}

impl Read {
    /// Why the report has no hours, if it has none.
    #[must_use]
    pub const fn without_hours(&self) -> Option<&ReadFault> {
        self.without_hours.as_ref()
    }

    /// Why nodes are taken as they are now in all hours, if the ledger does not
    /// tell where they were.
    #[must_use]
    pub fn without_past(&self) -> Option<&str> {
        self.energy.as_ref()?;
        self.site.without_past.as_deref()
    }

    /// The hourly energy as `kubectl tanso whatif` reads it.
    #[must_use]
    pub fn energy_table(&self) -> Option<String> {
        let (window, energy) = self.energy.as_ref()?;
        let (policy, workloads) = (&self.policy, &self.workloads);
        Some(energy_table(policy, workloads, energy, &self.site, *window))
    }

    /// The hourly intensity that the energy was priced by, as `kubectl tanso
    /// whatif --intensity` reads it.
    #[must_use]
    pub fn intensity_table(&self) -> Option<String> {
        let (window, _) = self.energy.as_ref()?;
        Some(intensity_table(&self.policy, &self.site, *window))
    }

    /// Whose hours stand in the report: of another time that is not over those
    /// so far, since what is to come is no gap.
    fn hours_of(&self) -> Option<Period> {
        let (period, energy) = self.energy.as_ref()?;
        match self.asked {
            Some(_) => Some(so_far(*period, data_end(&self.policy, energy))),
            None => Some(*period),
        }
    }

    /// The report: of the window with the status' own figures, of another
    /// time computed anew.
    ///
    /// # Errors
    /// If the policy has no figures, or nothing was booked in that time.
    pub fn report(mut self, rules: &RuleSet, statement: &Statement) -> Result<Report, ReadFault> {
        let mut other = None;
        let hours_of = self.hours_of();
        if self.asked.is_none() && statement.units.is_some() {
            return Err(ReadFault::UnitsOfWindow);
        }
        if let (Some(period), Some((_, energy))) = (self.asked, &self.energy) {
            let advised = self.policy.status.data_through.as_ref();
            let advice_through = advised.map(|at| at.0.to_string());
            let (policy, judged) = (&self.policy, &self.workloads);
            let found = restate(
                policy,
                judged,
                energy,
                &self.site,
                rules,
                (period, statement.units),
            )?;
            self.policy = found.policy;
            self.workloads = Arc::new(found.workloads);
            other = Some(OtherTime {
                period,
                embodied: found.embodied,
                advice_through,
            });
        }
        let hours = hours_of
            .zip(self.energy.as_ref())
            .map(|(period, (_, energy))| {
                hours::hours(energy, Some(&self.workloads), &self.site, period, 0)
            });
        Ok(build(&Inputs {
            policy: &self.policy,
            workloads: &self.workloads,
            rules,
            hours: hours.as_ref(),
            statement,
            other,
        })?)
    }
}
