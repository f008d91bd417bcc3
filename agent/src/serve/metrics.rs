//! `GET /metrics`: the latest snapshot in the format that the reader asks for.

pub mod exposition;
pub mod message;
pub mod negotiate;
pub mod options;
pub mod sink;
pub mod spare;
mod write;

use std::io;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tanso_runtime::Problem;

use super::{Reader, Sources};
use exposition::View;
use options::Surface;
use sink::{Body, Coding, Format, Protobuf, Text};

/// Answers the latest figures; before the first ones, those of the program.
pub async fn answer(
    State(sources): State<Sources>,
    Extension(reader): Extension<Reader>,
    headers: HeaderMap,
) -> Response {
    respond(&sources, reader, &headers, None).await
}

/// The same under the names of Kepler up to 0.9 alone.
pub async fn answer_legacy(
    State(sources): State<Sources>,
    Extension(reader): Extension<Reader>,
    headers: HeaderMap,
) -> Response {
    respond(&sources, reader, &headers, Some(Surface::Legacy)).await
}

async fn respond(
    sources: &Sources,
    reader: Reader,
    headers: &HeaderMap,
    surface: Option<Surface>,
) -> Response {
    let (format, coding) = (negotiate::format(headers), negotiate::coding(headers));
    // One at a time: many readers cost time, never more memory.
    let Ok(_turn) = sources.turn.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let snapshot = sources.snapshot_for(reader);
    let policy = sources.policy.load();
    let mut options = policy.options.clone();
    if let Some(surface) = surface {
        options.surface = surface;
    }
    let counters = sources.counters.snapshot();
    let view = View {
        node: &sources.node,
        processors: &sources.processors,
        rights: &sources.rights,
        snapshot: snapshot.as_deref(),
        counters: &counters,
        options: &options,
    };
    match encode_within(sources.spare.take(), &view, format, coding) {
        Ok(bytes) => {
            let mut answer = sources.spare.lend(bytes).into_response();
            let head = answer.headers_mut();
            let media = HeaderValue::from_static(format.content_type());
            head.insert(header::CONTENT_TYPE, media);
            let vary = HeaderValue::from_static("accept, accept-encoding");
            head.insert(header::VARY, vary);
            if coding == Coding::Gzip {
                let gzip = HeaderValue::from_static("gzip");
                head.insert(header::CONTENT_ENCODING, gzip);
            }
            answer
        }
        Err(fault) => {
            tracing::error!(error = %fault, "writing metrics failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "writing metrics failed")
                .into_response()
        }
    }
}

/// The view in a format and a coding.
///
/// # Errors
/// Never in practice: memory is what is written to.
pub fn encode(view: &View<'_>, format: Format, coding: Coding) -> io::Result<Vec<u8>> {
    encode_within(Vec::new(), view, format, coding)
}

/// The same in memory that was used before; what is in it is gone.
fn encode_within(
    memory: Vec<u8>,
    view: &View<'_>,
    format: Format,
    coding: Coding,
) -> io::Result<Vec<u8>> {
    let body = Body::within(memory, coding);
    let body = match format {
        Format::Plain | Format::OpenMetrics => {
            let mut text = Text::new(body, format == Format::OpenMetrics);
            view.write(&mut text);
            text.finish()
        }
        Format::Protobuf => {
            let mut messages = Protobuf::new(body);
            view.write(&mut messages);
            messages.finish()
        }
    };
    body.finish()
}

#[cfg(test)]
pub(crate) mod tests;
