//! Who uses how much power: the mean of the newest booked hour, and what the
//! monitors say of the whole.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::condition::types;
use tanso_crds::power_monitor::NodeCounts;

use super::{AnswerFault, Basis};
use crate::view::{EnergyAccount, EnergyHour, Facts, Scope};
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
    /// Sum of all lines, also those not shown, milliwatts.
    pub total_milliwatts: i64,
    /// How many lines there are in all.
    pub total: u32,
    /// Largest power first.
    pub lines: Vec<Line>,
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
    let (monitors, newest) = tokio::join!(facts.monitors(), facts.newest(&scope, period));
    let monitors = monitors?.into_iter().map(monitor).collect();
    let (basis, hour, mut lines) = match newest {
        Ok(energy) => (
            Basis::Hourly,
            energy.rows.first().map(|row| row.hour.to_string()),
            of_hour(&energy.rows, question.by),
        ),
        Err(fault) if fault.is_absent() => (
            Basis::SpreadEvenly,
            None,
            of_windows(facts, &scope, question.by).await?,
        ),
        Err(fault) => return Err(fault.into()),
    };
    lines.sort_by(|a, b| (b.milliwatts, &a.name).cmp(&(a.milliwatts, &b.name)));
    let total_milliwatts = lines.iter().map(|line| line.milliwatts).sum();
    let total = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Power {
        summary: summary(total_milliwatts, hour.as_deref(), &lines),
        monitors,
        basis,
        hour,
        total_milliwatts,
        total,
        lines,
    })
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

/// Energy and its measured part.
#[derive(Default)]
struct Sum {
    energy_uj: u128,
    measured_uj: u128,
}

fn of_hour(rows: &[EnergyHour], by: By) -> Vec<Line> {
    // The hour may have only begun: power is over the minutes that were seen.
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for row in rows {
        let minutes = seen.entry(&row.node).or_default();
        *minutes = (*minutes).max(row.minutes.min(60));
    }
    let mut sums: HashMap<String, (u64, Sum)> = HashMap::new();
    for row in rows {
        let minutes = seen.get(&*row.node).copied().unwrap_or(60).max(1);
        let (longest, sum) = sums.entry(name(row, by)).or_default();
        *longest = (*longest).max(minutes);
        let energy_uj = u128::from(row.energy.value.microjoules());
        sum.energy_uj += energy_uj;
        if row.provenance == tanso_power::Provenance::Measured {
            sum.measured_uj += energy_uj;
        }
    }
    let line = |(name, (minutes, sum)): (String, (u64, Sum))| Line {
        name,
        // Microjoules over seconds are microwatts.
        milliwatts: i64::try_from(sum.energy_uj / u128::from(minutes * 60) / 1_000)
            .unwrap_or(i64::MAX),
        measured_percent: share(sum.measured_uj, sum.energy_uj),
    };
    sums.into_iter().map(line).collect()
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

/// Mean power over the windows of the policies, from their statuses.
async fn of_windows(facts: &dyn Facts, scope: &Scope, by: By) -> Result<Vec<Line>, AnswerFault> {
    if by == By::Node {
        return Err(AnswerFault::NotKnown {
            what: "power by node".to_owned(),
            reason: "it is in the ledger only, which you cannot read".to_owned(),
        });
    }
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for policy in facts.policies(scope).await? {
        let Some(window) = policy.window() else {
            continue;
        };
        let mut own: BTreeMap<String, Line> = BTreeMap::new();
        for one in facts
            .workloads(&policy)
            .await?
            .iter()
            .filter(|one| scope.holds(&one.namespace))
        {
            let covered = i64::from(window.hour_count())
                * 36
                * i64::from(one.figures.coverage_percent.max(1));
            let milliwatts = one.figures.energy_microjoules.value / covered.max(1) / 1_000;
            let name = match by {
                By::Namespace => one.namespace.clone(),
                _ => format!("{} {}/{}", one.kind, one.namespace, one.name),
            };
            let line = own.entry(name.clone()).or_insert(Line {
                name,
                milliwatts: 0,
                measured_percent: one.figures.measured_percent,
            });
            line.milliwatts = line.milliwatts.saturating_add(milliwatts);
        }
        // Several policies may judge the same workload: it is told once.
        for (name, line) in own {
            lines.entry(name).or_insert(line);
        }
    }
    Ok(lines.into_values().collect())
}
