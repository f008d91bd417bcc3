//! Rules as checked data: what they limit, whom they bind, and when.
//!
//! A preset is one thread of a regulation: its steps over time, for one kind
//! of facility. A rule says what it is (a law, a draft, a quoted target) and
//! how that was checked; nothing here is legal advice.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::calendar::{self, Period};
use crate::pue::{Entity, PueCategory, PueScope};
use crate::series::{Basis, Boundary};

mod bundled;
mod parse;

pub use bundled::BUNDLED;
pub use parse::{RuleFault, RuleFaults};

/// What a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleKind {
    /// A statute or what follows from one.
    Law,
    /// Not in force; never applied.
    Draft,
    /// A certificate, label or pledge.
    Voluntary,
    /// A target of a government or of the user.
    PolicyTarget,
    /// A number that is quoted as law and is not in it.
    QuotedTarget,
    /// A technical standard.
    Standard,
    /// A factor for sums, never a limit.
    Factor,
}

impl RuleKind {
    /// The name as it stands in files and in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Law => "law",
            Self::Draft => "draft",
            Self::Voluntary => "voluntary",
            Self::PolicyTarget => "policyTarget",
            Self::QuotedTarget => "quotedTarget",
            Self::Standard => "standard",
            Self::Factor => "factor",
        }
    }

    /// The words for a message.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Law => "a law",
            Self::Draft => "a draft",
            Self::Voluntary => "voluntary",
            Self::PolicyTarget => "a policy target",
            Self::QuotedTarget => "a quoted target, not a law",
            Self::Standard => "a standard",
            Self::Factor => "an accounting factor",
        }
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom a rule binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Binds {
    /// A state.
    State,
    /// A single site.
    Facility,
    /// An operator, all of its sites summed.
    Operator,
    /// Whoever reports emissions.
    Reporters,
    /// A piece of software.
    Software,
    /// Whoever sets it as a target.
    Nobody,
}

/// What a rule limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// kWh-weighted intensity of the consumed energy, gCO2eq/kWh.
    GridIntensity,
    /// Power usage effectiveness of a facility.
    Pue,
    /// Facility energy in a period, kWh.
    EnergyBudget,
    /// Emissions in a period, in g, kg or t of CO2 equivalent.
    CarbonBudget,
    /// Reduction against a base year, percent, on the straight line to the
    /// target year.
    ReductionPath,
    /// Emissions per functional unit, gCO2eq.
    Sci,
    /// Renewable share of the electricity, percent.
    RenewableShare,
    /// Water usage effectiveness, L/kWh.
    Wue,
    /// Energy reuse factor, percent.
    Erf,
    /// Renewable energy factor, percent.
    Ref,
    /// A duty, a method or a label: something to do or to publish, without a
    /// figure that can be computed here. Never judged.
    Duty,
}

/// What a rule's verdict may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkloadVerdict {
    /// Nothing here: it binds a state, is a method or is not in force. It is
    /// shown for context and never judged.
    None,
    /// The facility; its verdict stands beside a workload's.
    Facility,
    /// Nothing: it is a factor for sums.
    Factor,
    /// Whatever the policy sets it for, as the user's own target.
    Policy,
}

impl Binds {
    /// Whose figures such a rule is about: an operator's are sums over all its
    /// sites, never a mean of theirs.
    #[must_use]
    pub const fn entity(self) -> Entity {
        match self {
            Self::Operator => Entity::AllSites,
            _ => Entity::Site,
        }
    }

    /// The words for a message.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::State => "a state",
            Self::Facility => "a facility",
            Self::Operator => "an operator",
            Self::Reporters => "whoever reports emissions",
            Self::Software => "software",
            Self::Nobody => "nobody",
        }
    }
}

impl Metric {
    /// Whether the rule is about the facility, so that its verdict stands
    /// beside a workload's and is not its own.
    #[must_use]
    pub const fn is_facility(self) -> bool {
        matches!(
            self,
            Self::Pue | Self::RenewableShare | Self::Wue | Self::Erf | Self::Ref
        )
    }

