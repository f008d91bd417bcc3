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
        let per_socket = (
            reader.count("cores_per_socket", 1_024),
            reader.count("threads_per_core", 16),
        );
        let sockets = reader.count("sockets", 64);
        let cores = reader
            .count("cores", 8_192)
            .or_else(|| Some(sockets? * per_socket.0?));
        let threads = reader
            .count("threads", 16_384)
            .or_else(|| Some(cores? * per_socket.1?));
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
            sockets,
            cores,
            threads,
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
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Machine, Vec<Fault>> {
        Machine::from_json(value.as_object().unwrap())
    }

    #[test]
    fn a_row_of_the_training_table_is_a_machine() {
        let machine = read(&json!({
            "result_id": "x", "cpu_name": "Intel Xeon Platinum 8180", "sockets": 2.0, "cores_per_socket": 28,
            "threads_per_core": 2, "hw_available": "2017-08", "form_factor": "2U", "mem_gb": null, "l3_mb_per_socket": 39_424.0
        }))
        .unwrap();
        assert_eq!(machine.features.cores, Some(56));
        assert_eq!(machine.features.threads, Some(112));
        assert_eq!(machine.features.year, Some(2_017));
        assert_eq!(machine.server.l3_mb_per_socket, None);
        assert_eq!(machine.server.form_factor.as_deref(), Some("2U"));
    }

    /// Training takes the year of a row without a date of sale from its result's.
    #[test]
    fn a_row_that_knows_only_when_it_was_published_has_that_year() {
        let year = |row: Value| read(&row).unwrap().features.year;
        assert_eq!(year(json!({"published": "2024-05"})), Some(2_024));
        let both = json!({"published": "2024-05", "hw_available": "2023-01"});
        assert_eq!(year(both), Some(2_023));
        assert_eq!(
            year(json!({"published": "2024-05", "year": 2_022})),
            Some(2_022)
        );
    }

    /// A year of 1 was extrapolated from, and "Sep-2021" was silently no date.
    #[test]
    fn a_date_that_no_such_machine_has_is_refused_with_the_years_that_are_accepted() {
        let refused = |row: Value| read(&row).unwrap_err();
        for (row, field) in [
            (json!({"year": 1}), "machine.year"),
            (json!({"year": 20_221}), "machine.year"),
            (json!({"year": 2_020.5}), "machine.year"),
            (json!({"year": "2020"}), "machine.year"),
            (json!({"hw_available": "1-09"}), "machine.hw_available"),
            (json!({"hw_available": "Sept 21"}), "machine.hw_available"),
            (json!({"published": "2021-13"}), "machine.published"),
            (json!({"published": true}), "machine.published"),
        ] {
            let faults = refused(row);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].field, field);
            assert!(
                faults[0].accepted.contains("from 2000 to 2100"),
                "{faults:?}"
            );
            assert!(!faults[0].value.is_empty());
        }
        let machine = read(&json!({"hw_available": "Sep-2021"})).unwrap();
        assert_eq!(machine.features.year, Some(2_021));
        assert!((machine.server.sold.unwrap() - 2_021.0 - 8.0 / 12.0).abs() < 1e-9);
    }

    /// The results of a row were refused, so that a whole row was no machine.
    #[test]
    fn every_column_of_the_training_tables_may_be_sent_and_results_are_not_read() {
        let tables = [
            include_str!("../data/specpower_curves.csv"),
            include_str!("../data/specpower_endpoints_2022h2_2024.csv"),
        ];
        for table in tables {
            let header = table.lines().next().unwrap();
            let row: Map<String, Value> = header
                .split(',')
                .map(|column| (column.to_owned(), Value::Null))
                .collect();
            assert!(row.len() > 15, "{header}");
            assert_eq!(Machine::from_json(&row).unwrap(), read(&json!({})).unwrap());
        }
        let told = read(&json!({"w_30": 150.0, "load_100": 0.99})).unwrap();
        assert_eq!(told, read(&json!({})).unwrap());
        assert_eq!(read(&json!({"w_max": 150.0})).unwrap_err().len(), 1);
    }

    #[test]
    fn one_house_has_one_name_however_its_firmware_writes_it() {
        assert_eq!(maker("HPE"), maker("Hewlett-Packard Company"));
        assert_eq!(maker("LENOVO"), maker("Lenovo Global Technology"));
        assert_eq!(maker("New H3C Technologies Co., Ltd."), "h3c");
        assert_eq!(maker(" - "), "");
    }

    #[test]
    fn every_fault_is_named_with_value_and_what_is_accepted() {
        let faults =
            read(&json!({"tdp_w": -5, "sockets": 1.5, "colour": "red", "cpuid": [6]})).unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "machine.colour",
                "machine.sockets",
                "machine.cpuid",
                "machine.tdp_w"
            ]
        );
        assert_eq!(faults[3].value, "-5");
        assert_eq!(faults[3].accepted, "a number from 1 to 2000");
    }
}
