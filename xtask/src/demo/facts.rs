//! What the parts of tanso say of the same energy.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tanso_agent_wire::energy::{self, EnergyPage};

use super::operator;
use super::session::{NAMESPACE, Session};

/// The policy whose status covers the whole ledger.
const WHOLE: &str = "everything";

/// The energy of the same closed minutes, as three parts of tanso say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Sum of the records that the agents serve, microjoules.
    pub agent: i128,
    /// Sum of the ledger's bookings, microjoules.
    pub ledger: i128,
    /// Workloads and unallocated accounts of the cluster policy's status, microjoules.
    pub status: i128,
    /// The booking up to which all three go.
    pub ledger_revision: i64,
}

impl Totals {
    /// Whether all three say the same, and not nothing.
    #[must_use]
    pub const fn agree(&self) -> bool {
        self.agent == self.ledger && self.ledger == self.status && self.ledger > 0
    }
}

/// Reads the three totals at the booking that the status names.
///
/// # Errors
/// When a part does not answer, or there is no status yet.
pub fn totals(session: &Session) -> Result<Totals> {
    let policy = session.json(&["get", "clustercarbonpolicy", WHOLE, "-o", "json"])?;
    let revision = policy["status"]["ledgerRevision"]
        .as_i64()
        .context("no ledgerRevision yet")?;
    let status = status_total(&policy["status"])?;
    let path = format!("/v1/ledger/total?revision={revision}");
    let ledger = operator::ask(session, &path)?;
    let ledger: Value = serde_json::from_str(&ledger).context("the ledger's total")?;
    let booked = ledger["energyMicrojoules"]
        .as_i64()
        .context("the ledger's energyMicrojoules")?;
    let mut agent = 0;
    for node in ledger["nodes"].as_array().context("the ledger's nodes")? {
        let name = node["node"].as_str().context("a node's name")?;
        let through = node["sequence"].as_u64().context("a node's sequence")?;
        agent += agent_total(session, name, through)?;
    }
    Ok(Totals {
        agent,
        ledger: booked.into(),
        status,
        ledger_revision: revision,
    })
}

fn status_total(status: &Value) -> Result<i128> {
    let workloads = status["totals"]["energyMicrojoules"]["value"]
        .as_i64()
        .context("status.totals.energyMicrojoules")?;
    let mut sum = i128::from(workloads);
    for account in status["unallocated"]
        .as_array()
        .context("status.unallocated")?
    {
        sum += i128::from(
            account["energyMicrojoules"]
                .as_i64()
                .context("an account's energy")?,
        );
    }
    Ok(sum)
}

/// Adds up what the agent of `node` serves, to the record `through`.
fn agent_total(session: &Session, node: &str, through: u64) -> Result<i128> {
    let pod = agent_pod(session, node)?;
    let mut sum = 0;
    let mut cursor = None;
    loop {
        let page = energy_page(session, &pod, cursor.as_deref())?;
        for record in page
            .records
            .iter()
            .filter(|record| record.sequence <= through)
        {
            sum += i128::from(record.energy_uj.value.microjoules());
        }
        if page.next.sequence >= through.min(page.last_sequence) {
            return Ok(sum);
        }
        let next = page.next.to_string();
        if cursor.as_deref() == Some(next.as_str()) {
            bail!("agent on node \"{node}\" does not get beyond cursor {next}");
        }
        cursor = Some(next);
    }
}

fn energy_page(session: &Session, pod: &str, cursor: Option<&str>) -> Result<EnergyPage> {
    let since = cursor.map_or_else(String::new, |cursor| format!("&since={cursor}"));
    let path = format!(
        "{}{}?limit={}{since}",
        agent_proxy(pod),
        energy::PATH,
        energy::PAGE_LIMIT
    );
    serde_json::from_str(&session.raw(&path)?).context("an agent's energy page")
}

/// The path of the API server's proxy to an agent.
#[must_use]
pub fn agent_proxy(pod: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:28282/proxy")
}

/// The name of the agent's pod on a node.
///
/// # Errors
/// When there is none that runs.
pub fn agent_pod(session: &Session, node: &str) -> Result<String> {
    let field = format!("spec.nodeName={node}");
    let label = "app.kubernetes.io/name=tanso-agent";
    let pods = session.json(&[
        "get",
        "pods",
        "-n",
        NAMESPACE,
        "-l",
        label,
        "--field-selector",
        &field,
        "-o",
        "json",
    ])?;
    let first = pods["items"].as_array().and_then(|items| {
        items
            .iter()
            .find(|pod| pod["metadata"]["deletionTimestamp"].is_null())
    });
    let name = first.and_then(|pod| pod["metadata"]["name"].as_str());
    name.map(str::to_owned)
        .with_context(|| format!("no agent on node \"{node}\""))
}

/// Statuses of every policy, namespaced ones first.
///
/// # Errors
/// When the API server does not answer.
pub fn policies(session: &Session) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for kind in ["carbonpolicy", "clustercarbonpolicy"] {
        let list = session.json(&["get", kind, "-A", "-o", "json"])?;
        found.extend(list["items"].as_array().cloned().unwrap_or_default());
    }
    Ok(found)
}

/// Whether a policy's condition `kind` is True for the present generation.
#[must_use]
pub fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    let generation = &object["metadata"]["generation"];
    object["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions.iter().any(|condition| {
                condition["type"] == kind
                    && condition["status"] == status
                    && condition["observedGeneration"] == *generation
            })
        })
}