    /// The words for a message.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::GridIntensity => "intensity of the consumed energy",
            Self::Pue => "PUE",
            Self::EnergyBudget => "facility energy",
            Self::CarbonBudget => "emissions",
            Self::ReductionPath => "reduction against the base year",
            Self::Sci => "emissions per functional unit",
            Self::RenewableShare => "renewable share",
            Self::Wue => "WUE",
            Self::Erf => "energy reuse factor",
            Self::Ref => "renewable energy factor",
            Self::Duty => "duty",
        }
    }

    /// The units a limit may have.
    #[must_use]
    pub const fn units(self) -> &'static [&'static str] {
        match self {
            Self::GridIntensity => &["gCO2eq/kWh"],
            Self::Pue => &["ratio"],
            Self::EnergyBudget => &["kWh"],
            Self::CarbonBudget => &["gCO2eq", "kgCO2eq", "tCO2eq"],
            Self::Sci => &["gCO2eq/unit"],
            Self::Wue => &["L/kWh"],
            Self::ReductionPath | Self::RenewableShare | Self::Erf | Self::Ref => &["percent"],
            Self::Duty => &["none", "MW", "tCO2eq"],
        }
    }
}

/// On which side of the limit a figure must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// At or below.
    AtMost,
    /// At or above.
    AtLeast,
}

/// Over which time a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RulePeriod {
    /// The policy's own window.
    Window,
    /// A local day.
    Day,
    /// A local month.
    Month,
    /// A local year, or a year's metering for a facility.
    Year,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its id, unique in its preset.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name in Korean, if it has one.
    pub name_ko: Option<String>,
    /// What it is.
    pub kind: RuleKind,
    /// Who issued it.
    pub authority: String,
    /// Whom it binds.
    pub binds: Binds,
    /// Where it was read.
    pub source: String,
    /// How well that was checked.
    pub evidence: String,
    /// The clause.
    pub clause: Option<String>,
    /// The first local day it binds; always, if none.
    pub from: Option<Date>,
    /// The last local day it binds; for ever, if none.
    pub until: Option<Date>,
    /// The first local day on which its limit must be kept, where that is
    /// later than `from`: until then it is a goal.
    pub due: Option<Date>,
    /// What its verdict may be about.
    pub workload_verdict: WorkloadVerdict,
    /// What it limits.
    pub metric: Metric,
    /// On which side of the limit to stay.
    pub op: Op,
    /// The limit; a rule without one is never judged.
    pub limit: Option<f64>,
    /// The unit of the limit.
    pub unit: String,
    /// Over which time.
    pub period: RulePeriod,
    /// The scope that a PUE must have.
    pub pue_scope: PueScope,
    /// The category that a PUE must have, if one is demanded.
    pub pue_category: Option<PueCategory>,
    /// Which sum it limits: location-based, if it says nothing.
    pub basis: Basis,
    /// Which emissions of a kilowatt-hour its limit means; `None` where it does
    /// not say.
    pub boundary: Option<Boundary>,
    /// Of a reduction path: the base year.
    pub base_year: Option<i16>,
    /// Of a reduction path: the target year.
    pub target_year: Option<i16>,
    /// To whom and when it applies, in words.
    pub condition: Option<String>,
    /// What a reader must know beside the number.
    pub note: Option<String>,
}

/// Where a rule stands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It binds.
    InForce,
    /// It begins on this local day.
    From(Date),
    /// It ended on this local day.
    Ended(Date),
    /// It is a draft and never binds.
    Draft,
}

impl Rule {
    /// Whether it can be judged for one workload: a ratio of its own energy over
    /// a policy's window or a report's time. Budgets and paths are of all that the
    /// policy selects, and a longer period is not in a workload's figures.
    #[must_use]
    pub fn is_of_workload(&self) -> bool {
        self.metric == Metric::GridIntensity
            && self.period == RulePeriod::Window
            && self.workload_verdict == WorkloadVerdict::Policy
    }

    /// Where the rule stands on a local day of its jurisdiction.
    #[must_use]
    pub fn standing(&self, day: Date) -> Standing {
        match (self.binding_from(), self.until) {
            _ if self.kind == RuleKind::Draft => Standing::Draft,
            (Some(from), _) if day < from => Standing::From(from),
            (_, Some(until)) if until < day => Standing::Ended(until),
            _ => Standing::InForce,
        }
    }

