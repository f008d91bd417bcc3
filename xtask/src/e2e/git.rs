//! A Git repository served over HTTP inside a cluster's network, by the real
//! `git upload-pack`: what a delivery controller fetches from.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use nix::sched::{CloneFlags, setns};

use crate::cluster::Cluster;
use crate::process::output;

/// A work tree whose commits are served; the folder goes with it.
pub(crate) struct Repository {
    dir: tempfile::TempDir,
    url: String,
}

impl Repository {
    /// An empty repository with branch `main`, served until the process ends.
    ///
    /// # Errors
    /// When git is missing, or nothing can listen inside the cluster.
    pub(crate) fn serve(cluster: &Cluster) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a folder for a repository")?;
        let address = listen(cluster, dir.path().to_path_buf())?;
        let this = Self {
            dir,
            url: format!("http://{address}/fleet.git"),
        };
        this.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(this)
    }

    /// Where a controller fetches from.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The work tree.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file of the work tree.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.path().join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("creating \"{}\"", folder.display()))?;
        }
        fs::write(&file, text).with_context(|| format!("writing \"{}\"", file.display()))
    }

    /// Commits all of the work tree; gives the commit's name.
    ///
    /// # Errors
    /// When there is nothing to commit.
    pub(crate) fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "-m", message])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    fn git(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("git");
        command.current_dir(self.path());
        // Nobody's own settings take part.
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null");
        for (name, value) in [
            ("user.name", "fleet"),
            ("user.email", "fleet@example.org"),
            ("commit.gpgsign", "false"),
        ] {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        output(command.args(words))
    }
}

/// Serves from a thread that lives in the cluster's network; gives the address.
fn listen(cluster: &Cluster, dir: PathBuf) -> Result<std::net::SocketAddr> {
    let node = cluster
        .state()
        .nodes
        .first()
        .context("a cluster without a node")?;
    let own = node.address.clone();
    let namespace = format!("/proc/{}/ns/net", cluster.state().supervisor.pid);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let bound = bind(&namespace, &own);
        match bound {
            Ok((listener, address)) => {
                // The other end waits for exactly one answer.
                let _ = tell.send(Ok(address));
                if let Err(error) = serve(listener, dir) {
                    eprintln!("the Git server ended: {error:#}");
                }
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
    });
    told.recv().context("the Git server's thread ended")?
}

/// A socket belongs to the network its thread was in when it was made.
fn bind(namespace: &str, address: &str) -> Result<(TcpListener, std::net::SocketAddr)> {
    let file = fs::File::open(namespace).with_context(|| format!("opening \"{namespace}\""))?;
    setns(file, CloneFlags::CLONE_NEWNET).context("entering the cluster's network")?;
    let listener =
        TcpListener::bind((address, 0)).with_context(|| format!("listening on {address}"))?;
    listener
        .set_nonblocking(true)
        .context("configuring a socket")?;
    let local = listener.local_addr().context("asking for an address")?;
    Ok((listener, local))
}

fn serve(listener: TcpListener, dir: PathBuf) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    runtime.block_on(async {
        let router = Router::new()
            .route("/fleet.git/info/refs", get(refs))
            .route("/fleet.git/git-upload-pack", post(pack))
            .with_state(dir);
        let listener =
            tokio::net::TcpListener::from_std(listener).context("listening inside the cluster")?;
        axum::serve(listener, router).await.context("serving Git")
    })
}

/// What there is to fetch: `gitprotocol-http(5)`, smart service.
async fn refs(State(dir): State<PathBuf>) -> Response {
    answer(
        "application/x-git-upload-pack-advertisement",
        upload_pack(&dir, &["--advertise-refs"], &Bytes::new()).map(|mut refs| {
            let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
            body.append(&mut refs);
            body
        }),
    )
}

async fn pack(State(dir): State<PathBuf>, wanted: Bytes) -> Response {
    answer(
        "application/x-git-upload-pack-result",
        upload_pack(&dir, &[], &wanted),
    )
}

fn answer(kind: &'static str, body: Result<Vec<u8>>) -> Response {
    match body {
        Ok(body) => (
            [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            body,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

fn upload_pack(dir: &Path, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("git");
    command
        .args(["-c", "safe.directory=*", "upload-pack", "--stateless-rpc"])
        .args(words)
        .arg(dir);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting git upload-pack")?;
    if let Some(mut stdin) = child.stdin.take() {
        use std::io::Write as _;
        stdin.write_all(input).context("writing to git")?;
    }
    let result = child.wait_with_output().context("waiting for git")?;
    // A client that has all it wants may close early: git then ends with 128.
    if !result.status.success() && result.stdout.is_empty() {
        bail!(
            "git upload-pack: {}",
            String::from_utf8_lossy(&result.stderr).trim()
        );
    }
    Ok(result.stdout)
}
