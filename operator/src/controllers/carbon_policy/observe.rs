//! What a policy refers to, read from cluster and ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::carbon_policy::{CarbonPolicySpec, IntensitySource, Placement, QuerySpec};
use tanso_intensity::table::Table;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::remembered::Known;
use super::validate::Observed;
use crate::cluster::ApplyFault;
use crate::cluster::apply::bounded;
use crate::intensity::Feeds;
use crate::ledger::{Ledger, LedgerFault, known_nodes, node_places};
use crate::owners::Inventory;
use crate::regulations::Rules;

/// Label of `ConfigMaps` in the operator's namespace that hold rules.
pub(super) const RULES_LABEL: &str = "tanso.dev/regulations=true";

/// How long the user's rules are kept before they are read again.
const RULES_KEPT: Duration = Duration::from_secs(15);

/// How long what the ledger knows of nodes is kept: it is written every half minute.
const NODES_KEPT: Duration = Duration::from_secs(2);

/// The user's rules and the bundled ones, read at most every few seconds.
#[derive(Debug, Default)]
pub struct RuleBook {
    read: Mutex<Option<(Instant, Rules)>>,
}

impl RuleBook {
    /// Reads anew when it is asked next.
    pub(super) async fn forget(&self) {
        *self.read.lock().await = None;
    }

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

/// What the ledger knows of nodes, which is the same for all policies: read at most
/// every other second.
#[derive(Default)]
pub(super) struct NodeBook {
    read: Mutex<Option<(Instant, Arc<Known>)>>,
}

impl NodeBook {
    /// All nodes that were ever known, and where they were.
    ///
    /// # Errors
    /// If the ledger refuses.
    pub(super) async fn known(&self, ledger: &Ledger) -> Result<Arc<Known>, LedgerFault> {
        let mut read = self.read.lock().await;
        if let Some((at, known)) = &*read
            && at.elapsed() < NODES_KEPT
        {
            return Ok(Arc::clone(known));
        }
        let asked = Instant::now();
        let known = ledger
            .call(|connection| {
                let (nodes, stays) = (known_nodes::all(connection)?, node_places::all(connection)?);
                Ok(Arc::new(Known::new(nodes, stays)))
            })
            .await?;
        *read = Some((asked, Arc::clone(&known)));
        Ok(known)
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
    key_of(client, namespace, &named.config_map, &named.key)
        .await
        .map(Some)
}

/// What a spec names beside intensity and rules. What does not answer is a
/// fault of its own part only.
///
/// # Errors
/// If the API server refuses or is silent.
pub async fn observed(
    client: &Client,
    namespace: &str,
    spec: &CarbonPolicySpec,
    feeds: &Feeds,
    inventory: &Inventory,
) -> Result<Observed, ApplyFault> {
    let accounting = &spec.accounting;
    let market = accounting.market.as_ref();
    let contracts = match market.and_then(|market| market.contracts.as_ref()) {
        Some(named) => Some(key_of(client, namespace, &named.config_map, &named.key).await?),
        None => None,
    };
    let units = accounting.functional_unit.as_ref();
    let pue = spec.site.pue.as_ref();
    let mut zone_tables = BTreeMap::new();
    for named in &spec.intensity.zone_tables {
        let table = key_of(client, namespace, &named.config_map, &named.key).await?;
        zone_tables.insert(named.zone.clone(), table);
    }
    let (node_regions, unplaced) = match spec.site.placement {
        Placement::NodeRegion => (inventory.node_regions(), inventory.unplaced_regions()),
        Placement::Site => (BTreeMap::new(), BTreeMap::new()),
    };
    Ok(Observed {
        contracts,
        zone_tables,
        pue: number(feeds, pue.and_then(|pue| pue.query.as_ref())).await,
        units: number(feeds, units.and_then(|unit| unit.query.as_ref())).await,
        node_regions,
        unplaced,
        moved: BTreeMap::new(),
    })
}

async fn number(feeds: &Feeds, query: Option<&QuerySpec>) -> Option<Result<f64, String>> {
    match query {
        Some(query) => Some(feeds.number(&query.endpoint, &query.query).await),
        None => None,
    }
}

/// A key of a `ConfigMap`, or why there is none.
async fn key_of(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Result<Table, String>, ApplyFault> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let Some(found) = bounded::<ConfigMap, _>("get", name, api.get_opt(name)).await? else {
        return Ok(Err(format!(
            "ConfigMap \"{name}\" does not exist in namespace \"{namespace}\""
        )));
    };
    let text = found.data.and_then(|mut data| data.remove(key));
    Ok(text.map_or_else(
        || Err(format!("ConfigMap \"{name}\" has no key \"{key}\"")),
        |text| {
            Ok(Table {
                file: format!("{name}/{key}"),
                text,
            })
        },
    ))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::KnownNode;

    /// Each visit of each of a thousand policies read every node.
    #[tokio::test(start_paused = true)]
    async fn what_is_known_of_nodes_is_read_for_all_policies_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let book = NodeBook::default();
        let first = book.known(&ledger).await.unwrap();
        let nodes = BTreeMap::from([("n1".to_owned(), KnownNode::default())]);
        let keep = ledger
            .call(move |connection| known_nodes::keep(connection, &nodes, Timestamp::UNIX_EPOCH));
        keep.await.unwrap();
        let second = book.known(&ledger).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        tokio::time::advance(NODES_KEPT).await;
        let third = book.known(&ledger).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &third));
    }
}
