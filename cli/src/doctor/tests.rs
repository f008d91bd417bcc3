use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};
use tanso_crds::{CarbonPolicy, PowerMonitor};
use tanso_faces::view::LeftOut;

use super::facts::{Cost, MissingRight, Prometheus, Scraped, Scraping};
use super::*;
use crate::policies::Policy;

mod pods;
mod told;

const NOW: &str = "2026-11-21T10:06:00Z";

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T10:00:00Z"})
}

fn deployment(name: &str, ready: i32) -> Deployment {
    of(
        json!({"metadata": {"name": name}, "spec": {"replicas": 1, "selector": {},
        "template": {}}, "status": {"readyReplicas": ready}}),
    )
}

fn node(name: &str, system: &str) -> Node {
    of(json!({"metadata": {"name": name, "labels": {"kubernetes.io/os": system}}}))
}

fn agent(node: &str, ready: bool) -> Pod {
    of(
        json!({"metadata": {"name": format!("tanso-agent-{node}"), "namespace": "tanso-system"},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }}]}}),
    )
}

fn monitor(status: &Value) -> PowerMonitor {
    of(
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
        "metadata": {"name": "tanso"}, "spec": {}, "status": status}),
    )
}

fn policy(status: &Value) -> Policy {
    let policy: CarbonPolicy = of(
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "korea", "namespace": "shop"},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
        "status": status}),
    );
    Policy::from(policy)
}

fn healthy() -> Facts {
    let kinds = [
        "powermonitors",
        "carbonpolicies",
        "clustercarbonpolicies",
        "carbonreports",
        "energystudies",
    ];
    Facts {
        namespace: "tanso-system".to_owned(),
        kinds: Ok(kinds.map(str::to_owned).to_vec()),
        operator: Ok(Some(deployment("tanso-operator", 1))),
        pods: Ok(Vec::new()),
        deployments: Ok(vec![deployment("tanso-model-server", 1)]),
        nodes: Ok(vec![node("n1", "linux"), node("win", "windows")]),
        monitors: Ok(vec![monitor(&json!({
            "conditions": [condition("Ready", "True", "Succeeded", "")],
            "nodes": {"desired": 1, "ready": 1, "measured": 1},
            "summary": {"agents": "1/1"},
        }))]),
        agents: Ok(vec![agent("n1", true)]),
        policies: Ok(vec![policy(&json!({
            "conditions": [condition("Ready", "True", "Succeeded", "")],
            "dataThrough": "2026-11-21T10:05:00Z",
        }))]),
        unreadable: Vec::new(),
        warnings: Ok(Vec::new()),
        leases: Ok(vec![lease("n1", "2026-11-21T10:05:57.000000Z")]),
        server_time: Some(NOW.parse().unwrap()),
        missing_rights: Ok(Vec::new()),
        silent: Vec::new(),
        scraping: Ok(None),
        certificates: Vec::new(),
        costs: Vec::new(),
        told: Vec::new(),
    }
}

fn lease(node: &str, renewed: &str) -> Lease {
    of(json!({"metadata": {"name": node}, "spec": {"renewTime": renewed}}))
}

fn report(facts: &Facts) -> String {
    let findings = checks::all(facts, NOW.parse().unwrap());
    for finding in &findings {
        assert_eq!(
            finding.fix.is_none(),
            finding.level == Level::Ok,
            "{finding}"
        );
    }
    findings.iter().map(ToString::to_string).collect::<String>() + &summary(&findings)
}

#[test]
fn a_finding_steers_no_terminal() {
    let text = Finding::warn("pod \"a\": \u{1b}[31mboom\nagain", "look\u{202e}").to_string();
    assert_eq!(
        text,
        "WARN  pod \"a\":  [31mboom\n      again\n      fix: look \n"
    );
}

