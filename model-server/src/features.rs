//! What a machine says of itself, read and checked.
//!
//! Missing features stay missing here; [`crate::resolve`] fills them from the
//! catalogue and says so.

pub mod cpu_name;
pub mod cpuid;
pub mod cpuinfo;
mod date;

use std::fmt::{self, Display, Formatter};

use date::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use tanso_power::model::MachineFeatures;

/// A machine as asked about: the contract's features, and what only a full
/// description of a server holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The features of the contract.
    pub features: MachineFeatures,
    /// What a server's data sheet adds.
    pub server: ServerDetails,
}

/// The columns of a full server description that a node cannot know itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerDetails {
    /// Cores of one socket.
    pub cores_per_socket: Option<u32>,
    /// Threads of one core.
    pub threads_per_core: Option<u32>,
    /// Level-3 cache of one socket, MiB.
    pub l3_mb_per_socket: Option<f64>,
    /// Memory modules.
    pub dimms: Option<f64>,
    /// Power supplies, of all nodes together.
    pub psu_count: Option<f64>,
    /// Rating of one power supply, watts.
    pub psu_rating_w: Option<f64>,
    /// Nodes that share the chassis.
    pub nodes: Option<f64>,
    /// `2U`, `Tower` …
    pub form_factor: Option<String>,
    /// Who built the machine, as its firmware says.
    pub system_vendor: Option<String>,
    /// How busy its accelerators are, 0 to 1, where anybody tells.
    pub gpu_load: Option<f64>,
    /// When it was sold, in years with the month as a part, where a date tells
    /// that beside the year.
    pub sold: Option<f64>,
}

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path of the field.
    pub field: String,
    /// The value, as JSON.
    pub value: String,
    /// What would have been accepted.
    pub accepted: String,
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            accepted,
        } = self;
        write!(formatter, "{field}: {value}: accepted is {accepted}")
    }
}

/// Columns of the training tables that describe a result, not a machine: a
/// whole row can be sent, they are not read.
const NOT_FEATURES: &[&str] = &[
    "result_id",
    "row_id",
    "test_date",
    "system_model",
    "system_class",
    "tdp_src",
    "os",
    "power_mgmt",
    "jvm",
    "turbo_mhz",
    "psu",
    "method",
    "ssj_ops_100",
    "overall_ssj_ops_per_w",
];

/// Whether a column is a figure that was measured at a load, such as `w_30` or
/// `load_30`: what is asked for, and no feature.
fn is_measured(name: &str) -> bool {
    let load = name.strip_prefix("w_").or(name.strip_prefix("load_"));
    load.is_some_and(|load| matches!(load.parse::<u8>(), Ok(0..=100)))
}

impl Machine {
    /// A machine of which only the contract's features are known.
    #[must_use]
    pub fn new(features: MachineFeatures) -> Self {
        Self {
            features,
            server: ServerDetails::default(),
        }
    }

    /// Reads a machine from a JSON object by the column names of the training
    /// tables; `null` and `""` are missing.
    ///
    /// # Errors
    /// All faults at once: unknown fields, wrong types, values out of range.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader {
            object,
            faults: Vec::new(),
        };
        reader.unknown_fields();
        let size = Size {
            sockets: reader.count("sockets", 64),
            cores: reader.count("cores", 8_192),
            threads: reader.count("threads", 16_384),
            cores_per_socket: reader.count("cores_per_socket", 1_024),
            threads_per_core: reader.count("threads_per_core", 16),
        }
        .completed();
        // As training takes it: some tables know only when a result was published.
        let published = reader.date("published");
        let available = reader.date("hw_available").or(published);
        let year = reader.year("year");
        // Who tells the year alone does not mean another month's machine.
        let sold = available.filter(|sold| year.is_none_or(|year| year == sold.year));
        let features = MachineFeatures {
            cpu_name: reader.text("cpu_name"),
            cpu_vendor: reader.text("cpu_vendor"),
            microarch: reader.text("microarch"),
            cpuid: reader.cpuid(),
            sockets: size.sockets,
            cores: size.cores,
            threads: size.threads,
            base_mhz: reader.number("base_mhz", 100.0, 10_000.0),
            tdp_w: reader.number("tdp_w", 1.0, 2_000.0),
            mem_gb: reader.number("mem_gb", 0.1, 131_072.0),
            virtual_machine: reader.flag("virtual_machine"),
            instance_type: reader.text("instance_type"),
            year: year.or(available.map(|sold| sold.year)),
            gpus: reader.count("gpus", 64),
            gpu_name: reader.text("gpu_name"),
        };
        let server = ServerDetails {
            cores_per_socket: size.cores_per_socket,
            threads_per_core: size.threads_per_core,
            // The published tables hold KiB in some rows: see the data's README.
            l3_mb_per_socket: reader
                .number("l3_mb_per_socket", 0.0, 1e9)
                .filter(|mb| *mb <= 2_048.0),
            dimms: reader.number("dimms", 1.0, 1_024.0),
            psu_count: reader.number("psu_count", 1.0, 64.0),
            psu_rating_w: reader.number("psu_rating_w", 1.0, 50_000.0),
            nodes: reader.number("nodes", 1.0, 1_024.0),
            form_factor: reader.text("form_factor").filter(|form| form != "--"),
            system_vendor: reader.text("system_vendor"),
            gpu_load: reader.number("gpu_load", 0.0, 1.0),
            sold: sold.and_then(Date::in_years),
        };
        if reader.faults.is_empty() {
            Ok(Self { features, server })
        } else {
            Err(reader.faults)
        }
    }
}

