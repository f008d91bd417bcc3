//! The class of a failed request: what can be done about it.

use kube::Error;

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// May pass by itself: try again, later each time.
    Transient,
    /// Stays until somebody changes something: say so and wait.
    Terminal,
    /// The object is not there, which is expected: go on.
    Absent,
}

/// The class of a failed request to the API server.
#[must_use]
pub fn class(error: &Error) -> Class {
    match error {
        Error::Api(status) => match status.code {
            404 => Class::Absent,
            // Also 410: it says that a list expired, never that an object of
            // ours is gone. Taken for absence, a deletion would count as done.
            400 | 401 | 403 | 405 | 413 | 422 => Class::Terminal,
            _ => Class::Transient,
        },
        Error::SerdeError(_) | Error::BuildRequest(_) => Class::Terminal,
        _ => Class::Transient,
    }
}

/// Whether the API server refused for want of a right.
#[must_use]
pub fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 403)
}

/// Whether somebody else wrote in between, or was first to create.
#[must_use]
pub fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 409)
}

/// The failure in one sentence, without the repetition of `kube`'s own text.
#[must_use]
pub fn message(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> Error {
        Error::Api(Box::new(Status::failure("no", "No").with_code(code)))
    }

    #[test]
    fn a_refusal_waits_for_a_change_and_a_conflict_does_not() {
        assert_eq!(class(&api(403)), Class::Terminal);
        assert_eq!(class(&api(422)), Class::Terminal);
        assert_eq!(class(&api(404)), Class::Absent);
        for code in [409, 410, 429, 500, 503, 504] {
            assert_eq!(class(&api(code)), Class::Transient, "{code}");
        }
        assert!(is_forbidden(&api(403)));
        assert!(is_conflict(&api(409)));
        assert_eq!(message(&api(403)), "no");
    }
}
