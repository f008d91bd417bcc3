//! What the API server says of the delivered objects, as it says it: one
//! `kubectl get --watch` for the whole study, the same in every arm.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cluster::Cluster;

/// An object was seen to say something.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) at: Instant,
    pub(super) object: String,
    pub(super) text: String,
}

/// A watch; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    child: Child,
    seen: Arc<Mutex<Vec<Sighting>>>,
}

impl Watch {
    /// Watches the revisions of config maps with a label.
    pub(super) fn start(cluster: &Cluster, namespace: &str, label: &str) -> Result<Self> {
        let line = "jsonpath={.metadata.name} {.data.revision}{\"\\n\"}";
        let words = [
            "get",
            "configmaps",
            "-n",
            namespace,
            "-l",
            label,
            "--watch",
            "-o",
            line,
        ];
        let mut child = cluster
            .kubectl(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting kubectl to watch")?;
        let stdout = child.stdout.take().context("kubectl's output")?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((object, text)) = line.split_once(' ') {
                    let sighting = Sighting {
                        at: Instant::now(),
                        object: object.to_owned(),
                        text: text.to_owned(),
                    };
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(sighting);
                }
            }
        });
        Ok(Self { child, seen })
    }

    /// What was seen since the last call, in the order of time.
    pub(super) fn take(&self) -> Vec<Sighting> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }

    /// Whether it still watches.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last text of each object.
pub(super) fn settle(known: &mut BTreeMap<String, String>, seen: &[Sighting]) {
    for sighting in seen {
        known.insert(sighting.object.clone(), sighting.text.clone());
    }
}
