//! Hourly CSV tables to series; every broken row with its place and reason.
//!
//! Two forms are read, told apart by their header:
//! `datetime_utc,zone,ci_direct_gco2eq_kwh,ci_lifecycle_gco2eq_kwh,estimated`
//! and the simple `datetime_utc,gco2eq_per_kwh`. Lines that begin with `#`
//! are comments. An empty figure is a gap, not a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use csv::{ReaderBuilder, StringRecord};

use crate::calendar::UtcHour;
use crate::series::{Boundary, IntensitySeries, Origin, Point, SeriesInfo};
use crate::units::Intensity;

/// The most faults that are told one by one.
pub const FAULTS_SHOWN: usize = 20;

/// One fault in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFault {
    /// The file.
    pub file: String,
    /// The line in the file, from 1; the header is a line too.
    pub row: u64,
    /// The column; empty if the whole row is meant.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            row,
            column,
            value,
            reason,
        } = self;
        if column.is_empty() {
            write!(f, "{file} row {row}: {reason}")
        } else {
            write!(f, "{file} row {row}, {column} {value:?}: {reason}")
        }
    }
}

/// All faults of a table: the first twenty, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFaults {
    /// The first faults, in the order of the file.
    pub faults: Vec<TableFault>,
    /// How many more were found.
    pub more: usize,
}

impl fmt::Display for TableFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        if self.more > 0 {
            write!(f, "; and {} more faults", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for TableFaults {}

/// Parses an hourly table; of the full form, the rows of `info.zone` and the
/// column of `info.boundary`. Rows of other zones are checked too.
///
/// ```
/// use tanso_carbon::{HourlyIntensity, SeriesInfo, UtcHour, table::parse_hourly};
/// let info = SeriesInfo::average_life_cycle("X-OWN", "our meter");
/// let text = "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n2026-11-21T02:00Z,402\n";
/// let series = parse_hourly("own.csv", text, info.clone())?;
/// assert_eq!(series.at(UtcHour::parse("2026-11-21T01:00Z")?), None);
/// let broken = parse_hourly("own.csv", &text.replace("402", "402000"), info).unwrap_err();
/// assert!(broken.to_string().starts_with("own.csv row 3, gco2eq_per_kwh \"402000\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// All faults of the table: no such column or zone, no hour, an hour twice,
/// no number, a figure that is no intensity.
pub fn parse_hourly(
    file: &str,
    text: &str,
    info: SeriesInfo,
) -> Result<IntensitySeries, TableFaults> {
    let mut table = Table::open(file, text);
    let full = table.has("zone");
    let column = match (full, info.boundary) {
        (true, Boundary::Direct) => "ci_direct_gco2eq_kwh",
        (true, Boundary::LifeCycle) => "ci_lifecycle_gco2eq_kwh",
        (false, _) => "gco2eq_per_kwh",
    };
    table.demand(&["datetime_utc", column]);
    if full {
        table.allow(&[
            "datetime_utc",
            "zone",
            "ci_direct_gco2eq_kwh",
            "ci_lifecycle_gco2eq_kwh",
            "estimated",
        ]);
    } else {
        table.allow(&["datetime_utc", "gco2eq_per_kwh", "estimated"]);
    }
    let mut points = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut zones = BTreeSet::new();
    while let Some(mut row) = table.next_row() {
        let zone = if full {
            row.get("zone").to_owned()
        } else {
            info.zone.clone()
        };
        zones.insert(zone.clone());
        let hour = row.parse("datetime_utc", UtcHour::parse);
        let intensity = row.optional(column, parse_intensity);
        let estimated = row.flag("estimated");
        let (Some(hour), Some(intensity), Some(estimated)) = (hour, intensity, estimated) else {
            continue;
        };
        if !seen.insert((zone.clone(), hour)) {
            row.fault(
                "datetime_utc",
                format!("hour {hour} of zone {zone:?} stands twice"),
            );
        } else if let Some(intensity) = intensity
            && zone == info.zone
        {
            let origin = if estimated {
                Origin::PublisherEstimate
            } else {
                Origin::Published
            };
            points.insert(hour, Point::exact(intensity, origin));
        }
    }
    if points.is_empty() {
        let known = zones.into_iter().collect::<Vec<_>>().join(", ");
        let reason = format!(
            "no figure for zone {:?}; zones in the table: {known}",
            info.zone
        );
        table.fault_at(1, "", "", reason);
    }
    table.finish()?;
    IntensitySeries::try_new(info, points).map_err(|error| TableFaults {
        faults: vec![TableFault {
            file: file.to_owned(),
            row: 1,
            column: String::new(),
            value: String::new(),
            reason: error.to_string(),
        }],
        more: 0,
    })
}

/// Whether a table of intensity says in each row which zone it is of.
#[must_use]
pub fn names_zones(text: &str) -> bool {
    Table::open("", text).has("zone")
}

/// An intensity from a cell in g/kWh.
pub(crate) fn parse_intensity(text: &str) -> Result<Intensity, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Intensity::try_from_grams_per_kwh(number).map_err(|error| error.to_string())
}

/// A CSV text that is being read, with the faults found so far.
pub(crate) struct Table<'a> {
    file: &'a str,
    header: Vec<String>,
    records: csv::StringRecordsIntoIter<&'a [u8]>,
    faults: TableFaults,
    missing: bool,
}

