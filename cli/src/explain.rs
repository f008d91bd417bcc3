//! `kubectl tanso explain`: why a verdict is what it is, with the formula and
//! its numbers, from the status and the reports.

mod text;

use std::io::Write;

use clap::Subcommand;
use serde_json::json;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_faces::answer::report::choose;
use tanso_faces::view::{LeftOut, Listed};

use crate::cluster::{Cluster, ClusterError};
use crate::policies::{self, Policy, Scope};
use crate::{Error, Outcome, Output};

/// What to explain.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Explain the verdict of a policy
    Policy(PolicyArgs),
    /// Explain the verdict of one workload, by every policy that judged it
    Workload(WorkloadArgs),
}

/// Which policy.
#[derive(Clone, Debug, clap::Args)]
pub struct PolicyArgs {
    /// Name of a policy of the namespace, or of one for the whole cluster (KIND/NAME where both have it)
    name: String,
    /// Namespace; default that of the context
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Which workload.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkloadArgs {
    /// The workload, for example deploy/api or cronjob/etl
    #[arg(value_name = "KIND/NAME")]
    workload: String,
    /// Namespace; default that of the context
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Why there is nothing to explain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Which policy is not clear, there is none, or it cannot be read.
    #[error("{0}")]
    Policy(String),
    /// The workload is no KIND/NAME.
    #[error("workload \"{0}\"; accepted is KIND/NAME, as in deploy/api or cronjob/etl")]
    NoSlash(String),
    /// No policy judged the workload.
    #[error("{workload} in namespace \"{namespace}\" was judged by no policy; {hint}")]
    NotJudged {
        /// What was asked for.
        workload: String,
        /// Where.
        namespace: String,
        /// What may be the reason.
        hint: String,
    },
}

impl Args {
    /// Looks at what needs no cluster.
    ///
    /// # Errors
    /// If the workload is no KIND/NAME.
    pub fn check(&self) -> Result<(), ExplainError> {
        match &self.what {
            What::Policy(_) => Ok(()),
            What::Workload(args) => split(&args.workload).map(|_| ()),
        }
    }
}

/// Explains a verdict.
///
/// # Errors
/// If there is no such policy or workload, or the cluster does not answer.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut impl Write) -> Result<Outcome, Error> {
    match &args.what {
        What::Policy(args) => explain_policy(args, cluster, out).await,
        What::Workload(args) => explain_workload(args, cluster, out).await,
    }
}

async fn explain_policy(
    args: &PolicyArgs,
    cluster: &Cluster,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let namespace = args.namespace.as_ref().unwrap_or(&cluster.namespace);
    let listed = visible(cluster, namespace).await?;
    let readable = listed.items.iter().map(Policy::title);
    let others = listed.unreadable.iter().map(LeftOut::title);
    let known: Vec<String> = readable.chain(others).collect();
    let asked = Some(args.name.as_str());
    let found = choose(listed, asked)
        .map_err(|why| ExplainError::Policy(policies::unchosen(why, asked, namespace, &known)));
    let policy = found?;
    match args.output {
        Output::Table | Output::Wide => write!(out, "{}", text::policy(&policy))?,
        output @ (Output::Json | Output::Yaml) => {
            let whole = json!({
                "kind": policy.kind, "namespace": policy.namespace, "name": policy.name,
                "spec": policy.spec, "status": policy.status,
            });
            output.write(out, &whole)?;
        }
    }
    Ok(Outcome::Fine)
}

async fn explain_workload(
    args: &WorkloadArgs,
    cluster: &Cluster,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let namespace = args.namespace.as_ref().unwrap_or(&cluster.namespace);
    let (kind, name) = split(&args.workload)?;
    let listed = visible(cluster, namespace).await?;
    let (known, mut left_out) = (listed.items, listed.unreadable);
    let mut found: Vec<(&Policy, WorkloadResult)> = Vec::new();
    for policy in &known {
        let workloads = policies::workloads(cluster, policy).await?;
        left_out.extend(workloads.unreadable);
        let fits = |one: &WorkloadResult| {
            one.namespace == *namespace && one.name == name && one.kind.eq_ignore_ascii_case(&kind)
        };
        found.extend(
            workloads
                .items
                .into_iter()
                .find(fits)
                .map(|workload| (policy, workload)),
        );
    }
    if found.is_empty() {
        return Err(ExplainError::NotJudged {
            workload: args.workload.clone(),
            namespace: namespace.clone(),
            hint: not_judged(known.len(), &left_out),
        }
        .into());
    }
    match args.output {
        Output::Table | Output::Wide => {
            for (index, (policy, workload)) in found.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                write!(out, "{}", text::workload(policy, workload))?;
            }
        }
        output @ (Output::Json | Output::Yaml) => {
            let whole: Vec<_> = found
                .iter()
                .map(|(policy, workload)| json!({ "policy": policy.name, "kind": policy.kind, "workload": workload }))
                .collect();
            output.write(out, &whole)?;
        }
    }
    Ok(policies::warn(&left_out))
}

/// The policies of a namespace and those of the cluster.
async fn visible(cluster: &Cluster, namespace: &str) -> Result<Listed<Policy>, ClusterError> {
    let scope = Scope::Namespace(namespace.to_owned());
    let found = policies::namespaced(cluster, &scope).await?;
    Ok(found.and(policies::cluster_wide(cluster).await?))
}

fn not_judged(policies: usize, left_out: &[LeftOut]) -> String {
    match policies {
        _ if !left_out.is_empty() => {
            let named: Vec<_> = left_out.iter().map(ToString::to_string).collect();
            format!("left out: {}", named.join("; "))
        }
        0 => "no policy selects this namespace: apply a CarbonPolicy".to_owned(),
        _ => "it used no energy in the window, or no policy's selector fits it; `kubectl tanso top -A` lists all".to_owned(),
    }
}

/// Kind (as in a status) and name of `deploy/api`.
fn split(workload: &str) -> Result<(String, String), ExplainError> {
    let wrong = || ExplainError::NoSlash(workload.to_owned());
    let (kind, name) = workload.split_once('/').ok_or_else(wrong)?;
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        return Err(wrong());
    }
    let kind = match kind.to_lowercase().as_str() {
        "deploy" | "deployments" => "Deployment".to_owned(),
        "sts" | "statefulsets" => "StatefulSet".to_owned(),
        "ds" | "daemonsets" => "DaemonSet".to_owned(),
        "cj" | "cronjobs" => "CronJob".to_owned(),
        "jobs" => "Job".to_owned(),
        "po" | "pods" => "Pod".to_owned(),
        _ => kind.to_owned(),
    };
    Ok((kind, name.to_owned()))
}

#[cfg(test)]
mod tests;
