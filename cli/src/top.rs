//! `kubectl tanso top`: workloads by emissions, energy or power.
//!
//! The figures are those of the policies' statuses and reports; power is what
//! the agents say now.

mod view;

use std::collections::BTreeMap;
use std::io::Write;

use clap::ValueEnum;

use crate::cluster::Cluster;
use crate::policies::{self, Scope};
use crate::{Error, Outcome, Output, live};

pub use view::PolicyView;

/// What to show.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Namespace whose policies are shown; default that of the context
    #[arg(short, long, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// The policies of all namespaces, and those of the whole cluster
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Most workloads shown for each policy; the others are one line
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
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

/// Shows each policy's workloads.
///
/// # Errors
/// If policies or reports cannot be read. Agents that do not answer only
/// leave the power column empty.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut impl Write) -> Result<Outcome, Error> {
    let scope = match (&args.namespace, args.all_namespaces) {
        (_, true) => Scope::All,
        (Some(namespace), _) => Scope::Namespace(namespace.clone()),
        (None, _) => Scope::Namespace(cluster.namespace.clone()),
    };
    let mut found = policies::namespaced(cluster, &scope).await?;
    if scope == Scope::All {
        found.extend(policies::cluster_wide(cluster).await?);
    }
    let power = if found.is_empty() {
        live::Power::default()
    } else {
        live::power(cluster, &scope).await
    };
    let mut views = Vec::with_capacity(found.len());
    for policy in &found {
        let workloads =
            if policy.status.workloads.len() < args.limit || args.sort != Sort::Emissions {
                policies::workloads(cluster, policy).await?
            } else {
                policy.status.workloads.clone()
            };
        views.push(PolicyView::new(
            policy, workloads, &power, args.sort, args.limit,
        ));
    }
    match args.output {
        Output::Json => {
            let whole = BTreeMap::from([("policies", &views)]);
            crate::write_json(out, &whole)?;
        }
        Output::Table if views.is_empty() => writeln!(out, "{}", nothing(&scope))?,
        Output::Table => {
            for (index, view) in views.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                write!(out, "{view}")?;
            }
            for fault in &power.faults {
                writeln!(out, "power: {fault}")?;
            }
        }
    }
    Ok(Outcome::Fine)
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
