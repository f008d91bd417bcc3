//! What kind of figure an intensity is. Nothing here computes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::HourlyIntensity;
use crate::calendar::UtcHour;

/// Which kilowatt-hour is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// The mean of all electricity in the zone in that hour.
    Average,
    /// What one kilowatt-hour more or less would have changed.
    Marginal,
}

/// Which emissions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Boundary {
    /// At the stack only.
    Direct,
    /// With fuel supply, building and dismantling of the plants.
    LifeCycle,
}

/// Whose electricity is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// The grid at the place of use.
    Location,
    /// What contracts and certificates claim.
    Market,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Average => "average",
            Self::Marginal => "marginal",
        })
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::LifeCycle => "life-cycle",
        })
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Location => "location-based",
            Self::Market => "market-based",
        })
    }
}

/// What a series holds: nobody may show its figures without this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesInfo {
    /// The grid zone, such as `KR`.
    pub zone: String,
    /// Average or marginal.
    pub method: Method,
    /// Direct or life-cycle.
    pub boundary: Boundary,
    /// Location- or market-based.
    pub basis: Basis,
    /// Who publishes it.
    pub source: String,
    /// The year the data describes, if one.
    pub data_year: Option<i16>,
    /// Under which terms it may be used.
    pub licence: String,
}

impl SeriesInfo {
    /// A description of average, life-cycle, location-based data, the most
    /// common kind.
    #[must_use]
    pub fn average_life_cycle(zone: &str, source: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            method: Method::Average,
            boundary: Boundary::LifeCycle,
            basis: Basis::Location,
            source: source.to_owned(),
            data_year: None,
            licence: String::new(),
        }
    }
}

impl fmt::Display for SeriesInfo {
    /// `KR average life-cycle location-based, Electricity Maps, data year 2024`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            zone,
            method,
            boundary,
            basis,
            source,
            ..
        } = self;
        write!(f, "{zone} {method} {boundary} {basis}, {source}")?;
        self.data_year
            .map_or(Ok(()), |year| write!(f, ", data year {year}"))
    }
}

/// What figures of some hours are, in words: of several sources, each that
/// speaks for one of the hours, in the order of their first hours.
pub(crate) fn in_words(
    series: &dyn HourlyIntensity,
    hours: impl IntoIterator<Item = UtcHour>,
) -> String {
    let mut told: Vec<&SeriesInfo> = Vec::new();
    for hour in hours {
        let info = series.info_at(hour);
        if series.at(hour).is_some() && !told.contains(&info) {
            told.push(info);
        }
    }
    if told.is_empty() {
        return series.info().to_string();
    }
    let each: Vec<_> = told.iter().map(ToString::to_string).collect();
    each.join("; ")
}
