//! Whether somebody scrapes the agents, as far as the cluster says it, and
//! whether agents cost more than they should.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::Switch;

use super::super::Finding;
use super::super::facts::{Cost, Facts, Prometheus, Scraped, Scraping};

/// Share of one CPU above which an agent costs much: ten times what 500
/// containers cost by the kernel's programs.
const MUCH: f64 = 0.05;
/// Seconds before which a mean says nothing: a start costs more.
const SETTLED_S: i64 = 300;

/// The annotation by which many a Prometheus' own configuration goes.
const SCRAPE: &str = "prometheus.io/scrape";

/// Whether a Prometheus of the Prometheus Operator chooses the agents, or
/// annotations ask for it. A plain Prometheus' own configuration cannot be
/// seen, and that is said.
pub(super) fn scraped(facts: &Facts) -> Vec<Finding> {
    let (Ok(scraping), Ok(monitors)) = (&facts.scraping, &facts.monitors) else {
        // Whoever may not see the Prometheus Operator's objects need not.
        return Vec::new();
    };
    let Some(monitor) = monitors.first() else {
        return Vec::new();
    };
    let title = monitor.metadata.name.as_deref().unwrap_or_default();
    let is_asked = monitor.spec.service_monitor.type_ == Switch::Enabled;
    match scraping {
        None if is_asked => vec![Finding::warn(
            format!(
                "agents are not scraped by ServiceMonitors: PowerMonitor {title} asks for them, and the Prometheus Operator is not installed"
            ),
            "install it, or set spec.serviceMonitor.type: Disabled and have your Prometheus scrape the Service of the agents",
        )],
        None => vec![plain(facts)],
        Some(found) => by_operator(found, monitor, title),
    }
}

/// Without the Prometheus Operator: what annotations say.
fn plain(facts: &Facts) -> Finding {
    let asks = |pod: &&Pod| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations.is_some_and(|all| all.get(SCRAPE).is_some_and(|value| value == "true"))
    };
    let agents = facts.agents.as_deref().unwrap_or_default();
    let asking = agents.iter().filter(asks).count();
    if asking == 0 {
        return Finding::ok(format!(
            "scraping: no Prometheus Operator, and no agent's pod has the annotation {SCRAPE}; whether a plain Prometheus scrapes them stands in its own configuration, which cannot be seen from here: look for kepler_build_info there"
        ));
    }
    Finding::ok(format!(
        "scraping: no Prometheus Operator; {asking} of {} agents' pods have the annotation {SCRAPE}, and whether a Prometheus goes by it cannot be seen from here",
        agents.len()
    ))
}

fn by_operator(found: &Scraping, monitor: &PowerMonitor, title: &str) -> Vec<Finding> {
    let Some(first) = found.prometheuses.first() else {
        return Vec::new();
    };
    if found.agents.is_empty() {
        let labels = wanted(first);
        return vec![Finding::warn(
            format!(
                "agents are not scraped: no ServiceMonitor is about them, and Prometheus {}/{} is there",
                first.namespace, first.name
            ),
            format!("set spec.serviceMonitor of PowerMonitor {title}: {{type: Enabled{labels}}}"),
        )];
    }
    let chosen = found
        .prometheuses
        .iter()
        .find(|one| found.agents.iter().any(|scraped| chooses(one, scraped)));
    if let Some(one) = chosen {
        return vec![Finding::ok(format!(
            "Prometheus {}/{} scrapes the agents",
            one.namespace, one.name
        ))];
    }
    let names: Vec<String> = found
        .agents
        .iter()
        .map(|one| format!("{}/{}", one.namespace, one.name))
        .collect();
    let has_labels = !monitor.spec.service_monitor.labels.is_empty();
    let beside = if has_labels {
        " in place of its labels"
    } else {
        ""
    };
    vec![Finding::warn(
        format!(
            "agents are not scraped: no Prometheus chooses ServiceMonitor {}; {}/{} chooses others",
            names.join(", "),
            first.namespace,
            first.name
        ),
        format!(
            "set spec.serviceMonitor of PowerMonitor {title}: {{type: Enabled{}}}{beside}, and see serviceMonitorNamespaceSelector of that Prometheus",
            wanted(first)
        ),
    )]
}

/// The labels that a Prometheus asks for, as a field of the spec.
fn wanted(prometheus: &Prometheus) -> String {
    let labels = prometheus
        .monitors
        .as_ref()
        .and_then(|one| one.match_labels.as_ref());
    let labels: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    if labels.is_empty() {
        return String::new();
    }
    format!(", labels: {{{}}}", labels.join(", "))
}

fn chooses(prometheus: &Prometheus, scraped: &Scraped) -> bool {
    let is_near = match &prometheus.namespaces {
        None => prometheus.namespace == scraped.namespace,
        Some(selector) => fits(selector, &scraped.namespace_labels),
    };
    let monitors = prometheus.monitors.as_ref();
    is_near && monitors.is_some_and(|one| fits(one, &scraped.labels))
}

fn fits(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

/// Agents that cost much.
pub(super) fn costs(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    facts
        .costs
        .iter()
        .filter_map(|cost| dear(cost, now))
        .collect()
}

fn dear(cost: &Cost, now: Timestamp) -> Option<Finding> {
    let seconds = now.duration_since(cost.since).as_secs();
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let share = cost.cpu_s / seconds.max(1) as f64;
    if seconds < SETTLED_S || share < MUCH {
        return None;
    }
    let fix = if cost.source == "ebpf" {
        "raise spec.agent.interval of the PowerMonitor, and see how many containers the node runs"
    } else {
        "let the kernel count (the agent's log and tanso_right_held say which right or file it lacks), or raise spec.agent.interval of the PowerMonitor"
    };
    Some(Finding::warn(
        format!(
            "agent {} on node \"{}\" uses {:.1} % of a CPU; its CPU times come from {}",
            cost.pod,
            cost.node,
            share * 100.0,
            cost.source
        ),
        fix,
    ))
}
