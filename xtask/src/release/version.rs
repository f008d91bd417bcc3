//! One version in all that a release has: what the chart and the manifests ask for
//! is what was built, and Flux fetches the tag that it is published under.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::images::REGISTRY;

/// A file, and what must stand in it.
const NAMED: [(&str, &[&str]); 8] = [
    (
        "charts/tanso/Chart.yaml",
        &["\nversion: <version>\n", "\nappVersion: <version>\n"],
    ),
    (
        "charts/tanso/values.yaml",
        &["\n  repository: <registry>\n"],
    ),
    (
        "config/operator/operator.yaml",
        &[
            " <registry>/tanso-operator:<version>\n",
            " <registry>/tanso-agent:<version>\n",
            " <registry>/tanso-model-server:<version>\n",
        ],
    ),
    ("config/flux/source.yaml", &[" tag: v<version>\n"]),
    ("config/flux-helm/source.yaml", &[" tag: v<version>\n"]),
    ("deploy/aws/stack.yaml", &[" Default: <registry>\n"]),
    (
        "docs/install/index.md",
        &[
            "?ref=v<version>\n",
            " newTag: <version>\n",
            " tanso-<version>.tgz ",
        ],
    ),
    ("docs/install/aws.md", &["`helm push tanso-<version>.tgz "]),
];

/// Pages whose commands name what a release has.
const GUIDES: &str = "docs/install";

/// What stands before a version in them.
const BEFORE: [&str; 7] = [
    "/tanso-operator:",
    "/tanso-agent:",
    "/tanso-model-server:",
    "/$image:",
    "newTag: ",
    "?ref=v",
    " tanso-",
];

/// Holds every file against the version that this program was built as.
///
/// # Errors
/// Names every file that says otherwise, and what it lacks.
pub(super) fn check(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for (file, texts) in NAMED {
        let path = root.join(file);
        let content =
            fs::read_to_string(&path).with_context(|| format!("reading \"{}\"", path.display()))?;
        let lacking = texts.iter().map(|text| filled(text));
        let lacking = lacking.filter(|text| !content.contains(text.as_str()));
        faults.extend(lacking.map(|text| format!("{file}: no {text:?}")));
    }
    let guides = root.join(GUIDES);
    let pages =
        fs::read_dir(&guides).with_context(|| format!("reading \"{}\"", guides.display()))?;
    for page in pages.flatten() {
        let path = page.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading \"{}\"", path.display()))?;
        let name = page.file_name();
        let name = name.to_string_lossy();
        let others = others(&text).into_iter();
        faults.extend(others.map(|other| format!("{GUIDES}/{name}: it says \"{other}\"")));
    }
    if !faults.is_empty() {
        bail!(
            "not everything is of version {}:\n{}",
            env!("CARGO_PKG_VERSION"),
            faults.join("\n")
        );
    }
    Ok(())
}

/// Every other version that a text names of what a release has: of several
/// commands one is easily forgotten.
fn others(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for before in BEFORE {
        for rest in text.split(before).skip(1) {
            let named = rest.find(|one: char| !one.is_ascii_digit() && one != '.');
            let (version, _) = rest.split_at(named.unwrap_or(rest.len()));
            let version = version.trim_end_matches('.');
            if !version.is_empty() && version != env!("CARGO_PKG_VERSION") {
                found.push(format!("{}{version}", before.trim_start()));
            }
        }
    }
    found
}

fn filled(text: &str) -> String {
    text.replace("<version>", env!("CARGO_PKG_VERSION"))
        .replace("<registry>", REGISTRY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn everything_is_of_one_version() {
        check(&workspace::root()).unwrap();
    }

    #[test]
    fn a_guides_second_command_of_another_version_is_found_beside_the_first() {
        let text = format!(
            "push docker://REGISTRY/tanso-agent:{0}\npush docker://REGISTRY/tanso-agent:0.0.7\n\
             helm install tanso tanso-0.0.7.tgz --namespace tanso-system\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(others(&text), ["/tanso-agent:0.0.7", "tanso-0.0.7"]);
    }

    #[test]
    fn a_file_of_another_version_is_named_with_what_it_lacks() {
        let root = tempfile::tempdir().unwrap();
        for (file, texts) in NAMED {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text: String = texts.iter().map(|text| filled(text)).collect();
            fs::write(path, text).unwrap();
        }
        check(root.path()).unwrap();
        let chart = root.path().join("charts/tanso/Chart.yaml");
        fs::write(&chart, "\nversion: 0.0.7\n\nappVersion: 0.0.7\n").unwrap();
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("charts/tanso/Chart.yaml"), "{error}");
        assert_eq!(error.lines().count(), 3, "{error}");
    }
}
