//! Energy × PUE × intensity, hour by hour, added up with nothing dropped.
//!
//! PUE is applied once, and not at all to energy metered at the facility.
//! Energy in an hour without intensity is kept apart as unpriced: it is
//! neither clean nor forgotten.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules, Provenance};

use crate::calendar::UtcHour;
use crate::pue::FacilityPue;
use crate::series::{Boundary, HourlyIntensity, Method, Origin, Point};
use crate::units::{GramsCo2e, Intensity, Pue};

mod coverage;
mod hours;
mod parts;
mod weights;

pub use coverage::Coverage;
pub(crate) use coverage::of_the_whole;
pub use parts::Accounts;
use parts::Factor;
use weights::emitted;
pub use weights::{Span, Weights};

/// One workload's energy in one hour at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnergyRow {
    /// The hour.
    pub hour: UtcHour,
    /// The place, an index into the places of the call.
    pub place: usize,
    /// The energy.
    pub energy: Estimate<Joules>,
    /// Where the figure comes from.
    pub provenance: Provenance,
}

/// Where the energy of a place is metered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metering {
    /// At the IT equipment: the facility uses PUE times as much.
    #[default]
    ItEquipment,
    /// At the facility's supply: PUE is in it already.
    Facility,
}

/// Where energy is used: a grid and a facility.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// How clean its grid is.
    pub intensity: &'a dyn HourlyIntensity,
    /// The facility's PUE; without one the factor is 1 and the sum is of IT
    /// energy.
    pub pue: Option<&'a FacilityPue>,
    /// Where the energy is metered.
    pub metering: Metering,
}

impl<'a> Place<'a> {
    /// A place whose energy is metered at the IT equipment.
    #[must_use]
    pub const fn new(intensity: &'a dyn HourlyIntensity, pue: Option<&'a FacilityPue>) -> Self {
        Self {
            intensity,
            pue,
            metering: Metering::ItEquipment,
        }
    }

    fn is_average(&self) -> bool {
        self.intensity.info().method == Method::Average
    }

    /// Whether a budget may be judged by energy metered here: who stands for
    /// the step from metered to facility energy.
    fn standing(&self) -> PueStanding {
        match (self.metering, self.pue) {
            (Metering::Facility, _) => PueStanding::Known,
            (Metering::ItEquipment, None) => PueStanding::Missing,
            (Metering::ItEquipment, Some(pue)) if pue.evidence.is_judged() => PueStanding::Known,
            (Metering::ItEquipment, Some(_)) => PueStanding::Guessed,
        }
    }

    /// What metered energy is multiplied with: PUE, or 1 where it is in it
    /// already or not known.
    #[must_use]
    pub fn pue_factor(&self) -> Estimate<Pue> {
        match (self.metering, self.pue) {
            (Metering::ItEquipment, Some(pue)) => pue.value,
            _ => Estimate::exact(Pue::ONE),
        }
    }
}

/// How the step from metered to facility energy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PueStanding {
    /// Metered at the facility, or by a PUE that somebody stands for.
    Known,
    /// By a PUE that is an average of others or a guess.
    Guessed,
    /// Not at all: the sum is of IT energy.
    Missing,
}

/// The account of one hour, all its places together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HourAccount {
    /// Energy at the IT equipment or as metered.
    pub it_energy: Joules,
    /// Energy of the facility for it.
    pub facility_energy: Estimate<Joules>,
    /// What was emitted; without the part that is unpriced.
    pub emissions: Estimate<GramsCo2e>,
    /// Facility energy whose intensity is an estimate.
    pub estimated: Joules,
    /// Facility energy without any intensity.
    pub unpriced: Joules,
}

/// The account of a period: sums that can be added to those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Energy as it was metered, before PUE.
    pub it_energy: Estimate<Joules>,
    /// Energy of the facility, PUE in it.
    pub facility_energy: Estimate<Joules>,
    /// What was emitted; bounds from energy, PUE and intensity together.
    pub emissions: Estimate<GramsCo2e>,
    /// How much each intensity weighs, for the bounds of the effective one.
    #[serde(default)]
    pub weights: Weights,
    /// Metered energy by provenance, as far as it is said.
    pub by_provenance: BTreeMap<Provenance, Joules>,
    /// Facility energy by where its intensity comes from.
    pub by_origin: BTreeMap<Origin, Joules>,
    /// Facility energy without any intensity; not in the emissions.
    pub unpriced: Joules,
    /// Facility energy by a PUE that is an average of others or a guess.
    #[serde(default)]
    pub pue_guessed: Joules,
    /// Energy metered at the IT equipment where no PUE is known: it counts as
    /// the facility's, which is too little.
    #[serde(default)]
    pub pue_missing: Joules,
    /// Facility energy priced with direct figures, at the stack only.
    #[serde(default)]
    pub direct: Joules,
    /// Facility energy priced with life-cycle figures.
    #[serde(default)]
    pub life_cycle: Joules,
    /// The lowest and the highest intensity that a row was priced with;
    /// `None` if none was.
    #[serde(default)]
    pub priced_between: Option<Span>,
    /// How much of the period was seen.
    pub coverage: Coverage,
    /// Each hour that had energy rows.
    pub hours: BTreeMap<UtcHour, HourAccount>,
}

