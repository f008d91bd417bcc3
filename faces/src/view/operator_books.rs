//! The ledger by way of the operator's own routes: for whoever has a kubeconfig
//! and a door that opens.
//!
//! Asks no intensity services: what they said is known to the operator only.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::stays::Stays;
use tanso_power::{Estimate, Joules, Provenance};

use super::books::{Books, Services, no_services};
use super::door::{Door, DoorFault};
use super::{Answer, Energy, EnergyAccount, EnergyHour, FactsFault, Policy, Scope, WorkloadKey};

/// Days that are read at a time.
const DAYS_AT_A_TIME: i32 = 7;
const HOURS_PER_DAY: i32 = 24;

/// Is told how many days of how many were read.
type Watcher = Arc<dyn Fn(u32, u32) + Send + Sync>;

/// Reads the operator's ledger through a door of its own.
#[derive(Clone)]
pub struct OperatorBooks {
    door: Arc<dyn Door>,
    namespace: String,
    watcher: Option<Watcher>,
}

impl OperatorBooks {
    /// Reads through `door` from the operator in `namespace`.
    #[must_use]
    pub fn new(door: Arc<dyn Door>, namespace: &str) -> Self {
        Self {
            door,
            namespace: namespace.to_owned(),
            watcher: None,
        }
    }

    /// Tells `watcher` how many days of how many were read, before the first
    /// and after each part.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(u32, u32) + Send + Sync + 'static) -> Self {
        Self {
            watcher: Some(Arc::new(watcher)),
            ..self
        }
    }

    /// Reads a period in parts: a year in one answer would take long and say
    /// nothing meanwhile.
    async fn parts(&self, scope: &Scope, period: Period) -> Result<Energy, FactsFault> {
        let parts = parts(period);
        let days = |hours: u32| hours.div_ceil(HOURS_PER_DAY.unsigned_abs());
        let all = days(period.hour_count());
        let tell = |done: u32| {
            if let Some(watcher) = &self.watcher {
                watcher(done, all);
            }
        };
        tell(0);
        let mut energy = Energy::default();
        let mut hours = 0_u32;
        for part in parts {
            energy.rows.extend(self.export(scope, part).await?.rows);
            hours = hours.saturating_add(part.hour_count());
            tell(days(hours));
        }
        Ok(energy)
    }

    async fn export(&self, scope: &Scope, period: Period) -> Result<Energy, FactsFault> {
        const WHAT: &str = "energy by the hour";
        let (from, to) = (period.from.start(), period.until.plus_hours(-1).start());
        let of = match scope {
            Scope::All => String::new(),
            Scope::Namespace(name) => format!("&namespace={name}"),
        };
        let path = format!("/v1/ledger/export?format=jsonl&from={from}&to={to}{of}");
        let text = self.door.get("reading the ledger", &path).await;
        let text = text.map_err(|fault| match fault {
            DoorFault::NotFound(message)
            | DoorFault::Other(FactsFault::Refused {
                code: 503, message, ..
            }) => FactsFault::Absent {
                what: WHAT,
                reason: format!(
                    "the operator in namespace \"{}\" does not answer ({message})",
                    self.namespace
                ),
            },
            fault => self.kept_out(WHAT, fault),
        })?;
        read_export(&text).map_err(|reason| FactsFault::Broken {
            what: "the operator's ledger".to_owned(),
            reason,
        })
    }

    /// Where nodes were. An operator of before does not tell it, which is no
    /// fault: nodes are then where they are now, and whoever reads is told so.
    async fn places(&self) -> Result<Stays, FactsFault> {
        const WHAT: &str = "where nodes were";
        let text = self
            .door
            .get("reading where nodes were", "/v1/ledger/nodes");
        let text = text.await.map_err(|fault| match fault {
            DoorFault::NotFound(_) => FactsFault::Absent {
                what: WHAT,
                reason: format!(
                    "the operator in namespace \"{}\" is older than this program and does not tell it, or is not there",
                    self.namespace
                ),
            },
            fault => self.kept_out(WHAT, fault),
        })?;
        read_places(&text).map_err(|reason| FactsFault::Broken {
            what: WHAT.to_owned(),
            reason,
        })
    }

    /// What it means that the door did not open.
    fn kept_out(&self, what: &'static str, fault: DoorFault) -> FactsFault {
        let reason = match fault {
            DoorFault::Other(fault) => return fault,
            DoorFault::Stranger => format!(
                "the operator in namespace \"{}\" refuses readers whom it does not know (operator.anonymousReaders)",
                self.namespace
            ),
            DoorFault::Shut(reason) | DoorFault::NotFound(reason) => reason,
        };
        FactsFault::Absent { what, reason }
    }
}

/// What an operator tells of nodes.
#[derive(Deserialize)]
struct Places {
    nodes: Stays,
}

fn read_places(text: &str) -> Result<Stays, String> {
    let read = serde_json::from_str::<Places>(text);
    read.map(|places| places.nodes)
        .map_err(|fault| fault.to_string())
}

impl Books for OperatorBooks {
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(self.parts(scope, period))
    }

    fn stays(&self) -> Answer<'_, Stays> {
        Box::pin(self.places())
    }

    fn services<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Services> {
        let why = "only the operator asks services; its own answers are in the policy's status";
        Box::pin(async move { Ok(no_services(policy, why)) })
    }
}

