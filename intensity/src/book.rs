//! What a service has said, kept on disk: every revision of an hour with the
//! time it was seen, and the forecasts with their age.
//!
//! A revised hour never overwrites: a report of last week can be told from
//! one of today. The file begins with its digest, so that a torn or changed
//! one is found out and begun anew.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::Digest;
use tanso_carbon::series::{Origin, Point};
use tanso_carbon::{Intensity, Period};

use crate::pace::Pace;
use crate::provider::Past;
use crate::reading::{Answer, hours};

/// Most hours that are kept: 400 days.
const HOURS_MAX: usize = 9_600;

/// Most revisions of an hour: the first, and the newest.
const REVISIONS_MAX: usize = 8;

/// Most forecasts that are kept: two days of hourly ones.
const FORECASTS_MAX: usize = 48;

/// How long a piece of the past that stays incomplete is not asked for again.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What was said of an hour, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The figure.
    pub intensity: Intensity,
    /// The publisher's own estimate.
    pub is_estimated: bool,
    /// When it was first seen.
    pub seen_at: Timestamp,
}

/// A forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// When it was made, or else fetched.
    pub issued_at: Timestamp,
    /// When it was fetched; `None` in what an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Its figures.
    pub hours: BTreeMap<UtcHour, Intensity>,
}

impl Forecast {
    /// From when on a choice could be made by it: a forecast of noon that came
    /// in the evening moved nothing in the afternoon.
    #[must_use]
    pub fn known_at(&self) -> Timestamp {
        self.seen_at.unwrap_or(self.issued_at).max(self.issued_at)
    }

    /// The hour after its last.
    #[must_use]
    pub fn until(&self) -> Option<UtcHour> {
        let (last, _) = self.hours.last_key_value()?;
        Some(last.plus_hours(1))
    }
}

/// An hour whose figure was changed after it was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Restated {
    /// The hour.
    pub hour: UtcHour,
    /// What was said first.
    pub first: Revision,
    /// What is said now.
    pub latest: Revision,
}

/// What is known from one service about one zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Book {
    hours: BTreeMap<UtcHour, Vec<Revision>>,
    forecasts: Vec<Forecast>,
    /// When each piece of the past was asked for last, by its first hour.
    #[serde(default)]
    asked: BTreeMap<UtcHour, Timestamp>,
    /// When the service last gave a good answer.
    pub confirmed_at: Option<Timestamp>,
    /// When it may be asked again.
    pub pace: Pace,
}

impl Book {
    /// Takes an answer; returns how many hours it restated.
    pub fn note(&mut self, answer: &Answer, now: Timestamp) -> usize {
        let mut ahead = BTreeMap::new();
        let mut restated = 0;
        for (hour, made) in hours(&answer.readings) {
            if made.is_forecast {
                ahead.insert(hour, made.intensity);
                continue;
            }
            let revisions = self.hours.entry(hour).or_default();
            let is_said = revisions.last().is_some_and(|last| {
                last.intensity == made.intensity && last.is_estimated == made.is_estimated
            });
            if is_said {
                continue;
            }
            restated += usize::from(!revisions.is_empty());
            if revisions.len() == REVISIONS_MAX {
                revisions.remove(1);
            }
            revisions.push(Revision {
                intensity: made.intensity,
                is_estimated: made.is_estimated,
                seen_at: now,
            });
        }
        if !ahead.is_empty() {
            self.keep_forecast(Forecast {
                issued_at: answer.issued_at.unwrap_or(now).min(now),
                seen_at: Some(now),
                hours: ahead,
            });
        }
        while self.hours.len() > HOURS_MAX {
            self.hours.pop_first();
        }
        restated
    }

