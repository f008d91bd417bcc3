//! A study that runs on the cluster: its plan and raw figures, read from the
//! operator.

use serde::Deserialize;
use tanso_carbon::study::{Plan, Trials};

use super::StudyFault;
use crate::Error;
use crate::cluster::Cluster;

/// Which study of the cluster.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Named {
    /// Name of an `EnergyStudy` on the cluster
    #[arg(value_name = "NAME", conflicts_with_all = ["data", "plan", "baseline", "response"])]
    pub(super) name: Option<String>,
    /// Namespace of the `EnergyStudy`; default that of the context
    #[arg(short, long, value_name = "NAME", requires = "name")]
    namespace: Option<String>,
    /// The operator's namespace
    #[arg(long, default_value = "tanso-system", value_name = "NAME")]
    operator_namespace: String,
}

/// What the operator says of a study.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    plan: String,
    trials: String,
}

/// Plan and raw figures of a study of the cluster.
///
/// # Errors
/// If the operator does not answer, or has no trial of it.
pub(super) async fn read(
    named: &Named,
    name: &str,
    cluster: &Cluster,
) -> Result<(Plan, Trials), Error> {
    let namespace = named.namespace.as_ref().unwrap_or(&cluster.namespace);
    let action = format!("reading EnergyStudy \"{namespace}/{name}\" from the operator");
    let path = format!("/v1/studies?namespace={namespace}&name={name}");
    let operator = cluster.operator(&named.operator_namespace);
    let text = operator.get(&action, &path).await;
    let text = text.map_err(|fault| cluster.kept_out(&action, fault))?;
    let found: Figures = serde_json::from_str(&text)?;
    let plan = Plan::parse("the study's plan", &found.plan).map_err(StudyFault::Plan)?;
    let trials = Trials::parse("the study's figures", &found.trials).map_err(StudyFault::Table)?;
    Ok((plan, trials))
}
