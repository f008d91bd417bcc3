//! Kepler's own configuration file and flags, as this agent understands them.
//!
//! Each key is mapped, or it is warned of by name with what holds instead, or
//! it is refused: what a migration loses is said at the start, never found out
//! later. Keys and defaults are those of v0.11.4 and its main branch.

mod flags;
mod web;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tanso_runtime::logs;
use tanso_runtime::settings::Period;

pub use flags::{Words, take};

use crate::serve::metrics::options::Levels;
use crate::settings::{FileLayer, INTERVAL, Kubernetes, MeterName};

/// The keys at the top of Kepler's file; none of them is one of ours.
const TOP: [&str; 11] = [
    "log",
    "host",
    "monitor",
    "cpu",
    "rapl",
    "exporter",
    "web",
    "debug",
    "kube",
    "dev",
    "experimental",
];

/// A key that is not followed, and what holds instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key, `monitor.staleness`.
    pub key: String,
    /// What holds instead.
    pub instead: String,
}

/// Why a configuration of Kepler is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Kepler's \"{key}\": {reason}")]
pub struct KeplerFault {
    /// The key.
    pub key: String,
    /// What is wrong, and what is accepted.
    pub reason: String,
}

/// What became of a configuration of Kepler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translated {
    /// The same in our settings.
    pub layer: FileLayer,
    /// What is not followed.
    pub warnings: Vec<Warning>,
}

/// Whether the document is one of Kepler's.
#[must_use]
pub fn is_keplers(document: &Value) -> bool {
    document
        .as_object()
        .is_some_and(|keys| !keys.is_empty() && keys.keys().any(|key| TOP.contains(&key.as_str())))
}

/// Sets a key of a document, as a flag does it.
pub fn set(document: &mut Value, key: &str, value: Value) {
    let mut place = document;
    for part in key.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(keys) = place.as_object_mut() else {
            return;
        };
        place = keys.entry(part).or_insert(Value::Null);
    }
    *place = value;
}

/// Lays a document over another: flags beat the file.
pub fn overlay(document: &mut Value, over: &Value) {
    let mut leaves = Vec::new();
    flatten("", over, &mut leaves);
    for (key, value) in leaves {
        if !value.is_null() {
            set(document, &key, value.clone());
        }
    }
}

/// Translates a document of Kepler's; `file` is where it was read.
///
/// # Errors
/// If a value is not of the kind that Kepler documents, or asks for what must
/// not be dropped silently.
pub fn translate(document: &Value, file: Option<&Path>) -> Result<Translated, KeplerFault> {
    let mut all = Translated::default();
    let mut leaves = Vec::new();
    flatten("", document, &mut leaves);
    for (key, value) in leaves {
        // An empty value is the default.
        if value.is_null() {
            continue;
        }
        all.key(&key, value, file)?;
    }
    all.tell_defaults();
    Ok(all)
}

/// The leaves of a document, with their keys joined by dots. A list is a leaf.
fn flatten<'a>(prefix: &str, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let key = match prefix {
                    "" => key.clone(),
                    _ => format!("{prefix}.{key}"),
                };
                flatten(&key, value, leaves);
            }
        }
        leaf => leaves.push((prefix.to_owned(), leaf)),
    }
}

fn fault(key: &str, value: &Value, accepted: &str) -> KeplerFault {
    let shown: String = value.to_string().chars().take(80).collect();
    KeplerFault {
        key: key.to_owned(),
        reason: format!("{shown}: accepted is {accepted}"),
    }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, KeplerFault> {
    value.as_str().ok_or_else(|| fault(key, value, "a text"))
}

fn switch(key: &str, value: &Value) -> Result<bool, KeplerFault> {
    match value {
        Value::Bool(on) => Ok(*on),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        _ => Err(fault(key, value, "true or false")),
    }
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, KeplerFault> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(items) => items.iter().map(one).collect::<Option<Vec<_>>>(),
        Value::String(text) => Some(text.split(',').map(|word| word.trim().to_owned()).collect()),
        _ => None,
    }
    .ok_or_else(|| fault(key, value, "a list of texts"))
}

/// A duration of Go, `1m30s`.
fn duration(key: &str, value: &Value) -> Result<Period, KeplerFault> {
    let refuse = || fault(key, value, "a duration, for instance \"5s\" or \"500ms\"");
    let mut rest = text(key, value)?;
    let mut sum = std::time::Duration::ZERO;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(refuse)?;
        let tail = rest.get(digits..).unwrap_or_default();
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let part: Period = rest
            .get(..digits + unit)
            .unwrap_or_default()
            .parse()
            .map_err(|_| refuse())?;
        sum = sum.checked_add(part.0).ok_or_else(refuse)?;
        rest = rest.get(digits + unit..).unwrap_or_default();
    }
    Ok(Period(sum))
}

