//! `WattTime` v3: pounds of CO2 per megawatt-hour every five minutes, marginal
//! (`co2_moer`) or average (`co2_aoer`), behind a login.
//!
//! Marginal figures never price energy: see [`crate::Marginal`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, Secret, Service, hour_from, info, json, must_be, query};
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
        let header = || token.cloned().map(|token| ("authorization", token));
        let (from, until) = (
            hour_from(now, -24).to_string(),
            hour_from(now, 0).to_string(),
        );
        let of = [
            ("region", self.region.as_str()),
            ("signal_type", self.signal()),
        ];
        let [region, signal] = of;
        let past = [region, signal, ("start", &from), ("end", &until)];
        let ahead = [region, signal, ("horizon_hours", "24")];
        vec![
            Ask {
                what: "history",
                path: format!("/v3/historical?{}", query(&past)),
                header: header(),
                is_optional: false,
            },
            Ask {
                what: "forecast",
                path: format!("/v3/forecast?{}", query(&ahead)),
                header: header(),
                is_optional: true,
            },
        ]
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
