//! The arms of the `GitOps` study: who delivers, how often, and what of the
//! stream happens.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who brings a change to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// Nobody.
    Nobody,
    /// `kubectl apply` at each change; nothing watches.
    Script,
    /// Flux, that looks every so often.
    #[serde(rename_all = "camelCase")]
    Flux {
        /// The interval of source and Kustomizations.
        interval_seconds: u64,
    },
}

/// An arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArmDesign {
    /// Its name.
    pub name: String,
    /// Who delivers.
    pub by: By,
    /// Whether there are changes.
    pub changes: bool,
    /// Whether there are edits by hand.
    pub edits: bool,
    /// Whether a load of known cost runs beside.
    pub load: bool,
    /// How many Kustomizations Flux delivers; 0 where it does not run.
    #[serde(default)]
    pub kustomizations: usize,
}

const fn flux(minutes: u64, seconds: u64) -> By {
    By::Flux {
        interval_seconds: 60 * minutes + seconds,
    }
}

/// When an arm is run that nobody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    /// Also in a quick study.
    Quick,
    /// In a long one.
    Long,
    /// Never: it must be named.
    Named,
}

/// Name, who, changes, edits, load, and when it is run. Arms in parts share the
/// trials of their parts, so one of ten minutes costs no time beside one of a minute.
const ALL: [(&str, By, [bool; 3], Runs); 14] = [
    ("nothing", By::Nobody, [false, false, false], Runs::Quick),
    ("snowflake", By::Script, [true, true, false], Runs::Quick),
    (
        "snowflake-again",
        By::Script,
        [true, true, false],
        Runs::Quick,
    ),
    (
        "snowflake-load",
        By::Script,
        [true, true, true],
        Runs::Quick,
    ),
    (
        "snowflake-no-edits",
        By::Script,
        [true, false, false],
        Runs::Long,
    ),
    ("flux-10m", flux(10, 0), [true, true, false], Runs::Quick),
    ("flux-1m", flux(1, 0), [true, true, false], Runs::Quick),
    ("flux-10s", flux(0, 10), [true, true, false], Runs::Long),
    (
        "flux-10m-idle",
        flux(10, 0),
        [false, false, false],
        Runs::Quick,
    ),
    (
        "flux-1m-idle",
        flux(1, 0),
        [false, false, false],
        Runs::Quick,
    ),
    (
        "flux-10s-idle",
        flux(0, 10),
        [false, false, false],
        Runs::Long,
    ),
    (
        "flux-10m-no-edits",
        flux(10, 0),
        [true, false, false],
        Runs::Long,
    ),
    (
        "flux-1m-no-edits",
        flux(1, 0),
        [true, false, false],
        Runs::Long,
    ),
    (
        "flux-10s-no-edits",
        flux(0, 10),
        [true, false, false],
        Runs::Named,
    ),
];

/// Without these there is nothing to compare against.
const NEEDED: [&str; 2] = ["nothing", "snowflake"];

/// What stands before the number in the name of an arm of more Kustomizations
/// than the fewest.
const OF: &str = "-of-";

/// How the name of an arm without changes ends.
pub(super) const IDLE: &str = "-idle";
/// How the name of an arm without edits by hand ends.
pub(super) const NO_EDITS: &str = "-no-edits";

/// The arms of a choice, Flux's once for each number of Kustomizations, fewest
/// first; all of the mode if none is named. `flux-1m` names those of all numbers,
/// `flux-1m-of-50` one.
pub(super) fn chosen(
    quick: bool,
    named: &[String],
    kustomizations: &[usize],
) -> Result<Vec<ArmDesign>, String> {
    let all = ALL.iter().flat_map(|row| numbered(row, kustomizations));
    let all: Vec<(&str, Runs, ArmDesign)> = all.collect();
    let is_known = |name: &String| {
        all.iter()
            .any(|(base, _, arm)| name == base || *name == arm.name)
    };
    if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
        let known: Vec<_> = all.iter().map(|(_, _, arm)| arm.name.as_str()).collect();
        return Err(format!(
            "--arms {unknown:?}: accepted are {}",
            known.join(", ")
        ));
    }
    let is_chosen = |(base, runs, arm): &(&str, Runs, ArmDesign)| {
        if named.is_empty() {
            *runs == Runs::Quick || (*runs == Runs::Long && !quick)
        } else {
            NEEDED.contains(base) || named.iter().any(|name| name == base || *name == arm.name)
        }
    };
    Ok(all
        .into_iter()
        .filter(is_chosen)
        .map(|(_, _, arm)| arm)
        .collect())
}