impl Translated {
    fn warn(&mut self, key: &str, instead: impl Into<String>) {
        self.warnings.push(Warning {
            key: key.to_owned(),
            instead: instead.into(),
        });
    }

    fn key(&mut self, key: &str, value: &Value, file: Option<&Path>) -> Result<(), KeplerFault> {
        match key.split('.').next().unwrap_or_default() {
            "log" | "host" | "monitor" => self.basics(key, value),
            "cpu" | "rapl" | "dev" | "experimental" => self.meters(key, value),
            "exporter" | "web" | "debug" => self.exports(key, value, file),
            "kube" => self.cluster(key, value),
            _ => {
                self.unknown(key);
                Ok(())
            }
        }
    }

    fn unknown(&mut self, key: &str) {
        self.warn(key, "Kepler has no such key; nothing is changed by it");
    }

    fn basics(&mut self, key: &str, value: &Value) -> Result<(), KeplerFault> {
        match key {
            "log.level" => self.layer.log_level = Some(level(key, value)?),
            "log.format" => {
                let format: Result<logs::Format, _> = text(key, value)?.parse();
                self.layer.log_format = Some(format.map_err(|_| fault(key, value, "text or json"))?);
            }
            "host.sysfs" => {
                let sys = PathBuf::from(text(key, value)?);
                self.layer.host_cgroup = Some(sys.join("fs/cgroup"));
                self.layer.host_sys = Some(sys);
            }
            "host.procfs" => self.layer.host_proc = Some(text(key, value)?.into()),
            "monitor.interval" => self.layer.interval = Some(duration(key, value)?),
            "monitor.staleness" => {
                duration(key, value)?;
                self.warn(key, "a scrape reads the last closed interval and never measures");
            }
            "monitor.maxTerminated" => self.warn(
                key,
                "up to 500 finished containers stay listed for 15 minutes, then in their namespace's sum",
            ),
            "monitor.minTerminatedEnergyThreshold" => {
                self.warn(key, "finished containers stay listed however little they used");
            }
            _ => self.unknown(key),
        }
        Ok(())
    }

    fn meters(&mut self, key: &str, value: &Value) -> Result<(), KeplerFault> {
        match key {
            "cpu.preferredMeters" => {
                // What Kepler ends without, a model replaces.
                self.layer.meters = Some(vec![MeterName::Model]);
                for word in texts(key, value)? {
                    match word.parse::<MeterName>() {
                        Ok(meter) => self.add_meter(meter),
                        Err(fault) => self.warn(key, format!("no meter {fault}")),
                    }
                }
            }
            "rapl.zones" if texts(key, value)?.is_empty() => {}
            "rapl.zones" => self.warn(key, "all zones are exported; choose by the label \"zone\""),
            "dev.fake-cpu-meter.enabled" => {
                if switch(key, value)? {
                    self.layer.meters = Some(vec![MeterName::Fake]);
                }
            }
            "dev.fake-cpu-meter.zones" | "experimental.hwmon.zones" => {
                if !texts(key, value)?.is_empty() {
                    self.warn(key, "all zones are exported; choose by the label \"zone\"");
                }
            }
            "experimental.hwmon.enabled" => {
                if switch(key, value)? {
                    self.add_meter(MeterName::Hwmon);
                }
            }
            "experimental.hwmon.forceEnabled" => {
                if switch(key, value)? {
                    self.add_meter(MeterName::Hwmon);
                    self.warn(
                        key,
                        "a zone is read from the first meter that has it; \
                         put hwmon first in --meters to prefer it",
                    );
                }
            }
            "experimental.gpu.enabled" => {
                if switch(key, value)? {
                    self.add_meter(MeterName::Nvml);
                }
            }
            "experimental.platform.redfish.enabled" => {
                if switch(key, value)? {
                    self.add_meter(MeterName::Redfish);
                }
            }
            "experimental.hwmon.chipRules"
            | "experimental.gpu.idlePower"
            | "experimental.gpu.dcgmEndpoint"
            | "experimental.platform.redfish.configFile"
            | "experimental.platform.redfish.nodeName"
            | "experimental.platform.redfish.httpTimeout" => {
                let empty = value.as_array().is_some_and(Vec::is_empty)
                    || value.as_str() == Some("")
                    || value.as_f64() == Some(0.0);
                if !empty {
                    self.warn(key, "not taken over; see the settings of this meter");
                }
            }
            _ => self.unknown(key),
        }
        Ok(())
    }

