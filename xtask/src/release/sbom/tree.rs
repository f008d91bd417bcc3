//! The crates that are linked into a program, and which needs which, as
//! `cargo tree` tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::output;

/// A crate: name, version, licence as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: String,
}

impl Crate {
    pub(super) fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// A program's crates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// The program's own.
    pub(super) root: Crate,
    /// All, with the root.
    pub(super) crates: BTreeSet<Crate>,
    /// Which needs which, by their package URLs.
    pub(super) needs: BTreeSet<(String, String)>,
}

/// The crates of `package` of the workspace in `folder`, or of its one package.
/// `together` are the packages that one `cargo build` compiles: a feature that
/// one of them asks for is there in all, with the crates that it brings.
/// What runs while compiling alone is no part of it.
pub(super) fn of(
    folder: &Path,
    package: Option<&str>,
    together: &[&str],
    targets: &[String],
) -> Result<Tree> {
    let mut command = Command::new("cargo");
    command.current_dir(folder).args(["tree", "--locked"]);
    for package in package.iter().chain(together) {
        command.args(["--package", package]);
    }
    for target in targets {
        command.args(["--target", target]);
    }
    command.args(["--edges", "normal,no-proc-macro", "--prefix", "depth"]);
    command.args(["--format", "!{p}|{l}"]);
    parse(&output(&mut command)?, package)
}

/// Lines as `2!serde v1.0.2 (/a/path)|MIT OR Apache-2.0 (*)`: how deep, what,
/// and whether its own were told before, maybe below another package.
pub(super) fn parse(text: &str, package: Option<&str>) -> Result<Tree> {
    let mut root = None;
    let mut needs: BTreeMap<Crate, BTreeSet<Crate>> = BTreeMap::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (depth, one) =
            read(line).with_context(|| format!("reading what cargo tree says: {line:?}"))?;
        above.truncate(depth);
        match above.last() {
            Some(parent) => {
                let of_parent = needs.entry(parent.clone()).or_default();
                of_parent.insert(one.clone());
            }
            None if package.is_none_or(|name| name == one.name) => root = Some(one.clone()),
            None => {}
        }
        above.push(one);
    }
    let Some(root) = root else {
        bail!("cargo tree says nothing of {}", package.unwrap_or("it"));
    };
    let mut tree = Tree {
        root: root.clone(),
        crates: BTreeSet::new(),
        needs: BTreeSet::new(),
    };
    let mut open = vec![root];
    while let Some(one) = open.pop() {
        let of_one = needs.get(&one).into_iter().flatten();
        if tree.crates.insert(one.clone()) {
            for needed in of_one {
                tree.needs.insert((one.purl(), needed.purl()));
                open.push(needed.clone());
            }
        }
    }
    Ok(tree)
}

fn read(line: &str) -> Option<(usize, Crate)> {
    let (depth, rest) = line.split_once('!')?;
    let (named, licence) = rest.rsplit_once('|')?;
    let mut words = named.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    let licence = licence.trim_end_matches("(*)").trim_end();
    let one = Crate {
        name: name.to_owned(),
        version: version.trim_start_matches('v').to_owned(),
        licence: licence.to_owned(),
    };
    Some((depth.parse().ok()?, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_needed_by_the_one_above_it_and_not_by_the_one_before() {
        let tree = parse(
            "0!a v0.1.0 (/x)|MIT\n1!b v1.0.0|MIT\n2!c v2.0.0|MIT\n1!d v3.0.0|MIT\n",
            None,
        )
        .unwrap();
        let purl = |name: &str| format!("pkg:cargo/{name}");
        let needs = [
            ("a@0.1.0", "b@1.0.0"),
            ("a@0.1.0", "d@3.0.0"),
            ("b@1.0.0", "c@2.0.0"),
        ];
        let needs = needs.map(|(from, to)| (purl(from), purl(to)));
        assert_eq!(tree.needs, BTreeSet::from(needs));
        assert_eq!(tree.root.name, "a");
        assert_eq!(tree.crates.len(), 4);
    }

    #[test]
    fn a_crate_that_was_told_before_keeps_its_licence() {
        let text = "0!a v0.1.0|MIT\n1!b v1.0.0|MIT OR Apache-2.0 (*)\n";
        let licences: Vec<String> = parse(text, None)
            .unwrap()
            .crates
            .into_iter()
            .map(|one| one.licence)
            .collect();
        assert_eq!(licences, ["MIT", "MIT OR Apache-2.0"]);
    }

    #[test]
    fn of_two_targets_all_is_there_and_once() {
        // As cargo tells several targets: a tree for each, a blank line between.
        let text =
            "0!a v0.1.0|MIT\n1!b v1.0.0|MIT\n\n0!a v0.1.0|MIT\n1!b v1.0.0|MIT\n1!arm v2.0.0|MIT\n";
        let tree = parse(text, None).unwrap();
        assert_eq!(tree.root.name, "a");
        let names: Vec<&str> = tree.crates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "arm", "b"]);
        assert_eq!(tree.needs.len(), 2);
    }

    #[test]
    fn what_another_package_brings_into_a_shared_crate_is_there_and_its_own_is_not() {
        // `shared` was told below `agent`, with what the agent's features bring.
        let text = "0!agent v0.1.0|MIT\n1!shared v1.0.0|MIT\n2!brought v1.0.0|MIT\n\
                    1!alone v1.0.0|MIT\n\n0!operator v0.1.0|MIT\n1!shared v1.0.0|MIT (*)\n";
        let tree = parse(text, Some("operator")).unwrap();
        let names: Vec<&str> = tree.crates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["brought", "operator", "shared"]);
        assert_eq!(tree.needs.len(), 2);
        assert!(parse(text, Some("cli")).is_err());
    }

    #[test]
    fn what_is_no_line_of_a_tree_is_an_error_that_shows_it() {
        let error = parse("error: no such package", None).unwrap_err();
        assert!(
            format!("{error:#}").contains("no such package"),
            "{error:#}"
        );
        assert!(parse("", None).is_err());
    }
}
