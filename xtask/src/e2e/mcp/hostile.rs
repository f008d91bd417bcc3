//! Frames that mean harm, at the operator that runs in the cluster and at the
//! command line's server: both still serve afterwards, and their memory is
//! what it was.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Fact;
use crate::demo::session::{NAMESPACE, Session};
use crate::process::output;
use crate::progress::Step;

/// What sends them.
const SENDER: &str = include_str!("hostile.py");
/// Frames of a round.
const FRAMES: u64 = 200;
/// Rounds.
const ROUNDS: usize = 3;
/// Growth from before the first frame to after the last round that is still
/// flat: an allocator keeps pages.
const GROWTH_MAX_KIB: u64 = 16 * 1_024;

/// Sends them; `plan` has where and as whom.
pub(super) fn run(session: &Session, python: &Path, plan: &Value) -> Result<[Fact; 2]> {
    let folder = tempfile::tempdir().context("making a folder for hostile frames")?;
    let (script, file) = (
        folder.path().join("hostile.py"),
        folder.path().join("plan.json"),
    );
    fs::write(&script, SENDER).context("writing the sender")?;
    fs::write(&file, plan.to_string()).context("writing the plan")?;
    let send = |words: &[&str]| -> Result<Value> {
        let mut command = session.cluster()?.exec([python]);
        let text = output(command.arg(&script).arg(&file).args(words))?;
        serde_json::from_str(&text).with_context(|| format!("reading what came back: {text}"))
    };
    let frames = FRAMES.to_string();
    let step = Step::new("hostile frames");
    // A plain question alone: what serving takes at all is no frame's doing.
    let calm = send(&["http", "0"])?;
    ensure!(
        calm["served"] == true,
        "before any hostile frame it does not serve: {calm}"
    );
    let http = over_http(session, || send(&["http", &frames]))?;
    let found = send(&["stdio", &frames, &ROUNDS.to_string()])?;
    step.done("hostile frames sent");
    Ok([http, over_stdio(&found)?])
}

fn over_http(session: &Session, send: impl Fn() -> Result<Value>) -> Result<Fact> {
    let mut resident = vec![operator_kib(session)?];
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let found = send()?;
        ensure!(
            found["served"] == true,
            "after hostile frames it no longer serves: {found}"
        );
        let statuses = found["statuses"].as_object().context("statuses")?;
        let of = |status: &str| statuses.get(status).and_then(Value::as_u64).unwrap_or(0);
        ensure!(of("500") == 0, "it broke at a hostile frame: {found}");
        refused = FRAMES.saturating_sub(of("200"));
        resident.push(operator_kib(session)?);
    }
    ensure!(refused >= FRAMES / 2, "only {refused} were refused");
    flat(&resident)?;
    Ok(Fact::new(
        "hostile frames over HTTP",
        format!(
            "{ROUNDS} x {FRAMES}, {refused} of each round refused before a tool; resident KiB before the first and after each: {resident:?}; still serves"
        ),
    ))
}

fn over_stdio(found: &Value) -> Result<Fact> {
    let resident = found["residentKib"].as_array().context("its memory")?;
    let resident: Vec<u64> = resident.iter().filter_map(Value::as_u64).collect();
    ensure!(
        found["served"] == true && found["exit"] == 0,
        "after hostile frames it no longer serves: {found}"
    );
    ensure!(
        resident.len() == ROUNDS + 1,
        "memory was not read each time: {found}"
    );
    flat(&resident)?;
    Ok(Fact::new(
        "hostile frames over stdio",
        format!(
            "{ROUNDS} x {FRAMES}, resident KiB before the first and after each: {resident:?}; still serves, ends with 0"
        ),
    ))
}

fn flat(resident_kib: &[u64]) -> Result<()> {
    let (Some(first), Some(last)) = (resident_kib.first(), resident_kib.last()) else {
        anyhow::bail!("no memory was read");
    };
    ensure!(
        *last <= first.saturating_add(GROWTH_MAX_KIB),
        "memory grew: {resident_kib:?} KiB"
    );
    Ok(())
}

/// Resident memory of the operator's process, which runs in a container on
/// this machine.
fn operator_kib(session: &Session) -> Result<u64> {
    let label = "app.kubernetes.io/name=tanso-operator";
    let pods = session.json(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json"])?;
    let status = &pods["items"][0]["status"]["containerStatuses"][0];
    ensure!(
        status["restartCount"] == 0,
        "the operator was started again: {status}"
    );
    let id = status["containerID"].as_str().unwrap_or_default();
    let id = id.rsplit('/').next().unwrap_or_default();
    ensure!(!id.is_empty(), "the operator's container has no id");
    for entry in fs::read_dir("/proc").context("reading \"/proc\"")? {
        let path = entry.context("reading \"/proc\"")?.path();
        // A process may end while it is looked at; others are no processes.
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        if read("comm").trim() == "tanso-operator" && read("cgroup").contains(id) {
            let status = read("status");
            let line = status.lines().find(|line| line.starts_with("VmRSS:"));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
            return kib.context("the operator's memory");
        }
    }
    anyhow::bail!("no process of container \"{id}\" on this machine")
}
