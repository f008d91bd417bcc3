//! `kubectl tanso schedule`: the best time for a workload or a job, by the
//! answer that the MCP tool `calculate_optimal_schedule` gives.
//!
//! A job by duration and grid zone needs no cluster. Advice only.

use std::io::Write;
use std::sync::Arc;

use jiff::{Span, SpanRelativeTo, Timestamp};
use tanso_carbon::RuleSet;
use tanso_faces::answer::AnswerFault;
use tanso_faces::answer::schedule::{Plan, Question, Window, schedule};
use tanso_faces::letters;
use tanso_faces::report::chart::spark;
use tanso_faces::view::given::Given;
use tanso_faces::view::{Access, Facts, OperatorBooks, Reader};
use tanso_faces::words;

use crate::cluster::{ClusterArgs, ClusterError};
use crate::table::{Align, Table};
use crate::{Error, Outcome, Output};

/// What to plan.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A workload whose mean run is planned, best a cron job, for example cronjob/etl; without one give a duration
    #[arg(value_name = "KIND/NAME")]
    workload: Option<String>,
    /// Namespace of the workload; default that of the context
    #[arg(short, long, requires = "workload")]
    namespace: Option<String>,
    /// How long the job runs, for example 90m or 4h; default the workload's mean run
    #[arg(long, value_name = "DURATION", value_parser = minutes, required_unless_present = "workload")]
    duration: Option<u32>,
    /// Its mean power, watts; default the workload's, else 1000
    #[arg(long, value_name = "WATTS", conflicts_with = "profile")]
    power: Option<f64>,
    /// The power of each equal part of its duration, in watts: 200,800,300
    #[arg(long, value_name = "WATTS,…", value_delimiter = ',')]
    profile: Vec<f64>,
    /// The earliest start, as in 2026-11-22T09:00:00+09:00, or from now on, as in 6h; default now
    #[arg(long, value_name = "TIME")]
    earliest: Option<String>,
    /// When it must have ended, a time or from the earliest start on; default 24h
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// IANA time zone of the times; default the policy's, else UTC
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Cloud region, for example ap-northeast-2; default the policy's site
    #[arg(long, value_name = "NAME", conflicts_with = "zone")]
    region: Option<String>,
    /// Grid zone, for example KR; default the policy's site
    #[arg(long, value_name = "ZONE", required_unless_present_any = ["workload", "region"])]
    zone: Option<String>,
    /// Namespace of the installation
    #[arg(long, default_value = "tanso-system", value_name = "NAME")]
    operator_namespace: String,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Why there is no best time.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleFault {
    /// The question has no answer.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
    /// A time is none.
    #[error(
        "--{flag} \"{value}\": accepted is a time as in 2026-11-22T09:00:00+09:00, or a span as in 6h"
    )]
    Time {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
    },
}

/// Plans.
///
/// # Errors
/// If there is no such workload, an argument makes no sense, or the cluster
/// does not answer.
pub async fn run(
    args: &Args,
    cluster: &ClusterArgs,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let now = Timestamp::now();
    let mut question = question(args, now)?;
    let plan = if args.workload.is_some() {
        let cluster = cluster.connect().await?;
        let namespace = args.namespace.clone();
        question.namespace = Some(namespace.unwrap_or_else(|| cluster.namespace.clone()));
        let operator = args.operator_namespace.as_str();
        let books = OperatorBooks::new(cluster.operator(operator), operator);
        let reader = Reader::new(cluster.client, operator, Arc::new(books));
        let plan = planned(&reader.seen_by(Access::Own), &question).await;
        plan.map_err(|fault| at_cluster(fault, &cluster.server))?
    } else {
        // Tables know the grid: no cluster is asked.
        let facts = Given {
            now,
            rules: Arc::new(RuleSet::default()),
            ..Given::default()
        };
        planned(&facts, &question).await?
    };
    match args.output {
        output @ (Output::Json | Output::Yaml) => output.write(out, &plan)?,
        Output::Table | Output::Wide => write!(out, "{}", text(&plan))?,
    }
    Ok(Outcome::Fine)
}

async fn planned(facts: &dyn Facts, question: &Question) -> Result<Plan, ScheduleFault> {
    let plan = schedule(facts, question).await;
    Ok(plan.map_err(by_flags)?)
}

/// The fault in this program's own words: what is asked for by the names of a
/// tool's arguments is given here by flags.
fn by_flags(fault: AnswerFault) -> AnswerFault {
    match fault {
        AnswerFault::Invalid {
            field,
            value,
            accepted,
        } => AnswerFault::Invalid {
            field: flag_of(field),
            value,
            accepted: match field {
                "durationMinutes" => "1m to 168h, as in 90m or 4h; give it where the workload's own runs cannot be read".to_owned(),
                _ => accepted,
            },
        },
        AnswerFault::Unfit { field, why } => AnswerFault::Unfit {
            field: flag_of(field),
            why,
        },
        other => other,
    }
}

