//! A reverse proxy before the real API server: it records what is asked and
//! lets what is planned go wrong.
//!
//! It speaks plain HTTP to the operator and, in the operator's name and with
//! its rights, TLS to the API server. It never makes up an object: answers are
//! the API server's own, of now or of before, or a bare failure.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::call::{Call, Point};
use crate::fault::{Fault, Plan, Target};
use crate::watch;

/// How late a delayed request is.
const LATE: Duration = Duration::from_millis(400);

/// How far the API server is behind that is not the newest.
pub const BEHIND: Duration = Duration::from_millis(1_500);

/// How long the API server is away: the lease lasts 10 s.
const AWAY: Duration = Duration::from_secs(15);

/// How often a fault strikes that is not bound to one point.
const STRIKES_MAX: u32 = 4;

/// Header of an answer at which the operator is to panic.
pub const PANIC: &str = "tanso-fault-panic";

/// A body that may break off.
pub type Body = BoxBody<Bytes, io::Error>;

/// Replaces an object by another one's of the same name, given its path.
pub type Replacer = Arc<dyn Fn(String) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What happened in a run, and what is to happen.
#[derive(Default)]
struct Ledger {
    plans: Vec<Plan>,
    /// How often each of them struck.
    struck: Vec<u32>,
    /// Reads so far, when two API servers take turns.
    turns: u64,
    /// When the API server went away.
    left: Option<Instant>,
    counts: HashMap<Call, u32>,
    points: Vec<Point>,
    writes: u64,
    created: BTreeMap<String, u32>,
    deleted: BTreeMap<String, u32>,
    /// Answers to reads by path, oldest first.
    past: HashMap<String, Vec<Answered>>,
}

/// An answer to a read, and when it was first given.
#[derive(Clone)]
struct Answered {
    at: Instant,
    status: StatusCode,
    body: Bytes,
}

/// A fault that strikes, and which of the plans it is.
#[derive(Clone, Copy)]
struct Strike {
    plan: usize,
    fault: Fault,
}

/// What a run did, as the API server saw it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Every call in the order in which it came.
    pub points: Vec<Point>,
    /// Objects that were created, and how often.
    pub created: BTreeMap<String, u32>,
    /// Objects that were deleted, and how often.
    pub deleted: BTreeMap<String, u32>,
    /// How often faults struck.
    pub struck: u32,
    /// How often the operator was made to panic.
    pub panics: u32,
}

/// The proxy of one run.
#[derive(Clone)]
pub struct Proxy {
    upstream: Client,
    ledger: Arc<Mutex<Ledger>>,
    dies: Arc<Notify>,
    leaves: Arc<Notify>,
    replacer: Replacer,
}

/// A way to the proxy; when it is dropped, every connection breaks.
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    _connections: JoinSet<()>,
}

/// What the service answers with when the connection is to break.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

impl Proxy {
    /// A proxy that lets these plans go wrong.
    #[must_use]
    pub fn new(upstream: Client, plans: Vec<Plan>, replacer: Replacer) -> Self {
        let ledger = Ledger {
            struck: vec![0; plans.len()],
            plans,
            ..Ledger::default()
        };
        Self {
            upstream,
            ledger: Arc::new(Mutex::new(ledger)),
            dies: Arc::default(),
            leaves: Arc::default(),
            replacer,
        }
    }

    /// Opens a way in.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn open(&self) -> Result<Door> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("opening the proxy's port")?;
        let address = listener.local_addr().context("the proxy's port")?;
        let mut connections = JoinSet::new();
        let proxy = self.clone();
        connections.spawn(async move {
            let mut inner = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                while inner.try_join_next().is_some() {}
                inner.spawn(async move {
                    let service = service_fn(move |request| {
                        let proxy = proxy.clone();
                        async move { proxy.answer(request).await }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A connection that breaks is what this is about.
                    let _ = connection.await;
                });
            }
        });
        Ok(Door {
            address,
            _connections: connections,
        })
    }

    /// Waits until the plan says that the operator dies.
    pub async fn death(&self) {
        self.dies.notified().await;
    }

    /// Writes so far, without those of the lease.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// How often a call was made so far.
    #[must_use]
    pub fn count(&self, verb: &str, resource: &str) -> u32 {
        let of = |call: &Call| call.verb == verb && call.resource == resource;
        let ledger = self.lock();
        let counts = ledger.counts.iter().filter(|(call, _)| of(call));
        counts.map(|(_, count)| count).sum()
    }

