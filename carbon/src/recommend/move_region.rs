//! Another region for a workload: hour by hour, with the facility and the
//! network in it, and only where it is allowed to go.
//!
//! Limits are hard: a region that breaks one is never ranked, however clean.

use std::collections::BTreeMap;

use tanso_power::{Estimate, Joules};

use super::{Action, Confidence, NoAdvice, Recommendation, Target, Terms, WhyNot};
use crate::calendar::UtcHour;
use crate::series::{HourlyIntensity, Method, in_words};
use crate::units::{GramsCo2e, Pue};

/// Energy to carry a gigabyte between regions, in microjoules: 0.001 kWh
/// (Cloud Carbon Footprint, methodology, networking, 2021).
const PER_GIGABYTE_UJ: u64 = 3_600_000_000;

/// A region that the work could run in.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its country, two letters.
    pub country: &'a str,
    /// How far it is from its users, in milliseconds; `None` if not known.
    pub latency_ms: Option<u32>,
    /// Its grid.
    pub series: &'a dyn HourlyIntensity,
    /// Its facility's factor.
    pub pue: Pue,
}

/// Where work may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Names of regions; empty for all.
    pub allowed: Vec<String>,
    /// Countries that the data may lie in; empty for all.
    pub residency: Vec<String>,
    /// The farthest from its users, in milliseconds.
    pub latency_ms_max: Option<u32>,
}

/// A workload that could run elsewhere.
#[derive(Clone, Copy)]
pub struct MoveRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// Its energy by the hour, at the IT equipment.
    pub load: &'a BTreeMap<UtcHour, Joules>,
    /// Where it runs now.
    pub current: Candidate<'a>,
    /// Where it could run.
    pub candidates: &'a [Candidate<'a>],
    /// Where it may run.
    pub limits: &'a Limits,
    /// What it sends to and from its data per day from there, in gigabytes.
    pub gigabytes_per_day: u64,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// A region with what the work would emit there in the hours looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its name.
    pub name: String,
    /// What would be emitted, or why it is out of the question.
    pub outcome: Result<Estimate<GramsCo2e>, String>,
}

/// Regions, the cleanest first, then those that are out of the question.
#[must_use]
pub fn rank(request: &MoveRequest<'_>) -> Vec<Ranked> {
    let mut ranked: Vec<_> = request
        .candidates
        .iter()
        .map(|candidate| Ranked {
            name: candidate.name.to_owned(),
            outcome: outcome(request, candidate),
        })
        .collect();
    ranked.sort_by(|one, other| {
        let key = |ranked: &Ranked| match &ranked.outcome {
            Ok(mass) => (false, mass.value),
            Err(_) => (true, GramsCo2e::ZERO),
        };
        key(one)
            .cmp(&key(other))
            .then_with(|| one.name.cmp(&other.name))
    });
    ranked
}

fn outcome(request: &MoveRequest<'_>, to: &Candidate<'_>) -> Result<Estimate<GramsCo2e>, String> {
    let limits = request.limits;
    let lists = |list: &[String], one: &str| list.is_empty() || list.iter().any(|name| name == one);
    if !lists(&limits.allowed, to.name) {
        return Err("not on the list of allowed regions".to_owned());
    }
    if !lists(&limits.residency, to.country) {
        return Err(format!("its data must not lie in {}", to.country));
    }
    if let Some(most) = limits.latency_ms_max {
        let known = to.latency_ms.ok_or("its latency is not known")?;
        if known > most {
            return Err(format!("{known} ms away, at most {most} ms are allowed"));
        }
    }
    let (here, there) = (request.current.series.info(), to.series.info());
    if (here.method, here.boundary, here.basis) != (there.method, there.boundary, there.basis) {
        return Err(format!(
            "its figures are {} {}, those of the present region {} {}",
            there.method, there.boundary, here.method, here.boundary
        ));
    }
    let days = u64::try_from(request.load.len()).unwrap_or(0).div_ceil(24);
    let gigabytes = request.gigabytes_per_day.saturating_mul(days);
    let transfer = Joules::from_microjoules(gigabytes.saturating_mul(PER_GIGABYTE_UJ));
    Ok(sum(request.load, to)? + carried(transfer, request.load, &request.current)?)
}