    /// Pieces of a period in which an hour is missing, or still the publisher's
    /// estimate, and that were not asked for within the last day: newest first,
    /// at most `most` of them. A piece begins at a whole number of its length,
    /// so that it is the same piece an hour later.
    #[must_use]
    pub fn missing(&self, period: Period, hours: u16, most: usize, now: Timestamp) -> Vec<Period> {
        let length = i32::from(hours);
        if length == 0 || period.from >= period.until {
            return Vec::new();
        }
        let epoch = UtcHour::from_unix_seconds(0);
        let offset = period.from.hours_since(epoch).rem_euclid(length);
        let first = period.from.plus_hours(-offset);
        let starts = std::iter::successors(Some(first), |start| Some(start.plus_hours(length)))
            .take_while(|start| *start < period.until);
        let piece = |start: UtcHour| Period {
            from: start.max(period.from),
            until: start.plus_hours(length).min(period.until),
        };
        let mut found: Vec<_> = starts
            .map(|start| (start, piece(start)))
            .filter(|(start, piece)| self.is_wanting(*piece) && !self.was_asked(*start, now))
            .map(|(_, piece)| piece)
            .collect();
        found.reverse();
        found.truncate(most);
        found
    }

    fn is_wanting(&self, piece: Period) -> bool {
        let is_final = |hour: UtcHour| {
            let latest = self.hours.get(&hour).and_then(|all| all.last());
            latest.is_some_and(|latest| !latest.is_estimated)
        };
        !piece.hours().all(is_final)
    }

    fn was_asked(&self, start: UtcHour, now: Timestamp) -> bool {
        let asked = self.asked.get(&start);
        asked.is_some_and(|at| now.duration_since(*at) < ASKED_AGAIN)
    }

    /// Notes that a piece was asked for, whatever came.
    pub fn note_asked(&mut self, piece: Period, hours: u16, now: Timestamp) {
        let length = i32::from(hours).max(1);
        let epoch = UtcHour::from_unix_seconds(0);
        let offset = piece.from.hours_since(epoch).rem_euclid(length);
        self.asked.insert(piece.from.plus_hours(-offset), now);
        while self.asked.len() > HOURS_MAX {
            self.asked.pop_first();
        }
    }

    fn keep_forecast(&mut self, forecast: Forecast) {
        let is_same =
            |kept: &Forecast| kept.issued_at == forecast.issued_at && kept.hours == forecast.hours;
        // The same again was known before.
        if self.forecasts.iter().any(is_same) {
            return;
        }
        self.forecasts.push(forecast);
        self.forecasts
            .sort_by_key(|kept| (kept.issued_at, kept.known_at()));
        let surplus = self.forecasts.len().saturating_sub(FORECASTS_MAX);
        self.forecasts.drain(..surplus);
    }

    /// The newest forecast that is not older than `oldest`.
    #[must_use]
    pub fn forecast(&self, oldest: Timestamp) -> Option<&Forecast> {
        self.forecasts
            .last()
            .filter(|forecast| forecast.issued_at >= oldest)
    }

    /// The forecast that was the newest at an instant: what a choice was
    /// made by.
    #[must_use]
    pub fn forecast_known_at(&self, at: Timestamp) -> Option<&Forecast> {
        self.forecasts
            .iter()
            .rev()
            .find(|forecast| forecast.known_at() <= at)
    }

    /// Its forecasts and the hours that were restated.
    #[must_use]
    pub fn past(&self) -> Past {
        let all = self
            .hours
            .first_key_value()
            .zip(self.hours.last_key_value());
        let period = all.map(|((from, _), (last, _))| Period {
            from: *from,
            until: last.plus_hours(1),
        });
        let restated = period.map(|period| self.restated(period));
        // Before the first forecast nothing is settled.
        let forecasts = self.forecasts.iter();
        let first = forecasts
            .map(|one| UtcHour::containing(one.issued_at))
            .min();
        let seen = first
            .into_iter()
            .flat_map(|first| self.hours.range(first..));
        let seen = seen.filter_map(|(hour, revisions)| Some((*hour, revisions.last()?.seen_at)));
        Past {
            seen: Arc::new(seen.collect()),
            forecasts: Arc::new(self.forecasts.clone()),
            restated: Arc::new(restated.unwrap_or_default()),
        }
    }

    /// All that was said of an hour, first to latest.
    #[must_use]
    pub fn revisions(&self, hour: UtcHour) -> &[Revision] {
        self.hours.get(&hour).map_or(&[], Vec::as_slice)
    }

    /// Hours of a period whose figures were changed.
    #[must_use]
    pub fn restated(&self, period: Period) -> Vec<Restated> {
        let within = self.hours.range(period.from..period.until.max(period.from));
        let changed = within.filter_map(|(hour, revisions)| match revisions.as_slice() {
            [first, .., latest] => Some(Restated {
                hour: *hour,
                first: first.clone(),
                latest: latest.clone(),
            }),
            _ => None,
        });
        changed.collect()
    }

