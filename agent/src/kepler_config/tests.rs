use serde_json::json;

use super::*;
use crate::settings::exports::AnonymousWord;

/// Kepler's own example file, every key at another value than its default.
const EVERY_KEY: &str = r#"
log: {level: debug, format: json}
host: {sysfs: /host/sys, procfs: /host/proc}
monitor: {interval: 3s, staleness: 1s, maxTerminated: 100, minTerminatedEnergyThreshold: 20}
cpu: {preferredMeters: [fake]}
rapl: {zones: [package]}
exporter:
  stdout: {enabled: true}
  prometheus: {enabled: true, debugCollectors: [go], metricsLevel: [node, pod]}
web: {configFile: "", listenAddresses: [":28283"]}
debug: {pprof: {enabled: true}}
kube: {enabled: true, config: /root/.kube/config, nodeName: n1, podInformer: {mode: kubelet, pollInterval: 15s}}
dev: {fake-cpu-meter: {enabled: true, zones: [package]}}
experimental:
  platform: {redfish: {enabled: true, configFile: /r.yaml, nodeName: n1, httpTimeout: 9s}}
  hwmon: {enabled: true, forceEnabled: true, zones: [a], chipRules: [{name: x}]}
  gpu: {enabled: true, idlePower: 30, dcgmEndpoint: "http://d"}
"#;

fn translated(text: &str) -> Result<Translated, KeplerFault> {
    translate(&serde_saphyr::from_str(text).unwrap(), None)
}

#[test]
fn every_key_of_kepler_is_mapped_or_warned_of_by_name() {
    let document: Value = serde_saphyr::from_str(EVERY_KEY).unwrap();
    assert!(is_keplers(&document));
    let found = translate(&document, None).unwrap();
    let layer = &found.layer;
    assert_eq!(layer.log_level.as_deref(), Some("debug"));
    assert_eq!(
        layer.host_cgroup.as_deref(),
        Some(Path::new("/host/sys/fs/cgroup"))
    );
    assert_eq!(
        layer.interval,
        Some(Period(std::time::Duration::from_secs(3)))
    );
    assert_eq!(layer.listen.unwrap().to_string(), "0.0.0.0:28283");
    assert_eq!(layer.node_name.as_deref(), Some("n1"));
    assert_eq!(layer.kubernetes, Some(Kubernetes::On));
    assert!(layer.meters.as_ref().unwrap().contains(&MeterName::Fake));
    assert!(layer.exports.metrics_level.is_some());
    // A leaf changes the settings or has a warning of its name; none is
    // unknown.
    let mut leaves = Vec::new();
    flatten("", &document, &mut leaves);
    for (key, value) in leaves {
        let mut alone = Value::Null;
        set(&mut alone, &key, value.clone());
        let one = translate(&alone, None).unwrap();
        let warned = one.warnings.iter().find(|warning| warning.key == key);
        let said_unknown = warned.is_some_and(|w| w.instead.contains("no such key"));
        assert!(!said_unknown, "{key}");
        let default = ["web.configFile", "exporter.prometheus.enabled"].contains(&key.as_str());
        assert!(
            warned.is_some() || one.layer != FileLayer::default() || default,
            "{key}"
        );
    }
}

#[test]
fn a_meter_that_kepler_turns_on_joins_those_that_are_used_before_the_model() {
    use MeterName::{Acpi, Fake, Hwmon, Model, Nvml, Perf, Rapl, Redfish};
    let found = |text: &str| translated(text).unwrap().layer.meters;
    let all = [Rapl, Perf, Acpi, Hwmon, Redfish, Nvml, Model];
    for (key, meter) in [
        ("hwmon: {enabled: true}", Hwmon),
        ("hwmon: {forceEnabled: true}", Hwmon),
        ("platform: {redfish: {enabled: true}}", Redfish),
        ("gpu: {enabled: true}", Nvml),
    ] {
        let alone = format!("experimental: {{{key}}}");
        assert_eq!(found(&alone).as_deref(), Some(&all[..]), "{alone}");
        let chosen = format!("cpu: {{preferredMeters: [rapl]}}\n{alone}");
        let expected = [Rapl, meter, Model];
        assert_eq!(found(&chosen).as_deref(), Some(&expected[..]), "{chosen}");
        let fake = format!("dev: {{fake-cpu-meter: {{enabled: true}}}}\n{alone}");
        assert_eq!(found(&fake).as_deref(), Some(&[Fake, meter][..]), "{fake}");
    }
    let off = found("experimental: {hwmon: {enabled: false}}");
    assert_eq!(off, None);
    let chosen = found("cpu: {preferredMeters: [hwmon, rapl, hwmon, steam]}");
    assert_eq!(chosen.as_deref(), Some(&[Hwmon, Rapl, Model][..]));
}

