//! Request bodies: parsed, checked, all faults named at once.

use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use tanso_power::Utilisation;
use tanso_power::activity::{Activity, Input};
use tanso_power::sample::Measured;
use tanso_runtime::Problem;

use crate::features::{Fault, Machine, shown};
use crate::reading::{Implausible, Reading};
use crate::samples::{self, Accepted};

/// A question for a model.
#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) machine: Machine,
    /// In which senses a learned model is wanted; `None`: the route's own.
    pub(super) measured: Option<&'static [Measured]>,
}

/// A question for watts.
#[derive(Clone, Debug)]
pub(super) struct Predict {
    pub(super) machine: Machine,
    pub(super) measured: Option<&'static [Measured]>,
    pub(super) utilisation: Vec<Utilisation>,
    pub(super) level: Option<f64>,
    /// Measured powers of the machine itself.
    pub(super) readings: Vec<Reading>,
    /// What the processors do beside being busy.
    pub(super) activity: Activity,
}

/// As many readings as a curve has levels.
const READINGS_MAX: usize = 11;

/// More points than anyone draws.
const POINTS_MAX: usize = 1_001;

/// `{"machine": {…}, "measured": "wall"}`.
pub(super) fn select(body: Result<Bytes, BytesRejection>) -> Result<Select, Problem> {
    selected(&object(body, &["machine", "measured"])?)
}

fn selected(object: &Map<String, Value>) -> Result<Select, Problem> {
    let mut faults = Vec::new();
    let machine = machine(object, &mut faults);
    let measured = measured(object, &mut faults);
    match machine {
        Some(machine) if faults.is_empty() => Ok(Select { machine, measured }),
        _ => Err(refused(&faults)),
    }
}

/// The same as a query: the machine as a JSON object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SelectQuery {
    machine: String,
    measured: Option<String>,
}

/// `?machine={…}&measured=wall`.
pub(super) fn select_query(
    query: Result<Query<SelectQuery>, QueryRejection>,
) -> Result<Select, Problem> {
    let Query(query) = query.map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable query")
            .detail(rejection.body_text())
            .with("accepted", "machine, an object as JSON, and measured")
    })?;
    let machine: Value = serde_json::from_str(&query.machine).map_err(|fault| {
        Problem::new(StatusCode::BAD_REQUEST, "machine is no JSON").detail(fault.to_string())
    })?;
    let mut object = Map::new();
    object.insert("machine".to_owned(), machine);
    if let Some(measured) = query.measured {
        object.insert("measured".to_owned(), Value::from(measured));
    }
    selected(&object)
}

/// A batch of samples.
pub(super) fn samples(
    body: Result<Bytes, BytesRejection>,
    now_s: i64,
) -> Result<Accepted, Problem> {
    let object = any_object(body)?;
    samples::read(&object, now_s).map_err(|faults| refused(&faults))
}

/// `{"pinned": "sha256:…"}`, `{"pinned": "prior"}` or `{"pinned": null}`.
pub(super) fn pin(body: Result<Bytes, BytesRejection>) -> Result<Option<String>, Problem> {
    let object = object(body, &["pinned"])?;
    match object.get("pinned") {
        Some(Value::Null) => Ok(None),
        Some(Value::String(pinned)) if pinned.len() <= 80 => Ok(Some(pinned.clone())),
        other => Err(refused(&[fault(
            "pinned",
            other.unwrap_or(&Value::from("missing")),
            "a digest of the type's versions, \"prior\", or null for the newest",
        )])),
    }
}

/// `{"nodeType": "…"}`, `{}` or nothing: all.
pub(super) fn train(body: Result<Bytes, BytesRejection>) -> Result<Option<String>, Problem> {
    if body.as_ref().is_ok_and(Bytes::is_empty) {
        return Ok(None);
    }
    let object = object(body, &["nodeType"])?;
    match object.get("nodeType") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if name.len() <= 256 => Ok(Some(name.clone())),
        Some(other) => Err(refused(&[fault(
            "nodeType",
            other,
            "a name that /v1/node-types gave, or nothing for all",
        )])),
    }
}

/// `{"machine": {…}, "utilisation": […], "level": 0.9, "readings": […]}`.
pub(super) fn predict(body: Result<Bytes, BytesRejection>) -> Result<Predict, Problem> {
    let known = [
        "machine",
        "measured",
        "utilisation",
        "level",
        "readings",
        "activity",
    ];
    let object = object(body, &known)?;
    let mut faults = Vec::new();
    let machine = machine(&object, &mut faults);
    let measured = measured(&object, &mut faults);
    let utilisation = utilisation(&object, &mut faults);
    let readings = readings(&object, &mut faults);
    let activity = activity(&object, &mut faults);
    if !readings.is_empty() && measured == Some(&[Measured::Rapl][..]) {
        let value = object.get("readings").unwrap_or(&Value::Null);
        let accepted = "none with measured rapl: readings correct power at the plug";
        faults.push(fault("readings", value, accepted));
    }
    let level = object
        .get("level")
        .filter(|level| !level.is_null())
        .and_then(|level| {
            let number = level.as_f64().filter(|level| (0.5..=0.99).contains(level));
            if number.is_none() {
                faults.push(fault("level", level, "a number from 0.5 to 0.99"));
            }
            number
        });
    match machine {
        Some(machine) if faults.is_empty() => Ok(Predict {
            machine,
            measured,
            utilisation,
            level,
            readings,
            activity,
        }),
        _ => Err(refused(&faults)),
    }
}