/// An arm's name without number, when it is run, and the arm: once, or for each
/// number of Kustomizations.
fn numbered<'a>(
    (name, by, [changes, edits, load], runs): &'a (&'a str, By, [bool; 3], Runs),
    kustomizations: &[usize],
) -> Vec<(&'a str, Runs, ArmDesign)> {
    let arm = |place: usize, count: usize| ArmDesign {
        name: if place == 0 {
            (*name).to_owned()
        } else {
            format!("{name}{OF}{count}")
        },
        by: *by,
        changes: *changes,
        edits: *edits,
        load: *load,
        kustomizations: count,
    };
    let arms: Vec<_> = match by {
        By::Flux { .. } => kustomizations
            .iter()
            .enumerate()
            .map(|(place, count)| arm(place, *count))
            .collect(),
        By::Nobody | By::Script => vec![arm(0, 0)],
    };
    arms.into_iter().map(|arm| (*name, *runs, arm)).collect()
}

impl ArmDesign {
    /// What it is compared against: a script that gets the same, or nothing.
    pub(super) fn against(&self) -> Option<&'static str> {
        match (self.by, self.changes, self.edits) {
            (By::Nobody, ..) => None,
            (By::Script, ..) if self.name == "snowflake" => Some("nothing"),
            (By::Script | By::Flux { .. }, true, true) => Some("snowflake"),
            (By::Flux { .. }, true, false) => Some("snowflake-no-edits"),
            (By::Script | By::Flux { .. }, ..) => Some("nothing"),
        }
    }

    /// The same arm without changes, or without edits by hand.
    pub(super) fn sibling(&self, word: &str) -> String {
        let (stem, number) = match self.name.split_once(OF) {
            Some((stem, number)) => (stem, format!("{OF}{number}")),
            None => (self.name.as_str(), String::new()),
        };
        let stem = [IDLE, NO_EDITS]
            .into_iter()
            .find_map(|word| stem.strip_suffix(word))
            .unwrap_or(stem);
        format!("{stem}{word}{number}")
    }

    /// What stands behind a name for its number of Kustomizations; empty for the
    /// fewest.
    pub(super) fn number(&self) -> &str {
        let place = self.name.find(OF);
        place.and_then(|place| self.name.get(place..)).unwrap_or("")
    }

    /// The same arm with the fewest Kustomizations, if it has more.
    pub(super) fn of_fewest(&self) -> Option<&str> {
        self.name.split_once(OF).map(|(base, _)| base)
    }

    /// Whether it is another arm under a second name.
    pub(super) fn is_placebo(&self) -> bool {
        self.name.ends_with("-again")
    }

    /// Flux's interval; none where Flux does not run.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        match self.by {
            By::Flux { interval_seconds } => Some(Duration::from_secs(interval_seconds)),
            By::Nobody | By::Script => None,
        }
    }

    /// What it is, for readers.
    pub(super) fn description(&self) -> String {
        let who = match self.by {
            By::Nobody => "the cluster as it is; nobody delivers and nothing changes".to_owned(),
            By::Script => {
                "kubectl apply --server-side by a script at each change; nothing watches, Flux is not running".to_owned()
            }
            By::Flux { interval_seconds } => format!(
                "Flux (source-controller, kustomize-controller), interval {interval_seconds} s for source and {} \
                 Kustomizations; a change is a commit",
                self.kustomizations
            ),
        };
        let what = match (self.changes, self.edits) {
            (true, true) => "; with changes and edits by hand",
            (true, false) => "; with changes, without edits by hand",
            (false, _) => "; idle",
        };
        let more = if self.load {
            "; a load of known CPU time runs beside"
        } else if self.is_placebo() {
            "; the same under a second name (placebo)"
        } else {
            ""
        };
        format!("{who}{what}{more}")
    }
}

/// The figure of the last year of a zone's row that has one: years stand before
/// the two last columns, the latest last.
pub(super) fn last_year(row: &str) -> Option<f64> {
    let mut cells = row.rsplit(',').skip(2);
    cells.find_map(|cell| cell.trim().parse().ok())
}
