//! The Grafana dashboards, from tables of panels. Units, colours and the way
//! to ask are decided once, so that a quantity looks the same on every board.

mod boards;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::Generated;
use boards::BOARDS;

/// A quantity: its unit in Grafana's words and its one colour.
#[derive(Clone, Copy)]
enum Quantity {
    Power,
    Energy,
    Intensity,
    Emissions,
    Share,
    Seconds,
    Bytes,
    Count,
}

impl Quantity {
    const fn unit(self) -> &'static str {
        match self {
            Self::Power => "watt",
            Self::Energy => "kwatth",
            Self::Intensity => "gCO2eq/kWh",
            Self::Emissions => "massg",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::Count => "short",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Power => "orange",
            Self::Energy => "blue",
            Self::Intensity => "purple",
            Self::Emissions => "dark-green",
            Self::Share => "semi-dark-yellow",
            Self::Seconds | Self::Bytes | Self::Count => "text",
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Stat,
    Lines,
    Stack,
    Bars,
    Table,
}

/// A panel: what it answers, how, and by which query.
struct Panel {
    title: &'static str,
    about: &'static str,
    kind: Kind,
    quantity: Quantity,
    /// Query and legend; in a table of several queries the legend heads the column.
    queries: &'static [(&'static str, &'static str)],
    /// Of 24 columns.
    width: u32,
    /// The least distance of two points, where a query has a span of its own.
    interval: Option<&'static str>,
}

impl Panel {
    /// With a point for each hour: points closer together would tell the same hour twice.
    const fn hourly(self) -> Self {
        Self {
            interval: Some("1h"),
            ..self
        }
    }
}

const fn panel(
    kind: Kind,
    quantity: Quantity,
    width: u32,
    title: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        about,
        kind,
        quantity,
        queries,
        width,
        interval: None,
    }
}