/// Adds up rows in any order.
///
/// A row whose place is not among `places` is unpriced, and so is one whose
/// place has a marginal series: an account is of averages, and
/// [`crate::marginal`] is for the others.
///
/// ```
/// use tanso_carbon::{
///     Coverage, EnergyRow, FacilityPue, Intensity, Place, Pue, PueEvidence, SeriesInfo,
///     StaticIntensity, UtcHour, account,
/// };
/// use tanso_power::{Estimate, Joules, Provenance};
/// let factor = Estimate::exact(Intensity::try_from_tonnes_per_mwh(0.4173)?);
/// let grid = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "official factor"), factor);
/// let pue = FacilityPue::annual(Pue::try_new(1.4)?, PueEvidence::Measured, "meters of 2025");
/// let row = EnergyRow {
///     hour: UtcHour::parse("2026-06-01T03:00Z")?,
///     place: 0,
///     energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
///     provenance: Provenance::Measured,
/// };
/// let sum = account(&[row], &[Place::new(&grid, Some(&pue))], Coverage::new(1, 1));
/// assert_eq!(sum.emissions.value.to_string(), "584 g");
/// assert_eq!(sum.effective_intensity().map(|i| i.value.to_string()), Some("417.3 gCO2eq/kWh".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn account(rows: &[EnergyRow], places: &[Place<'_>], coverage: Coverage) -> Account {
    let mut accounts = Accounts::at(places);
    accounts.part(rows.iter().copied(), coverage);
    accounts.whole(coverage)
}

impl Account {
    fn book(&mut self, hour: &mut HourAccount, row: &EnergyRow, at: &Factor<'_>, point: Point) {
        let ci = point.intensity;
        let (emissions, least_at_highest) = emitted(row.energy, at.pue, ci);
        let facility = self.book_energy(hour, row, at.pue, at.standing);
        match at.boundary {
            Boundary::Direct => self.direct += facility.value,
            Boundary::LifeCycle => self.life_cycle += facility.value,
        }
        let (low, high) = (ci.low, ci.high);
        let span = Span { low, high };
        self.weights.book(span, facility, least_at_highest);
        self.priced_between = Some(self.priced_between.map_or(span, |seen| seen.around(span)));
        self.emissions = self.emissions + emissions;
        *self.by_origin.entry(point.origin).or_default() += facility.value;
        hour.emissions = hour.emissions + emissions;
        if point.origin.is_estimated() {
            hour.estimated += facility.value;
        }
    }

    fn book_unpriced(
        &mut self,
        hour: &mut HourAccount,
        row: &EnergyRow,
        pue: Estimate<Pue>,
        standing: PueStanding,
    ) {
        let facility = self.book_energy(hour, row, pue, standing).value;
        self.unpriced += facility;
        hour.unpriced += facility;
    }

    /// Books the energy and returns the facility's.
    fn book_energy(
        &mut self,
        hour: &mut HourAccount,
        row: &EnergyRow,
        pue: Estimate<Pue>,
        standing: PueStanding,
    ) -> Estimate<Joules> {
        let value = pue.value.facility_energy(row.energy.value);
        // What is known exactly is multiplied once.
        let facility = if is_exact(row.energy) && is_exact(pue) {
            Estimate::exact(value)
        } else {
            Estimate {
                low: pue.low.facility_energy(row.energy.low),
                value,
                high: pue.high.facility_energy(row.energy.high),
            }
        };
        match standing {
            PueStanding::Known => {}
            PueStanding::Guessed => self.pue_guessed += facility.value,
            PueStanding::Missing => self.pue_missing += facility.value,
        }
        self.it_energy = self.it_energy + row.energy;
        self.facility_energy = self.facility_energy + facility;
        *self.by_provenance.entry(row.provenance).or_default() += row.energy.value;
        hour.it_energy += row.energy.value;
        hour.facility_energy = hour.facility_energy + facility;
        facility
    }

