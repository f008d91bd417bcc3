//! `kubectl tanso doctor` on a cluster that is broken in ten ways, one after
//! the other: each time it must name the cause and what mends it and end with
//! a status that a script can go by, and after the mending no longer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::Fact;
use crate::demo::session::{NAMESPACE, Session};
use crate::process;
use crate::progress::Step;

/// How long the doctor may take to see a break, and its mending.
const PATIENCE: Duration = Duration::from_mins(5);

/// A way to break the cluster.
struct Break {
    what: &'static str,
    /// What the doctor must say: the cause, then the mend.
    says: [&'static str; 2],
    breaks: fn(&Session) -> Result<()>,
    mends: fn(&Session) -> Result<()>,
}

const BREAKS: [Break; 10] = [
    Break {
        what: "no RAPL",
        says: [
            "have no meter: their power is modelled",
            "bare metal has RAPL",
        ],
        // This machine, like any virtual one, has none.
        breaks: |_| Ok(()),
        mends: |_| Ok(()),
    },
    Break {
        what: "stale intensity",
        says: [
            "stale-grid: the grid's intensity is not fresh",
            "its Secret is right",
        ],
        breaks: |session| session.apply(STALE).map(drop),
        mends: |session| {
            let words = ["delete", "carbonpolicy", "stale-grid", "-n", "shop"];
            session.kubectl(&words).map(drop)
        },
    },
    Break {
        what: "clock skew",
        says: [
            "the clock of node \"node-ahead\" is",
            "set the clock of node \"node-ahead\" by NTP",
        ],
        breaks: skew,
        mends: |session| {
            session.kubectl(&["delete", "node", "node-ahead", "--ignore-not-found"])?;
            let words = ["delete", "lease", "node-ahead", "-n", "kube-node-lease"];
            session.kubectl(&words).map(drop)
        },
    },
    Break {
        what: "RBAC removed",
        says: [
            "service account \"tanso-operator\" may not",
            "kubectl apply -k config/rbac",
        ],
        breaks: |session| {
            let words = ["delete", "clusterrolebinding", "tanso-operator"];
            session.kubectl(&words).map(drop)
        },
        mends: Session::install,
    },
    Break {
        what: "blocked port",
        says: ["28282", "port is blocked"],
        breaks: |session| firewall(session, "-I"),
        mends: |session| firewall(session, "-D"),
    },
    Break {
        what: "taint",
        says: [
            "its taint e2e=doctor:NoSchedule is not tolerated",
            "spec.agent.tolerations of PowerMonitor tanso",
        ],
        breaks: |session| {
            tolerate(session, "[]")?;
            taint(session, "e2e=doctor:NoSchedule")?;
            delete_agents(session)
        },
        mends: |session| {
            taint(session, "e2e-")?;
            tolerate(session, "null")
        },
    },
    Break {
        what: "wrong image",
        says: ["Image", "make the image reachable from the node"],
        breaks: |session| agent_image(session, "localhost/tanso/tanso-agent:nowhere"),
        mends: |session| agent_image(session, "localhost/tanso/tanso-agent:dev"),
    },
    Break {
        what: "missing capability",
        says: [
            "has no capability BPF and PERFMON",
            "spec.agent.securityMode: Privileged",
        ],
        breaks: |session| {
            scale(session, "tanso-operator", 0)?;
            change_agent(
                session,
                r#"[{"op": "remove", "path": "/spec/template/spec/containers/0/securityContext/capabilities/add"}]"#,
            )
        },
        mends: |session| scale(session, "tanso-operator", 1),
    },
    Break {
        what: "missing mount",
        says: ["has no mount /host/sys", "the operator sets it"],
        breaks: |session| {
            scale(session, "tanso-operator", 0)?;
            change_agent(
                session,
                r#"[{"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts/1"}]"#,
            )
        },
        mends: |session| scale(session, "tanso-operator", 1),
    },
    Break {
        what: "model server down",
        says: [
            "model server not ready, 0 of 0",
            "scale deployment tanso-model-server --replicas=1",
        ],
        breaks: |session| {
            scale(session, "tanso-operator", 0)?;
            scale(session, "tanso-model-server", 0)
        },
        mends: |session| scale(session, "tanso-operator", 1),
    },
];

/// A service that cannot be asked for want of its Secret, and a table after it.
const STALE: &str = "
apiVersion: tanso.dev/v1alpha1
kind: CarbonPolicy
metadata: {name: stale-grid, namespace: shop}
spec:
  interval: 10s
  site: {zone: KR}
  evidence: {maxEstimatedPercent: 100}
  intensity:
    source: Providers
    providers:
      - {name: maps, kind: ElectricityMaps, secretName: tanso-intensity}
      - {name: table, kind: Bundled}
  regulations: [{rule: kr-carbon-2050}]
";

/// Runs the suite; a fact per break.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let doctor = Doctor::build()?;
    session.install()?;
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    let mut step = Step::new("a healthy cluster");
    session.monitor_ready(&mut step)?;
    session.wait(
        &mut step,
        "the doctor to find no failure",
        PATIENCE,
        |session| {
            let found = doctor.says(session, "fail")?;
            Ok(found.is_healthy().then_some(()))
        },
    )?;
    step.done("the doctor finds no failure on a healthy cluster");
    let mut facts = vec![Fact::new("healthy", "0 failures, exit status 0".to_owned())];
    for one in &BREAKS {
        facts.push(
            broken(session, &doctor, one).with_context(|| format!("break \"{}\"", one.what))?,
        );
    }
    Ok(facts)
}