impl<'a> Table<'a> {
    /// Reads the header.
    pub(crate) fn open(file: &'a str, text: &'a str) -> Self {
        let mut reader = ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader
            .headers()
            .map(|header| header.iter().map(str::to_owned).collect())
            .unwrap_or_default();
        let faults = TableFaults {
            faults: Vec::new(),
            more: 0,
        };
        Self {
            file,
            header,
            records: reader.into_records(),
            faults,
            missing: false,
        }
    }

    /// Whether there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }

    /// The header's columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.header
    }

    /// Notes each of these columns that is missing; then no row is read.
    pub(crate) fn demand(&mut self, columns: &[&str]) {
        for column in columns {
            if !self.has(column) {
                self.missing = true;
                let found = self.header.join(",");
                let separated = match self.other_separator() {
                    Some(other) => {
                        format!("; columns are separated by {other:?}, accepted is \",\"")
                    }
                    None => String::new(),
                };
                let reason =
                    format!("the header has no column {column:?}; it is {found:?}{separated}");
                self.fault_at(1, "", "", reason);
            }
        }
    }

    /// What separates the columns of a header that is one column to a reader of
    /// commas: spreadsheets of many countries write semicolons.
    fn other_separator(&self) -> Option<&'static str> {
        let [only] = self.header.as_slice() else {
            return None;
        };
        let mut others = [";", "\t", "|"].into_iter();
        others.find(|other| only.contains(other))
    }

    /// Notes each column that is none of these or stands twice: a figure under
    /// a misspelt name would be left out without a word.
    pub(crate) fn allow(&mut self, known: &[&str]) {
        let header = self.header.clone();
        for (index, column) in header.iter().enumerate() {
            let is_twin = header.iter().take(index).any(|other| other == column);
            let reason = if is_twin {
                "the column stands twice".to_owned()
            } else if known.contains(&column.as_str()) {
                continue;
            } else {
                format!("no such column is read; known are {}", known.join(", "))
            };
            self.fault_at(1, &format!("column {}", index + 1), column, reason);
        }
    }

    /// The next row that is a row at all.
    pub(crate) fn next_row(&mut self) -> Option<Row<'_, 'a>> {
        if self.missing {
            return None;
        }
        loop {
            match self.records.next()? {
                Ok(record) => {
                    if let Some(open) = unclosed(&record) {
                        let row = record.position().map_or(0, csv::Position::line);
                        let column = self.header.get(open).cloned().unwrap_or_default();
                        let value = record.get(open).unwrap_or_default();
                        let reason =
                            "a quote is not closed in its row: the rows after it would be \
                                      part of this cell"
                                .to_owned();
                        self.fault_at(row, &column, value, reason);
                        continue;
                    }
                    return Some(Row {
                        record,
                        table: self,
                    });
                }
                Err(error) => {
                    let row = error.position().map_or(0, csv::Position::line);
                    let reason = match error.kind() {
                        csv::ErrorKind::UnequalLengths {
                            expected_len, len, ..
                        } => {
                            format!("{len} fields, the header has {expected_len}")
                        }
                        _ => error.to_string(),
                    };
                    self.fault_at(row, "", "", reason);
                }
            }
        }
    }

    /// Notes a fault; past the first twenty only their number.
    pub(crate) fn fault_at(&mut self, row: u64, column: &str, value: &str, reason: String) {
        if self.faults.faults.len() >= FAULTS_SHOWN {
            self.faults.more += 1;
            return;
        }
        self.faults.faults.push(TableFault {
            file: self.file.to_owned(),
            row,
            column: column.to_owned(),
            value: value.chars().take(80).collect(),
            reason,
        });
    }

    /// The faults, if there are any.
    pub(crate) fn finish(self) -> Result<(), TableFaults> {
        if self.faults.faults.is_empty() {
            Ok(())
        } else {
            Err(self.faults)
        }
    }
}