#[test]
fn an_absent_key_whose_default_differs_is_warned_of_by_name() {
    let keys = |text: &str| -> Vec<String> {
        let found = translated(text).unwrap();
        let warnings = found.warnings.into_iter();
        warnings.map(|warning| warning.key).collect()
    };
    let (interval, levels) = ("monitor.interval", "exporter.prometheus.metricsLevel");
    assert_eq!(keys("log: {level: info}"), [interval, levels]);
    // An empty value is Kepler's default, too.
    assert_eq!(keys("monitor: {interval: null}"), [interval, levels]);
    let named = "exporter: {prometheus: {metricsLevel: [node, process]}}";
    assert_eq!(keys(named), [interval]);
    assert_eq!(keys("monitor: {interval: 5s}"), [levels]);
    let found = translated("log: {level: info}").unwrap();
    let own = &found.warnings[0].instead;
    assert!(own.contains("5s in Kepler, 1s here"), "{own}");
    let own = &found.warnings[1].instead;
    assert!(own.contains("all but process"), "{own}");
}

#[test]
fn an_unknown_key_is_named_and_a_wrong_value_is_refused() {
    let found = translated("monitor: {intervall: 3s}").unwrap();
    assert_eq!(found.warnings[0].key, "monitor.intervall");
    for text in [
        "monitor: {interval: 3}",
        "monitor: {interval: soon}",
        "log: {level: loud}",
        "web: {listenAddresses: [nowhere]}",
        "exporter: {prometheus: {enabled: false}}",
        "exporter: {prometheus: {metricsLevel: [galaxy]}}",
        "kube: {enabled: 7}",
    ] {
        assert!(translated(text).is_err(), "{text}");
    }
}

#[test]
fn durations_of_go_are_read() {
    let of = |text: &str| duration("k", &json!(text)).map(|period| period.0.as_millis());
    assert_eq!(of("1m30s"), Ok(90_000));
    assert_eq!(of("500ms"), Ok(500));
    for text in ["", "s", "1", "1.5s", "5s3", "99999999999999999d"] {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn keplers_arguments_start_this_agent() {
    let words = "kepler --config.file=/etc/kepler/config.yaml --kube.enable --kube.node-name n1 \
                 --metrics=node --metrics=pod --no-exporter.stdout --listen 127.0.0.1:1";
    let found = take(words.split_whitespace().map(str::to_owned)).unwrap();
    assert_eq!(
        found.rest,
        [
            "kepler",
            "--config",
            "/etc/kepler/config.yaml",
            "--listen",
            "127.0.0.1:1"
        ]
    );
    let expected = json!({
        "kube": {"enabled": true, "nodeName": "n1"},
        "exporter": {"prometheus": {"metricsLevel": ["node", "pod"]}, "stdout": {"enabled": false}},
    });
    assert_eq!(found.document, expected);
    assert!(take(["--kube.node-name".to_owned()]).is_err());
}

#[test]
fn a_flag_of_kepler_beats_its_file() {
    let mut document: Value =
        serde_saphyr::from_str("kube: {nodeName: file, enabled: true}").unwrap();
    overlay(&mut document, &json!({"kube": {"nodeName": "flag"}}));
    assert_eq!(
        document,
        json!({"kube": {"nodeName": "flag", "enabled": true}})
    );
}

#[test]
fn a_web_config_file_brings_tls_and_a_password_is_refused_not_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yaml");
    let mut exports = crate::settings::exports::ExportLayer::default();
    let text = "tls_server_config: {cert_file: tls.crt, key_file: /k, client_ca_file: ca, client_auth_type: RequireAndVerifyClientCert}";
    std::fs::write(&file, text).unwrap();
    web::apply(&file, &mut exports).unwrap();
    assert_eq!(
        exports.tls_certificate,
        Some(directory.path().join("tls.crt"))
    );
    assert_eq!(exports.tls_key.as_deref(), Some(Path::new("/k")));
    assert_eq!(exports.anonymous, Some(AnonymousWord::Refuse));
    std::fs::write(&file, "basic_auth_users: {alice: hash}").unwrap();
    let fault = web::apply(&file, &mut exports).unwrap_err().to_string();
    assert!(fault.contains("basic_auth_users.alice"), "{fault}");
}