/// How large a machine says it is.
struct Size {
    sockets: Option<u32>,
    cores: Option<u32>,
    threads: Option<u32>,
    cores_per_socket: Option<u32>,
    threads_per_core: Option<u32>,
}

impl Size {
    /// With what follows from the rest.
    fn completed(mut self) -> Self {
        let times = |a: Option<u32>, b: Option<u32>| a?.checked_mul(b?);
        // What does not go into what whole times tells nothing.
        let over = |a: Option<u32>, b: Option<u32>| {
            let (a, b) = (a?, b?);
            (a % b == 0 && a >= b).then(|| a / b)
        };
        self.cores = self
            .cores
            .or(times(self.sockets, self.cores_per_socket))
            .or(over(self.threads, self.threads_per_core));
        self.threads = self.threads.or(times(self.cores, self.threads_per_core));
        self.sockets = self.sockets.or(over(self.cores, self.cores_per_socket));
        self
    }
}

/// A builder's name to compare by: its first word, with the names that one
/// house had over the years as one.
#[must_use]
pub fn maker(name: &str) -> String {
    let lower = name.to_lowercase();
    let word = lower
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty() && *word != "new")
        .unwrap_or_default();
    match word {
        "hp" | "hpe" => "hewlett",
        word => word,
    }
    .to_owned()
}

struct Reader<'a> {
    object: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn unknown_fields(&mut self) {
        const KNOWN: &[&str] = &[
            "cpu_name",
            "cpu_vendor",
            "microarch",
            "cpuid",
            "sockets",
            "cores",
            "threads",
            "cores_per_socket",
            "threads_per_core",
            "base_mhz",
            "tdp_w",
            "mem_gb",
            "virtual_machine",
            "instance_type",
            "year",
            "hw_available",
            "published",
            "l3_mb_per_socket",
            "dimms",
            "psu_count",
            "psu_rating_w",
            "nodes",
            "form_factor",
            "system_vendor",
            "gpus",
            "gpu_name",
            "gpu_load",
        ];
        for (name, value) in self.object {
            let name = name.as_str();
            if !KNOWN.contains(&name) && !NOT_FEATURES.contains(&name) && !is_measured(name) {
                self.faults.push(Fault {
                    field: format!("machine.{name}"),
                    value: shown(value),
                    accepted: format!("the fields {}", KNOWN.join(", ")),
                });
            }
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.object
            .get(name)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn refuse(&mut self, name: &str, accepted: String) {
        let value = self.object.get(name).map(shown).unwrap_or_default();
        self.faults.push(Fault {
            field: format!("machine.{name}"),
            value,
            accepted,
        });
    }

    fn number(&mut self, name: &str, least: f64, most: f64) -> Option<f64> {
        let number = self
            .value(name)?
            .as_f64()
            .filter(|n| (least..=most).contains(n));
        if number.is_none() {
            self.refuse(name, format!("a number from {least} to {most}"));
        }
        number
    }

    fn count(&mut self, name: &str, most: u32) -> Option<u32> {
        // A machine that cannot count something says 0.
        let value = self
            .value(name)
            .filter(|value| value.as_f64() != Some(0.0))?;
        // Tables write whole numbers as 2.0 too.
        let whole = value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (1.0..=f64::from(most)).contains(n));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range: checked above"
        )]
        let count = whole.map(|n| n as u32);
        if count.is_none() {
            self.refuse(name, format!("a whole number from 1 to {most}"));
        }
        count
    }

    fn year(&mut self, name: &str) -> Option<u32> {
        // A machine that does not know its year says 0.
        let value = self
            .value(name)
            .filter(|value| value.as_f64() != Some(0.0))?;
        let year = value.as_f64().and_then(date::year);
        if year.is_none() {
            self.refuse(name, format!("a whole year, {}", date::YEARS));
        }
        year
    }

    fn date(&mut self, name: &str) -> Option<Date> {
        let value = self.value(name)?;
        let date = match value {
            // A year alone, as some tables write it.
            Value::Number(number) => number.as_f64().and_then(date::year).map(Date::year_alone),
            value => value.as_str().and_then(Date::parse),
        };
        if date.is_none() {
            self.refuse(name, format!("{}, {}", date::FORMS, date::YEARS));
        }
        date
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let text = self
            .value(name)?
            .as_str()
            .filter(|text| text.len() <= 256)
            .map(str::to_owned);
        if text.is_none() {
            self.refuse(name, "a text of at most 256 bytes".to_owned());
        }
        text
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = self.value(name)?.as_bool();
        if flag.is_none() {
            self.refuse(name, "true or false".to_owned());
        }
        flag
    }

    fn cpuid(&mut self) -> Option<[u32; 3]> {
        let numbers = serde_json::from_value::<[u32; 3]>(self.value("cpuid")?.clone()).ok();
        if numbers.is_none() {
            self.refuse(
                "cpuid",
                "family, model and stepping as three whole numbers".to_owned(),
            );
        }
        numbers
    }
}

/// A value for an error message, cut to a readable length.
#[must_use]
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
