//! Forecast against actual, as a status tells it.

use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::{Intensity, SeriesInfo};
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
                hours: hours(&[430.0, 428.0, 422.0, 410.0, 405.0, 380.0]).collect(),
            }]),
            restated: Arc::new(if sixth > 410.0 {
                vec![restated]
            } else {
                Vec::new()
            }),
        },
    }
}

fn settled(loaded: Loaded) -> Vec<tanso_crds::carbon_policy::status::SettledRun> {
    let mut policy = policy(&spec(IntensitySource::Static), &Observed::default());
    policy.pue = None;
    policy.advice.slack_hours = 5;
    policy.intensity = loaded;
    let mut run = snapshot();
    let energy = Joules::from_microjoules(36_000_000_000_000);
    run.rows = vec![HourRow {
        hour: at(0),
        energy: Estimate::exact(energy),
        ..row(pod("j1"), 1, Provenance::Measured)
    }];
    let (uid, mut names) = names("j1", "CronJob", "etl");
    names.started_at = Some(BEGAN);
    names.finished_at = Some(BEGAN + HOUR_S);
    run.pods = HashMap::from([(uid, names)]);
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let inputs = Inputs {
        policy: &policy,
        snapshot: &run,
        facts: &Cluster,
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
