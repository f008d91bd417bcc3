//! Forecast against actual, as a status tells it.

use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::{Intensity, SeriesInfo};
use tanso_crds::carbon_policy::status::SettledRun;
use tanso_intensity::book::{Forecast, Restated, Revision};
use tanso_intensity::{Loaded, Past};

use super::*;

const HOUR_S: i64 = 3_600;
/// The run began seven hours before the hour of the snapshot.
const BEGAN: i64 = 1_791_190_800 - 7 * HOUR_S;

fn grams(figure: f64) -> Intensity {
    Intensity::try_from_grams_per_kwh(figure).unwrap()
}

fn at(hours: i32) -> UtcHour {
    UtcHour::from_unix_seconds(BEGAN).plus_hours(hours)
}

fn hours(figures: &[f64]) -> impl Iterator<Item = (UtcHour, Intensity)> {
    (0..)
        .zip(figures)
        .map(|(hour, figure)| (at(hour), grams(*figure)))
}

/// The hours as they turned out, with the forecast of the run's start; the
/// sixth was said to be 410 before it was revised.
fn loaded(sixth: f64) -> Loaded {
    let actual = [430.0, 425.0, 420.0, 395.0, 415.0, sixth];
    let points =
        hours(&actual).map(|(hour, figure)| (hour, Point::exact(figure, Origin::Published)));
    let info = SeriesInfo::average_life_cycle("KR", "live");
    let revision = |figure, hour| Revision {
        intensity: grams(figure),
        is_estimated: false,
        seen_at: at(hour).start(),
    };
    let restated = Restated {
        hour: at(5),
        first: revision(410.0, 6),
        latest: revision(sixth, 30),
    };
    Loaded {
        series: Arc::new(IntensitySeries::try_new(info, points).unwrap()),
        filled_by: String::new(),
        digest: Digest::of_text("live"),
        freshness: tanso_intensity::Freshness::default(),
        past: Past {
            forecasts: Arc::new(vec![Forecast {
                issued_at: at(0).start(),
                seen_at: Some(at(0).start()),
                hours: hours(&[430.0, 428.0, 422.0, 410.0, 405.0, 380.0]).collect(),
            }]),
            restated: Arc::new(if sixth > 410.0 {
                vec![restated]
            } else {
                Vec::new()
            }),
            seen: Arc::new(
                (0..6)
                    .map(|hour| (at(hour), at(hour + 1).start()))
                    .collect(),
            ),
        },
    }
}

fn settled(loaded: Loaded) -> Vec<SettledRun> {
    settled_by(loaded, &Cluster, 0)
}

/// The settled runs of a job that began so many hours after the forecast.
fn settled_by(loaded: Loaded, facts: &dyn Facts, hours: i32) -> Vec<SettledRun> {
    let mut policy = policy(&spec(IntensitySource::Static), &Observed::default());
    policy.pue = None;
    policy.advice.slack_hours = 5;
    policy.intensity = loaded;
    let mut run = snapshot();
    let energy = Joules::from_microjoules(36_000_000_000_000);
    run.rows = vec![HourRow {
        hour: at(hours),
        energy: Estimate::exact(energy),
        ..row(pod("j1"), 1, Provenance::Measured)
    }];
    let (uid, mut names) = names("j1", "CronJob", "etl");
    names.started_at = Some(at(hours).unix_seconds());
    names.finished_at = Some(at(hours).unix_seconds() + HOUR_S);
    run.pods = HashMap::from([(uid, names)]);
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let inputs = Inputs {
        policy: &policy,
        snapshot: &run,
        facts,
        window: window(data_through, 24),
        data_through,
        expected_nodes: &["n1".to_owned()].into(),
        idle_sharing: &BTreeMap::new(),
        is_whole: false,
    };
    let evaluation = judge(&inputs);
    workload(&evaluation, "etl").settled.clone()
}

#[test]
fn a_promise_of_500_g_became_200_with_a_regret_of_150() {
    let runs = settled(loaded(410.0));
    let [run] = runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert_eq!(run.advised.0, at(5).start());
    assert_eq!(run.best.0, at(3).start());
    assert_eq!(run.predicted_milligrams, 500_000);
    let found: Vec<_> = run
        .realised
        .iter()
        .map(|one| (one.saved_milligrams, one.regret_milligrams))
        .collect();
    assert_eq!(found, [(200_000, 150_000)]);
    // By whose hours, and of what kind these are.
    let by = (&*run.source, &*run.method, &*run.boundary, run.data_year);
    assert_eq!(by, ("live", "Average", "LifeCycle", None));
    assert_eq!(run.intensity_estimated_percent, Some(0));
}

