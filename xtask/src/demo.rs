//! Shows the whole product at work on an embedded cluster: from kernel events
//! to verdicts, with a kill -9 of operator and agent on the way.

pub mod facts;
pub mod grids;
pub mod home;
pub mod kill;
pub mod operator;
pub mod session;
pub mod storm;
pub mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use self::facts::Totals;
use self::home::Existing;
use self::session::{NAMESPACE, Session};
use self::storm::{Counting, Storm};
use crate::progress::Step;

/// The name of the demo's cluster.
pub const CLUSTER: &str = "demo";

/// How long the storm is counted.
const STORM: Duration = Duration::from_secs(45);

/// Workloads that must have a row: one of each kind that the demo runs.
const WORKLOADS: [(&str, &str); 4] = [
    ("Deployment", "storefront"),
    ("Deployment", "thumbnailer"),
    ("CronJob", "nightly-report"),
    ("Deployment", "sleeper"),
];

/// How to show it.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Leave the cluster up and print how to use it
    #[arg(long)]
    pub keep: bool,
    /// Write the same facts for a script
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// A cluster that is there already
    #[command(flatten)]
    pub existing: Existing,
}

/// What the demonstration found.
#[derive(Debug)]
pub struct Facts {
    /// The policies, as the API server has them.
    pub policies: Vec<Value>,
    /// The three totals of energy.
    pub totals: Totals,
    /// The storm, counted three ways; `None` where the pods run on another machine.
    pub storm: Option<Storm>,
    /// Agents and operators that were killed on the way.
    pub killed: usize,
}

/// Runs the demonstration.
///
/// # Errors
/// When a step fails, or when the totals do not agree.
pub fn run(args: &Args) -> Result<()> {
    // Said before the minutes that the demonstration takes.
    if let Some(file) = &args.json {
        std::fs::write(file, "").with_context(|| format!("writing \"{}\"", file.display()))?;
    }
    let session = Session::start(CLUSTER, &args.existing)?;
    let result = show(&session).and_then(|facts| {
        print(&session, &facts)?;
        if let Some(file) = &args.json {
            let text = serde_json::to_string_pretty(&facts.to_json())?;
            std::fs::write(file, text)
                .with_context(|| format!("writing \"{}\"", file.display()))?;
        }
        facts.judge()
    });
    if args.keep {
        if session.is_embedded() {
            println!("{}", usage());
        }
    } else {
        session.down()?;
    }
    result
}

/// Lets the workloads run, kills operator and agent in the middle, and reads
/// what every part says afterwards.
///
/// # Errors
/// When a part does not become ready or does not answer.
pub fn show(session: &Session) -> Result<Facts> {
    start_workloads(session)?;
    wait_for_first_booking(session)?;
    // Elsewhere the kernel's counters and the processes are out of reach.
    let is_here = session.is_embedded() || storm::is_here(&pod_uid(session, "app=thumbnailer")?);
    let (storm, killed) = if is_here {
        storm_and_kill(session)?
    } else {
        eprintln!(
            "the pods run on another machine: their storm is not compared with the kernel, nothing is killed"
        );
        (None, 0)
    };
    wait_for_data_after(session, unix_now())?;
    let totals = facts::totals(session)?;
    Ok(Facts {
        policies: wait_for_one_booking(session)?,
        totals,
        storm,
        killed,
    })
}

/// Counts the storm over a time in which operator and agent are killed, so
/// that what the killed ones missed would show.
fn storm_and_kill(session: &Session) -> Result<(Option<Storm>, usize)> {
    let mut step = Step::new("counting the storm of short-lived processes three ways");
    step.tick("the storm");
    let pods = session.json(&[
        "get",
        "pods",
        "-n",
        "shop",
        "-l",
        "app=thumbnailer",
        "-o",
        "json",
    ])?;
    let pod = &pods["items"][0];
    let node = pod["spec"]["nodeName"]
        .as_str()
        .context("the storm's node")?;
    let uid = pod["metadata"]["uid"].as_str().context("the storm's uid")?;
    let agent = facts::agent_pod(session, node)?;
    let mut counting = Counting::begin(session, &agent, uid)?;
    counting.watch(STORM);
    let killed = kill_both(session)?;
    let storm = counting.end(session)?;
    step.done("storm counted, over the kill");
    Ok((Some(storm), killed))
}

