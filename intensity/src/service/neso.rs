//! The carbon intensity service of Great Britain's system operator (NESO):
//! half hours, direct emissions, average, without a key.
//!
//! What lies ahead has no `actual`; a region has forecasts only. With nothing
//! to say it answers 200 and an empty object.

use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::Period;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, PAST, Secret, Service, hour_from, info, json};
use crate::reading::{Answer, AnswerFault, Kind, Rows, Unit};

/// The service's own address.
pub const ENDPOINT: &str = "https://api.carbonintensity.org.uk";

/// Great Britain, or one of its regions.
#[derive(Clone, Debug, Default)]
pub struct Neso {
    /// 1 to 17; `None` for the whole of Great Britain.
    pub region: Option<u8>,
}

#[derive(Deserialize)]
struct Figures {
    forecast: Option<f64>,
    actual: Option<f64>,
}

#[derive(Deserialize)]
struct Row {
    from: String,
    intensity: Figures,
}

/// The rows themselves, or a region that holds them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Rows(Vec<Row>),
    Region { data: Vec<Row> },
}

#[derive(Deserialize)]
struct Page {
    data: Option<Data>,
}

impl Neso {
    fn ask(&self, what: &'static str, from: Timestamp, span: &str) -> Ask {
        let from = minute(from);
        let path = self.region.map_or_else(
            || format!("/intensity/{from}/{span}"),
            |id| format!("/regional/intensity/{from}/{span}/regionid/{id}"),
        );
        Ask {
            what,
            path,
            header: None,
            is_optional: what != "history",
        }
    }
}

/// Minutes only, as the service writes its own times.
fn minute(at: Timestamp) -> String {
    let text: String = at.to_string().chars().take(16).collect();
    format!("{text}Z")
}

impl Service for Neso {
    fn info(&self) -> SeriesInfo {
        let source = self.region.map_or_else(
            || "NESO Carbon Intensity (CC BY 4.0)".to_owned(),
            |id| format!("NESO Carbon Intensity, region {id}, forecasts only (CC BY 4.0)"),
        );
        info(&source, "GB", Method::Average, Boundary::Direct)
    }

    fn asks(&self, now: Timestamp, _: Option<&Secret>) -> Vec<Ask> {
        vec![
            self.ask("history", hour_from(now, 0), "pt24h"),
            self.ask("forecast", hour_from(now, 0), "fw48h"),
        ]
    }

    /// A request covers at most 14 days; its end counts.
    fn past_hours_max(&self) -> u16 {
        13 * 24
    }

    fn ask_past(&self, piece: Period, _: Option<&Secret>) -> Option<Ask> {
        let until = minute(piece.until.start());
        Some(self.ask(PAST, piece.from.start(), &until))
    }

    fn read(&self, _: &str, body: &[u8], now: Timestamp) -> Result<Answer, AnswerFault> {
        let Page { data } = json(body)?;
        let list = match data {
            Some(Data::Rows(list) | Data::Region { data: list }) => list,
            None => Vec::new(),
        };
        let mut rows = Rows::new(Unit::GramsPerKwh, 1_800);
        for row in &list {
            let Figures { forecast, actual } = row.intensity;
            let is_past = row.from.parse().is_ok_and(|from: Timestamp| from < now);
            let (figure, kind) = match actual {
                Some(figure) => (
                    Some(figure),
                    Kind::Observed {
                        is_estimated: false,
                    },
                ),
                // A half hour that has passed without being metered yet.
                None if is_past => (forecast, Kind::Observed { is_estimated: true }),
                None => (forecast, Kind::Forecast),
            };
            rows.push(&row.from, figure, kind)?;
        }
        let answer = rows.finish()?;
        Ok(Answer {
            issued_at: Some(now),
            ..answer
        })
    }
}
