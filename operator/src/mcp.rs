//! The MCP server at `/mcp`: who asks is asked about at the API server, and
//! sees what they may see there.
//!
//! Read only; serves whether or not this process holds the lease. Rights:
//! create tokenreviews and subjectaccessreviews; get and list what is shown.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use kube::Client;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::stays::Stays;
use tanso_crds::carbon_policy::IntensityProvider;
use tanso_faces::mcp::{Gate, GateSettings, Server};
use tanso_faces::view::{
    Answer, Books, Energy, EnergyAccount, EnergyHour, FactsFault, NewestHour, Policy, Reader,
    Reviewer, Scope, Services, Summing, Sums, WorkloadKey, newest_first,
};

use crate::intensity::{Feeds, is_service};
use crate::ledger::query::{NamedRow, Owner};
use crate::ledger::{self, Ledger, LedgerAccount, LedgerFault, Snapshot, node_places, query};

/// The operator's Service.
const SERVICE: &str = "tanso-operator";

/// What the server stands on.
pub struct Parts {
    /// Reviews tokens with the operator's own rights.
    pub reviewer: Reviewer,
    /// Namespace of the installation.
    pub namespace: String,
    /// Reads the cluster, the ledger and what services said.
    pub reader: Reader,
    /// Hosts by which clients call it, beside the Service's names.
    pub hosts: Vec<String>,
    /// Requests a second of one caller; three times as many at once.
    pub per_second: u32,
}

/// Most rows of energy that one question reads: a pod has one or two an hour,
/// and a few questions at once fit into the operator's memory.
const ROWS_MAX: usize = 750_000;

/// Requests a second of one caller, unless set otherwise.
pub const PER_SECOND: u32 = 20;

/// The route of the server.
pub fn router(parts: Parts) -> Router {
    let Parts {
        reviewer,
        namespace,
        reader,
        hosts,
        per_second,
    } = parts;
    let settings = GateSettings {
        per_second,
        burst: per_second.saturating_mul(3),
        ..GateSettings::of_service(SERVICE, &namespace, &hosts)
    };
    let gate = Gate::new(&settings, reviewer);
    Server::router(reader, gate)
}

/// The facts of the cluster with the operator's own rights, its ledger and
/// what its services said.
#[must_use]
pub fn reader(client: &Client, namespace: &str, ledger: Ledger, feeds: Feeds) -> Reader {
    let books = LedgerBooks {
        client: client.clone(),
        namespace: namespace.to_owned(),
        ledger,
        feeds,
    };
    Reader::new(client.clone(), namespace, Arc::new(books))
}

/// The ledger and the services at first hand.
struct LedgerBooks {
    client: Client,
    namespace: String,
    ledger: Ledger,
    feeds: Feeds,
}

impl LedgerBooks {
    async fn booked(&self, scope: &Scope, period: Period) -> Result<Energy, FactsFault> {
        let scope = ledger_scope(scope);
        let read = self
            .ledger
            .call(move |connection| query::of_scope_up_to(connection, &scope, period, ROWS_MAX));
        let snapshot = read.await.map_err(|fault| unread(&fault))?;
        Ok(energy(&snapshot))
    }

    async fn summed(
        &self,
        scope: &Scope,
        period: Period,
        summing: Summing,
    ) -> Result<Sums, FactsFault> {
        let scope = ledger_scope(scope);
        let read = self.ledger.call(move |connection| {
            let counts = |[namespace, kind, name]: [&str; 3]| {
                summing.chosen.holds(&WorkloadKey {
                    namespace: namespace.to_owned(),
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                })
            };
            let place_of = |node: &str| summing.of_node.get(node).cloned().unwrap_or_default();
            query::sums_of(connection, &scope, period, &counts, &place_of)
        });
        let (revision, rows) = read.await.map_err(|fault| unreachable(&fault))?;
        Ok(Sums {
            revision: Some(revision),
            rows,
        })
    }

    async fn booked_last(&self, period: Period) -> Result<NewestHour, FactsFault> {
        let read = self
            .ledger
            .call(move |connection| query::newest_hour(connection, period));
        let (revision, rows) = read.await.map_err(|fault| unreachable(&fault))?;
        let everybody = Energy {
            revision: Some(revision),
            rows: rows.into_iter().map(named).collect(),
        };
        Ok(NewestHour::of(everybody, &Scope::All).unwrap_or_default())
    }

    /// Few of an hour's rows: sought by the pods of the namespace.
    async fn booked_last_of(
        &self,
        scope: &Scope,
        period: Period,
    ) -> Result<NewestHour, FactsFault> {
        let scope = ledger_scope(scope);
        let parts = newest_first(period);
        let read = self
            .ledger
            .call(move |connection| query::newest_of(connection, &scope, &parts));
        let (snapshot, node_minutes) = read.await.map_err(|fault| unreachable(&fault))?;
        Ok(NewestHour {
            rows: energy(&snapshot).rows,
            node_minutes,
        })
    }

    async fn booked_of(&self, key: WorkloadKey, period: Period) -> Result<Energy, FactsFault> {
        let read = self.ledger.call(move |connection| {
            let WorkloadKey {
                namespace,
                kind,
                name,
            } = &key;
            query::of_workload(connection, [namespace, kind, name], period)
        });
        let snapshot = read.await.map_err(|fault| unreachable(&fault))?;
        Ok(energy(&snapshot))
    }

    async fn places(&self) -> Result<Stays, FactsFault> {
        let read = self.ledger.call(|connection| node_places::all(connection));
        read.await.map_err(|fault| unreachable(&fault))
    }

