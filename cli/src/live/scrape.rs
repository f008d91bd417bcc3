//! Samples in an agent's metrics text, and the pod power families among them.
//!
//! Zones that contain each other are not added up: platform contains psys,
//! psys contains package, and core and uncore are parts of package.

use std::collections::{BTreeMap, BTreeSet};

use tanso_agent_wire::families::POD_WATTS;

/// A line of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// The figure.
    pub(crate) value: f64,
}

/// The lines of a family; those that cannot be read are passed over.
pub(crate) fn samples(text: &str, family: &str) -> Vec<Line> {
    let line = |line: &str| {
        let rest = line.strip_prefix(family)?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.strip_prefix(' ')?.split_whitespace().next()?;
        let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Line { labels, value })
    };
    text.lines().filter_map(line).collect()
}

/// The lines of a family by power zone, without zones that others contain.
pub(crate) fn counted(text: &str, family: &str) -> Vec<Line> {
    let mut found = samples(text, family);
    let zone = |line: &Line| line.labels.get("zone").cloned().unwrap_or_default();
    let names: Vec<String> = found.iter().map(zone).collect();
    let zones: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    found.retain(|line| counts(&zone(line), &zones));
    found
}

/// Adds each running pod's power in milliwatts, by namespace and name. Lines
/// that cannot be read are passed over.
pub(super) fn add_pod_power(text: &str, into: &mut BTreeMap<(String, String), i64>) {
    let samples: Vec<Sample> = text.lines().filter_map(sample).collect();
    let zones: BTreeSet<&str> = samples.iter().map(|sample| sample.zone.as_str()).collect();
    for sample in samples.iter().filter(|sample| counts(&sample.zone, &zones)) {
        let sum = into
            .entry((sample.namespace.clone(), sample.pod.clone()))
            .or_default();
        *sum = sum.saturating_add(sample.power_mw);
    }
}

struct Sample {
    namespace: String,
    pod: String,
    zone: String,
    power_mw: i64,
}

/// Whether a zone is in the sum, given the zones there are: the agent's own
/// rule for a node's total.
fn counts(zone: &str, all: &BTreeSet<&str>) -> bool {
    let has = |name| all.contains(name);
    match zone {
        "package" => !has("platform"),
        "psys" => !has("platform") && !has("package"),
        "dram" => !has("platform") && (has("package") || !has("psys")),
        "core" | "uncore" => !has("platform") && !has("package") && !has("psys"),
        _ => true,
    }
}

fn sample(line: &str) -> Option<Sample> {
    let rest = line.strip_prefix(POD_WATTS.name)?.strip_prefix('{')?;
    let (labels, rest) = labels(rest)?;
    if labels.get("state").is_some_and(|state| state != "running") {
        return None;
    }
    let power_w: f64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        namespace: labels.get("pod_namespace")?.clone(),
        pod: labels.get("pod_name")?.clone(),
        zone: labels.get("zone")?.clone(),
        power_mw: milliwatts(power_w)?,
    })
}

/// A power that a node can have, up to a megawatt, in milliwatts.
fn milliwatts(power_w: f64) -> Option<i64> {
    if !(0.0..=1e6).contains(&power_w) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked above"
    )]
    Some((power_w * 1e3).round() as i64)
}

/// The labels up to the closing brace, and what follows it.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        found.insert(name.to_owned(), value);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// A label's value up to its closing quote, escapes undone.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, character)) = chars.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, i64)> {
        let mut found = BTreeMap::new();
        add_pod_power(text, &mut found);
        found
            .into_iter()
            .map(|((namespace, pod), power)| (format!("{namespace}/{pod}"), power))
            .collect()
    }

    fn line(pod: &str, zone: &str, state: &str, watts: &str) -> String {
        format!(
            "kepler_pod_cpu_watts{{pod_id=\"u\",pod_name=\"{pod}\",pod_namespace=\"shop\",state=\"{state}\",zone=\"{zone}\",node_name=\"n\"}} {watts}\n"
        )
    }

    #[test]
    fn zones_within_zones_are_not_added_twice() {
        let text = line("a", "package", "running", "100")
            + &line("a", "dram", "running", "10")
            + &line("a", "core", "running", "70")
            + &line("a", "psys", "running", "140")
            + &line("b", "package", "terminated", "5");
        assert_eq!(read(&text), [("shop/a".to_owned(), 110_000)]);
        let text = text + &line("a", "platform", "running", "180");
        assert_eq!(read(&text), [("shop/a".to_owned(), 180_000)]);
    }

    #[test]
    fn a_zone_alone_counts_whatever_its_name() {
        assert_eq!(
            read(&line("a", "psys", "running", "1.5")),
            [("shop/a".to_owned(), 1_500)]
        );
        assert_eq!(
            read(&line("a", "platform", "running", "2.5")),
            [("shop/a".to_owned(), 2_500)]
        );
    }

    #[test]
    fn hostile_lines_are_passed_over() {
        let broken = [
            "kepler_pod_cpu_watts{",
            "kepler_pod_cpu_watts{pod_name=\"a",
            "kepler_pod_cpu_watts{pod_name=\"a\\",
            "kepler_pod_cpu_watts{} x",
            "kepler_pod_cpu_watts_total{pod_name=\"a\"} 1",
        ];
        assert!(read(&broken.join("\n")).is_empty());
        for watts in ["NaN", "-1", "+Inf", "1e300", ""] {
            assert!(
                read(&line("a", "package", "running", watts)).is_empty(),
                "{watts}"
            );
        }
    }

    #[test]
    fn escapes_in_labels_are_undone() {
        let found = read(&line("a\\\"b\\\\c", "package", "running", "1"));
        assert_eq!(found, [("shop/a\"b\\c".to_owned(), 1_000)]);
    }
}