    /// Each hour's point as it is known now: the latest revision, else the
    /// newest forecast that is not older than `oldest_forecast`.
    #[must_use]
    pub fn points(&self, oldest_forecast: Timestamp) -> BTreeMap<UtcHour, Point> {
        let mut points = BTreeMap::new();
        if let Some(forecast) = self.forecast(oldest_forecast) {
            for (hour, intensity) in &forecast.hours {
                points.insert(*hour, Point::exact(*intensity, Origin::Forecast));
            }
        }
        for (hour, revisions) in &self.hours {
            if let Some(latest) = revisions.last() {
                let origin = if latest.is_estimated {
                    Origin::PublisherEstimate
                } else {
                    Origin::Published
                };
                points.insert(*hour, Point::exact(latest.intensity, origin));
            }
        }
        points
    }

    /// Reads a file; a missing one is an empty book.
    ///
    /// # Errors
    /// If it cannot be read, or is not what was written.
    pub fn read(file: &Path) -> Result<Self, BookFault> {
        let fault = BookFault::of(file);
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => return Err(fault(source.to_string())),
        };
        let (digest, body) = text
            .split_once('\n')
            .ok_or_else(|| fault("cut off".to_owned()))?;
        if Digest::of_text(body).to_string() != digest {
            return Err(fault("its digest is another".to_owned()));
        }
        serde_json::from_str(body).map_err(|source| fault(source.to_string()))
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written; the one before stays.
    pub fn write(&self, file: &Path) -> Result<(), BookFault> {
        let fault = BookFault::of(file);
        let body = serde_json::to_string(self).map_err(|source| fault(source.to_string()))?;
        let text = format!("{}\n{body}", Digest::of_text(&body));
        let beside = file.with_extension("new");
        let put = || {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&beside, text)?;
            fs::File::open(&beside)?.sync_all()?;
            fs::rename(&beside, file)
        };
        put().map_err(|source| fault(source.to_string()))
    }
}

/// Why a book cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("intensity cache \"{file}\": {reason}")]
pub struct BookFault {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl BookFault {
    fn of(file: &Path) -> impl Fn(String) -> Self {
        let file = file.display().to_string();
        move |reason| Self {
            file: file.clone(),
            reason,
        }
    }
}

/// The oldest forecast that is used at an instant.
#[must_use]
pub fn oldest_forecast(now: Timestamp, stale_after: SignedDuration) -> Timestamp {
    now.checked_sub(stale_after).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Kind, Rows, Unit};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hour(text: &str) -> UtcHour {
        UtcHour::parse(text).unwrap()
    }

    fn answer(time: &str, figure: f64, kind: Kind, issued: Option<&str>) -> Answer {
        let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
        rows.push(time, Some(figure), kind).unwrap();
        Answer {
            issued_at: issued.map(at),
            ..rows.finish().unwrap()
        }
    }

    const ESTIMATED: Kind = Kind::Observed { is_estimated: true };
    const FINAL: Kind = Kind::Observed {
        is_estimated: false,
    };

    #[test]
    fn a_revised_hour_keeps_both_figures_with_their_times() {
        let mut book = Book::default();
        let (then, later) = (at("2024-06-14T16:10:00Z"), at("2024-06-15T16:10:00Z"));
        let time = "2024-06-14T15:00Z";
        assert_eq!(book.note(&answer(time, 442.0, ESTIMATED, None), then), 0);
        assert_eq!(book.note(&answer(time, 442.0, ESTIMATED, None), later), 0);
        assert_eq!(book.note(&answer(time, 431.5, FINAL, None), later), 1);
        let day = Period {
            from: hour("2024-06-14T00:00Z"),
            until: hour("2024-06-15T00:00Z"),
        };
        let restated = book.restated(day);
        assert_eq!(restated.len(), 1);
        assert_eq!(restated[0].first.seen_at, then);
        assert_eq!(restated[0].latest.seen_at, later);
        let points = book.points(then);
        let point = points[&hour("2024-06-14T15:00Z")];
        assert_eq!(point.origin, Origin::Published);
        assert_eq!(point.intensity.value.to_string(), "431.5 gCO2eq/kWh");
    }

