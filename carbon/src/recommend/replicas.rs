//! Fewer replicas in dirty hours, where the measured use allows it.
//!
//! The work stays the same, so what falls is the energy that a replica uses
//! by being there, and its share of idle energy: for the cluster nothing,
//! unless a node goes. Hours without figures keep all replicas.

use tanso_power::{Estimate, Joules};

use super::idle_share::share_percent;
use super::{
    Action, Attributed, AttributedGrams, Confidence, NoAdvice, Recommendation, Target, Terms,
    WhyNot,
};
use crate::calendar::UtcHour;
use crate::series::{HourlyIntensity, in_words};
use crate::units::{GramsCo2e, Pue};

/// What is added to the measured use.
const MARGIN_PERCENT: u64 = 115;

/// A workload that may run with fewer replicas.
#[derive(Clone, Copy)]
pub struct ReplicaRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// How many there are.
    pub replicas: u32,
    /// The least there must be.
    pub replicas_min: u32,
    /// What one replica can do, in thousandths of a core: its request.
    pub millicores_each: u32,
    /// The hours ahead, each with the CPU that all replicas need in it, in
    /// thousandths of a core.
    pub needed: &'a [(UtcHour, u64)],
    /// What a replica uses in an hour by being there, its share of idle
    /// energy with it, at the IT equipment.
    pub standing_per_hour: Joules,
    /// What the workload emits per day, its share of idle energy with it
    /// ([`with_idle`](super::idle_share::Standing::with_idle)).
    pub emissions_per_day: GramsCo2e,
    /// How clean the hours are.
    pub series: &'a dyn HourlyIntensity,
    /// The facility's factor.
    pub pue: Pue,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// How many replicas an hour needs, between the least and those there are.
fn enough(request: &ReplicaRequest<'_>, needed_millicores: u64) -> u32 {
    let each = u64::from(request.millicores_each.max(1));
    let wanted = needed_millicores
        .saturating_mul(MARGIN_PERCENT)
        .div_ceil(each.saturating_mul(100));
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    wanted.max(request.replicas_min).min(request.replicas)
}

