//! tanso's agent and model server on the host beside the cluster: what they
//! use is no part of what they measure.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::figures::Reading;
use crate::cluster::Cluster;
use crate::process;
use crate::workspace;

const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks for figures that are due.
const LOOK: Duration = Duration::from_millis(40);

/// Both programs; killed when it is dropped, and with the cluster.
#[derive(Debug)]
pub(in crate::study) struct Agent {
    children: [Child; 2],
    address: SocketAddr,
}

impl Agent {
    /// Starts both and waits for the first energy.
    pub(super) fn start(cluster: &Cluster, programs: Option<&Path>) -> Result<Self> {
        // Built with the images that the cluster has.
        let built = || {
            workspace::target_dir()
                .join(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
                .join("demo")
        };
        let programs = programs.map_or_else(built, Path::to_path_buf);
        let work = cluster.layout().at("study-agent");
        std::fs::create_dir_all(&work)
            .with_context(|| format!("creating \"{}\"", work.display()))?;
        let (server, address) = (free()?, free()?);
        let keeper = format!("{}/keeper", cluster.state().cgroup);
        let start = |name: &str, words: &[&str]| {
            spawn(
                &programs.join(name),
                words,
                &keeper,
                &work.join(format!("{name}.log")),
            )
        };
        let listen = server.to_string();
        let model_server = start("tanso-model-server", &["serve", "--listen", &listen])?;
        let (listen, models) = (address.to_string(), format!("http://{server}"));
        let state = work.join("state").to_string_lossy().into_owned();
        let words = [
            "--listen",
            &listen,
            "--state-dir",
            &state,
            "--kubernetes=off",
            "--interval=250ms",
            "--metrics-level=node,process,container,pod",
            "--processes-max=20000",
            "--meters=rapl,model",
            "--model-server",
            &models,
        ];
        let agent = start("tanso-agent", &words)?;
        let mut this = Self {
            children: [model_server, agent],
            address,
        };
        this.wait_ready(&work.join("tanso-agent.log"))?;
        Ok(this)
    }

    fn wait_ready(&mut self, log: &Path) -> Result<()> {
        let begun = Instant::now();
        loop {
            let has_energy = self.read().is_ok_and(|reading| reading.node_joules > 0.0);
            if has_energy {
                return Ok(());
            }
            for child in &mut self.children {
                if let Some(status) = child.try_wait().context("waiting for the agent")? {
                    bail!(
                        "the agent or its model server ended: {status}\n{}",
                        process::tail(log, 3000)
                    );
                }
            }
            if begun.elapsed() > PATIENCE {
                bail!("the agent gave no energy\n{}", process::tail(log, 3000));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the agent last read.
    pub(in crate::study) fn read(&self) -> Result<Reading> {
        Ok(Reading::parse(&get(self.address, "/metrics")?))
    }

    /// Its first figures of that moment or later, seconds since 1970.
    pub(in crate::study) fn read_after(&self, moment: f64) -> Result<Reading> {
        let begun = Instant::now();
        loop {
            let reading = self.read()?;
            if reading.at >= moment {
                return Ok(reading);
            }
            if begun.elapsed() > PATIENCE {
                bail!("the agent reads no more");
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program in the cluster's own group: it goes when the cluster does, also
/// when we are killed.
fn spawn(program: &Path, words: &[&str], group: &str, log: &Path) -> Result<Child> {
    let file =
        std::fs::File::create(log).with_context(|| format!("creating \"{}\"", log.display()))?;
    let copy = file.try_clone().context("opening a log twice")?;
    Command::new("/proc/self/exe")
        .args(["enter", "--cgroup", group, "--"])
        .arg(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .with_context(|| format!("starting \"{}\"", program.display()))
}

fn free() -> Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .context("finding a free port")
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).context("connecting to the agent")?;
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .context("configuring a socket")?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: study\r\nConnection: close\r\n\r\n"
    )
    .context("asking the agent")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("reading the agent's answer")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a head")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
