//! Words and tables for people, and the same facts for scripts.

use serde_json::{Value, json};

use super::facts::Totals;
use super::storm::Storm;

/// The workloads of a policy, one a line.
#[must_use]
pub fn workloads(policies: &[Value], policy: &str) -> String {
    let wanted = policies
        .iter()
        .find(|object| object["metadata"]["name"] == policy);
    let mut rows = vec![
        [
            "WORKLOAD", "PODS", "CPU", "ENERGY", "CO2EQ", "+-90%", "SOURCE", "VERDICT", "ADVICE",
        ]
        .map(str::to_owned),
    ];
    for workload in wanted
        .iter()
        .flat_map(|object| list(&object["status"]["workloads"]))
    {
        rows.push(row(workload));
    }
    let changes: Vec<String> = wanted
        .iter()
        .flat_map(|object| list(&object["status"]["workloads"]))
        .flat_map(|workload| list(&workload["recommendations"]))
        .map(|advice| format!("  {}\n", text(&advice["change"])))
        .collect();
    format!(
        "Workloads of {policy}:\n{}\nWhat the advice would change:\n{}",
        aligned(&rows),
        changes.concat()
    )
}

/// What each of the policies answers, which judge the same workloads.
#[must_use]
pub fn answers(policies: &[Value], names: &[&str]) -> String {
    let lines = names.iter().map(|name| {
        let found = policies
            .iter()
            .find(|object| object["metadata"]["name"] == *name);
        let answer = found.map_or_else(
            || "no such policy".to_owned(),
            |object| text(&object["status"]["answer"]),
        );
        format!("  {name}: {answer}\n")
    });
    let lines: String = lines.collect();
    format!("The same workloads on different grids:\n{lines}")
}

fn row(workload: &Value) -> [String; 9] {
    let figures = &workload["figures"];
    let energy = &figures["energyMicrojoules"];
    let emissions = &figures["emissionsMilligrams"];
    [
        format!(
            "{}/{}",
            text(&workload["kind"]).to_lowercase(),
            text(&workload["name"])
        ),
        number(&workload["pods"]).to_string(),
        format!("{:.1}s", float(&figures["cpuMilliseconds"]) / 1e3),
        format!("{:.1}J", float(&energy["value"]) / 1e6),
        format!("{:.3}g", float(&emissions["value"]) / 1e3),
        half_width(emissions),
        source(figures),
        text(&workload["verdict"]),
        advice(workload),
    ]
}

fn advice(workload: &Value) -> String {
    let first = list(&workload["recommendations"]).next();
    first.map_or_else(
        || "-".to_owned(),
        |advice| {
            let percent = float(&advice["savingMilliPercent"]) / 1e3;
            let is_saved = number(&advice["clusterSavingMilligramsPerDay"]) != 0;
            // What others bear instead is no saving, and must not look like one.
            let kind = if is_saved { "" } else { " attributed" };
            format!("{} -{percent:.1}%{kind}", text(&advice["action"]))
        },
    )
}

fn half_width(bounded: &Value) -> String {
    let value = float(&bounded["value"]);
    if value <= 0.0 {
        return "-".to_owned();
    }
    let half = (float(&bounded["high"]) - float(&bounded["low"])) / 2.0;
    format!("{:.0}%", half / value * 100.0)
}

fn source(figures: &Value) -> String {
    let shares = ["measured", "modelled", "simulated"];
    let known = shares
        .iter()
        .any(|name| number(&figures[format!("{name}Percent")]) > 0);
    if !known {
        return "-".to_owned();
    }
    let largest = shares
        .iter()
        .max_by_key(|name| number(&figures[format!("{name}Percent")]));
    largest.map_or_else(
        || "-".to_owned(),
        |name| format!("{}% {name}", number(&figures[format!("{name}Percent")])),
    )
}

