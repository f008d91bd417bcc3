//! What is said for what was found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::cluster::condition;
use crate::controllers::power_monitor::facts::NodeFact;

fn told(facts: &[(&str, Option<Provenance>, u64)]) -> Facts {
    facts
        .iter()
        .map(|(node, provenance, power_w)| {
            let fact = NodeFact {
                provenance: *provenance,
                power: Some(Watts::from_microwatts(power_w * 1_000_000)),
                reason: provenance.is_none().then(|| "no meter".to_owned()),
                cpu_time: provenance.map(|_| CpuTimeSource::Ebpf),
                ..NodeFact::default()
            };
            ((*node).to_owned(), fact)
        })
        .collect()
}

fn set(generation: i64, observed: i64, desired: i32, updated: i32, ready: i32) -> DaemonSet {
    serde_json::from_value(json!({
        "metadata": {"generation": generation},
        "status": {
            "observedGeneration": observed, "desiredNumberScheduled": desired,
            "updatedNumberScheduled": updated, "numberReady": ready,
            "currentNumberScheduled": desired, "numberMisscheduled": 0,
        },
    }))
    .unwrap()
}

fn deployment(available: i32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "availableReplicas": available, "updatedReplicas": 1},
    }))
    .unwrap()
}

fn findings<'a>(chosen: &'a [String], facts: &'a Facts) -> Findings<'a> {
    Findings {
        generation: Some(3),
        before: None,
        chosen,
        conflict: None,
        trouble: Some("pod \"p\": ErrImagePull"),
        agents_on: None,
        facts,
        wants_model_server: true,
        service_monitors: None,
        now: Timestamp::from_second(1_000).unwrap(),
    }
}

fn brief(status: &PowerMonitorStatus) -> Value {
    let conditions: BTreeMap<&str, String> = status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), format!("{} {}", c.status, c.reason)))
        .collect();
    json!(conditions)
}

fn nodes(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn when_all_runs_it_is_ready_with_counts_and_power() {
    let chosen = nodes(&["a", "b", "c"]);
    let facts = told(&[
        ("a", Some(Provenance::Measured), 900),
        ("b", Some(Provenance::Modelled), 940),
        ("c", None, 0),
        ("elsewhere", Some(Provenance::Simulated), 5),
    ]);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 3, 3, 3)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    assert_eq!(
        brief(&status),
        json!({
            "Ready": "True Succeeded", "Reconciling": "False Succeeded", "Stalled": "False Succeeded",
            "AgentsReady": "True Succeeded", "ModelServerReady": "True Succeeded",
            "DataFresh": "True Succeeded",
        })
    );
    assert_eq!(
        (
            status.nodes.measured,
            status.nodes.modelled,
            status.nodes.simulated,
            status.nodes.none
        ),
        (1, 1, 0, 1)
    );
    assert_eq!(status.nodes.none_because, ["c: no meter"]);
    let summary = status.summary.unwrap();
    assert_eq!(
        (summary.agents.as_str(), summary.power.as_str()),
        ("3/3", "1.84kW")
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|c| c.observed_generation == Some(3))
    );
}

#[test]
fn a_rollout_under_way_says_how_far_and_what_keeps_it() {
    let chosen = nodes(&["a", "b"]);
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(2, 2, 2, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: true,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    let ready = condition(&status.conditions, "Ready").unwrap();
    assert_eq!(ready.reason, "RolloutInProgress");
    assert_eq!(
        ready.message,
        "1/2 agents ready, 1/2 up to date; pod \"p\": ErrImagePull"
    );
    assert_eq!(
        condition(&status.conditions, "Reconciling").unwrap().status,
        "True"
    );
}

#[test]
fn a_daemon_set_that_was_not_processed_yet_is_not_ready() {
    let chosen = nodes(&["a"]);
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(2, 1, 1, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: true,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    assert_eq!(
        condition(&status.conditions, "AgentsReady").unwrap().status,
        "False"
    );
}

#[test]
fn no_matching_node_stalls_until_one_comes() {
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 0, 0, 0)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&[], &facts), Outcome::RolledOut(&rollout));
    assert_eq!(
        condition(&status.conditions, "Ready").unwrap().reason,
        "NoMatchingNodes"
    );
    assert_eq!(
        condition(&status.conditions, "Stalled").unwrap().status,
        "True"
    );
    assert_eq!(
        condition(&status.conditions, "Reconciling").unwrap().status,
        "False"
    );
}