fn broken(session: &Session, doctor: &Doctor, one: &Break) -> Result<Fact> {
    let mut step = Step::new(format!("break: {}", one.what));
    (one.breaks)(session)?;
    let mut last = String::new();
    let found = session.wait(&mut step, "the doctor's words", PATIENCE, |session| {
        let found = doctor.says(session, "fail")?;
        last.clone_from(&found.text);
        let all = one.says.iter().all(|words| last.contains(words));
        Ok(all.then_some(found))
    });
    let found = match found {
        Ok(found) => found,
        Err(error) => bail!("{error:#}\nthe doctor says:\n{last}"),
    };
    let statuses = statuses(session, doctor, &found)?;
    (one.mends)(session)?;
    let [cause, _] = one.says;
    if one.what != "no RAPL" {
        session.wait(&mut step, "the mending", PATIENCE, |session| {
            let found = doctor.says(session, "fail")?;
            let healthy = found.is_healthy() && !found.text.contains(cause);
            Ok(healthy.then_some(()))
        })?;
    }
    step.done(&format!("{}: named and mended", one.what));
    let mut lines = found.text.lines();
    let line = lines.find(|line| line.contains(cause)).unwrap_or(cause);
    Ok(Fact::new(one.what, format!("{} ({statuses})", line.trim())))
}

/// The statuses with which the doctor ended: 1 where something fails, and 1 of
/// any break for a script that goes by warnings too.
fn statuses(session: &Session, doctor: &Doctor, found: &Found) -> Result<String> {
    let fails = found.text.lines().any(|line| line.starts_with("FAIL"));
    ensure!(
        found.status == Some(i32::from(fails)),
        "it ends with {:?} and says:\n{}",
        found.status,
        found.text
    );
    let strict = doctor.says(session, "warn")?;
    ensure!(
        strict.status == Some(1),
        "with --fail-on warn it ends with {:?} and says:\n{}",
        strict.status,
        strict.text
    );
    Ok(format!(
        "exit status {}, with --fail-on warn 1",
        i32::from(fails)
    ))
}

/// What the doctor found.
struct Found {
    text: String,
    status: Option<i32>,
}

impl Found {
    fn is_healthy(&self) -> bool {
        self.text.contains(" 0 failures") && self.status == Some(0)
    }
}

/// The program under test.
struct Doctor {
    program: PathBuf,
}

impl Doctor {
    fn build() -> Result<Self> {
        let program = super::faces::build()?;
        Ok(Self { program })
    }

