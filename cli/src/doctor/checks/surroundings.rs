//! What is around the parts: clocks of nodes, rights of the parts' accounts,
//! whether agents answer on their port.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;

use super::super::Finding;
use super::super::facts::{Facts, Silent};
use super::unreadable;

/// A clock that is further ahead than this is wrong: hours of energy and of
/// the grid no longer fit each other at their edges.
const AHEAD: SignedDuration = SignedDuration::from_secs(10);
/// Nodes renew their lease every 10 s; one that is ready and further behind
/// has a clock that is.
const BEHIND: SignedDuration = SignedDuration::from_secs(60);

/// Nodes whose clock differs from the API server's.
pub(super) fn clocks(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let (Some(server), Ok(leases), Ok(nodes)) = (facts.server_time, &facts.leases, &facts.nodes)
    else {
        // Without its right or a date nothing is known; the others are said.
        return Vec::new();
    };
    let mut findings: Vec<Finding> = leases
        .iter()
        .filter_map(|lease| skew(lease, server, nodes))
        .collect();
    let here = now.duration_since(server);
    if here.abs() > BEHIND {
        findings.push(Finding::warn(
            format!(
                "the clock of this machine is {} s off the API server's: ages shown here are wrong by that",
                here.as_secs().abs()
            ),
            "set it by NTP: timedatectl set-ntp true",
        ));
    }
    if findings.is_empty() && !leases.is_empty() {
        findings.push(Finding::ok(
            "clocks of the nodes agree with the API server's",
        ));
    }
    findings
}

fn skew(lease: &Lease, server: Timestamp, nodes: &[Node]) -> Option<Finding> {
    let name = lease.metadata.name.as_deref()?;
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    let node = nodes
        .iter()
        .find(|node| node.metadata.name.as_deref() == Some(name))?;
    let ahead = renewed.duration_since(server);
    let fix = format!(
        "set the clock of node \"{name}\" by NTP: systemctl restart chronyd (or systemd-timesyncd)"
    );
    if ahead > AHEAD {
        return Some(Finding::fail(
            format!(
                "the clock of node \"{name}\" is {} s ahead of the API server's: its energy is booked into hours to come",
                ahead.as_secs()
            ),
            fix,
        ));
    }
    let behind = -ahead;
    (behind > BEHIND && is_ready(node)).then(|| {
        Finding::fail(
            format!(
                "the clock of node \"{name}\" is {} s behind the API server's: its energy is booked into hours that are over",
                behind.as_secs()
            ),
            fix,
        )
    })
}

fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Rights that the parts need and do not have.
pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    let missing = match &facts.missing_rights {
        Ok(missing) => missing,
        Err(error) => return vec![unreadable(error)],
    };
    if missing.is_empty() {
        return vec![Finding::ok("service accounts have their rights")];
    }
    let mut accounts: Vec<&str> = missing.iter().map(|one| one.account.as_str()).collect();
    accounts.dedup();
    let of = |account: &str| {
        let lacking: Vec<String> = missing
            .iter()
            .filter(|one| one.account == account)
            .map(|one| format!("{} {}", one.verb, one.resource))
            .collect();
        Finding::fail(
            format!(
                "service account \"{account}\" may not {}: its role or its binding was removed",
                lacking.join(", ")
            ),
            "bring the roles back: kubectl apply -k config/rbac (Helm: helm upgrade; an agent's binding comes back by itself once the operator may make it)",
        )
    };
    accounts.into_iter().map(of).collect()
}

/// Agents that run and do not answer on their port.
pub(super) fn silent(facts: &Facts) -> Vec<Finding> {
    let one = |silent: &Silent| {
        Finding::fail(
            format!(
                "agent {} on node \"{}\" runs and does not answer on TCP port {}: {}",
                silent.pod, silent.node, silent.port, silent.cause
            ),
            "the port is blocked: let TCP through to the agents' pods from the operator's namespace and the control plane (host firewall, security group; where the monitor closes the network, spec.networkPolicy.apiServerCidr names the control plane, by the chart networkPolicy.apiServerCidr), or set spec.agent.port",
        )
    };
    facts.silent.iter().map(one).collect()
}
