//! A program's bill of materials in `CycloneDX` 1.6: the crates that are linked
//! into it, from Cargo's own resolution, with the checksums of `Cargo.lock`.
//! The same checkout gives the same bytes: no time, no random number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kubeparts::hex;
use crate::process::output;
use crate::workspace;

/// A crate: name, version, licence as its manifest says it.
type Crate = (String, String, String);

/// The bill of a package of the workspace, as JSON.
///
/// # Errors
/// When Cargo does not know the package.
pub(super) fn of(package: &str) -> Result<String> {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root()).args([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}|{l}",
    ]);
    let crates = parse(&output(&mut command)?)?;
    let file = workspace::root().join("Cargo.lock");
    let lock =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let bill = bill(package, &crates, &checksums(&lock))?;
    let text = serde_json::to_string_pretty(&bill).context("writing a bill of materials")?;
    Ok(format!("{text}\n"))
}

/// Lines as `serde v1.0.2 (proc-macro)|MIT OR Apache-2.0`.
fn parse(tree: &str) -> Result<BTreeSet<Crate>> {
    let mut crates = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (named, licence) = line
            .split_once('|')
            .with_context(|| format!("reading cargo tree: no licence in {line:?}"))?;
        let mut words = named.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            bail!("reading cargo tree: no version in {line:?}");
        };
        let version = version.trim_start_matches('v');
        crates.insert((name.to_owned(), version.to_owned(), licence.to_owned()));
    }
    Ok(crates)
}

/// SHA-256 by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for block in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches([' ', '=', '"']).to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name = "), field("version = "), field("checksum = "))
        {
            all.insert((name, version), sum);
        }
    }
    all
}

fn bill(
    package: &str,
    crates: &BTreeSet<Crate>,
    sums: &BTreeMap<(String, String), String>,
) -> Result<Value> {
    let Some((_, version, licence)) = crates.iter().find(|(name, _, _)| name == package) else {
        bail!("\"{package}\" is not in its own tree");
    };
    let component = |kind: &str, name: &str, version: &str, licence: &str| {
        let purl = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({
            "type": kind,
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
        });
        if !licence.is_empty() {
            // Old manifests separate by a slash what SPDX joins by OR.
            component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
        }
        if let Some(sum) = sums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        component
    };
    let parts: Vec<Value> = crates
        .iter()
        .filter(|(name, _, _)| name != package)
        .map(|(name, version, licence)| component("library", name, version, licence))
        .collect();
    let main = component("application", package, version, licence);
    let content = serde_json::to_vec(&(&main, &parts)).context("writing a bill of materials")?;
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&content)),
        "version": 1,
        "metadata": {"component": main},
        "components": parts,
    }))
}

/// A version-8 UUID (RFC 9562, section 5.8) from the content.
fn uuid(content: &[u8]) -> String {
    let mut digits: Vec<char> = hex(&Sha256::digest(content)).chars().take(32).collect();
    for (place, digit) in [(12, '8'), (16, '8')] {
        if let Some(one) = digits.get_mut(place) {
            *one = digit;
        }
    }
    let mut text = String::new();
    for (index, digit) in digits.into_iter().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "app v0.1.0 (here)|MIT\nserde v1.0.2 (proc-macro)|MIT/Apache-2.0\nserde v1.0.2|MIT/Apache-2.0\n";
    const LOCK: &str = "[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry\"\nchecksum = \"ab12\"\n";

    #[test]
    fn a_crate_is_named_once_with_its_licence_and_checksum() {
        let bill = bill("app", &parse(TREE).unwrap(), &checksums(LOCK)).unwrap();
        assert_eq!(bill["metadata"]["component"]["version"], "0.1.0");
        let parts = bill["components"].as_array().unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0]["purl"], "pkg:cargo/serde@1.0.2");
        assert_eq!(parts[0]["hashes"][0]["content"], "ab12");
        assert_eq!(parts[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }

    #[test]
    fn the_same_content_has_the_same_serial_number_and_other_content_another() {
        assert_eq!(uuid(b"one"), uuid(b"one"));
        assert_ne!(uuid(b"one"), uuid(b"two"));
        let text = uuid(b"one");
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }

    #[test]
    fn a_package_that_is_not_in_its_tree_is_an_error() {
        assert!(bill("other", &parse(TREE).unwrap(), &BTreeMap::new()).is_err());
    }
}