    /// What it says and how it ends; a failure that it found is no failure of
    /// its own.
    fn says(&self, session: &Session, fail_on: &str) -> Result<Found> {
        let mut command = session.cluster()?.exec([&self.program]);
        let output = command
            .args(["doctor", "--fail-on", fail_on])
            .output()
            .context("running the doctor")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.is_empty() {
            bail!(
                "no word: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let status = output.status.code();
        Ok(Found { text, status })
    }
}

/// A node whose heartbeat is of a clock an hour ahead: what its kubelet would
/// write. A cluster on one machine has one clock only.
fn skew(session: &Session) -> Result<()> {
    session.apply(
        "{apiVersion: v1, kind: Node, metadata: {name: node-ahead, labels: {kubernetes.io/os: other}}}",
    )?;
    let hour = jiff::SignedDuration::from_hours(1);
    let ahead = jiff::Timestamp::now().checked_add(hour)?;
    let ahead = ahead.strftime("%Y-%m-%dT%H:%M:%S.000000Z");
    session
        .apply(&format!(
            "{{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {{name: node-ahead, namespace: kube-node-lease}}, spec: {{holderIdentity: node-ahead, leaseDurationSeconds: 40, renewTime: \"{ahead}\"}}}}"
        ))
        .map(drop)
}

/// Drops what goes to the agents' port on the first node, or lets it through.
fn firewall(session: &Session, verb: &str) -> Result<()> {
    for chain in ["OUTPUT", "FORWARD"] {
        let words = [
            "iptables", verb, chain, "-p", "tcp", "--dport", "28282", "-j", "DROP",
        ];
        process::run(&mut session.cluster()?.exec(words))?;
    }
    Ok(())
}

fn tolerate(session: &Session, tolerations: &str) -> Result<()> {
    let patch = format!("{{\"spec\": {{\"agent\": {{\"tolerations\": {tolerations}}}}}}}");
    let words = [
        "patch",
        "powermonitor",
        "tanso",
        "--type=merge",
        "-p",
        &patch,
    ];
    session.kubectl(&words).map(drop)
}

fn taint(session: &Session, taint: &str) -> Result<()> {
    let names = session.node_names()?;
    let first = names.first().context("a node")?;
    session.kubectl(&["taint", "node", first, taint]).map(drop)
}

fn delete_agents(session: &Session) -> Result<()> {
    let label = "app.kubernetes.io/name=tanso-agent";
    let words = [
        "delete",
        "pod",
        "-n",
        NAMESPACE,
        "-l",
        label,
        "--wait=false",
    ];
    session.kubectl(&words).map(drop)
}

fn agent_image(session: &Session, image: &str) -> Result<()> {
    let env = format!("TANSO_AGENT_IMAGE={image}");
    let words = [
        "set",
        "env",
        "deployment/tanso-operator",
        "-n",
        NAMESPACE,
        &env,
    ];
    session.kubectl(&words).map(drop)
}

fn scale(session: &Session, name: &str, replicas: u8) -> Result<()> {
    let wanted = format!("--replicas={replicas}");
    let words = ["scale", "deployment", name, "-n", NAMESPACE, &wanted];
    session.kubectl(&words)?;
    let rollout = format!("deployment/{name}");
    let words = [
        "rollout",
        "status",
        &rollout,
        "-n",
        NAMESPACE,
        "--timeout=180s",
    ];
    session.kubectl(&words)?;
    if replicas != 0 {
        return Ok(());
    }
    // An operator that is still ending reverts what is changed by hand.
    let label = format!("app.kubernetes.io/name={name}");
    let words = ["get", "pods", "-n", NAMESPACE, "-l", &label, "-o", "name"];
    let mut step = Step::new(format!("{name} to end"));
    session.wait(&mut step, "its last pod to go", PATIENCE, |session| {
        Ok(session.kubectl(&words)?.trim().is_empty().then_some(()))
    })
}

/// Changes the agents' DaemonSet, whose operator must not look.
fn change_agent(session: &Session, patch: &str) -> Result<()> {
    let words = [
        "patch",
        "daemonset",
        "tanso-agent",
        "-n",
        NAMESPACE,
        "--type=json",
        "-p",
        patch,
    ];
    session.kubectl(&words).map(drop)
}