#[test]
fn a_later_revision_restates_it_and_both_stay_with_their_times() {
    let runs = settled(loaded(425.0));
    let found: Vec<_> = runs[0]
        .realised
        .iter()
        .map(|one| (one.known_at.0, one.saved_milligrams))
        .collect();
    let wanted = [(at(6).start(), 200_000), (at(30).start(), 50_000)];
    assert_eq!(found, wanted);
}

#[test]
fn a_choice_that_is_not_over_or_was_never_forecast_is_not_settled() {
    let mut early = loaded(410.0);
    let info = early.series.info().clone();
    let points = hours(&[430.0, 425.0])
        .map(|(hour, figure)| (hour, Point::exact(figure, Origin::Published)));
    early.series = Arc::new(IntensitySeries::try_new(info, points).unwrap());
    assert_eq!(settled(early), []);
    let mut never = loaded(410.0);
    never.past = Past::default();
    assert_eq!(settled(never), []);
}

/// Any hour that was ever restated, of whatever day, set the time at which a
/// run was known, and where none was, it moved with each evaluation.
#[test]
fn a_run_is_known_when_the_last_of_its_own_hours_is() {
    let known = |loaded| {
        let run = settled(loaded).remove(0);
        let times = run.realised.iter().map(|one| one.known_at.0);
        times.collect::<Vec<_>>()
    };
    assert_eq!(known(loaded(410.0)), [at(6).start()]);
    let mut elsewhere = loaded(425.0);
    let mut restated = elsewhere.past.restated.to_vec();
    restated.push(Restated {
        hour: at(-300),
        first: restated[0].first.clone(),
        latest: Revision {
            seen_at: at(900).start(),
            ..restated[0].latest.clone()
        },
    });
    elsewhere.past.restated = Arc::new(restated);
    assert_eq!(known(elsewhere), [at(6).start(), at(30).start()]);
}

/// A forecast of noon that was fetched in the evening chose for a run of the
/// afternoon.
#[test]
fn a_forecast_that_came_after_the_start_chose_nothing() {
    let mut late = loaded(410.0);
    let mut forecast = late.past.forecasts[0].clone();
    forecast.seen_at = Some(at(1).start());
    late.past.forecasts = Arc::new(vec![forecast]);
    assert_eq!(settled(late), []);
    let on_time = settled(loaded(410.0)).remove(0);
    assert_eq!(on_time.forecast_known.unwrap().0, at(0).start());
}

/// A cluster in which a policy moved the job away from the hour of the forecast.
struct Moved;

impl Facts for Moved {
    fn schedule(&self, _: &str, _: &str) -> Option<Schedule> {
        None
    }

    fn original_schedule(&self, _: &str, name: &str) -> Option<Schedule> {
        (name == "etl").then(|| Schedule {
            schedule: "0 11 * * *".to_owned(),
            time_zone: Some("Asia/Seoul".to_owned()),
        })
    }

    fn allocatable_millicores(&self, _: &str) -> Option<u32> {
        Some(4_000)
    }

    fn allocatable_bytes(&self, _: &str) -> Option<u64> {
        Some(64 << 30)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Vec::new()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Vec::new()
    }
}

/// A run that the policy had moved was held against itself, so that following
/// the advice never saved anything.
#[test]
fn a_run_that_was_moved_is_settled_against_its_own_schedule() {
    let run = settled_by(loaded(410.0), &Moved, 5).remove(0);
    assert_eq!(run.moved_from.unwrap().0, at(0).start());
    assert_eq!(run.advised.0, at(5).start());
    assert_eq!(run.predicted_milligrams, 500_000);
    let one = &run.realised[0];
    assert_eq!(
        (one.saved_milligrams, one.regret_milligrams),
        (200_000, 150_000)
    );
    // One of before the move, at its own hour, was not moved.
    let before = settled_by(loaded(410.0), &Moved, 0).remove(0);
    assert_eq!(before.moved_from, None);
    assert_eq!(before.predicted_milligrams, 500_000);
}