#[test]
fn a_missing_model_server_matters_only_when_wished() {
    let chosen = nodes(&["a"]);
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 1, 1, 1)),
        model_deployment: Some(deployment(0)),
        wrote: false,
    };
    let mut given = findings(&chosen, &facts);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(
        condition(&status.conditions, "Ready").unwrap().status,
        "False"
    );
    given.wants_model_server = false;
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(
        condition(&status.conditions, "Ready").unwrap().status,
        "True"
    );
    assert_eq!(
        condition(&status.conditions, "ModelServerReady")
            .unwrap()
            .reason,
        "SwitchedOff"
    );
}

#[test]
fn a_passing_failure_keeps_ready_and_a_lasting_one_stalls() {
    let chosen = nodes(&["a"]);
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 1, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let before = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    let mut given = findings(&chosen, &facts);
    given.before = Some(&before);
    let passing = Outcome::Failed {
        class: Class::Transient,
        reason: "Unavailable",
        message: "no answer",
    };
    let status = compute(&given, passing);
    assert_eq!(
        brief(&status),
        json!({
            "Ready": "True Unavailable", "Reconciling": "True Unavailable", "Stalled": "False Unavailable",
            "AgentsReady": "True Succeeded", "ModelServerReady": "True Succeeded",
        })
    );
    let lasting = Outcome::Failed {
        class: Class::Terminal,
        reason: "Forbidden",
        message: "may not",
    };
    let status = compute(&given, lasting);
    assert_eq!(
        condition(&status.conditions, "Ready").unwrap().status,
        "False"
    );
    assert_eq!(
        condition(&status.conditions, "Stalled").unwrap().reason,
        "Forbidden"
    );
}

#[test]
fn a_suspended_monitor_says_so_and_what_runs_goes_on_being_told() {
    let chosen = nodes(&["a"]);
    let facts = told(&[("a", Some(Provenance::Measured), 17)]);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 1, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::Suspended(&rollout));
    assert_eq!(brief(&status)["Ready"], "True Suspended");
    assert_eq!(brief(&status)["Reconciling"], "False Suspended");
    assert_eq!(status.nodes.measured, 1);
}

#[test]
fn the_same_findings_give_the_same_status() {
    let chosen = nodes(&["a"]);
    let facts = told(&[("a", Some(Provenance::Modelled), 17)]);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 1, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let first = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    let mut later = findings(&chosen, &facts);
    later.before = Some(&first);
    later.now = Timestamp::from_second(9_999).unwrap();
    assert_eq!(compute(&later, Outcome::RolledOut(&rollout)), first);
}

#[test]
fn power_has_three_digits() {
    for (power_mw, text) in [
        (0, "0.00W"),
        (9_994, "9.99W"),
        (9_996, "10.0W"),
        (250_400, "250W"),
        (999_600, "1.00kW"),
        (1_840_000, "1.84kW"),
        (12_345_000_000, "12.3MW"),
    ] {
        assert_eq!(in_words(Watts::from_microwatts(power_mw * 1_000)), text);
    }
}

#[test]
fn nodes_are_counted_by_where_their_cpu_time_comes_from() {
    let chosen = nodes(&["a", "b", "c", "d"]);
    let mut facts = told(&[
        ("a", Some(Provenance::Measured), 1),
        ("b", Some(Provenance::Measured), 1),
        ("c", Some(Provenance::Measured), 1),
    ]);
    facts.get_mut("b").unwrap().cpu_time = Some(CpuTimeSource::CgroupFiles);
    facts.get_mut("c").unwrap().cpu_time = Some(CpuTimeSource::Proc);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 4, 4, 4)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    let counts = serde_json::to_value(&status.nodes.cpu_time).unwrap();
    assert_eq!(counts, json!({"ebpf": 1, "cgroupFiles": 1, "proc": 1}));
}

