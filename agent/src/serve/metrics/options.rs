//! What is written: levels, old or new names, and bounds on series.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Deserialize;
use tanso_agent_wire::families::{Family, Level};

/// Which names an exposition has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Surface {
    /// Kepler 0.11's and our own.
    #[default]
    New,
    /// Those and Kepler 0.9's.
    Both,
    /// Kepler 0.9's alone.
    Legacy,
}

/// The levels that are written; figures of no level are always written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Levels(BTreeSet<Level>);

impl Default for Levels {
    fn default() -> Self {
        let all = Level::ALL.into_iter();
        Self(all.filter(|level| *level != Level::Process).collect())
    }
}

impl Levels {
    /// These levels.
    #[must_use]
    pub fn of(levels: impl IntoIterator<Item = Level>) -> Self {
        Self(levels.into_iter().collect())
    }

    /// Whether the level is on.
    #[must_use]
    pub fn has(&self, level: Level) -> bool {
        self.0.contains(&level)
    }

    /// Whether the family is written.
    #[must_use]
    pub fn include(&self, family: &Family) -> bool {
        family.level().is_none_or(|level| self.has(level))
    }
}

/// A word that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metrics level \"{0}\": accepted are node, process, container, vm, pod")]
pub struct LevelFault(String);

/// One level by its name.
///
/// # Errors
/// If there is no such level.
pub fn level(text: &str) -> Result<Level, LevelFault> {
    let found = Level::ALL.into_iter().find(|level| level.as_str() == text);
    found.ok_or_else(|| LevelFault(text.chars().take(32).collect()))
}

impl TryFrom<Vec<String>> for Levels {
    type Error = LevelFault;
    fn try_from(words: Vec<String>) -> Result<Self, LevelFault> {
        words
            .iter()
            .map(|word| level(word))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Levels {
    type Err = LevelFault;
    fn from_str(text: &str) -> Result<Self, LevelFault> {
        text.split(',')
            .map(|word| level(word.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How many items a level lists at most: those with the most energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Containers, and pods.
    pub containers: usize,
    /// Processes.
    pub processes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            containers: 10_000,
            processes: 500,
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The levels.
    pub levels: Levels,
    /// The names.
    pub surface: Surface,
    /// The bounds.
    pub bounds: Bounds,
}
