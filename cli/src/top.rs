//! `kubectl tanso top`: workloads by emissions, energy or power; namespaces,
//! nodes and pods by power.
//!
//! The figures of workloads are those of the policies' statuses and reports;
//! power is what the agents say now, of namespaces and nodes the mean of the
//! newest booked hour.

mod power;
mod view;

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tanso_faces::answer::power::By;
use tanso_faces::letters;
use tanso_faces::view::LeftOut;

use crate::cluster::Cluster;
use crate::policies::{self, Scope};
use crate::{Error, Outcome, Output, live};

pub use power::PowerFault;
pub use view::PolicyView;

/// What to show.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to show
    #[arg(value_enum, default_value_t)]
    what: What,
    /// Namespace whose policies are shown; default that of the context
    #[arg(short, long, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// The policies of all namespaces, and those of the whole cluster
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Most lines shown; of workloads for each policy
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Show it again every so many seconds until interrupted; 5 without a number
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch: Option<u64>,
    /// Namespace of the installation
    #[arg(long, default_value = "tanso-system", value_name = "NAME")]
    operator_namespace: String,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Workloads with verdict, emissions, energy and power
    #[default]
    Workloads,
    /// Namespaces by power, with all that is no workload's
    #[value(alias = "ns", alias = "namespace")]
    Namespaces,
    /// Nodes by power
    #[value(alias = "node")]
    Nodes,
    /// Pods by power now
    #[value(alias = "pod", alias = "po")]
    Pods,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Largest emissions over the policy's window
    #[default]
    Emissions,
    /// Largest energy over the policy's window
    Energy,
    /// Largest power now
    Power,
}

/// Shows it, once or again and again.
///
/// # Errors
/// If policies or reports cannot be read. Agents that do not answer only
/// leave the power column empty.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut impl Write) -> Result<Outcome, Error> {
    let Some(seconds) = args.watch else {
        return once(args, cluster, out).await;
    };
    let mut last = None;
    loop {
        let mut text = Vec::new();
        let read = once(args, cluster, &mut text).await;
        let text = next(&mut last, read.map(|_| text))?;
        if std::io::stdout().is_terminal() {
            // Home, and all below it away.
            out.write_all(b"\x1b[H\x1b[J")?;
        }
        out.write_all(&text)?;
        out.flush()?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// What is shown after a reading: where it failed, what was read `last` and
/// why there is nothing newer. Who has seen nothing yet is told the fault alone.
fn next(last: &mut Option<Vec<u8>>, read: Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
    let fault = match read {
        Ok(text) => {
            *last = Some(text.clone());
            return Ok(text);
        }
        Err(fault) => fault,
    };
    let Some(known) = last else {
        return Err(fault);
    };
    let mut text = known.clone();
    let why = fault.to_string();
    writeln!(text, "not read again: {}", letters::line(&why))?;
    Ok(text)
}

async fn once(args: &Args, cluster: &Cluster, out: &mut impl Write) -> Result<Outcome, Error> {
    let scope = match (&args.namespace, args.all_namespaces) {
        (_, true) => Scope::All,
        (Some(namespace), _) => Scope::Namespace(namespace.clone()),
        (None, _) => Scope::Namespace(cluster.namespace.clone()),
    };
    match args.what {
        What::Workloads => workloads(args, &scope, cluster, out).await,
        What::Namespaces => power::booked(args, By::Namespace, cluster, out).await,
        What::Nodes => power::booked(args, By::Node, cluster, out).await,
        What::Pods => power::pods(args, &scope, cluster, out).await,
    }
}

async fn workloads(
    args: &Args,
    scope: &Scope,
    cluster: &Cluster,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let mut listed = policies::namespaced(cluster, scope).await?;
    if *scope == Scope::All {
        listed = listed.and(policies::cluster_wide(cluster).await?);
    }
    let (found, mut left_out) = (listed.items, listed.unreadable);
    let power = if found.is_empty() {
        live::Power::default()
    } else {
        live::power(cluster, scope, &args.operator_namespace).await
    };
    let mut views = Vec::with_capacity(found.len());
    for policy in &found {
        let workloads =
            if policy.status.workloads.len() < args.limit || args.sort != Sort::Emissions {
                let workloads = policies::workloads(cluster, policy).await?;
                left_out.extend(workloads.unreadable);
                workloads.items
            } else {
                policy.status.workloads.clone()
            };
        let view = PolicyView::new(policy, workloads, &power, args.sort, args.limit);
        views.push(view.widened(args.output == Output::Wide));
    }
    match args.output {
        output @ (Output::Json | Output::Yaml) => {
            let whole = Whole {
                policies: &views,
                unreadable: &left_out,
            };
            output.write(out, &whole)?;
        }
        Output::Table | Output::Wide if views.is_empty() && left_out.is_empty() => {
            writeln!(out, "{}", nothing(scope))?;
        }
        Output::Table | Output::Wide => {
            for (index, view) in views.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                write!(out, "{}", letters::shown(&view.to_string()))?;
            }
            for fault in &power.faults {
                writeln!(out, "power: {}", letters::line(fault))?;
            }
            // What is shown again wipes away what stood beside it.
            if args.watch.is_some() {
                write!(out, "{}", policies::warnings(&left_out))?;
                return Ok(Outcome::Fine);
            }
        }
    }
    Ok(policies::warn(&left_out))
}

/// What is written for programs.
#[derive(Serialize)]
struct Whole<'a> {
    policies: &'a [PolicyView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unreadable: &'a [LeftOut],
}

fn nothing(scope: &Scope) -> String {
    match scope {
        Scope::All => {
            "no CarbonPolicy and no ClusterCarbonPolicy; config/samples has one to apply".to_owned()
        }
        Scope::Namespace(namespace) => format!(
            "no CarbonPolicy in namespace \"{namespace}\"; -A shows those of all namespaces and of the cluster"
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests;