/// The three totals.
#[must_use]
pub fn totals(totals: &Totals, killed: usize, provenance: &Value) -> String {
    let verdict = if totals.agree() { "equal" } else { "DIFFERENT" };
    let known = ["measured", "modelled", "simulated"]
        .iter()
        .filter(|how| number(&provenance[**how]) > 0)
        .copied()
        .collect::<Vec<_>>()
        .join(" and ");
    format!(
        "Energy of the closed minutes ({known}) up to booking {}, after kill -9 of {killed} processes: {verdict}\n\
         \x20 agents  {:>16} J\n\x20 ledger  {:>16} J\n\x20 status  {:>16} J\n",
        totals.ledger_revision,
        decimal(totals.agent),
        decimal(totals.ledger),
        decimal(totals.status),
    )
}

/// The storm, counted three ways.
#[must_use]
pub fn storm(storm: &Storm) -> String {
    format!(
        "CPU time of the storm of short-lived processes:\n\
         \x20 kernel  {:8.3} s  (the cgroup's own counter)\n\
         \x20 tanso   {:8.3} s  {:6.2} %  ({})\n\
         \x20 poller  {:8.3} s  {:6.2} %  (/proc every 5 s, as other tools do)\n",
        storm.kernel_seconds,
        storm.agent_seconds,
        storm.agent_ratio() * 100.0,
        storm.rung,
        storm.poller_seconds,
        storm.poller_ratio() * 100.0,
    )
}

/// Microjoules as joules with six digits: exact.
fn decimal(microjoules: i128) -> String {
    format!("{}.{:06}", microjoules / 1_000_000, microjoules % 1_000_000)
}

/// Microjoules as a JSON number of joules.
#[must_use]
pub fn joules(microjoules: i128) -> Value {
    decimal(microjoules)
        .parse::<f64>()
        .map_or(Value::Null, |joules| json!(joules))
}

/// What a script wants to know of a policy.
#[must_use]
pub fn policy_facts(policy: &Value) -> Value {
    let status = &policy["status"];
    json!({
        "kind": policy["kind"],
        "namespace": policy["metadata"]["namespace"],
        "name": policy["metadata"]["name"],
        "verdict": status["verdict"],
        "summary": status["summary"],
        "totals": status["totals"],
        "regulations": status["regulations"],
        "intensity": status["intensity"],
        "dataThrough": status["dataThrough"],
        "conditions": status["conditions"],
    })
}

/// What a script wants to know of a policy's workloads.
#[must_use]
pub fn workload_facts(policy: &Value) -> Vec<Value> {
    let name = &policy["metadata"]["name"];
    list(&policy["status"]["workloads"])
        .map(|workload| {
            let mut facts = workload.clone();
            facts["policy"] = name.clone();
            facts
        })
        .collect()
}

/// The shares of the whole energy by where it comes from, percent.
#[must_use]
pub fn provenance(policies: &[Value]) -> Value {
    let whole = policies
        .iter()
        .find(|policy| policy["kind"] == "ClusterCarbonPolicy");
    whole.map_or(Value::Null, |policy| {
        let totals = &policy["status"]["totals"];
        json!({
            "measured": totals["measuredPercent"],
            "modelled": totals["modelledPercent"],
            "simulated": totals["simulatedPercent"],
        })
    })
}

/// Seconds of Unix time of an RFC 3339 time in UTC.
#[must_use]
pub fn unix_seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_second)
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        out.push_str(cells.join("   ").trim_end());
        out.push('\n');
    }
    out
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joules_keep_every_microjoule() {
        assert_eq!(decimal(12_000_003), "12.000003");
    }

    #[test]
    fn what_only_moves_to_others_is_marked_as_attributed() {
        let of = |cluster_mg: i64| {
            advice(&json!({"recommendations": [{
                "action": "Rightsize",
                "savingMilliPercent": 11_500,
                "clusterSavingMilligramsPerDay": cluster_mg,
            }]}))
        };
        assert_eq!(of(7), "Rightsize -11.5%");
        assert_eq!(of(0), "Rightsize -11.5% attributed");
    }

    #[test]
    fn a_time_is_read_as_unix_seconds() {
        assert_eq!(unix_seconds("1970-01-02T00:00:01Z"), Some(86_401));
        assert_eq!(unix_seconds("tomorrow"), None);
    }

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let rows = [
            ["A", "B"].map(str::to_owned),
            ["long", "-"].map(str::to_owned),
        ];
        assert_eq!(aligned(&rows), "A      B\nlong   -\n");
    }
}
