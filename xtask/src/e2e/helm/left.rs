//! What an uninstallation leaves: every object of every kind, before and after.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::demo::session::{NAMESPACE, Session};
use crate::progress::Step;

/// Kinds whose objects come and go by themselves.
const RESTLESS: [&str; 2] = ["events", "events.events.k8s.io"];

/// The heartbeats of nodes: a node's first may be later than the first look.
const HEARTBEATS: &str = "Lease/kube-node-lease/";

/// What stays by intent until somebody deletes it: the kinds, which Helm never
/// deletes, and what Kubernetes and the operator put into the namespace.
const KINDS: [&str; 5] = [
    "carbonpolicies.tanso.dev",
    "carbonreports.tanso.dev",
    "clustercarbonpolicies.tanso.dev",
    "energystudies.tanso.dev",
    "powermonitors.tanso.dev",
];

/// Every object: kind, namespace and name.
#[derive(Debug)]
pub(super) struct Inventory {
    kinds: usize,
    objects: BTreeSet<String>,
}

impl Inventory {
    /// How many kinds were looked through.
    pub(super) const fn kinds(&self) -> usize {
        self.kinds
    }
}

/// Lists every object of every kind that can be deleted.
pub(super) fn inventory(session: &Session) -> Result<Inventory> {
    let words = ["api-resources", "--verbs=list,delete", "-o", "name"];
    let text = session.kubectl(&words)?;
    let kinds: Vec<&str> = text
        .lines()
        .filter(|name| !RESTLESS.contains(name))
        .collect();
    let line =
        r#"jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}"#;
    let all = kinds.join(",");
    let text = session.kubectl(&["get", &all, "--all-namespaces", "-o", line])?;
    Ok(Inventory {
        kinds: kinds.len(),
        objects: text
            .lines()
            .filter(|name| !name.starts_with(HEARTBEATS))
            .map(str::to_owned)
            .collect(),
    })
}

fn new_since(session: &Session, before: &Inventory) -> Result<Vec<String>> {
    let now = inventory(session)?.objects;
    Ok(now.difference(&before.objects).cloned().collect())
}

/// Waits until only that is left which is documented; names it.
pub(super) fn kept(session: &Session, step: &mut Step, before: &Inventory) -> Result<String> {
    let is_kept = |name: &String| {
        let kind = KINDS.map(|kind| format!("CustomResourceDefinition//{kind}"));
        let own = [
            format!("Namespace//{NAMESPACE}"),
            format!("ServiceAccount/{NAMESPACE}/default"),
            format!("ConfigMap/{NAMESPACE}/kube-root-ca.crt"),
            format!("Lease/{NAMESPACE}/tanso-operator"),
            // The API server's own, of the kinds' group.
            "APIService//v1alpha1.tanso.dev".to_owned(),
        ];
        kind.contains(name) || own.contains(name)
    };
    let what = "the release's last object to go";
    session.wait(step, what, Duration::from_mins(5), |session| {
        let left = new_since(session, before)?;
        let more: Vec<&String> = left.iter().filter(|name| !is_kept(name)).collect();
        if !more.is_empty() {
            bail!("left: {more:?}");
        }
        let kinds = left.iter().filter(|name| name.starts_with("CustomR"));
        Ok(Some(format!("{} kinds", kinds.count())))
    })
}

/// Deletes what is kept, as the documentation says.
pub(super) fn remove_kept(session: &Session) -> Result<()> {
    let mut words = vec!["delete", "crd"];
    words.extend(KINDS);
    session.kubectl(&words)?;
    session
        .kubectl(&["delete", "namespace", NAMESPACE])
        .map(drop)
}

/// Waits until there is nothing that was not there before.
pub(super) fn nothing(session: &Session, step: &mut Step, before: &Inventory) -> Result<()> {
    let what = "the namespace to go";
    session.wait(step, what, Duration::from_mins(5), |session| {
        let left = new_since(session, before)?;
        if left.is_empty() {
            Ok(Some(()))
        } else {
            bail!("left: {left:?}")
        }
    })
}
