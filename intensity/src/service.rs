//! A service on the network: what to ask it, and how to read its answers.
//! Pure: who asks, when and how often is decided by the [`crate::feed`].

pub mod carbon_aware;
pub mod electricity_maps;
pub mod neso;
pub mod prometheus;
pub mod watttime;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tanso_carbon::Period;
use tanso_carbon::series::{Basis, Boundary, Method, SeriesInfo};

use crate::reading::{Answer, AnswerFault};

/// What is left as it is within a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text; white space at its ends is no part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text, for a header and nothing else.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a request for hours that have passed is called.
pub(crate) const PAST: &str = "past";

/// One request to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is asked for, in words: `history`, `forecast`.
    pub what: &'static str,
    /// Path and query below the endpoint.
    pub path: String,
    /// A header that authorises it.
    pub header: Option<(&'static str, Secret)>,
    /// Whether a refusal leaves the others useful: a forecast may need a
    /// dearer plan.
    pub is_optional: bool,
}

/// A service of one shape, for one zone.
pub trait Service: Send + Sync {
    /// What its figures are, with method and boundary.
    fn info(&self) -> SeriesInfo;

    /// A request that must come first, if there is one: a login.
    fn login(&self) -> Option<Ask> {
        None
    }

    /// What a login's answer authorises with.
    ///
    /// # Errors
    /// If it is not in the documented shape.
    fn token(&self, body: &[u8]) -> Result<Secret, AnswerFault> {
        let _ = body;
        Err(AnswerFault::Shape("there is no login".to_owned()))
    }

    /// What to ask at an instant: the last day, and a forecast if there is one.
    fn asks(&self, now: Timestamp, token: Option<&Secret>) -> Vec<Ask>;

    /// The most hours that one request for the past may cover; 0 if the
    /// service knows no past but the last day.
    fn past_hours_max(&self) -> u16 {
        0
    }

    /// Asks for hours that have passed, at most [`Self::past_hours_max`] of
    /// them; `None` if the service cannot be asked for them.
    fn ask_past(&self, piece: Period, token: Option<&Secret>) -> Option<Ask> {
        let _ = (piece, token);
        None
    }

    /// Reads the answer to a request.
    ///
    /// # Errors
    /// If it is not in the documented shape, about something else, or has a
    /// figure that no grid has.
    fn read(&self, what: &str, body: &[u8], now: Timestamp) -> Result<Answer, AnswerFault>;
}

/// A description of a service's figures.
pub(crate) fn info(source: &str, zone: &str, method: Method, boundary: Boundary) -> SeriesInfo {
    SeriesInfo {
        zone: zone.to_owned(),
        method,
        boundary,
        basis: Basis::Location,
        source: source.to_owned(),
        data_year: None,
        licence: String::new(),
    }
}

/// `name=value&…`, encoded.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let encoded = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, PLAIN)));
    encoded.collect::<Vec<_>>().join("&")
}

/// Reads JSON of the given shape.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, AnswerFault> {
    serde_json::from_slice(body).map_err(|fault| AnswerFault::Shape(fault.to_string()))
}

/// The begin of the hour that lies so many hours before (or after) an instant.
pub(crate) fn hour_from(now: Timestamp, hours: i64) -> Timestamp {
    let shifted = now
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap_or(now);
    let second = shifted.as_second().div_euclid(3_600) * 3_600;
    Timestamp::from_second(second).unwrap_or(shifted)
}

/// Refuses an answer about something else than was asked for.
pub(crate) fn must_be(what: &str, asked: &str, got: &str) -> Result<(), AnswerFault> {
    if asked.eq_ignore_ascii_case(got) {
        Ok(())
    } else {
        Err(AnswerFault::Other {
            asked: format!("{what} {asked}"),
            got: got.chars().take(40).collect(),
        })
    }
}
