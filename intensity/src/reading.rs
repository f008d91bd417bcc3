//! Figures as services give them, and the hours they make.
//!
//! Units are converted here and nowhere else. An answer with one figure that
//! no grid can have is refused whole, with its row: its unit is not what it
//! says, so its other figures cannot be trusted either.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tanso_carbon::Intensity;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::mean;
use tanso_carbon::units::UnitError;

/// Seconds in an hour.
const HOUR_S: i64 = 3_600;

/// The unit of a service's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// gCO2eq/kWh, the same as kg/MWh.
    GramsPerKwh,
    /// lb/MWh.
    PoundsPerMwh,
    /// t/MWh, the same as kg/kWh.
    TonnesPerMwh,
}

impl Unit {
    /// The intensity of a figure in this unit.
    ///
    /// # Errors
    /// If it is outside 0 to 2,000 g/kWh after conversion.
    pub fn convert(self, figure: f64) -> Result<Intensity, UnitError> {
        match self {
            Self::GramsPerKwh => Intensity::try_from_grams_per_kwh(figure),
            Self::PoundsPerMwh => Intensity::try_from_pounds_per_mwh(figure),
            Self::TonnesPerMwh => Intensity::try_from_tonnes_per_mwh(figure),
        }
    }
}

/// What a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Time that has passed.
    Observed {
        /// The publisher's own estimate, to be revised later.
        is_estimated: bool,
    },
    /// Time to come.
    Forecast,
}

/// One figure for a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When the stretch begins.
    pub start: Timestamp,
    /// How long it is, seconds; 60 to 86,400.
    pub seconds: u32,
    /// The figure.
    pub intensity: Intensity,
    /// What it is about.
    pub kind: Kind,
}

/// The readings of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The figures there are.
    pub readings: Vec<Reading>,
    /// How many stretches had `null` or no number: gaps, never zero.
    pub nulls: usize,
    /// When a forecast was made, if the service says so.
    pub issued_at: Option<Timestamp>,
}

/// Why an answer is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnswerFault {
    /// It is not in the documented shape.
    #[error("not in the documented shape: {0}")]
    Shape(String),
    /// A figure that no grid has.
    #[error("row {row} ({at}): {source}; is the unit what the service says?")]
    Implausible {
        /// Which row, from 1.
        row: usize,
        /// Its time.
        at: String,
        /// Why.
        #[source]
        source: UnitError,
    },
    /// A time that is none.
    #[error("row {row}: \"{text}\" is no time with an offset")]
    Time {
        /// Which row, from 1.
        row: usize,
        /// What stands there.
        text: String,
    },
    /// It is about something else than was asked for.
    #[error("asked for {asked}, got {got}")]
    Other {
        /// What was asked for.
        asked: String,
        /// What came.
        got: String,
    },
    /// It holds no figure at all.
    #[error("no figure in the answer ({nulls} empty)")]
    Empty {
        /// Rows without a figure.
        nulls: usize,
    },
}

/// Collects rows into an answer, or names the first that is refused.
#[derive(Debug)]
pub struct Rows {
    unit: Unit,
    seconds: u32,
    row: usize,
    answer: Answer,
}

impl Rows {
    /// For rows of this unit and length.
    #[must_use]
    pub fn new(unit: Unit, seconds: u32) -> Self {
        Self {
            unit,
            seconds: seconds.clamp(60, 86_400),
            row: 0,
            answer: Answer::default(),
        }
    }

    /// Takes a row; without a figure it is a gap.
    ///
    /// # Errors
    /// If its time or its figure cannot be.
    pub fn push(&mut self, at: &str, figure: Option<f64>, kind: Kind) -> Result<(), AnswerFault> {
        let seconds = self.seconds;
        self.push_for(at, seconds, figure, kind)
    }

    /// Takes a row of its own length.
    ///
    /// # Errors
    /// If its time or its figure cannot be.
    pub fn push_for(
        &mut self,
        at: &str,
        seconds: u32,
        figure: Option<f64>,
        kind: Kind,
    ) -> Result<(), AnswerFault> {
        self.row += 1;
        let row = self.row;
        let start: Timestamp = at.parse().map_err(|_| AnswerFault::Time {
            row,
            text: at.chars().take(40).collect(),
        })?;
        let Some(figure) = figure.filter(|figure| !figure.is_nan()) else {
            self.answer.nulls += 1;
            return Ok(());
        };
        let intensity = self
            .unit
            .convert(figure)
            .map_err(|source| AnswerFault::Implausible {
                row,
                at: start.to_string(),
                source,
            })?;
        self.answer.readings.push(Reading {
            start,
            seconds: seconds.clamp(60, 86_400),
            intensity,
            kind,
        });
        Ok(())
    }