/// The flag that gives an argument of the tool.
fn flag_of(field: &'static str) -> &'static str {
    match field {
        "durationMinutes" => "--duration",
        "powerWatts" => "--power",
        "powerProfileWatts" => "--profile",
        "timeZone" => "--time-zone",
        "earliest" => "--earliest",
        "deadline" => "--deadline",
        "region" => "--region",
        "zone" => "--zone",
        other => other,
    }
}

/// The fault as the command line says it: a cluster that does not answer has
/// its name, and what is not there a command that lists what is.
fn at_cluster(fault: ScheduleFault, server: &str) -> Error {
    match fault {
        ScheduleFault::Answer(AnswerFault::Facts(fault)) => {
            match ClusterError::named(fault, server) {
                Ok(named) => named.into(),
                Err(fault) => ScheduleFault::Answer(fault.into()).into(),
            }
        }
        ScheduleFault::Answer(AnswerFault::NotFound { what, .. }) => {
            ScheduleFault::Answer(AnswerFault::NotFound {
                what,
                hint: "`kubectl tanso top` lists what there is",
            })
            .into()
        }
        other => other.into(),
    }
}

fn question(args: &Args, now: Timestamp) -> Result<Question, ScheduleFault> {
    let earliest = match &args.earliest {
        Some(text) => Some(time("earliest", text, now)?),
        None => None,
    };
    let base = earliest.unwrap_or(now);
    let deadline = match &args.deadline {
        Some(text) => Some(time("deadline", text, base)?),
        None => None,
    };
    Ok(Question {
        workload: args.workload.clone(),
        namespace: args.namespace.clone(),
        duration_minutes: args.duration,
        power_watts: args.power,
        power_profile_watts: args.profile.clone(),
        earliest: earliest.map(|at| at.to_string()),
        deadline: deadline.map(|at| at.to_string()),
        time_zone: args.time_zone.clone(),
        region: args.region.clone(),
        zone: args.zone.clone(),
        ..Question::default()
    })
}

/// An instant, or a span after another.
fn time(flag: &'static str, text: &str, base: Timestamp) -> Result<Timestamp, ScheduleFault> {
    let wrong = || ScheduleFault::Time {
        flag,
        value: text.to_owned(),
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    base.checked_add(length).map_err(|_| wrong())
}

/// Whole minutes of a span such as `90m` or `4h`.
fn minutes(text: &str) -> Result<u32, String> {
    let wrong =
        || format!("duration \"{text}\"; accepted are whole minutes, 1m to 168h, as in 90m or 4h");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    if length.as_secs() % 60 != 0 {
        return Err(wrong());
    }
    let minutes = u32::try_from(length.as_secs() / 60).map_err(|_| wrong())?;
    (1..=10_080)
        .contains(&minutes)
        .then_some(minutes)
        .ok_or_else(wrong)
}

/// The plan for people.
fn text(plan: &Plan) -> String {
    let mut table = Table::new(&[
        ("START", Align::Left),
        ("END", Align::Left),
        ("EMISSIONS", Align::Right),
        ("G/KWH", Align::Right),
        ("WHICH", Align::Left),
    ]);
    let mut push = |window: &Window, which: &str| {
        let grid = window.intensity_milligrams_per_kwh;
        table.push([
            window.start.clone(),
            window.end.clone(),
            words::emissions(window.emissions_milligrams.value).replace(' ', ""),
            grid.map_or_else(String::new, |grid| {
                words::intensity(grid).replace(" g/kWh", "")
            }),
            which.to_owned(),
        ]);
    };
    push(&plan.now, "earliest");
    push(&plan.best, "best");
    for other in &plan.others {
        push(other, "also");
    }
    let curve: Vec<i64> = plan
        .curve
        .iter()
        .map(|hour| hour.intensity_milligrams_per_kwh.value)
        .collect();
    let low = curve.iter().min().copied().unwrap_or(0);
    let high = curve.iter().max().copied().unwrap_or(0);
    let first = plan.curve.first().map_or("", |hour| &hour.start);
    let mut lines = vec![plan.summary.clone(), String::new(), table.to_string()];
    lines.push(format!(
        "Grid {} from {first}, an hour each: {} {} to {}",
        plan.zone,
        spark(&curve),
        words::intensity(low).replace(" g/kWh", ""),
        words::intensity(high)
    ));
    lines.push(format!(
        "Saves {} ({}) against the earliest start, {} against the mean start",
        words::emissions_within(&plan.saving_against_now_milligrams),
        words::milli_percent(plan.saving_against_now_milli_percent),
        words::emissions(plan.saving_against_average_milligrams)
    ));
    lines.push(format!("\nFor a CronJob:\n{}", plan.cron.yaml.trim_end()));
    if let Some(daily) = &plan.daily {
        lines.push(format!(
            "\nEvery day (now {}): {}",
            daily.present, daily.message
        ));
        if let Some(line) = &daily.schedule {
            lines.push(line.yaml.trim_end().to_owned());
        }
    }
    lines.push(format!("\nSource: {}", plan.source));
    lines.extend(plan.notes.iter().map(|note| format!("Note: {note}")));
    lines.push(String::new());
    letters::shown(&lines.join("\n")).into_owned()
}

#[cfg(test)]
mod tests {
    use tanso_faces::view::FactsFault;

    use super::*;

    fn args(words: &[&str]) -> Args {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = std::iter::once("schedule").chain(words.iter().copied());
        Line::try_parse_from(line).unwrap().args
    }

    #[tokio::test]
    async fn a_job_in_korea_is_planned_without_a_cluster() {
        let now: Timestamp = "2026-10-05T09:00:00Z".parse().unwrap();
        let words = [
            "--duration",
            "4h",
            "--power",
            "500",
            "--zone",
            "KR",
            "--time-zone",
            "Asia/Seoul",
        ];
        let question = question(&args(&words), now).unwrap();
        assert_eq!(question.duration_minutes, Some(240));
        let facts = Given {
            now,
            ..Given::default()
        };
        let plan = planned(&facts, &question).await.unwrap();
        let text = text(&plan);
        assert!(
            text.contains("For a CronJob:\n") && text.contains("Asia/Seoul"),
            "{text}"
        );
        assert!(text.contains(" best\n") && text.contains("▁"), "{text}");
        assert!(
            plan.best.emissions_milligrams.value <= plan.now.emissions_milligrams.value,
            "{text}"
        );
    }

    /// `report` named the server already, and a tool of the MCP server is no
    /// command.
    #[tokio::test]
    async fn what_is_missing_names_the_server_or_a_command_of_this_program() {
        let unreachable = AnswerFault::Facts(FactsFault::Unreachable {
            action: "listing carbonpolicies".to_owned(),
            cause: "connection refused".to_owned(),
        });
        let text = at_cluster(unreachable.into(), "https://10.0.0.9:6443").to_string();
        assert!(text.contains("https://10.0.0.9:6443"), "{text}");
        let question = Question {
            workload: Some("cronjob/nowhere".to_owned()),
            ..Question::default()
        };
        let fault = planned(&Given::default(), &question).await.unwrap_err();
        let text = at_cluster(fault, "https://10.0.0.9:6443").to_string();
        assert!(
            text.contains("nowhere") && text.ends_with("`kubectl tanso top` lists what there is"),
            "{text}"
        );
    }

    /// A wrong power was `powerWatts`, and a job without a duration asked for
    /// `durationMinutes`: neither is a flag.
    #[tokio::test]
    async fn what_is_refused_is_named_by_its_flag() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            _args: Args,
        }
        let parsed = |words: &[&str]| {
            let line = std::iter::once("schedule").chain(words.iter().copied());
            Line::try_parse_from(line).map(drop)
        };
        let text = parsed(&["--zone", "KR"]).unwrap_err().to_string();
        assert!(text.contains("--duration <DURATION>"), "{text}");
        let text = parsed(&["--duration", "1h"]).unwrap_err().to_string();
        assert!(text.contains("--zone <ZONE>"), "{text}");
        assert!(parsed(&["--duration", "1h", "-n", "shop", "--zone", "KR"]).is_err());
        assert!(parsed(&["--duration", "1h", "--region", "eu-north-1"]).is_ok());
        assert!(parsed(&["cronjob/etl", "-n", "shop"]).is_ok());

        let now: Timestamp = "2026-10-05T09:00:00Z".parse().unwrap();
        let facts = Given {
            now,
            ..Given::default()
        };
        for (words, flag) in [
            (["--power", "1e9"], "--power: "),
            (["--time-zone", "Nowhere"], "--time-zone: "),
            (["--deadline", "10m"], "--deadline: "),
        ] {
            let words = [&["--duration", "1h", "--zone", "KR"][..], &words[..]].concat();
            let question = question(&args(&words), now).unwrap();
            let text = planned(&facts, &question).await.unwrap_err().to_string();
            assert!(text.starts_with(flag), "{text}");
        }
    }

    #[test]
    fn times_may_be_spans_and_nonsense_names_its_flag() {
        let now: Timestamp = "2026-10-05T09:00:00Z".parse().unwrap();
        assert_eq!(
            time("earliest", "6h", now).unwrap().to_string(),
            "2026-10-05T15:00:00Z"
        );
        let text = time("deadline", "soon", now).unwrap_err().to_string();
        assert!(
            text.starts_with("--deadline \"soon\": accepted is"),
            "{text}"
        );
        assert_eq!(minutes("90m").unwrap(), 90);
        assert!(minutes("0m").is_err() && minutes("200h").is_err());
    }
}
