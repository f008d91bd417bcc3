//! What agents tell of themselves, and verdicts for want of evidence.

use super::super::facts::{ASKED, Told};
use super::*;

fn modelled() -> PowerMonitor {
    monitor(&json!({
        "conditions": [condition("Ready", "True", "Succeeded", "")],
        "nodes": {"desired": 3, "ready": 3, "modelled": 3},
        "summary": {"agents": "3/3"},
    }))
}

fn told(node: &str, meters: &[(&str, &str)], missing: &[&str], rung: &str) -> Told {
    let own = |text: &&str| (*text).to_owned();
    Told {
        namespace: "tanso-system".to_owned(),
        pod: format!("tanso-agent-{node}"),
        node: node.to_owned(),
        meters: meters.iter().map(|(a, b)| (own(a), own(b))).collect(),
        missing: missing.iter().map(own).collect(),
        rung: rung.to_owned(),
    }
}

const NO_METER: [(&str, &str); 3] = [("rapl", "absent"), ("perf", "absent"), ("model", "active")];

/// It said "none needed" also on bare metal whose RAPL could not be read.
#[test]
fn why_everything_is_modelled_is_said_by_node_with_what_mends_it() {
    let failed = [("rapl", "failed"), ("perf", "absent"), ("model", "active")];
    let off = [
        ("rapl", "disabled"),
        ("perf", "absent"),
        ("model", "active"),
    ];
    let text = report(&Facts {
        monitors: Ok(vec![modelled()]),
        told: vec![
            told("metal", &failed, &["energy_files"], "ebpf"),
            told("guest", &NO_METER, &[], "ebpf"),
            told("other", &NO_METER, &[], "ebpf"),
            told("off", &off, &[], "ebpf"),
            told("measured", &[("rapl", "active")], &[], "ebpf"),
        ],
        ..healthy()
    });
    for said in [
        "WARN  3 of 3 nodes have no meter: their power is modelled\n",
        "      node metal: powercap is there and the right energy_files is missing; rapl failed; no perf\n",
        "      nodes guest, other: no rapl, perf\n",
        "      node off: no perf; switched off: rapl\n",
        "fix: kubectl -n tanso-system logs tanso-agent-metal names what could not be read",
        "put Rapl into spec.agent.sources",
        "bare metal has RAPL",
        "WARN  agent without the right energy_files on node metal: the processors' energy",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(
        !text.contains("measured:") && !text.contains("none needed"),
        "{text}"
    );
    let guests = report(&Facts {
        monitors: Ok(vec![modelled()]),
        told: vec![told("guest", &NO_METER, &[], "ebpf")],
        ..healthy()
    });
    assert!(
        guests.contains("fix: none needed on a virtual machine"),
        "{guests}"
    );
}

#[test]
fn rights_that_agents_lack_are_named_with_their_nodes_and_how_they_are_given() {
    let names: Vec<String> = (1..=7).map(|number| format!("n{number}")).collect();
    let lacking = names
        .iter()
        .map(|node| told(node, &[], &["bpf"], "cgroup-files"));
    let text = report(&Facts {
        told: lacking.collect(),
        ..healthy()
    });
    assert!(
        text.contains("WARN  agent without the right bpf on nodes n1, n2, n3, n4, n5 and 2 more: nothing is counted in the kernel"),
        "{text}"
    );
    assert!(
        text.contains("spec.agent.securityMode: Privileged"),
        "{text}"
    );
    // The right says it already.
    assert!(!text.contains("CPU time comes from"), "{text}");
}

#[test]
fn a_kernel_that_does_not_count_though_it_may_is_told() {
    let text = report(&Facts {
        told: vec![told("n1", &[], &[], "proc"), told("n2", &[], &[], "ebpf")],
        ..healthy()
    });
    assert!(
        text.contains(
            "WARN  CPU time comes from proc and not from the kernel's programs on node n1:"
        ),
        "{text}"
    );
    assert!(text.contains("logs tanso-agent-n1"), "{text}");
}

#[test]
fn that_only_the_first_agents_were_asked_is_told() {
    let agents = |count: usize| {
        report(&Facts {
            agents: Ok((0..count).map(|_| agent("n1", true)).collect()),
            ..healthy()
        })
    };
    let said = format!("OK    {ASKED} of {} agents were asked", ASKED + 1);
    assert!(agents(ASKED + 1).contains(&said));
    assert!(!agents(ASKED).contains("were asked"));
}

/// A policy without a verdict was "evaluated on fresh data".
#[test]
fn a_policy_that_is_unknown_for_want_of_evidence_says_why_and_what_mends_it() {
    let with = |reason: &str, verdict: &str| {
        let status = json!({
            "conditions": [condition("Ready", "True", "Succeeded", "")],
            "dataThrough": "2026-11-21T10:05:00Z",
            "verdict": verdict,
            "regulations": [
                {"rule": "other", "kind": "law", "verdict": "Compliant", "reason": reason, "message": ""},
                {"rule": "kr-carbon-2050", "kind": "quotedTarget", "verdict": verdict,
                    "reason": reason, "message": "61 % of the period"},
            ],
        });
        report(&Facts {
            policies: Ok(vec![policy(&status)]),
            ..healthy()
        })
    };
    for (reason, mend) in [
        ("CoverageTooLow", "spec.evidence.minCoveragePercent"),
        (
            "EstimatedShareTooHigh",
            "spec.evidence.maxEstimatedPercent: 100",
        ),
        ("PueWithoutEvidence", "spec.site.pue.evidence"),
        ("SimulatedEnergy", "take Fake out"),
    ] {
        let text = with(reason, "Unknown");
        let said = format!(
            "WARN  CarbonPolicy shop/korea is Unknown by rule kr-carbon-2050: {reason}: 61 % of the period\n      fix: "
        );
        assert!(text.contains(&said) && text.contains(mend), "{text}");
        assert!(!with(reason, "Compliant").contains("is Unknown"));
    }
}
