//! What an operator renders is what an agent takes: the golden manifests of
//! agents, read by this agent's own parser. Only files are shared, no code.

use std::collections::BTreeMap;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::Value;

use super::*;

/// Where the operator keeps what it renders.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operator/tests/golden");

/// A rendered agent: its pod's only container, and its settings.
struct Rendered {
    container: Value,
    mounts: Vec<String>,
    variables: BTreeMap<String, String>,
}

fn rendered(path: &Path) -> Rendered {
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = text
        .split("---\n")
        .filter(|document| !document.trim().is_empty())
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let of = |kind: &str| {
        let mut found = documents.iter().filter(|one| one["kind"] == kind);
        found.next().unwrap().clone()
    };
    let container = of("DaemonSet")["spec"]["template"]["spec"]["containers"][0].clone();
    let mut variables: BTreeMap<String, String> =
        serde_json::from_value(of("ConfigMap")["data"].clone()).unwrap();
    for one in container["env"].as_array().unwrap() {
        // A field of the pod: the kubelet puts in the node's name.
        let value = one["value"].as_str().unwrap_or("rack7");
        variables.insert(one["name"].as_str().unwrap().to_owned(), value.to_owned());
    }
    let mounts = container["volumeMounts"].as_array().unwrap().iter();
    let mounts = mounts.map(|mount| mount["mountPath"].as_str().unwrap().to_owned());
    Rendered {
        mounts: mounts.collect(),
        container,
        variables,
    }
}

/// As the kubelet does: `$(NAME)` is the variable's value.
fn expand(argument: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = argument.to_owned();
    for (name, value) in variables {
        text = text.replace(&format!("$({name})"), value);
    }
    assert!(!text.contains("$("), "no such variable: {text}");
    text
}

/// Arguments as they are rendered, and variables as the flags that they stand
/// for; a variable of ours that no flag knows would be passed over in silence.
fn words(agent: &Rendered) -> Vec<String> {
    let command = Flags::command();
    let mut words = vec!["tanso-agent".to_owned()];
    let mut told = Vec::new();
    for argument in agent.container["args"].as_array().unwrap() {
        let word = expand(argument.as_str().unwrap(), &agent.variables);
        told.push(word.split('=').next().unwrap_or_default().to_owned());
        words.push(word);
    }
    for (name, value) in &agent.variables {
        let mut arguments = command.get_arguments();
        let flag = arguments.find(|argument| argument.get_env().is_some_and(|env| *env == **name));
        let Some(flag) = flag.and_then(clap::Arg::get_long) else {
            assert!(!name.starts_with("TANSO_"), "no flag reads {name}");
            continue;
        };
        let flag = format!("--{flag}");
        if !told.contains(&flag) {
            words.push(format!("{flag}={value}"));
        }
    }
    words
}

fn settings_of(name: &str) -> (Settings, Rendered) {
    let agent = rendered(&Path::new(GOLDEN).join(name));
    let settings = Settings::from_words(words(&agent)).unwrap();
    (settings, agent)
}

#[test]
fn every_rendered_agent_starts_with_settings_that_it_accepts() {
    let mut seen = 0;
    for entry in std::fs::read_dir(GOLDEN).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("power_monitor_") {
            continue;
        }
        let (settings, agent) = settings_of(&name);
        assert_eq!(settings.node_name, "rack7", "{name}");
        assert_eq!(
            settings
                .meters
                .iter()
                .map(|meter| meter.as_str())
                .collect::<Vec<_>>()
                .join(","),
            agent.variables["TANSO_METERS"],
            "{name}"
        );
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

/// The default of the resource is that of an agent that runs by itself.
#[test]
fn a_monitor_that_names_no_source_reads_what_an_agent_reads_by_itself() {
    let (settings, _) = settings_of("power_monitor_default.yaml");
    assert_eq!(settings.meters, MeterName::default_list());
}

/// A file that the settings name lies in what the pod mounts.
#[test]
fn files_of_bmcs_and_drivers_are_named_where_they_are_mounted() {
    let (settings, agent) = settings_of("power_monitor_servers.yaml");
    let bmc = settings.redfish.unwrap();
    assert_eq!(bmc.endpoint, "https://rack7-bmc.example:8443");
    assert_eq!(bmc.chassis.as_deref(), Some("1U"));
    let is_mounted = |agent: &Rendered, path: &Path| {
        let mut mounts = agent.mounts.iter();
        mounts.any(|mount| path.starts_with(mount) && mount != "/")
    };
    assert!(is_mounted(&agent, &bmc.credentials.unwrap()));
    assert!(is_mounted(&agent, &bmc.authorities.unwrap()));
    assert_eq!(settings.nvml_library, None);
    let (settings, agent) = settings_of("power_monitor_host_driver.yaml");
    assert!(is_mounted(&agent, &settings.nvml_library.unwrap()));
    assert!(is_mounted(
        &agent,
        &settings.redfish.unwrap().credentials.unwrap()
    ));
}