#[test]
fn a_healthy_installation_has_a_line_for_each_part() {
    let expected = "\
OK    all 5 kinds of tanso.dev/v1alpha1 are installed
OK    operator ready, 1 of 1
OK    service accounts have their rights
OK    PowerMonitor tanso ready, agents 1/1
OK    model server ready, 1 of 1
OK    1 agent ready, every Linux node has one
OK    scraping: no Prometheus Operator, and no agent's pod has the annotation prometheus.io/scrape; whether a plain Prometheus scrapes them stands in its own configuration, which cannot be seen from here: look for kepler_build_info there
OK    clocks of the nodes agree with the API server's
OK    1 policy is evaluated on fresh data
9 ok, 0 warnings, 0 failures";
    assert_eq!(report(&healthy()), expected);
}

#[test]
fn an_empty_cluster_fails_with_the_command_that_installs() {
    let facts = Facts {
        kinds: Ok(Vec::new()),
        operator: Ok(None),
        ..healthy()
    };
    let text = report(&facts);
    assert!(text.starts_with("FAIL  tanso is not installed"), "{text}");
    assert!(
        text.contains("      fix: kubectl apply --server-side -k config/default\n"),
        "{text}"
    );
    assert!(text.ends_with("0 ok, 0 warnings, 2 failures"), "{text}");
}

#[test]
fn nodes_without_a_source_fail_and_modelled_ones_warn() {
    let status = json!({
        "conditions": [condition("Ready", "True", "Succeeded", "")],
        "nodes": {"desired": 3, "ready": 3, "modelled": 2, "none": 1, "noneBecause": ["n3: no model"],
            "stale": 1, "staleBecause": ["n4: not read since noon"]},
        "summary": {"agents": "3/3"},
    });
    let text = report(&Facts {
        monitors: Ok(vec![monitor(&status)]),
        ..healthy()
    });
    assert!(
        text.contains("FAIL  1 of 3 nodes have no source of power\n      n3: no model\n"),
        "{text}"
    );
    assert!(text.contains("WARN  2 of 3 nodes have no meter"), "{text}");
    assert!(
        text.contains("WARN  agents of 1 nodes cannot be read\n      n4: not read since noon\n"),
        "{text}"
    );
}