    /// Adds a meter to those that are used anyway. The model stays the last: once
    /// it leads, no meter that measures processors joins.
    fn add_meter(&mut self, meter: MeterName) {
        let meters = self
            .layer
            .meters
            .get_or_insert_with(MeterName::default_list);
        if meters.contains(&meter) {
            return;
        }
        let model = meters.iter().position(|known| *known == MeterName::Model);
        meters.insert(model.unwrap_or(meters.len()), meter);
    }

    /// Warns of keys that are absent where Kepler's default is another one.
    fn tell_defaults(&mut self) {
        if self.layer.interval.is_none() {
            let own = Period(INTERVAL);
            self.warn(
                "monitor.interval",
                format!("absent: 5s in Kepler, {own} here unless --interval says otherwise"),
            );
        }
        if self.layer.exports.metrics_level.is_none() {
            self.warn(
                "exporter.prometheus.metricsLevel",
                "absent: all five levels in Kepler, all but process here unless \
                 --metrics-level says otherwise",
            );
        }
    }

    fn exports(
        &mut self,
        key: &str,
        value: &Value,
        file: Option<&Path>,
    ) -> Result<(), KeplerFault> {
        match key {
            "exporter.stdout.enabled" => {
                if switch(key, value)? {
                    self.warn(key, "nothing is written to standard output; ask /metrics");
                }
            }
            "exporter.prometheus.enabled" => {
                if !switch(key, value)? {
                    let reason = "false: /metrics is always served; accepted is true";
                    return Err(KeplerFault {
                        key: key.to_owned(),
                        reason: reason.to_owned(),
                    });
                }
            }
            "exporter.prometheus.debugCollectors" => {
                if !texts(key, value)?.is_empty() {
                    self.warn(key, "no Go runtime here; own cost is in tanso_agent_…");
                }
            }
            "exporter.prometheus.metricsLevel" => {
                let levels = Levels::try_from(texts(key, value)?);
                let accepted = "of node, process, container, vm, pod";
                self.layer.exports.metrics_level =
                    Some(levels.map_err(|_| fault(key, value, accepted))?);
            }
            "web.configFile" => {
                let path = text(key, value)?;
                if !path.is_empty() {
                    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
                    web::apply(&folder.join(path), &mut self.layer.exports)?;
                }
            }
            "web.listenAddresses" => self.listen(key, &texts(key, value)?)?,
            "debug.pprof.enabled" => {
                if switch(key, value)? {
                    self.warn(key, "no Go profiles here; use perf");
                }
            }
            _ => self.unknown(key),
        }
        Ok(())
    }

    fn listen(&mut self, key: &str, addresses: &[String]) -> Result<(), KeplerFault> {
        for (place, address) in addresses.iter().enumerate() {
            let full = match address.strip_prefix(':') {
                Some(port) => format!("0.0.0.0:{port}"),
                None => address.clone(),
            };
            let parsed = full.parse().map_err(|_| KeplerFault {
                key: key.to_owned(),
                reason: format!("\"{address}\": accepted is for instance \":28282\""),
            })?;
            if place == 0 {
                self.layer.listen = Some(parsed);
            } else {
                self.warn(
                    key,
                    format!("only the first address is served, not \"{address}\""),
                );
            }
        }
        Ok(())
    }

    fn cluster(&mut self, key: &str, value: &Value) -> Result<(), KeplerFault> {
        match key {
            "kube.enabled" => {
                self.layer.kubernetes = Some(if switch(key, value)? {
                    Kubernetes::On
                } else {
                    Kubernetes::Off
                });
            }
            "kube.nodeName" => self.layer.node_name = Some(text(key, value)?.to_owned()),
            "kube.config" => {
                if !text(key, value)?.is_empty() {
                    self.warn(key, "set the environment variable KUBECONFIG instead");
                }
            }
            "kube.podInformer.mode" | "kube.podInformer.pollInterval" => {
                self.warn(key, "names come from one watch of this node's pods");
            }
            _ => self.unknown(key),
        }
        Ok(())
    }
}

fn level(key: &str, value: &Value) -> Result<String, KeplerFault> {
    let word = text(key, value)?;
    ["error", "warn", "info", "debug"]
        .contains(&word)
        .then(|| word.to_owned())
        .ok_or_else(|| fault(key, value, "error, warn, info or debug"))
}

#[cfg(test)]
mod tests;
