//! The cluster's networks: a bridge for each node, and a cable between nodes.
//! Works only in the namespaces that the supervisor entered before.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::state::Node;
use crate::process;

/// The bridge of every node, in its own namespace.
pub(super) const BRIDGE: &str = "tanso0";

/// Sets up the networks of all nodes.
///
/// # Errors
/// When `ip` fails or forwarding cannot be switched on.
pub(super) fn create(ip: &Path, nodes: &[Node]) -> Result<()> {
    run(ip, "link set lo up")?;
    if let Some(first) = nodes.first() {
        bridge(ip, "", first)?;
    }
    // Forwarding belongs to a namespace; the other nodes' is set by a short
    // program there, as this process stays where it is.
    forward()?;
    for (number, node) in nodes.iter().enumerate().skip(1) {
        attach(ip, number, node)?;
    }
    Ok(())
}

fn bridge(ip: &Path, inside: &str, node: &Node) -> Result<()> {
    let address = &node.address;
    run(ip, &format!("{inside} link add {BRIDGE} type bridge"))?;
    run(ip, &format!("{inside} addr add {address}/24 dev {BRIDGE}"))?;
    run(ip, &format!("{inside} link set {BRIDGE} up"))?;
    // Without any route a Service's address fails before it can be rewritten.
    run(
        ip,
        &format!("{inside} route add default dev {BRIDGE} src {address}"),
    )
}

fn attach(ip: &Path, number: usize, node: &Node) -> Result<()> {
    let name = &node.name;
    run(ip, &format!("netns add {name}"))?;
    let inside = format!("-n {name}");
    run(ip, &format!("{inside} link set lo up"))?;
    bridge(ip, &inside, node)?;
    let (near, far) = (format!("10.89.{number}.1"), format!("10.89.{number}.2"));
    let (plug, socket) = (format!("to-{name}"), "to-node-0");
    run(
        ip,
        &format!("link add {plug} type veth peer name {socket} netns {name}"),
    )?;
    run(ip, &format!("addr add {near}/30 dev {plug}"))?;
    run(ip, &format!("link set {plug} up"))?;
    run(ip, &format!("{inside} addr add {far}/30 dev {socket}"))?;
    run(ip, &format!("{inside} link set {socket} up"))?;
    run(
        ip,
        &format!("route add {} via {far} src 10.244.0.1", node.pod_cidr),
    )?;
    run(
        ip,
        &format!(
            "{inside} route add 10.244.0.0/24 via {near} src {}",
            node.address
        ),
    )?;
    let netns = node
        .netns
        .as_deref()
        .context("a further node has a namespace of its own")?;
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["enter", "--forward", "--net"])
        .arg(netns)
        .args(["--", "true"]);
    process::run(&mut command)
}

/// Lets this namespace forward packets between pods and nodes.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn forward() -> Result<()> {
    let file = "/proc/sys/net/ipv4/ip_forward";
    fs::write(file, "1").with_context(|| format!("writing \"{file}\""))?;
    // Only there with br_netfilter, and then on by default.
    let _ = fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1");
    Ok(())
}

fn run(ip: &Path, words: &str) -> Result<()> {
    process::output(Command::new(ip).args(words.split_whitespace())).map(drop)
}
