//! What a provider is, and what it gives.
//!
//! A provider never guesses; how gaps are filled is said with the series.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::Digest;
use tanso_carbon::series::HourlyIntensity;
use tanso_carbon::table::TableFaults;
use tanso_carbon::units::UnitError;

use crate::book::{Forecast, Restated};

/// A series that may be shared between tasks.
pub type Series = Arc<dyn HourlyIntensity + Send + Sync>;

/// Average figures: what energy may be priced with.
#[derive(Clone)]
pub struct Loaded {
    /// The figures by the hour.
    pub series: Series,
    /// How missing hours are filled, in words.
    pub filled_by: String,
    /// Digest of what the figures were made from.
    pub digest: Digest,
    /// How old they are.
    pub freshness: Freshness,
    /// What was said before, to settle advice by.
    pub past: Past,
}

/// What a service said before it said what it says now; tables have no past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Forecasts, oldest first.
    pub forecasts: Arc<Vec<Forecast>>,
    /// Hours whose figures were changed after they were published.
    pub restated: Arc<Vec<Restated>>,
    /// When what is said now of an hour was first seen, from the first forecast
    /// on.
    pub seen: Arc<BTreeMap<UtcHour, Timestamp>>,
}

impl Past {
    /// The newest forecast that was known at an instant.
    #[must_use]
    pub fn forecast_at(&self, at: Timestamp) -> Option<&Forecast> {
        let mut newest_first = self.forecasts.iter().rev();
        newest_first.find(|forecast| forecast.known_at() <= at)
    }
}

/// Marginal figures: what one kilowatt-hour more or less would change. They
/// weigh a choice and never price energy, so they are a type of their own.
#[derive(Clone)]
pub struct Marginal(pub Loaded);

/// How old figures are, and what was wrong with those that would have gone
/// before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When they were last confirmed by their source; `None` for tables,
    /// which do not age.
    pub as_of: Option<Timestamp>,
    /// Older than the policy allows, or not what it asked for first.
    pub is_stale: bool,
    /// Why, in words; empty when nothing is wrong.
    pub notes: Vec<String>,
}

/// Why there is no series.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProviderFault {
    /// The zone has no figures there.
    #[error(
        "grid zone \"{zone}\" has no bundled figures; the bundled table has {known} zones (`kubectl tanso regions` lists them); a zone of your own needs figures of your own: in a policy a source Static or Table"
    )]
    NoFigures {
        /// The zone.
        zone: String,
        /// How many there are.
        known: usize,
    },
    /// A broken table: file, row, reason.
    #[error(transparent)]
    Table(#[from] TableFaults),
    /// The table is no series.
    #[error("{file}: {reason}")]
    Series {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A figure that is no intensity.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A service that gave no figure yet, or none that is young enough.
    #[error("{provider}: {reason}")]
    Service {
        /// Its name in the policy.
        provider: String,
        /// Why.
        reason: String,
    },
    /// Nobody in the list has figures.
    #[error("no provider of the list has average figures: {0}")]
    NoneLeft(String),
}

/// Something that knows how clean a grid is on average.
pub trait IntensityProvider: Send + Sync {
    /// The series of a grid zone for hours around `year`.
    ///
    /// # Errors
    /// If it has no figures for the zone, or broken ones.
    fn load(&self, zone: &str, year: i16) -> Result<Loaded, ProviderFault>;
}
