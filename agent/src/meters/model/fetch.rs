//! Asks the model server for this machine's model: at once, then with
//! growing pauses until there is one, then seldom.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Serialize;
use tanso_power::model::MachineFeatures;
use tanso_runtime::Shutdown;
use tanso_runtime::client::{Bounds, CallFault, ClientFiles};
use tokio::time::sleep;

use super::ModelSource;
use super::source::Selected;
use crate::host::Machine;

const PATH: &str = "/v1/select";
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 1 << 20,
};
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// How often a machine that has a model asks whether there is a better one.
const REFRESH: Duration = Duration::from_hours(6);

#[derive(Serialize)]
struct Question<'a> {
    machine: &'a MachineFeatures,
}

/// Why there was no model this time.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// No answer.
    #[error("model server \"{url}\": {source}")]
    Call {
        /// Whom was asked.
        url: String,
        /// What happened.
        source: CallFault,
    },
    /// An answer that is a refusal.
    #[error("model server \"{url}\" answered {status}: {body}")]
    Refused {
        /// Whom was asked.
        url: String,
        /// With what status.
        status: StatusCode,
        /// The beginning of the answer.
        body: String,
    },
    /// An answer that is no model.
    #[error("model server \"{url}\": {reason}")]
    Content {
        /// Whom was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// What the machine says about itself, for choosing a model.
#[must_use]
pub fn features(machine: &Machine) -> MachineFeatures {
    let cpu = &machine.cpu;
    let vendor = cpu.vendor.as_deref().map(|vendor| match vendor {
        "GenuineIntel" => "intel",
        "AuthenticAMD" => "amd",
        "0x41" => "arm",
        other => other,
    });
    let cpuid = match (cpu.family, cpu.model, cpu.stepping) {
        (Some(family), Some(model), Some(stepping)) => Some([family, model, stepping]),
        _ => None,
    };
    let on_ec2 = machine.vendor.as_deref() == Some("Amazon EC2");
    MachineFeatures {
        cpu_name: cpu.model_name.clone(),
        cpu_vendor: vendor.map(str::to_owned),
        cpuid,
        sockets: Some(cpu.sockets),
        cores: Some(cpu.cores),
        threads: Some(cpu.threads),
        base_mhz: cpu.model_name.as_deref().and_then(nominal_mhz),
        mem_gb: machine.memory_bytes.map(gibibytes),
        virtual_machine: Some(machine.virtualised),
        instance_type: machine.product.clone().filter(|_| on_ec2),
        ..MachineFeatures::default()
    }
}

/// The clock in a model's name: `… CPU @ 2.50GHz`.
fn nominal_mhz(name: &str) -> Option<f64> {
    let ghz: f64 = name
        .rsplit_once("@ ")?
        .1
        .strip_suffix("GHz")?
        .trim()
        .parse()
        .ok()?;
    Some((ghz * 1_000.0).round())
}

#[expect(clippy::cast_precision_loss, reason = "tenths of a GiB are kept")]
fn gibibytes(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 30) * 10.0).round() / 10.0
}

/// The model server, and how it is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelServer {
    /// Its address, `http(s)://HOST:PORT`.
    pub url: String,
    /// Whom to trust, and who this agent is.
    pub files: ClientFiles,
}

/// Keeps `source` supplied until the shutdown.
pub async fn keep(
    source: Arc<ModelSource>,
    server: ModelServer,
    machine: MachineFeatures,
    shutdown: Shutdown,
) {
    let mut pause = PAUSE_FIRST;
    loop {
        let wait = match select(&server, &machine).await.and_then(|selected| {
            source
                .accept(selected)
                .map_err(|fault| FetchFault::Content {
                    url: server.url.clone(),
                    reason: fault.to_string(),
                })
        }) {
            Ok(()) => {
                pause = PAUSE_FIRST;
                REFRESH
            }
            Err(fault) => {
                let kept = source.current().is_some();
                tracing::warn!(error = %fault, kept, "fetching the power model failed");
                source.refuse(format!("no power model yet: {fault}"));
                let wait = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                wait
            }
        };
        tokio::select! {
            () = shutdown.begun() => return,
            () = sleep(wait) => {}
        }
    }
}

/// Asks once.
async fn select(server: &ModelServer, machine: &MachineFeatures) -> Result<Selected, FetchFault> {
    let url = format!("{}{PATH}", server.url.trim_end_matches('/'));
    let content = |fault: serde_json::Error| FetchFault::Content {
        url: url.clone(),
        reason: fault.to_string(),
    };
    let question = serde_json::to_vec(&Question { machine }).map_err(content)?;
    let reply = server
        .files
        .call(Method::POST, &url, Some(question), BOUNDS)
        .await
        .map_err(|source| FetchFault::Call {
            url: url.clone(),
            source,
        })?;
    if reply.status != StatusCode::OK {
        return Err(FetchFault::Refused {
            url,
            status: reply.status,
            body: reply.begin(200),
        });
    }
    serde_json::from_slice(&reply.body).map_err(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_out_of_the_name() {
        assert_eq!(
            nominal_mhz("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"),
            Some(2_500.0)
        );
        assert_eq!(nominal_mhz("AMD EPYC 7763"), None);
    }
}