/// A variable: name, and the metric and label it takes its values from.
type Variable = (&'static str, &'static str, &'static str);

struct Board {
    uid: &'static str,
    title: &'static str,
    about: &'static str,
    variables: &'static [Variable],
    panels: &'static [Panel],
}

/// Every dashboard, as a file.
pub(super) fn generate() -> Result<Vec<Generated>> {
    BOARDS
        .iter()
        .map(|board| {
            let name = board.uid.trim_start_matches("tanso-");
            let mut text =
                serde_json::to_string_pretty(&json_of(board)).context("writing a dashboard")?;
            text.push('\n');
            Ok((format!("config/grafana/{name}.json"), text))
        })
        .collect()
}

fn json_of(board: &Board) -> Value {
    let (mut x, mut y, mut row_height) = (0, 0, 0);
    let mut panels = Vec::new();
    for (panel, id) in board.panels.iter().zip(1..) {
        if x + panel.width > 24 {
            x = 0;
            y += row_height;
            row_height = 0;
        }
        let height = if matches!(panel.kind, Kind::Stat) {
            4
        } else {
            9
        };
        row_height = row_height.max(height);
        let place = json!({ "x": x, "y": y, "w": panel.width, "h": height });
        panels.push(panel_json(panel, id, &place));
        x += panel.width;
    }
    let mut variables = vec![json!({
        "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source",
    })];
    variables.extend(board.variables.iter().map(variable_json));
    json!({
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["tanso"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "browser",
        "links": [{
            "type": "dashboards", "tags": ["tanso"], "title": "tanso", "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "templating": { "list": variables },
        "panels": panels,
    })
}

fn variable_json((name, metric, label): &Variable) -> Value {
    json!({
        "name": name, "type": "query", "datasource": datasource(), "refresh": 2, "sort": 1,
        "query": { "query": format!("label_values({metric}, {label})"), "refId": "A" },
        "includeAll": true, "allValue": ".*", "multi": true,
        "current": { "text": "All", "value": "$__all" },
    })
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn panel_json(panel: &Panel, id: u32, place: &Value) -> Value {
    let table = matches!(panel.kind, Kind::Table);
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip('A'..)
        .map(|((query, legend), reference)| {
            json!({
                "refId": reference.to_string(), "datasource": datasource(), "expr": query,
                "legendFormat": legend, "instant": table || matches!(panel.kind, Kind::Stat | Kind::Bars),
                "range": matches!(panel.kind, Kind::Lines | Kind::Stack),
                "format": if table { "table" } else { "time_series" },
            })
        })
        .collect();
    let kind = match panel.kind {
        Kind::Stat => "stat",
        Kind::Lines | Kind::Stack => "timeseries",
        Kind::Bars => "bargauge",
        Kind::Table => "table",
    };
    let custom = match panel.kind {
        Kind::Stack => {
            json!({ "fillOpacity": 60, "stacking": { "mode": "normal" }, "lineWidth": 0 })
        }
        Kind::Lines => json!({ "fillOpacity": 5, "lineWidth": 2 }),
        Kind::Stat | Kind::Bars | Kind::Table => json!({}),
    };
    let one = panel.queries.len() == 1 && matches!(panel.kind, Kind::Stat | Kind::Bars);
    let colour = if one {
        json!({ "mode": "fixed", "fixedColor": panel.quantity.colour() })
    } else {
        json!({ "mode": "palette-classic" })
    };
    let mut made = json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.about,
        "datasource": datasource(), "gridPos": place, "targets": targets,
        "transformations": if table { columns(panel) } else { json!([]) },
        "fieldConfig": {
            "defaults": { "unit": panel.quantity.unit(), "color": colour, "custom": custom, "min": 0,
                          "noValue": "no data: kubectl tanso doctor says why" },
            "overrides": [],
        },
        "options": options(panel.kind),
    });
    if let Some(interval) = panel.interval {
        made["interval"] = json!(interval);
    }
    made
}

/// Labels of whoever was scraped: a row of a table is about none of them.
const OF_THE_SCRAPE: [&str; 9] = [
    "__name__",
    "container",
    "endpoint",
    "instance",
    "job",
    "namespace",
    "node",
    "pod",
    "service",
];

/// A table's columns: the labels, and a figure for each of several queries. What is
/// asked for alone is 1 by what it is, so its figure says nothing.
fn columns(panel: &Panel) -> Value {
    let mut hidden = Map::new();
    for name in OF_THE_SCRAPE.into_iter().chain(["Time"]) {
        hidden.insert(name.to_owned(), Value::Bool(true));
    }
    let mut named = Map::new();
    match panel.queries {
        [_] => {
            hidden.insert("Value".to_owned(), Value::Bool(true));
        }
        several => {
            for ((_, legend), reference) in several.iter().zip('A'..) {
                named.insert(format!("Value #{reference}"), json!(legend));
            }
        }
    }
    json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": hidden, "renameByName": named } },
    ])
}

fn options(kind: Kind) -> Value {
    match kind {
        Kind::Stat => json!({ "reduceOptions": { "calcs": ["lastNotNull"] }, "graphMode": "none" }),
        Kind::Bars => json!({ "orientation": "horizontal", "displayMode": "basic",
                              "reduceOptions": { "calcs": ["lastNotNull"] } }),
        Kind::Lines | Kind::Stack => {
            json!({ "legend": { "displayMode": "list", "placement": "bottom" },
                    "tooltip": { "mode": "multi", "sort": "desc" } })
        }
        Kind::Table => json!({ "showHeader": true, "cellHeight": "sm" }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tanso_agent_wire::families;

    use serde_json::{Value, json};

    use super::{BOARDS, Kind, columns, panel_json};

    /// Metrics of the operator that boards may use; the operator's tests hold their names.
    const OPERATORS: [&str; 2] = ["tanso_policy_", "tanso_workload_"];

    fn metrics_in(query: &str) -> BTreeSet<String> {
        query
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("kepler_") || word.starts_with("tanso_"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_query_asks_for_metrics_that_exist() {
        let known: BTreeSet<&str> = families::all().map(|family| family.name).collect();
        for panel in BOARDS.iter().flat_map(|board| board.panels) {
            for (query, _) in panel.queries {
                let metrics = metrics_in(query);
                assert!(!metrics.is_empty(), "{}: {query}", panel.title);
                for metric in metrics {
                    assert!(
                        known.contains(metric.as_str())
                            || OPERATORS.iter().any(|prefix| metric.starts_with(prefix)),
                        "{}: {metric}",
                        panel.title
                    );
                }
            }
        }
    }

    #[test]
    fn no_board_adds_policies_up_which_may_judge_the_same_energy() {
        for panel in BOARDS.iter().flat_map(|board| board.panels) {
            for (query, _) in panel.queries {
                let asks = OPERATORS.iter().any(|prefix| query.contains(prefix));
                let sums = query.contains("sum") && asks;
                assert!(!sums, "{}: {query}", panel.title);
            }
        }
    }

    #[test]
    fn a_table_shows_what_a_row_is_about_and_a_figure_for_each_of_several_queries() {
        let panels = BOARDS.iter().flat_map(|board| board.panels);
        for panel in panels.filter(|panel| matches!(panel.kind, Kind::Table)) {
            let shown = columns(panel);
            let (hidden, named) = (
                &shown[1]["options"]["excludeByName"],
                &shown[1]["options"]["renameByName"],
            );
            assert_eq!(hidden["instance"], json!(true), "{}", panel.title);
            if let [(query, _)] = panel.queries {
                // Its figure is hidden: it has to be 1 in every row.
                assert!(
                    query.ends_with("== 1") || query.contains("_info"),
                    "{query}"
                );
                assert_eq!(hidden["Value"], json!(true), "{}", panel.title);
            } else {
                let heads: Vec<&Value> = named.as_object().unwrap().values().collect();
                assert_eq!(heads.len(), panel.queries.len());
                assert!(heads.iter().all(|head| **head != json!("")), "{heads:?}");
                // Labels that differ by query would part what belongs in one row.
                for (query, _) in panel.queries {
                    assert!(query.starts_with("max by ("), "{query}");
                }
            }
        }
    }

    #[test]
    fn what_is_shown_by_hour_has_a_point_for_each_hour() {
        let panels = BOARDS.iter().flat_map(|board| board.panels);
        let mut hourly = 0;
        for panel in panels {
            let made = panel_json(panel, 1, &json!({}));
            if panel.title.contains("by hour") {
                assert_eq!(made["interval"], "1h", "{}", panel.title);
                hourly += 1;
            } else {
                assert_eq!(made.get("interval"), None, "{}", panel.title);
            }
        }
        assert_eq!(hourly, 2);
    }

    #[test]
    fn boards_have_uids_of_their_own() {
        let uids: BTreeSet<&str> = BOARDS.iter().map(|board| board.uid).collect();
        assert_eq!(uids.len(), BOARDS.len());
    }
}
