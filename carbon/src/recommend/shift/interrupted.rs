//! A run that may be stopped and started again: its hours are the cheapest of
//! those allowed, where each restart costs energy too.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tanso_power::{Estimate, Joules};

use super::ahead::{Ahead, known};
use super::{NoAdvice, WhyNot, confidence, moment, saving, saving_percent};
use crate::calendar::{Period, UtcHour};
use crate::recommend::{Action, Recommendation, Target, Terms};
use crate::schedule::interruptible;
use crate::series::{HourlyIntensity, in_words};
use crate::units::{GramsCo2e, Intensity};

/// Thousandths in a whole.
const WHOLE: u64 = 1_000;

/// A run of whole hours that may be interrupted.
#[derive(Clone, Copy)]
pub struct InterruptRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// The hour in which it would start and run on.
    pub planned: UtcHour,
    /// The first hour allowed.
    pub earliest: UtcHour,
    /// The hour before which it must have ended.
    pub deadline: UtcHour,
    /// How many hours it runs.
    pub hours: u16,
    /// Its facility energy in each hour.
    pub energy_per_hour: Joules,
    /// What a restart costs, in thousandths of an hour's energy.
    pub restart_thousandths: u32,
    /// The time zone to show times in.
    pub time_zone: &'a TimeZone,
    /// How clean the hours ahead are expected to be.
    pub series: &'a dyn HourlyIntensity,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// Advice to run in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct InterruptAdvice {
    /// The advice.
    pub recommendation: Recommendation,
    /// Begin and end of each part, in local time with its offset.
    pub parts: Vec<(Zoned, Zoned)>,
    /// How often it is started again.
    pub restarts: usize,
}

/// The exact best hours before the deadline. A forecast that ends before it is
/// planned within, and that is said.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn shift_interruptible(request: &InterruptRequest<'_>) -> Result<InterruptAdvice, NoAdvice> {
    let wanted = Period {
        from: request.earliest,
        until: request.deadline,
    };
    let period = known(request.series, wanted);
    let ahead = Ahead::try_new(request.series, period)?;
    let slots: Vec<Intensity> = period
        .hours()
        .filter_map(|hour| Some(request.series.at(hour)?.intensity.value))
        .collect();
    let none = || {
        let message = format!(
            "{} h do not fit between {} and {}",
            request.hours, period.from, period.until
        );
        NoAdvice::new(WhyNot::NoWindow, message)
    };
    let chosen = interruptible(
        &slots,
        usize::from(request.hours),
        request.restart_thousandths,
    );
    let chosen = chosen.filter(|_| request.hours > 0).ok_or_else(none)?;
    let hours: Vec<UtcHour> = chosen
        .slots
        .iter()
        .filter_map(|slot| Some(period.from.plus_hours(i32::try_from(*slot).ok()?)))
        .collect();
    let at_once: Vec<UtcHour> = (0..i32::from(request.hours))
        .map(|hour| request.planned.plus_hours(hour))
        .collect();
    let now = emissions(request, &at_once)?;
    let then = emissions(request, &hours)?;
    let percent = saving_percent(now, then);
    if now.value <= then.value || percent.value < request.terms.min_saving_percent {
        let message = format!(
            "the best hours would save {:.1} %, less than {} %",
            percent.value.max(0.0),
            request.terms.min_saving_percent
        );
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let parts = parts(&hours, request.time_zone);
    let (confidence, why) = confidence(ahead.worst, percent.low);
    let early = if period == wanted {
        String::new()
    } else {
        format!(
            "; the figures end {}, the plan is made within",
            period.until
        )
    };
    let when: Vec<_> = parts
        .iter()
        .map(|(from, until)| format!("{} to {}", moment(from), moment(until)))
        .collect();
    let Target {
        namespace,
        kind,
        name,
    } = request.target;
    let compared = at_once.iter().chain(&hours).copied();
    let recommendation = Recommendation {
        action: Action::ShiftInTime,
        saving_per_day: saving(now, then),
        saving_percent: percent,
        attributed: None,
        confidence,
        basis: format!(
            "{why}; {}; {} restarts at {} thousandths of an hour's energy{early}",
            in_words(request.series, compared),
            chosen.restarts,
            request.restart_thousandths
        ),
        change: format!("run {kind} {namespace}/{name} {}", when.join(" and ")),
        message: format!(
            "in {} parts: {:.1} % less, {} a run",
            parts.len(),
            percent.value,
            saving(now, then).value
        ),
    };
    Ok(InterruptAdvice {
        recommendation,
        parts,
        restarts: chosen.restarts,
    })
}

