//! What a policy refers to, read from cluster and ledger.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::carbon_policy::{CarbonPolicySpec, IntensitySource};
use tanso_intensity::table::Table;
use tokio::sync::Mutex;

use crate::cluster::ApplyFault;
use crate::cluster::apply::bounded;
use crate::regulations::Rules;

/// Label of `ConfigMaps` in the operator's namespace that hold rules.
const RULES_LABEL: &str = "tanso.dev/regulations=true";

/// How long the user's rules are kept before they are read again.
const RULES_KEPT: Duration = Duration::from_secs(15);

/// The user's rules and the bundled ones, read at most every few seconds.
#[derive(Debug, Default)]
pub struct RuleBook {
    read: Mutex<Option<(Instant, Rules)>>,
}

impl RuleBook {
    /// All rules there are now.
    ///
    /// # Errors
    /// If the API server refuses or is silent.
    pub async fn rules(&self, client: &Client, namespace: &str) -> Result<Rules, ApplyFault> {
        let mut read = self.read.lock().await;
        if let Some((at, rules)) = &*read
            && at.elapsed() < RULES_KEPT
        {
            return Ok(rules.clone());
        }
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let params = ListParams::default().labels(RULES_LABEL);
        let listed = bounded::<ConfigMap, _>("list", RULES_LABEL, api.list(&params)).await?;
        let mut rules = Rules::bundled();
        for config_map in listed {
            for (key, yaml) in config_map.data.iter().flatten() {
                let file = format!("{}/{key}", config_map.name_any());
                rules = rules.with([(file.as_str(), yaml.as_str())]);
            }
        }
        *read = Some((Instant::now(), rules.clone()));
        Ok(rules)
    }
}

/// The table that a policy names: its text, or why there is none; `None` if
/// it names none.
///
/// # Errors
/// If the API server refuses or is silent.
pub async fn table(
    client: &Client,
    namespace: &str,
    spec: &CarbonPolicySpec,
) -> Result<Option<Result<Table, String>>, ApplyFault> {
    let Some(named) = spec.intensity.table.as_ref() else {
        return Ok(None);
    };
    let source = spec.intensity.source;
    if source != IntensitySource::Table && source != IntensitySource::Providers {
        return Ok(None);
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = &named.config_map;
    let Some(found) = bounded::<ConfigMap, _>("get", name, api.get_opt(name)).await? else {
        return Ok(Some(Err(format!(
            "ConfigMap \"{name}\" does not exist in namespace \"{namespace}\""
        ))));
    };
    let text = found.data.and_then(|mut data| data.remove(&named.key));
    Ok(Some(text.map_or_else(
        || Err(format!("ConfigMap \"{name}\" has no key \"{}\"", named.key)),
        |text| {
            Ok(Table {
                file: format!("{name}/{}", named.key),
                text,
            })
        },
    )))
}
