//! An operator that runs within the test, by its own settings, on a client that
//! counts and, where it is told to, panics.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::client::Body;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_crds::{CarbonPolicy, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};
use tanso_operator::settings::Settings;
use tanso_runtime::Shutdown;
use tokio::sync::{Mutex as TurnMutex, MutexGuard, oneshot};
use tokio::task::JoinHandle;

use super::{PATIENCE, api};

/// Namespace of the tests' policies and studies.
pub(super) const SHOP: &str = "fault-calm";

static TURN: TurnMutex<()> = TurnMutex::const_new(());

/// A policy of the shop that can be evaluated, had it any energy.
pub(super) fn policy(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"interval": "300s",
        "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.3, "evidence": "Certificate"}},
        "intensity": {"source": "Static", "static": {"gramsPerKwh": 417, "reference": "a test"}},
        "regulations": [{"rule": "kr-carbon-2050"}]}})
}

/// The API server with kinds as of this version, and nothing of earlier tests.
/// These tests share kinds and the lease: each has it for itself while it holds
/// the guard.
pub(super) async fn prepared() -> Option<(MutexGuard<'static, ()>, Client)> {
    let alone = TURN.lock().await;
    let admin = api::admin().await?;
    let shop = json!({"metadata": {"name": SHOP}});
    let shop: Namespace = serde_json::from_value(shop).unwrap();
    api::put(&Api::all(admin.clone()), &shop).await;
    clear(Api::<CarbonPolicy>::namespaced(admin.clone(), SHOP)).await;
    clear(Api::<EnergyStudy>::namespaced(admin.clone(), SHOP)).await;
    clear(Api::<ClusterCarbonPolicy>::all(admin.clone())).await;
    clear(Api::<PowerMonitor>::all(admin.clone())).await;
    Some((alone, admin))
}

async fn clear<K>(all: Api<K>)
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    for object in all.list_metadata(&ListParams::default()).await.unwrap() {
        let name = object.name_any();
        let _ = all.delete(&name, &DeleteParams::default()).await;
        if !object.finalizers().is_empty() {
            let _ = all
                .patch_metadata(&name, &PatchParams::default(), &free)
                .await;
        }
    }
}

/// Applies an object of the shop, or of the cluster.
pub(super) async fn put<K>(admin: &Client, mut object: Value)
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let all: Api<kube::api::DynamicObject> = {
        let kind = kube::api::ApiResource::erase::<K>(&());
        if matches!(&*K::kind(&()), "CarbonPolicy" | "EnergyStudy") {
            Api::namespaced_with(admin.clone(), SHOP, &kind)
        } else {
            Api::all_with(admin.clone(), &kind)
        }
    };
    object["apiVersion"] = json!(K::api_version(&()));
    object["kind"] = json!(K::kind(&()));
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let params = PatchParams::apply("tests").force();
    // A kind that has just been installed may not be served at once.
    let begun = Instant::now();
    loop {
        match all.patch(&name, &params, &Patch::Apply(&object)).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// What the operator's client does and saw.
#[derive(Default)]
pub(super) struct Broken {
    /// Names in whose paths it panics.
    word: String,
    /// It panics no more.
    pub(super) heals: AtomicBool,
    asked: AtomicU32,
    writes: AtomicU32,
    /// Resources whose kind the API server did not know.
    refused: Mutex<BTreeSet<String>>,
}

impl Broken {
    pub(super) fn new(word: &str) -> Self {
        Self {
            word: word.to_owned(),
            ..Self::default()
        }
    }

    /// Whether the answer to that path is a panic. Of a monitor only its agents'
    /// account is, so that its status can be written.
    pub(super) fn strikes(&self, path: &str) -> bool {
        let is_meant = !self.word.is_empty() && path.contains(&self.word);
        is_meant && !self.heals.load(Ordering::Relaxed) && !path.contains("/powermonitors/")
    }

    fn count(&self, method: &Method, path: &str) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_write = !matches!(*method, Method::GET) && !path.contains("/leases");
        if is_write && !path.contains("/events") {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A running operator.
pub(super) struct Running {
    broken: Arc<Broken>,
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts an operator that panics at answers about `word`, if there is one.
    pub(super) async fn start(word: &str) -> Self {
        let broken = Arc::new(Broken::new(word));
        let client = through(api::as_operator().await.unwrap(), Arc::clone(&broken));
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let settings = Settings::try_parse_from([
            "tanso-operator",
            "--namespace",
            api::NAMESPACE,
            "--identity",
            "fault-test",
            "--listen",
            &address.to_string(),
            "--ledger",
            &folder.path().join("ledger.db").to_string_lossy(),
            "--lease-duration",
            "9s",
        ])
        .unwrap();
        let shutdown = Shutdown::new();
        let (end, ended) = oneshot::channel();
        let ends = shutdown.clone();
        let task = tokio::spawn(async move {
            Box::pin(tanso_operator::run_with(settings, client, ends))
                .await
                .unwrap();
            let _ = end.send(());
        });
        Self {
            broken,
            address,
            shutdown,
            task,
            ended,
            _folder: folder,
        }
    }

    /// Nothing panics any more.
    pub(super) fn heal(&self) {
        self.broken.heals.store(true, Ordering::Relaxed);
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> u32 {
        self.broken.asked.load(Ordering::Relaxed)
    }

    /// Writes so far, without those of lease and Events.
    pub(super) fn writes(&self) -> u32 {
        self.broken.writes.load(Ordering::Relaxed)
    }

    /// Waits until the API server told the operator that it has no such kind.
    pub(super) async fn is_refused(&self, plural: &str) {
        let begun = Instant::now();
        while !self.broken.refused.lock().unwrap().contains(plural) {
            assert!(begun.elapsed() < PATIENCE, "nobody asked for {plural}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        !self.task.is_finished()
    }

    /// A sample of its metrics, by its name with labels.
    pub(super) async fn metric(&self, name: &str) -> Option<f64> {
        let client = HttpClient::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let uri = format!("http://{}/metrics", self.address).parse().unwrap();
        let answer = client.get(uri).await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Ends it as a signal would.
    pub(super) async fn stop(self) {
        self.shutdown.begin();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
        self.ended.await.unwrap();
    }
}

/// The client of the operator: what waits for an answer is what panics.
fn through(client: Client, broken: Arc<Broken>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, broken) = (client.clone(), Arc::clone(&broken));
        async move {
            let path = request.uri().path().to_owned();
            broken.count(request.method(), &path);
            assert!(!broken.strikes(&path), "injected at {path}");
            let answer = client.send(request).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                let last = path.rsplit('/').next().unwrap_or_default();
                broken.refused.lock().unwrap().insert(last.to_owned());
            }
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, api::NAMESPACE)
}
