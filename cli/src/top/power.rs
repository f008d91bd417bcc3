//! Power alone: of namespaces and nodes as it was booked, of pods as the
//! agents say it now.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;
use tanso_faces::answer::AnswerFault;
use tanso_faces::answer::power::{By, Power, Question, power};
use tanso_faces::letters;
use tanso_faces::view::{Access, OperatorBooks, Reader};
use tanso_faces::words;

use super::Args;
use crate::cluster::{Cluster, ClusterError};
use crate::policies::Scope;
use crate::table::{Align, Table};
use crate::{Error, Outcome, Output, live};

/// Most lines that are asked for.
const LINES_MAX: u32 = 200;

/// Why there is no power to show.
#[derive(Debug, thiserror::Error)]
pub enum PowerFault {
    /// The question has no answer.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
}

/// Power of namespaces or nodes in the newest booked hour.
pub(super) async fn booked(
    args: &Args,
    by: By,
    cluster: &Cluster,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let operator = args.operator_namespace.as_str();
    let books = OperatorBooks::new(cluster.operator(operator), operator);
    let reader = Reader::new(cluster.client.clone(), operator, Arc::new(books));
    let limit = u32::try_from(args.limit).unwrap_or(LINES_MAX);
    let question = Question {
        namespace: args.namespace.clone(),
        by,
        limit: Some(limit.clamp(1, LINES_MAX)),
    };
    let facts = reader.seen_by(Access::Own);
    let found = power(&facts, &question).await;
    let found = found.map_err(|fault| at_server(fault, &cluster.server))?;
    match args.output {
        output @ (Output::Json | Output::Yaml) => output.write(out, &found)?,
        Output::Table | Output::Wide => write!(out, "{}", text(&found, by))?,
    }
    Ok(Outcome::Fine)
}

/// Who does not answer is named, as `top` does of workloads.
fn at_server(fault: AnswerFault, server: &str) -> Error {
    let fault = match fault {
        AnswerFault::Facts(fault) => match ClusterError::named(fault, server) {
            Ok(named) => return named.into(),
            Err(fault) => fault.into(),
        },
        other => other,
    };
    PowerFault::Answer(fault).into()
}

fn text(found: &Power, by: By) -> String {
    let first = match by {
        By::Node => "NODE",
        By::Namespace => "NAMESPACE",
        By::Workload => "WORKLOAD",
    };
    let mut table = Table::new(&[
        (first, Align::Left),
        ("WATTS", Align::Right),
        ("MEASURED", Align::Right),
    ]);
    for line in &found.lines {
        table.push([
            line.name.clone(),
            format!("{:.3}", words::float(line.milliwatts) / 1e3),
            format!("{}%", line.measured_percent),
        ]);
    }
    let shown = u32::try_from(found.lines.len()).unwrap_or(u32::MAX);
    let more = match found.total.saturating_sub(shown) {
        0 => String::new(),
        rest => format!("{rest} more; --limit shows them\n"),
    };
    format!("{table}{more}{}\n", found.summary)
}

/// Power of pods now.
pub(super) async fn pods(
    args: &Args,
    scope: &Scope,
    cluster: &Cluster,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let (mut pods, faults) = live::pods(cluster, scope, &args.operator_namespace).await;
    pods.sort_by(|a, b| (b.2, &a.0, &a.1).cmp(&(a.2, &b.0, &b.1)));
    let total = pods.len();
    pods.truncate(args.limit.max(1));
    match args.output {
        output @ (Output::Json | Output::Yaml) => {
            let line = |(namespace, name, power_mw): &(String, String, i64)| json!({"namespace": namespace, "name": name, "milliwatts": power_mw});
            let lines: Vec<_> = pods.iter().map(line).collect();
            output.write(
                out,
                &json!({"pods": lines, "total": total, "faults": faults}),
            )?;
        }
        Output::Table | Output::Wide => {
            let mut table = Table::new(&[
                ("NAMESPACE", Align::Left),
                ("POD", Align::Left),
                ("WATTS", Align::Right),
            ]);
            for (namespace, name, power_mw) in &pods {
                let watts = format!("{:.3}", words::float(*power_mw) / 1e3);
                table.push([namespace.clone(), name.clone(), watts]);
            }
            write!(out, "{table}")?;
            match total.saturating_sub(pods.len()) {
                0 => {}
                rest => writeln!(out, "{rest} more; --limit shows them")?,
            }
            for fault in &faults {
                writeln!(out, "power: {}", letters::line(fault))?;
            }
        }
    }
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tanso_faces::answer::Basis;
    use tanso_faces::answer::power::Line;
    use tanso_faces::view::FactsFault;

    /// `top` named the server, `top nodes` only said that there was no answer.
    #[test]
    fn a_cluster_that_does_not_answer_is_named() {
        let (action, cause) = ("listing powermonitors".to_owned(), "refused".to_owned());
        let unreachable = FactsFault::Unreachable { action, cause };
        let text = at_server(unreachable.into(), "https://10.0.0.9:6443").to_string();
        assert!(
            text.contains("at https://10.0.0.9:6443 does not answer (refused)"),
            "{text}"
        );
        let forbidden = AnswerFault::from(FactsFault::Forbidden {
            action: "listing powermonitors".to_owned(),
        });
        let said = forbidden.to_string();
        assert_eq!(
            at_server(forbidden, "https://10.0.0.9:6443").to_string(),
            said
        );
    }

    #[test]
    fn what_is_left_out_is_counted_and_the_sum_stands_below() {
        let line = |name: &str, milliwatts| Line {
            name: name.to_owned(),
            milliwatts,
            measured_percent: 40,
        };
        let found = Power {
            summary: "14.0 W in all.".to_owned(),
            monitors: Vec::new(),
            unreadable: Vec::new(),
            basis: Basis::Hourly,
            hour: None,
            total_milliwatts: 14_000,
            total: 3,
            lines: vec![line("n1", 12_345), line("n2", 655)],
        };
        let expected = "NODE    WATTS   MEASURED\nn1     12.345        40%\nn2      0.655        40%\n1 more; --limit shows them\n14.0 W in all.\n";
        assert_eq!(text(&found, By::Node), expected);
    }
}