/// Advice for the dirtiest quarter of the hours.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn fewer_in_dirty_hours(request: &ReplicaRequest<'_>) -> Result<Recommendation, NoAdvice> {
    let mut hours: Vec<_> = request
        .needed
        .iter()
        .filter_map(|(hour, needed)| Some((*hour, *needed, request.series.at(*hour)?.intensity)))
        .collect();
    if hours.is_empty() {
        return Err(NoAdvice::new(
            WhyNot::IntensityMissing,
            "the intensity of no hour ahead is known",
        ));
    }
    let count = u64::try_from(hours.len()).unwrap_or(1);
    // Dirtiest first; of equals the earlier.
    hours.sort_by_key(|(hour, _, intensity)| (std::cmp::Reverse(intensity.value), *hour));
    let dirty = hours.len().div_ceil(4);
    let clean_as = hours.last().map(|(_, _, intensity)| intensity.value);
    let is_flat = hours.first().map(|(_, _, intensity)| intensity.value) == clean_as && count > 1;
    let mut saved = Estimate::exact(GramsCo2e::ZERO);
    let (mut most, mut lowest) = (0_u32, request.replicas);
    for (_, needed, intensity) in hours.iter().take(dirty) {
        let stays = enough(request, *needed);
        let fewer = u64::from(request.replicas.saturating_sub(stays));
        let energy = Joules::from_microjoules(
            request
                .standing_per_hour
                .microjoules()
                .saturating_mul(fewer),
        );
        saved = saved + intensity.map(|at| at.emissions_of(energy, request.pue));
        most = most.max(stays);
        lowest = lowest.min(stays);
    }
    let moved = saved.map(|mass| mass.scaled(24, count));
    let percent = moved.map(|mass| share_percent(mass, request.emissions_per_day));
    if is_flat || percent.value < request.terms.min_saving_percent || saved.value == GramsCo2e::ZERO
    {
        let message = format!(
            "fewer replicas in the dirtiest {dirty} of {count} hours would move {:.1} % of the workload's emissions with its share of idle energy to others",
            if is_flat { 0.0 } else { percent.value }
        );
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let Target {
        namespace,
        kind,
        name,
    } = request.target;
    Ok(Recommendation {
        action: Action::FewerReplicas,
        saving_per_day: Estimate::default(),
        saving_percent: Estimate::default(),
        attributed: Some(Attributed {
            per_day: moved.map(AttributedGrams::new),
            percent,
        }),
        confidence: Confidence::Low,
        basis: format!(
            "measured CPU and 15 % against {}m a replica; attributed standing energy: the cluster saves it only if a node goes; {}",
            request.millicores_each,
            in_words(request.series, request.needed.iter().map(|(hour, _)| *hour))
        ),
        change: format!(
            "scale {kind} {namespace}/{name} to {most} in the dirtiest quarter of the hours"
        ),
        message: format!(
            "{lowest} to {most} instead of {} replicas in the dirtiest {dirty} of {count} hours: {} a day less attributed, 0 g less for the cluster unless a node goes",
            request.replicas, moved.value
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{IntensitySeries, Origin, Point, SeriesInfo};
    use crate::units::Intensity;
    use jiff::Timestamp;

    fn advise(figures: &[f64], needed: u64) -> Result<Recommendation, NoAdvice> {
        let start = UtcHour::from_unix_seconds(0);
        let points = (0..).zip(figures).map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(*figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        let series =
            IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "test"), points).unwrap();
        let hours: Vec<_> = (0..4)
            .map(|hour| (start.plus_hours(hour), needed))
            .collect();
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        };
        fewer_in_dirty_hours(&ReplicaRequest {
            target: &target,
            replicas: 10,
            replicas_min: 2,
            millicores_each: 100,
            needed: &hours,
            standing_per_hour: Joules::from_microjoules(36_000_000_000),
            emissions_per_day: GramsCo2e::try_from_grams(1_000.0).unwrap(),
            series: &series,
            pue: Pue::ONE,
            terms: Terms {
                now: Timestamp::UNIX_EPOCH,
                min_saving_percent: 1.0,
            },
        })
    }

    #[test]
    fn replicas_that_are_not_needed_go_in_the_dirtiest_hours() {
        // 400m and 15 % need 5 of 10: 5 × 0.01 kWh × 600 g in one of 4 hours.
        let advice = advise(&[100.0, 600.0, 200.0, 300.0], 400).unwrap();
        let moved = advice.attributed.unwrap().per_day.value;
        assert_eq!(moved.to_string(), "180 g (attributed)");
        assert_eq!(advice.saving_per_day.value, GramsCo2e::ZERO);
        assert!(advice.change.contains("to 5 in"), "{}", advice.change);
    }

    #[test]
    fn a_share_is_never_over_the_whole_and_of_nothing_is_none() {
        let whole = GramsCo2e::try_from_grams(1_000.0).unwrap();
        let half = GramsCo2e::try_from_grams(500.0).unwrap();
        assert!((share_percent(half, whole) - 50.0).abs() < 1e-9);
        assert!((share_percent(whole, half) - 100.0).abs() < 1e-9);
        assert!(share_percent(half, GramsCo2e::ZERO).abs() < 1e-9);
    }

    #[test]
    fn where_all_are_needed_or_hours_are_alike_the_saving_is_zero_and_said() {
        let busy = advise(&[100.0, 600.0, 200.0, 300.0], 1_000).unwrap_err();
        assert!(busy.message.contains(" 0.0 % "), "{busy}");
        let flat = advise(&[400.0; 4], 400).unwrap_err();
        assert!(flat.message.contains(" 0.0 % "), "{flat}");
    }
}