    /// What happened so far.
    #[must_use]
    pub fn record(&self) -> Record {
        let ledger = self.lock();
        Record {
            points: ledger.points.clone(),
            created: ledger.created.clone(),
            deleted: ledger.deleted.clone(),
            struck: ledger.struck.iter().sum(),
            panics: ledger
                .plans
                .iter()
                .zip(&ledger.struck)
                .filter(|(plan, _)| plan.fault == Fault::Panic)
                .map(|(_, struck)| struck)
                .sum(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Nothing panics while it holds the lock.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and tells what goes wrong with it.
    fn judge(&self, call: &Call) -> Option<Strike> {
        let mut ledger = self.lock();
        let count = ledger.counts.entry(call.clone()).or_insert(0);
        *count += 1;
        let point = Point {
            call: call.clone(),
            nth: *count,
        };
        if call.writes() && !call.is_lease() {
            ledger.writes += 1;
        }
        let leaves = call.writes() && !call.is_lease() && ledger.left.is_none();
        let may_leave = ledger.plans.iter().any(|plan| plan.fault == Fault::Away);
        if leaves && may_leave {
            ledger.left = Some(Instant::now());
            self.leaves.notify_waiters();
        }
        let is_away = ledger.left.is_some_and(|at| at.elapsed() < AWAY);
        let mut pairs = ledger.plans.iter().zip(&ledger.struck);
        let found = pairs.position(|(plan, struck)| match &plan.target {
            Target::Point(target) => *target == point,
            Target::Every(target) => {
                target.verb == call.verb
                    && target.resource == call.resource
                    && *struck < STRIKES_MAX
            }
            Target::Reads => !call.writes() && !call.is_lease(),
            Target::All => is_away,
        });
        ledger.points.push(point);
        let plan = found?;
        let fault = ledger.plans.get(plan)?.fault;
        let strike = Strike { plan, fault };
        // These strike when there is something to strike at.
        let is_later = matches!(
            fault,
            Fault::Stale
                | Fault::TwoServers
                | Fault::WatchMerged
                | Fault::WatchGone
                | Fault::WatchGarbled
                | Fault::WatchSilent
        );
        drop(ledger);
        if !is_later {
            self.struck(strike);
        }
        Some(strike)
    }

    /// Counts that a fault really happened.
    fn struck(&self, strike: Strike) {
        if let Some(struck) = self.lock().struck.get_mut(strike.plan) {
            *struck += 1;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let query = parts.uri.query().unwrap_or_default();
        let call = Call::read(parts.method.as_str(), parts.uri.path(), query);
        let Some(call) = call else {
            return self.forward(&parts, &body, None).await.map(whole);
        };
        let strike = self.judge(&call);
        if call.verb == "watch" {
            return self.watch(&parts, strike).await;
        }
        match strike {
            None => self.forward(&parts, &body, Some(&call)).await.map(whole),
            Some(strike) => self.fail(strike, &parts, &body, &call).await,
        }
    }

    async fn fail(
        &self,
        strike: Strike,
        parts: &Parts,
        body: &Bytes,
        call: &Call,
    ) -> Result<Response<Body>, Broken> {
        let forward = || self.forward(parts, body, Some(call));
        match strike.fault {
            Fault::DropBefore | Fault::Away => Err(Broken),
            Fault::DropAfter => {
                forward().await?;
                Err(Broken)
            }
            Fault::Delay => {
                sleep(LATE).await;
                forward().await.map(whole)
            }
            Fault::Duplicate => {
                let first = forward().await?;
                forward().await?;
                Ok(whole(first))
            }
            Fault::TimeoutCommitted => {
                forward().await?;
                Ok(refusal(StatusCode::GATEWAY_TIMEOUT, "Timeout"))
            }
            Fault::Truncate => forward().await.map(truncated),
            Fault::CrashBefore => self.die().await,
            Fault::CrashAfter => {
                forward().await?;
                self.die().await
            }
            Fault::Panic => {
                let mut answer = forward().await?;
                let mark = HeaderValue::from_static("now");
                answer.headers_mut().insert(PANIC, mark);
                Ok(whole(answer))
            }
            Fault::Hold | Fault::Silent => std::future::pending().await,
            Fault::Replaced => {
                (self.replacer)(parts.uri.path().to_owned())
                    .await
                    .map_err(|_| Broken)?;
                forward().await.map(whole)
            }
            Fault::Stale => {
                let other = |answered: &Answered, newest: &Bytes| answered.body != *newest;
                self.earlier(strike, parts, call, other).await
            }
            Fault::TwoServers if self.is_turn_of_the_older() => {
                let known = |answered: &Answered, _: &Bytes| answered.at.elapsed() >= BEHIND;
                self.earlier(strike, parts, call, known).await
            }
            Fault::TwoServers => forward().await.map(whole),
            other => Ok(status_of(other)),
        }
    }

    /// The process must not see what comes after its death.
    async fn die(&self) -> Result<Response<Body>, Broken> {
        self.dies.notify_one();
        std::future::pending::<Result<Infallible, Broken>>()
            .await
            .map(|never| match never {})
    }

    /// Of two API servers the one that is behind has every other turn.
    fn is_turn_of_the_older(&self) -> bool {
        let mut ledger = self.lock();
        ledger.turns += 1;
        ledger.turns.is_multiple_of(2)
    }

    /// The last answer that fits, given the newest; the newest if none does.
    async fn earlier(
        &self,
        strike: Strike,
        parts: &Parts,
        call: &Call,
        fits: impl Fn(&Answered, &Bytes) -> bool,
    ) -> Result<Response<Body>, Broken> {
        let newest = self.forward(parts, &Bytes::new(), Some(call)).await?;
        let path = parts.uri.to_string();
        let before = self.lock().past.get(&path).and_then(|past| {
            let mut earlier = past.iter().rev();
            earlier.find(|one| fits(one, newest.body())).cloned()
        });
        let Some(before) = before.filter(|before| before.body != *newest.body()) else {
            return Ok(whole(newest));
        };
        self.struck(strike);
        let mut response = Response::new(before.body);
        *response.status_mut() = before.status;
        response.headers_mut().insert(
            hyper::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Ok(whole(response))
    }

    /// Asks the API server and notes what was done; also when the caller's
    /// connection breaks meanwhile, since it is done all the same.
    async fn forward(
        &self,
        parts: &Parts,
        body: &Bytes,
        call: Option<&Call>,
    ) -> Result<Response<Bytes>, Broken> {
        let (proxy, parts) = (self.clone(), parts.clone());
        let (body, call) = (body.clone(), call.cloned());
        let asking = async move {
            let response = proxy.ask(&parts, body).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
            if let Some(call) = call {
                proxy.note(&parts, &call, head.status, &body);
            }
            Ok(Response::from_parts(head, body))
        };
        tokio::spawn(asking).await.map_err(|_| Broken)?
    }

    async fn ask(
        &self,
        parts: &Parts,
        body: Bytes,
    ) -> Result<Response<kube::client::Body>, Broken> {
        let mut request = Request::builder()
            .method(parts.method.clone())
            .uri(parts.uri.clone());
        if let Some(headers) = request.headers_mut() {
            headers.extend(parts.headers.clone());
            headers.remove(hyper::header::HOST);
            headers.remove(CONTENT_LENGTH);
            headers.remove(ACCEPT_ENCODING);
        }
        let request = request
            .body(kube::client::Body::from(body.to_vec()))
            .map_err(|_| Broken)?;
        self.upstream.send(request).await.map_err(|_| Broken)
    }

    fn note(&self, parts: &Parts, call: &Call, status: StatusCode, body: &Bytes) {
        let mut ledger = self.lock();
        if !call.writes() {
            let past = ledger.past.entry(parts.uri.to_string()).or_default();
            if past.last().is_none_or(|last| last.body != *body) {
                past.push(Answered {
                    at: Instant::now(),
                    status,
                    body: body.clone(),
                });
            }
            return;
        }
        if call.resource == "events" || call.is_lease() {
            return;
        }
        let object = format!("{} {}", call.resource, call.name);
        if status == StatusCode::CREATED {
            *ledger.created.entry(object).or_insert(0) += 1;
        } else if call.verb == "delete" && status.is_success() {
            *ledger.deleted.entry(object).or_insert(0) += 1;
        }
    }

    async fn watch(&self, parts: &Parts, strike: Option<Strike>) -> Result<Response<Body>, Broken> {
        let fault = strike.map(|strike| strike.fault);
        match fault {
            Some(Fault::DropBefore | Fault::Away) => return Err(Broken),
            Some(fault @ (Fault::Gone | Fault::TooMany | Fault::Internal)) => {
                return Ok(status_of(fault));
            }
            // As Kubernetes answers who names a version that it has not seen yet.
            Some(Fault::TwoServers) if self.is_turn_of_the_older() => {
                return Ok(refusal(StatusCode::GATEWAY_TIMEOUT, "Timeout"));
            }
            _ => {}
        }
        let response = self.ask(parts, Bytes::new()).await?;
        let (mut head, body) = response.into_parts();
        head.headers.remove(CONTENT_LENGTH);
        let (sender, channel) = Channel::<Bytes, io::Error>::new(64);
        let proxy = self.clone();
        let struck = move || {
            if let Some(strike) = strike {
                proxy.struck(strike);
            }
        };
        let leaves = Arc::clone(&self.leaves);
        // Ends when either side does.
        tokio::spawn(async move {
            tokio::select! {
                () = watch::pump(body, sender, fault, struck) => {}
                () = leaves.notified() => {}
            }
        });
        Ok(Response::from_parts(head, channel.boxed()))
    }
}

fn whole(response: Response<Bytes>) -> Response<Body> {
    response.map(|body| Full::new(body).map_err(|never| match never {}).boxed())
}

/// Half of the body, under the length of all of it.
fn truncated(response: Response<Bytes>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let half = body.slice(..body.len() / 2);
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    let (mut sender, channel) = Channel::<Bytes, io::Error>::new(2);
    tokio::spawn(async move {
        let _ = sender.send_data(half).await;
        sender.abort(io::Error::other("broken on purpose"));
    });
    Response::from_parts(head, channel.boxed())
}

fn status_of(fault: Fault) -> Response<Body> {
    match fault {
        Fault::Conflict => refusal(StatusCode::CONFLICT, "Conflict"),
        Fault::Gone => refusal(StatusCode::GONE, "Expired"),
        Fault::TooMany => refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
        Fault::Unavailable => refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        Fault::Forbidden => refusal(StatusCode::FORBIDDEN, "Forbidden"),
        _ => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}

fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    let text = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason} on purpose"), "reason": reason, "code": status.as_u16()})
    .to_string();
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        hyper::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    whole(response)
}
