//! `kubectl tanso doctor`: finds why figures are missing and says how to mend
//! each. One line a check, worst last word: OK, WARN or FAIL.
//!
//! Looks only; mends nothing.

mod checks;
mod facts;

use std::fmt;
use std::io::Write;

use serde::Serialize;
use tanso_faces::letters;

use crate::cluster::{Cluster, ClusterError};
use crate::{Error, Outcome, Output};

use facts::Facts;

/// Where to look.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Namespace of the installation
    #[arg(long, default_value = "tanso-system", value_name = "NAME")]
    operator_namespace: String,
    /// The least finding that makes the exit status 1
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    fail_on: FailOn,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// The least finding that makes the exit status 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Something works with a worse result
    Warn,
    /// Something does not work
    #[default]
    Fail,
}

impl FailOn {
    const fn is_met_by(self, level: Level) -> bool {
        match level {
            Level::Ok => false,
            Level::Warn => matches!(self, Self::Warn),
            Level::Fail => true,
        }
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, with a worse result.
    Warn,
    /// Does not work.
    Fail,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it went.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do about it; every WARN and FAIL has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn ok(text: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            text: text.into(),
            fix: None,
        }
    }

    fn warn(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            text: text.into(),
            fix: Some(fix.into()),
        }
    }

    fn fail(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: Level::Fail,
            text: text.into(),
            fix: Some(fix.into()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Ok => "OK",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        // A message of several lines stays under its word.
        let text = letters::shown(&self.text);
        writeln!(f, "{word:<5} {}", text.replace('\n', "\n      "))?;
        match &self.fix {
            Some(fix) => writeln!(f, "      fix: {}", letters::shown(fix)),
            None => Ok(()),
        }
    }
}

/// Looks at everything and writes what was found.
///
/// # Errors
/// Only if the answer cannot be written: a cluster that does not answer is a
/// finding.
pub async fn run(
    args: &Args,
    cluster: Result<Cluster, ClusterError>,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let findings = match cluster {
        Err(error) => vec![no_cluster(&error)],
        Ok(cluster) => match facts::version(&cluster).await {
            Err(error) => vec![no_cluster(&error)],
            Ok(version) => {
                let facts = Facts::read(&cluster, &args.operator_namespace).await;
                let mut findings = vec![Finding::ok(format!(
                    "API server {} answers, {version}",
                    cluster.server
                ))];
                findings.extend(checks::all(&facts, jiff::Timestamp::now()));
                findings
            }
        },
    };
    match args.output {
        output @ (Output::Json | Output::Yaml) => {
            output.write(out, &findings)?;
        }
        Output::Table | Output::Wide => {
            for finding in &findings {
                write!(out, "{finding}")?;
            }
            writeln!(out, "{}", summary(&findings))?;
        }
    }
    let mut found = findings.iter().map(|finding| finding.level);
    let failing = found.any(|level| args.fail_on.is_met_by(level));
    Ok(if failing {
        Outcome::Failing
    } else {
        Outcome::Fine
    })
}

fn no_cluster(error: &ClusterError) -> Finding {
    Finding::fail(error.to_string(), mend(error))
}

/// What to do about what could not be asked, by why it could not.
const fn mend(error: &ClusterError) -> &'static str {
    match error {
        ClusterError::File { .. }
        | ClusterError::Context { .. }
        | ClusterError::NoConfig
        | ClusterError::Unusable { .. }
        | ClusterError::Unreachable { .. } => {
            "name a cluster that answers: --context NAME or --kubeconfig FILE"
        }
        ClusterError::Client { .. } => {
            "mend the credentials and certificates that the context has, or name another: --context NAME"
        }
        ClusterError::Certificate { .. } => {
            "give the context's cluster the certificate-authority-data of the authority that signed the server's certificate, and a server (or tls-server-name) that it is for; if both are right, something else answers at that address"
        }
        ClusterError::Unauthorized { .. } => {
            "log in again, until `kubectl auth whoami` answers; or name a context with credentials that are accepted: --context NAME"
        }
        ClusterError::Forbidden { .. } | ClusterError::Shut { .. } | ClusterError::Operator(_) => {
            "run this as somebody who may read it (--context NAME, --as USER), or ask for a role that allows it"
        }
        ClusterError::Refused { code, .. } if *code == 429 || *code >= 500 => {
            "the cluster answers, and cannot do this now: try again; if it stays so, `kubectl get --raw '/readyz?verbose'` says which part of the API server fails"
        }
        ClusterError::Refused { .. } | ClusterError::Unreadable { .. } => {
            "see whether an API server of Kubernetes answers at that address: `kubectl version`; if so, use the kubectl tanso of the installed version"
        }
        ClusterError::NotInstalled { .. } => {
            "see whether an API server of Kubernetes answers at that address: `kubectl version`; if so, install tanso there: `kubectl apply --server-side -k config/default`"
        }
    }
}

fn summary(findings: &[Finding]) -> String {
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let (warnings, failures) = (count(Level::Warn), count(Level::Fail));
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{} ok, {warnings} warning{}, {failures} failure{}",
        count(Level::Ok),
        plural(warnings),
        plural(failures)
    )
}

#[cfg(test)]
mod tests;
