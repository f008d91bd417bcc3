//! The project's own documentation, and trees with one fault each.

use std::fs;
use std::path::Path;

use super::{Alerts, OWN, Page, faults, untested};

/// The faults of a tree of these files, as text.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = faults(root.path()).unwrap();
    found.iter().map(ToString::to_string).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_link_of_the_documentation_leads_somewhere_and_every_page_is_in_the_contents() {
    let found = faults(root()).unwrap();
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// `docs/README.md` says for whom a page is. The contents are complete: above.
#[test]
fn every_page_of_the_contents_stands_in_what_is_where_but_fields_and_platforms() {
    let of = |page: &str| {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let links = Page::read(&text).links.into_iter().map(|(_, link)| link);
        links.collect::<std::collections::BTreeSet<String>>()
    };
    let (contents, overview) = (of("SUMMARY.md"), of("README.md"));
    // Of these folders there is one row, and a link without a target heads the decisions.
    let apart = |page: &&String| {
        let folders = ["reference/", "install/"];
        page.is_empty()
            || *page == "README.md"
            || folders.iter().any(|folder| page.starts_with(folder))
    };
    let missing: Vec<&String> = contents
        .difference(&overview)
        .filter(|page| !apart(page))
        .collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
}

/// What `docs/upgrade.md` warns of stood in two guides: after the chart's next version it is refused.
#[test]
fn no_guide_keeps_an_older_charts_defaults() {
    let mut told = Vec::new();
    for folder in ["docs", "docs/install"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            // A command goes on behind a backslash.
            let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
            let commands = text.lines().filter(|line| line.starts_with("helm upgrade"));
            let kept = commands.filter(|line| line.contains(" --reuse-values"));
            told.extend(kept.map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn every_alert_has_a_runbook_and_cases_of_both_sorts() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let tests = read("config/prometheus/tests.yaml");
    let rules = fs::read_to_string(root().join("config/prometheus/rules.yaml")).unwrap();
    let rules = Alerts::read(&rules);
    assert!(!rules.alerts.is_empty(), "the rule file has no alert");
    let runbooks = read("docs/runbooks.md");
    let mut missing = untested(&rules, &tests);
    let unwritten = rules.alerts.iter();
    let unwritten = unwritten.filter(|alert| !runbooks.contains(&format!("\n## {alert}\n")));
    missing.extend(unwritten.map(|alert| format!("no runbook of \"{alert}\"")));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_whole_tree_has_no_fault() {
    let files = [
        ("README.md", "[docs](docs/a.md#a-b) [folder](docs/sub/)"),
        (
            "docs/SUMMARY.md",
            "[R](README.md)\n- [A](a.md)\n- [B](sub/b.md)",
        ),
        ("docs/README.md", "[a](a.md)"),
        ("docs/a.md", "# A, B\n[b](sub/b.md) [up](#a-b) "),
        (
            "docs/sub/b.md",
            "[a](../a.md#a-b) [x](https://example.com/no)",
        ),
    ];
    assert_eq!(told(&files), [""; 0]);
}

#[test]
fn a_dead_file_and_a_dead_heading_are_told_with_their_line() {
    let files = [
        ("docs/SUMMARY.md", "[A](a.md)"),
        (
            "docs/a.md",
            "# A\n\n[gone](b.md)\n[no](#c)\n[all](sub/)\n[top](README.md)\n",
        ),
        ("docs/sub/x.txt", ""),
    ];
    assert_eq!(
        told(&files),
        [
            "docs/a.md:3: link \"b.md\" leads to no file: no \"docs/b.md\"",
            "docs/a.md:4: link \"#c\" leads to no heading; accepted are a",
            "docs/a.md:5: link \"sub/\" leads to a folder; accepted is a page",
            "docs/a.md:6: link \"README.md\" leads to a page that the book renames; accepted is any other",
        ]
    );
}

#[test]
fn a_page_that_the_contents_forget_or_name_twice_is_told() {
    let files = [
        ("docs/SUMMARY.md", "[A](a.md) [again](a.md)"),
        ("docs/a.md", ""),
        ("docs/b.md", ""),
    ];
    assert_eq!(
        told(&files),
        [
            "docs/a.md:0: stands 2 times in docs/SUMMARY.md; accepted is once",
            "docs/b.md:0: stands 0 times in docs/SUMMARY.md; accepted is once",
        ]
    );
}

#[test]
fn a_page_may_not_lead_out_of_the_book_but_by_an_address_that_is_checked() {
    let [own, _] = OWN;
    let page = format!("[c](../c.yaml)\n<{own}c.yaml>, <{own}d.yaml>.\n");
    let rules = format!("url: {own}docs/a.md#heading\nurl: {own}docs/a.md#none\nurl: {own}{{x}}\n");
    let files = [
        ("docs/SUMMARY.md", "[A](a.md)"),
        ("docs/a.md", &*format!("# Heading\n{page}")),
        ("c.yaml", &*rules),
    ];
    let told = told(&files);
    let [in_rules, link, address] = told.as_slice() else {
        panic!("three faults in {told:#?}");
    };
    assert!(in_rules.starts_with("c.yaml:2: ") && in_rules.contains("no heading"));
    assert!(link.starts_with("docs/a.md:2: ") && link.contains("out of the book"));
    assert!(address.starts_with("docs/a.md:3: ") && address.contains("d.yaml"));
}

#[test]
fn a_link_out_of_the_project_is_told() {
    let files = [("README.md", "[etc](../../etc/passwd)")];
    assert_eq!(
        told(&files),
        ["README.md:1: link \"../../etc/passwd\" leads out of the project"]
    );
}
