//! The predecessor's two routes, so that clients of Kepler's model server 0.7
//! keep working: weights as JSON, never pickled code.
//!
//! A weight is linear: power = bias + weight × CPU time ÷ scale, CPU time in
//! milliseconds per second. It is the least-squares line through the model's
//! curve; how far the line is from the curve is within the stated error.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tanso_power::model::{CurvePoint, MachineFeatures};
use tanso_power::sample::Measured;

use super::answers::Answer;
use super::{Server, Shared};
use crate::features::Machine;
use crate::learn::mean;
use crate::tiers::LEVEL;

/// The one feature that a curve over CPU utilisation can be given as.
const FEATURE: &str = "bpf_cpu_time_ms";
/// The feature groups that hold it and nothing that virtual machines hide.
const GROUP: &str = "BPFOnly";
/// The only one of the predecessor's trainers whose weights are linear.
const TRAINER: &str = "SGDRegressorTrainer";
/// Its sources whose power is a machine's at the plug, and those whose power is
/// that of packages and memory; the first is its default.
const PLATFORM: [&str; 3] = ["acpi", "hmc", "redfish"];
const RAPL: [&str; 3] = ["rapl-sysfs", "rapl-msr", "trained_power_model"];
const OUTPUTS: [&str; 2] = ["AbsPower", "DynPower"];

/// The predecessor's question; what it does not know of a machine is -1.
#[derive(Debug, Deserialize)]
struct Question {
    metrics: Vec<String>,
    output_type: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    weight: bool,
    #[serde(default)]
    trainer_name: String,
    #[serde(default)]
    machine_spec: Option<Spec>,
    /// The name by which newer clients send the same.
    #[serde(default)]
    spec: Option<Spec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    vendor: Option<String>,
    processor: Option<String>,
    cores: Option<f64>,
    chips: Option<f64>,
    memory: Option<f64>,
    frequency: Option<f64>,
}

impl Spec {
    fn machine(&self) -> Machine {
        let count = |number: Option<f64>, most: f64| {
            let whole = number.filter(|n| n.fract() == 0.0 && (1.0..=most).contains(n))?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and in range: checked above"
            )]
            Some(whole as u32)
        };
        let within = |number: Option<f64>, least: f64, most: f64| {
            number.filter(|n| (least..=most).contains(n))
        };
        let text = |text: &Option<String>| {
            text.as_ref()
                .filter(|text| !text.is_empty() && text.len() <= 256)
                .map(|text| text.replace('_', " "))
        };
        Machine::new(MachineFeatures {
            cpu_name: text(&self.processor),
            cpu_vendor: text(&self.vendor),
            sockets: count(self.chips, 64.0),
            // The predecessor's cores are logical processors.
            threads: count(self.cores, 16_384.0),
            mem_gb: within(self.memory, 0.1, 131_072.0),
            base_mhz: within(self.frequency, 100.0, 10_000.0),
            ..MachineFeatures::default()
        })
    }
}

pub(super) async fn model(State(server): Shared, body: Result<Bytes, BytesRejection>) -> Response {
    match weight(&server, body) {
        Ok(weight) => axum::Json(weight).into_response(),
        Err((status, reason)) => {
            server.metrics.refused("kepler", status);
            // The predecessor refuses in plain text.
            (status, reason).into_response()
        }
    }
}

type Refusal = (StatusCode, String);

fn refuse(reason: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, reason.into())
}

fn weight(server: &Server, body: Result<Bytes, BytesRejection>) -> Result<Value, Refusal> {
    let bytes = body.map_err(|rejection| (rejection.status(), rejection.body_text()))?;
    let question: Question = serde_json::from_slice(&bytes)
        .map_err(|fault| refuse(format!("reading the request: {fault}")))?;
    if !question.weight {
        return Err(refuse(
            "archives of pickled models are not given out; ask with \"weight\": true",
        ));
    }
    if !question.metrics.iter().any(|metric| metric == FEATURE) {
        return Err(refuse(format!(
            "cannot find model without the metric \"{FEATURE}\""
        )));
    }
    if !OUTPUTS.contains(&question.output_type.as_str()) {
        return Err(refuse("output_type: accepted are AbsPower and DynPower"));
    }
    if !TRAINER.contains(&question.trainer_name) {
        return Err(refuse(format!(
            "trainer_name: accepted are \"\" and \"{TRAINER}\""
        )));
    }
    let spec = question.machine_spec.or(question.spec).unwrap_or_default();
    let mut machine = spec.machine();
    if machine.features.threads.is_none() {
        // Who does not say its size is taken for the usual one, as by the
        // predecessor; the answer says which.
        machine.features.threads = Some(server.selector.usual_threads());
    }
    let (answer, components) = find(server, question.source.as_deref(), &machine)?;
    let document = &answer.document;
    let threads = document.machine.threads.or(document.machine.cores);
    let threads = threads.unwrap_or_else(|| server.selector.usual_threads());
    let mut weights = Map::new();
    let (mut mae, mut mean) = (0.0, 0.0);
    for (component, curve) in components {
        let line = Line::through(&curve);
        let bias = if question.output_type == "AbsPower" {
            line.bias
        } else {
            0.0
        };
        mae += line.mae;
        mean += line.mean;
        let feature = json!({ "scale": f64::from(threads) * 1_000.0, "weight": line.slope });
        let all = json!({
            "Bias_Weight": bias, "Categorical_Variables": {}, "Numerical_Variables": { FEATURE: feature },
        });
        weights.insert(component.to_owned(), json!({ "All_Weights": all }));
    }
    let mut answered = json!({
        "model_name": name(&answer),
        "machine_spec": {
            "vendor": document.machine.cpu_vendor, "processor": document.machine.cpu_name, "cores": threads,
            "chips": document.machine.sockets, "memory": document.machine.mem_gb, "frequency": document.machine.base_mhz,
        },
        "mae": mae + document.error.mape_percent / 100.0 * mean,
        "digest": answer.digest,
        "boundary": document.boundary(),
        "explanation": document.explanation,
    });
    if let Some(answered) = answered.as_object_mut() {
        answered.extend(weights);
    }
    Ok(answered)
}