#[test]
fn a_stalled_policy_fails_with_its_message_and_old_data_warns() {
    let stalled = policy(&json!({"conditions": [
        condition("Stalled", "True", "InvalidInput", "intensity.csv row 3: no intensity"),
        condition("Ready", "False", "InvalidInput", "")]}));
    let old = policy(&json!({
        "conditions": [condition("Ready", "True", "Succeeded", "")],
        "dataThrough": "2026-11-21T09:30:00Z",
    }));
    let text = report(&Facts {
        policies: Ok(vec![stalled, old]),
        ..healthy()
    });
    assert!(
        text.contains(
            "FAIL  CarbonPolicy shop/korea is stalled: InvalidInput: intensity.csv row 3"
        ),
        "{text}"
    );
    assert!(
        text.contains("WARN  CarbonPolicy shop/korea: the newest energy is 36 min old"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_read_is_a_warning_and_the_rest_is_looked_at() {
    let forbidden = || ClusterError::Forbidden {
        action: "listing nodes".to_owned(),
        message: "user eve".to_owned(),
    };
    let text = report(&Facts {
        nodes: Err(forbidden()),
        ..healthy()
    });
    assert!(
        text.contains("WARN  listing nodes: forbidden (user eve)"),
        "{text}"
    );
    assert!(text.contains("OK    1 policy is evaluated"), "{text}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_a_finding_with_status_1() {
    let error = ClusterError::Unreachable {
        action: "asking for the version".to_owned(),
        server: "https://10.0.0.1:6443/".to_owned(),
        cause: "connection refused".to_owned(),
    };
    let args = Args {
        operator_namespace: "tanso-system".to_owned(),
        fail_on: FailOn::Fail,
        output: Output::Table,
    };
    let mut out = Vec::new();
    assert_eq!(
        run(&args, Err(error), &mut out).await.unwrap(),
        Outcome::Failing
    );
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("FAIL  asking for the version: the API server at https://10.0.0.1:6443/"),
        "{text}"
    );
    assert!(text.ends_with("0 ok, 0 warnings, 1 failure\n"), "{text}");
}

/// "name a cluster that answers" was the mend of all of them.
#[test]
fn each_kind_of_error_has_a_mend_of_its_own() {
    let (action, message) = (|| "asking for the version".to_owned(), String::new);
    let refused = |code| ClusterError::Refused {
        action: action(),
        code,
        message: message(),
    };
    let cases = [
        (
            ClusterError::Unauthorized {
                action: action(),
                message: message(),
            },
            "kubectl auth whoami",
        ),
        (
            ClusterError::Forbidden {
                action: action(),
                message: message(),
            },
            "run this as somebody who may read it",
        ),
        (
            ClusterError::Certificate {
                action: action(),
                server: "https://10.0.0.1:6443/".to_owned(),
                cause: "expired".to_owned(),
            },
            "certificate-authority-data",
        ),
        (refused(500), "/readyz?verbose"),
        (refused(429), "try again"),
        (refused(404), "kubectl version"),
        (ClusterError::NoConfig, "name a cluster that answers"),
    ];
    for (error, mend) in cases {
        let alone = no_cluster(&error);
        let facts = Facts {
            kinds: Err(error),
            ..healthy()
        };
        let among = checks::all(&facts, NOW.parse().unwrap());
        for finding in [&alone, &among[0]] {
            let fix = finding.fix.clone().unwrap_or_default();
            assert!(fix.contains(mend), "{finding}");
            let is_of_none = mend.starts_with("name a cluster");
            assert_eq!(fix.contains("name a cluster"), is_of_none, "{finding}");
        }
    }
}

#[test]
fn a_clock_that_is_ahead_or_behind_names_its_node() {
    for (renewed, words) in [
        (
            "2026-11-21T11:06:00.000000Z",
            "3600 s ahead of the API server's",
        ),
        (
            "2026-11-21T09:06:00.000000Z",
            "3600 s behind the API server's",
        ),
    ] {
        let mut late = node("n1", "linux");
        late.status = Some(of(
            json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        ));
        let text = report(&Facts {
            nodes: Ok(vec![late]),
            leases: Ok(vec![lease("n1", renewed)]),
            ..healthy()
        });
        assert!(
            text.contains(&format!("FAIL  the clock of node \"n1\" is {words}")),
            "{text}"
        );
        assert!(text.contains("by NTP"), "{text}");
    }
}

#[test]
fn rights_that_were_removed_are_named_by_account() {
    let missing = |account: &str, verb, resource| MissingRight {
        account: account.to_owned(),
        verb,
        resource,
    };
    let text = report(&Facts {
        missing_rights: Ok(vec![
            missing("tanso-operator", "watch", "pods"),
            missing("tanso-operator", "create", "carbonreports"),
            missing("tanso-agent", "watch", "pods"),
        ]),
        ..healthy()
    });
    assert!(
        text.contains("FAIL  service account \"tanso-operator\" may not watch pods, create carbonreports: its role or its binding was removed"),
        "{text}"
    );
    assert!(
        text.contains("\"tanso-agent\" may not watch pods"),
        "{text}"
    );
    assert!(
        text.contains("fix: bring the roles back: kubectl apply -k config/rbac"),
        "{text}"
    );
}

#[test]
fn intensity_that_is_old_warns_with_its_message() {
    let old = policy(&json!({"conditions": [
        condition("Ready", "True", "Succeeded", ""),
        condition("IntensityFresh", "False", "Stale", "last answer 7 h old")],
        "dataThrough": "2026-11-21T10:05:00Z"}));
    let text = report(&Facts {
        policies: Ok(vec![old]),
        ..healthy()
    });
    assert!(
        text.contains("WARN  CarbonPolicy shop/korea: the grid's intensity is not fresh: Stale: last answer 7 h old"),
        "{text}"
    );
}

#[test]
fn an_agent_that_costs_much_is_named_with_what_makes_it_dear() {
    let cost = |since: &str, cpu_s, source: &str| Cost {
        pod: "tanso-agent-n1".to_owned(),
        node: "n1".to_owned(),
        since: since.parse().unwrap(),
        cpu_s,
        source: source.to_owned(),
    };
    let of = |cost| {
        report(&Facts {
            costs: vec![cost],
            ..healthy()
        })
    };
    let dear = of(cost("2026-11-21T09:56:00Z", 60.0, "proc"));
    assert!(
        dear.contains("WARN  agent tanso-agent-n1 on node \"n1\" uses 10.0 % of a CPU; its CPU times come from proc\n      fix: let the kernel count"),
        "{dear}"
    );
    // A start costs more, and six seconds in ten minutes are little.
    for cheap in [
        cost("2026-11-21T10:05:00Z", 30.0, "ebpf"),
        cost("2026-11-21T09:56:00Z", 6.0, "ebpf"),
    ] {
        assert!(!of(cheap).contains("of a CPU"));
    }
}

#[test]
fn agents_that_no_prometheus_chooses_are_named_with_the_labels_it_wants() {
    let stack: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector =
        of(json!({"matchLabels": {"release": "stack"}}));
    let prometheus = Prometheus {
        namespace: "monitoring".to_owned(),
        name: "k8s".to_owned(),
        monitors: Some(stack),
        namespaces: Some(of(json!({}))),
    };
    let scraped = |labels: Value| Scraped {
        namespace: "tanso-system".to_owned(),
        name: "tanso-agent".to_owned(),
        labels: of(labels),
        ..Scraped::default()
    };
    let with = |prometheus: &Prometheus, agents: Vec<Scraped>| {
        report(&Facts {
            scraping: Ok(Some(Scraping {
                prometheuses: vec![prometheus.clone()],
                agents,
            })),
            ..healthy()
        })
    };
    let none = with(&prometheus, Vec::new());
    assert!(
        none.contains("fix: set spec.serviceMonitor of PowerMonitor tanso: {type: Enabled, labels: {release: stack}}\n"),
        "{none}"
    );
    let other = with(&prometheus, vec![scraped(json!({"release": "other"}))]);
    assert!(
        other.contains("no Prometheus chooses ServiceMonitor tanso-system/tanso-agent"),
        "{other}"
    );
    let own = vec![scraped(json!({"release": "stack"}))];
    let chosen = with(&prometheus, own.clone());
    assert!(
        chosen.contains("OK    Prometheus monitoring/k8s scrapes the agents\n"),
        "{chosen}"
    );
    // Without a selector of namespaces it looks into its own alone.
    let near = Prometheus {
        namespaces: None,
        ..prometheus
    };
    assert!(with(&near, own).contains("agents are not scraped"));
}

#[test]
fn a_script_can_go_by_warnings_too() {
    use clap::Parser as _;
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let met = |words: &[&str], level| {
        let line = Line::try_parse_from([&["doctor"][..], words].concat()).unwrap();
        line.args.fail_on.is_met_by(level)
    };
    assert!(met(&[], Level::Fail) && !met(&[], Level::Warn));
    let strict = ["--fail-on", "warn"];
    assert!(met(&strict, Level::Fail) && met(&strict, Level::Warn));
    assert!(!met(&strict, Level::Ok));
}

/// It was a part that could not be read: "run this as somebody who may read it".
#[test]
fn what_a_later_version_wrote_is_named_and_the_rest_is_looked_at() {
    let newer = |kind: &str, name: &str| LeftOut {
        kind: kind.to_owned(),
        namespace: None,
        name: name.to_owned(),
        field: Some("spec.agent.sources[0]".to_owned()),
        reason: "unknown variant `Sundial`".to_owned(),
    };
    let text = report(&Facts {
        unreadable: vec![newer("PowerMonitor", "newer")],
        ..healthy()
    });
    assert!(
        text.contains("WARN  PowerMonitor newer: this version of tanso cannot read it: spec.agent.sources[0]: unknown variant `Sundial`"),
        "{text}"
    );
    assert!(text.contains("1 policy is evaluated"), "{text}");
    // Nothing that can be read is not nothing at all.
    let text = report(&Facts {
        monitors: Ok(Vec::new()),
        policies: Ok(Vec::new()),
        unreadable: vec![
            newer("PowerMonitor", "a"),
            newer("ClusterCarbonPolicy", "b"),
        ],
        ..healthy()
    });
    assert!(!text.contains("no PowerMonitor"), "{text}");
    assert!(!text.contains("no policy"), "{text}");
}
