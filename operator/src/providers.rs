//! Where intensity figures come from: one provider a file, behind one trait.
//!
//! Pure so far: what a provider needs is read before and handed in. A provider
//! never guesses; how gaps are filled is said with the series.

pub mod bundled;
pub mod static_value;
pub mod table;

use std::sync::Arc;

use tanso_carbon::report::Digest;
use tanso_carbon::series::HourlyIntensity;
use tanso_carbon::table::TableFaults;
use tanso_carbon::units::UnitError;

/// A series that may be shared between tasks.
pub type Series = Arc<dyn HourlyIntensity + Send + Sync>;

/// What a provider gives.
#[derive(Clone)]
pub struct Loaded {
    /// The figures by the hour.
    pub series: Series,
    /// How missing hours are filled, in words.
    pub filled_by: String,
    /// Digest of what the figures were made from.
    pub digest: Digest,
}

/// Why there is no series.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProviderFault {
    /// The zone has no figures there.
    #[error(
        "grid zone \"{zone}\" has no bundled figures; accepted are the {known} zones of the bundled table, or a source Static or Table"
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
}

/// Something that knows how clean a grid is.
pub trait IntensityProvider {
    /// The series of a grid zone for hours around `year`.
    ///
    /// # Errors
    /// If it has no figures for the zone, or broken ones.
    fn load(&self, zone: &str, year: i16) -> Result<Loaded, ProviderFault>;
}
