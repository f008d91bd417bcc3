//! What each value of the chart does, and which it refuses: `tests/chart/cases.yaml`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::Chart;
use super::objects::{Objects, unchanged};
use crate::workspace;

/// Values, and what must come of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is shown, as a sentence.
    name: String,
    /// Values files of the chart.
    #[serde(default)]
    files: Vec<String>,
    /// Values as in `helm --set`.
    #[serde(default)]
    set: Vec<String>,
    /// What the render has, or has not.
    #[serde(default)]
    expect: Vec<Expect>,
    /// Words of the refusal, where it must be one.
    #[serde(default)]
    refused: Vec<String>,
}

/// A property of a rendered object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// Kind and name.
    object: String,
    /// A pointer into it (RFC 6901); the object itself where there is none.
    #[serde(default)]
    at: String,
    /// What stands there; anything, where nothing is said.
    is: Option<Value>,
    /// Nothing may stand there.
    #[serde(default)]
    absent: bool,
}

/// Runs every case; says how many there are.
///
/// # Errors
/// Names every case that does not hold, and why.
pub(super) fn run(chart: &Chart) -> Result<String> {
    let file = workspace::root().join("tests/chart/cases.yaml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let cases: Vec<Case> =
        serde_saphyr::from_str(&text).with_context(|| format!("reading \"{}\"", file.display()))?;
    let mut failed = Vec::new();
    let mut refusals = 0;
    for case in &cases {
        if let Err(error) = case.holds(chart) {
            failed.push(format!("{}: {error:#}", case.name));
        }
        refusals += usize::from(!case.refused.is_empty());
    }
    if !failed.is_empty() {
        bail!("values of the chart:\n{}", failed.join("\n"));
    }
    Ok(format!(
        "{} cases hold, {refusals} of them refusals that name the value",
        cases.len()
    ))
}

impl Case {
    fn holds(&self, chart: &Chart) -> Result<()> {
        if self.expect.is_empty() == self.refused.is_empty() {
            bail!("a case has either `expect` or `refused`");
        }
        let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
        let set: Vec<&str> = self.set.iter().map(String::as_str).collect();
        if self.refused.is_empty() {
            return check(&unchanged(&chart.render(&files, &set)?)?, &self.expect);
        }
        // What Helm said, and not the command, which has the value in it.
        let said = chart.template(&files, &set, true).output();
        let said = said.context("starting helm")?;
        if said.status.success() {
            bail!("it is not refused");
        }
        let words = String::from_utf8_lossy(&said.stderr);
        match self.refused.iter().find(|part| !words.contains(*part)) {
            Some(missing) => bail!("the refusal does not name {missing:?}: {}", words.trim()),
            None => Ok(()),
        }
    }
}

fn check(rendered: &Objects, expected: &[Expect]) -> Result<()> {
    for Expect {
        object,
        at,
        is,
        absent,
    } in expected
    {
        let found = rendered.get(object).and_then(|object| object.pointer(at));
        match (found, is) {
            (None, _) if *absent => {}
            (Some(found), _) if *absent => bail!("{object}{at} is there: {found}"),
            (None, _) => bail!("{object}{at} is not there"),
            (Some(found), Some(wanted)) if found != wanted => {
                bail!("{object}{at} is {found}, not {wanted}")
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expect: &str) -> Result<()> {
        let rendered = unchanged("kind: A\nmetadata: {name: one}\nspec: {size: 1}\n").unwrap();
        check(&rendered, &[serde_saphyr::from_str(expect).unwrap()])
    }

    #[test]
    fn a_value_that_is_otherwise_or_missing_is_told_with_its_place() {
        told("{object: A/one, at: /spec/size, is: 1}").unwrap();
        told("{object: A/one, at: /spec/colour, absent: true}").unwrap();
        told("{object: B/two, absent: true}").unwrap();
        for wrong in [
            "{object: A/one, at: /spec/size, is: 2}",
            "{object: A/one, at: /spec/size, absent: true}",
            "{object: A/one, at: /spec/colour}",
            "{object: B/two}",
        ] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }
}
