//! Edits of the `ConfigMaps` that policies read: rules, tables of intensity,
//! contracts. A policy whose inputs were edited is visited at once.
//!
//! Only versions are looked at, every few seconds: of rules by their label in
//! the operator's own namespace, of tables by their names, with the right to
//! get that reading them needs anyway. A watch would need the right to watch
//! all `ConfigMaps` of all namespaces, for the few that a policy names. Texts
//! are read by the visit itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{Receiver, Sender, channel};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::CarbonPolicySpec;
use tanso_runtime::Shutdown;

use super::Shared;
use super::held::Held;
use super::kinds::Policy;
use super::observe::RULES_LABEL;
use crate::cluster::ApplyFault;
use crate::cluster::apply::bounded;
use crate::guard::guarded;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Most `ConfigMaps` that are asked for in a look; more take turns.
const AT_A_TIME: usize = 100;

/// Namespace and name; of the rules, which are many, [`rules`].
type Name = (String, String);

/// The name under which all rules together are known here.
fn rules() -> Name {
    (String::new(), RULES_LABEL.to_owned())
}

/// Policies of one kind, and where to tell that some are to be visited.
pub(super) struct Told<P: Policy> {
    store: Store<Held<P>>,
    look: Sender<()>,
}

impl<P: Policy> Told<P> {
    /// The policies of a store, and when all of them are to be looked at: those
    /// within their interval are passed over.
    pub(super) fn new(store: Store<Held<P>>) -> (Self, Receiver<()>) {
        let (look, looks) = channel(1);
        (Self { store, look }, looks)
    }

    /// The UIDs of all policies that there are.
    fn uids(&self) -> impl Iterator<Item = String> {
        let all = self.store.state().into_iter();
        all.filter_map(|policy| policy.uid())
    }

    /// What each policy reads, by its UID.
    fn reads(&self, operators: &str, by_name: &mut BTreeMap<Name, BTreeSet<String>>) {
        let all = self.store.state();
        for policy in all.iter().filter_map(|policy| policy.known()) {
            let home = policy.home(operators);
            let uid = policy.uid().unwrap_or_default();
            for name in read_by(policy.policy(), &home) {
                by_name.entry(name).or_default().insert(uid.clone());
            }
        }
    }

    /// Asks for a look. One that waits already is as good.
    fn look(&mut self) {
        let _ = self.look.try_send(());
    }
}

/// The `ConfigMaps` that a policy reads.
fn read_by(spec: &CarbonPolicySpec, home: &str) -> Vec<Name> {
    let market = spec.accounting.market.as_ref();
    let contracts = market.and_then(|market| market.contracts.as_ref());
    let table = spec.intensity.table.as_ref();
    let tables = [
        table.map(|named| &named.config_map),
        contracts.map(|named| &named.config_map),
    ];
    let zones = spec.intensity.zone_tables.iter();
    let mut names: Vec<Name> = tables
        .into_iter()
        .flatten()
        .chain(zones.map(|named| &named.config_map))
        .map(|config_map| (home.to_owned(), config_map.clone()))
        .collect();
    if !spec.regulations.is_empty() {
        names.push(rules());
    }
    names
}