/// What running in these hours emits, restarts after breaks with it.
fn emissions(
    request: &InterruptRequest<'_>,
    hours: &[UtcHour],
) -> Result<Estimate<GramsCo2e>, NoAdvice> {
    let mut sum = Estimate::exact(GramsCo2e::ZERO);
    let mut before: Option<UtcHour> = None;
    for hour in hours {
        let point = request.series.at(*hour).ok_or_else(|| {
            let message = format!("the intensity is not known at {hour}");
            NoAdvice::new(WhyNot::IntensityMissing, message)
        })?;
        let is_restart = before.is_some_and(|last| last.plus_hours(1) != *hour);
        let thousandths = WHOLE
            + if is_restart {
                u64::from(request.restart_thousandths)
            } else {
                0
            };
        let whole = point
            .intensity
            .map(|at| at.emissions_of(request.energy_per_hour, crate::units::Pue::ONE));
        sum = sum + whole.map(|mass| mass.scaled(thousandths, WHOLE));
        before = Some(*hour);
    }
    Ok(sum)
}

/// Neighbouring hours as one part.
fn parts(hours: &[UtcHour], zone: &TimeZone) -> Vec<(Zoned, Zoned)> {
    let mut parts: Vec<(UtcHour, UtcHour)> = Vec::new();
    for hour in hours {
        match parts.last_mut() {
            Some((_, until)) if *until == *hour => *until = hour.plus_hours(1),
            _ => parts.push((*hour, hour.plus_hours(1))),
        }
    }
    let local = |hour: UtcHour| {
        let start: Timestamp = hour.start();
        start.to_zoned(zone.clone())
    };
    parts
        .into_iter()
        .map(|(from, until)| (local(from), local(until)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::time_zone;
    use crate::series::{IntensitySeries, Origin, Point, SeriesInfo};

    fn advise(figures: &[f64], restart: u32, deadline: i32) -> Result<InterruptAdvice, NoAdvice> {
        let start = UtcHour::parse("2024-06-15T00:00Z").unwrap();
        let points = (0..).zip(figures).map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(*figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        let series =
            IntensitySeries::try_new(SeriesInfo::average_life_cycle("KR", "test"), points).unwrap();
        let target = Target {
            namespace: "lab".into(),
            kind: "Job".into(),
            name: "train".into(),
        };
        shift_interruptible(&InterruptRequest {
            target: &target,
            planned: start,
            earliest: start,
            deadline: start.plus_hours(deadline),
            hours: 2,
            energy_per_hour: Joules::from_microjoules(3_600_000_000_000),
            restart_thousandths: restart,
            time_zone: &time_zone("Asia/Seoul").unwrap(),
            series: &series,
            terms: Terms {
                now: start.start(),
                min_saving_percent: 1.0,
            },
        })
    }

    #[test]
    fn the_best_hours_are_taken_apart_and_shown_in_local_time() {
        let advice = advise(&[300.0, 100.0, 300.0, 110.0], 0, 4).unwrap();
        assert_eq!(advice.restarts, 1);
        // 400 g at once, 210 g in parts.
        assert_eq!(
            advice.recommendation.saving_per_day.value.to_string(),
            "190 g"
        );
        assert!(
            advice
                .recommendation
                .change
                .contains("2024-06-15 10:00 +09 to 2024-06-15 11:00 +09 and"),
            "{}",
            advice.recommendation.change
        );
    }

    #[test]
    fn a_dear_restart_keeps_it_together_and_its_cost_is_in_the_saving() {
        let together = advise(&[300.0, 100.0, 150.0, 110.0], 900, 4).unwrap();
        assert_eq!((together.restarts, together.parts.len()), (0, 1));
        let cheap = advise(&[300.0, 100.0, 300.0, 110.0], 100, 4).unwrap();
        // The restart takes a tenth of 110 g.
        assert_eq!(
            cheap.recommendation.saving_per_day.value.to_string(),
            "179 g"
        );
    }

    #[test]
    fn figures_that_end_before_the_deadline_are_planned_within_and_it_is_said() {
        let advice = advise(&[300.0, 300.0, 100.0, 110.0], 0, 12).unwrap();
        assert!(
            advice
                .recommendation
                .basis
                .contains("the figures end 2024-06-15T04:00Z"),
            "{}",
            advice.recommendation.basis
        );
        assert_eq!(
            advise(&[300.0], 0, 12).unwrap_err().reason,
            WhyNot::NoWindow
        );
    }
}
