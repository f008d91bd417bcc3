//! Samples as they come from nodes: read, judged, sorted by node type.
//!
//! A batch passes whole or not at all; whatever is wrong is named with field,
//! value and what is accepted. Nothing here keeps samples or learns.

pub mod limits;
pub mod node_type;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tanso_power::activity::Activity;
use tanso_power::sample::{BATCH_MAX, EVENTS, Measured, SCHEMA, Sample, WINDOW_S_MAX, ZONES};

use crate::features::{Fault, Machine, shown};
use crate::learn::Observation;

/// The oldest sample that is taken, seconds before now: agents keep what they
/// could not send for this long.
pub const AGE_S_MAX: i64 = 48 * 3_600;
/// How far a node's clock may be ahead, seconds.
pub const AHEAD_S_MAX: i64 = 300;
/// No node draws more watts.
pub const WATTS_MAX: f64 = 100_000.0;
/// Meters whose figures teach nothing: they measure nothing.
const NO_METERS: [&str; 2] = ["fake", "model"];

/// A batch that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The node's name.
    pub node: String,
    /// The machine's features, as JSON.
    pub machine: String,
    /// The samples by what they measure.
    pub types: Vec<Typed>,
}

/// Samples of one node type.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    /// The node type's name.
    pub name: String,
    /// What is measured.
    pub measured: Measured,
    /// Each sample, and its text as it came.
    pub samples: Vec<(Observation, String)>,
}

impl Accepted {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.iter().map(|typed| typed.samples.len()).sum()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a batch at the time `now_s`.
///
/// # Errors
/// All faults at once.
pub fn read(object: &Map<String, Value>, now_s: i64) -> Result<Accepted, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new() };
    reader.known(
        object,
        "",
        &["schema", "node", "meter", "machine", "samples"],
    );
    if object.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        reader.refuse("schema", object.get("schema"), SCHEMA);
    }
    let node = reader.node(object.get("node"));
    let meter = object
        .get("meter")
        .and_then(Value::as_str)
        .filter(|meter| is_word(meter) && !NO_METERS.contains(meter));
    if meter.is_none() {
        reader.refuse(
            "meter",
            object.get("meter"),
            "the name of a meter that measures, as \"rapl\"",
        );
    }
    let machine = reader.machine(object.get("machine"));
    let samples = reader.samples(object.get("samples"), now_s);
    let (Some(node), Some(machine), true) = (node, machine, reader.faults.is_empty()) else {
        return Err(reader.faults);
    };
    let types = sort(&machine, &samples);
    if types.is_empty() {
        reader.refuse(
            "samples",
            object.get("samples"),
            "samples with watts of the zone \"platform\" or \"package\"",
        );
        return Err(reader.faults);
    }
    Ok(Accepted {
        node,
        machine: serde_json::to_string(&machine.features).unwrap_or_default(),
        types,
    })
}

fn sort(machine: &Machine, samples: &[Sample]) -> Vec<Typed> {
    Measured::ALL
        .into_iter()
        .filter_map(|measured| {
            let of = |sample: &Sample| {
                let watts = measured.watts(sample)?;
                let observation = Observation {
                    at_s: sample.at,
                    utilisation: sample.utilisation,
                    watts,
                    activity: Activity::of(sample),
                };
                Some((observation, serde_json::to_string(sample).ok()?))
            };
            let samples: Vec<_> = samples.iter().filter_map(of).collect();
            (!samples.is_empty()).then(|| Typed {
                name: node_type::name(&machine.features, measured),
                measured,
                samples,
            })
        })
        .collect()
}

fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a text can be a node's name: a DNS subdomain (RFC 1123), as
/// Kubernetes has it.
#[must_use]
pub fn is_node_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn refuse(&mut self, field: &str, value: Option<&Value>, accepted: &str) {
        self.faults.push(Fault {
            field: field.to_owned(),
            value: value.map_or_else(|| "missing".to_owned(), shown),
            accepted: accepted.to_owned(),
        });
    }

    fn known(&mut self, object: &Map<String, Value>, path: &str, names: &[&str]) {
        for (name, value) in object {
            if !names.contains(&name.as_str()) {
                let field = format!("{path}{}", shown(&Value::from(name.as_str())));
                self.refuse(
                    &field,
                    Some(value),
                    &format!("the fields {}", names.join(", ")),
                );
            }
        }
    }

    fn node(&mut self, value: Option<&Value>) -> Option<String> {
        let name = value
            .and_then(Value::as_str)
            .filter(|name| is_node_name(name));
        if name.is_none() {
            self.refuse(
                "node",
                value,
                "a node's name: lower-case letters, digits, \"-\" and \".\", at most 253",
            );
        }
        name.map(str::to_owned)
    }

    fn machine(&mut self, value: Option<&Value>) -> Option<Machine> {
        let Some(Value::Object(object)) = value else {
            self.refuse("machine", value, "an object of machine features");
            return None;
        };
        let machine = match Machine::from_json(object) {
            Ok(machine) => machine,
            Err(faults) => {
                self.faults.extend(faults);
                return None;
            }
        };
        let features = &machine.features;
        if features.virtual_machine == Some(true) {
            self.refuse(
                "machine.virtual_machine",
                object.get("virtual_machine"),
                "a whole machine: the meters of a virtual one, if any, count its host",
            );
        }
        if !node_type::is_told(features) {
            self.refuse(
                "machine.cpu_name",
                object.get("cpu_name"),
                "a CPU's name, a cpuid or an instance type, so that nodes of one kind are known",
            );
        }
        Some(machine)
    }

    fn samples(&mut self, value: Option<&Value>, now_s: i64) -> Vec<Sample> {
        let Some(Value::Array(values)) =
            value.filter(|value| value.as_array().is_some_and(|all| !all.is_empty()))
        else {
            self.refuse("samples", value, "a list of samples, at least one");
            return Vec::new();
        };
        if values.len() > BATCH_MAX {
            let count = Value::from(values.len());
            self.refuse(
                "samples.length",
                Some(&count),
                &format!("at most {BATCH_MAX} samples"),
            );
            return Vec::new();
        }
        values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| self.sample(&format!("samples[{at}]"), value, now_s))
            .collect()
    }

    fn sample(&mut self, path: &str, value: &Value, now_s: i64) -> Option<Sample> {
        let Value::Object(object) = value else {
            self.refuse(path, Some(value), "an object");
            return None;
        };
        let path = format!("{path}.");
        let names = [
            "at",
            "seconds",
            "utilisation",
            "watts",
            "frequencyMhz",
            "events",
        ];
        self.known(object, &path, &names);
        let at = self.moment(object.get("at"), &path, now_s);
        let field = |name: &str| (format!("{path}{name}"), object.get(name));
        let seconds = self.number(field("seconds"), 0.5, WINDOW_S_MAX);
        let utilisation = self.number(field("utilisation"), 0.0, 1.0);
        let frequency_mhz = object
            .get("frequencyMhz")
            .and_then(|_| self.number(field("frequencyMhz"), 1.0, 20_000.0));
        let watts = self.figures(field("watts"), &ZONES, WATTS_MAX);
        let events = object.get("events").map_or_else(BTreeMap::new, |_| {
            self.figures(field("events"), &EVENTS, 1e15)
        });
        let sample = Sample {
            at: at?,
            seconds: seconds?,
            utilisation: utilisation?,
            watts,
            frequency_mhz,
            events,
        };
        for measured in Measured::ALL {
            // A sensor that says nothing at all is not a machine that draws
            // nothing; and nothing has no logarithm.
            if measured.watts(&sample).is_some_and(|watts| watts < 0.01) {
                self.refuse(
                    &format!("{path}watts"),
                    object.get("watts"),
                    "power above 0.01 W: a machine that answers draws some",
                );
                return None;
            }
        }
        Some(sample)
    }

    fn moment(&mut self, value: Option<&Value>, path: &str, now_s: i64) -> Option<i64> {
        let at = value
            .and_then(Value::as_i64)
            .filter(|at| (now_s - AGE_S_MAX..=now_s + AHEAD_S_MAX).contains(at));
        if at.is_none() {
            self.refuse(
                &format!("{path}at"),
                value,
                &format!(
                    "whole seconds of Unix time, at most {} h ago and {} min ahead of {now_s}",
                    AGE_S_MAX / 3_600,
                    AHEAD_S_MAX / 60
                ),
            );
        }
        at
    }

    fn number(
        &mut self,
        (field, value): (String, Option<&Value>),
        least: f64,
        most: f64,
    ) -> Option<f64> {
        let number = value
            .and_then(Value::as_f64)
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.refuse(&field, value, &format!("a number from {least} to {most}"));
        }
        number
    }

    fn figures(
        &mut self,
        (field, value): (String, Option<&Value>),
        names: &[&str],
        most: f64,
    ) -> BTreeMap<String, f64> {
        let Some(Value::Object(object)) = value else {
            let accepted = format!("an object of numbers by {}", names.join(", "));
            self.refuse(&field, value, &accepted);
            return BTreeMap::new();
        };
        self.known(object, &format!("{field}."), names);
        let known = object
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        known
            .filter_map(|(name, value)| {
                let number = self.number((format!("{field}.{name}"), Some(value)), 0.0, most)?;
                Some((name.clone(), number))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
