//! Asks the model server for this machine's model: at once, then with
//! growing pauses until there is one, then every few minutes whether there is
//! a better one of the same boundary: what counters mean never changes. The
//! answer to that is empty while there is none.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use tanso_power::model::MachineFeatures;
use tanso_runtime::Shutdown;
use tanso_runtime::client::{Bounds, CallFault, ClientFiles};
use tokio::time::sleep;

use super::source::Selected;
use super::{Loaded, ModelSource};
use crate::host::{HostRoots, Machine};

const PATH: &str = "/v1/select";
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 1 << 20,
};
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// How often a machine that has a model asks whether there is a better one:
/// a model learned is in use within minutes, and a thousand nodes ask six times
/// a second.
const REFRESH: Duration = Duration::from_mins(3);
/// Nodes that were started together do not ask together: each pause is longer
/// or shorter by up to this share.
const JITTER: f64 = 0.33;

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

/// The accelerator boards that the driver shows, and the first one's name;
/// `None` where there is none. Their own meter needs the driver's library,
/// which a machine may lack.
#[must_use]
pub fn accelerators(roots: &HostRoots) -> Option<(u32, String)> {
    let mut boards: Vec<PathBuf> = fs::read_dir(roots.proc.join("driver/nvidia/gpus"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("information")))
        .filter(|file| file.exists())
        .collect();
    boards.sort();
    let text = fs::read_to_string(boards.first()?).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some((u32::try_from(boards.len()).ok()?, name.trim().to_owned()))
}

/// A machine with these accelerators.
#[must_use]
pub fn with_accelerators(
    machine: &MachineFeatures,
    accelerators: Option<(u32, String)>,
) -> MachineFeatures {
    let (gpus, gpu_name) = accelerators.unzip();
    MachineFeatures {
        gpus,
        gpu_name,
        ..machine.clone()
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

/// Keeps `source` supplied until the shutdown; `machine` is asked each time,
/// as it changes when a meter takes over a part of it.
pub async fn keep(
    source: Arc<ModelSource>,
    server: ModelServer,
    machine: impl Fn() -> MachineFeatures,
    shutdown: Shutdown,
) {
    let mut pause = PAUSE_FIRST;
    loop {
        let wait = match renew(&source, &server, &machine()).await {
            Ok(()) => {
                pause = PAUSE_FIRST;
                REFRESH.mul_f64(1.0 + JITTER * chance())
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

/// From -1 to 1, another one each time.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Asks once, and takes what is new.
async fn renew(
    source: &ModelSource,
    server: &ModelServer,
    machine: &MachineFeatures,
) -> Result<(), FetchFault> {
    let has = source.current();
    let Some(selected) = select(server, machine, has.as_deref()).await? else {
        return Ok(());
    };
    source
        .accept(selected)
        .map_err(|fault| FetchFault::Content {
            url: server.url.clone(),
            reason: fault.to_string(),
        })
}

/// Asks for a model in the sense of the one that it `has`, and other than that;
/// `None` if that is the one.
async fn select(
    server: &ModelServer,
    machine: &MachineFeatures,
    has: Option<&Loaded>,
) -> Result<Option<Selected>, FetchFault> {
    let url = format!("{}{PATH}", server.url.trim_end_matches('/'));
    let content = |fault: serde_json::Error| FetchFault::Content {
        url: url.clone(),
        reason: fault.to_string(),
    };
    let call = |source| FetchFault::Call {
        url: url.clone(),
        source,
    };
    let features = serde_json::to_string(machine).map_err(content)?;
    let query = utf8_percent_encode(&features, NON_ALPHANUMERIC);
    let etag = has.map(|has| format!("\"{}\"", has.digest));
    // The first time it is what nodes like this one measure.
    let sense = has.map_or_else(String::new, |has| {
        format!("&measured={}", has.document.domain.measured().name())
    });
    let files = &server.files;
    let asked = format!("{url}?machine={query}{sense}");
    let mut reply = files
        .get_unless(&asked, etag.as_deref(), BOUNDS)
        .await
        .map_err(call)?;
    if reply.status == StatusCode::METHOD_NOT_ALLOWED {
        // A server of before there was this question.
        let question = serde_json::to_vec(&Question { machine }).map_err(content)?;
        reply = files
            .call(Method::POST, &url, Some(question), BOUNDS)
            .await
            .map_err(call)?;
    }
    match reply.status {
        StatusCode::OK => serde_json::from_slice(&reply.body)
            .map(Some)
            .map_err(content),
        StatusCode::NOT_MODIFIED if has.is_some() => Ok(None),
        status => Err(FetchFault::Refused {
            url,
            status,
            body: reply.begin(200),
        }),
    }
}

#[cfg(test)]
mod tests;