/// A period in parts of some days, in their order.
fn parts(period: Period) -> Vec<Period> {
    let mut parts = Vec::new();
    let mut from = period.from;
    while from < period.until {
        let until = from
            .plus_hours(DAYS_AT_A_TIME * HOURS_PER_DAY)
            .min(period.until);
        parts.push(Period { from, until });
        from = until;
    }
    parts
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
    /// Not told by an operator of before.
    #[serde(default)]
    cpu_request_millicores: Option<u64>,
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
            asked_millicore_seconds: line
                .cpu_request_millicores
                .unwrap_or(0)
                .saturating_mul(line.minutes.saturating_mul(60)),
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
    use super::super::door::{ProxyDoor, Told};
    use super::*;

    const LINE: &str = r#"{"hour_utc":"2026-11-21T09:00Z","node":"n1","account":"pod","namespace":"shop","workload_kind":"Deployment","workload":"api","pod":"api-1","pod_uid":"u-1","provenance":"modelled","energy_low_microjoules":9,"energy_microjoules":10,"energy_high_microjoules":12,"cpu_microseconds":3,"minutes":60}"#;

    #[test]
    fn a_period_is_read_in_parts_without_a_rest() {
        let from = UtcHour::from_unix_seconds(0);
        let until = from.plus_hours(24 * 17 + 5);
        let found = parts(Period { from, until });
        let hours: Vec<_> = found.iter().map(|part| part.hour_count()).collect();
        assert_eq!(hours, [168, 168, 77]);
        assert_eq!(found[1].from, found[0].until);
        assert!(parts(Period { from, until: from }).is_empty());
    }

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
        assert_eq!(row.asked_millicore_seconds, 0);
        let asks = LINE.replace('}', r#","cpu_request_millicores":250}"#);
        let row = &read_export(&asks).unwrap().rows[0];
        assert_eq!(row.asked_millicore_seconds, 250 * 3_600);
    }

    #[test]
    fn what_the_operator_tells_of_nodes_is_read_with_more_than_is_known() {
        let text = r#"{"nodes":{"n1":[{"since":"1970-01-01T00:00Z","region":["aws","eu-north-1"],"millicores":4000},
            {"since":"2026-11-21T09:00Z","rack":7}]},"revision":3}"#;
        let stays = read_places(text).unwrap();
        let [first, later] = stays["n1"].as_slice() else {
            panic!("{stays:?}");
        };
        assert!(first.is_first() && !later.is_first());
        assert_eq!(
            (first.millicores, later.region.as_ref()),
            (Some(4_000), None)
        );
        assert!(read_places("{}").unwrap_err().contains("nodes"));
    }

    /// What every question is answered with.
    struct Always(DoorFault);

    impl Door for Always {
        fn get<'a>(&'a self, _action: &'a str, _path: &'a str) -> Told<'a> {
            Box::pin(std::future::ready(Err(self.0.clone())))
        }
    }

    fn books(fault: DoorFault) -> OperatorBooks {
        OperatorBooks::new(Arc::new(Always(fault)), "tanso-system")
    }

    /// Answers of an operator of before: the routes that it has not.
    fn older() -> OperatorBooks {
        let answer = |_: hyper::Request<kube::client::Body>| async move {
            let answer = hyper::Response::builder().status(404);
            let answer = answer.body(kube::client::Body::empty());
            Ok::<_, std::convert::Infallible>(answer.unwrap())
        };
        let client = kube::Client::new(tower::service_fn(answer), "default");
        let door = ProxyDoor::new(client, "tanso-system");
        OperatorBooks::new(Arc::new(door), "tanso-system")
    }

    #[tokio::test]
    async fn who_is_kept_out_of_the_ledger_is_told_why() {
        let hour = UtcHour::from_unix_seconds(0);
        let period = Period {
            from: hour,
            until: hour.plus_hours(1),
        };
        for (fault, said) in [
            (DoorFault::Stranger, "operator.anonymousReaders"),
            (DoorFault::Shut("it needs X".to_owned()), ": it needs X"),
            (DoorFault::NotFound("gone".to_owned()), "gone"),
        ] {
            let books = books(fault);
            let told = books.energy(&Scope::All, period).await.unwrap_err();
            assert!(told.is_absent(), "{told:?}");
            assert!(told.to_string().contains(said), "{told}");
            assert!(books.stays().await.unwrap_err().is_absent());
        }
        let passing = FactsFault::Refused {
            action: "reading".to_owned(),
            code: 429,
            message: "slowly".to_owned(),
        };
        let told = books(DoorFault::Other(passing.clone()));
        let told = told.energy(&Scope::All, period).await.unwrap_err();
        assert_eq!(told, passing);
    }

    #[tokio::test]
    async fn an_operator_of_before_that_does_not_tell_where_nodes_were_is_named_as_such() {
        let fault = older().stays().await.unwrap_err();
        assert!(fault.is_absent(), "{fault:?}");
        assert!(fault.to_string().contains("is older than"), "{fault}");
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        let wrong = LINE.replace("modelled", "guessed");
        let fault = read_export(&format!("{LINE}\n{wrong}\n")).unwrap_err();
        assert_eq!(fault, "line 2: provenance \"guessed\"");
    }
}