    /// The first local day on which the limit must be kept; always, if none.
    #[must_use]
    pub fn binding_from(&self) -> Option<Date> {
        self.from.max(self.due)
    }

    /// Document and clause in one line, for a status.
    #[must_use]
    pub fn citation(&self) -> String {
        match &self.clause {
            Some(clause) => format!("{}, {clause} ({})", self.name, self.source),
            None => format!("{} ({})", self.name, self.source),
        }
    }
}

/// One thread of a regulation: its rules over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preset {
    /// The id that a policy names.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its title in Korean, if it has one.
    pub title_ko: Option<String>,
    /// Where it applies: `KR`, `EU`, `INT`.
    pub jurisdiction: String,
    /// The time zone of its local days.
    pub time_zone: String,
    /// What a reader must know: what the statute really says.
    pub note: Option<String>,
    /// Its rules, in the file's order.
    pub rules: Vec<Rule>,
    /// The time zone, loaded.
    #[serde(skip)]
    pub zone: TimeZone,
}

impl Preset {
    /// The rules to judge on a local day: those in force; if there are none,
    /// the next to begin; else all that are left, so that something is said.
    #[must_use]
    pub fn on(&self, day: Date) -> Vec<&Rule> {
        let standing = |wanted: fn(Standing) -> bool| {
            self.rules
                .iter()
                .filter(move |rule| wanted(rule.standing(day)))
        };
        let in_force: Vec<_> = standing(|standing| standing == Standing::InForce).collect();
        if !in_force.is_empty() {
            return in_force;
        }
        let ahead = || standing(|standing| matches!(standing, Standing::From(_)));
        match ahead().filter_map(Rule::binding_from).min() {
            Some(next) => ahead()
                .filter(|rule| rule.binding_from() == Some(next))
                .collect(),
            None => self.rules.iter().collect(),
        }
    }

    /// The period of a rule that contains a local day; `None` for the
    /// policy's own window.
    ///
    /// # Errors
    /// If the day is outside the calendar.
    pub fn period(
        &self,
        rule: &Rule,
        day: Date,
    ) -> Result<Option<Period>, calendar::CalendarError> {
        match rule.period {
            RulePeriod::Window => Ok(None),
            RulePeriod::Day => Period::local_day(day, &self.zone).map(Some),
            RulePeriod::Month => Period::local_month(day, &self.zone).map(Some),
            RulePeriod::Year => Period::local_year(day.year(), &self.zone).map(Some),
        }
    }
}

/// All presets of an installation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RuleSet {
    presets: Vec<Preset>,
}

impl RuleSet {
    /// Parses and checks one preset file.
    ///
    /// # Errors
    /// If it is no such file or a rule makes no sense: every fault with file,
    /// line and field.
    pub fn parse(file: &str, yaml: &str) -> Result<Preset, RuleFaults> {
        parse::preset(file, yaml)
    }

    /// Parses several files into one set; a later preset replaces an earlier
    /// one of the same id, so that a user's own file wins.
    ///
    /// # Errors
    /// The faults of all files together; see [`Self::parse`].
    pub fn try_from_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RuleFaults> {
        let mut set = Self::default();
        let mut faults = Vec::new();
        for (file, yaml) in files {
            match Self::parse(file, yaml) {
                Ok(preset) => set.insert(preset),
                Err(found) => faults.extend(found.0),
            }
        }
        if faults.is_empty() {
            Ok(set)
        } else {
            Err(RuleFaults(faults))
        }
    }

    /// Adds a preset, replacing one of the same id.
    pub fn insert(&mut self, preset: Preset) {
        self.presets.retain(|other| other.id != preset.id);
        self.presets.push(preset);
    }

    /// The preset with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Preset> {
        self.presets.iter().find(|preset| preset.id == id)
    }

    /// All presets.
    pub fn iter(&self) -> impl Iterator<Item = &Preset> {
        self.presets.iter()
    }

    /// All ids, for a message about one that is unknown.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<_> = self
            .presets
            .iter()
            .map(|preset| preset.id.as_str())
            .collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests;
