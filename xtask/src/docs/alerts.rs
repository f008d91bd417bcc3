//! Alerts and recording rules against their unit tests: each alert has a case
//! in which it fires and one in which it does not, each recording rule has a
//! figure.
//!
//! Whether the cases hold is for `promtool test rules` to say.

use std::collections::BTreeMap;

/// The names in a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Its alerts.
    pub alerts: Vec<String>,
    /// Its recording rules.
    pub records: Vec<String>,
}

impl Alerts {
    /// Reads the names of a rule file's rules.
    #[must_use]
    pub fn read(rules: &str) -> Self {
        let named = |key: &str| {
            let lines = rules.lines();
            lines
                .filter_map(|line| line.trim().strip_prefix(key))
                .map(|name| name.trim().trim_matches('"').to_owned())
                .collect()
        };
        Self {
            alerts: named("- alert:"),
            records: named("- record:"),
        }
    }
}

/// What of a rule file its unit tests leave out, in words.
#[must_use]
pub fn untested(rules: &Alerts, tests: &str) -> Vec<String> {
    let cases = cases(tests);
    let mut found = Vec::new();
    for alert in &rules.alerts {
        let (fires, rests) = cases.get(alert).copied().unwrap_or_default();
        if !fires {
            found.push(format!("no case in which \"{alert}\" fires"));
        }
        if !rests {
            found.push(format!("no case in which \"{alert}\" does not fire"));
        }
    }
    let asked: Vec<&str> = tests
        .lines()
        .filter(|line| line.contains("expr:"))
        .collect();
    let is_asked = |record: &&String| asked.iter().any(|line| line.contains(record.as_str()));
    let figures = rules.records.iter().filter(|record| !is_asked(record));
    found.extend(figures.map(|record| format!("no figure of \"{record}\"")));
    found
}

/// For each alert, whether there is a case that fires and one that does not.
fn cases(tests: &str) -> BTreeMap<String, (bool, bool)> {
    let mut found: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    let mut alert = None;
    for line in tests.lines().map(str::trim) {
        let line = line.strip_prefix("- ").unwrap_or(line);
        if let Some(name) = line.strip_prefix("alertname: ") {
            alert = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("exp_alerts:")
            && let Some(name) = alert.take()
        {
            let case = found.entry(name).or_default();
            if rest.trim() == "[]" {
                case.1 = true;
            } else {
                case.0 = true;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "rules:\n  - record: a:watts\n    expr: 1\n  - alert: High\n    expr: 2\n";

    #[test]
    fn an_alert_needs_a_case_of_each_sort_and_a_record_a_figure() {
        let rules = Alerts::read(RULES);
        assert_eq!(rules.alerts, ["High"]);
        assert_eq!(rules.records, ["a:watts"]);
        let whole = "- eval_time: 5m\n  alertname: High\n  exp_alerts:\n    - exp_labels: {}\n\
                     - alertname: High\n  exp_alerts: []\n- expr: a:watts\n";
        assert_eq!(untested(&rules, whole), [""; 0]);
        let rests = "- alertname: High\n  exp_alerts: []\n";
        assert_eq!(
            untested(&rules, rests),
            [
                "no case in which \"High\" fires",
                "no figure of \"a:watts\""
            ]
        );
        let another = "- alertname: Higher\n  exp_alerts:\n    - exp_labels: {}\n- expr: a:watts\n";
        assert_eq!(untested(&rules, another).len(), 2);
    }
}
