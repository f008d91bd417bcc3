//! A server that answers as it is told to, and feeds that ask it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::Boundary;
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::feed::{Feed, Setting};
use tanso_intensity::http::Http;
use tanso_intensity::http::guard::Guard;
use tanso_intensity::service::electricity_maps::ElectricityMaps;
use tanso_intensity::service::{Secret, Service};

/// Two minutes after the samples' forecasts were made.
pub(super) fn now() -> Timestamp {
    "2024-06-14T15:02:00Z".parse().unwrap()
}

pub(super) fn later(minutes: i64) -> Timestamp {
    now()
        .checked_add(SignedDuration::from_mins(minutes))
        .unwrap()
}

type Reply = dyn Fn(&str, &HeaderMap, usize) -> Response + Send + Sync;

/// A server that answers each path as it is told to; counts requests.
pub(super) struct Server {
    pub(super) endpoint: String,
    pub(super) http: Http,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Told {
    reply: Arc<Reply>,
    asked: Arc<AtomicUsize>,
}

async fn answer(State(told): State<Told>, request: Request) -> Response {
    let number = told.asked.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().to_string();
    (told.reply)(&path, request.headers(), number)
}

impl Server {
    pub(super) async fn new(
        reply: impl Fn(&str, &HeaderMap, usize) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let told = Told {
            reply: Arc::new(reply),
            asked: Arc::clone(&asked),
        };
        let router = Router::new().fallback(answer).with_state(told);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            endpoint: format!("http://{address}"),
            http: Http::try_new(Guard::with_listed([address]), &[]).unwrap(),
            asked,
        }
    }

    pub(super) fn feed(&self, service: impl Service + 'static) -> Arc<Feed> {
        Arc::new(Feed::new(self.setting(service)))
    }

    pub(super) fn setting(&self, service: impl Service + 'static) -> Setting {
        Setting {
            name: "live".to_owned(),
            endpoint: self.endpoint.clone(),
            services_own: None,
            service: Box::new(service),
            file: None,
            stale_after: SignedDuration::from_hours(6),
        }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

pub(super) fn says(text: &str) -> Response {
    text.to_owned().into_response()
}

pub(super) fn maps(boundary: Boundary) -> ElectricityMaps {
    ElectricityMaps {
        zone: "KR".to_owned(),
        boundary,
        token: Some(Secret::new("token-of-the-test\n")),
    }
}

/// What a feed knows of an hour, `442.0 gCO2eq/kWh Published`.
pub(super) fn at(feed: &Arc<Feed>, now: Timestamp, hour: &str) -> Option<String> {
    let loaded = feed.seen_at(now).load("", 2024).ok()?;
    let point = loaded.series.at(UtcHour::parse(hour).unwrap())?;
    Some(format!("{} {:?}", point.intensity.value, point.origin))
}
