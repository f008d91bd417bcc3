use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn every() -> impl Iterator<Item = &'static Family> {
    all().chain(legacy::ALL.iter().copied())
}

#[test]
fn names_are_unique_and_say_type_and_unit() {
    let mut names = BTreeSet::new();
    for family in every() {
        let again = !names.insert(family.name);
        // Two old names came back with other labels.
        let known = legacy::ALL.contains(&family) && legacy::is_taken(family);
        assert_eq!(again, known, "{}", family.name);
        assert_eq!(
            family.name.ends_with("_total"),
            family.kind == Kind::Counter,
            "{}",
            family.name
        );
        assert_eq!(
            family.name.ends_with("_info"),
            family.kind == Kind::Info,
            "{}",
            family.name
        );
        assert!(family.name.contains(family.unit), "{}", family.name);
        assert!(!family.help.ends_with('.'), "{}", family.name);
    }
}

#[test]
fn no_label_appears_twice_in_a_family() {
    for family in every() {
        let labels: BTreeSet<_> = family.labels.iter().collect();
        assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
    }
}

#[test]
fn a_family_is_of_the_level_that_its_name_says() {
    assert_eq!(VM_JOULES.level(), Some(Level::Vm));
    assert_eq!(NODE_GPU_INFO.level(), Some(Level::Node));
    assert_eq!(BUILD_INFO.level(), None);
    assert_eq!(PLATFORM_WATTS.level(), None);
    assert_eq!(ACCOUNT_JOULES.level(), None);
}

/// Kepler's surface as written down from its source: name, type, labels.
fn table(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.filter_map(|line| {
        let mut columns = line.split('\t');
        let (name, kind) = (columns.next()?, columns.next()?);
        let labels = columns.next()?.split(',').filter(|label| !label.is_empty());
        Some((
            name.to_owned(),
            (kind.to_owned(), labels.map(str::to_owned).collect()),
        ))
    });
    rows.collect()
}

fn ours<'a>(
    families: impl Iterator<Item = &'a Family>,
) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = families.map(|family| {
        let labels = family.labels.iter().map(|&label| label.to_owned());
        let kind = family.kind.as_str().to_owned();
        (family.name.to_owned(), (kind, labels.collect()))
    });
    rows.collect()
}

#[test]
fn keplers_surface_is_ours_with_equal_names_types_and_labels() {
    let theirs = table(include_str!("../../tests/kepler-0.11.tsv"));
    assert_eq!(theirs.len(), 33);
    let own = ours(KEPLER.iter().copied());
    assert_eq!(own, theirs);
}

#[test]
fn the_old_surface_has_equal_names_types_and_labels() {
    let theirs = table(include_str!("../../tests/kepler-0.9.tsv"));
    let own = ours(legacy::ALL.iter().copied());
    assert_eq!(own, theirs);
}
