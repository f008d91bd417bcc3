//! A program's bill of materials in `CycloneDX` 1.6: the crates that are linked
//! into it and which needs which, from Cargo's own resolution, with the checksums
//! of the lock file; and what is linked in that is no crate. The same checkout on
//! the same machine gives the same bytes: no time, no random number.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kubeparts::hex;
use crate::process::output;
use crate::{ebpf, workspace};
use tree::{Crate, Tree};

/// The property that names the image which a bill is of.
pub(super) const IMAGE: &str = "tanso:image";

/// What a bill is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// The package of the workspace.
    pub(super) package: &'static str,
    /// Whether the kernel programs are in it.
    pub(super) has_kernel_programs: bool,
    /// Whether the authorities' certificates lie beside it.
    pub(super) has_certificates: bool,
}

/// A part that is no crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: &'static str,
    version: String,
    licence: &'static str,
}

impl Part {
    fn purl(&self) -> String {
        format!("pkg:generic/{}@{}", self.name, self.version)
    }
}

/// What a bill lists, as Cargo and this machine tell it.
#[derive(Debug)]
pub(super) struct Contents {
    tree: Tree,
    kernel: Option<Tree>,
    parts: Vec<Part>,
    sums: BTreeMap<(String, String), String>,
}

/// All that is linked in for any of these targets; `together` are the packages
/// that are compiled in one go.
///
/// # Errors
/// When Cargo does not know the package, or a part's version cannot be told.
pub(super) fn contents(
    subject: Subject,
    together: &[&str],
    targets: &[String],
) -> Result<Contents> {
    let root = workspace::root();
    let tree = tree::of(&root, Some(subject.package), together, targets)?;
    let mut sums = checksums(&lock(&root.join("Cargo.lock"))?);
    let mut kernel = None;
    if subject.has_kernel_programs {
        let folder = root.join("agent-ebpf");
        sums.extend(checksums(&lock(&folder.join("Cargo.lock"))?));
        kernel = Some(tree::of(&folder, None, &[], &[ebpf::TARGET.to_owned()])?);
    }
    let parts = parts(subject)?;
    Ok(Contents {
        tree,
        kernel,
        parts,
        sums,
    })
}

impl Contents {
    /// The bill, as JSON; of an image with the name and digest that it is pulled by.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn bill(&self, image: Option<&str>) -> Result<String> {
        let Self {
            tree,
            kernel,
            parts,
            sums,
        } = self;
        let bill = bill(tree, kernel.as_ref(), parts, sums, image)?;
        let text = serde_json::to_string_pretty(&bill).context("writing a bill of materials")?;
        Ok(format!("{text}\n"))
    }
}

fn lock(file: &std::path::Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading \"{}\"", file.display()))
}

