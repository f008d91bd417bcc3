//! Who uses how much power: the mean of the newest booked hour, and what the
//! monitors say of the whole.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::condition::types;
use tanso_crds::power_monitor::NodeCounts;

use super::{AnswerFault, Basis};
use crate::view::{
    EnergyAccount, EnergyHour, Facts, FactsFault, LeftOut, NewestHour, Scope, WorkloadKey,
};
use crate::words;

/// How many hours back the newest one is looked for.
const BACK_H: i32 = 6;
/// Lines of an answer, unless asked for otherwise.
const LIMIT: u32 = 25;
/// Most lines of an answer.
const LIMIT_MAX: u32 = 200;

/// Whose power.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// Only this namespace; default all that you may see.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// What power is told for. Default Workload.
    #[serde(default)]
    pub by: By,
    /// Lines of the answer, 1 to 200, largest power first. Default 25.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u32>,
}

/// What power is told for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum By {
    /// Each workload.
    #[default]
    Workload,
    /// Each namespace.
    Namespace,
    /// Each node.
    Node,
}

/// Power.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Power {
    /// The answer in a sentence.
    pub summary: String,
    /// What each PowerMonitor says of the whole cluster, if you may see it.
    pub monitors: Vec<Monitor>,
    /// What the figures rest on: Hourly from the ledger, or SpreadEvenly over the policies' windows where you cannot read it.
    pub basis: Basis,
    /// The hour that the figures are the mean of, UTC; absent with SpreadEvenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<String>,
    /// Power of all lines, also those not shown, milliwatts: the same for each `by`. Lines are rounded one by one, so their sum may be off by one each.
    pub total_milliwatts: i64,
    /// How many lines there are in all.
    pub total: u32,
    /// Largest power first.
    pub lines: Vec<Line>,
    /// `PowerMonitor`s, and with SpreadEvenly policies and their pages, that this version of tanso cannot read. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<LeftOut>,
}

/// What a `PowerMonitor` says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// Its name.
    pub name: String,
    /// Whether its agents run everywhere: True, False or Unknown.
    pub ready: String,
    /// Mean power of all nodes over the last closed minute, in words.
    pub power: String,
    /// Nodes by source of power.
    pub nodes: NodeCounts,
}

/// The power of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The workload as Kind namespace/name, the namespace, or the node; an account that is no workload in brackets.
    pub name: String,
    /// Its mean power at the IT equipment, milliwatts.
    pub milliwatts: i64,
    /// Share that was measured by a meter, percent.
    pub measured_percent: i32,
}

/// Tells power.
///
/// # Errors
/// If an argument makes no sense.
pub async fn power(facts: &dyn Facts, question: &Question) -> Result<Power, AnswerFault> {
    let limit = question.limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(AnswerFault::invalid("limit", limit, "1 to 200"));
    }
    let scope = Scope::of(question.namespace.as_deref());
    let until = UtcHour::containing(facts.now()).plus_hours(1);
    let period = Period {
        from: until.plus_hours(-BACK_H),
        until,
    };
    let (monitors, newest) = tokio::join!(facts.listed_monitors(), facts.newest(&scope, period));
    let monitors = monitors?.map(monitor);
    let mut unreadable = monitors.unreadable;
    let mut no_hour = String::new();
    let (basis, hour, (total_milliwatts, mut lines)) = match newest {
        Ok(newest) => (
            Basis::Hourly,
            newest.rows.first().map(|row| row.hour.to_string()),
            of_hour(&newest, question.by),
        ),
        Err(fault) if fault.is_absent() => {
            no_hour = format!(" Not of the newest hour: {fault}.");
            if question.by == By::Node {
                return Err(by_node(&fault));
            }
            let found = of_windows(facts, &scope, question.by, &mut unreadable).await?;
            (Basis::SpreadEvenly, None, found)
        }
        Err(fault) => return Err(fault.into()),
    };
    lines.sort_by(|a, b| (b.milliwatts, &a.name).cmp(&(a.milliwatts, &b.name)));
    let total = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Power {
        summary: summary(total_milliwatts, hour.as_deref(), &lines)
            + &no_hour
            + &LeftOut::sentence(&unreadable),
        monitors: monitors.items,
        basis,
        hour,
        total_milliwatts,
        total,
        lines,
        unreadable,
    })
}

/// Windows of policies tell nothing of nodes.
fn by_node(fault: &FactsFault) -> AnswerFault {
    AnswerFault::NotKnown {
        what: "power by node".to_owned(),
        reason: format!("it is in the ledger only, which you cannot read: {fault}"),
    }
}

fn monitor(found: tanso_crds::PowerMonitor) -> Monitor {
    let status = found.status.unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .find(|one| one.type_ == types::READY);
    Monitor {
        name: found.metadata.name.unwrap_or_default(),
        ready: ready.map_or_else(|| "Unknown".to_owned(), |one| one.status.clone()),
        power: status
            .summary
            .map_or_else(String::new, |summary| summary.power),
        nodes: status.nodes,
    }
}

