//! The ledger by way of the API server: for whoever has a kubeconfig and may
//! proxy to the operator's Service.
//!
//! Asks no intensity services: what they said is known to the operator only.

use std::collections::HashMap;
use std::sync::Arc;

use kube::Client;
use serde::Deserialize;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::cluster::{Books, Services, no_services};
use super::{Answer, Energy, EnergyAccount, EnergyHour, FactsFault, Policy, Scope, WorkloadKey};

/// The operator's Service and the name of its port.
const SERVICE: &str = "tanso-operator:http";

/// Reads the operator's ledger through the API server's Service proxy.
#[derive(Clone)]
pub struct ProxyBooks {
    client: Client,
    namespace: String,
}

impl ProxyBooks {
    /// Reads by `client` from the operator in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
        }
    }

    async fn export(&self, scope: &Scope, period: Period) -> Result<Energy, FactsFault> {
        let ns = &self.namespace;
        let (from, to) = (period.from.start(), period.until.plus_hours(-1).start());
        let of = match scope {
            Scope::All => String::new(),
            Scope::Namespace(name) => format!("&namespace={name}"),
        };
        let path = format!(
            "/api/v1/namespaces/{ns}/services/{SERVICE}/proxy/v1/ledger/export?format=jsonl&from={from}&to={to}{of}"
        );
        let broken = |reason: String| FactsFault::Broken {
            what: "the operator's ledger".to_owned(),
            reason,
        };
        let request = hyper::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| broken(error.to_string()))?;
        let text = self.client.request_text(request).await;
        let text = text.map_err(|error| match FactsFault::of("reading the ledger", &error) {
            FactsFault::Forbidden { .. } => FactsFault::Absent {
                what: "energy by the hour",
                reason: format!("it needs the right to get services/proxy in namespace \"{ns}\""),
            },
            FactsFault::Refused {
                code: 404 | 503,
                message,
                ..
            } => FactsFault::Absent {
                what: "energy by the hour",
                reason: format!("the operator in namespace \"{ns}\" does not answer ({message})"),
            },
            other => other,
        })?;
        read_export(&text).map_err(broken)
    }
}

impl Books for ProxyBooks {
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(self.export(scope, period))
    }

    fn services<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Services> {
        let why = "only the operator asks services; its own answers are in the policy's status";
        Box::pin(async move { Ok(no_services(policy, why)) })
    }
}

/// A line of an export, as the operator writes it.
#[derive(Deserialize)]
struct Line {
    hour_utc: String,
    node: String,
    account: String,
    namespace: String,
    workload_kind: String,
    workload: String,
    provenance: String,
    energy_low_microjoules: u64,
    energy_microjoules: u64,
    energy_high_microjoules: u64,
    cpu_microseconds: u64,
    minutes: u64,
}

/// The rows of an export in JSON lines.
///
/// # Errors
/// The first line that is none, with its number and why.
pub fn read_export(text: &str) -> Result<Energy, String> {
    let mut names = Names::default();
    let mut energy = Energy::default();
    for (number, line) in (1..).zip(text.lines()) {
        let read = serde_json::from_str::<Line>(line).map_err(|fault| fault.to_string());
        let row = read.and_then(|line| names.row(&line));
        energy
            .rows
            .push(row.map_err(|fault| format!("line {number}: {fault}"))?);
    }
    Ok(energy)
}

/// Names that recur in every hour, kept once.
#[derive(Default)]
struct Names {
    texts: HashMap<String, Arc<str>>,
    workloads: HashMap<(String, String, String), Arc<WorkloadKey>>,
}

impl Names {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let made: Arc<str> = Arc::from(text);
        self.texts.insert(text.to_owned(), Arc::clone(&made));
        made
    }

    fn row(&mut self, line: &Line) -> Result<EnergyHour, String> {
        let hour = UtcHour::parse(&line.hour_utc).map_err(|fault| fault.to_string())?;
        let provenance = Provenance::ALL
            .into_iter()
            .find(|one| one.to_string() == line.provenance)
            .ok_or_else(|| format!("provenance \"{}\"", line.provenance))?;
        Ok(EnergyHour {
            hour,
            node: self.text(&line.node),
            account: self.account(line),
            provenance,
            energy: Estimate {
                low: Joules::from_microjoules(line.energy_low_microjoules),
                value: Joules::from_microjoules(line.energy_microjoules),
                high: Joules::from_microjoules(line.energy_high_microjoules),
            },
            cpu_us: line.cpu_microseconds,
            minutes: line.minutes,
        })
    }

    fn account(&mut self, line: &Line) -> EnergyAccount {
        if line.account != "pod" {
            return EnergyAccount::Named(self.text(&line.account));
        }
        if line.workload.is_empty() {
            return EnergyAccount::Named(self.text("unnamed"));
        }
        let key = (
            line.namespace.clone(),
            line.workload_kind.clone(),
            line.workload.clone(),
        );
        let workload = self.workloads.entry(key).or_insert_with_key(|key| {
            let (namespace, kind, name) = key.clone();
            Arc::new(WorkloadKey {
                namespace,
                kind,
                name,
            })
        });
        EnergyAccount::Workload(Arc::clone(workload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"hour_utc":"2026-11-21T09:00Z","node":"n1","account":"pod","namespace":"shop","workload_kind":"Deployment","workload":"api","pod":"api-1","pod_uid":"u-1","provenance":"modelled","energy_low_microjoules":9,"energy_microjoules":10,"energy_high_microjoules":12,"cpu_microseconds":3,"minutes":60}"#;

    #[test]
    fn a_line_of_the_operators_export_is_a_row() {
        let energy = read_export(&format!("{LINE}\n")).unwrap();
        let row = &energy.rows[0];
        assert_eq!(row.hour, UtcHour::parse("2026-11-21T09:00Z").unwrap());
        assert_eq!(row.energy.high.microjoules(), 12);
        let EnergyAccount::Workload(key) = &row.account else {
            panic!("{row:?}");
        };
        assert_eq!(key.to_string(), "Deployment shop/api");
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        let wrong = LINE.replace("modelled", "guessed");
        let fault = read_export(&format!("{LINE}\n{wrong}\n")).unwrap_err();
        assert_eq!(fault, "line 2: provenance \"guessed\"");
    }
}
