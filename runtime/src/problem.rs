//! Refusals over HTTP: problem documents by RFC 9457.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// A refusal that says what is wrong, `application/problem+json`.
///
/// ```
/// use axum::http::StatusCode;
/// let problem = tanso_runtime::Problem::new(StatusCode::GONE, "unknown journal")
///     .detail("journal \"1\" is not here; start with \"2-0\"")
///     .with("start", "2-0");
/// assert_eq!(problem.status(), StatusCode::GONE);
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    fields: Map<String, Value>,
}

impl Problem {
    /// A problem with its status and a title that is the same for all of its
    /// kind.
    #[must_use]
    pub fn new(status: StatusCode, title: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("type".into(), "about:blank".into());
        fields.insert("title".into(), title.into());
        fields.insert("status".into(), status.as_u16().into());
        Self { status, fields }
    }

    /// Adds what is wrong in this very case.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        self.with("detail", detail.into())
    }

    /// Adds a member for programs to read.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Value::Object(self.fields).to_string();
        (
            self.status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body,
        )
            .into_response()
    }
}
