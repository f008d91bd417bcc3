//! Holds a release's folder against itself before anybody gets it: what chart and
//! manifests ask for is in the archives under that very name, bills are of those
//! images, programs are for the machines that they are named for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::sbom::{IMAGE, Subject};
use super::{IMAGES, packed};
use crate::images::{self, Arch, Archive, REGISTRY, Written};
use crate::process::output;
use crate::{chart, workspace};

/// Manifests that install, so that each asks for every image.
const INSTALLING: [&str; 3] = [
    "install.yaml",
    "install-simple.yaml",
    "install-production.yaml",
];

/// What was found, in a line.
///
/// # Errors
/// Names every fault; or when something cannot be read.
pub(super) fn check(
    folder: &Path,
    written: &[Written],
    archs: &[Arch],
    helm: &Path,
) -> Result<String> {
    let mut archives = BTreeMap::new();
    for image in written {
        let file = folder.join(format!("{}.oci.tar", image.name));
        archives.insert(image.name, Archive::read(&file)?);
    }
    let mut faults = of_archives(&archives, written, archs);
    let known: BTreeSet<String> = archives.values().map(|one| one.reference.clone()).collect();
    let texts = texts(folder, helm)?;
    for (name, text) in &texts {
        let installs = INSTALLING.contains(&name.as_str()) || name.starts_with(packed::ARCHIVE);
        faults.extend(of_references(name, text, &known, installs));
    }
    for (name, archive) in &archives {
        let file = folder.join(format!("{name}.cdx.json"));
        let bill = fs::read(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
        let bill: Value = serde_json::from_slice(&bill)
            .with_context(|| format!("reading \"{}\"", file.display()))?;
        faults.extend(of_bill(name, &bill, archive));
    }
    for arch in archs {
        faults.extend(of_plugin(folder, *arch)?);
    }
    if !faults.is_empty() {
        bail!(
            "the release does not fit together, so nothing of it was kept:\n{}",
            faults.join("\n")
        );
    }
    Ok(format!(
        "{} images, {} texts that ask for them and their bills fit together",
        archives.len(),
        texts.len()
    ))
}

/// Every text of the release that may ask for images, the packed chart's renders too.
fn texts(folder: &Path, helm: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("reading \"{}\"", folder.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("reading \"{}\"", path.display()))?;
            texts.insert(name, text);
        }
    }
    for values in [None, Some(chart::FILES[0]), Some(chart::FILES[1])] {
        let mut command = Command::new(helm);
        // Nobody's own cluster takes part.
        command.env("KUBECONFIG", "/dev/null");
        command.args(["template", "tanso"]);
        command.arg(folder.join(packed::ARCHIVE));
        let mut name = packed::ARCHIVE.to_owned();
        if let Some(values) = values {
            let file = workspace::root().join("charts/tanso").join(values);
            command.arg("--values").arg(file);
            name = format!("{name} with {values}");
        }
        texts.insert(name, output(&mut command)?);
    }
    Ok(texts)
}

fn of_archives(
    archives: &BTreeMap<&str, Archive>,
    written: &[Written],
    archs: &[Arch],
) -> Vec<String> {
    let mut faults = Vec::new();
    let wanted: Vec<&str> = archs.iter().map(|arch| arch.name()).collect();
    for image in written {
        let name = image.name;
        let Some(archive) = archives.get(name) else {
            faults.push(format!("{name}: it has no archive"));
            continue;
        };
        let trusts = |(one, subject): &(&str, Subject)| *one == name && subject.has_certificates;
        if IMAGES.iter().any(trusts) && !archive.files.contains(images::CERTIFICATES) {
            let lacks = images::CERTIFICATES;
            faults.push(format!("{name}: it calls out over TLS and has no {lacks}"));
        }
        if archive.digest != image.digest {
            let (is, built) = (&archive.digest, &image.digest);
            faults.push(format!(
                "{name}: the archive has {is}, and {built} was built"
            ));
        }
        if archive.archs != wanted {
            let is = archive.archs.join(", ");
            faults.push(format!(
                "{name}: it is for {is} and not for {}",
                wanted.join(", ")
            ));
        }
    }
    faults
}

/// What a text asks for of our registry and no archive has; and, where it
/// installs, what an archive has and it does not ask for.
fn of_references(name: &str, text: &str, known: &BTreeSet<String>, installs: bool) -> Vec<String> {
    let ours = format!("{REGISTRY}/");
    let ends = |one: char| one.is_whitespace() || "\"'`,;=(){}[]".contains(one);
    let asked: BTreeSet<&str> = text
        .split(ends)
        .filter(|word| word.starts_with(&ours))
        .collect();
    let unknown = asked.iter().filter(|word| !known.contains(**word));
    let mut faults: Vec<String> = unknown
        .map(|word| format!("{name}: it asks for {word}, and no archive is called so"))
        .collect();
    if installs {
        let lacking = known.iter().filter(|one| !asked.contains(one.as_str()));
        faults.extend(lacking.map(|one| format!("{name}: it does not ask for {one}")));
    }
    faults
}

fn of_bill(name: &str, bill: &Value, archive: &Archive) -> Option<String> {
    let properties = bill["metadata"]["properties"].as_array();
    let image = properties
        .into_iter()
        .flatten()
        .find(|one| one["name"] == IMAGE);
    let says = image.and_then(|one| one["value"].as_str());
    let is = super::pinned(&archive.reference, &archive.digest);
    let version = &bill["metadata"]["component"]["version"];
    if says == Some(is.as_str()) && version == env!("CARGO_PKG_VERSION") {
        return None;
    }
    let says = says.unwrap_or("no image");
    Some(format!(
        "{name}.cdx.json: it is of {says} and version {version}, and the archive is {is}"
    ))
}