#[test]
fn nodes_are_counted_by_whether_they_read_hardware_counters_where_asked() {
    let chosen = nodes(&["a", "b", "c", "d", "e", "f", "g"]);
    let told = |says: &[Option<CountersSaid>]| {
        let facts: Facts = chosen
            .iter()
            .zip(says)
            .map(|(node, counters)| {
                let fact = NodeFact {
                    counters: *counters,
                    ..NodeFact::default()
                };
                (node.clone(), fact)
            })
            .collect();
        let rollout = Rollout {
            agent_set: Some(set(1, 1, 7, 7, 7)),
            model_deployment: Some(deployment(1)),
            wrote: false,
        };
        let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
        serde_json::to_value(status.nodes).unwrap()["hardwareCounters"].clone()
    };
    // Where nobody asks for them, nothing is said of them.
    assert_eq!(told(&[None; 7]), Value::Null);
    let (all, partly, nothing) = (
        Some(CountersSaid::All),
        Some(CountersSaid::Partly),
        Some(CountersSaid::Nothing),
    );
    assert_eq!(
        told(&[all, nothing, partly, nothing, None, nothing, partly]),
        json!({"all": 1, "partly": 2, "none": 3})
    );
}

#[test]
fn of_service_monitors_is_said_what_is_wished_and_nothing_else() {
    let chosen = nodes(&["a"]);
    let facts = Facts::new();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 1, 1, 1)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let mut given = findings(&chosen, &facts);
    given.service_monitors = Some(false);
    let missing = compute(&given, Outcome::RolledOut(&rollout));
    let found = condition(&missing.conditions, types::SERVICE_MONITORS_READY).unwrap();
    assert_eq!(
        (found.status.as_str(), found.reason.as_str()),
        ("False", "NotFound")
    );
    // Agents are ready all the same.
    let ready = condition(&missing.conditions, types::READY).unwrap();
    assert_eq!(ready.status, "True");
    given.before = Some(&missing);
    given.service_monitors = Some(true);
    let there = compute(&given, Outcome::RolledOut(&rollout));
    let found = condition(&there.conditions, types::SERVICE_MONITORS_READY).unwrap();
    assert_eq!(found.status, "True");
    given.before = Some(&there);
    given.service_monitors = None;
    let unwished = compute(&given, Outcome::RolledOut(&rollout));
    assert!(condition(&unwished.conditions, types::SERVICE_MONITORS_READY).is_none());
}

#[test]
fn chosen_nodes_are_counted_by_each_source_that_they_have() {
    let fact = |meters: &str| NodeFact {
        provenance: Some(Provenance::Measured),
        meters: tanso_agent_wire::meters::read(meters),
        ..NodeFact::default()
    };
    let facts = Facts::from([
        (
            "a".to_owned(),
            fact("rapl=active,nvml=active,model=standby"),
        ),
        (
            "b".to_owned(),
            fact("rapl=absent,redfish=active,nvml=failed"),
        ),
        ("another monitor's".to_owned(), fact("rapl=active")),
    ]);
    let chosen = nodes(&["a", "b"]);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 2, 2, 2)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    assert_eq!(status.nodes.measured, 2);
    assert_eq!(
        serde_json::to_value(status.nodes.sources).unwrap(),
        json!([
            {"source": "Rapl", "active": 1, "standby": 0, "failed": 0},
            {"source": "Redfish", "active": 1, "standby": 0, "failed": 0},
            {"source": "Nvml", "active": 1, "standby": 0, "failed": 1},
            {"source": "Model", "active": 0, "standby": 1, "failed": 0},
        ])
    );
}

fn conflict(count: usize, chosen: usize) -> Conflict {
    Conflict {
        with: "elder".to_owned(),
        count,
        chosen,
        first: "x".to_owned(),
    }
}

