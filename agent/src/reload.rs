//! Settings that change while the agent runs: on SIGHUP, or when the file
//! changes.
//!
//! What can be taken over is taken over at once: the reading interval, the log
//! level, what is listed and what anonymous readers get. What needs another
//! process is named in the log. A file that is refused changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tanso_runtime::Shutdown;
use tanso_runtime::logs::LogHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::serve::{Policy, Tally};
use crate::settings::{Settings, SettingsRefusal};

/// How often files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The reading interval, which may change.
#[derive(Clone, Debug)]
pub struct Interval(Arc<AtomicU64>);

impl Interval {
    fn new(interval: Duration) -> Self {
        let all = Self(Arc::new(AtomicU64::new(0)));
        all.set(interval);
        all
    }

    /// The interval now.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, interval: Duration) {
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.0.store(interval_ms, Ordering::Relaxed);
    }
}

/// What can be changed.
#[derive(Clone)]
pub struct Live {
    interval: Interval,
    policy: Arc<ArcSwap<Policy>>,
    logs: LogHandle,
}

impl Live {
    /// The running agent's.
    #[must_use]
    pub fn new(settings: &Settings, policy: Arc<ArcSwap<Policy>>, logs: LogHandle) -> Self {
        Self {
            interval: Interval::new(settings.interval),
            policy,
            logs,
        }
    }

    /// The reading interval.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval.clone()
    }

    /// Takes over what can be; returns the names of what cannot.
    pub fn apply(&self, old: &Settings, new: &Settings) -> Vec<&'static str> {
        self.interval.set(new.interval);
        self.policy.store(Arc::new(new.exports.policy.clone()));
        if let Err(fault) = self.logs.set(&new.log_level) {
            tracing::warn!(error = %fault, "the log level stays");
        }
        fixed(old, new)
    }
}

/// The settings that differ and need another process.
fn fixed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (a, b) = (&old.exports, &new.exports);
    [
        ("listen", old.listen != new.listen),
        ("nodeName", old.node_name != new.node_name),
        ("hostProc, hostSys, hostCgroup", old.roots != new.roots),
        ("stateDir", old.state_dir != new.state_dir),
        ("meters", old.meters != new.meters),
        ("modelServer", old.model_server != new.model_server),
        (
            "modelServer…, samplesServer",
            old.model_client != new.model_client || old.samples_server != new.samples_server,
        ),
        ("cpuTime", old.cpu_time != new.cpu_time),
        (
            "hardwareCounters",
            old.hardware_counters != new.hardware_counters,
        ),
        ("idle", old.idle != new.idle),
        ("idleSharing", old.idle_sharing != new.idle_sharing),
        ("kubernetes", old.kubernetes != new.kubernetes),
        ("logFormat", old.log_format != new.log_format),
        ("exports.legacyListen", a.legacy_listen != b.legacy_listen),
        ("exports.tls…", a.tls != b.tls),
        ("exports.token…", a.token_review != b.token_review),
        ("exports.otlp…", a.push != b.push),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// Reads the settings anew whenever there is a reason, until the shutdown.
pub async fn keep(live: Live, mut settings: Settings, tally: Arc<Tally>, shutdown: Shutdown) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(fault) => {
            tracing::warn!(error = %fault, "settings are not read anew: no signals");
            return;
        }
    };
    let mut pace = interval(LOOK_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = content(settings.file.as_deref());
    loop {
        let asked = tokio::select! {
            () = shutdown.begun() => return,
            _ = hangup.recv() => true,
            // Without a file there is nothing to wake up for.
            _ = pace.tick(), if settings.file.is_some() => false,
        };
        let found = content(settings.file.as_deref());
        if !asked && found == seen {
            continue;
        }
        seen = found;
        match reread(&live, &settings, std::env::args()) {
            Ok(new) => {
                settings = new;
                tally.reload("success");
            }
            Err(fault) => {
                tracing::warn!(error = %fault, "new settings are refused; the old ones stay");
                tally.reload("failure");
            }
        }
    }
}

/// Reads the settings of a command line and takes them over.
///
/// # Errors
/// If they are refused; nothing is changed then.
pub fn reread(
    live: &Live,
    old: &Settings,
    words: impl IntoIterator<Item = String>,
) -> Result<Settings, SettingsRefusal> {
    let new = Settings::from_words(words)?;
    let later = live.apply(old, &new);
    if later.is_empty() {
        tracing::info!("settings read anew");
    } else {
        let needs_restart = later.join("; ");
        tracing::warn!(
            needs_restart,
            "settings read anew; some hold from the next start on"
        );
    }
    Ok(new)
}

/// The file's content; a kubelet swaps a link, so times tell nothing.
fn content(file: Option<&Path>) -> Option<Vec<u8>> {
    std::fs::read(file?).ok()
}

#[cfg(test)]
mod tests;