    /// The answer.
    ///
    /// # Errors
    /// If there is no figure in it.
    pub fn finish(self) -> Result<Answer, AnswerFault> {
        if self.answer.readings.is_empty() {
            let nulls = self.answer.nulls;
            return Err(AnswerFault::Empty { nulls });
        }
        Ok(self.answer)
    }
}

/// One hour made of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// The mean over the hour.
    pub intensity: Intensity,
    /// Whether a part of it is the publisher's estimate.
    pub is_estimated: bool,
    /// Whether a part of it is a forecast.
    pub is_forecast: bool,
}

/// The hours that readings cover to the last second; others stay gaps.
#[must_use]
pub fn hours(readings: &[Reading]) -> BTreeMap<UtcHour, Hour> {
    // A later reading of the same stretch replaces an earlier one.
    let by_start: BTreeMap<i64, &Reading> = readings
        .iter()
        .map(|reading| (reading.start.as_second(), reading))
        .collect();
    let mut minutes: BTreeMap<UtcHour, BTreeMap<i64, &Reading>> = BTreeMap::new();
    for (start_s, reading) in by_start {
        let first = start_s.div_euclid(60);
        let last = (start_s + i64::from(reading.seconds)).div_euclid(60);
        for minute in first..last {
            let hour = UtcHour::from_unix_seconds(minute * 60);
            minutes.entry(hour).or_default().insert(minute, reading);
        }
    }
    let whole = |(hour, parts): (UtcHour, BTreeMap<i64, &Reading>)| {
        if i64::try_from(parts.len()) != Ok(HOUR_S / 60) {
            return None;
        }
        let any = |wanted: fn(Kind) -> bool| parts.values().any(|part| wanted(part.kind));
        let made = Hour {
            intensity: mean(parts.values().map(|part| part.intensity))?,
            is_estimated: any(|kind| kind == Kind::Observed { is_estimated: true }),
            is_forecast: any(|kind| kind == Kind::Forecast),
        };
        Some((hour, made))
    };
    minutes.into_iter().filter_map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Kind = Kind::Observed {
        is_estimated: false,
    };

    #[test]
    fn a_unit_that_is_not_what_it_says_is_refused_with_its_row() {
        let mut rows = Rows::new(Unit::TonnesPerMwh, 3_600);
        rows.push("2024-06-14T15:00Z", Some(0.4173), SEEN).unwrap();
        let refused = rows.push("2024-06-14T16:00Z", Some(402.0), SEEN);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("row 2") && refused.contains("402000"),
            "{refused}"
        );
        let answer = rows.finish().unwrap();
        assert_eq!(
            answer.readings[0].intensity.micrograms_per_kwh(),
            417_300_000
        );
    }

    #[test]
    fn pounds_per_megawatt_hour_become_grams_per_kilowatt_hour() {
        let of = |figure| Unit::PoundsPerMwh.convert(figure).unwrap();
        assert_eq!(of(900.0).micrograms_per_kwh(), 408_233_133);
    }

    #[test]
    fn an_hour_is_made_of_all_its_parts_or_stays_a_gap() {
        let mut rows = Rows::new(Unit::GramsPerKwh, 1_800);
        for (at, figure) in [
            ("2024-06-14T15:00Z", Some(100.0)),
            ("2024-06-14T15:30Z", Some(200.0)),
            ("2024-06-14T16:00Z", Some(300.0)),
            ("2024-06-14T16:30Z", None),
        ] {
            rows.push(at, figure, SEEN).unwrap();
        }
        let answer = rows.finish().unwrap();
        assert_eq!(answer.nulls, 1);
        let made = hours(&answer.readings);
        let known: Vec<_> = made
            .values()
            .map(|hour| hour.intensity.to_string())
            .collect();
        assert_eq!(known, ["150.0 gCO2eq/kWh"]);
    }

    #[test]
    fn no_figure_and_no_number_are_gaps_and_never_zero() {
        let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
        rows.push("2024-06-14T15:00Z", None, SEEN).unwrap();
        rows.push("2024-06-14T16:00Z", Some(f64::NAN), SEEN)
            .unwrap();
        assert_eq!(rows.finish().unwrap_err(), AnswerFault::Empty { nulls: 2 });
        let mut rows = Rows::new(Unit::GramsPerKwh, 3_600);
        assert!(rows.push("yesterday", Some(1.0), SEEN).is_err());
    }
}