/// One node of both pools took the agents of all others away, and the learned
/// models with them.
#[test]
fn nodes_of_an_older_monitor_are_told_and_the_others_are_measured() {
    let chosen = nodes(&["a", "b"]);
    let facts = told(&[("a", Some(Provenance::Measured), 17)]);
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 2, 2, 2)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let shared = conflict(1, 3);
    let mut given = findings(&chosen, &facts);
    given.conflict = Some(&shared);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(brief(&status)["Ready"], "True Succeeded");
    assert_eq!(brief(&status)["Stalled"], "False Succeeded");
    assert_eq!(brief(&status)["Conflicted"], "True Conflicted");
    let said = condition(&status.conditions, types::CONFLICTED).unwrap();
    assert!(
        said.message
            .starts_with("PowerMonitor \"elder\" is older and measures 1 of the 3 chosen nodes"),
        "{}",
        said.message
    );
    let mut after = findings(&chosen, &facts);
    after.before = Some(&status);
    let status = compute(&after, Outcome::RolledOut(&rollout));
    assert!(condition(&status.conditions, types::CONFLICTED).is_none());
}

#[test]
fn a_monitor_whose_nodes_are_all_an_older_ones_stalls_and_says_so() {
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 0, 0, 0)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let all = conflict(3, 3);
    let mut given = findings(&[], &facts);
    given.conflict = Some(&all);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(
        brief(&status),
        json!({
            "Ready": "False Conflicted", "Reconciling": "False Succeeded", "Stalled": "True Conflicted",
            "AgentsReady": "False Conflicted", "ModelServerReady": "True Succeeded",
            "Conflicted": "True Conflicted",
        })
    );
}

/// One tainted node of three: all was ready, and nobody said that it is not
/// measured.
#[test]
fn chosen_nodes_that_take_no_agent_are_named_and_nothing_is_ready() {
    let chosen = nodes(&["a", "b", "c"]);
    let facts = Facts::default();
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 2, 2, 2)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let on = ["a", "c"].map(str::to_owned).into();
    let mut given = findings(&chosen, &facts);
    given.agents_on = Some(&on);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(brief(&status)["Ready"], "False NodesLeftOut");
    assert_eq!(brief(&status)["AgentsReady"], "False NodesLeftOut");
    let ready = condition(&status.conditions, "Ready").unwrap();
    assert_eq!(
        ready.message,
        "2/2 agents ready; 1 of the 3 chosen nodes take no agent: \"b\"; extend spec.agent.tolerations to their taints"
    );
}

#[test]
fn a_node_that_is_silent_for_long_counts_nowhere_and_is_named() {
    let chosen = nodes(&["a", "b"]);
    let mut facts = told(&[
        ("a", Some(Provenance::Measured), 17),
        ("b", Some(Provenance::Measured), 400),
    ]);
    facts.get_mut("b").unwrap().stale = Some("not read since then: no answer".to_owned());
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 2, 2, 2)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let status = compute(&findings(&chosen, &facts), Outcome::RolledOut(&rollout));
    let counts = &status.nodes;
    assert_eq!((counts.measured, counts.stale), (1, 1));
    assert_eq!(counts.cpu_time.ebpf, 1);
    assert_eq!(counts.stale_because, ["b: not read since then: no answer"]);
    assert_eq!(status.summary.as_ref().unwrap().power, "17.0W");
    assert_eq!(brief(&status)["DataFresh"], "False Stale");
    let said = condition(&status.conditions, types::DATA_FRESH).unwrap();
    assert_eq!(
        said.message,
        "agents of 1 node cannot be read, first node \"b\": not read since then: no answer"
    );
}

#[test]
fn an_agent_whose_answers_are_refused_is_said_at_once() {
    let chosen = nodes(&["a", "b"]);
    let mut facts = told(&[
        ("a", Some(Provenance::Measured), 17),
        ("b", Some(Provenance::Measured), 23),
    ]);
    facts.get_mut("b").unwrap().quarantined = Some("the answer is of 1970".to_owned());
    let rollout = Rollout {
        agent_set: Some(set(1, 1, 2, 2, 2)),
        model_deployment: Some(deployment(1)),
        wrote: false,
    };
    let mut given = findings(&chosen, &facts);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert_eq!(brief(&status)["DataFresh"], "False Quarantined");
    let said = condition(&status.conditions, types::DATA_FRESH).unwrap();
    assert!(said.message.contains("node \"b\": the answer is of 1970"));
    // Before any agent was read there is nothing to be said.
    let none = Facts::default();
    given.facts = &none;
    given.before = Some(&status);
    let status = compute(&given, Outcome::RolledOut(&rollout));
    assert!(condition(&status.conditions, types::DATA_FRESH).is_none());
}
