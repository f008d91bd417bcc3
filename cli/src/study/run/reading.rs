//! What all agents say at one moment, and what lies between two moments.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tanso_agent_wire::families::{
    ACCOUNT_SECONDS, FOLDED_JOULES, POD_JOULES, SNAPSHOT_TIME, TOTAL_JOULES,
};
use tanso_carbon::study::trial::Trial;
use tanso_power::Provenance;

use crate::live::scrape;
use crate::study::StudyFault;

/// What all agents say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// The oldest figures' moment, seconds since 1970.
    pub(super) at: f64,
    /// How many agents said it.
    agents: usize,
    /// Energy of all nodes with idle, joules.
    node_joules: f64,
    /// CPU time used on all nodes, seconds; absent if an agent does not tell it.
    node_cpu_seconds: Option<f64>,
    /// The worst provenance of it.
    provenance: Option<Provenance>,
    /// Energy above idle of each namespace's pods, also of those that are gone.
    namespaces: BTreeMap<String, f64>,
}

impl Reading {
    /// Reads the answers of all agents.
    pub(super) fn of(answers: &[String]) -> Result<Self, StudyFault> {
        if answers.is_empty() {
            return Err(StudyFault::NoAgents);
        }
        let mut found = Self {
            at: f64::INFINITY,
            agents: answers.len(),
            node_cpu_seconds: Some(0.0),
            ..Self::default()
        };
        for text in answers {
            found.add(text);
        }
        if found.at.is_finite() {
            Ok(found)
        } else {
            Err(StudyFault::NoAgents)
        }
    }

    fn add(&mut self, text: &str) {
        for sample in scrape::samples(text, SNAPSHOT_TIME.name) {
            self.at = self.at.min(sample.value);
        }
        for sample in scrape::samples(text, TOTAL_JOULES.name) {
            self.node_joules += sample.value;
            let all = [
                Provenance::Measured,
                Provenance::Modelled,
                Provenance::Simulated,
            ];
            let word = sample.labels.get("provenance").map(String::as_str);
            let own = all.into_iter().find(|one| Some(one.as_str()) == word);
            self.provenance = self.provenance.max(own);
        }
        let accounts = scrape::samples(text, ACCOUNT_SECONDS.name);
        let used: f64 = accounts.iter().map(|sample| sample.value).sum();
        self.node_cpu_seconds = self
            .node_cpu_seconds
            .filter(|_| !accounts.is_empty())
            .map(|sum| sum + used);
        let pods = scrape::counted(text, POD_JOULES.name);
        // What is no longer listed was folded into its namespace's sum.
        for sample in pods
            .into_iter()
            .chain(scrape::samples(text, FOLDED_JOULES.name))
        {
            let namespace = sample.labels.get("pod_namespace").cloned();
            *self
                .namespaces
                .entry(namespace.unwrap_or_default())
                .or_default() += sample.value;
        }
    }
}

/// Puts what lies between two readings into a trial's row.
pub(super) fn between(
    first: &Reading,
    last: &Reading,
    components: &BTreeMap<String, Vec<String>>,
    row: &mut Trial,
) -> Result<(), StudyFault> {
    let moment = Duration::try_from_secs_f64(first.at);
    let length = Duration::try_from_secs_f64(last.at - first.at);
    let (Ok(moment), Ok(length)) = (moment, length) else {
        return Err(StudyFault::Clock);
    };
    row.started_at = Some(Timestamp::UNIX_EPOCH + moment);
    row.duration = Some(length);
    row.provenance = last.provenance;
    if first.agents != last.agents {
        let (before, after) = (first.agents, last.agents);
        row.marks
            .push(format!("agents: {before} at the begin, {after} at the end"));
    }
    let sum = |reading: &Reading, namespaces: &[String]| -> f64 {
        let of = |name: &String| reading.namespaces.get(name).copied();
        namespaces.iter().filter_map(of).sum()
    };
    let mut put = |name: &str, unit: &str, grown: f64| {
        if grown < 0.0 {
            row.marks.push(format!("{name} fell"));
        } else {
            row.values.insert(format!("{name}_{unit}"), grown);
        }
    };
    put("node", "joules", last.node_joules - first.node_joules);
    let both = first.node_cpu_seconds.zip(last.node_cpu_seconds);
    if let Some((first, last)) = both {
        put("node_cpu", "seconds", last - first);
    }
    for (name, namespaces) in components {
        let grown = sum(last, namespaces) - sum(first, namespaces);
        put(name, "joules", grown);
    }
    Ok(())
}