    #[test]
    fn a_forecast_serves_until_it_is_old_and_never_hides_what_was_seen() {
        let mut book = Book::default();
        let issued = "2024-06-14T15:00:00Z";
        let ahead = answer("2024-06-14T18:00Z", 400.0, Kind::Forecast, Some(issued));
        book.note(&ahead, at("2024-06-14T15:05:00Z"));
        let six_hours = SignedDuration::from_hours(6);
        let seen = |book: &Book, now| {
            book.points(oldest_forecast(at(now), six_hours))
                .get(&hour("2024-06-14T18:00Z"))
                .map(|point| point.origin)
        };
        assert_eq!(seen(&book, "2024-06-14T20:00:00Z"), Some(Origin::Forecast));
        assert_eq!(seen(&book, "2024-06-14T22:00:00Z"), None);
        book.note(
            &answer("2024-06-14T18:00Z", 410.0, FINAL, None),
            at("2024-06-14T20:00:00Z"),
        );
        assert_eq!(seen(&book, "2024-06-14T20:00:00Z"), Some(Origin::Published));
        let known = book.forecast_known_at(at("2024-06-14T17:00:00Z")).unwrap();
        assert_eq!(known.until(), Some(hour("2024-06-14T19:00Z")));
    }

    #[test]
    fn what_is_missing_is_asked_for_in_pieces_newest_first_and_once_a_day() {
        let mut book = Book::default();
        let now = at("2024-06-20T12:10:00Z");
        let week = Period {
            from: hour("2024-06-13T05:00Z"),
            until: hour("2024-06-19T12:00Z"),
        };
        let pieces = book.missing(week, 48, 10, now);
        let spans: u32 = pieces.iter().map(|piece| piece.hour_count()).sum();
        assert_eq!(spans, week.hour_count(), "{pieces:?}");
        assert_eq!(pieces.first().map(|piece| piece.until), Some(week.until));
        assert_eq!(pieces.last().map(|piece| piece.from), Some(week.from));
        assert!(pieces.iter().all(|piece| piece.hour_count() <= 48));
        assert_eq!(book.missing(week, 48, 2, now), pieces[..2]);
        // Asked for, it is not asked again within the day, also an hour later.
        for piece in &pieces[..2] {
            book.note_asked(*piece, 48, now);
        }
        let later = Period {
            from: week.from.plus_hours(1),
            until: week.until.plus_hours(1),
        };
        let left = book.missing(later, 48, 10, at("2024-06-20T13:10:00Z"));
        assert_eq!(left.len(), pieces.len() - 2, "{left:?}");
        let tomorrow = at("2024-06-21T13:10:00Z");
        assert_eq!(book.missing(later, 48, 10, tomorrow).len(), pieces.len());
        // An hour that is known for good is not missing, an estimate is.
        let one = Period {
            from: hour("2024-06-14T15:00Z"),
            until: hour("2024-06-14T16:00Z"),
        };
        book.note(&answer("2024-06-14T15:00Z", 442.0, ESTIMATED, None), now);
        assert_eq!(book.missing(one, 48, 10, tomorrow).len(), 1);
        book.note(&answer("2024-06-14T15:00Z", 431.0, FINAL, None), now);
        assert_eq!(book.missing(one, 48, 10, tomorrow), []);
    }

    #[test]
    fn a_file_comes_back_as_it_was_and_a_changed_one_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/kr.json");
        assert_eq!(Book::read(&file), Ok(Book::default()));
        let mut book = Book::default();
        book.note(
            &answer("2024-06-14T15:00Z", 442.25, FINAL, None),
            at("2024-06-14T16:00:00Z"),
        );
        book.pace.succeeded(at("2024-06-14T16:00:00Z"));
        book.write(&file).unwrap();
        assert_eq!(Book::read(&file).as_ref(), Ok(&book));
        let changed = fs::read_to_string(&file)
            .unwrap()
            .replace("442.25", "142.25");
        fs::write(&file, changed).unwrap();
        let fault = Book::read(&file).unwrap_err().to_string();
        assert!(
            fault.contains("kr.json") && fault.contains("digest"),
            "{fault}"
        );
    }
}
