use super::*;

fn settings(arguments: &[&str]) -> Result<Settings, SettingsRefusal> {
    let arguments = std::iter::once("tanso-agent").chain(arguments.iter().copied());
    Settings::from_flags(Flags::try_parse_from(arguments).unwrap())
}

#[test]
fn the_defaults_are_keplers_port_and_a_second() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.listen.port(), 28_282);
    assert_eq!(settings.interval, INTERVAL);
    assert_eq!(settings.meters.first(), Some(&MeterName::Rapl));
    assert_eq!(settings.meters.last(), Some(&MeterName::Model));
    assert!(!settings.meters.contains(&MeterName::Fake));
    // Nothing is attached to context switches unless it is asked for.
    assert!(!settings.time_resolved);
    assert_eq!(settings.hardware_counters, Switch::Off);
}

#[test]
fn hardware_counters_are_read_when_a_flag_or_the_file_says_so() {
    let flagged = settings(&["--hardware-counters", "on"]);
    assert_eq!(flagged.unwrap().hardware_counters, Switch::On);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.yaml");
    std::fs::write(&file, "hardwareCounters: on\n").unwrap();
    let path = file.to_str().unwrap();
    let of_file = settings(&["--config", path]);
    assert_eq!(of_file.unwrap().hardware_counters, Switch::On);
    let flagged = settings(&["--config", path, "--hardware-counters", "off"]);
    assert_eq!(flagged.unwrap().hardware_counters, Switch::Off);
    let refusal = Flags::try_parse_from(["tanso-agent", "--hardware-counters", "auto"]);
    assert!(
        refusal
            .unwrap_err()
            .to_string()
            .contains("accepted are on, off")
    );
}

#[test]
fn what_is_out_of_range_is_refused_with_what_is_accepted() {
    let refusal = settings(&["--interval", "5m"]).unwrap_err().to_string();
    assert!(
        refusal.contains("5m") && refusal.contains("100ms to 1m"),
        "{refusal}"
    );
    let refusal = settings(&["--meters", "rapl,rapl"])
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("rapl"), "{refusal}");
    assert!(Flags::try_parse_from(["tanso-agent", "--meters", "gpu"]).is_err());
}

#[test]
fn a_bmc_is_the_nodes_own() {
    let found = settings(&[
        "--node-name",
        "rack7",
        "--redfish-endpoint",
        "https://{node}-bmc.example",
        "--redfish-credentials",
        "/etc/bmc/{node}",
    ]);
    let bmc = found.unwrap().redfish.unwrap();
    assert_eq!(bmc.endpoint, "https://rack7-bmc.example");
    assert_eq!(bmc.credentials, Some("/etc/bmc/rack7".into()));
    let refusal = settings(&["--redfish-chassis", "1U"]).unwrap_err();
    assert!(
        refusal.to_string().contains("redfish.endpoint"),
        "{refusal}"
    );
}

#[test]
fn a_model_server_may_want_a_certificate_with_its_key() {
    let found = settings(&[
        "--model-server-ca",
        "/tls/ca.crt",
        "--model-server-certificate",
        "/tls/tls.crt",
        "--model-server-key",
        "/tls/tls.key",
        "--samples-server",
        "https://leader:8100",
    ])
    .unwrap();
    assert_eq!(
        found.model_client.identity,
        Some(("/tls/tls.crt".into(), "/tls/tls.key".into()))
    );
    assert_eq!(found.samples_server.as_deref(), Some("https://leader:8100"));
    let refusal = settings(&["--model-server-key", "/tls/tls.key"]).unwrap_err();
    assert!(
        refusal.to_string().contains("modelServerCertificate"),
        "{refusal}"
    );
}

#[test]
fn a_flag_beats_the_file_and_a_misspelt_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.yaml");
    std::fs::write(&file, "interval: 2s\nmeters: [fake]\n").unwrap();
    let path = file.to_str().unwrap();
    let found = settings(&["--config", path, "--interval", "3s"]).unwrap();
    assert_eq!(found.interval, Duration::from_secs(3));
    assert_eq!(found.meters, [MeterName::Fake]);
    std::fs::write(&file, "meter: [fake]\n").unwrap();
    assert!(settings(&["--config", path]).is_err());
}
