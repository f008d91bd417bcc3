//! A query to a Prometheus-compatible store: for whoever collects intensity
//! already. One series, one figure an hour.

pub mod number;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use tanso_carbon::Period;
use tanso_carbon::series::{Boundary, Method, SeriesInfo};

use super::{Ask, PAST, Secret, Service, hour_from, info, json, query};
use crate::reading::{Answer, AnswerFault, Kind, Rows, Unit};

/// A query that gives one series.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// The grid zone that it is about.
    pub zone: String,
    /// The query.
    pub query: String,
    /// The unit of its figures.
    pub unit: Unit,
    /// Average or marginal.
    pub method: Method,
    /// What is counted.
    pub boundary: Boundary,
    /// A bearer token.
    pub token: Option<Secret>,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Line {
    /// Labels by name, with `__name__`.
    #[serde(default)]
    pub metric: HashMap<String, String>,
    /// Times, seconds of Unix time, with the values as text.
    pub values: Vec<(f64, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Vec<Line>,
}

#[derive(Deserialize)]
struct Page {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

/// Path and query that ask for a query's values from one time to another,
/// seconds of Unix time, at every `step_s` seconds.
#[must_use]
pub fn range(text: &str, from: i64, until: i64, step_s: i64) -> String {
    let (from, until) = (from.to_string(), until.to_string());
    let step = step_s.to_string();
    let pairs = [
        ("query", text),
        ("start", &from),
        ("end", &until),
        ("step", &step),
    ];
    format!("/api/v1/query_range?{}", query(&pairs))
}

/// The series of an answer to [`range`].
///
/// # Errors
/// If the store refused, in its own words, or the answer has another shape.
pub fn matrix(body: &[u8]) -> Result<Vec<Line>, AnswerFault> {
    let page: Page = json(body)?;
    let Some(data) = page.data.filter(|_| page.status == "success") else {
        let why = page.error.unwrap_or_else(|| page.status.clone());
        return Err(AnswerFault::Shape(why.chars().take(200).collect()));
    };
    if data.result_type != "matrix" {
        return Err(AnswerFault::Shape(format!(
            "a {}, expected a matrix",
            data.result_type
        )));
    }
    Ok(data.result)
}

impl Prometheus {
    /// From the first hour's begin to the last one's: a value at an hour's
    /// begin stands for the hour.
    fn between(&self, from: Timestamp, last: Timestamp) -> Ask {
        let path = range(&self.query, from.as_second(), last.as_second(), 3_600);
        Ask {
            what: "history",
            path,
            header: self.token.as_ref().map(|token| {
                let bearer = format!("Bearer {}", token.reveal());
                ("authorization", Secret::new(&bearer))
            }),
            is_optional: false,
        }
    }
}

impl Service for Prometheus {
    fn info(&self) -> SeriesInfo {
        let source = format!("Prometheus query {}", self.query);
        let source: String = source.chars().take(200).collect();
        info(&source, &self.zone, self.method, self.boundary)
    }

    fn asks(&self, now: Timestamp, _: Option<&Secret>) -> Vec<Ask> {
        vec![self.between(hour_from(now, -24), hour_from(now, -1))]
    }

    /// A store gives at most 11,000 points a series; a month has 744 hours.
    fn past_hours_max(&self) -> u16 {
        31 * 24
    }

    fn ask_past(&self, piece: Period, _: Option<&Secret>) -> Option<Ask> {
        let last = piece.until.plus_hours(-1);
        Some(Ask {
            what: PAST,
            is_optional: true,
            ..self.between(piece.from.start(), last.start())
        })
    }

    fn read(&self, _: &str, body: &[u8], _: Timestamp) -> Result<Answer, AnswerFault> {
        let lines = matrix(body)?;
        let [line] = lines.as_slice() else {
            return Err(AnswerFault::Shape(format!(
                "{} series, expected 1: add labels or an aggregation to the query",
                lines.len()
            )));
        };
        let mut rows = Rows::new(self.unit, 3_600);
        for (at, figure) in &line.values {
            let second = at.round();
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
            let at = Timestamp::from_second(second as i64)
                .map_or_else(|_| second.to_string(), |at| at.to_string());
            let figure = figure.parse::<f64>().ok();
            let kind = Kind::Observed {
                is_estimated: false,
            };
            rows.push(&at, figure, kind)?;
        }
        rows.finish()
    }
}