/// The load priced with a region's hours and facility.
fn sum(
    load: &BTreeMap<UtcHour, Joules>,
    at: &Candidate<'_>,
) -> Result<Estimate<GramsCo2e>, String> {
    let mut sum = Estimate::exact(GramsCo2e::ZERO);
    // Where nothing is used nothing is emitted, whatever the grid was.
    let used = load.iter().filter(|(_, energy)| **energy > Joules::ZERO);
    for (hour, energy) in used {
        let point = at
            .series
            .at(*hour)
            .ok_or_else(|| format!("its intensity is not known at {hour}"))?;
        let mass = point
            .intensity
            .map(|value| value.emissions_of(*energy, at.pue));
        sum = sum + mass;
    }
    Ok(sum)
}

/// The network's energy, spread over the hours, at the present region's grid.
fn carried(
    energy: Joules,
    load: &BTreeMap<UtcHour, Joules>,
    from: &Candidate<'_>,
) -> Result<Estimate<GramsCo2e>, String> {
    let hours = u64::try_from(load.len()).unwrap_or(0);
    let each = energy.microjoules().checked_div(hours).unwrap_or(0);
    let spread = load
        .keys()
        .map(|hour| (*hour, Joules::from_microjoules(each)));
    let network = Candidate {
        pue: Pue::ONE,
        ..*from
    };
    sum(&spread.collect(), &network)
}

