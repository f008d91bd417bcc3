//! The evaluation as JSON and as a page: every tier's error on machines left
//! out, and what was learned from the cluster's own nodes.
//!
//! The page asks for nothing from elsewhere and shows what the JSON holds.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tanso_power::model::{MachineFeatures, ModelDocument};
use tanso_runtime::Problem;

use super::{Server, Shared, refuse, store_failed};
use crate::evaluate::Evaluation;
use crate::features::Machine;
use crate::store::types::{self, NodeType};

pub(super) async fn evaluation(State(server): Shared, headers: HeaderMap) -> Response {
    let as_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match gather(&server).await {
        Ok((report, plots)) if as_page => (
            [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
            page(&report, &plots),
        )
            .into_response(),
        Ok((report, _)) => axum::Json(report).into_response(),
        Err(problem) => refuse(&server, "evaluation", problem),
    }
}

/// A learned curve beside the bundled tables'.
struct Plot {
    node_type: String,
    learned: ModelDocument,
    prior: Option<ModelDocument>,
}

/// Learned curves that a page shows.
const PLOTS_MAX: usize = 24;

async fn gather(server: &Server) -> Result<(Value, Vec<Plot>), Problem> {
    let node_types: Vec<NodeType> = server
        .store
        .call(|transaction| {
            let mut all = Vec::new();
            for name in types::names(transaction)? {
                all.extend(types::get(transaction, &name)?);
            }
            Ok(all)
        })
        .await
        .map_err(|fault| store_failed(&fault))?;
    let mut report = json!(Evaluation::new(&server.selector));
    if let Some(object) = report.as_object_mut() {
        let lines: Vec<Value> = node_types.iter().map(line).collect();
        object.insert("learned".to_owned(), Value::from(lines));
    }
    let plots = node_types
        .iter()
        .filter_map(|node_type| plot(server, node_type))
        .take(PLOTS_MAX)
        .collect();
    Ok((report, plots))
}

/// A node type's line.
fn line(node_type: &NodeType) -> Value {
    let newest = node_type.versions.first();
    let verdict = newest.map(|version| &version.verdict);
    json!({
        "nodeType": node_type.name,
        "inService": node_type.in_service,
        "nodes": node_type.nodes,
        "notBelieved": node_type.distrusted.len(),
        "samples": node_type.samples,
        "promotedAt": newest.map(|version| &version.promoted_at),
        "mapePercent": verdict.map(|verdict| rounded(verdict.mape_percent)),
        "priorMapePercent": verdict.map(|verdict| rounded(verdict.prior_mape_percent)),
        "coveragePercent": verdict.map(|verdict| rounded(verdict.coverage_percent)),
        "driftRatio": node_type.drift.map(|drift| rounded(drift.ratio * 100.0) / 100.0),
    })
}

fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn plot(server: &Server, node_type: &NodeType) -> Option<Plot> {
    let learned = server.in_service.by_digest(&node_type.in_service)?;
    let machine: MachineFeatures = serde_json::from_value(node_type.machine.clone()).ok()?;
    let prior = server.selector.select(&Machine::new(machine)).ok();
    Some(Plot {
        node_type: node_type.name.clone(),
        learned: learned.document.clone(),
        prior: prior.map(|selection| selection.document),
    })
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .6rem;border-bottom:1px solid #8884;\
text-align:left}td.n{text-align:right}div{overflow-x:auto}figure{display:inline-block;margin:.5rem}@media(prefers-color-scheme:dark)\
{body{background:#111;color:#ddd}}:root{color-scheme:light dark}";

fn page(report: &Value, plots: &[Plot]) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Power models: evaluation</title><style>{STYLE}</style><h1>Power models: evaluation</h1>\
         <p>Errors are mean absolute errors in percent on machines that were left out of the training.</p>"
    );
    let empty = Map::new();
    let object = report.as_object().unwrap_or(&empty);
    for (name, value) in object {
        match value {
            Value::Array(rows) => section(&mut html, name, rows),
            Value::Object(_) => {}
            scalar => {
                let _ = write!(
                    html,
                    "<p>{}: <code>{}</code></p>",
                    escaped(&words(name)),
                    cell(scalar)
                );
            }
        }
    }
    for plot in plots {
        figure(&mut html, plot);
    }
    html.push_str("</html>\n");
    html
}

/// A table of an array's objects, and one more for each array within them.
fn section(html: &mut String, name: &str, rows: &[Value]) {
    let _ = write!(html, "<h2>{}</h2>", escaped(&words(name)));
    table(html, rows);
    for row in rows {
        let Some(object) = row.as_object() else {
            continue;
        };
        let title = object
            .values()
            .filter_map(Value::as_str)
            .take(2)
            .collect::<Vec<_>>()
            .join(", ");
        for (inner, value) in object {
            if let Value::Array(inner_rows) = value
                && inner_rows.iter().any(Value::is_object)
            {
                let _ = write!(
                    html,
                    "<details><summary>{}: {}</summary>",
                    escaped(&title),
                    escaped(&words(inner))
                );
                table(html, inner_rows);
                html.push_str("</details>");
            }
        }
    }
}

fn table(html: &mut String, rows: &[Value]) {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for (name, value) in row {
            if !value.is_array() && !value.is_object() && !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    if columns.is_empty() {
        html.push_str("<p>None yet.</p>");
        return;
    }
    html.push_str("<div><table><tr>");
    for column in &columns {
        let _ = write!(html, "<th>{}", escaped(&words(column)));
    }
    for row in rows {
        html.push_str("<tr>");
        for column in &columns {
            let value = row.get(column).unwrap_or(&Value::Null);
            let class = if value.is_number() { " class=n" } else { "" };
            let _ = write!(html, "<td{class}>{}", cell(value));
        }
    }
    html.push_str("</table></div>");
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => escaped(text),
        Value::Number(number) => number
            .as_f64()
            .filter(|figure| figure.fract() != 0.0)
            .map_or_else(|| number.to_string(), |figure| format!("{figure:.2}")),
        other => escaped(&other.to_string()),
    }
}

/// `mapePercent` as people read it.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Width and height of a plot within its frame.
const FRAME: (f64, f64) = (300.0, 160.0);

fn figure(html: &mut String, plot: &Plot) {
    let documents = || std::iter::once(&plot.learned).chain(&plot.prior);
    let top = documents()
        .filter_map(|document| document.curve.last())
        .map(|point| point.power.high.as_watts_f64())
        .fold(1.0, f64::max);
    let place = |utilisation: f64, watts: f64| {
        format!(
            "{:.1},{:.1} ",
            30.0 + utilisation * FRAME.0,
            10.0 + FRAME.1 * (1.0 - watts / top)
        )
    };
    let line =
        |document: &ModelDocument, of: fn(&tanso_power::model::CurvePoint) -> f64| -> String {
            document
                .curve
                .iter()
                .map(|point| place(point.utilisation.ratio(), of(point)))
                .collect()
        };
    let bounds: String = plot
        .learned
        .curve
        .iter()
        .map(|point| place(point.utilisation.ratio(), point.power.high.as_watts_f64()))
        .chain(
            plot.learned
                .curve
                .iter()
                .rev()
                .map(|point| place(point.utilisation.ratio(), point.power.low.as_watts_f64())),
        )
        .collect();
    let value = |point: &tanso_power::model::CurvePoint| point.power.value.as_watts_f64();
    let _ = write!(
        html,
        "<figure><svg width=\"350\" height=\"195\" role=\"img\" aria-label=\"power by load\"><polygon points=\"{bounds}\" \
         fill=\"#4a90d955\"/><polyline points=\"{}\" fill=\"none\" stroke=\"#2166ac\" stroke-width=\"2\"/>",
        line(&plot.learned, value)
    );
    if let Some(prior) = &plot.prior {
        let _ = write!(
            html,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#c60\" stroke-dasharray=\"5 4\"/>",
            line(prior, value)
        );
    }
    let _ = write!(
        html,
        "<text x=\"0\" y=\"18\" font-size=\"11\" fill=\"currentColor\">{top:.0} W</text>\
         <text x=\"30\" y=\"188\" font-size=\"11\" fill=\"currentColor\">idle</text>\
         <text x=\"305\" y=\"188\" font-size=\"11\" fill=\"currentColor\">full</text></svg>\
         <figcaption>{}: learned, with bounds; dashed: bundled tables</figcaption></figure>",
        escaped(&plot.node_type)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_sent_never_becomes_markup() {
        let report =
            json!({"learned": [{"nodeType": "<script>alert(1)</script>", "mapePercent": 1.5}]});
        let html = page(&report, &[]);
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("&lt;script&gt;") && html.contains("mape percent"),
            "{html}"
        );
    }
}
