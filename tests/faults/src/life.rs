//! One life of the operator: a runtime of its own that can be killed.
//!
//! The whole operator runs, as its binary does, but for reading its settings.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser as _;
use hyper::Request;
use kube::client::Body;
use kube::{Client, Config};
use tanso_operator::settings::Settings;
use tanso_runtime::Shutdown;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::proxy::PANIC;
use crate::world::NAMESPACE;

/// How long tasks may take to end after the operator has.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts panics from now on; they are printed as ever.
pub fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
}

/// Panics so far.
#[must_use]
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// An operator that lives.
pub struct Life {
    thread: Option<JoinHandle<Result<usize>>>,
    shutdown: Shutdown,
    kill: Option<oneshot::Sender<()>>,
}

impl Life {
    /// Starts an operator that talks to `api`, waits for its words for at most
    /// `silence`, and keeps its ledger in `ledger`.
    ///
    /// # Errors
    /// If its thread cannot start.
    pub fn start(api: SocketAddr, silence: &str, ledger: &Path) -> Result<Self> {
        let settings = Settings::try_parse_from([
            "tanso-operator",
            "--namespace",
            NAMESPACE,
            "--identity",
            "operator-0",
            "--listen",
            "127.0.0.1:0",
            "--ledger",
            &ledger.to_string_lossy(),
            "--lease-duration",
            "10s",
            "--api-silence",
            silence,
        ])?;
        let shutdown = Shutdown::new();
        let (kill, killed) = oneshot::channel();
        let ends = shutdown.clone();
        let thread = std::thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || live(settings, api, ends, killed))
            .context("starting the operator's thread")?;
        Ok(Self {
            thread: Some(thread),
            shutdown,
            kill: Some(kill),
        })
    }

    /// Ends it as a signal would; returns the tasks that it left behind. May be
    /// given up; then it still runs.
    ///
    /// # Errors
    /// If it ended with a failure.
    pub async fn stop(&mut self) -> Result<usize> {
        self.shutdown.begin();
        while self.thread.as_ref().is_some_and(|it| !it.is_finished()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.join()
    }

    /// Ends it at once: nothing more is awaited, written or given back.
    ///
    /// # Errors
    /// If it had ended by itself, with a failure.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if let Some(kill) = self.kill.take() {
            // Nobody listens if it has ended by itself.
            let _ = kill.send(());
        }
        self.join().map(drop)
    }

    fn join(&mut self) -> Result<usize> {
        match self.thread.take() {
            Some(thread) => thread
                .join()
                .map_err(|_| anyhow!("the operator panicked"))?,
            None => Ok(0),
        }
    }
}

impl Drop for Life {
    /// A run that failed must not go on beside the next one.
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("faults: {error:#}");
        }
    }
}

fn live(
    settings: Settings,
    api: SocketAddr,
    shutdown: Shutdown,
    killed: oneshot::Receiver<()>,
) -> Result<usize> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the operator's runtime")?;
    let lived = runtime.block_on(async {
        let uri = format!("http://{api}").parse()?;
        let mut config = Config::new(uri);
        config.default_retry = false;
        let client = fragile(Client::try_from(config)?);
        tokio::select! {
            ended = tanso_operator::run_with(settings, client, shutdown) => {
                ended?;
                Ok(false)
            }
            _ = killed => Ok(true),
        }
    });
    let left = match &lived {
        Ok(false) => tasks_left(&runtime),
        _ => 0,
    };
    runtime.shutdown_timeout(TASKS_END_WITHIN);
    match lived {
        Ok(_) => Ok(left),
        Err(error) => {
            let error: anyhow::Error = error;
            bail!("the operator ended with a failure: {error:#}")
        }
    }
}

/// The same client, but that whoever waits for an answer panics where the proxy
/// says so.
fn fragile(client: Client) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let answer = client.send(request).await?;
            assert!(
                !answer.headers().contains_key(PANIC),
                "injected at an answer of the API server"
            );
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, NAMESPACE)
}

/// Tasks that do not end although the operator has.
fn tasks_left(runtime: &Runtime) -> usize {
    let until = Instant::now() + TASKS_END_WITHIN;
    loop {
        let left = runtime.metrics().num_alive_tasks();
        if left == 0 || Instant::now() > until {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
