//! The `WebAPI` of the Green Software Foundation's Carbon Aware SDK, inside
//! the cluster as a rule.
//!
//! Its ratings are g/kWh of whatever source it was set up with, so the policy
//! must say whether they are average or marginal. Forecasts asked with a
//! window are sliding means; these are refused, as hours cannot be told apart.

use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::Period;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, PAST, Secret, Service, hour_from, info, json, query};
use crate::reading::{Answer, AnswerFault, Kind, Rows, Unit};

/// One location of a Carbon Aware SDK.
#[derive(Clone, Debug)]
pub struct CarbonAware {
    /// Its name there, such as `koreacentral`.
    pub location: String,
    /// What its source gives.
    pub method: Method,
    /// What its source counts.
    pub boundary: Boundary,
}

#[derive(Deserialize)]
struct Past {
    time: String,
    rating: Option<f64>,
    /// `HH:MM:SS`.
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Ahead {
    timestamp: String,
    /// Minutes.
    duration: u32,
    value: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    generated_at: Option<Timestamp>,
    location: Option<String>,
    forecast_data: Vec<Ahead>,
}

impl Service for CarbonAware {
    fn info(&self) -> SeriesInfo {
        info(
            "Carbon Aware SDK",
            &self.location,
            self.method,
            self.boundary,
        )
    }

    fn asks(&self, now: Timestamp, _: Option<&Secret>) -> Vec<Ask> {
        let location = ("location", self.location.as_str());
        vec![
            self.between(hour_from(now, -24), hour_from(now, 0)),
            Ask {
                what: "forecast",
                path: format!("/emissions/forecasts/current?{}", query(&[location])),
                header: None,
                is_optional: true,
            },
        ]
    }

    /// Its own sources cap what they answer; a week is within all of them.
    fn past_hours_max(&self) -> u16 {
        7 * 24
    }

    fn ask_past(&self, piece: Period, _: Option<&Secret>) -> Option<Ask> {
        Some(Ask {
            what: PAST,
            is_optional: true,
            ..self.between(piece.from.start(), piece.until.start())
        })
    }

    fn read(&self, what: &str, body: &[u8], _: Timestamp) -> Result<Answer, AnswerFault> {
        if what == "forecast" {
            self.read_forecast(body)
        } else {
            read_history(body)
        }
    }
}

/// Seconds of `HH:MM:SS`; an hour if there is none.
fn seconds(text: Option<&str>) -> u32 {
    let parts: Option<Vec<u32>> = text.map(|text| {
        let numbers = text.split(':').map_while(|part| part.parse().ok());
        numbers.collect()
    });
    match parts.as_deref() {
        Some([hours, minutes, seconds]) => hours
            .saturating_mul(3_600)
            .saturating_add(minutes.saturating_mul(60))
            .saturating_add(*seconds),
        _ => 3_600,
    }
}

fn read_history(body: &[u8]) -> Result<Answer, AnswerFault> {
    let list: Vec<Past> = json(body)?;
    let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
    for row in &list {
        let kind = Kind::Observed {
            is_estimated: false,
        };
        rows.push_for(
            &row.time,
            seconds(row.duration.as_deref()),
            row.rating,
            kind,
        )?;
    }
    rows.finish()
}

impl CarbonAware {
    fn between(&self, from: Timestamp, until: Timestamp) -> Ask {
        let (from, until) = (from.to_string(), until.to_string());
        let location = ("location", self.location.as_str());
        let past = [location, ("time", &from), ("toTime", &until)];
        Ask {
            what: "history",
            path: format!("/emissions/bylocation?{}", query(&past)),
            header: None,
            is_optional: false,
        }
    }

    fn read_forecast(&self, body: &[u8]) -> Result<Answer, AnswerFault> {
        let list: Vec<Page> = json(body)?;
        let asked = |one: &&Page| {
            one.location
                .as_ref()
                .is_none_or(|location| location.eq_ignore_ascii_case(&self.location))
        };
        let Some(forecast) = list.iter().find(asked) else {
            return Err(AnswerFault::Other {
                asked: format!("location {}", self.location),
                got: format!("{} other forecasts", list.len()),
            });
        };
        let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
        let mut end = i64::MIN;
        for row in &forecast.forecast_data {
            let seconds = row.duration.saturating_mul(60);
            if let Ok(start) = row.timestamp.parse::<Timestamp>() {
                if start.as_second() < end {
                    return Err(AnswerFault::Shape(
                        "the points overlap: sliding means, ask without windowSize".to_owned(),
                    ));
                }
                end = start.as_second().saturating_add(i64::from(seconds));
            }
            rows.push_for(&row.timestamp, seconds, row.value, Kind::Forecast)?;
        }
        let answer = rows.finish()?;
        Ok(Answer {
            issued_at: forecast.generated_at,
            ..answer
        })
    }
}
