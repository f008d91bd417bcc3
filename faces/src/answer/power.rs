//! Who uses how much power: the mean of the newest booked hour, and what the
//! monitors say of the whole.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::condition::types;
use tanso_crds::power_monitor::NodeCounts;

use super::{AnswerFault, Basis};
use crate::view::{EnergyAccount, EnergyHour, Facts, LeftOut, NewestHour, Scope, WorkloadKey};
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
    let (basis, hour, (total_milliwatts, mut lines)) = match newest {
        Ok(newest) => (
            Basis::Hourly,
            newest.rows.first().map(|row| row.hour.to_string()),
            of_hour(&newest, question.by),
        ),
        Err(fault) if fault.is_absent() => (
            Basis::SpreadEvenly,
            None,
            of_windows(facts, &scope, question.by, &mut unreadable).await?,
        ),
        Err(fault) => return Err(fault.into()),
    };
    lines.sort_by(|a, b| (b.milliwatts, &a.name).cmp(&(a.milliwatts, &b.name)));
    let total = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Power {
        summary: summary(total_milliwatts, hour.as_deref(), &lines)
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
    if by == By::Node {
        return Err(AnswerFault::NotKnown {
            what: "power by node".to_owned(),
            reason: "it is in the ledger only, which you cannot read".to_owned(),
        });
    }
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
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tanso_carbon::regulation::BUNDLED;
    use tanso_carbon::{RuleSet, UtcHour};
    use tanso_crds::CarbonPolicy;
    use tanso_power::{Estimate, Joules, Provenance};

    use super::*;
    use crate::view::given::Given;
    use crate::view::{Energy, Policy};

    /// What was used on a node in so many minutes at a mean power; idle without a workload.
    fn row(node: &str, workload: Option<(&str, &str)>, minutes: u64, power_mw: u64) -> EnergyHour {
        let account = match workload {
            None => EnergyAccount::Named(Arc::from("idle")),
            Some((namespace, name)) => EnergyAccount::Workload(Arc::new(WorkloadKey {
                namespace: namespace.to_owned(),
                kind: "Job".to_owned(),
                name: name.to_owned(),
            })),
        };
        EnergyHour {
            hour: UtcHour::from_unix_seconds(7_200),
            node: Arc::from(node),
            account,
            provenance: Provenance::Modelled,
            energy: Estimate::exact(Joules::from_microjoules(power_mw * 1_000 * minutes * 60)),
            cpu_us: 0,
            minutes,
            asked_millicore_seconds: 0,
        }
    }

    fn facts(rows: Vec<EnergyHour>) -> Given {
        Given {
            now: "1970-01-01T02:45:00Z".parse().unwrap(),
            rules: Arc::new(RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap()),
            energy: Some(Energy {
                revision: Some(1),
                rows,
            }),
            ..Given::default()
        }
    }

    async fn ask(facts: &Given, by: By, namespace: Option<&str>) -> Power {
        let question = Question {
            namespace: namespace.map(str::to_owned),
            by,
            limit: None,
        };
        power(facts, &question).await.unwrap()
    }

    fn told(found: &Power) -> Vec<(&str, i64)> {
        let lines = found.lines.iter();
        lines.map(|line| (&*line.name, line.milliwatts)).collect()
    }

    /// A line's energy of all nodes was divided by the longest time of any: 40 W
    /// by node were 22.5 W by namespace.
    #[tokio::test]
    async fn all_power_is_the_same_by_node_by_namespace_and_by_workload() {
        let job = Some(("shop", "import"));
        let rows = ["n1", "n2"].into_iter().zip([40, 5]);
        let rows = rows.flat_map(|(node, minutes)| {
            [
                row(node, None, minutes, 10_000),
                row(node, job, minutes, 10_000),
            ]
        });
        let facts = facts(rows.collect());
        let by_node = ask(&facts, By::Node, None).await;
        assert_eq!(told(&by_node), [("n1", 20_000), ("n2", 20_000)]);
        let by_namespace = ask(&facts, By::Namespace, None).await;
        assert_eq!(told(&by_namespace), [("(idle)", 20_000), ("shop", 20_000)]);
        let by_workload = ask(&facts, By::Workload, None).await;
        let title = "Job shop/import";
        assert_eq!(told(&by_workload), [("(idle)", 20_000), (title, 20_000)]);
        for found in [by_node, by_namespace, by_workload] {
            assert_eq!(found.total_milliwatts, 40_000);
        }
    }

    /// Lines are rounded: their sum is another by each of them, the total is not.
    #[tokio::test]
    async fn odd_minutes_and_amounts_have_one_total() {
        let rows = (0..40_u64).map(|index| {
            let (node, name) = (format!("n{}", index % 7), format!("job-{}", index % 11));
            let space = format!("space-{}", index % 3);
            let workload = (index % 5 > 0).then_some((&*space, &*name));
            let minutes = [7, 11, 13, 29, 37, 59, 60][usize::try_from(index % 7).unwrap()];
            let mut row = row(&node, workload, minutes, 1);
            row.energy = Estimate::exact(Joules::from_microjoules(1_234_567 * (index + 1)));
            row
        });
        let facts = facts(rows.collect());
        let total = ask(&facts, By::Node, None).await.total_milliwatts;
        assert!(total > 0);
        for by in [By::Namespace, By::Workload] {
            assert_eq!(ask(&facts, by, None).await.total_milliwatts, total);
        }
    }

    /// A job that was there for two minutes of forty had 0.5 W, and 10 W where its
    /// namespace was named.
    #[tokio::test]
    async fn a_workload_has_the_same_power_with_its_namespace_and_without() {
        let job = row("n1", Some(("shop", "import")), 2, 10_000);
        let facts = facts(vec![row("n1", None, 40, 10_000), job]);
        let all = ask(&facts, By::Workload, None).await;
        let own = ask(&facts, By::Workload, Some("shop")).await;
        assert_eq!(told(&all), [("(idle)", 10_000), ("Job shop/import", 500)]);
        // Nothing of what others used is in it.
        assert_eq!(told(&own), [("Job shop/import", 500)]);
        assert_eq!((own.total, own.total_milliwatts), (1, 500));
        assert_eq!(own.hour, all.hour);
    }

    fn policy(name: &str, workloads: &[&str]) -> Policy {
        let workload = |name: &&str| {
            json!({"namespace": "shop", "kind": "Deployment", "name": name, "verdict": "Compliant",
                "reason": "WithinLimit", "pods": 1, "figures": {
                    "energyMicrojoules": {"low": 0, "value": 86_400_000_000_i64, "high": 0},
                    "emissionsMilligrams": {"low": 0, "value": 0, "high": 0}, "coveragePercent": 100}})
        };
        let workloads: Vec<_> = workloads.iter().map(workload).collect();
        let policy = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": {"dataThrough": "1970-01-01T02:00:00Z", "workloads": workloads},
        });
        Policy::from(serde_json::from_value::<CarbonPolicy>(policy).unwrap())
    }

    fn newer(kind: &str, namespace: Option<&str>) -> LeftOut {
        LeftOut {
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: "newer".to_owned(),
            field: Some("spec.agent.sources[0]".to_owned()),
            reason: "unknown variant `Sundial`".to_owned(),
        }
    }

    /// The others were told, as if they were all.
    #[tokio::test]
    async fn a_monitor_that_a_later_version_wrote_is_named() {
        let of_ledger = Given {
            unreadable: vec![
                newer("PowerMonitor", None),
                newer("CarbonPolicy", Some("shop")),
            ],
            ..facts(vec![row("n1", None, 60, 10_000)])
        };
        let found = ask(&of_ledger, By::Node, None).await;
        // The ledger has the energy of all workloads, whoever judges them.
        assert_eq!(found.unreadable, of_ledger.unreadable[..1]);
        let words = "Left out: PowerMonitor newer: this version of tanso cannot read it: spec.agent.sources[0]: ";
        assert!(found.summary.contains(words), "{}", found.summary);
        let of_windows = Given {
            energy: None,
            ..of_ledger
        };
        let found = ask(&of_windows, By::Workload, None).await;
        assert_eq!(found.unreadable, of_windows.unreadable);
    }

    /// A namespace had the power of the first policy's workloads alone.
    #[tokio::test]
    async fn policies_that_share_a_namespace_add_up_and_count_each_workload_once() {
        let facts = Given {
            energy: None,
            policies: vec![policy("a", &["api", "web"]), policy("b", &["web", "till"])],
            ..facts(Vec::new())
        };
        let by_workload = ask(&facts, By::Workload, None).await;
        assert_eq!(
            (by_workload.total, by_workload.total_milliwatts),
            (3, 3_000)
        );
        let by_namespace = ask(&facts, By::Namespace, None).await;
        assert_eq!(told(&by_namespace), [("shop", 3_000)]);
    }
}