fn any_object(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Problem> {
    let bytes = body.map_err(|rejection| {
        let limit = format!("a body of at most {} bytes", super::BODY_LIMIT);
        Problem::new(rejection.status(), "unreadable body")
            .detail(rejection.body_text())
            .with("accepted", limit)
    })?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|fault| {
        Problem::new(StatusCode::BAD_REQUEST, "body is no JSON").detail(fault.to_string())
    })?;
    let Value::Object(object) = value else {
        return Err(refused(&[fault("", &value, "an object")]));
    };
    Ok(object)
}

fn object(
    body: Result<Bytes, BytesRejection>,
    known: &[&str],
) -> Result<Map<String, Value>, Problem> {
    let object = any_object(body)?;
    let strange = object
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()));
    let faults: Vec<Fault> = strange
        .map(|(name, value)| fault(name, value, &format!("the fields {}", known.join(", "))))
        .collect();
    if faults.is_empty() {
        Ok(object)
    } else {
        Err(refused(&faults))
    }
}

fn machine(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> Option<Machine> {
    match object.get("machine") {
        Some(Value::Object(machine)) => Machine::from_json(machine)
            .map_err(|found| faults.extend(found))
            .ok(),
        other => {
            faults.push(fault(
                "machine",
                other.unwrap_or(&Value::Null),
                "an object of machine features, which may be empty",
            ));
            None
        }
    }
}

fn measured(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> Option<&'static [Measured]> {
    let value = object.get("measured").filter(|value| !value.is_null())?;
    match value.as_str() {
        Some("wall") => Some(&[Measured::Wall]),
        Some("rapl") => Some(&[Measured::Rapl]),
        Some("any") => Some(&Measured::ALL),
        Some("none") => Some(&[]),
        _ => {
            faults.push(fault("measured", value, "wall, rapl, any or none"));
            None
        }
    }
}

fn utilisation(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<Utilisation> {
    let Some(Value::Array(points)) = object.get("utilisation") else {
        let value = object.get("utilisation").unwrap_or(&Value::Null);
        faults.push(fault("utilisation", value, "a list of numbers from 0 to 1"));
        return Vec::new();
    };
    if points.len() > POINTS_MAX {
        let count = Value::from(points.len());
        faults.push(fault(
            "utilisation.length",
            &count,
            &format!("at most {POINTS_MAX} points"),
        ));
        return Vec::new();
    }
    let mut read = Vec::new();
    for (index, point) in points.iter().enumerate() {
        match point.as_f64().map(Utilisation::try_new) {
            Some(Ok(utilisation)) => read.push(utilisation),
            _ => faults.push(fault(
                &format!("utilisation[{index}]"),
                point,
                "a number from 0 to 1",
            )),
        }
    }
    read
}

fn readings(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<Reading> {
    let list = match object.get("readings") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) if list.len() <= READINGS_MAX => list,
        Some(other) => {
            let accepted = format!("a list of at most {READINGS_MAX} readings");
            faults.push(fault("readings", other, &accepted));
            return Vec::new();
        }
    };
    let mut read = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let number = |name| value.get(name).and_then(Value::as_f64);
        let reading = number("utilisation")
            .zip(number("watts"))
            .and_then(|(load, watts)| Reading::try_new(load, watts).ok());
        let only = value.as_object().is_some_and(|object| object.len() == 2);
        match reading.filter(|_| only) {
            Some(reading) => read.push(reading),
            None => faults.push(fault(
                &format!("readings[{index}]"),
                value,
                "utilisation from 0 to 1 and watts from 0.1 to 100000",
            )),
        }
    }
    read
}

/// `{"frequencyMhz": …, "instructionsPerCycle": …, "missesPerKiloInstruction": …}`.
fn activity(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> Activity {
    let Some(value) = object.get("activity").filter(|value| !value.is_null()) else {
        return Activity::default();
    };
    // A list by the fields' order is none of the forms that are documented.
    let object = value.is_object().then(|| value.clone());
    let read = object.and_then(|object| serde_json::from_value::<Activity>(object).ok());
    let within = |activity: &Activity| {
        let mut figures = Input::ALL.iter().filter_map(|input| activity.get(*input));
        figures.all(|figure| (0.0..=1e6).contains(&figure))
    };
    read.filter(within).unwrap_or_else(|| {
        let accepted = "frequencyMhz, instructionsPerCycle and missesPerKiloInstruction, each a number from 0 to 1000000 or missing";
        faults.push(fault("activity", value, accepted));
        Activity::default()
    })
}

/// A reading that cannot be of the machine.
pub(super) fn implausible(fault: &Implausible) -> Problem {
    let accepted = format!(
        "{:.1} to {:.1} W at that load, as {}",
        fault.least_w, fault.most_w, fault.why
    );
    let field = format!("readings[{}].watts", fault.index);
    refused(&[self::fault(&field, &Value::from(fault.power_w), &accepted)])
}

pub(super) fn fault(field: &str, value: &Value, accepted: &str) -> Fault {
    Fault {
        field: field.to_owned(),
        value: shown(value),
        accepted: accepted.to_owned(),
    }
}

/// More faults than these say nothing new, and the answer stays small.
const FAULTS_SHOWN: usize = 20;

pub(super) fn refused(faults: &[Fault]) -> Problem {
    let faults = faults.get(..FAULTS_SHOWN).unwrap_or(faults);
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let errors: Vec<Value> = faults
        .iter()
        .map(|fault| serde_json::json!({ "field": fault.field, "value": fault.value, "accepted": fault.accepted }))
        .collect();
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "request refused")
        .detail(lines.join("; "))
        .with("errors", errors)
}
