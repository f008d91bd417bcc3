//! Feeds against servers that answer in the services' documented shapes, with
//! every trap that is known of them: null and missing hours, other factors and
//! units, empty objects, 429 with a wait, redirects, garbage, endless and slow
//! answers, refused credentials.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "services/past.rs"]
mod past;
#[path = "services/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::{Boundary, Method, Origin};
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::feed::{Feed, FeedFault, Setting};
use tanso_intensity::http::guard::Guard;
use tanso_intensity::http::{BODY_MAX, Http};
use tanso_intensity::reading::Unit;
use tanso_intensity::service::carbon_aware::CarbonAware;
use tanso_intensity::service::neso::Neso;
use tanso_intensity::service::prometheus::Prometheus;
use tanso_intensity::service::watttime::WattTime;
use tanso_intensity::service::{Secret, Service as _};

use server::{Server, at, later, maps, now, says};

const EM_HISTORY: &str = include_str!("replies/electricitymaps_history.json");
const EM_FORECAST: &str = include_str!("replies/electricitymaps_forecast.json");
const EM_RANGE: &str = include_str!("replies/electricitymaps_past_range.json");
const EM_LATEST: &str = include_str!("replies/electricitymaps_latest.json");
const WATTTIME: &str = include_str!("replies/watttime_forecast.json");
const NESO: &str = include_str!("replies/uk_intensity_fw24h.json");
const NESO_EMPTY: &str = include_str!("replies/uk_intensity_empty.json");
const CARBON_AWARE: &str = include_str!("replies/carbonaware_forecast.json");

