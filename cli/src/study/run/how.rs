//! How a study is run: phases, each arm's commands, and which namespaces are
//! a component.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use tanso_carbon::study::Plan;
use tanso_carbon::study::trial::Unit;

use crate::study::StudyFault;

/// The shortest measured phase: agents read once a second.
const MEASURED_SECONDS_MIN: u64 = 10;
/// The longest of any phase, a week.
const SECONDS_MAX: u64 = 604_800;

/// How it is run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct How {
    pub(super) phases: Phases,
    arms: BTreeMap<String, ArmHow>,
    /// The namespaces of each component.
    #[serde(default)]
    pub(super) components: BTreeMap<String, Vec<String>>,
}

/// How long each phase lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the unit stands last in the names of the file"
)]
pub(super) struct Phases {
    #[serde(default)]
    pub(super) warm_up_seconds: u64,
    pub(super) measured_seconds: u64,
    #[serde(default)]
    pub(super) cool_down_seconds: u64,
}

/// An arm's commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ArmHow {
    pub(super) set_up: Option<String>,
    pub(super) change: Option<String>,
    pub(super) clear_up: Option<String>,
}

impl Phases {
    pub(super) const fn warm_up(self) -> Duration {
        Duration::from_secs(self.warm_up_seconds)
    }

    pub(super) const fn measured(self) -> Duration {
        Duration::from_secs(self.measured_seconds)
    }

    pub(super) const fn cool_down(self) -> Duration {
        Duration::from_secs(self.cool_down_seconds)
    }
}

impl How {
    /// Reads it and compares it with the plan.
    pub(super) fn parse(file: &str, text: &str, plan: &Plan) -> Result<Self, StudyFault> {
        let refused = |faults: String| StudyFault::How {
            file: file.to_owned(),
            faults,
        };
        let this: Self =
            serde_saphyr::from_str(text).map_err(|error| refused(error.to_string()))?;
        let faults = this.faults(plan);
        if faults.is_empty() {
            Ok(this)
        } else {
            Err(refused(faults.join("; ")))
        }
    }

    fn faults(&self, plan: &Plan) -> Vec<String> {
        let mut faults = Vec::new();
        let mut range = |field: &str, value: u64, least: u64| {
            if !(least..=SECONDS_MAX).contains(&value) {
                faults.push(format!(
                    "phases.{field} {value}: accepted are {least} to {SECONDS_MAX}"
                ));
            }
        };
        range("warmUpSeconds", self.phases.warm_up_seconds, 0);
        range(
            "measuredSeconds",
            self.phases.measured_seconds,
            MEASURED_SECONDS_MIN,
        );
        range("coolDownSeconds", self.phases.cool_down_seconds, 0);
        let planned: BTreeSet<String> = plan.kinds().into_iter().collect();
        for name in &planned {
            let changes = plan.changes_of(name);
            match self.arms.get(name) {
                None => faults.push(format!("arms: {name:?} of the plan is missing")),
                Some(how) if changes > 0 && how.change.is_none() => faults.push(format!(
                    "arms.{name}.change: the plan has {changes} changes per trial; a command is needed"
                )),
                Some(_) => {}
            }
        }
        let unknown = self
            .arms
            .keys()
            .filter(|name| !planned.contains(name.as_str()));
        faults.extend(unknown.map(|name| format!("arms.{name}: the plan has no such arm")));
        let proper = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for (name, namespaces) in &self.components {
            if name.is_empty() || !name.chars().all(proper) || name == "node" {
                faults.push(format!(
                    "components {name:?}: accepted are lower-case letters, digits and \"_\", and not \"node\""
                ));
            }
            if namespaces.is_empty() {
                faults.push(format!("components.{name}: no namespace is named"));
            }
        }
        let responses = self.responses();
        if !responses.contains_key(&plan.primary_response) {
            let all: Vec<_> = responses.keys().map(String::as_str).collect();
            faults.push(format!(
                "the plan's primaryResponse {:?}: accepted are {}",
                plan.primary_response,
                all.join(", ")
            ));
        }
        faults
    }

    /// An arm's commands; none of an arm that the plan does not have.
    pub(super) fn arm(&self, name: &str) -> &ArmHow {
        const NOTHING: &ArmHow = &ArmHow {
            set_up: None,
            change: None,
            clear_up: None,
        };
        self.arms.get(name).unwrap_or(NOTHING)
    }

    /// The columns of the raw figures.
    pub(super) fn responses(&self) -> BTreeMap<String, Unit> {
        let names = self.components.keys().map(String::as_str).chain(["node"]);
        let energy = names.map(|name| (format!("{name}_joules"), Unit::Joules));
        energy
            .chain([("node_cpu_seconds".to_owned(), Unit::Seconds)])
            .collect()
    }
}
