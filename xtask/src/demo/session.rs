//! A cluster with tanso on it, and the real kubectl to talk to both.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::facts::condition_is;
use super::home::{Existing, Home};
use crate::cluster::Cluster;
use crate::process::{output, shown};
use crate::progress::Step;
use crate::workspace;

/// The namespace that tanso is installed in.
pub const NAMESPACE: &str = "tanso-system";

/// A running cluster with tanso installed.
#[derive(Debug)]
pub struct Session {
    home: Home,
}

impl Session {
    /// Installs tanso on the cluster that `existing` names, or on a new one;
    /// what an earlier run of the same name left behind is removed first.
    ///
    /// # Errors
    /// When a part cannot be built, started or installed.
    pub fn start(name: &str, existing: &Existing) -> Result<Self> {
        Self::start_flagged(name, existing, Vec::new())
    }

    /// As [`Session::start`], with further flags of the API server, where it is ours.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn start_flagged(
        name: &str,
        existing: &Existing,
        apiserver_args: Vec<String>,
    ) -> Result<Self> {
        let session = Self {
            home: Home::open_flagged(name, existing, apiserver_args)?,
        };
        session.refuse_foreign()?;
        if let Err(error) = session.install() {
            eprintln!("{}", session.state_of_pods());
            session.down()?;
            return Err(error);
        }
        Ok(session)
    }

    /// A new cluster with every image on its node and nothing installed.
    ///
    /// # Errors
    /// When a part cannot be built or started.
    pub fn bare(name: &str) -> Result<Self> {
        Ok(Self {
            home: Home::open(name, &Existing::default())?,
        })
    }

    /// As [`Session::bare`], with these images only.
    ///
    /// # Errors
    /// When a part cannot be built or started.
    pub fn bare_with(name: &str, images: &[&str]) -> Result<Self> {
        Ok(Self {
            home: Home::open_with(name, &Existing::default(), images, Vec::new())?,
        })
    }

    /// The cluster, where it is ours.
    ///
    /// # Errors
    /// On somebody's cluster: what is asked for needs its insides.
    pub fn cluster(&self) -> Result<&Cluster> {
        match &self.home {
            Home::Embedded(cluster) => Ok(cluster),
            Home::Existing { .. } => bail!("this needs a cluster of its own, not --context"),
        }
    }

    /// The volume that the ledger's claim is bound to.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn ledger_volume(&self) -> Result<String> {
        Ok(demo_file("storage.yaml")?.replace("LEDGER_DIR", &self.home.ledger_dir()?))
    }

    /// Fails on somebody's cluster that has tanso already: what we remove
    /// afterwards must be ours.
    fn refuse_foreign(&self) -> Result<()> {
        if self.is_embedded() {
            return Ok(());
        }
        let present = self.kubectl(&[
            "get",
            "--ignore-not-found",
            "-o",
            "name",
            "namespace/tanso-system",
            "namespace/shop",
            "crd/powermonitors.tanso.dev",
        ])?;
        if !present.trim().is_empty() {
            let found = present.split_whitespace().collect::<Vec<_>>().join(", ");
            bail!("the cluster has {found} already; the demo would overwrite and then delete them");
        }
        Ok(())
    }

    /// The names of the nodes.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn node_names(&self) -> Result<Vec<String>> {
        let nodes = self.json(&["get", "nodes", "-o", "json"])?;
        let items = nodes["items"].as_array().context("nodes")?;
        let name = |node: &Value| node["metadata"]["name"].as_str().map(str::to_owned);
        Ok(items.iter().filter_map(name).collect())
    }

    /// Whether the cluster is ours to remove.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self.home, Home::Embedded(_))
    }

    /// Applies a file of `config/demo`.
    ///
    /// # Errors
    /// When it cannot be read, or is refused.
    pub fn apply_file(&self, name: &str) -> Result<String> {
        self.apply(&self.home.with_images(&demo_file(name)?))
    }

    /// Applies the installation and waits for the operator.
    ///
    /// # Errors
    /// When it is refused, or the operator does not become ready.
    pub fn install(&self) -> Result<()> {
        let mut step = Step::new("installing tanso");
        self.apply(&self.home.installation()?)?;
        self.wait(
            &mut step,
            "the operator",
            Duration::from_mins(10),
            |session| session.ready_replicas("deployment/tanso-operator"),
        )?;
        step.done("tanso installed, operator ready");
        Ok(())
    }

    fn ready_replicas(&self, object: &str) -> Result<Option<()>> {
        let json = self.json(&["get", object, "-n", NAMESPACE, "-o", "json"])?;
        Ok((json["status"]["readyReplicas"].as_i64() >= Some(1)).then_some(()))
    }

    /// A kubectl command, for whoever runs it beside other things.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        self.home.kubectl(args)
    }

    /// A program where kubectl runs, so that what kubectl forwards is its own
    /// loopback too; by its name and arguments.
    #[must_use]
    pub fn beside(&self, words: &[&str]) -> Command {
        self.home.beside(words)
    }

    /// Runs kubectl and gives its output.
    ///
    /// # Errors
    /// When it fails; carries what it said.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        output(&mut self.home.kubectl(args))
    }

    /// Runs kubectl and reads its output as JSON.
    ///
    /// # Errors
    /// When it fails or says something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.kubectl(args)?;
        serde_json::from_str(&text).with_context(|| format!("output of kubectl {}", args.join(" ")))
    }

    /// Asks the API server for a path, for example a pod's own HTTP port
    /// through its proxy.
    ///
    /// # Errors
    /// When the answer is no success.
    pub fn raw(&self, path: &str) -> Result<String> {
        self.kubectl(&["get", "--raw", path])
    }

    /// Applies manifests server-side.
    ///
    /// # Errors
    /// When the API server refuses one; carries its message.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.pipe(&args, manifests)
    }

    /// Has the API server judge manifests without storing them; gives how many
    /// objects they are.
    ///
    /// # Errors
    /// When the API server refuses one; carries its message.
    pub fn dry_run(&self, manifests: &str) -> Result<usize> {
        let words = ["apply", "--server-side", "--force-conflicts"];
        let more = ["--dry-run=server", "-o", "name", "-f", "-"];
        let args: Vec<&str> = words.into_iter().chain(more).collect();
        Ok(self.pipe(&args, manifests)?.lines().count())
    }

    /// Runs kubectl with `input` and gives its output.
    fn pipe(&self, args: &[&str], input: &str) -> Result<String> {
        let mut command = self.home.kubectl(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting `{}`", shown(&command)))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(input.as_bytes())
                .context("writing manifests to kubectl")?;
        }
        let result = child.wait_with_output().context("waiting for kubectl")?;
        if !result.status.success() {
            let said = String::from_utf8_lossy(&result.stderr);
            bail!("kubectl {}: {}", args.first().unwrap_or(&""), said.trim());
        }
        Ok(String::from_utf8_lossy(&result.stdout).into_owned())
    }

    /// Waits until the monitor `tanso` is Ready.
    ///
    /// # Errors
    /// When it is not within ten minutes.
    pub fn monitor_ready(&self, step: &mut Step) -> Result<()> {
        let what = "the PowerMonitor to be Ready";
        self.wait(step, what, Duration::from_mins(10), |session| {
            let monitor = session.json(&["get", "powermonitor", "tanso", "-o", "json"])?;
            Ok(condition_is(&monitor, "Ready", "True").then_some(()))
        })
    }

    /// Tries until `probe` finds something; its errors count as "not yet".
    ///
    /// # Errors
    /// When nothing was found within `limit`; names the last error.
    pub fn wait<T>(
        &self,
        step: &mut Step,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            let last = match probe(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if begun.elapsed() > limit {
                let because = last.map_or_else(String::new, |error| format!(": {error:#}"));
                bail!(
                    "{what} did not come within {} s{because}\n{}",
                    limit.as_secs(),
                    self.state_of_pods()
                );
            }
            step.tick(what);
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// What a person would look at first when something does not come.
    #[must_use]
    pub fn state_of_pods(&self) -> String {
        let pods = self
            .kubectl(&["get", "pods", "-A", "-o", "wide"])
            .unwrap_or_default();
        let logs = self
            .kubectl(&[
                "logs",
                "-n",
                NAMESPACE,
                "deployment/tanso-operator",
                "--tail",
                "20",
            ])
            .unwrap_or_default();
        format!("{pods}\n{logs}")
    }

    /// Removes the cluster, or from a cluster that is not ours all that was
    /// applied.
    ///
    /// # Errors
    /// When something cannot be removed; names it.
    pub fn down(self) -> Result<()> {
        if let Home::Embedded(cluster) = self.home {
            return cluster.down();
        }
        for name in ["policies.yaml", "workloads.yaml"] {
            self.delete(&demo_file(name)?)?;
        }
        self.delete(&self.home.installation()?)
    }

    fn delete(&self, manifests: &str) -> Result<()> {
        let args = ["delete", "--ignore-not-found", "--wait=true", "-f", "-"];
        self.pipe(&args, manifests).map(drop)
    }
}

/// A file of `config/demo`.
fn demo_file(name: &str) -> Result<String> {
    let path = workspace::root().join("config/demo").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("reading \"{}\"", path.display()))
}
