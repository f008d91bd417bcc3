//! The operator's own metrics: what it does, how long it takes, what fails.
//!
//! Labels are bounded: controllers, kinds and verbs, never names.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Counters of the operator; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: Family<Reconcile, Counter>,
    durations: Family<Controller, Histogram>,
    writes: Family<Write, Counter>,
    ceiling: Gauge,
    delayed: Counter,
    delay: Counter<f64, AtomicU64>,
    lease: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: String,
    verb: &'static str,
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            durations: Family::new_with_constructor(|| {
                Histogram::new([0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0])
            }),
            writes: Family::default(),
            ceiling: Gauge::default(),
            delayed: Counter::default(),
            delay: Counter::default(),
            lease: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tanso_operator_reconciles",
            "Reconciles by controller and result",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "tanso_operator_reconcile_duration",
            "Duration of reconciles",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "tanso_operator_api_writes",
            "Writes to the API server by kind, verb and result",
            self.writes.clone(),
        );
        registry.register(
            "tanso_operator_paced_writes_ceiling",
            "Most writes of carbon policies, their reports and CronJobs that begin within any minute",
            self.ceiling.clone(),
        );
        registry.register(
            "tanso_operator_paced_writes_delayed",
            "Writes of carbon policies that waited below the ceiling",
            self.delayed.clone(),
        );
        registry.register_with_unit(
            "tanso_operator_paced_writes_delay",
            "How long they waited",
            Unit::Seconds,
            self.delay.clone(),
        );
        registry.register(
            "tanso_operator_lease_held",
            "Whether this process holds the lease",
            self.lease.clone(),
        );
    }

    /// Counts one reconcile; `result` is `ok`, `transient`, `terminal`,
    /// `absent` or `panic`.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&Reconcile { controller, result })
            .inc();
        self.durations
            .get_or_create(&Controller { controller })
            .observe(took.as_secs_f64());
    }

    /// Counts one write to the API server.
    pub fn api_write(&self, kind: &str, verb: &'static str, worked: bool) {
        let result = if worked { "ok" } else { "error" };
        self.writes
            .get_or_create(&Write {
                kind: kind.to_owned(),
                verb,
                result,
            })
            .inc();
    }

    /// Says how many paced writes may begin within any minute.
    pub fn writes_ceiling(&self, per_minute: u32) {
        self.ceiling.set(i64::from(per_minute));
    }

    /// Counts a write that has to wait for the ceiling.
    pub fn write_delayed(&self) {
        self.delayed.inc();
    }

    /// Adds how long such a write waited.
    pub fn writes_waited(&self, took: Duration) {
        self.delay.inc_by(took.as_secs_f64());
    }

    /// Says whether the lease is held.
    pub fn lease_held(&self, held: bool) {
        self.lease.set(i64::from(held));
    }
}

/// Everything registered, as OpenMetrics text.
///
/// # Errors
/// If a metric cannot be encoded.
pub fn text(registry: &Arc<Registry>) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.reconciled("power_monitor", "ok", Duration::from_millis(3));
        metrics.api_write("DaemonSet", "apply", true);
        metrics.lease_held(true);
        let text = text(&Arc::new(registry)).unwrap();
        for line in [
            "tanso_operator_reconciles_total{controller=\"power_monitor\",result=\"ok\"} 1",
            "tanso_operator_reconcile_duration_seconds_count{controller=\"power_monitor\"} 1",
            "tanso_operator_api_writes_total{kind=\"DaemonSet\",verb=\"apply\",result=\"ok\"} 1",
            "tanso_operator_lease_held 1",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