/// The plug-in is for the machines of its name; this machine's says its version.
fn of_plugin(folder: &Path, arch: Arch) -> Result<Option<String>> {
    let name = super::plugin_name(arch);
    let file = folder.join(&name);
    let program = fs::read(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let is = images::machine(&program);
    if is != Some(arch.name()) {
        let is = is.unwrap_or("no machine that is known here");
        return Ok(Some(format!("{name}: it is a program for {is}")));
    }
    if arch != Arch::native()? {
        return Ok(None);
    }
    let says = output(Command::new(&file).arg("--version"))?;
    let right = says.split_whitespace().next_back() == Some(env!("CARGO_PKG_VERSION"));
    Ok((!right).then(|| format!("{name}: it says that it is \"{}\"", says.trim())))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn archive(digest: &str, archs: &[&str]) -> Archive {
        Archive {
            reference: format!("{REGISTRY}/tanso-agent:7.0.0"),
            digest: digest.to_owned(),
            archs: archs.iter().map(|&arch| arch.to_owned()).collect(),
            files: BTreeSet::from(["tanso-agent".to_owned()]),
        }
    }

    #[test]
    fn an_image_that_no_archive_is_called_by_is_named_with_the_text_that_asks_for_it() {
        let known = BTreeSet::from([
            format!("{REGISTRY}/tanso-agent:7.0.0"),
            format!("{REGISTRY}/tanso-operator:7.0.0"),
        ]);
        let text = format!(
            "image: {REGISTRY}/tanso-operator:7.0.0\nenv: {{value: '{REGISTRY}/tanso-agent:7.0.0'}}\n\
             # tanso-dev elsewhere: registry.example/tanso-agent:1\n"
        );
        assert_eq!(of_references("a", &text, &known, true), [""; 0]);
        let other = text.replace("tanso-agent:7.0.0", "tanso-agent:6.0.0");
        let told = of_references("install.yaml", &other, &known, true);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("install.yaml: ") && told[0].contains("tanso-agent:6.0.0"),
            "{told:?}"
        );
        assert!(told[1].contains("does not ask for"), "{told:?}");
        // A sample that asks for nothing is no installation.
        assert_eq!(of_references("sample", "", &known, false), [""; 0]);
    }

    #[test]
    fn an_archive_of_another_build_or_for_fewer_machines_is_told() {
        let written = [Written {
            name: "tanso-agent",
            archive: PathBuf::new(),
            digest: "sha256:a".to_owned(),
            bytes: Vec::new(),
        }];
        let archs = [Arch::Amd64, Arch::Arm64];
        let of =
            |one: Archive| of_archives(&BTreeMap::from([("tanso-agent", one)]), &written, &archs);
        assert_eq!(of(archive("sha256:a", &["amd64", "arm64"])), [""; 0]);
        let told = of(archive("sha256:b", &["amd64"]));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("sha256:b") && told[0].contains("sha256:a"));
        assert!(told[1].contains("for amd64 and not for amd64, arm64"));
        assert_eq!(of_archives(&BTreeMap::new(), &written, &archs).len(), 1);
    }

    #[test]
    fn an_image_that_calls_out_has_the_authorities_that_it_trusts() {
        let written = [Written {
            name: "tanso-operator",
            archive: PathBuf::new(),
            digest: "sha256:a".to_owned(),
            bytes: Vec::new(),
        }];
        let mut bare = archive("sha256:a", &["amd64"]);
        let of = |one: &Archive| {
            let archives = BTreeMap::from([("tanso-operator", one.clone())]);
            of_archives(&archives, &written, &[Arch::Amd64])
        };
        let told = of(&bare);
        assert!(
            told.len() == 1 && told[0].contains("no etc/ssl/certs/"),
            "{told:?}"
        );
        bare.files.insert(images::CERTIFICATES.to_owned());
        assert_eq!(of(&bare), [""; 0]);
    }

    #[test]
    fn a_bill_is_of_the_very_image_and_version() {
        let archive = archive("sha256:a", &["amd64"]);
        let bill = |image: &str, version: &str| {
            json!({"metadata": {
                "component": {"version": version},
                "properties": [{"name": IMAGE, "value": image}],
            }})
        };
        let right = format!("{REGISTRY}/tanso-agent:7.0.0@sha256:a");
        let now = env!("CARGO_PKG_VERSION");
        assert_eq!(of_bill("tanso-agent", &bill(&right, now), &archive), None);
        let other = right.replace("sha256:a", "sha256:b");
        for wrong in [bill(&other, now), bill(&right, "0.0.7"), json!({})] {
            let told = of_bill("tanso-agent", &wrong, &archive).unwrap();
            assert!(told.starts_with("tanso-agent.cdx.json: "), "{told}");
        }
    }

    #[test]
    fn a_plug_in_for_other_machines_than_its_name_says_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(super::super::plugin_name(Arch::Arm64));
        fs::write(&file, b"#!/bin/sh\n").unwrap();
        let told = of_plugin(dir.path(), Arch::Arm64).unwrap().unwrap();
        assert!(
            told.starts_with("kubectl-tanso-linux-arm64: ") && told.contains("no machine"),
            "{told}"
        );
    }
}
