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

/// The arms of a choice; all of the mode if none is named.
pub(super) fn chosen(quick: bool, named: &[String]) -> Result<Vec<ArmDesign>, String> {
    let known = || ALL.iter().map(|(name, ..)| *name);
    if let Some(unknown) = named.iter().find(|one| known().all(|name| name != *one)) {
        let all = known().collect::<Vec<_>>().join(", ");
        return Err(format!("--arms {unknown:?}: accepted are {all}"));
    }
    let is_chosen = |name: &str, is_quick: bool| {
        if named.is_empty() {
            is_quick || !quick
        } else {
            NEEDED.contains(&name) || named.iter().any(|one| one == name)
        }
    };
    let arms = ALL
        .iter()
        .filter(|(name, _, _, quick)| is_chosen(name, *quick));
    let arm = |(name, by, [changes, edits, load], _): &(&str, By, [bool; 3], bool)| ArmDesign {
        name: (*name).to_owned(),
        by: *by,
        changes: *changes,
        edits: *edits,
        load: *load,
    };
    Ok(arms.map(arm).collect())
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
                "Flux (source-controller, kustomize-controller), interval {interval_seconds} s for source and \
                 Kustomizations; a change is a commit"
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
