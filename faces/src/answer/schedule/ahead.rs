//! A job on the curve of the grid's hours ahead.

use jiff::{Timestamp, Zoned};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::Point;
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy::status::Bounded;
use tanso_power::Estimate;

use super::super::AnswerFault;
use super::super::compare::milligrams_of;
use super::super::figures::{bounded, milligrams, milligrams_per_kwh};
use super::plan::{Hour, Window};
use super::{There, WINDOWS};

/// The grid's hours ahead.
pub(super) struct Ahead<'a> {
    there: &'a There,
    period: Period,
    curves: Estimate<CostCurve>,
    pub(super) notes: Vec<String>,
}

/// What was found on the curve.
pub(super) struct OnCurve {
    pub(super) best: Vec<Window>,
    pub(super) now: Window,
    pub(super) saving: Bounded,
    pub(super) average: GramsCo2e,
    pub(super) best_value: GramsCo2e,
    pub(super) now_value: GramsCo2e,
    pub(super) best_start: Zoned,
    pub(super) hours: Vec<Hour>,
}

impl<'a> Ahead<'a> {
    pub(super) fn of(
        there: &'a There,
        earliest: Timestamp,
        deadline: Timestamp,
    ) -> Result<Self, AnswerFault> {
        let series = &*there.grid.series;
        let whole = Period {
            from: UtcHour::containing(earliest),
            until: UtcHour::from_unix_seconds(deadline.as_second().saturating_sub(1)).plus_hours(1),
        };
        let mut notes = Vec::new();
        let gap = whole.hours().find(|hour| series.at(*hour).is_none());
        let period = match gap {
            Some(hour) if hour > whole.from => {
                notes.push(format!(
                    "the figures end {hour}, before the deadline: planned within them"
                ));
                Period {
                    until: hour,
                    ..whole
                }
            }
            _ => whole,
        };
        let curve = |pick: fn(Point) -> Intensity| CostCurve::of_hours(series, period, pick);
        let curves = || {
            Some(Estimate {
                low: curve(|point| point.intensity.low)?,
                value: curve(|point| point.intensity.value)?,
                high: curve(|point| point.intensity.high)?,
            })
        };
        let curves = curves().ok_or_else(|| AnswerFault::NotKnown {
            what: format!("the hours ahead of grid zone {}", there.zone),
            reason: format!("no figure for {}", whole.from),
        })?;
        Ok(Self {
            there,
            period,
            curves,
            notes,
        })
    }

    fn at(&self, job: &Job, start_s: i64) -> Option<(Window, Estimate<GramsCo2e>)> {
        let of = |curve: &CostCurve| curve.emissions(job, start_s);
        let mass = Estimate {
            low: of(&self.curves.low)?,
            value: of(&self.curves.value)?,
            high: of(&self.curves.high)?,
        };
        let window = Window {
            start: self.local(start_s)?.to_string_offset(),
            end: self
                .local(start_s.saturating_add(job.seconds()))?
                .to_string_offset(),
            emissions_milligrams: milligrams_of(mass),
            intensity_milligrams_per_kwh: Intensity::of(mass.value, job.energy())
                .map(milligrams_per_kwh),
        };
        Some((window, mass))
    }

    fn local(&self, second: i64) -> Option<Local> {
        let at = Timestamp::from_second(second).ok()?;
        Some(Local(at.to_zoned(self.there.time_zone.clone())))
    }

    pub(super) fn plan(
        &self,
        job: &Job,
        earliest: Timestamp,
        deadline: Timestamp,
    ) -> Result<OnCurve, AnswerFault> {
        let short = || AnswerFault::NotKnown {
            what: format!("the hours ahead of grid zone {}", self.there.zone),
            reason: format!(
                "the figures end {}, before the job would",
                self.period.until
            ),
        };
        let earliest_s = earliest.as_second();
        let latest_s = deadline.as_second().saturating_sub(job.seconds());
        let (now, now_mass) = self.at(job, earliest_s).ok_or_else(short)?;
        let slots = self.curves.value.best(job, earliest_s, latest_s, WINDOWS);
        let best = slots.iter().filter_map(|slot| self.at(job, slot.start_s));
        let (best, masses): (Vec<_>, Vec<_>) = best.unzip();
        let (first, best_mass) = slots.first().zip(masses.first()).ok_or_else(short)?;
        let hours = self.hours(job, earliest_s, latest_s);
        let starts: Vec<_> = std::iter::once(earliest_s)
            .chain(self.period.hours().map(UtcHour::unix_seconds))
            .filter(|start| (earliest_s..=latest_s).contains(start))
            .filter_map(|start| self.curves.value.emissions(job, start))
            .collect();
        let count = u64::try_from(starts.len()).unwrap_or(1).max(1);
        let average = starts.into_iter().sum::<GramsCo2e>().scaled(1, count);
        Ok(OnCurve {
            saving: difference(now_mass, *best_mass),
            best_start: self.local(first.start_s).ok_or_else(short)?.0,
            best_value: best_mass.value,
            now_value: now_mass.value,
            best,
            now,
            average,
            hours,
        })
    }

    fn hours(&self, job: &Job, earliest_s: i64, latest_s: i64) -> Vec<Hour> {
        let hour = |hour: UtcHour| {
            let point = self.there.grid.series.at(hour)?;
            let start = hour.unix_seconds();
            let fits = (earliest_s..=latest_s).contains(&start);
            let mass = fits
                .then(|| self.curves.value.emissions(job, start))
                .flatten();
            Some(Hour {
                start: self.local(start)?.to_string_offset(),
                intensity_milligrams_per_kwh: bounded(point.intensity, milligrams_per_kwh),
                origin: format!("{:?}", point.origin),
                emissions_milligrams: mass.map(milligrams),
            })
        };
        self.period.hours().filter_map(hour).collect()
    }
}

/// A local time.
struct Local(Zoned);

impl Local {
    /// `2026-11-22T10:00:00+09:00`.
    fn to_string_offset(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

fn difference(was: Estimate<GramsCo2e>, is: Estimate<GramsCo2e>) -> Bounded {
    let of = |was: GramsCo2e, is: GramsCo2e| milligrams(was).saturating_sub(milligrams(is));
    let parts = [
        of(was.low, is.low),
        of(was.value, is.value),
        of(was.high, is.high),
    ];
    Bounded {
        low: parts.into_iter().min().unwrap_or(0),
        value: of(was.value, is.value),
        high: parts.into_iter().max().unwrap_or(0),
    }
}
