//! A cluster with tanso on it, and the real kubectl to talk to both.

use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::process::{output, shown};
use crate::progress::Step;
use crate::{images, workspace};

/// The namespace that tanso is installed in.
pub const NAMESPACE: &str = "tanso-system";

/// The user that the operator runs as.
const OPERATOR: u32 = 65532;

/// The images that the demo's cluster needs.
const IMAGES: [&str; 5] = [
    "tanso-operator",
    "tanso-agent",
    "tanso-model-server",
    "demo-load",
    "pause",
];

/// A running cluster with tanso installed.
#[derive(Debug)]
pub struct Session {
    cluster: Cluster,
}

impl Session {
    /// Builds the images, starts a cluster and installs tanso; what an earlier
    /// run of the same name left behind is removed first.
    ///
    /// # Errors
    /// When a part cannot be built, started or installed.
    pub fn start(name: &str) -> Result<Self> {
        let archives = images::build(&IMAGES)?;
        cluster::down(name)?;
        let options = cluster::Options {
            images: archives,
            ..cluster::Options::new(name)
        };
        let session = Self {
            cluster: cluster::up(&options)?,
        };
        session.install()?;
        Ok(session)
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Applies the installation of `config/demo` and waits for the operator.
    fn install(&self) -> Result<()> {
        let mut step = Step::new("installing tanso");
        let overlay = workspace::root().join("config/demo");
        let manifests = self.kubectl(&["kustomize", &overlay.to_string_lossy()])?;
        let ledger = self.cluster.layout().at("volumes/ledger");
        // Kubernetes hands over no ownership of a folder of the node.
        std::fs::create_dir_all(&ledger)
            .and_then(|()| std::os::unix::fs::chown(&ledger, Some(OPERATOR), Some(OPERATOR)))
            .with_context(|| format!("creating \"{}\"", ledger.display()))?;
        self.apply(&manifests.replace("LEDGER_DIR", &ledger.to_string_lossy()))?;
        self.wait(
            &mut step,
            "the operator",
            Duration::from_mins(2),
            |session| session.ready_replicas("deployment/tanso-operator"),
        )?;
        step.done("tanso installed, operator ready");
        Ok(())
    }

    fn ready_replicas(&self, object: &str) -> Result<Option<()>> {
        let json = self.json(&["get", object, "-n", NAMESPACE, "-o", "json"])?;
        Ok((json["status"]["readyReplicas"].as_i64() >= Some(1)).then_some(()))
    }

    /// Runs kubectl and gives its output.
    ///
    /// # Errors
    /// When it fails; carries what it said.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        output(&mut self.cluster.kubectl(args))
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
        let mut command = self.cluster.kubectl(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting `{}`", shown(&command)))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(manifests.as_bytes())
                .context("writing manifests to kubectl")?;
        }
        let result = child.wait_with_output().context("waiting for kubectl")?;
        if !result.status.success() {
            bail!(
                "kubectl apply: {}",
                String::from_utf8_lossy(&result.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&result.stdout).into_owned())
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
    fn state_of_pods(&self) -> String {
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

    /// Removes the cluster and all that was on it.
    ///
    /// # Errors
    /// When something cannot be removed; names it.
    pub fn down(self) -> Result<()> {
        self.cluster.down()
    }
}
