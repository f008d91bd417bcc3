//! Why something could not be read, in plain words.

/// Why the facts could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsFault {
    /// There is no cluster to ask.
    #[error("{why}")]
    NoCluster {
        /// Why, and how to name one.
        why: String,
    },
    /// The API server knows nothing of tanso.
    #[error(
        "{action}: the cluster does not know this kind, so tanso is not installed; install it with `kubectl apply -k config/default`"
    )]
    NotInstalled {
        /// What was tried.
        action: String,
    },
    /// The caller may not.
    #[error(
        "{action}: forbidden; ask for a role that allows it, or name a namespace that you may see"
    )]
    Forbidden {
        /// What was tried.
        action: String,
    },
    /// The caller is unknown.
    #[error("{action}: the API server does not accept these credentials; log in again")]
    Unauthorized {
        /// What was tried.
        action: String,
    },
    /// The API server refused for another reason.
    #[error("{action}: the API server answered {code}: {message}")]
    Refused {
        /// What was tried.
        action: String,
        /// HTTP status.
        code: u16,
        /// What the API server said.
        message: String,
    },
    /// Something does not answer.
    #[error("{action}: no answer ({cause}); try again later")]
    Unreachable {
        /// What was tried.
        action: String,
        /// The innermost reason.
        cause: String,
    },
    /// What answers has a certificate that is not accepted.
    #[error(
        "{action}: the API server's certificate is not accepted: {cause}; check the authority that it is checked by, and that it has the server's name"
    )]
    Certificate {
        /// What was tried.
        action: String,
        /// Why not.
        cause: String,
    },
    /// What was read makes no sense.
    #[error("{what}: {reason}")]
    Broken {
        /// What was read.
        what: String,
        /// Why.
        reason: String,
    },
    /// This caller has no access to such facts.
    #[error("{what} cannot be read here: {reason}")]
    Absent {
        /// What it is.
        what: &'static str,
        /// Why, and what would help.
        reason: String,
    },
}

impl FactsFault {
    /// What a failed request means.
    #[must_use]
    pub fn of(action: impl Into<String>, error: &kube::Error) -> Self {
        let action = action.into();
        let status = match error {
            kube::Error::Api(status) => status,
            // It answers, in words that this version does not know.
            kube::Error::SerdeError(fault) => {
                return Self::Broken {
                    what: action,
                    reason: fault.to_string(),
                };
            }
            _ => {
                return match certificate_fault(error) {
                    Some(cause) => Self::Certificate { action, cause },
                    None => Self::Unreachable {
                        action,
                        cause: innermost(error),
                    },
                };
            }
        };
        match status.code {
            401 => Self::Unauthorized { action },
            403 => Self::Forbidden { action },
            404 if !status.message.contains('"') => Self::NotInstalled { action },
            code => Self::Refused {
                action,
                code,
                message: status.message.clone(),
            },
        }
    }

    /// Whether the caller may not see it: it is treated as not there.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// Whether such facts are out of this caller's reach altogether.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Forbidden { .. })
    }

    /// Whether no cluster with tanso answers this caller at all, so that only
    /// what needs none is there.
    #[must_use]
    pub const fn is_out_of_reach(&self) -> bool {
        let has_none = matches!(
            self,
            Self::NoCluster { .. }
                | Self::NotInstalled { .. }
                | Self::Unauthorized { .. }
                | Self::Certificate { .. }
        );
        has_none || self.is_passing()
    }

    /// Whether the same question may be answered later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, .. } => *code >= 500 || *code == 429,
            _ => false,
        }
    }
}

/// Why the certificate of who answers is not accepted, if a request failed for
/// that: whoever has such a certificate does answer.
#[must_use]
pub fn certificate_fault(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = error.downcast_ref::<rustls::Error>();
        if let Some(rustls::Error::InvalidCertificate(fault)) = tls {
            return Some(match fault {
                rustls::CertificateError::UnknownIssuer => {
                    "no authority that is trusted here signed it".to_owned()
                }
                other => other.to_string(),
            });
        }
        let io = error.downcast_ref::<std::io::Error>();
        next = match io.and_then(std::io::Error::get_ref) {
            // Its source is the source of what it holds, so that would be passed over.
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was told as no answer, to be tried again later.
    #[test]
    fn an_answer_that_cannot_be_read_is_not_told_as_none() {
        let fault = serde_json::from_str::<u8>("\"a\"").unwrap_err();
        let fault = FactsFault::of("listing nodes", &kube::Error::SerdeError(fault));
        assert!(!fault.is_passing() && !fault.is_absent(), "{fault}");
        assert!(fault.to_string().starts_with("listing nodes: invalid type"));
    }

    /// It was told as no answer, to be tried again later.
    #[test]
    fn a_certificate_that_is_not_accepted_is_told_as_such() {
        let of = |fault| {
            // As a client tells it: in the errors of two layers of I/O.
            let fault = rustls::Error::InvalidCertificate(fault);
            let fault = std::io::Error::new(std::io::ErrorKind::InvalidData, fault);
            let fault = std::io::Error::other(fault);
            FactsFault::of("listing nodes", &kube::Error::Service(Box::new(fault)))
        };
        let fault = of(rustls::CertificateError::UnknownIssuer);
        assert!(fault.is_out_of_reach() && !fault.is_passing(), "{fault}");
        let text = fault.to_string();
        assert!(
            text.starts_with("listing nodes: the API server's certificate is not accepted: no authority that is trusted here signed it;"),
            "{text}"
        );
        let text = of(rustls::CertificateError::Expired).to_string();
        assert!(
            text.contains("not accepted: ") && !text.contains("no authority"),
            "{text}"
        );
        let fault = kube::Error::Service(Box::new(std::io::Error::other("connection refused")));
        let fault = FactsFault::of("listing nodes", &fault);
        assert!(fault.is_passing(), "{fault}");
    }
}