fn start_workloads(session: &Session) -> Result<()> {
    let mut step = Step::new("starting workloads, monitor and policies");
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    session.monitor_ready(&mut step)?;
    // Only now: a job that ends before the agents begin has used no known energy.
    session.kubectl(&[
        "create",
        "job",
        "nightly-report-now",
        "--from=cronjob/nightly-report",
        "-n",
        "shop",
    ])?;
    session.wait(
        &mut step,
        "the workloads",
        Duration::from_mins(5),
        |session| {
            let args = [
                "wait",
                "-n",
                "shop",
                "--for=condition=Available",
                "deployment",
                "--all",
                "--timeout=1s",
            ];
            session.kubectl(&args).map(|_| Some(()))
        },
    )?;
    step.done("workloads run, agents measure");
    Ok(())
}

fn wait_for_first_booking(session: &Session) -> Result<()> {
    let mut step = Step::new("waiting for the first closed minute to be judged");
    session.wait(
        &mut step,
        "a booking in a policy's status",
        Duration::from_mins(3),
        |session| {
            let totals = facts::totals(session)?;
            Ok((totals.ledger > 0).then_some(()))
        },
    )?;
    step.done("first minute booked and judged");
    Ok(())
}

fn pod_uid(session: &Session, label: &str) -> Result<String> {
    let pods = session.json(&["get", "pods", "-n", "shop", "-l", label, "-o", "json"])?;
    let uid = pods["items"][0]["metadata"]["uid"].as_str();
    uid.map(str::to_owned)
        .with_context(|| format!("no pod with label {label}"))
}

/// Kills operator and agent with SIGKILL and waits until both are back.
///
/// # Errors
/// When one was not there, or does not come back.
pub fn kill_both(session: &Session) -> Result<usize> {
    let mut step = Step::new("kill -9 of the operator and of the agent");
    let mut killed = 0;
    for (label, program) in [
        ("app.kubernetes.io/name=tanso-operator", "tanso-operator"),
        ("app.kubernetes.io/name=tanso-agent", "tanso-agent"),
    ] {
        killed += kill::kill_dead(session, label, program)?;
        session.wait(&mut step, program, Duration::from_mins(10), |session| {
            back(session, label)
        })?;
    }
    step.done("operator and agent are back");
    Ok(killed)
}

