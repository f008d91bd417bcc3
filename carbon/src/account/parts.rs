//! Accounts of many parts, such as the workloads of a cluster, and of all of
//! them together.

use tanso_power::Estimate;

use super::hours::Hours;
use super::{Account, Coverage, EnergyRow, HourAccount, Place, PueStanding};
use crate::series::{Boundary, Point};
use crate::units::Pue;

/// A place with what its energy is multiplied with, and the figures of its grid
/// that were asked for.
pub(super) struct Factor<'a> {
    place: &'a Place<'a>,
    pub(super) pue: Estimate<Pue>,
    pub(super) standing: PueStanding,
    pub(super) boundary: Boundary,
    /// A marginal series prices nothing.
    is_average: bool,
    points: Hours<Option<Point>>,
}

impl<'a> Factor<'a> {
    fn of(place: &'a Place<'a>) -> Self {
        Self {
            place,
            pue: place.pue_factor(),
            standing: place.standing(),
            boundary: place.intensity.info().boundary,
            is_average: place.is_average(),
            points: Hours::new(),
        }
    }
}

/// The accounts of parts, one after the other, and in the end that of all.
///
/// What many parts share is looked up once, and what they add up to is not
/// counted a second time: the whole is exactly the account of all their rows.
///
/// ```
/// use tanso_carbon::account::{Accounts, Coverage, EnergyRow, Place, account};
/// use tanso_carbon::{Intensity, SeriesInfo, StaticIntensity, UtcHour};
/// use tanso_power::{Estimate, Joules, Provenance};
/// let factor = Estimate::exact(Intensity::try_from_grams_per_kwh(417.3)?);
/// let grid = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "official factor"), factor);
/// let places = [Place::new(&grid, None)];
/// let row = |microjoules| EnergyRow {
///     hour: UtcHour::from_unix_seconds(0),
///     place: 0,
///     energy: Estimate::exact(Joules::from_microjoules(microjoules)),
///     provenance: Provenance::Measured,
/// };
/// let covered = Coverage::new(1, 1);
/// let mut accounts = Accounts::at(&places);
/// let one = accounts.part([row(3_600_000_000_000)], covered);
/// let other = accounts.part([row(7_200_000_000_000)], covered);
/// assert_eq!((one.emissions.value.whole_grams(), other.emissions.value.whole_grams()), (417, 835));
/// let all = [row(3_600_000_000_000), row(7_200_000_000_000)];
/// assert_eq!(accounts.whole(covered), account(&all, &places, covered));
/// # Ok::<(), tanso_carbon::units::UnitError>(())
/// ```
pub struct Accounts<'a> {
    factors: Vec<Factor<'a>>,
    hours: Hours<HourAccount>,
    whole: Account,
}

impl<'a> Accounts<'a> {
    /// None yet, at these places.
    #[must_use]
    pub fn at(places: &'a [Place<'a>]) -> Self {
        Self {
            factors: places.iter().map(Factor::of).collect(),
            hours: Hours::new(),
            whole: Account::default(),
        }
    }

    /// The account of a part's rows, in any order, without its hours: these are
    /// kept of the whole alone.
    pub fn part(
        &mut self,
        rows: impl IntoIterator<Item = EnergyRow>,
        coverage: Coverage,
    ) -> Account {
        let mut sum = Account {
            coverage,
            ..Account::default()
        };
        for row in rows {
            let hour = self.hours.at(row.hour, HourAccount::default);
            let Some(at) = self.factors.get_mut(row.place) else {
                let pue = Estimate::exact(Pue::ONE);
                sum.book_unpriced(hour, &row, pue, PueStanding::Missing);
                continue;
            };
            let Factor { place, points, .. } = at;
            let point = *points.at(row.hour, || place.intensity.at(row.hour));
            match point.filter(|_| at.is_average) {
                Some(point) => sum.book(hour, &row, at, point),
                None => sum.book_unpriced(hour, &row, at.pue, at.standing),
            }
        }
        self.whole.add(&sum);
        sum
    }

    /// The account of all parts, of a period of which so much was seen.
    #[must_use]
    pub fn whole(self, coverage: Coverage) -> Account {
        Account {
            coverage,
            hours: self.hours.finish(),
            ..self.whole
        }
    }
}
