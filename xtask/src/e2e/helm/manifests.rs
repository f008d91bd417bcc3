//! Every manifest of the checkout before the real API server, which judges it
//! and stores nothing: the chart with each values file, every folder of `config`
//! that kustomize renders, and the samples.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::chart::objects::unchanged;
use crate::chart::{Chart, FILES, kustomize};
use crate::demo::session::{NAMESPACE, Session};
use crate::e2e::Fact;
use crate::e2e::flux::fleet;
use crate::workspace;

/// A manifest: where it comes from, and its text.
type Manifest = (String, String);

/// Has the API server judge all of it.
pub(super) fn accepted(session: &Session, chart: &Chart) -> Result<Fact> {
    let kinds = workspace::root().join("config/crd");
    session.kubectl(&["apply", "--server-side", "-k", &kinds.to_string_lossy()])?;
    fleet::kinds(session)?;
    // The demo's volume is judged as a new one: one that is there has its folder.
    session.kubectl(&["delete", "pv", "tanso-ledger", "--ignore-not-found"])?;
    let manifests = manifests(chart)?;
    namespaces(session, &manifests)?;
    let mut count = 0;
    let mut refused = Vec::new();
    for (source, text) in &manifests {
        match session.dry_run(text) {
            Ok(objects) => count += objects,
            Err(error) => refused.push(format!("{source}: {error:#}")),
        }
    }
    if !refused.is_empty() {
        bail!("the API server refuses:\n{}", refused.join("\n"));
    }
    Ok(Fact::new(
        "dry run",
        format!(
            "{count} objects of {} manifests accepted by the API server: chart with {} values files, \
             every folder of config, samples",
            manifests.len(),
            FILES.len() + 1
        ),
    ))
}

fn manifests(chart: &Chart) -> Result<Vec<Manifest>> {
    let mut all = vec![("charts/tanso".to_owned(), chart.render(&[], &[])?)];
    for file in FILES {
        all.push((format!("charts/tanso, {file}"), chart.render(&[file], &[])?));
    }
    let legacy = ["monitoring.prometheusRule.keplerLegacy=true"];
    let text = chart.render(&[FILES[1]], &legacy)?;
    all.push((format!("charts/tanso, {}, {}", FILES[1], legacy[0]), text));
    let mut folders = Vec::new();
    kustomizations(Path::new("config"), &mut folders)?;
    folders.sort();
    for folder in folders {
        let text = kustomize(&folder)?;
        all.push((folder, text));
    }
    for file in files(Path::new("config/samples"))? {
        let path = workspace::root().join(&file);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading \"{}\"", path.display()))?;
        all.push((file, text));
    }
    Ok(all)
}

/// Folders that kustomize renders.
fn kustomizations(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    let path = workspace::root().join(folder);
    if path.join("kustomization.yaml").is_file() {
        found.push(folder.to_string_lossy().into_owned());
    }
    for entry in read(folder)? {
        if entry.path().is_dir() {
            kustomizations(&folder.join(entry.file_name()), found)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let name = |entry: &fs::DirEntry| {
        let path = folder.join(entry.file_name());
        path.to_string_lossy().into_owned()
    };
    Ok(read(folder)?.iter().map(name).collect())
}

fn read(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    let path = workspace::root().join(folder);
    let entries = fs::read_dir(&path).with_context(|| format!("reading \"{}\"", path.display()))?;
    let entries: std::io::Result<Vec<_>> = entries.collect();
    entries.with_context(|| format!("reading \"{}\"", path.display()))
}

/// A dry run of an object needs its namespace.
fn namespaces(session: &Session, manifests: &[Manifest]) -> Result<()> {
    let mut names = BTreeSet::from([NAMESPACE.to_owned()]);
    for (source, text) in manifests {
        let objects = unchanged(text).with_context(|| format!("reading {source}"))?;
        let of = objects
            .values()
            .filter_map(|object| object["metadata"]["namespace"].as_str());
        names.extend(of.map(str::to_owned));
    }
    for name in names {
        let text = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name:?}}}}}");
        session.apply(&text)?;
    }
    Ok(())
}
