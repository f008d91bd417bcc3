//! The protocol's manners on the cluster: who asks to be told how far a call
//! is, is told; a call that its caller gives up ends, and the next one is
//! answered.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Fact;
use crate::demo::session::Session;
use crate::process::output;
use crate::progress::Step;

/// What gives calls up.
const LEAVER: &str = include_str!("cancel.py");

/// The steps that each call of the client was told, which asked to be told of
/// every one: from 1 to 100 percent, each larger than the one before.
pub(super) fn told(found: &Value) -> Result<Fact> {
    let mut calls = 0;
    for transport in ["stdio", "http", "modern"] {
        let tools = found[transport]["tools"].as_object().context("the tools")?;
        for (tool, answers) in tools {
            for answer in answers.as_array().context("the answers of a tool")? {
                let told = answer["progress"].as_array().context("the steps")?;
                let is_of_all = told.iter().all(|step| step[1] == json!(100.0));
                let told: Vec<f64> = told.iter().filter_map(|step| step[0].as_f64()).collect();
                let ends = (told.first().copied(), told.last().copied());
                ensure!(
                    is_of_all
                        && ends == (Some(1.0), Some(100.0))
                        && told.is_sorted_by(|a, b| a < b),
                    "{tool} over {transport} was told {}",
                    answer["progress"]
                );
                calls += 1;
            }
        }
    }
    Ok(Fact::new(
        "progress",
        format!(
            "{calls} calls over stdio and HTTP asked to be told, each was told from 1 to 100 percent"
        ),
    ))
}

/// Gives calls up; `plan` has where and as whom.
pub(super) fn cancelled(session: &Session, python: &Path, plan: &Value) -> Result<Fact> {
    let step = Step::new("calls that are given up");
    let folder = tempfile::tempdir().context("making a folder for calls that are given up")?;
    let (script, file) = (
        folder.path().join("cancel.py"),
        folder.path().join("plan.json"),
    );
    fs::write(&script, LEAVER).context("writing what gives calls up")?;
    fs::write(&file, plan.to_string()).context("writing the plan")?;
    let mut command = session.cluster()?.exec([python]);
    let text = output(command.arg(&script).arg(&file))?;
    let found: Value =
        serde_json::from_str(&text).with_context(|| format!("reading what came back: {text}"))?;
    let (stdio, http) = (&found["stdio"], &found["http"]);
    ensure!(
        stdio["givenUp"] == 1 && stdio["exit"] == 0,
        "no call over stdio was given up: {stdio}"
    );
    ensure!(
        http["served"] == true,
        "after calls over HTTP were given up it no longer serves: {http}"
    );
    step.done("calls given up, the next ones answered");
    Ok(Fact::new(
        "calls that are given up",
        format!(
            "over stdio it ends without an answer (try {}), the next is answered and the server ends with 0; over HTTP {} connections closed, the next is answered",
            stdio["tried"], http["closed"]
        ),
    ))
}