/// The cell that goes on over the end of its line: a quote that is not closed
/// takes the rows after it in, and their energy would be lost without a word.
fn unclosed(record: &StringRecord) -> Option<usize> {
    record.iter().position(|cell| cell.contains(['\n', '\r']))
}

/// A row of a table.
pub(crate) struct Row<'t, 'a> {
    record: StringRecord,
    table: &'t mut Table<'a>,
}

impl Row<'_, '_> {
    /// A cell; empty if there is no such column.
    pub(crate) fn get(&self, column: &str) -> &str {
        let index = self.table.header.iter().position(|name| name == column);
        index
            .and_then(|index| self.record.get(index))
            .unwrap_or_default()
    }

    /// Its line in the file, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// Notes a fault in a cell.
    pub(crate) fn fault(&mut self, column: &str, reason: String) {
        let row = self.number();
        let value = self.get(column).to_owned();
        self.table.fault_at(row, column, &value, reason);
    }

    /// A cell that must be there; `None` and a fault noted if it is broken.
    pub(crate) fn parse<T, E: fmt::Display>(
        &mut self,
        column: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.get(column)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(column, error.to_string());
                None
            }
        }
    }

    /// A cell that may be empty: `None` if broken, `Some(None)` if empty.
    #[expect(
        clippy::option_option,
        reason = "broken, empty and given are three things"
    )]
    pub(crate) fn optional<T, E: fmt::Display>(
        &mut self,
        column: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        if self.get(column).is_empty() {
            Some(None)
        } else {
            self.parse(column, parse).map(Some)
        }
    }

    /// A cell of 0 or 1; 0 if empty or if there is no such column.
    fn flag(&mut self, column: &str) -> Option<bool> {
        self.parse(column, |text| match text {
            "" | "0" => Ok(false),
            "1" => Ok(true),
            _ => Err("accepted are 0 and 1"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::HourlyIntensity;

    /// The rest of a table was one cell, and what was left of it Compliant.
    #[test]
    fn a_quote_that_is_not_closed_loses_no_row_without_a_word() {
        let read = |text: &str| {
            let mut table = Table::open("t.csv", text);
            let mut names = Vec::new();
            while let Some(row) = table.next_row() {
                names.push(row.get("name").to_owned());
            }
            (names, table.finish())
        };
        let (names, faults) = read("hour,name\n0,x\n1,\"a\n2,b\n3,c\"\n4,d\n");
        assert_eq!(names, ["x", "d"]);
        let told = faults.unwrap_err().to_string();
        assert!(told.contains("row 3") && told.contains("name"), "{told}");
        assert!(told.contains("a quote is not closed"), "{told}");
        // To the end of the file.
        let (_, faults) = read("hour,name\n1,\"a\n2,b\n3,c\n");
        assert!(faults.is_err());
        // Quotes that are closed are as good as none.
        let (names, faults) = read("hour,name\n1,\"a, b\"\n2,\"c\"\n");
        assert_eq!(
            (names.as_slice(), faults),
            (&["a, b", "c"].map(String::from)[..], Ok(()))
        );
    }

    const FULL: &str = "datetime_utc,zone,ci_direct_gco2eq_kwh,ci_lifecycle_gco2eq_kwh,estimated\n\
        2024-01-01T00:00Z,KR,300.5,400.25,0\n\
        2024-01-01T00:00Z,DE,200,300,1\n\
        2024-01-01T01:00Z,KR,,,0\n\
        2024-01-01T02:00Z,KR,310,410,1\n";

    fn info(zone: &str) -> SeriesInfo {
        SeriesInfo::average_life_cycle(zone, "test")
    }

    #[test]
    fn the_full_form_gives_a_zone_and_a_boundary() {
        let series = parse_hourly("f.csv", FULL, info("KR")).unwrap();
        assert_eq!((series.points().count(), series.gap_count()), (2, 1));
        let last = series
            .at(UtcHour::parse("2024-01-01T02:00Z").unwrap())
            .unwrap();
        assert_eq!(last.origin, Origin::PublisherEstimate);
        let direct = SeriesInfo {
            boundary: Boundary::Direct,
            ..info("DE")
        };
        let series = parse_hourly("f.csv", FULL, direct).unwrap();
        let (_, point) = series.points().next().unwrap();
        assert_eq!(
            point.intensity.value.as_grams_per_kwh_f64().to_string(),
            "200"
        );
    }

    #[test]
    fn a_broken_row_names_file_row_column_value_and_reason() {
        let text = "datetime_utc,gco2eq_per_kwh\n2024-01-01T00:00Z,abc\n\
            2024-01-01T00:30Z,400\n2024-01-01T01:00Z,5000\n2024-01-01T02:00Z\n\
            2024-01-01T03:00Z,1\n2024-01-01T03:00Z,2\n";
        let faults = parse_hourly("own.csv", text, info("X")).unwrap_err();
        let told: Vec<_> = faults.faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 5, "{told:#?}");
        assert_eq!(
            told[0],
            "own.csv row 2, gco2eq_per_kwh \"abc\": not a number"
        );
        assert!(told[1].contains("row 3, datetime_utc") && told[1].contains("start of a UTC hour"));
        assert!(told[2].contains("5000") && told[2].contains("0 to 2000"));
        assert!(told[3].contains("row 5: 1 fields"), "{}", told[3]);
        assert!(told[4].contains("row 7") && told[4].contains("twice"));
    }

    #[test]
    fn past_twenty_faults_only_their_number_is_told() {
        let rows = (0..24).map(|hour| format!("2024-01-01T{hour:02}:00Z,-1\n"));
        let text = format!("datetime_utc,gco2eq_per_kwh\n{}", rows.collect::<String>());
        let faults = parse_hourly("own.csv", &text, info("X")).unwrap_err();
        assert_eq!((faults.faults.len(), faults.more), (FAULTS_SHOWN, 5));
    }

    #[test]
    fn a_table_without_the_zone_or_the_column_says_what_it_has() {
        let faults = parse_hourly("f.csv", FULL, info("FR"))
            .unwrap_err()
            .to_string();
        assert!(
            faults.contains("\"FR\"; zones in the table: DE, KR"),
            "{faults}"
        );
        let faults = parse_hourly("f.csv", "time,value\n1,2\n", info("FR")).unwrap_err();
        assert!(
            faults.to_string().contains("no column \"datetime_utc\""),
            "{faults}"
        );
        assert!(parse_hourly("f.csv", "", info("FR")).is_err());
    }

    /// A misspelt `estimated` made published data of estimates.
    #[test]
    fn an_unknown_column_is_refused_by_name() {
        let text = "datetime_utc,gco2eq_per_kwh,estimate\n2024-01-01T00:00Z,400,1\n";
        let told = parse_hourly("own.csv", text, info("X")).unwrap_err();
        assert!(
            told.to_string().starts_with(
                "own.csv row 1, column 3 \"estimate\": no such column is read; known are datetime_utc"
            ),
            "{told}"
        );
        let twice = text.replace("estimate", "gco2eq_per_kwh");
        let told = parse_hourly("own.csv", &twice, info("X")).unwrap_err();
        assert!(told.to_string().contains("stands twice"), "{told}");
    }
}
