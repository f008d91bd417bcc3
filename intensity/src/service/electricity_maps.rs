//! Electricity Maps: average figures, life-cycle or direct, which are revised
//! once an estimated hour is known.
//!
//! `/v3/carbon-intensity/history` gives the last 24 hours, `/past-range` earlier
//! ones (ten days a request), `/forecast` the next ones; the last two are of
//! paid plans. Figures are whole g/kWh, and may be `null`.

use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::Period;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, PAST, Secret, Service, info, json, must_be, query};
use crate::reading::{Answer, AnswerFault, Kind, Rows, Unit};

/// The service's own address.
pub const ENDPOINT: &str = "https://api.electricitymap.org";

/// One zone of Electricity Maps.
#[derive(Clone, Debug)]
pub struct ElectricityMaps {
    /// Its zone id.
    pub zone: String,
    /// With what is upstream of the plants, or at the stack only.
    pub boundary: Boundary,
    /// The `auth-token`.
    pub token: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    zone: Option<String>,
    carbon_intensity: Option<f64>,
    datetime: String,
    emission_factor_type: Option<String>,
    is_estimated: Option<bool>,
}

/// All shapes in one: `history` and `past-range` differ in the name only.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    zone: Option<String>,
    #[serde(alias = "data")]
    history: Option<Vec<Row>>,
    forecast: Option<Vec<Row>>,
    updated_at: Option<Timestamp>,
}

impl ElectricityMaps {
    fn factors(&self) -> &'static str {
        match self.boundary {
            Boundary::LifeCycle => "lifecycle",
            Boundary::Direct => "direct",
        }
    }

    fn ask(&self, what: &'static str, is_optional: bool) -> Ask {
        let pairs = [
            ("zone", self.zone.as_str()),
            ("emissionFactorType", self.factors()),
        ];
        Ask {
            what,
            path: format!("/v3/carbon-intensity/{what}?{}", query(&pairs)),
            header: self.token.clone().map(|token| ("auth-token", token)),
            is_optional,
        }
    }
}

impl Service for ElectricityMaps {
    fn info(&self) -> SeriesInfo {
        info(
            "Electricity Maps",
            &self.zone,
            Method::Average,
            self.boundary,
        )
    }

    fn asks(&self, _: Timestamp, _: Option<&Secret>) -> Vec<Ask> {
        vec![self.ask("history", false), self.ask("forecast", true)]
    }

    /// `past-range` answers at most ten days of hours.
    fn past_hours_max(&self) -> u16 {
        10 * 24
    }

    fn ask_past(&self, piece: Period, _: Option<&Secret>) -> Option<Ask> {
        let (start, end) = (
            piece.from.start().to_string(),
            piece.until.start().to_string(),
        );
        let mut ask = self.ask("past-range", true);
        ask.what = PAST;
        ask.path.push('&');
        ask.path
            .push_str(&query(&[("start", &start), ("end", &end)]));
        Some(ask)
    }

    fn read(&self, _: &str, body: &[u8], _: Timestamp) -> Result<Answer, AnswerFault> {
        let page: Page = json(body)?;
        if let Some(zone) = &page.zone {
            must_be("zone", &self.zone, zone)?;
        }
        let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
        for row in page.history.iter().flatten() {
            self.check(row)?;
            let is_estimated = row.is_estimated.unwrap_or(false);
            let kind = Kind::Observed { is_estimated };
            rows.push(&row.datetime, row.carbon_intensity, kind)?;
        }
        for row in page.forecast.iter().flatten() {
            self.check(row)?;
            rows.push(&row.datetime, row.carbon_intensity, Kind::Forecast)?;
        }
        let answer = rows.finish()?;
        Ok(Answer {
            issued_at: page.forecast.and(page.updated_at),
            ..answer
        })
    }
}

impl ElectricityMaps {
    fn check(&self, row: &Row) -> Result<(), AnswerFault> {
        if let Some(zone) = &row.zone {
            must_be("zone", &self.zone, zone)?;
        }
        let factors = row.emission_factor_type.as_deref();
        factors.map_or(Ok(()), |got| must_be("factors", self.factors(), got))
    }
}
