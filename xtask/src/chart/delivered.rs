//! What `config/flux` delivers: every path that it names renders as Flux
//! renders it, no object comes twice, and every namespace is there.
//!
//! Flux makes a kustomization of all files of a folder that has none. Such a
//! folder is refused here: what lies beside each other is not meant together.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::kustomize;
use super::objects::documents;
use crate::workspace;

/// The folder with Flux's own objects.
const FLUX: &str = "config/flux";

/// Namespaces that every cluster has, and the one that Flux brings.
const THERE: [&str; 3] = ["default", "kube-system", "flux-system"];

/// A path that Flux is told, and the objects that it renders.
type Delivery = (String, Vec<Value>);

/// Renders all of it; says how much there is.
///
/// # Errors
/// Names every path, object and namespace that does not hold.
pub(super) fn run() -> Result<String> {
    let root = workspace::root();
    let own = documents(&kustomize(FLUX)?)?;
    let mut deliveries = vec![(FLUX.to_owned(), own.clone())];
    for object in &own {
        let Some(path) = path_of(object) else {
            continue;
        };
        let path = path.trim_start_matches("./").to_owned();
        ensure!(
            root.join(&path).join("kustomization.yaml").is_file(),
            "{FLUX} names the path \"{path}\", which has no kustomization.yaml: Flux would deliver every file in it"
        );
        let rendered = kustomize(&path).with_context(|| format!("{FLUX} names \"{path}\""))?;
        deliveries.push((path, documents(&rendered)?));
    }
    let faults = faults(&deliveries);
    if !faults.is_empty() {
        bail!("{FLUX} cannot be delivered:\n{}", faults.join("\n"));
    }
    let objects: usize = deliveries.iter().map(|(_, objects)| objects.len()).sum();
    Ok(format!(
        "{objects} objects of {} paths, none twice, every namespace there",
        deliveries.len()
    ))
}

/// The path that a Kustomization of Flux names.
fn path_of(object: &Value) -> Option<&str> {
    let version = object["apiVersion"].as_str()?;
    let is_flux = version.starts_with("kustomize.toolkit.fluxcd.io/");
    (is_flux && object["kind"] == "Kustomization")
        .then(|| object["spec"]["path"].as_str())
        .flatten()
}

/// Objects that come twice, and those whose namespace nobody brings.
fn faults(deliveries: &[Delivery]) -> Vec<String> {
    let all = || {
        let one = |(path, objects): &'_ Delivery| {
            let path = path.clone();
            let with_path = move |object: &Value| (path.clone(), object.clone());
            objects.iter().map(with_path).collect::<Vec<_>>()
        };
        deliveries.iter().flat_map(one)
    };
    let mut namespaces: BTreeSet<String> = THERE.map(str::to_owned).into();
    for (_, object) in all().filter(|(_, object)| object["kind"] == "Namespace") {
        let name = object["metadata"]["name"].as_str();
        namespaces.extend(name.map(str::to_owned));
    }
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (path, object) in all() {
        let id = identity(&object);
        if let Some(namespace) = object["metadata"]["namespace"].as_str()
            && !namespaces.contains(namespace)
        {
            faults.push(format!(
                "{path}: {id} is in the namespace \"{namespace}\", which nobody brings"
            ));
        }
        if !seen.insert(id.clone()) {
            faults.push(format!("{path}: {id} is delivered twice"));
        }
    }
    faults
}

/// Group, kind, namespace and name: what tells one object from another.
fn identity(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = &object["metadata"];
    format!(
        "{group}/{}/{}/{}",
        text(&object["kind"]),
        text(&meta["namespace"]),
        text(&meta["name"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONITOR: &str =
        "apiVersion: tanso.dev/v1alpha1\nkind: PowerMonitor\nmetadata: {name: tanso}\n";
    const STUDY: &str = "apiVersion: tanso.dev/v1alpha1\nkind: EnergyStudy\nmetadata: {name: polling, namespace: lab}\n";
    const LAB: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: lab}\n";

    fn told(texts: &[&str]) -> Vec<String> {
        let objects = documents(&texts.join("---\n")).unwrap();
        faults(&[("folder".to_owned(), objects)])
    }

    #[test]
    fn one_monitor_twice_and_a_namespace_that_nobody_brings_are_told() {
        let none: Vec<String> = Vec::new();
        assert_eq!(told(&[MONITOR, LAB, STUDY]), none);
        let twice = told(&[MONITOR, MONITOR]);
        assert_eq!(twice.len(), 1, "{twice:?}");
        assert!(
            twice
                .concat()
                .contains("PowerMonitor//tanso is delivered twice"),
            "{twice:?}"
        );
        let homeless = told(&[MONITOR, STUDY]);
        assert_eq!(homeless.len(), 1, "{homeless:?}");
        assert!(homeless.concat().contains("\"lab\""), "{homeless:?}");
    }

    #[test]
    fn paths_are_those_of_flux_and_not_those_of_kustomize() {
        let of = |text: &str| {
            let objects = documents(text).unwrap();
            objects.first().and_then(path_of).map(str::to_owned)
        };
        let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: ./config/crd}\n";
        assert_eq!(of(flux).as_deref(), Some("./config/crd"));
        assert_eq!(of(&flux.replace("toolkit.fluxcd", "config.k8s")), None);
    }

    #[test]
    fn every_path_that_flux_is_told_has_a_kustomization() {
        let text = std::fs::read_to_string(workspace::root().join(FLUX).join("resources.yaml"))
            .expect("config/flux/resources.yaml");
        let objects = documents(&text).unwrap();
        let path = objects.first().and_then(path_of).expect("a path");
        let file = workspace::root().join(path).join("kustomization.yaml");
        assert!(file.is_file(), "{}", file.display());
    }
}