    /// This account and another of other rows.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.add(other);
        self.coverage = self.coverage.and(other.coverage);
        for (hour, theirs) in &other.hours {
            let ours = self.hours.entry(*hour).or_default();
            ours.it_energy += theirs.it_energy;
            ours.facility_energy = ours.facility_energy + theirs.facility_energy;
            ours.emissions = ours.emissions + theirs.emissions;
            ours.estimated += theirs.estimated;
            ours.unpriced += theirs.unpriced;
        }
        self
    }

    /// Adds the sums of other rows, but neither hours nor coverage.
    fn add(&mut self, other: &Self) {
        self.it_energy = self.it_energy + other.it_energy;
        self.facility_energy = self.facility_energy + other.facility_energy;
        self.emissions = self.emissions + other.emissions;
        self.weights.add(&other.weights);
        self.unpriced += other.unpriced;
        self.pue_guessed += other.pue_guessed;
        self.pue_missing += other.pue_missing;
        self.direct += other.direct;
        self.life_cycle += other.life_cycle;
        self.priced_between = match (self.priced_between, other.priced_between) {
            (Some(ours), Some(theirs)) => Some(ours.around(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        for (provenance, energy) in &other.by_provenance {
            *self.by_provenance.entry(*provenance).or_default() += *energy;
        }
        for (origin, energy) in &other.by_origin {
            *self.by_origin.entry(*origin).or_default() += *energy;
        }
    }

    /// Whether there is more energy than a sum of it holds, 2^64 µJ: then the
    /// sums of energy are too small, and nothing may rest on them.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.it_energy.high.microjoules() == u64::MAX
            || self.facility_energy.high.microjoules() == u64::MAX
    }

    /// Whether direct and life-cycle figures are in one sum, which then is
    /// neither.
    #[must_use]
    pub fn mixes_boundaries(&self) -> bool {
        self.direct > Joules::ZERO && self.life_cycle > Joules::ZERO
    }

    /// Facility energy that has an intensity.
    #[must_use]
    pub fn priced(&self) -> Joules {
        self.facility_energy.value.saturating_sub(self.unpriced)
    }

    /// The intensity of the consumed energy, weighted by kWh: what was
    /// emitted over what was used. `None` without energy; never zero for it.
    ///
    /// Its bounds are those of the intensity and of the energy: where energy is
    /// not known exactly in clean hours or places and in dirty ones, neither is
    /// how much each of them weighs. They hold however the errors hang together.
    #[must_use]
    pub fn effective_intensity(&self) -> Option<Estimate<Intensity>> {
        let value = Intensity::of(self.emissions.value, self.priced())?;
        let bounds = self.weights.bounds(self.emissions.low);
        let (Some(bounds), Some(hull)) = (bounds, self.priced_between) else {
            return Some(Estimate::exact(value));
        };
        // Of a few microjoules rounding leaves little; a mean is between what it
        // is the mean of.
        Some(Estimate {
            low: bounds.low.max(hull.low).min(value),
            value,
            high: bounds.high.min(hull.high).max(value),
        })
    }

    /// Whether the bounds of the effective intensity are wider than those of the
    /// intensities alone, since some of the energy is not known exactly.
    #[must_use]
    pub fn has_open_weights(&self) -> bool {
        self.weights.widen(self.emissions.low)
    }

    /// The same in gCO2eq/kWh with bounds for the whole period: an hour of which
    /// nothing is known may have been as clean or as dirty as any that is.
    #[must_use]
    pub fn effective_intensity_of_the_whole(&self) -> Option<Estimate<f64>> {
        let seen = self.effective_intensity()?;
        let seen = seen.map(Intensity::as_grams_per_kwh_f64);
        let share = self.coverage.percent() / 100.0;
        let Some(span) = self.priced_between.filter(|_| share > 0.0) else {
            return Some(seen);
        };
        let with = |seen: f64, unseen: Intensity| {
            seen * share + unseen.as_grams_per_kwh_f64() * (1.0 - share)
        };
        Some(Estimate {
            low: with(seen.low, span.low).min(seen.low),
            value: seen.value,
            high: with(seen.high, span.high).max(seen.high),
        })
    }

    /// The share of the metered energy with this provenance, in percent.
    #[must_use]
    pub fn provenance_percent(&self, provenance: Provenance) -> f64 {
        let part = self
            .by_provenance
            .get(&provenance)
            .copied()
            .unwrap_or_default();
        energy_percent(part, self.it_energy.value)
    }

    /// The share of the metered energy of which nobody says where it comes from,
    /// in percent.
    #[must_use]
    pub fn unknown_provenance_percent(&self) -> f64 {
        let known: Joules = self.by_provenance.values().copied().sum();
        let unknown = self.it_energy.value.saturating_sub(known);
        energy_percent(unknown, self.it_energy.value)
    }

    /// The share of the facility energy whose intensity is an estimate, by
    /// publisher or by fill rule, in percent.
    #[must_use]
    pub fn estimated_percent(&self) -> f64 {
        energy_percent(
            self.energy_where(Origin::is_estimated),
            self.facility_energy.value,
        )
    }

    /// The share of the facility energy whose intensity was filled by a rule,
    /// in percent.
    #[must_use]
    pub fn filled_percent(&self) -> f64 {
        energy_percent(
            self.energy_where(Origin::is_filled),
            self.facility_energy.value,
        )
    }

    /// The share of the facility energy without any intensity, in percent.
    #[must_use]
    pub fn unpriced_percent(&self) -> f64 {
        energy_percent(self.unpriced, self.facility_energy.value)
    }

    fn energy_where(&self, wanted: impl Fn(Origin) -> bool) -> Joules {
        let parts = self.by_origin.iter().filter(|(origin, _)| wanted(**origin));
        parts.map(|(_, energy)| *energy).sum()
    }
}

fn is_exact<T: Copy + PartialEq>(figure: Estimate<T>) -> bool {
    figure.low == figure.value && figure.value == figure.high
}

fn energy_percent(part: Joules, whole: Joules) -> f64 {
    percent(part.microjoules(), whole.microjoules())
}

/// A share in percent; zero of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share is shown with a few digits"
)]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64 * 100.0
    }
}
