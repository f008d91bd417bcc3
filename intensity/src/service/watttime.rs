//! `WattTime` v3: pounds of CO2 per megawatt-hour every five minutes, marginal
//! (`co2_moer`) or average (`co2_aoer`), behind a login.
//!
//! Marginal figures never price energy: see [`crate::Marginal`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::Period;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, PAST, Secret, Service, hour_from, info, json, must_be, query};
use crate::reading::{Answer, AnswerFault, Kind, Rows, Unit};

/// The service's own address.
pub const ENDPOINT: &str = "https://api.watttime.org";

/// One region of `WattTime`.
#[derive(Clone, Debug)]
pub struct WattTime {
    /// Its region id, such as `CAISO_NORTH`.
    pub region: String,
    /// Marginal or average.
    pub method: Method,
    /// Name and password.
    pub login: Option<(Secret, Secret)>,
}

#[derive(Deserialize)]
struct Row {
    point_time: String,
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Meta {
    region: Option<String>,
    signal_type: String,
    units: String,
    /// The documented name, and the one that is spelt otherwise in the wild.
    #[serde(alias = "data_point_periods_second")]
    data_point_period_seconds: Option<u32>,
    generated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Row>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl WattTime {
    fn of(&self) -> [(&'static str, &str); 2] {
        [("region", &self.region), ("signal_type", self.signal())]
    }

    fn between(&self, from: Timestamp, until: Timestamp, token: Option<&Secret>) -> Ask {
        let [region, signal] = self.of();
        let (from, until) = (from.to_string(), until.to_string());
        let past = [region, signal, ("start", &from), ("end", &until)];
        Ask {
            what: "history",
            path: format!("/v3/historical?{}", query(&past)),
            header: token.cloned().map(|token| ("authorization", token)),
            is_optional: false,
        }
    }

    fn signal(&self) -> &'static str {
        match self.method {
            Method::Average => "co2_aoer",
            Method::Marginal => "co2_moer",
        }
    }
}

impl Service for WattTime {
    fn info(&self) -> SeriesInfo {
        info("WattTime", &self.region, self.method, Boundary::Direct)
    }

    fn login(&self) -> Option<Ask> {
        let (name, password) = self.login.as_ref()?;
        let pair = STANDARD.encode(format!("{}:{}", name.reveal(), password.reveal()));
        Some(Ask {
            what: "login",
            path: "/login".to_owned(),
            header: Some(("authorization", Secret::new(&format!("Basic {pair}")))),
            is_optional: false,
        })
    }

    fn token(&self, body: &[u8]) -> Result<Secret, AnswerFault> {
        let Token { token } = json(body)?;
        Ok(Secret::new(&format!("Bearer {token}")))
    }

    fn asks(&self, now: Timestamp, token: Option<&Secret>) -> Vec<Ask> {
        let [region, signal] = self.of();
        let ahead = [region, signal, ("horizon_hours", "24")];
        vec![
            self.between(hour_from(now, -24), hour_from(now, 0), token),
            Ask {
                what: "forecast",
                path: format!("/v3/forecast?{}", query(&ahead)),
                header: token.cloned().map(|token| ("authorization", token)),
                is_optional: true,
            },
        ]
    }

    /// A request covers up to 32 days; a week of five-minute figures is a
    /// tenth of the largest answer that is read.
    fn past_hours_max(&self) -> u16 {
        7 * 24
    }

    fn ask_past(&self, piece: Period, token: Option<&Secret>) -> Option<Ask> {
        Some(Ask {
            what: PAST,
            is_optional: true,
            ..self.between(piece.from.start(), piece.until.start(), token)
        })
    }

    fn read(&self, what: &str, body: &[u8], _: Timestamp) -> Result<Answer, AnswerFault> {
        let Page { data, meta } = json(body)?;
        must_be("signal", self.signal(), &meta.signal_type)?;
        must_be("unit", "lbs_co2_per_mwh", &meta.units)?;
        if let Some(region) = &meta.region {
            must_be("region", &self.region, region)?;
        }
        let is_forecast = what == "forecast";
        let seconds = meta.data_point_period_seconds.unwrap_or(300);
        let mut rows = Rows::new(Unit::PoundsPerMwh, seconds);
        for row in &data {
            let kind = if is_forecast {
                Kind::Forecast
            } else {
                Kind::Observed {
                    is_estimated: false,
                }
            };
            rows.push(&row.point_time, row.value, kind)?;
        }
        let answer = rows.finish()?;
        Ok(Answer {
            issued_at: meta.generated_at.filter(|_| is_forecast),
            ..answer
        })
    }
}
