//! Sends samples to the model server: every few minutes, in bounded batches,
//! with growing pauses while it does not take them.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use tanso_power::model::MachineFeatures;
use tanso_power::sample::{BATCH_MAX, SCHEMA, SampleBatch};
use tanso_runtime::Shutdown;
use tanso_runtime::client::{Bounds, ClientFiles};
use tokio::time::sleep;

use super::Waiting;

const PATH: &str = "/v1/samples";
const EVERY: Duration = Duration::from_mins(5);
const PAUSE_MAX: Duration = Duration::from_hours(1);
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 64 * 1024,
};

/// To whom samples go, and as whose.
#[derive(Clone, Debug)]
pub struct Target {
    /// The model server that learns, `http(s)://HOST:PORT`.
    pub server: String,
    /// This node's name.
    pub node: String,
    /// What is known of this machine.
    pub machine: MachineFeatures,
    /// Whom to trust, and who this agent is.
    pub files: ClientFiles,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendFault {
    /// No answer, or none that says more; the samples wait.
    #[error("model server \"{url}\": {reason}")]
    Later {
        /// Whom was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The batch is refused for what it holds; sending it again is no use.
    #[error("model server \"{url}\" refused samples: {reason}")]
    Refused {
        /// Whom was asked.
        url: String,
        /// The beginning of the answer.
        reason: String,
    },
}

/// Sends what waits until the shutdown.
pub async fn keep(target: Target, waiting: Arc<Waiting>, shutdown: Shutdown) {
    let mut pause = EVERY;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = sleep(pause) => {}
        }
        pause = match flush(&target, &waiting).await {
            Ok(sent) => {
                tracing::debug!(sent, dropped = waiting.dropped(), "samples sent");
                EVERY
            }
            Err(fault) => {
                tracing::warn!(error = %fault, "sending samples failed");
                (pause * 2).min(PAUSE_MAX)
            }
        };
    }
}

/// Sends all that waits, batch by batch; what is refused for its content is
/// dropped with the answer in the log. Returns how many were taken.
///
/// # Errors
/// If the server does not take samples now; they wait.
pub async fn flush(target: &Target, waiting: &Waiting) -> Result<usize, SendFault> {
    let mut sent = 0;
    loop {
        let (meter, samples) = waiting.oldest(BATCH_MAX);
        let Some(last) = samples.last().map(|sample| sample.at) else {
            return Ok(sent);
        };
        let count = samples.len();
        let batch = SampleBatch {
            schema: SCHEMA.to_owned(),
            node: target.node.clone(),
            meter,
            machine: target.machine.clone(),
            samples,
        };
        match post(target, &batch).await {
            Ok(()) => sent += count,
            Err(fault @ SendFault::Refused { .. }) => {
                tracing::warn!(error = %fault, dropped = count, "samples dropped");
            }
            Err(fault) => return Err(fault),
        }
        waiting.done(last);
    }
}

async fn post(target: &Target, batch: &SampleBatch) -> Result<(), SendFault> {
    let url = format!("{}{PATH}", target.server.trim_end_matches('/'));
    let later = |reason: String| SendFault::Later {
        url: url.clone(),
        reason,
    };
    let body = serde_json::to_vec(batch).map_err(|fault| later(fault.to_string()))?;
    let reply = target
        .files
        .call(Method::POST, &url, Some(body), BOUNDS)
        .await
        .map_err(|fault| later(fault.to_string()))?;
    if reply.status.is_success() {
        return Ok(());
    }
    let reason = format!("{}: {}", reply.status, reply.begin(300));
    let of_content = [
        StatusCode::BAD_REQUEST,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    if of_content.contains(&reply.status) {
        Err(SendFault::Refused { url, reason })
    } else {
        Err(later(reason))
    }
}
