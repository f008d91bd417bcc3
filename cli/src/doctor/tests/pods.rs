//! What agents' pods lack, and what keeps them from a node.

use super::super::facts::Silent;
use super::*;

#[test]
fn a_pod_that_waits_names_node_reason_and_fix() {
    let mut stuck = agent("n1", false);
    stuck.status = Some(of(json!({"phase": "Pending", "containerStatuses": [{
        "name": "agent", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "image is not present"}},
    }]})));
    let facts = Facts {
        agents: Ok(vec![stuck]),
        ..healthy()
    };
    let text = report(&facts);
    assert!(
        text.contains("FAIL  pod tanso-agent-n1 on node \"n1\" is Pending, ErrImageNeverPull: image is not present\n      fix: make the image reachable"),
        "{text}"
    );
}

#[test]
fn a_pod_that_crashes_shows_its_last_words() {
    let mut crashing = agent("n1", false);
    crashing.status = Some(of(json!({"phase": "Running", "containerStatuses": [{
        "name": "agent", "image": "x", "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "reading \"/host/proc\": no such file\n"}},
    }]})));
    let text = report(&Facts {
        agents: Ok(vec![crashing]),
        ..healthy()
    });
    assert!(
        text.contains("CrashLoopBackOff: reading \"/host/proc\": no such file\n"),
        "{text}"
    );
    assert!(
        text.contains("fix: kubectl -n tanso-system logs tanso-agent-n1 --previous"),
        "{text}"
    );
}

#[test]
fn a_node_without_an_agent_is_named() {
    let nodes = Ok(vec![node("n1", "linux"), node("n2", "linux")]);
    let text = report(&Facts { nodes, ..healthy() });
    assert!(
        text.contains("WARN  no agent on 1 of 2 nodes: n2\n"),
        "{text}"
    );
}

/// An agent's pod as the operator makes it, with changes.
fn agent_with(capabilities: &[&str], mounts: &[&str]) -> Pod {
    let mounts: Vec<Value> = mounts
        .iter()
        .map(|path| json!({"name": "x", "mountPath": path}))
        .collect();
    let mut pod = agent("n1", true);
    pod.spec = Some(of(json!({"nodeName": "n1", "containers": [{
        "name": "agent", "volumeMounts": mounts,
        "securityContext": {"privileged": false, "capabilities": {"drop": ["ALL"], "add": capabilities}},
    }]})));
    pod
}

#[test]
fn a_capability_and_a_mount_that_were_taken_away_are_named() {
    let whole = agent_with(&["BPF", "PERFMON"], &["/host/proc", "/host/sys"]);
    let text = report(&Facts {
        agents: Ok(vec![whole]),
        ..healthy()
    });
    assert!(text.ends_with("0 warnings, 0 failures"), "{text}");
    let less = agent_with(&["PERFMON"], &["/host/proc"]);
    let text = report(&Facts {
        agents: Ok(vec![less]),
        ..healthy()
    });
    assert!(
        text.contains("WARN  agent tanso-agent-n1 on node \"n1\" has no capability BPF:"),
        "{text}"
    );
    assert!(
        text.contains("has no mount /host/sys: it cannot see meters (RAPL)"),
        "{text}"
    );
    assert!(
        text.contains("spec.agent.securityMode: Privileged"),
        "{text}"
    );
}

#[test]
fn a_taint_that_nothing_tolerates_is_named_with_its_node() {
    let mut tainted = node("n2", "linux");
    tainted.spec = Some(of(
        json!({"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}),
    ));
    let mut strict = monitor(
        &json!({"conditions": [condition("Ready", "True", "Succeeded", "")],
        "nodes": {"desired": 1, "ready": 1, "measured": 1}, "summary": {"agents": "1/1"}}),
    );
    strict.spec.agent.tolerations = Some(Vec::new());
    let text = report(&Facts {
        nodes: Ok(vec![node("n1", "linux"), tainted]),
        monitors: Ok(vec![strict]),
        ..healthy()
    });
    assert!(
        text.contains("FAIL  no agent on node \"n2\": its taint gpu=yes:NoSchedule is not tolerated\n      fix: add it to spec.agent.tolerations"),
        "{text}"
    );
}

#[test]
fn a_pod_that_no_node_takes_is_told_by_which_field_one_would() {
    let fix = |component: &str, said: &str| {
        let pod = of(json!({
            "metadata": {"name": "tanso-model-server-x", "namespace": "tanso-system",
                "labels": {"app.kubernetes.io/name": component}},
            "spec": {"containers": []},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                "reason": "Unschedulable", "message": format!("0/3 nodes are available: {said}")}]},
        }));
        let text = report(&Facts {
            pods: Ok(vec![pod]),
            deployments: Ok(vec![deployment("tanso-model-server", 0)]),
            ..healthy()
        });
        let (_, after) = text.split_once(said).unwrap();
        let fix = after.lines().nth(1).unwrap();
        fix.trim().trim_start_matches("fix: ").to_owned()
    };
    let taint = "3 node(s) had untolerated taint {infra: }";
    assert_eq!(
        fix("tanso-model-server", taint),
        "add a node's taint to spec.modelServer.tolerations of the PowerMonitor"
    );
    assert_eq!(
        fix("tanso-agent", taint),
        "add a node's taint to spec.agent.tolerations of the PowerMonitor"
    );
    assert_eq!(
        fix("tanso-operator", taint),
        "add a node's taint to operator.tolerations of the chart"
    );
    let labels = "3 node(s) didn't match Pod's node affinity/selector";
    assert_eq!(
        fix("tanso-model-reader", labels),
        "see spec.modelServer.nodeSelector of the PowerMonitor"
    );
    let room = "1 node(s) had untolerated taint {infra: }, 2 Insufficient memory";
    assert_eq!(
        fix("tanso-model-server", room),
        "make room on a node, or lower spec.modelServer.resources of the PowerMonitor; or add a node's taint to spec.modelServer.tolerations of the PowerMonitor"
    );
}

#[test]
fn a_blocked_port_is_told_from_a_program_that_fails() {
    let events = |message: &str| {
        vec![of(
            json!({"metadata": {"name": "e"}, "type": "Warning", "reason": "Unhealthy",
            "involvedObject": {"name": "tanso-agent-n1"}, "message": message,
            "lastTimestamp": "2026-11-21T10:05:00Z"}),
        )]
    };
    let text = |message: &str| {
        report(&Facts {
            agents: Ok(vec![agent("n1", false)]),
            warnings: Ok(events(message)),
            ..healthy()
        })
    };
    let blocked = text(
        "Readiness probe failed: Get \"http://10.0.0.5:28282/readyz\": context deadline exceeded",
    );
    assert!(
        blocked.contains("Unhealthy: Readiness probe failed")
            && blocked.contains("fix: its port is blocked"),
        "{blocked}"
    );
    let failing = text("Readiness probe failed: HTTP probe failed with statuscode: 503");
    assert!(
        failing.contains("503") && !failing.contains("blocked"),
        "{failing}"
    );
    let silent = Silent {
        pod: "tanso-agent-n1".to_owned(),
        node: "n1".to_owned(),
        port: 28_282,
        cause: "dial tcp 10.0.0.5:28282: i/o timeout".to_owned(),
    };
    let text = report(&Facts {
        silent: vec![silent],
        ..healthy()
    });
    assert!(
        text.contains("does not answer on TCP port 28282: dial tcp"),
        "{text}"
    );
    assert!(text.contains("fix: the port is blocked"), "{text}");
    // The usual reason where policies are enforced, and the agent is well then.
    assert!(text.contains("networkPolicy.apiServerCidr"), "{text}");
}
