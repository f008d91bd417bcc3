//! When a machine was sold, as tables and people write it: 2021-09, Sep-2021,
//! 2021.
//!
//! Years outside those in which such machines were and may be sold are refused,
//! not clamped: a year of 1 would be extrapolated from.

/// The years that are accepted: those of the training tables, and room ahead.
const FIRST: u16 = 2_000;
const LAST: u16 = 2_100;

/// The accepted years, for refusals.
pub(super) const YEARS: &str = "from 2000 to 2100";

/// The accepted forms, for refusals.
pub(super) const FORMS: &str = "a date as \"2021-09\", \"2021-09-30\", \"Sep-2021\" or \"2021\"";

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// A year, perhaps with its month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// The year.
    pub(super) year: u32,
    /// 1 to 12.
    month: Option<u8>,
}

impl Date {
    /// A year of which the month is not known.
    pub(super) const fn year_alone(year: u32) -> Self {
        Self { year, month: None }
    }

    /// Reads one of [`FORMS`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(['-', '/', ' ']);
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        let (year, month) = match (first, second, third) {
            (year, None, None) => return Some(Self::year_alone(whole_year(year)?)),
            (year, Some(month), day) if year.len() == 4 => {
                let day = day.map_or(Some(1), |day| day.parse::<u8>().ok());
                day.filter(|day| (1..=31).contains(day))?;
                (year, month.parse::<u8>().ok()?)
            }
            (month, Some(year), None) => (year, month_named(month)?),
            _ => return None,
        };
        let month = Some(month).filter(|month| (1..=12).contains(month))?;
        Some(Self {
            year: whole_year(year)?,
            month: Some(month),
        })
    }

    /// In years, the month as a part of one, as training takes it; `None` if
    /// the month is not known.
    pub(super) fn in_years(self) -> Option<f64> {
        let month = f64::from(self.month?);
        Some(f64::from(self.year) + (month - 1.0) / 12.0)
    }
}

/// A number that is an accepted year.
pub(super) fn year(number: f64) -> Option<u32> {
    (FIRST..=LAST)
        .find(|year| f64::from(*year).total_cmp(&number).is_eq())
        .map(u32::from)
}

fn whole_year(text: &str) -> Option<u32> {
    let year = text.parse::<u16>().ok()?;
    (FIRST..=LAST).contains(&year).then(|| u32::from(year))
}

/// A month by its name or the first three letters of it.
fn month_named(name: &str) -> Option<u8> {
    let lower = name.to_lowercase();
    let found = MONTHS
        .iter()
        .position(|month| lower.starts_with(month) && lower.chars().all(char::is_alphabetic))?;
    u8::try_from(found + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_however_it_is_written() {
        for text in [
            "2021-09",
            "2021-09-30",
            "Sep-2021",
            "September 2021",
            "2021/9",
        ] {
            let date = Date::parse(text).unwrap();
            assert_eq!((date.year, date.month), (2_021, Some(9)), "{text}");
        }
        let years = Date::parse("Sep-2021").unwrap().in_years().unwrap();
        assert!((years - (2_021.0 + 8.0 / 12.0)).abs() < 1e-9);
        let alone = Date::parse("2021").unwrap();
        assert_eq!((alone, alone.in_years()), (Date::year_alone(2_021), None));
    }

    #[test]
    fn what_is_no_date_of_such_machines_is_none() {
        for text in [
            "Sep-",
            "1",
            "0001-02",
            "2021-13",
            "2021-00",
            "Spt-2021",
            "21-09",
            "2101-01",
            "2021-09-30-1",
            "2021-09-x",
            "1999",
            "soon",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert_eq!(
            (year(1.0), year(2_020.5), year(2_020.0)),
            (None, None, Some(2_020))
        );
    }
}
