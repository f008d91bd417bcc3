//! Cases 9 and 10: what advice promises, and what several pieces save together.

use jiff::Timestamp;
use tanso_carbon::recommend::compose::{Measure, Site, compose};
use tanso_carbon::recommend::idle_share::{
    Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, Standing, attributed_idle,
};
use tanso_carbon::recommend::rightsize::{CpuSample, RightsizeRequest, rightsize};
use tanso_carbon::recommend::{Target, Terms};

use super::*;

#[test]
fn case_9_the_predicted_saving_is_against_the_present_start() {
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    let at = |values: &[f64]| {
        let values: Vec<_> = values.iter().map(|value| grams_per_kwh(*value)).collect();
        CostCurve::try_new(start.start(), 3_600, &values).unwrap()
    };
    let job = Job::flat(3_600, kwh(10.0)).unwrap();
    let (forecast, actual) = (
        at(&[430.0, 425.0, 420.0, 410.0, 400.0, 380.0]),
        at(&[430.0, 425.0, 420.0, 395.0, 405.0, 410.0]),
    );
    let from_s = start.unix_seconds();
    let latest_s = from_s + 5 * 3_600;
    let chosen = forecast.best(&job, from_s, latest_s, 1)[0];
    let now = forecast.emissions(&job, from_s).unwrap();
    assert_eq!(shown(now.saturating_sub(chosen.emissions)), "500.00");
    let settled = actual.emissions(&job, chosen.start_s).unwrap();
    assert_eq!(shown(now.saturating_sub(settled)), "200.00");
    let best = actual.best(&job, from_s, latest_s, 1)[0];
    assert_eq!(shown(settled.saturating_sub(best.emissions)), "150.00");
    // The publisher revises the chosen hour to 425: the saving is restated, and
    // the first figure stays what it was.
    let revised = at(&[430.0, 425.0, 420.0, 395.0, 405.0, 425.0]);
    let restated = revised.emissions(&job, chosen.start_s).unwrap();
    assert_eq!(shown(now.saturating_sub(restated)), "50.00");
    assert_eq!(shown(now.saturating_sub(settled)), "200.00");
    // A forecast that ends before the deadline is planned within.
    assert_eq!(
        forecast.best(&job, from_s, from_s + 48 * 3_600, 1)[0].start_s,
        chosen.start_s
    );
}

#[test]
fn case_10_savings_compose_by_running_the_load_again() {
    let start = UtcHour::parse("2024-06-01T00:00Z").unwrap();
    let constant = |grams| {
        StaticIntensity::new(
            SeriesInfo::average_life_cycle("XX", "case"),
            Estimate::exact(grams_per_kwh(grams)),
        )
    };
    // A tenth less an hour later, and three tenths less elsewhere.
    let here = hours(&[Some(500.0), Some(450.0)]);
    let (there, there_later) = (constant(350.0), hours(&[Some(350.0), Some(315.0)]));
    let site = |series| Site {
        series,
        pue: Pue::ONE,
    };
    let load = std::collections::BTreeMap::from([(start, kwh(1.0))]);
    let sites = [
        site(&here as &dyn HourlyIntensity),
        site(&there_later),
        site(&there),
    ];
    let measures = [Measure::Keep(800), Measure::Shift(1), Measure::Move(1)];
    let all = compose(&load, &sites, &measures).unwrap();
    assert_eq!(format!("{:.1}", all.saving_percent()), "49.6");
    let alone = |one: GramsCo2e| (1.0 - one.as_grams_f64() / 500.0) * 100.0;
    let alone: Vec<_> = all
        .alone
        .iter()
        .map(|one| format!("{:.0}", alone(*one)))
        .collect();
    assert_eq!(alone, ["20", "10", "30"]);
    // Where the hours of the other grid are alike, the later start adds nothing.
    let flat = [Measure::Keep(800), Measure::Shift(1), Measure::Move(2)];
    let flat = compose(&load, &sites, &flat).unwrap();
    assert_eq!(format!("{:.1}", flat.saving_percent()), "44.0");
}

#[test]
fn case_10_a_smaller_request_moves_idle_energy_and_saves_none() {
    let day = |watts: f64| kwh(watts * 24.0 / 1e3);
    let node = NodeIdle {
        idle_per_day: day(200.0),
        allocatable_millicores: 16_000,
    };
    assert_eq!(attributed_idle(node, 8_000), day(100.0));
    assert_eq!(attributed_idle(node, 3_000), day(37.5));
    // Two of eight cores used all week, and 15 % on top of the 90th percentile.
    let at = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
    let samples: Vec<_> = (0..7 * 24)
        .map(|hour| CpuSample {
            at: at(hour),
            seconds: 3_600,
            cores: 2.0,
        })
        .collect();
    let target = Target {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
    };
    let standing = Standing {
        target: &target,
        asks: Asks {
            millicores: 8_000,
            bytes: 0,
        },
        pod_minutes_per_day: DAY_MINUTES,
        node: NodeGives {
            idle: node,
            allocatable_bytes: 64 << 30,
            sharing: IdleSharing::LargerShare,
        },
        intensity: Estimate::exact(grams_per_kwh(400.0)),
        pue: Pue::ONE,
        terms: Terms {
            now: at(7 * 24),
            min_saving_percent: 1.0,
        },
    };
    let advice = rightsize(&RightsizeRequest {
        standing,
        container: "web",
        samples: &samples,
        past: &[],
        own_per_day: GramsCo2e::try_from_grams(480.0).unwrap(),
    })
    .unwrap();
    // At the request that the case names, 62.5 W are attributed to others ...
    let moved = attributed_idle(node, 8_000).saturating_sub(attributed_idle(node, 3_000));
    assert_eq!(moved, day(62.5));
    let target_millicores = advice.target_millicores;
    assert!(
        (2_300..2_500).contains(&target_millicores),
        "{target_millicores}"
    );
    // ... and the cluster saves nothing unless the node goes.
    assert_eq!(advice.recommendation.saving_per_day.value, GramsCo2e::ZERO);
    assert!(advice.recommendation.attributed.is_some());
    assert_eq!(shown(advice.if_a_node_goes_per_day), "1920.00");
}
