//! Hours of the past: asked for in bounded pieces, again where they were
//! estimated, and never to the harm of the present.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::{Boundary, Method};
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::reading::Unit;
use tanso_intensity::service::Service;
use tanso_intensity::service::neso::Neso;

use super::server::{Server, at, later, maps, now, says};
use super::{EM_HISTORY, EM_RANGE, carbon_aware, prometheus, watttime};

/// What stands behind `name=` in a path, as an hour.
fn hour_of(path: &str, name: &str) -> UtcHour {
    let text = path.split(&format!("{name}=")).nth(1).unwrap();
    let text = text.split('&').next().unwrap().replace("%3A", ":");
    UtcHour::parse(&text).unwrap()
}

/// An answer of `past-range`: a figure for each hour asked for.
fn past_range(path: &str, figure: u32, is_estimated: bool) -> Response {
    let period = tanso_carbon::Period {
        from: hour_of(path, "start"),
        until: hour_of(path, "end"),
    };
    assert!((1..=240).contains(&period.hour_count()), "{path}");
    let row = |hour: UtcHour| {
        format!(
            r#"{{"zone":"KR","carbonIntensity":{figure},"datetime":"{}","emissionFactorType":"lifecycle","isEstimated":{is_estimated}}}"#,
            hour.start()
        )
    };
    let rows: Vec<_> = period.hours().map(row).collect();
    says(&format!(r#"{{"data":[{}]}}"#, rows.join(",")))
}

fn hours_before(hours: i32) -> UtcHour {
    UtcHour::containing(now()).plus_hours(-hours)
}

/// Services were asked for the last day only, so a policy of a month never had
/// an intensity for the rest of it.
#[tokio::test]
async fn missing_hours_of_a_window_are_asked_for_in_bounded_pieces_until_all_are_known() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pieces);
    let server = Server::new(move |path, _, _| {
        if path.contains("/past-range?") {
            counted.fetch_add(1, Ordering::SeqCst);
            past_range(path, 430, false)
        } else {
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let from = hours_before(60 * 24);
    let mut rounds = Vec::new();
    for round in 0..5 {
        let before = pieces.load(Ordering::SeqCst);
        let now = later(11 * round);
        feed.refresh_from(&server.http, from, now).await.unwrap();
        rounds.push(pieces.load(Ordering::SeqCst) - before);
    }
    // 59 days in pieces of ten: six or seven of them, four at a time.
    assert!(
        matches!(rounds.as_slice(), [4, 2 | 3, 0, 0, 0]),
        "{rounds:?}"
    );
    let loaded = feed.seen_at(later(60)).load("KR", 2024).unwrap();
    let known = (24..60 * 24).filter(|back| loaded.series.at(hours_before(*back)).is_some());
    assert_eq!(known.count(), 59 * 24);
    // A policy of a longer window shares the feed: its hours come too.
    let longer = hours_before(90 * 24);
    let now = later(55);
    feed.refresh_from(&server.http, longer, later(50))
        .await
        .unwrap();
    feed.refresh_from(&server.http, from, now).await.unwrap();
    assert!(
        feed.seen_at(now)
            .load("KR", 2024)
            .unwrap()
            .series
            .at(longer)
            .is_some()
    );
}

#[tokio::test]
async fn an_estimate_of_the_past_is_asked_for_again_the_next_day_and_both_are_kept() {
    let server = Server::new(|path, _, number| {
        if path.contains("/past-range?") {
            past_range(path, if number < 9 { 430 } else { 421 }, number < 9)
        } else {
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let from = hours_before(5 * 24);
    let mut restated = 0;
    for minutes in [0, 15, 23 * 60, 25 * 60, 25 * 60 + 15, 49 * 60] {
        let now = later(minutes);
        restated += feed
            .refresh_from(&server.http, from, now)
            .await
            .unwrap()
            .restated;
    }
    assert!(restated >= 4 * 24, "{restated}");
    let hour = hours_before(80);
    let changed = feed.restated(tanso_carbon::Period {
        from: hour,
        until: hour.plus_hours(1),
    });
    assert_eq!(changed[0].first.seen_at, now());
    assert!(changed[0].first.is_estimated && !changed[0].latest.is_estimated);
}

/// The wait of an optional request was dropped, and the service was asked
/// again ten minutes later.
#[tokio::test]
async fn a_wait_that_is_asked_for_with_the_forecast_holds_for_everything() {
    let server = Server::new(|path, _, _| {
        if path.contains("forecast") {
            let wait = [(header::RETRY_AFTER, "86400")];
            (StatusCode::TOO_MANY_REQUESTS, wait).into_response()
        } else {
            assert!(!path.contains("past-range"), "asked on after a refusal");
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let from = hours_before(10 * 24);
    let asked = feed
        .refresh_from(&server.http, from, now())
        .await
        .unwrap()
        .asked;
    assert_eq!(asked, 2, "history and forecast, then nothing");
    // What came with the refusal is kept.
    assert!(at(&feed, now(), "2024-06-14T15:00Z").is_some());
    for minutes in [11, 60, 23 * 60] {
        let now = later(minutes);
        let asked = feed
            .refresh_from(&server.http, from, now)
            .await
            .unwrap()
            .asked;
        assert_eq!(asked, 0, "{minutes} minutes later");
    }
    let now = later(24 * 60 + 1);
    assert_eq!(
        feed.refresh_from(&server.http, from, now)
            .await
            .unwrap()
            .asked,
        2
    );
}

#[tokio::test]
async fn a_refused_page_of_the_past_leaves_the_present_as_it_is() {
    let server = Server::new(|path, _, _| {
        if path.contains("past-range") {
            (StatusCode::FORBIDDEN, "not in your plan").into_response()
        } else {
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let from = hours_before(30 * 24);
    feed.refresh_from(&server.http, from, now()).await.unwrap();
    assert!(at(&feed, now(), "2024-06-14T15:00Z").is_some());
    let other = Server::new(|path, _, _| {
        if path.contains("past-range") {
            says(&EM_RANGE.replace("442", "442000"))
        } else {
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = other.feed(maps(Boundary::LifeCycle));
    feed.refresh_from(&other.http, from, now()).await.unwrap();
    assert!(at(&feed, now(), "2024-06-14T15:00Z").is_some());
}

#[test]
fn every_service_asks_for_the_past_within_its_own_limits() {
    let from = hours_before(48);
    let services: [(&dyn Service, &str); 5] = [
        (
            &maps(Boundary::LifeCycle),
            "/v3/carbon-intensity/past-range?zone=KR&emissionFactorType=lifecycle&start=2024-06-12T15%3A00%3A00Z&end=2024-06-13T15%3A00%3A00Z",
        ),
        (
            &watttime(Method::Average),
            "/v3/historical?region=KOR&signal_type=co2_aoer&start=2024-06-12T15%3A00%3A00Z&end=2024-06-13T15%3A00%3A00Z",
        ),
        (
            &Neso { region: Some(3) },
            "/regional/intensity/2024-06-12T15:00Z/2024-06-13T15:00Z/regionid/3",
        ),
        (
            &carbon_aware(),
            "/emissions/bylocation?location=koreacentral&time=2024-06-12T15%3A00%3A00Z&toTime=2024-06-13T15%3A00%3A00Z",
        ),
        (
            &prometheus(Unit::GramsPerKwh),
            "/api/v1/query_range?query=grid_intensity%7Bzone%3D%22own%22%7D&start=1718204400&end=1718287200&step=3600",
        ),
    ];
    for (service, path) in services {
        let piece = tanso_carbon::Period {
            from,
            until: from.plus_hours(24),
        };
        let ask = service.ask_past(piece, None).unwrap();
        assert_eq!(ask.path, path);
        assert!(ask.is_optional && (24..=744).contains(&service.past_hours_max()));
    }
}