/// What a static program has in it besides crates, and the image besides it.
fn parts(subject: Subject) -> Result<Vec<Part>> {
    let says = output(Command::new("ldd").arg("--version"))?;
    let first = says.lines().next().unwrap_or_default();
    let glibc = first.split_whitespace().next_back();
    let mut parts = vec![
        Part {
            name: "glibc",
            version: glibc.context("asking ldd for its version")?.to_owned(),
            licence: "LGPL-2.1-or-later",
        },
        Part {
            name: "libgcc",
            version: output(Command::new("gcc").arg("-dumpfullversion"))?
                .trim()
                .to_owned(),
            licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
        },
    ];
    if subject.has_certificates {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat", "${Version}", "ca-certificates"]);
        parts.push(Part {
            name: "ca-certificates",
            // Elsewhere than on Debian its digest in the image must do.
            version: output(&mut query).unwrap_or_else(|_| "unknown".to_owned()),
            licence: "MPL-2.0",
        });
    }
    Ok(parts)
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

fn component(kind: &str, name: &str, version: &str, licence: &str, purl: &str) -> Value {
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
    component
}

fn bill(
    tree: &Tree,
    kernel: Option<&Tree>,
    parts: &[Part],
    sums: &BTreeMap<(String, String), String>,
    image: Option<&str>,
) -> Result<Value> {
    let of_crate = |kind: &str, one: &Crate| {
        let mut shown = component(kind, &one.name, &one.version, &one.licence, &one.purl());
        if let Some(sum) = sums.get(&(one.name.clone(), one.version.clone())) {
            shown["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        shown
    };
    let main = of_crate("application", &tree.root);
    let crates: BTreeSet<&Crate> = tree
        .crates
        .iter()
        .chain(kernel.into_iter().flat_map(|kernel| &kernel.crates))
        .filter(|one| **one != tree.root)
        .collect();
    let mut components: Vec<Value> = crates
        .into_iter()
        .map(|one| of_crate("library", one))
        .collect();
    for part in parts {
        let Part {
            name,
            version,
            licence,
        } = part;
        components.push(component("library", name, version, licence, &part.purl()));
    }
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in tree
        .needs
        .iter()
        .chain(kernel.into_iter().flat_map(|kernel| &kernel.needs))
    {
        needs.entry(from.clone()).or_default().insert(to.clone());
    }
    let own = needs.entry(tree.root.purl()).or_default();
    own.extend(kernel.map(|kernel| kernel.root.purl()));
    own.extend(parts.iter().map(Part::purl));
    let needs: Vec<Value> = needs
        .into_iter()
        .map(|(from, to)| json!({"ref": from, "dependsOn": to}))
        .collect();
    let mut metadata = json!({"component": main});
    if let Some(image) = image {
        metadata["properties"] = json!([{"name": IMAGE, "value": image}]);
    }
    let content = serde_json::to_vec(&(&metadata, &components, &needs))
        .context("writing a bill of materials")?;
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&content)),
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": needs,
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

/// A small program's, for tests of what bills go into.
#[cfg(test)]
pub(super) fn contents_of_tests() -> Contents {
    Contents {
        tree: Tree {
            root: Crate {
                name: "app".to_owned(),
                version: "0.1.0".to_owned(),
                licence: "MIT".to_owned(),
            },
            crates: BTreeSet::new(),
            needs: BTreeSet::new(),
        },
        kernel: None,
        parts: Vec::new(),
        sums: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0!app v0.1.0 (here)|MIT\n1!kube v3.0.1|MIT\n2!serde v1.0.2|MIT/Apache-2.0\n\
                        1!serde v1.0.2|MIT/Apache-2.0 (*)\n";
    const KERNEL: &str = "0!probe v0.2.0 (here)|MIT\n1!aya v5.0.4|MIT\n";
    const LOCK: &str = "[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry\"\nchecksum = \"ab12\"\n";

    fn glibc() -> Part {
        Part {
            name: "glibc",
            version: "2.36".to_owned(),
            licence: "LGPL-2.1-or-later",
        }
    }

    #[test]
    fn a_crate_is_named_once_with_its_licence_and_checksum() {
        let tree = tree::parse(TREE, None).unwrap();
        let bill = bill(&tree, None, &[], &checksums(LOCK), None).unwrap();
        assert_eq!(bill["metadata"]["component"]["version"], "0.1.0");
        let components = bill["components"].as_array().unwrap();
        assert_eq!(components.len(), 2);
        assert_eq!(components[1]["purl"], "pkg:cargo/serde@1.0.2");
        assert_eq!(components[1]["hashes"][0]["content"], "ab12");
        assert_eq!(
            components[1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
    }

    #[test]
    fn what_needs_what_is_told_with_the_kernel_programs_and_what_is_no_crate() {
        let (tree, kernel) = (
            tree::parse(TREE, None).unwrap(),
            tree::parse(KERNEL, None).unwrap(),
        );
        let bill = bill(&tree, Some(&kernel), &[glibc()], &checksums(LOCK), None).unwrap();
        let needs = bill["dependencies"].as_array().unwrap();
        let of = |name: &str| {
            let found = needs.iter().find(|one| one["ref"] == name);
            found.map(|one| one["dependsOn"].to_string()).unwrap()
        };
        let app = of("pkg:cargo/app@0.1.0");
        for part in [
            "pkg:cargo/kube@3.0.1",
            "pkg:cargo/serde@1.0.2",
            "pkg:cargo/probe@0.2.0",
            "pkg:generic/glibc@2.36",
        ] {
            assert!(app.contains(part), "{part}: {app}");
        }
        assert_eq!(of("pkg:cargo/kube@3.0.1"), r#"["pkg:cargo/serde@1.0.2"]"#);
        assert_eq!(of("pkg:cargo/probe@0.2.0"), r#"["pkg:cargo/aya@5.0.4"]"#);
        // Whatever is named is there.
        let known = bill.to_string();
        for name in ["aya", "probe", "glibc"] {
            assert!(known.contains(&format!("\"name\":\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn a_bill_says_which_image_it_is_of_and_one_of_another_image_is_another_bill() {
        let tree = tree::parse(TREE, None).unwrap();
        let of = |image| bill(&tree, None, &[], &BTreeMap::new(), image).unwrap();
        let (one, other) = (of(Some("a@sha256:1")), of(Some("a@sha256:2")));
        let said = &one["metadata"]["properties"][0];
        assert_eq!(*said, json!({"name": IMAGE, "value": "a@sha256:1"}));
        assert_ne!(one["serialNumber"], other["serialNumber"]);
        assert!(of(None)["metadata"]["properties"].is_null());
    }

    #[test]
    fn the_same_content_has_the_same_serial_number_and_other_content_another() {
        assert_eq!(uuid(b"one"), uuid(b"one"));
        assert_ne!(uuid(b"one"), uuid(b"two"));
        let text = uuid(b"one");
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }
}