fn summary(total_mw: i64, hour: Option<&str>, lines: &[Line]) -> String {
    let over = hour.map_or_else(
        || "mean over the policies' windows".to_owned(),
        |hour| format!("mean of the hour from {hour}"),
    );
    let most = lines.first().map_or_else(
        || "nothing was booked that you may see".to_owned(),
        |line| {
            format!(
                "most by {} with {}",
                line.name,
                words::power(line.milliwatts)
            )
        },
    );
    format!("{} in all ({over}); {most}.", words::power(total_mw))
}

/// Energy by the minutes that its node was seen, and its measured part.
#[derive(Default)]
struct Sum {
    by_minutes: BTreeMap<u64, u128>,
    measured_uj: u128,
}

impl Sum {
    fn add(&mut self, row: &EnergyHour, minutes: u64) {
        let energy_uj = u128::from(row.energy.value.microjoules());
        *self.by_minutes.entry(minutes).or_default() += energy_uj;
        if row.provenance == tanso_power::Provenance::Measured {
            self.measured_uj += energy_uj;
        }
    }

    /// Mean power. Microjoules over seconds are microwatts; of each length a
    /// thousand times finer, since what is cut off is cut up to sixty times.
    fn milliwatts(&self) -> i64 {
        let nanowatts = |(minutes, energy_uj): (&u64, &u128)| {
            energy_uj.saturating_mul(1_000) / u128::from(minutes * 60)
        };
        let sum: u128 = self.by_minutes.iter().map(nanowatts).sum();
        i64::try_from((sum + 500_000) / 1_000_000).unwrap_or(i64::MAX)
    }

    fn measured_percent(&self) -> i32 {
        share(self.measured_uj, self.by_minutes.values().sum())
    }
}

/// The power of all, and of each line.
fn of_hour(newest: &NewestHour, by: By) -> (i64, Vec<Line>) {
    let mut all = Sum::default();
    let mut sums: HashMap<String, Sum> = HashMap::new();
    for row in &newest.rows {
        // The hour may have only begun, and for one node later than for another:
        // power is over the minutes in which that node was seen.
        let minutes = newest.minutes_of(&row.node);
        all.add(row, minutes);
        sums.entry(name(row, by)).or_default().add(row, minutes);
    }
    let line = |(name, sum): (String, Sum)| Line {
        name,
        milliwatts: sum.milliwatts(),
        measured_percent: sum.measured_percent(),
    };
    (all.milliwatts(), sums.into_iter().map(line).collect())
}

fn share(part: u128, whole: u128) -> i32 {
    let percent = (part * 100 + whole / 2).checked_div(whole);
    percent
        .and_then(|percent| i32::try_from(percent).ok())
        .unwrap_or(0)
}

fn name(row: &EnergyHour, by: By) -> String {
    match (by, &row.account) {
        (By::Node, _) => row.node.to_string(),
        (_, EnergyAccount::Named(account)) => format!("({account})"),
        (By::Workload, EnergyAccount::Workload(key)) => key.to_string(),
        (By::Namespace, EnergyAccount::Workload(key)) => key.namespace.clone(),
    }
}

/// Mean power over the windows of the policies, from their statuses: of all,
/// and of each line. Adds the policies that cannot be read.
async fn of_windows(
    facts: &dyn Facts,
    scope: &Scope,
    by: By,
    unreadable: &mut Vec<LeftOut>,
) -> Result<(i64, Vec<Line>), AnswerFault> {
    // Several policies may judge the same workload: it is told once.
    let mut known: BTreeMap<[String; 3], (i64, i32)> = BTreeMap::new();
    let listed = facts.listed_policies(scope).await?;
    unreadable.extend(listed.unreadable);
    for policy in listed.items {
        let Some(window) = policy.window() else {
            continue;
        };
        let judged = facts.listed_workloads(&policy).await?;
        unreadable.extend(judged.unreadable);
        let within = judged.workloads.iter();
        for one in within.filter(|one| scope.holds(&one.namespace)) {
            let covered = i64::from(window.hour_count())
                * 36
                * i64::from(one.figures.coverage_percent.max(1));
            let milliwatts = one.figures.energy_microjoules.value / covered.max(1) / 1_000;
            let key = [&one.namespace, &one.kind, &one.name].map(String::clone);
            let found = (milliwatts, one.figures.measured_percent);
            known.entry(key).or_insert(found);
        }
    }
    let mut lines: BTreeMap<String, (i64, u128, u128)> = BTreeMap::new();
    for ([namespace, kind, name], (milliwatts, measured_percent)) in known {
        let title = match by {
            By::Namespace => namespace,
            By::Workload | By::Node => WorkloadKey {
                namespace,
                kind,
                name,
            }
            .to_string(),
        };
        let (sum, measured, whole) = lines.entry(title).or_default();
        *sum = sum.saturating_add(milliwatts);
        // What uses less than a milliwatt has a share too.
        let weight = u128::from(milliwatts.max(1).unsigned_abs());
        *measured += weight * u128::from(measured_percent.max(0).unsigned_abs());
        *whole += weight * 100;
    }
    let line = |(name, (milliwatts, measured, whole))| Line {
        name,
        milliwatts,
        measured_percent: share(measured, whole),
    };
    let lines: Vec<Line> = lines.into_iter().map(line).collect();
    let total = lines.iter().map(|line| line.milliwatts);
    Ok((total.fold(0, i64::saturating_add), lines))
}

#[cfg(test)]
mod tests;
