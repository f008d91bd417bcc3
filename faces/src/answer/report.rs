//! The report that an auditor gets, in parts of a size that a reader of
//! answers can take.

mod choose;
mod read;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::status::Verdict;
use tokio::sync::Semaphore;

use super::{AnswerFault, PolicyName};
use crate::report::period::PeriodError;
use crate::report::{Format, Language, Report, Statement, render, verify};
use crate::view::{Facts, Policy, Scope};
use crate::words;

pub use choose::{Called, Unchosen, choose};
pub use read::{Limits, Read, ReadFault, When, read};

/// Most bytes of a part.
const PART_BYTES: usize = 48 * 1_024;
/// Most rows of energy that one report is made of.
const ROWS_MAX: u64 = 500_000;
/// Reports in the making at once: each holds its rows in memory.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Which report.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The policy, by its name, or as kind/name (`ClusterCarbonPolicy/korea`) where both kinds have one of that name; may be left out if there is one only.
    #[serde(default)]
    #[schemars(length(min = 1, max = 273))]
    pub policy: Option<String>,
    /// The policy's namespace; default all that you may see.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// A local day, month or year in place of the policy's window: 2026-06-15, 2026-06 or 2026.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub period: Option<String>,
    /// Begin of a time in place of the policy's window, RFC 3339; together with `until`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub from: Option<String>,
    /// End of that time, RFC 3339.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub until: Option<String>,
    /// How it is written. Default Markdown.
    #[serde(default)]
    pub format: Format,
    /// The language of its words, en or ko. Default en.
    #[serde(default)]
    pub language: Language,
    /// The reporting organisation, as the report is to name it.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub organisation: String,
    /// The responsible person, as the report is to name them.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub responsible: String,
    /// The cluster, as the report is to name it.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub cluster: String,
    /// How many functional units (requests, for example) that other time served, as the reporting organisation says: for its software carbon intensity. With a period only.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub units: Option<i64>,
    /// Which part of a long report, from 1; with the same other arguments.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub part: Option<u32>,
}

/// A report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The answer in a sentence.
    pub summary: String,
    /// The policy.
    pub policy: PolicyName,
    /// Its verdict over the time of the report.
    pub verdict: Verdict,
    /// The first hour, UTC.
    pub from: String,
    /// The end of the last hour, UTC.
    pub until: String,
    /// Booking of the energy ledger up to which the figures go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_revision: Option<i64>,
    /// How it is written.
    pub format: Format,
    /// The media type of all parts together.
    pub media_type: String,
    /// The language of its words.
    pub language: Language,
    /// The digest that the report carries. A part with another digest is of another report.
    pub digest: String,
    /// Which part this is, from 1.
    pub part: u32,
    /// How many there are; all in their order are the file.
    pub parts: u32,
    /// Bytes of all parts together.
    pub bytes: u64,
    /// What is not in it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// This part of the report, as it is written.
    pub text: String,
}

/// Makes a report and gives one part of it.
///
/// # Errors
/// If there is no such policy, part or time, or no figures.
pub async fn report(facts: &dyn Facts, question: &Question) -> Result<Answer, AnswerFault> {
    let (policy, when) = (chosen(facts, question).await?, when(question)?);
    let name = PolicyName::of(&policy);
    facts.note(5, "the policy was found");
    let limits = Limits {
        needs_hours: false,
        rows: ROWS_MAX,
    };
    // The semaphore is never closed, so this only waits.
    let _place = PLACES.acquire().await.ok();
    let read = read(facts, policy, &when, limits).await.map_err(fault)?;
    let missing = read
        .without_hours()
        .map(|why| format!("energy by the hour: {why}"))
        .or_else(|| read.without_past().map(str::to_owned));
    let statement = Statement {
        organisation: question.organisation.clone(),
        responsible: question.responsible.clone(),
        cluster: question.cluster.clone(),
        units: question.units,
        ..Statement::default()
    };
    let rules = facts.rules().await?;
    let report = read.report(&rules, &statement).map_err(fault)?;
    facts.note(80, "the figures were made");
    // Between making and writing the caller is told, and may give up.
    tokio::task::yield_now().await;
    let text = render(&report, question.format, question.language);
    facts.note(95, "the report was written");
    let digest = verify(&text).map_or_else(|_| String::new(), |found| found.digest);
    let parts = parts(&text, PART_BYTES);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let part = question.part.unwrap_or(1);
    let index = part
        .checked_sub(1)
        .and_then(|one| usize::try_from(one).ok());
    let own = index
        .and_then(|index| parts.get(index))
        .ok_or_else(|| AnswerFault::invalid("part", part, format!("a number from 1 to {count}")))?;
    Ok(Answer {
        summary: summary(&name, &report, part, count, &digest),
        policy: name,
        verdict: report.verdict,
        from: report.period.from.clone(),
        until: report.period.until.clone(),
        ledger_revision: report.digests.ledger_revision,
        format: question.format,
        media_type: question.format.media_type().to_owned(),
        language: question.language,
        digest,
        part,
        parts: count,
        bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
        missing,
        text: (*own).to_owned(),
    })
}