/// Looks for edits until the shutdown begins.
pub(super) async fn run<A: Policy, B: Policy>(
    shared: Arc<Shared>,
    mut namespaced: Told<A>,
    mut cluster: Told<B>,
    shutdown: Shutdown,
) {
    let mut seen = Seen::default();
    loop {
        look(&shared, &mut namespaced, &mut cluster, &mut seen).await;
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// One look; who reads what was edited is told.
async fn look<A: Policy, B: Policy>(
    shared: &Shared,
    namespaced: &mut Told<A>,
    cluster: &mut Told<B>,
    seen: &mut Seen,
) {
    let there: HashSet<String> = namespaced.uids().chain(cluster.uids()).collect();
    shared.forget_others(&there).await;
    let mut by_name = BTreeMap::new();
    let operators = &shared.context.namespace;
    namespaced.reads(operators, &mut by_name);
    cluster.reads(operators, &mut by_name);
    for name in seen.turn(&by_name.keys().cloned().collect::<Vec<_>>()) {
        let version = match guarded(Box::pin(version_of(shared, &name))).await {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => {
                tracing::debug!(%error, "looking for edits of a ConfigMap failed; trying again");
                continue;
            }
            Err(error) => {
                let (namespace, name) = name;
                tracing::error!(%error, namespace, name, "looking for edits of a ConfigMap panicked");
                continue;
            }
        };
        if seen.versions.get(&name) == Some(&version) {
            continue;
        }
        if name == rules() {
            shared.rules.forget().await;
        }
        let readers = by_name.get(&name).into_iter().flatten().cloned();
        shared.edited.lock().await.extend(readers);
        namespaced.look();
        cluster.look();
        seen.versions.insert(name, version);
    }
}

/// What was there at the last look.
#[derive(Default)]
struct Seen {
    versions: HashMap<Name, Option<String>>,
    /// The last that had its turn.
    last: Option<Name>,
}

impl Seen {
    /// Those whose turn it is; what nobody reads any more is forgotten.
    fn turn(&mut self, names: &[Name]) -> Vec<Name> {
        self.versions
            .retain(|name, _| names.binary_search(name).is_ok());
        let after = self.last.as_ref();
        let first = after.map_or(0, |last| names.partition_point(|name| name <= last));
        let (before, behind) = names.split_at(first);
        let turn = behind.iter().chain(before).take(AT_A_TIME).cloned();
        let turn: Vec<Name> = turn.collect();
        self.last = turn.last().cloned();
        turn
    }
}

/// The version of a `ConfigMap`, or of all that hold rules; `None` if there is
/// none.
async fn version_of(shared: &Shared, name: &Name) -> Result<Option<String>, ApplyFault> {
    let client = shared.context.client.clone();
    if *name == rules() {
        return rules_version(client, &shared.context.namespace).await;
    }
    let (namespace, name) = name;
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let asked = api.get_metadata_opt(name);
    let found = bounded::<ConfigMap, _>("get", name, asked).await?;
    Ok(found.and_then(|found| found.resource_version()))
}

async fn rules_version(client: Client, operators: &str) -> Result<Option<String>, ApplyFault> {
    let api: Api<ConfigMap> = Api::namespaced(client, operators);
    let params = ListParams::default().labels(RULES_LABEL).match_any();
    let listed = api.list_metadata(&params);
    let listed = bounded::<ConfigMap, _>("list", RULES_LABEL, listed).await?;
    let mut versions: Vec<String> = listed
        .iter()
        .map(|one| {
            let version = one.resource_version().unwrap_or_default();
            format!("{} {version}", one.name_any())
        })
        .collect();
    versions.sort_unstable();
    Ok((!versions.is_empty()).then(|| versions.join("\n")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_reads_its_tables_at_home_and_the_rules_of_all() {
        let spec: CarbonPolicySpec = serde_json::from_value(json!({
            "site": {"zone": "KR", "timeZone": "Asia/Seoul"},
            "intensity": {"source": "Table", "table": {"configMap": "grid"}},
            "accounting": {"market": {"contracts": {"configMap": "solar"},
                "residualMix": {"gramsPerKwh": 480, "reference": "supplier"}}},
            "regulations": [{"rule": "kr-carbon-2050"}],
        }))
        .unwrap();
        let at = |name: &str| ("shop".to_owned(), name.to_owned());
        assert_eq!(read_by(&spec, "shop"), [at("grid"), at("solar"), rules()]);
        assert_eq!(read_by(&CarbonPolicySpec::default(), "shop"), []);
    }

    #[test]
    fn more_than_a_look_asks_for_take_turns_and_what_nobody_reads_is_forgotten() {
        let names: Vec<Name> = (0..250)
            .map(|n| ("shop".to_owned(), format!("table-{n:03}")))
            .collect();
        let mut seen = Seen::default();
        let mut looked_at = BTreeSet::new();
        for _ in 0..3 {
            let turn = seen.turn(&names);
            assert_eq!(turn.len(), AT_A_TIME);
            looked_at.extend(turn);
        }
        assert_eq!(looked_at.len(), 250);
        seen.versions.insert(names[0].clone(), None);
        seen.turn(&names[1..]);
        assert!(seen.versions.is_empty());
    }
}
