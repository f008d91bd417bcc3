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

/// Name, who, changes, edits, load, and whether it is part of a quick study.
const ALL: [(&str, By, [bool; 3], bool); 14] = [
    ("nothing", By::Nobody, [false, false, false], true),
    ("snowflake", By::Script, [true, true, false], true),
    ("snowflake-again", By::Script, [true, true, false], true),
    ("snowflake-load", By::Script, [true, true, true], true),
    (
        "snowflake-no-edits",
        By::Script,
        [true, false, false],
        false,
    ),
    ("flux-10m", flux(10, 0), [true, true, false], true),
    ("flux-1m", flux(1, 0), [true, true, false], true),
    ("flux-10s", flux(0, 10), [true, true, false], true),
    ("flux-10m-idle", flux(10, 0), [false, false, false], false),
    ("flux-1m-idle", flux(1, 0), [false, false, false], true),
    ("flux-10s-idle", flux(0, 10), [false, false, false], false),
    (
        "flux-10m-no-edits",
        flux(10, 0),
        [true, false, false],
        false,
    ),
    ("flux-1m-no-edits", flux(1, 0), [true, false, false], false),
    (
        "flux-10s-no-edits",
        flux(0, 10),
        [true, false, false],
        false,
    ),
];

/// Without these there is nothing to compare against.
const NEEDED: [&str; 2] = ["nothing", "snowflake"];

/// What stands before the number in the name of an arm of more Kustomizations
/// than the fewest.
const OF: &str = "-of-";

/// The arms of a choice, Flux's once for each number of Kustomizations, fewest
/// first; all of the mode if none is named. `flux-1m` names those of all numbers,
/// `flux-1m-of-50` one.
pub(super) fn chosen(
    quick: bool,
    named: &[String],
    kustomizations: &[usize],
) -> Result<Vec<ArmDesign>, String> {
    let all = ALL.iter().flat_map(|row| numbered(row, kustomizations));
    let all: Vec<(&str, bool, ArmDesign)> = all.collect();
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
    let is_chosen = |(base, is_quick, arm): &(&str, bool, ArmDesign)| {
        if named.is_empty() {
            *is_quick || !quick
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

/// An arm's name without number, whether it is part of a quick study, and the
/// arm: once, or for each number of Kustomizations.
fn numbered<'a>(
    (name, by, [changes, edits, load], is_quick): &'a (&'a str, By, [bool; 3], bool),
    kustomizations: &[usize],
) -> Vec<(&'a str, bool, ArmDesign)> {
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
    arms.into_iter()
        .map(|arm| (*name, *is_quick, arm))
        .collect()
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