#[tokio::test]
async fn electricity_maps_gives_hours_with_gaps_estimates_and_a_forecast() {
    let server = Server::new(|path, headers, _| {
        assert_eq!(headers["auth-token"], "token-of-the-test");
        if path.contains("/history?zone=KR&emissionFactorType=lifecycle") {
            says(EM_HISTORY)
        } else {
            assert!(
                path.starts_with("/v3/carbon-intensity/forecast?zone=KR"),
                "{path}"
            );
            says(EM_FORECAST)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    assert_eq!(feed.refresh(&server.http, now()).await.unwrap().asked, 2);
    let known = |hour| at(&feed, later(30), hour);
    assert_eq!(
        known("2024-06-14T15:00Z").as_deref(),
        Some("442.0 gCO2eq/kWh Published")
    );
    // The sixth row of the history is null, and 00:00 is missing there: the
    // forecast knows both.
    assert_eq!(
        known("2024-06-14T20:00Z").as_deref(),
        Some("435.0 gCO2eq/kWh Forecast")
    );
    assert_eq!(
        known("2024-06-15T00:00Z").as_deref(),
        Some("402.0 gCO2eq/kWh Forecast")
    );
    assert_eq!(known("2024-05-01T00:00Z"), None);
    // The last hours are the publisher's estimates.
    let loaded = feed.seen_at(later(30)).load("", 2024).unwrap();
    let hours = UtcHour::parse("2024-06-14T15:00Z").unwrap();
    let origins: Vec<_> = (0..48)
        .filter_map(|step| loaded.series.at(hours.plus_hours(step)))
        .map(|point| point.origin)
        .collect();
    assert!(origins.contains(&Origin::PublisherEstimate));
    // Not due again for a while.
    assert_eq!(feed.refresh(&server.http, later(1)).await.unwrap().asked, 0);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_forecast_that_the_plan_does_not_include_leaves_the_history() {
    let server = Server::new(|path, _, _| {
        if path.contains("forecast") {
            (StatusCode::FORBIDDEN, "not in your plan").into_response()
        } else {
            says(EM_HISTORY)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    feed.refresh(&server.http, now()).await.unwrap();
    assert!(at(&feed, now(), "2024-06-14T15:00Z").is_some());
    assert_eq!(at(&feed, now(), "2024-06-14T20:00Z"), None);
}

#[tokio::test]
async fn direct_figures_are_refused_where_life_cycle_was_asked_for() {
    let server = Server::new(|_, _, _| says(EM_RANGE)).await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let fault = feed
        .refresh(&server.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        fault.contains("factors lifecycle") && fault.contains("direct"),
        "{fault}"
    );
    let direct = server.feed(maps(Boundary::Direct));
    direct.refresh(&server.http, now()).await.unwrap();
    assert_eq!(direct.info().boundary, Boundary::Direct);
}

#[tokio::test]
async fn the_answer_to_another_question_is_no_answer() {
    let server = Server::new(|_, _, _| says(EM_LATEST)).await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    let fault = feed
        .refresh(&server.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("no figure in the answer"), "{fault}");
    let other = Server::new(|_, _, _| says(&EM_HISTORY.replace("\"KR\"", "\"DE\""))).await;
    let feed = other.feed(maps(Boundary::LifeCycle));
    let fault = feed
        .refresh(&other.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("asked for zone KR, got DE"), "{fault}");
}

#[tokio::test]
async fn a_revised_estimate_restates_the_hour_and_keeps_both() {
    let server = Server::new(|path, _, number| {
        if path.contains("forecast") {
            says("{}")
        } else if number < 2 {
            says(r#"{"zone":"KR","history":[{"carbonIntensity":430,"datetime":"2024-06-14T14:00:00.000Z","isEstimated":true}]}"#)
        } else {
            says(r#"{"zone":"KR","history":[{"carbonIntensity":421,"datetime":"2024-06-14T14:00:00.000Z","isEstimated":false}]}"#)
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    feed.refresh(&server.http, now()).await.unwrap();
    let again = feed.refresh(&server.http, later(60)).await.unwrap();
    assert_eq!(again.restated, 1);
    let hour = UtcHour::parse("2024-06-14T14:00Z").unwrap();
    let changed = feed.restated(tanso_carbon::Period {
        from: hour,
        until: hour.plus_hours(1),
    });
    assert_eq!(changed[0].first.seen_at, now());
    assert_eq!(changed[0].latest.seen_at, later(60));
    assert!(changed[0].first.is_estimated && !changed[0].latest.is_estimated);
}

fn watttime(method: Method) -> WattTime {
    WattTime {
        region: "KOR".to_owned(),
        method,
        login: Some((Secret::new("ada"), Secret::new("lovelace"))),
    }
}

fn watttime_server(path: &str, headers: &HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION).unwrap();
    if path == "/login" {
        assert_eq!(given, "Basic YWRhOmxvdmVsYWNl");
        says(r#"{"token":"of-the-day"}"#)
    } else {
        assert_eq!(given, "Bearer of-the-day");
        assert!(path.contains("region=KOR"), "{path}");
        says(WATTTIME)
    }
}

#[tokio::test]
async fn watttime_logs_in_once_and_its_pounds_are_marginal_grams() {
    let server = Server::new(|path, headers, _| watttime_server(path, headers)).await;
    let feed = server.feed(watttime(Method::Marginal));
    assert_eq!(feed.refresh(&server.http, now()).await.unwrap().asked, 3);
    assert_eq!(
        feed.refresh(&server.http, later(11)).await.unwrap().asked,
        2
    );
    // Twelve five-minute figures, 1580 to 1508.5 lb/MWh, mean 1544.25.
    let marginal = feed.seen_at(now()).marginal().unwrap().unwrap();
    let hour = UtcHour::parse("2024-06-14T15:00Z").unwrap();
    let mean = marginal.0.series.at(hour).unwrap().intensity.value;
    assert!((mean.as_grams_per_kwh_f64() - 1_544.25 * 0.453_592_37).abs() < 1e-3);
    assert_eq!(marginal.0.series.info().method, Method::Marginal);
    let refused = feed
        .seen_at(now())
        .load("KR", 2024)
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("price no energy"), "{refused}");
}

#[tokio::test]
async fn watttimes_other_signals_and_units_are_refused() {
    let server = Server::new(|path, headers, _| watttime_server(path, headers)).await;
    let average = server.feed(watttime(Method::Average));
    let fault = average
        .refresh(&server.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        fault.contains("asked for signal co2_aoer, got co2_moer"),
        "{fault}"
    );
    let grams = Server::new(|path, headers, _| {
        let response = watttime_server(path, headers);
        if path == "/login" {
            return response;
        }
        says(&WATTTIME.replace("lbs_co2_per_mwh", "g_per_kwh"))
    })
    .await;
    let feed = grams.feed(watttime(Method::Marginal));
    let fault = feed
        .refresh(&grams.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("unit lbs_co2_per_mwh"), "{fault}");
}

#[tokio::test]
async fn britains_half_hours_become_hours_and_an_empty_object_is_no_answer() {
    let server = Server::new(|path, _, _| {
        assert!(path.starts_with("/intensity/2024-06-14T15:00Z/"), "{path}");
        if path.ends_with("/pt24h") {
            says(&NESO.replace("2024-06-14T15:", "2024-06-14T14:"))
        } else {
            says(NESO)
        }
    })
    .await;
    let feed = server.feed(Neso::default());
    feed.refresh(&server.http, now()).await.unwrap();
    assert_eq!(
        at(&feed, now(), "2024-06-14T16:00Z").as_deref(),
        Some("153.5 gCO2eq/kWh Forecast")
    );
    let empty = Server::new(|_, _, _| says(NESO_EMPTY)).await;
    let feed = empty.feed(Neso::default());
    let fault = feed
        .refresh(&empty.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("no figure in the answer"), "{fault}");
    let unknown = feed
        .seen_at(now())
        .load("GB", 2024)
        .err()
        .unwrap()
        .to_string();
    assert!(unknown.contains("no figure in the answer"), "{unknown}");
}

fn carbon_aware() -> CarbonAware {
    CarbonAware {
        location: "koreacentral".to_owned(),
        method: Method::Average,
        boundary: Boundary::LifeCycle,
    }
}

#[tokio::test]
async fn the_carbon_aware_sdk_gives_a_forecast_and_sliding_means_are_refused() {
    let past = r#"[{"location":"KR","time":"2024-06-14T14:00:00+00:00","rating":444.0,"duration":"01:00:00"}]"#;
    let server = Server::new(move |path, _, _| {
        says(if path.contains("forecasts") {
            CARBON_AWARE
        } else {
            past
        })
    })
    .await;
    let feed = server.feed(carbon_aware());
    feed.refresh(&server.http, now()).await.unwrap();
    assert_eq!(
        at(&feed, now(), "2024-06-14T14:00Z").as_deref(),
        Some("444.0 gCO2eq/kWh Published")
    );
    assert_eq!(
        at(&feed, now(), "2024-06-14T16:00Z").as_deref(),
        Some("445.0 gCO2eq/kWh Forecast")
    );
    let sliding = CARBON_AWARE.replace("\"duration\": 60", "\"duration\": 240");
    let refused = carbon_aware().read("forecast", sliding.as_bytes(), now());
    assert!(refused.unwrap_err().to_string().contains("windowSize"));
}

fn prometheus(unit: Unit) -> Prometheus {
    Prometheus {
        zone: "X-OWN".to_owned(),
        query: "grid_intensity{zone=\"own\"}".to_owned(),
        unit,
        method: Method::Average,
        boundary: Boundary::LifeCycle,
        token: None,
    }
}

#[tokio::test]
async fn a_prometheus_query_must_give_one_series_in_its_unit() {
    let page = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1718373600,"412.5"],[1718377200,"NaN"]]}]}}"#;
    let server = Server::new(move |path, _, _| {
        assert!(
            path.contains("grid_intensity%7Bzone%3D%22own%22%7D"),
            "{path}"
        );
        says(page)
    })
    .await;
    let feed = server.feed(prometheus(Unit::GramsPerKwh));
    feed.refresh(&server.http, now()).await.unwrap();
    assert_eq!(
        at(&feed, now(), "2024-06-14T14:00Z").as_deref(),
        Some("412.5 gCO2eq/kWh Published")
    );
    assert_eq!(at(&feed, now(), "2024-06-14T15:00Z"), None);
    let tonnes = server.feed(prometheus(Unit::TonnesPerMwh));
    let fault = tonnes
        .refresh(&server.http, now())
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("row 1 (2024-06-14T14:00:00Z)"), "{fault}");
    let two = page.replace("\"result\":[", "\"result\":[{\"metric\":{},\"values\":[]},");
    let refused = prometheus(Unit::GramsPerKwh).read("history", two.as_bytes(), now());
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("2 series, expected 1")
    );
}

/// The message of a feed whose server misbehaves.
async fn refusal(reply: impl Fn() -> Response + Send + Sync + 'static) -> String {
    let server = Server::new(move |_, _, _| reply()).await;
    let http = server.http.clone().with_timeout(Duration::from_millis(400));
    let feed = server.feed(maps(Boundary::LifeCycle));
    let fault = feed.refresh(&http, now()).await.unwrap_err();
    assert!(feed.seen_at(now()).load("KR", 2024).is_err());
    fault.to_string()
}

#[tokio::test]
async fn a_server_that_misbehaves_harms_nobody() {
    let redirect = refusal(|| {
        (
            StatusCode::FOUND,
            [(header::LOCATION, "http://169.254.169.254/latest")],
        )
            .into_response()
    });
    let redirect = redirect.await;
    assert!(
        redirect.contains("redirects to \"http://169.254.169.254/latest\": not followed"),
        "{redirect}"
    );
    let garbage = refusal(|| says("<html>sorry</html>")).await;
    assert!(garbage.contains("not in the documented shape"), "{garbage}");
    let endless = refusal(|| {
        let chunk = vec![b' '; 64 * 1024];
        let chunks =
            (0..BODY_MAX / chunk.len() + 2).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        Body::from_stream(futures::stream::iter(chunks)).into_response()
    });
    let endless = endless.await;
    assert!(endless.contains("at most 4194304 bytes"), "{endless}");
    let slow = refusal(|| {
        Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>())
            .into_response()
    });
    let slow = slow.await;
    assert!(slow.contains("no complete answer"), "{slow}");
    let other_unit = refusal(|| says(&EM_HISTORY.replace("442", "442000"))).await;
    assert!(
        other_unit.contains("row 1 (2024-06-14T15:00:00Z)"),
        "{other_unit}"
    );
    let refused = refusal(|| (StatusCode::UNAUTHORIZED, "no such token").into_response()).await;
    assert!(
        refused.contains("401") && !refused.contains("token-of-the-test"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_and_the_last_good_figures_serve_meanwhile() {
    let server = Server::new(|path, _, number| {
        if path.contains("forecast") {
            says("{}")
        } else if number < 2 {
            says(EM_HISTORY)
        } else {
            (
                StatusCode::TOO_MANY_REQUESTS,
                [(header::RETRY_AFTER, "7200")],
            )
                .into_response()
        }
    })
    .await;
    let feed = server.feed(maps(Boundary::LifeCycle));
    feed.refresh(&server.http, now()).await.unwrap();
    let fault = feed.refresh(&server.http, later(15)).await.unwrap_err();
    assert!(
        matches!(fault, FeedFault::Http(_)) && fault.to_string().contains("429"),
        "{fault}"
    );
    let before = server.asked();
    assert_eq!(
        feed.refresh(&server.http, later(30)).await.unwrap().asked,
        0
    );
    assert_eq!(
        server.asked(),
        before,
        "nothing is sent before the wait is over"
    );
    let fresh = feed.seen_at(later(60)).load("KR", 2024).unwrap().freshness;
    assert_eq!((fresh.as_of, fresh.is_stale), (Some(now()), false));
    let stale = feed
        .seen_at(later(7 * 60))
        .load("KR", 2024)
        .unwrap()
        .freshness;
    assert!(
        stale.is_stale && stale.notes[0].contains("429"),
        "{stale:?}"
    );
}

#[tokio::test]
async fn what_was_learnt_survives_a_restart_without_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kr.json");
    let server = Server::new(|path, _, _| {
        says(if path.contains("forecast") {
            EM_FORECAST
        } else {
            EM_HISTORY
        })
    })
    .await;
    let setting = |server: &Server| Setting {
        file: Some(file.clone()),
        ..server.setting(maps(Boundary::LifeCycle))
    };
    let feed = Arc::new(Feed::new(setting(&server)));
    feed.refresh(&server.http, now()).await.unwrap();
    let digest = feed.seen_at(now()).load("KR", 2024).unwrap().digest;
    let again = Arc::new(Feed::new(setting(&server)));
    assert_eq!(
        again.refresh(&server.http, later(5)).await.unwrap().asked,
        0
    );
    assert_eq!(
        again.seen_at(now()).load("KR", 2024).unwrap().digest,
        digest
    );
}

#[tokio::test]
async fn an_endpoint_that_nobody_listed_gets_no_request() {
    let server = Server::new(|_, _, _| says(EM_HISTORY)).await;
    let http = Http::try_new(Guard::default(), &[]).unwrap();
    let feed = server.feed(maps(Boundary::LifeCycle));
    let fault = feed.refresh(&http, now()).await.unwrap_err().to_string();
    assert!(fault.contains("not listed"), "{fault}");
    assert_eq!(server.asked(), 0);
}
