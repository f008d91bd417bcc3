//! Kepler's flags, taken out of a command line: each is a key of its file.

use serde_json::{Value, json};

use super::{KeplerFault, set};

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Text,
    /// May come several times.
    Texts,
}

const FLAGS: [(&str, &str, Takes); 24] = [
    ("log.level", "log.level", Takes::Text),
    ("log.format", "log.format", Takes::Text),
    ("host.sysfs", "host.sysfs", Takes::Text),
    ("host.procfs", "host.procfs", Takes::Text),
    ("monitor.interval", "monitor.interval", Takes::Text),
    (
        "monitor.max-terminated",
        "monitor.maxTerminated",
        Takes::Text,
    ),
    ("exporter.stdout", "exporter.stdout.enabled", Takes::Nothing),
    (
        "exporter.prometheus",
        "exporter.prometheus.enabled",
        Takes::Nothing,
    ),
    ("metrics", "exporter.prometheus.metricsLevel", Takes::Texts),
    ("web.config-file", "web.configFile", Takes::Text),
    ("web.listen-address", "web.listenAddresses", Takes::Texts),
    ("debug.pprof", "debug.pprof.enabled", Takes::Nothing),
    ("kube.enable", "kube.enabled", Takes::Nothing),
    ("kube.config", "kube.config", Takes::Text),
    ("kube.node-name", "kube.nodeName", Takes::Text),
    (
        "dev.fake-cpu-meter.enabled",
        "dev.fake-cpu-meter.enabled",
        Takes::Nothing,
    ),
    (
        "experimental.platform.redfish.enabled",
        "experimental.platform.redfish.enabled",
        Takes::Nothing,
    ),
    (
        "experimental.platform.redfish.node-name",
        "experimental.platform.redfish.nodeName",
        Takes::Text,
    ),
    (
        "experimental.platform.redfish.config-file",
        "experimental.platform.redfish.configFile",
        Takes::Text,
    ),
    (
        "experimental.hwmon.force-enabled",
        "experimental.hwmon.forceEnabled",
        Takes::Nothing,
    ),
    (
        "experimental.hwmon.zones",
        "experimental.hwmon.zones",
        Takes::Texts,
    ),
    (
        "experimental.gpu.enabled",
        "experimental.gpu.enabled",
        Takes::Nothing,
    ),
    (
        "experimental.gpu.idle-power",
        "experimental.gpu.idlePower",
        Takes::Text,
    ),
    (
        "experimental.gpu.dcgm-endpoint",
        "experimental.gpu.dcgmEndpoint",
        Takes::Text,
    ),
];

/// A command line without Kepler's flags, and what they said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// The other words.
    pub rest: Vec<String>,
    /// The flags as a document of Kepler's; `Null` without any.
    pub document: Value,
}

/// Takes Kepler's flags out; `--config.file` becomes our `--config`.
///
/// # Errors
/// If a flag lacks its value.
pub fn take(words: impl IntoIterator<Item = String>) -> Result<Words, KeplerFault> {
    let mut all = Words::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            all.rest.push(word);
            continue;
        };
        let (name, given) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if name == "config.file" {
            all.rest.push("--config".to_owned());
            all.rest.extend(given);
            continue;
        }
        let bare = name.strip_prefix("no-").unwrap_or(name);
        let known = FLAGS
            .iter()
            .find(|(flag, ..)| *flag == name || *flag == bare);
        let Some((_, key, takes)) = known else {
            all.rest.push(word);
            continue;
        };
        if *takes == Takes::Nothing {
            let on = bare == name && given.as_deref() != Some("false");
            set(&mut all.document, key, json!(on));
            continue;
        }
        let value = given.or_else(|| words.next()).ok_or_else(|| KeplerFault {
            key: (*key).to_owned(),
            reason: format!("the flag \"--{name}\" lacks its value"),
        })?;
        all.put(key, *takes, json!(value));
    }
    Ok(all)
}

impl Words {
    fn put(&mut self, key: &str, takes: Takes, value: Value) {
        if takes == Takes::Text {
            return set(&mut self.document, key, value);
        }
        let pointer = format!("/{}", key.replace('.', "/"));
        match self.document.pointer_mut(&pointer) {
            Some(Value::Array(values)) => values.push(value),
            _ => set(&mut self.document, key, json!([value])),
        }
    }
}