/// The policy that is meant: by name, or the only one.
async fn chosen(facts: &dyn Facts, question: &Question) -> Result<Policy, AnswerFault> {
    let scope = Scope::of(question.namespace.as_deref());
    let listed = facts.listed_policies(&scope).await?;
    let asked = question.policy.as_deref();
    choose(listed, asked).map_err(|why| match why {
        Unchosen::Several(which) => AnswerFault::invalid(
            "policy",
            asked.unwrap_or_default(),
            format!("one of {which}, by policy (its name, or kind/name) and namespace"),
        ),
        Unchosen::Unreadable { title, why } => AnswerFault::NotKnown {
            what: title,
            reason: why,
        },
        Unchosen::Nothing => {
            let name = asked.map_or_else(String::new, |name| format!(" \"{name}\""));
            let place = question.namespace.as_ref();
            let place = place.map_or_else(String::new, |name| format!(" in namespace \"{name}\""));
            AnswerFault::NotFound {
                what: format!("policy{name}{place}"),
                hint: "the resource tanso://policies lists what there is",
            }
        }
    })
}

fn when(question: &Question) -> Result<When, AnswerFault> {
    let read = |field: &'static str, text: &str| {
        let accepted = "RFC 3339 with an offset, as in 2026-11-22T09:00:00+09:00";
        let found = text.parse::<Timestamp>();
        found.map_err(|_| AnswerFault::invalid(field, text, accepted))
    };
    match (&question.period, &question.from, &question.until) {
        (None, None, None) => Ok(When::Window),
        (Some(period), None, None) => Ok(When::Named(period.clone())),
        (None, Some(from), Some(until)) => {
            Ok(When::Between(read("from", from)?, read("until", until)?))
        }
        _ => Err(AnswerFault::invalid(
            "period",
            question.period.as_deref().unwrap_or_default(),
            "either a period, or from and until together",
        )),
    }
}

fn fault(fault: ReadFault) -> AnswerFault {
    let unknown = |fault: &dyn std::fmt::Display| AnswerFault::NotKnown {
        what: "the report".to_owned(),
        reason: fault.to_string(),
    };
    match fault {
        ReadFault::Facts(fault) => fault.into(),
        ReadFault::Build(fault) => unknown(&fault),
        ReadFault::Period(PeriodError::Unreadable(text)) => AnswerFault::invalid(
            "period",
            text,
            "a local day, month or year, as in 2026-06-15, 2026-06, 2026",
        ),
        ReadFault::Period(PeriodError::Empty { from, until }) => {
            AnswerFault::invalid("until", until, format!("a time after {from}"))
        }
        ReadFault::UnitsOfWindow => AnswerFault::unfit("units", &fault),
        fault @ (ReadFault::Period(_) | ReadFault::TooMuch { .. }) => unknown(&fault),
    }
}

fn summary(name: &PolicyName, report: &Report, part: u32, parts: u32, digest: &str) -> String {
    let place = name.namespace.as_ref();
    let place = place.map_or_else(String::new, |name| format!("{name}/"));
    format!(
        "Report of {} {place}{} from {} until {}: {}; {} workloads, {}, {}. Part {part} of {parts}; {digest}, which `kubectl tanso report verify FILE` checks.",
        name.kind,
        name.name,
        report.period.from,
        report.period.until,
        words::verdict(report.verdict),
        report.workloads.len(),
        words::energy(report.totals.energy_microjoules.value),
        words::emitted(&report.totals),
    )
}

/// A text in parts of at most so many bytes, at ends of lines where there are
/// any; at least one.
fn parts(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > most {
        let mut at = most;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (head, _) = rest.split_at(at);
        let end = head.rfind('\n').map_or(at, |line| line + 1);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_with_lines_and_are_the_text_together() {
        let text = "가나다\nsecond line\n한 줄이 아주 길다 아주 아주 길다";
        for most in 4..60 {
            let found = parts(text, most);
            assert_eq!(found.concat(), text, "{most}");
            assert!(found.iter().all(|part| part.len() <= most), "{most}");
        }
        assert_eq!(parts("one\ntwo\n", 6), ["one\n", "two\n"]);
        assert_eq!(parts("", 6), [""]);
    }
}