/// Whether each pod with `label` has restarted and is ready.
fn back(session: &Session, label: &str) -> Result<Option<()>> {
    let pods = session.json(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json"])?;
    let pods = pods["items"].as_array().context("pods")?;
    let is_back = |pod: &Value| {
        let status = &pod["status"]["containerStatuses"][0];
        status["ready"] == true && status["restartCount"].as_i64() >= Some(1)
    };
    Ok((!pods.is_empty() && pods.iter().all(is_back)).then_some(()))
}

fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Waits until a whole minute that began after `second` is in every policy.
fn wait_for_data_after(session: &Session, second: i64) -> Result<()> {
    let mut step = Step::new("waiting for a whole minute after the kill to be judged");
    session.wait(
        &mut step,
        "newer data in every policy",
        Duration::from_mins(4),
        |session| {
            let policies = facts::policies(session)?;
            let fresh = |policy: &Value| {
                let through = policy["status"]["dataThrough"]
                    .as_str()
                    .and_then(table::unix_seconds);
                facts::condition_is(policy, "Ready", "True") && through >= Some(second + 60)
            };
            Ok((!policies.is_empty() && policies.iter().all(fresh)).then_some(()))
        },
    )?;
    step.done("a whole minute after the kill is judged");
    Ok(())
}

/// The policies, as soon as all of them are about the same booking: only then
/// is what they say about the same energy.
fn wait_for_one_booking(session: &Session) -> Result<Vec<Value>> {
    let mut step = Step::new("waiting for all policies to be about the same energy");
    let policies = session.wait(
        &mut step,
        "one booking in all policies",
        Duration::from_mins(4),
        |session| {
            let policies = facts::policies(session)?;
            let revision = |policy: &Value| policy["status"]["ledgerRevision"].as_i64();
            let first = policies.first().and_then(revision);
            let is_one = policies.iter().all(|policy| revision(policy) == first);
            Ok((first.is_some() && is_one).then_some(policies))
        },
    )?;
    step.done("all policies are about the same energy");
    Ok(policies)
}

fn print(session: &Session, facts: &Facts) -> Result<()> {
    for args in [
        &["get", "powermonitor"][..],
        &["get", "carbonpolicy", "-n", "shop", "-o", "wide"],
        &["get", "clustercarbonpolicy", "-o", "wide"],
    ] {
        println!("$ kubectl {}\n{}", args.join(" "), session.kubectl(args)?);
    }
    println!(
        "{}",
        table::answers(&facts.policies, &grids::SAME_WORKLOADS)
    );
    println!("{}", table::workloads(&facts.policies, "korea-hours"));
    facts.print_sums();
    Ok(())
}

impl Facts {
    /// Prints the totals beside each other, and the storm where there was one.
    pub(crate) fn print_sums(&self) {
        let provenance = table::provenance(&self.policies);
        println!("{}", table::totals(&self.totals, self.killed, &provenance));
        if let Some(storm) = &self.storm {
            println!("{}", table::storm(storm));
        }
    }

    /// The facts for a script; energy in joules.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "policies": self.policies.iter().map(table::policy_facts).collect::<Vec<_>>(),
            "workloads": self.policies.iter().flat_map(table::workload_facts).collect::<Vec<_>>(),
            "joules": {
                "agent": table::joules(self.totals.agent),
                "ledger": table::joules(self.totals.ledger),
                "status": table::joules(self.totals.status),
            },
            "microjoules": &self.totals,
            "provenance": table::provenance(&self.policies),
                    "storm": &self.storm,
            "killed": self.killed,
        })
    }

    /// Fails unless the facts are what tanso promises.
    ///
    /// # Errors
    /// Names the promise that was not kept, with the figures.
    pub fn judge(&self) -> Result<()> {
        if !self.totals.agree() {
            bail!("the totals differ: {:?}", self.totals);
        }
        self.judge_rows()?;
        if let Some(storm) = &self.storm {
            let off = (storm.agent_ratio() - 1.0).abs();
            if off.is_nan() || off > 0.01 {
                bail!(
                    "the storm's CPU time is off by {:.2} %: {storm:?}",
                    off * 100.0
                );
            }
        }
        Ok(())
    }

    /// Fails unless every policy is evaluated, every kind of workload has its
    /// row, and there is advice of both kinds.
    fn judge_rows(&self) -> Result<()> {
        for policy in &self.policies {
            if !facts::condition_is(policy, "Ready", "True") {
                bail!(
                    "policy {} is not Ready: {}",
                    policy["metadata"]["name"],
                    policy["status"]
                );
            }
        }
        let rows: Vec<Value> = self
            .policies
            .iter()
            .flat_map(table::workload_facts)
            .collect();
        for (kind, name) in WORKLOADS {
            let is_listed = |row: &&Value| row["kind"] == kind && row["name"] == name;
            if !rows.iter().any(|row| is_listed(&row)) {
                bail!("no row for {kind} {name}");
            }
        }
        for action in ["ShiftInTime", "Rightsize"] {
            let is_given = |row: &Value| {
                let advice = row["recommendations"].as_array();
                advice.is_some_and(|all| all.iter().any(|one| one["action"] == action))
            };
            if !rows.iter().any(is_given) {
                bail!("no workload has the advice {action}");
            }
        }
        grids::judge(&self.policies)?;
        let provenance = table::provenance(&self.policies);
        if provenance["modelled"].as_i64().unwrap_or(0)
            + provenance["measured"].as_i64().unwrap_or(0)
            == 0
        {
            bail!("no energy is measured or modelled: {provenance}");
        }
        Ok(())
    }
}

fn usage() -> String {
    format!(
        "The cluster \"{CLUSTER}\" stays up. Try:\n\
         \x20 cargo xtask cluster --name {CLUSTER} kubectl -- get carbonpolicy -A -o wide\n\
         \x20 cargo xtask cluster --name {CLUSTER} kubectl -- describe carbonpolicy korea-hours -n shop\n\
         and when done:\n\
         \x20 cargo xtask cluster --name {CLUSTER} down"
    )
}