/// Advice to move to the cleanest region that is allowed.
///
/// # Errors
/// [`NoAdvice`] says why there is none, with the best that was found.
pub fn move_region(request: &MoveRequest<'_>) -> Result<Recommendation, NoAdvice> {
    if request.current.series.info().method == Method::Marginal {
        return Err(NoAdvice::new(
            WhyNot::Invalid,
            "regions are compared by average intensity",
        ));
    }
    let now = sum(request.load, &request.current).map_err(|why| {
        NoAdvice::new(
            WhyNot::IntensityMissing,
            format!("the present region: {why}"),
        )
    })?;
    let ranked = rank(request);
    let best = ranked
        .iter()
        .find_map(|one| Some((one, one.outcome.as_ref().ok()?)));
    let Some((best, then)) = best else {
        let why: Vec<_> = ranked
            .iter()
            .filter_map(|one| Some(format!("{}: {}", one.name, one.outcome.as_ref().err()?)))
            .collect();
        let message = format!("no region is allowed: {}", why.join("; "));
        return Err(NoAdvice::new(WhyNot::NoWindow, message));
    };
    let percent = super::shift::saving_percent(now, *then);
    if now.value <= then.value || percent.value < request.terms.min_saving_percent {
        let message = format!(
            "the best other region, {}, would save {:.1} %, less than {} %",
            best.name,
            percent.value.max(0.0),
            request.terms.min_saving_percent
        );
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let hours = u64::try_from(request.load.len()).unwrap_or(1).max(1);
    let saving_per_day = super::shift::saving(now, *then).map(|mass| mass.scaled(24, hours));
    let Target {
        namespace,
        kind,
        name,
    } = request.target;
    let refused = ranked.iter().filter(|one| one.outcome.is_err()).count();
    let (from, to) = figures_of(request, &best.name);
    Ok(Recommendation {
        action: Action::MoveRegion,
        saving_per_day,
        saving_percent: percent,
        attributed: None,
        confidence: if percent.low > 0.0 {
            Confidence::Medium
        } else {
            Confidence::Low
        },
        basis: format!(
            "{hours} hours of its load in each of {} regions, {refused} of them not allowed; transfer of {} GB a day at 0.001 kWh/GB is in; the destination's own rules apply there; {from}; {to}",
            ranked.len(),
            request.gigabytes_per_day
        ),
        change: format!(
            "run {kind} {namespace}/{name} in {} instead of {}",
            best.name, request.current.name
        ),
        message: format!(
            "in {} it would emit {:.1} % less, {} a day",
            best.name, percent.value, saving_per_day.value
        ),
    })
}

/// Whose figures both sums are made from, in words: of hours with energy, and of
/// the present region of all hours where what is carried is spread over them.
fn figures_of(request: &MoveRequest<'_>, best: &str) -> (String, String) {
    let with_energy = |is_carried: bool| {
        let hours = request.load.iter();
        let hours = hours.filter(move |(_, energy)| is_carried || **energy > Joules::ZERO);
        hours.map(|(hour, _)| *hour)
    };
    let is_carried = request.gigabytes_per_day > 0;
    let from = in_words(request.current.series, with_energy(is_carried));
    let chosen = request.candidates.iter().find(|one| one.name == best);
    let to = chosen.map_or_else(String::new, |one| in_words(one.series, with_energy(false)));
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Boundary, IntensitySeries, Origin, Point, SeriesInfo};
    use crate::units::Intensity;
    use jiff::Timestamp;

    fn series(zone: &str, figures: [f64; 2]) -> IntensitySeries {
        let start = UtcHour::from_unix_seconds(0);
        let points = (0..).zip(figures).map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle(zone, "test"), points).unwrap()
    }

    fn region<'a>(
        name: &'a str,
        country: &'a str,
        latency_ms: u32,
        series: &'a IntensitySeries,
    ) -> Candidate<'a> {
        Candidate {
            name,
            country,
            latency_ms: Some(latency_ms),
            series,
            pue: Pue::ONE,
        }
    }

    fn load() -> BTreeMap<UtcHour, Joules> {
        // All in the first hour: the mean of a region's hours says nothing.
        let kwh = Joules::from_microjoules(3_600_000_000_000);
        let start = UtcHour::from_unix_seconds(0);
        [(start, kwh), (start.plus_hours(1), Joules::ZERO)].into()
    }

    fn with<T>(limits: &Limits, gigabytes: u64, look: impl Fn(&MoveRequest<'_>) -> T) -> T {
        let (kr, se, tk) = (
            series("KR", [400.0, 400.0]),
            series("SE", [300.0, 20.0]),
            series("JP", [100.0, 900.0]),
        );
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        };
        let candidates = [region("se", "SE", 250, &se), region("tk", "JP", 30, &tk)];
        let load = load();
        look(&MoveRequest {
            target: &target,
            load: &load,
            current: region("kr", "KR", 5, &kr),
            candidates: &candidates,
            limits,
            gigabytes_per_day: gigabytes,
            terms: Terms {
                now: Timestamp::UNIX_EPOCH,
                min_saving_percent: 1.0,
            },
        })
    }

    #[test]
    fn hours_decide_and_not_the_mean_of_the_year() {
        let advice = with(&Limits::default(), 0, |request| {
            move_region(request).unwrap()
        });
        assert!(
            (advice.saving_percent.value - 75.0).abs() < 1e-9,
            "{advice:?}"
        );
        assert_eq!(advice.change, "run Deployment shop/web in tk instead of kr");
    }

    #[test]
    fn limits_are_hard_and_each_says_which() {
        let why = |limits: &Limits, wanted: &str| {
            with(limits, 0, |request| {
                let ranked = rank(request);
                ranked
                    .into_iter()
                    .find(|one| one.name == wanted)
                    .unwrap()
                    .outcome
                    .unwrap_err()
            })
        };
        let allowed = Limits {
            allowed: vec!["se".into()],
            ..Limits::default()
        };
        assert_eq!(why(&allowed, "tk"), "not on the list of allowed regions");
        let residency = Limits {
            residency: vec!["SE".into()],
            ..Limits::default()
        };
        assert_eq!(why(&residency, "tk"), "its data must not lie in JP");
        let near = Limits {
            latency_ms_max: Some(100),
            ..Limits::default()
        };
        assert_eq!(why(&near, "se"), "250 ms away, at most 100 ms are allowed");
        let nowhere = Limits {
            residency: vec!["KR".into()],
            ..Limits::default()
        };
        let refused = with(&nowhere, 0, |request| move_region(request).unwrap_err());
        assert_eq!(refused.reason, WhyNot::NoWindow);
    }

    #[test]
    fn the_figures_of_both_regions_are_named() {
        let advice = with(&Limits::default(), 0, |request| {
            move_region(request).unwrap()
        });
        let told = "rules apply there; KR average life-cycle location-based, test; \
                    JP average life-cycle location-based, test";
        assert!(advice.basis.ends_with(told), "{}", advice.basis);
    }

    /// One source of the first hour, another of all later ones.
    struct Two(IntensitySeries, SeriesInfo);

    impl HourlyIntensity for Two {
        fn info(&self) -> &SeriesInfo {
            self.0.info()
        }

        fn at(&self, hour: UtcHour) -> Option<Point> {
            self.0.at(hour)
        }

        fn info_at(&self, hour: UtcHour) -> &SeriesInfo {
            match hour.unix_seconds() {
                0 => self.0.info(),
                _ => &self.1,
            }
        }
    }

    fn at<'a>(name: &'a str, series: &'a Two) -> Candidate<'a> {
        Candidate {
            name,
            country: "",
            latency_ms: None,
            series,
            pue: Pue::ONE,
        }
    }

    /// Who spoke for hours in which nothing was used had no part in the advice.
    #[test]
    fn a_source_of_hours_without_energy_is_not_named() {
        let two = |zone| {
            let later = SeriesInfo::average_life_cycle(zone, "later");
            Two(series(zone, [400.0, 400.0]), later)
        };
        let (kr, jp) = (two("KR"), Two(series("JP", [100.0, 900.0]), two("JP").1));
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        };
        let basis = |gigabytes_per_day| {
            let advice = move_region(&MoveRequest {
                target: &target,
                load: &load(),
                current: at("kr", &kr),
                candidates: &[at("jp", &jp)],
                limits: &Limits::default(),
                gigabytes_per_day,
                terms: Terms {
                    now: Timestamp::UNIX_EPOCH,
                    min_saving_percent: 1.0,
                },
            });
            advice.unwrap().basis
        };
        let told = basis(0);
        assert!(!told.contains("later"), "{told}");
        // What is carried is spread over all hours, at the present region's grid.
        let told = basis(1);
        assert!(
            told.contains("KR average life-cycle location-based, later; JP"),
            "{told}"
        );
        assert!(
            !told.contains("JP average life-cycle location-based, later"),
            "{told}"
        );
    }

    #[test]
    fn what_must_be_carried_can_eat_the_saving() {
        // 750 GB × 0.001 kWh × 400 g = 300 g.
        let refused = with(&Limits::default(), 750, |request| {
            move_region(request).unwrap_err()
        });
        assert_eq!(refused.reason, WhyNot::SavesTooLittle);
        assert!(refused.message.contains("would save 0.0 %"), "{refused}");
    }

    #[test]
    fn an_hour_without_energy_needs_no_figure() {
        let kr = series("KR", [400.0, 400.0]);
        let start = UtcHour::from_unix_seconds(0);
        let kwh = Joules::from_microjoules(3_600_000_000_000);
        let load = [(start, kwh), (start.plus_hours(5), Joules::ZERO)].into();
        let priced = sum(&load, &region("kr", "KR", 5, &kr)).unwrap();
        assert_eq!(priced.value.to_string(), "400 g");
        let used = [(start.plus_hours(5), kwh)].into();
        assert!(sum(&used, &region("kr", "KR", 5, &kr)).is_err());
    }

    #[test]
    fn figures_of_another_kind_are_not_compared() {
        let kr = series("KR", [400.0, 400.0]);
        let info = SeriesInfo {
            boundary: Boundary::Direct,
            ..SeriesInfo::average_life_cycle("DE", "test")
        };
        let direct = IntensitySeries::try_new(info, kr.points()).unwrap();
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        };
        let load = load();
        let ranked = rank(&MoveRequest {
            target: &target,
            load: &load,
            current: region("kr", "KR", 5, &kr),
            candidates: &[region("de", "DE", 5, &direct)],
            limits: &Limits::default(),
            gigabytes_per_day: 0,
            terms: Terms {
                now: Timestamp::UNIX_EPOCH,
                min_saving_percent: 1.0,
            },
        });
        assert!(
            ranked[0].outcome.as_ref().unwrap_err().contains("direct"),
            "{ranked:?}"
        );
    }
}
