//! Mean power of the newest hour is one number, whatever it is told by, and a
//! workload's is the same with its namespace and without.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Fact, SPACE, mcp, tanso};
use crate::demo::session::Session;
use crate::progress::Step;

/// Asks between two bookings for power in each way, and compares.
pub(super) fn compare(session: &Session, program: &PathBuf) -> Result<Fact> {
    let mut step = Step::new("power between two bookings");
    let limit = Duration::from_mins(3);
    let (nodes, others) = session.wait(&mut step, "power", limit, |session| {
        let nodes = top(session, program, "nodes")?;
        let others = asked(session, program)?;
        // What was booked meanwhile is in some of the answers only.
        let is_same = top(session, program, "nodes")? == nodes
            && others.of_namespace["hour"] == nodes["hour"];
        let is_more = nodes["totalMilliwatts"].as_i64() > Some(0);
        Ok((is_same && is_more).then_some((nodes, others)))
    })?;
    step.done("power is told in each way");
    let whole = |answer: &Value| (answer["hour"].clone(), answer["totalMilliwatts"].clone());
    for (what, answer) in &others.all {
        if whole(answer) != whole(&nodes) {
            bail!("power {what} is another than by node:\n{answer}\n{nodes}");
        }
    }
    let (_, by_workload) = others.all.last().context("an answer by workload")?;
    let lines = |answer: &Value| answer["lines"].as_array().cloned().unwrap_or_default();
    let all = lines(by_workload);
    for line in lines(&others.of_namespace) {
        if !all.contains(&line) {
            bail!("{line} of namespace {SPACE} is another without it:\n{by_workload}");
        }
    }
    let (hour, milliwatts) = whole(&nodes);
    Ok(Fact::new("power", format!("{milliwatts} mW in {hour}")))
}

struct Asked {
    /// Of everybody, the one by workload last.
    all: Vec<(&'static str, Value)>,
    /// Of one namespace by workload.
    of_namespace: Value,
}

fn asked(session: &Session, program: &PathBuf) -> Result<Asked> {
    let power = |arguments: Value| mcp(session, program, "get_power", &arguments);
    Ok(Asked {
        of_namespace: power(json!({"namespace": SPACE, "limit": 200}))?,
        all: vec![
            ("by namespace", top(session, program, "namespaces")?),
            (
                "by node, of the assistants' server",
                power(json!({"by": "Node"}))?,
            ),
            ("by workload", power(json!({"limit": 200}))?),
        ],
    })
}

fn top(session: &Session, program: &PathBuf, what: &str) -> Result<Value> {
    tanso(session, program, &["top", what, "-o", "json"])
}