/// A component's name and curve.
type Components = Vec<(&'static str, Vec<CurvePoint>)>;

/// The model of a source's power, and its components by the predecessor's
/// names: plug power for what measures platforms; package and memory for what
/// reads RAPL. A model learned from RAPL knows the two together only.
fn find(
    server: &Server,
    source: Option<&str>,
    machine: &Machine,
) -> Result<(Arc<Answer>, Components), Refusal> {
    let (wanted, component) = match source.unwrap_or(RAPL[0]) {
        source if PLATFORM.contains(&source) => (Measured::Wall, "platform"),
        source if RAPL.contains(&source) => (Measured::Rapl, "package"),
        _ => {
            let known = [&RAPL[..], &PLATFORM[..]].concat().join(", ");
            return Err(refuse(format!("source: accepted are {known}")));
        }
    };
    let answer = server
        .answer(machine, &[wanted], LEVEL)
        .map_err(|_| refuse("cannot find model at the moment"))?;
    let told = answer
        .components
        .iter()
        .filter(|_| wanted == Measured::Rapl);
    let mut components: Components = told.map(|part| (part.name, part.curve.clone())).collect();
    if components.is_empty() {
        components.push((component, answer.document.curve.clone()));
    }
    Ok((answer, components))
}

fn name(answer: &Answer) -> String {
    let short: String = answer
        .digest
        .chars()
        .skip("sha256:".len())
        .take(12)
        .collect();
    format!("{TRAINER}_{short}")
}

/// A straight line over utilisation.
struct Line {
    bias: f64,
    slope: f64,
    /// Mean distance from the curve, watts.
    mae: f64,
    /// The curve's mean, watts.
    mean: f64,
}

impl Line {
    /// The least-squares line through a curve's points; its bias is not
    /// negative.
    fn through(curve: &[CurvePoint]) -> Self {
        let points = || {
            curve
                .iter()
                .map(|point| (point.utilisation.ratio(), point.power.value.as_watts_f64()))
        };
        let middle = mean(points().map(|(x, _)| x));
        let average = mean(points().map(|(_, y)| y));
        let across: f64 = points().map(|(x, y)| (x - middle) * (y - average)).sum();
        let along: f64 = points().map(|(x, _)| (x - middle).powi(2)).sum();
        // A curve has points at 0 and 1, so that `along` is above 0.
        let slope = across / along;
        let bias = (average - slope * middle).max(0.0);
        let mae = mean(points().map(|(x, y)| (bias + slope * x - y).abs()));
        Self {
            bias,
            slope,
            mae,
            mean: average,
        }
    }
}

/// The predecessor's query, by its old and its new names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    #[serde(alias = "energy-source")]
    source: Option<String>,
    #[serde(alias = "output-type")]
    ot: Option<String>,
    #[serde(alias = "feature-group")]
    fg: Option<String>,
}

pub(super) async fn best_models(
    State(server): Shared,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    match best(&server, query) {
        Ok(names) => axum::Json(names).into_response(),
        Err((status, reason)) => {
            server.metrics.refused("kepler", status);
            (status, reason).into_response()
        }
    }
}

fn best(server: &Server, query: Result<Query<Wanted>, QueryRejection>) -> Result<Value, Refusal> {
    let Query(wanted) = query.map_err(|rejection| refuse(rejection.body_text()))?;
    let group = wanted.fg.as_deref().unwrap_or(GROUP);
    let outputs: Vec<&str> = match wanted.ot.as_deref() {
        None => OUTPUTS.to_vec(),
        Some(output) => OUTPUTS
            .into_iter()
            .filter(|known| *known == output)
            .collect(),
    };
    if outputs.is_empty() {
        return Err(refuse(
            "failed to get best model list: output type: accepted are AbsPower and DynPower",
        ));
    }
    let source = wanted.source.as_deref();
    let found = if group == GROUP {
        Some(find(server, source, &Machine::default())?)
    } else {
        None
    };
    let names: serde_json::Map<String, Value> = outputs
        .into_iter()
        .map(|output| {
            let models = found
                .as_ref()
                .map_or_else(|| json!({}), |(answer, _)| json!({ GROUP: name(answer) }));
            (output.to_owned(), models)
        })
        .collect();
    Ok(Value::from(names))
}
