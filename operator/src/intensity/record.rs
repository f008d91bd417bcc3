//! What services said, as plain data: kept beside a report, so that it can be
//! made again after they say something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::{Origin, Point, SeriesInfo};
use tanso_carbon::{Intensity, IntensitySeries};
use tanso_intensity::book::{Forecast, Restated, Revision};
use tanso_intensity::{Freshness, Loaded, Marginal, Past, ProviderFault};
use tanso_power::Estimate;

use super::Asked;

/// How far back and ahead a series is looked through, hours: longer than what
/// is kept of a service.
const HOURS: (i32, i32) = (-24 * 410, 24 * 21);

/// A point: hour, bounds and value in micrograms per kWh, where it comes from.
type PointRecord = (UtcHour, u32, u32, u32, Origin);

/// A series with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesRecord {
    info: SeriesInfo,
    points: Vec<PointRecord>,
    filled_by: String,
    as_of: Option<Timestamp>,
    is_stale: bool,
    notes: Vec<String>,
    forecasts: Vec<Forecast>,
    restated: Vec<(UtcHour, Revision, Revision)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    seen: BTreeMap<UtcHour, Timestamp>,
}

/// What the services of one policy said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedRecord {
    average: BTreeMap<String, Result<SeriesRecord, String>>,
    marginal: Option<SeriesRecord>,
}

impl SeriesRecord {
    fn of(loaded: &Loaded, around: UtcHour) -> Self {
        let point = |hour: UtcHour| {
            let point = loaded.series.at(hour)?;
            let Estimate { low, value, high } = point.intensity.map(Intensity::micrograms_per_kwh);
            Some((hour, low, value, high, point.origin))
        };
        let restated = loaded.past.restated.iter();
        Self {
            info: loaded.series.info().clone(),
            points: (HOURS.0..HOURS.1)
                .filter_map(|step| point(around.plus_hours(step)))
                .collect(),
            filled_by: loaded.filled_by.clone(),
            as_of: loaded.freshness.as_of,
            is_stale: loaded.freshness.is_stale,
            notes: loaded.freshness.notes.clone(),
            forecasts: loaded.past.forecasts.to_vec(),
            restated: restated
                .map(|one| (one.hour, one.first.clone(), one.latest.clone()))
                .collect(),
            seen: (*loaded.past.seen).clone(),
        }
    }

    fn loaded(&self) -> Result<Loaded, String> {
        let of = |micrograms| {
            Intensity::from_micrograms_per_kwh(micrograms)
                .ok_or_else(|| format!("{micrograms} ug/kWh is no intensity"))
        };
        let mut points = Vec::with_capacity(self.points.len());
        for (hour, low, value, high, origin) in &self.points {
            let intensity = Estimate {
                low: of(*low)?,
                value: of(*value)?,
                high: of(*high)?,
            };
            let origin = *origin;
            points.push((*hour, Point { intensity, origin }));
        }
        let series = IntensitySeries::try_new(self.info.clone(), points)
            .map_err(|fault| fault.to_string())?;
        let restated = self.restated.iter().map(|(hour, first, latest)| Restated {
            hour: *hour,
            first: first.clone(),
            latest: latest.clone(),
        });
        Ok(Loaded {
            digest: series.digest(),
            series: Arc::new(series),
            filled_by: self.filled_by.clone(),
            freshness: Freshness {
                as_of: self.as_of,
                is_stale: self.is_stale,
                notes: self.notes.clone(),
            },
            past: Past {
                forecasts: Arc::new(self.forecasts.clone()),
                restated: Arc::new(restated.collect()),
                seen: Arc::new(self.seen.clone()),
            },
        })
    }
}

impl Asked {
    /// All of it as plain data.
    #[must_use]
    pub(crate) fn record(&self, around: UtcHour) -> AskedRecord {
        let average = self.average.iter().map(|(name, found)| {
            let found = match found {
                Ok(loaded) => Ok(SeriesRecord::of(loaded, around)),
                Err(ProviderFault::Service { reason, .. }) => Err(reason.clone()),
                Err(other) => Err(other.to_string()),
            };
            (name.clone(), found)
        });
        let marginal = self.marginal.as_ref();
        AskedRecord {
            average: average.collect(),
            marginal: marginal.map(|Marginal(loaded)| SeriesRecord::of(loaded, around)),
        }
    }
}

impl AskedRecord {
    /// What it was made from.
    ///
    /// # Errors
    /// If it holds what no service can have said.
    pub(crate) fn asked(&self) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for (name, found) in &self.average {
            let found = match found {
                Ok(record) => Ok(record.loaded()?),
                Err(reason) => Err(ProviderFault::Service {
                    provider: name.clone(),
                    reason: reason.clone(),
                }),
            };
            asked.average.insert(name.clone(), found);
        }
        if let Some(record) = &self.marginal {
            asked.marginal = Some(Marginal(record.loaded()?));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use tanso_carbon::report::Digest;

    use super::*;

    #[test]
    fn what_a_service_said_comes_back_with_its_digest_estimates_and_past() {
        let hour = UtcHour::parse("2026-10-05T09:00Z").unwrap();
        let figure = |grams: f64| Intensity::try_from_grams_per_kwh(grams).unwrap();
        let points = [
            (hour, Point::exact(figure(417.300_001), Origin::Published)),
            (
                hour.plus_hours(-9_000),
                Point::exact(figure(0.1), Origin::PublisherEstimate),
            ),
            (
                hour.plus_hours(30),
                Point::exact(figure(1_999.999_999), Origin::Forecast),
            ),
        ];
        let info = SeriesInfo::average_life_cycle("KR", "live");
        let series = IntensitySeries::try_new(info, points).unwrap();
        let revision = |grams: f64| Revision {
            intensity: figure(grams),
            is_estimated: true,
            seen_at: Timestamp::UNIX_EPOCH,
        };
        let loaded = Loaded {
            digest: series.digest(),
            series: Arc::new(series),
            filled_by: "nothing".to_owned(),
            freshness: Freshness::default(),
            past: Past {
                forecasts: Arc::new(vec![Forecast {
                    issued_at: Timestamp::UNIX_EPOCH,
                    seen_at: Some(Timestamp::UNIX_EPOCH),
                    hours: [(hour, figure(412.123_456))].into(),
                }]),
                restated: Arc::new(vec![Restated {
                    hour,
                    first: revision(430.0),
                    latest: revision(421.7),
                }]),
                seen: Arc::new([(hour, Timestamp::UNIX_EPOCH)].into()),
            },
        };
        let silent = ProviderFault::Service {
            provider: "silent".to_owned(),
            reason: "not asked yet".to_owned(),
        };
        let asked = Asked {
            average: [
                ("live".to_owned(), Ok(loaded.clone())),
                ("silent".to_owned(), Err(silent)),
            ]
            .into(),
            marginal: Some(Marginal(loaded)),
        };
        let record = asked.record(hour);
        let text = serde_json::to_string(&record).unwrap();
        let back: AskedRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(back, record);
        let again = back.asked().unwrap();
        let of = |asked: &Asked, name: &str| match asked.average(name).unwrap() {
            Ok(loaded) => (loaded.digest.clone(), format!("{:?}", loaded.past)),
            Err(fault) => (Digest::of_text(""), fault.to_string()),
        };
        assert_eq!(of(&again, "live"), of(&asked, "live"));
        assert_eq!(of(&again, "silent"), of(&asked, "silent"));
        assert!(again.marginal().is_some());
    }
}