    async fn asked(&self, policy: &Policy) -> Result<Services, FactsFault> {
        let home = policy.namespace.as_deref().unwrap_or(&self.namespace);
        let spec = &policy.spec;
        let now = Timestamp::now();
        let window = policy.window();
        let from = window.map_or_else(|| UtcHour::containing(now), |window| window.from);
        let asked = self.feeds.ask(&self.client, home, spec, from, now).await;
        let asked = asked.map_err(|fault| FactsFault::Unreachable {
            action: format!("reading what {} names", policy.title()),
            cause: fault.to_string(),
        })?;
        let named = spec
            .intensity
            .providers
            .iter()
            .filter(|one| is_service(one));
        let average = |one: &IntensityProvider| {
            let found = asked.average(&one.name)?.clone();
            Some((one.name.clone(), found))
        };
        let query = spec.site.pue.as_ref().and_then(|pue| pue.query.as_ref());
        Ok(Services {
            average: named.filter_map(average).collect(),
            pue: match query {
                Some(query) => Some(self.feeds.number(&query.endpoint, &query.query).await),
                None => None,
            },
        })
    }
}

impl Books for LedgerBooks {
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(self.booked(scope, period))
    }

    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        Box::pin(self.booked_of(workload.clone(), period))
    }

    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, NewestHour> {
        match scope {
            Scope::All => Box::pin(self.booked_last(period)),
            Scope::Namespace(_) => Box::pin(self.booked_last_of(scope, period)),
        }
    }

    fn sums<'a>(
        &'a self,
        scope: &'a Scope,
        period: Period,
        summing: &'a Summing,
    ) -> Answer<'a, Sums> {
        Box::pin(self.summed(scope, period, Arc::clone(summing)))
    }

    fn stays(&self) -> Answer<'_, Stays> {
        Box::pin(self.places())
    }

    fn services<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Services> {
        Box::pin(self.asked(policy))
    }
}

fn ledger_scope(scope: &Scope) -> ledger::Scope {
    match scope {
        Scope::All => ledger::Scope::All,
        Scope::Namespace(name) => ledger::Scope::Namespaces([name.clone()].into()),
    }
}

/// Why rows were not read: asked again, too many are too many still.
fn unread(fault: &LedgerFault) -> FactsFault {
    match fault {
        LedgerFault::TooMuch { .. } => FactsFault::Absent {
            what: "energy by the hour",
            reason: format!("{fault}, or read it with kubectl tanso, week by week"),
        },
        other => unreachable(other),
    }
}

fn unreachable(fault: &LedgerFault) -> FactsFault {
    FactsFault::Unreachable {
        action: "reading the ledger".to_owned(),
        cause: fault.to_string(),
    }
}

/// A row with its names.
fn named(row: NamedRow) -> EnergyHour {
    EnergyHour {
        hour: row.hour,
        node: row.node,
        account: match row.owner {
            Owner::Workload([namespace, kind, name]) => {
                EnergyAccount::Workload(Arc::new(WorkloadKey {
                    namespace,
                    kind,
                    name,
                }))
            }
            Owner::Named(name) => EnergyAccount::Named(Arc::from(name)),
        },
        provenance: row.provenance,
        energy: row.energy,
        cpu_us: row.cpu_us,
        minutes: row.minutes,
        asked_millicore_seconds: row
            .asked_millicores
            .saturating_mul(row.minutes.saturating_mul(60)),
    }
}

/// A snapshot's rows by workload.
pub(crate) fn energy(snapshot: &Snapshot) -> Energy {
    let mut keys: HashMap<&str, EnergyAccount> = HashMap::new();
    let mut workloads: HashMap<(&str, &str, &str), Arc<WorkloadKey>> = HashMap::new();
    let unnamed: Arc<str> = Arc::from("unnamed");
    for (uid, pod) in &snapshot.pods {
        let key = (&*pod.namespace, &*pod.workload_kind, &*pod.workload_name);
        let workload = workloads
            .entry(key)
            .or_insert_with_key(|(namespace, kind, name)| {
                Arc::new(WorkloadKey {
                    namespace: (*namespace).to_owned(),
                    kind: (*kind).to_owned(),
                    name: (*name).to_owned(),
                })
            });
        keys.insert(uid, EnergyAccount::Workload(Arc::clone(workload)));
    }
    let asked = |account: &LedgerAccount| match account {
        LedgerAccount::Named(_) => 0,
        LedgerAccount::Pod(uid) => {
            let asks = snapshot.pods.get(uid).and_then(|pod| pod.cpu_request_milli);
            asks.and_then(|asks| u64::try_from(asks).ok()).unwrap_or(0)
        }
    };
    let rows = snapshot.rows.iter().map(|row| EnergyHour {
        hour: row.hour,
        node: Arc::clone(&row.node),
        account: match &row.account {
            LedgerAccount::Named(name) => EnergyAccount::Named(Arc::from(*name)),
            LedgerAccount::Pod(uid) => {
                let known = keys.get(&**uid).cloned();
                known.unwrap_or_else(|| EnergyAccount::Named(Arc::clone(&unnamed)))
            }
        },
        provenance: row.provenance,
        energy: row.energy,
        cpu_us: row.cpu_us,
        minutes: row.minutes,
        asked_millicore_seconds: asked(&row.account).saturating_mul(row.minutes.saturating_mul(60)),
    });
    Energy {
        revision: Some(snapshot.revision),
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told as passing, a question for a year of a cluster would be asked again.
    #[test]
    fn too_many_rows_are_told_with_what_to_do_and_not_as_passing() {
        let fault = unread(&LedgerFault::TooMuch { most: 3 });
        assert!(fault.is_absent() && !fault.is_passing());
        let said = fault.to_string();
        assert!(
            said.contains("more than 3 rows of energy; take a shorter time"),
            "{said}"
        );
        assert!(unread(&LedgerFault::Closed).is_passing());
    }
}
