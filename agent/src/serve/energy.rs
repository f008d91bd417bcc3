//! `GET /v1/energy?since=CURSOR&limit=N`: minute records, each exactly once.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::{Extension, Json};
use serde::Deserialize;
use tanso_agent_wire::counters::{COUNTERS_HEADER, CountersSaid};
use tanso_agent_wire::energy::{
    CPU_TIME_HEADER, Cursor, EnergyPage, FIELDS_HEADER, MEMORY_FIELD, PAGE_LIMIT, SCHEMA,
};
use tanso_agent_wire::meters::{self, METERS_HEADER};
use tanso_runtime::Problem;

use super::access::trusted;
use super::{Reader, Sources};
use crate::journal::{Journal, JournalFault};
use crate::pmu::CounterState;
use crate::snapshot::Snapshot;

/// What may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    since: Option<String>,
    limit: Option<String>,
}

/// Answers a page of records.
///
/// # Errors
/// 400 for what is no cursor or limit, 401 for readers who may see coarse
/// figures only, 410 for a cursor of a journal that is
/// not (or no longer) here, 500 if the journal cannot be read.
pub async fn answer(
    State(sources): State<Sources>,
    reader: Extension<Reader>,
    asked: HeaderMap,
    question: Result<Query<Question>, axum::extract::rejection::QueryRejection>,
) -> Result<(HeaderMap, Json<EnergyPage>), Problem> {
    trusted(reader)?;
    let Query(question) = question.map_err(|rejection| {
        let detail = format!("{rejection}; accepted are \"since\" and \"limit\"");
        Problem::new(StatusCode::BAD_REQUEST, "unknown parameter").detail(detail)
    })?;
    let since = question
        .since
        .as_deref()
        .map(str::parse::<Cursor>)
        .transpose()
        .map_err(|fault| {
            Problem::new(StatusCode::BAD_REQUEST, "not a cursor").detail(fault.to_string())
        })?;
    let limit = limit(question.limit.as_deref())?;
    let headers = sources.published.load_full();
    let headers = headers.map_or_else(HeaderMap::new, |snapshot| beside(&snapshot));
    let journal = sources.journal;
    let id = journal.id();
    let read = tokio::task::spawn_blocking(move || {
        let page = journal.page(since.as_ref(), limit);
        page.map_err(|fault| refuse(&fault, &journal))
    });
    let mut page = read.await.map_err(|fault| {
        tracing::error!(journal = %id, error = %fault, "reading energy records ended unexpectedly");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "reading records failed")
    })??;
    if !knows(&asked, MEMORY_FIELD) {
        for record in &mut page.records {
            record.memory_peak_bytes = None;
        }
    }
    let page = Json(EnergyPage {
        schema: SCHEMA.to_owned(),
        node: sources.node.to_string(),
        records: page.records,
        next: page.next,
        last_sequence: page.last_sequence,
        first_sequence: page.first_sequence,
        closed_until: page.closed_until,
    });
    Ok((headers, page))
}

/// What is said of the node beside its records.
fn beside(snapshot: &Snapshot) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let rung = HeaderValue::from_static(snapshot.rung.as_str());
    headers.insert(CPU_TIME_HEADER, rung);
    let reports = snapshot.meters.iter();
    let text = meters::write(reports.map(|report| (report.name, report.state)));
    // Names and states are words of ours, which a header can hold.
    if let Ok(text) = HeaderValue::try_from(text) {
        headers.insert(METERS_HEADER, text);
    }
    let counters = snapshot.details.counters.iter();
    let counters = counters.map(|counter| counter.report.state == CounterState::Active);
    if let Some(said) = CountersSaid::of(counters) {
        headers.insert(COUNTERS_HEADER, HeaderValue::from_static(said.as_str()));
    }
    headers
}

/// Whether a reader says that it knows a field.
fn knows(asked: &HeaderMap, field: &str) -> bool {
    let fields = asked.get_all(FIELDS_HEADER).into_iter();
    fields
        .filter_map(|fields| fields.to_str().ok())
        .flat_map(|fields| fields.split(','))
        .any(|known| known.trim() == field)
}

fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(PAGE_LIMIT);
    };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(PAGE_LIMIT)),
        _ => {
            let shown: String = text.chars().take(32).collect();
            let detail = format!("limit \"{shown}\": accepted are 1 to {PAGE_LIMIT}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "not a limit").detail(detail))
        }
    }
}

fn refuse(fault: &JournalFault, journal: &Journal) -> Problem {
    match fault {
        JournalFault::Unknown { .. } | JournalFault::Ahead { .. } => {
            // From the oldest record kept on: the cursor before it.
            let first = journal.page(None, 0).map_or(1, |page| page.first_sequence);
            let start = Cursor {
                journal: journal.id(),
                sequence: first.saturating_sub(1),
            };
            Problem::new(StatusCode::GONE, "unknown journal")
                .detail(format!("{fault}; start with \"{start}\""))
                .with("start", start.to_string())
                .with("journal", journal.id().to_string())
        }
        JournalFault::Io { .. } | JournalFault::Content { .. } => {
            tracing::error!(error = %fault, "reading energy records failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "reading records failed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pmu::all_in;
    use crate::serve::metrics::tests::snapshot;
    use crate::snapshot::details::CounterFigures;

    #[test]
    fn beside_its_records_a_node_says_whether_it_reads_the_counters_that_it_was_asked_for() {
        let mut snapshot = snapshot();
        assert_eq!(beside(&snapshot).get(COUNTERS_HEADER), None);
        let absent = CounterState::Absent("no such counter".to_owned());
        let mut figures = all_in(&absent).map(|report| CounterFigures {
            report,
            counted_ratio: None,
        });
        snapshot.details.counters = figures.to_vec();
        assert_eq!(beside(&snapshot).get(COUNTERS_HEADER).unwrap(), "none");
        figures[0].report.state = CounterState::Active;
        snapshot.details.counters = figures.to_vec();
        assert_eq!(beside(&snapshot).get(COUNTERS_HEADER).unwrap(), "partly");
    }

    #[test]
    fn beside_its_records_a_node_names_its_meters_and_their_states() {
        let headers = beside(&snapshot());
        let text = headers.get(METERS_HEADER).unwrap().to_str().unwrap();
        assert_eq!(text, "rapl=active,model=absent");
        assert_eq!(headers.get(CPU_TIME_HEADER).unwrap(), "ebpf");
    }

    #[test]
    fn only_a_reader_that_names_a_field_is_given_it() {
        let asked = |fields: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(FIELDS_HEADER, HeaderValue::from_static(fields));
            knows(&headers, MEMORY_FIELD)
        };
        assert!(asked("memory") && asked("later, memory"));
        assert!(!asked("memory2") && !asked(""));
        assert!(!knows(&HeaderMap::new(), MEMORY_FIELD));
    }

    #[test]
    fn a_limit_is_bounded_and_what_is_none_is_refused() {
        assert_eq!(limit(None).unwrap(), PAGE_LIMIT);
        assert_eq!(limit(Some("999999")).unwrap(), PAGE_LIMIT);
        assert_eq!(limit(Some("3")).unwrap(), 3);
        for text in ["0", "-1", "many", ""] {
            assert_eq!(
                limit(Some(text)).unwrap_err().status(),
                StatusCode::BAD_REQUEST
            );
        }
    }
}
