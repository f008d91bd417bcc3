//! Asking a Prometheus-compatible store for counters over a time.
//!
//! One range query for everything, with a value at each whole minute. Nothing
//! here interprets what a counter means.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tanso_intensity::http::guard::Guard;
use tanso_intensity::http::{Http, HttpFault};
use tanso_intensity::service::prometheus::{self, Line};
use tanso_intensity::service::{Ask, Secret};

use super::growth::MINUTE_S;

/// How long an answer may take: a store reads from disks.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Largest answer that is read, bytes: a quarter of an hour of 20,000 pods
/// with three zones.
const BODY_MAX: usize = 256 * 1024 * 1024;

/// Longest selector.
const SELECTOR_MAX: usize = 1_024;

/// Where a store is, and what of it is this cluster's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Its URL, with a path prefix if it has one.
    pub url: String,
    /// Label matchers without braces: `cluster="a"`; may be empty.
    pub selector: String,
    /// A file with a bearer token, read anew for each question.
    pub token: Option<PathBuf>,
    /// A file with certificates of authorities to trust besides the public ones.
    pub authority: Option<PathBuf>,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The URL is none.
    #[error(
        "--prometheus \"{0}\"; accepted is an http or https URL of a host, as in http://prometheus.monitoring.svc:9090"
    )]
    Url(String),
    /// The selector is none.
    #[error(
        "--prometheus-selector \"{0}\"; accepted are label matchers without braces, as in cluster=\"a\""
    )]
    Selector(String),
    /// A file cannot be read.
    #[error("reading {what} \"{}\": {reason}", path.display())]
    File {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The client cannot be made.
    #[error("preparing to ask {url}: {source}")]
    Tls {
        /// The store.
        url: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// It did not answer.
    #[error(transparent)]
    Http(#[from] HttpFault),
    /// It refused, or the answer has another shape.
    #[error("answer of {url}: {reason}")]
    Answer {
        /// The store.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// A store that can be asked; clones share its connections.
#[derive(Clone)]
pub struct Store {
    address: Address,
    http: Http,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.address.url).finish()
    }
}

impl Store {
    /// Checks where it is and prepares to ask.
    ///
    /// # Errors
    /// If the URL or the selector is none, or the authority's file is of no use.
    pub fn try_new(address: Address) -> Result<Self, StoreFault> {
        let no_url = || StoreFault::Url(address.url.clone());
        let uri: Uri = address.url.parse().map_err(|_| no_url())?;
        let host = uri.host().ok_or_else(no_url)?.to_owned();
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(no_url());
        }
        if !is_selector(&address.selector) {
            return Err(StoreFault::Selector(address.selector));
        }
        let extra = authorities(&address)?;
        // Whoever runs the operator names the store: it may be private.
        let http = Http::try_new(Guard::with_listed([host]), &extra)
            .map_err(|source| StoreFault::Tls {
                url: address.url.clone(),
                source,
            })?
            .with_timeout(TIMEOUT)
            .with_body_max(BODY_MAX);
        Ok(Self { address, http })
    }

    /// Which store it is, and what of it: the same text for the same figures.
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{} {{{}}}",
            self.address.url.trim_end_matches('/'),
            self.address.selector
        )
    }

    /// The values of these metrics at each whole minute from `from` to `until`,
    /// seconds of Unix time.
    ///
    /// # Errors
    /// If the store does not answer, refuses, or answers something else.
    pub async fn range(
        &self,
        metrics: &[&str],
        from: i64,
        until: i64,
    ) -> Result<Vec<Line>, StoreFault> {
        let names = metrics.join("|");
        let separator = if self.address.selector.is_empty() {
            ""
        } else {
            ","
        };
        let wanted = format!(
            "{{__name__=~\"{names}\"{separator}{}}}",
            self.address.selector
        );
        let ask = Ask {
            what: "counters",
            path: prometheus::range(&wanted, from, until, MINUTE_S),
            header: self.login()?,
            is_optional: false,
        };
        let body = self.http.ask(&self.address.url, None, &ask).await?;
        self.read(&body)
    }

    fn login(&self) -> Result<Option<(&'static str, Secret)>, StoreFault> {
        let Some(path) = &self.address.token else {
            return Ok(None);
        };
        let token = std::fs::read_to_string(path).map_err(|fault| StoreFault::File {
            what: "the store's token",
            path: path.clone(),
            reason: fault.to_string(),
        })?;
        let header = format!("Bearer {}", token.trim());
        Ok(Some(("authorization", Secret::new(&header))))
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Line>, StoreFault> {
        prometheus::matrix(body).map_err(|fault| StoreFault::Answer {
            url: self.address.url.clone(),
            reason: fault.to_string(),
        })
    }
}

/// Label matchers, as far as a text can tell: no brace that would end them.
fn is_selector(text: &str) -> bool {
    let is_matcher = |c: char| !c.is_control() && !matches!(c, '{' | '}');
    text.len() <= SELECTOR_MAX
        && text.chars().all(is_matcher)
        && (text.is_empty() || (text.contains('=') && text.ends_with('"')) || text.contains("!~"))
}

fn authorities(address: &Address) -> Result<Vec<CertificateDer<'static>>, StoreFault> {
    let Some(path) = &address.authority else {
        return Ok(Vec::new());
    };
    let fault = |reason: String| StoreFault::File {
        what: "the store's authority",
        path: path.clone(),
        reason,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| fault(error.to_string()))?
        .collect();
    let found = found.map_err(|error| fault(error.to_string()))?;
    if found.is_empty() {
        return Err(fault("it holds no certificate".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(url: &str, selector: &str) -> Result<Store, StoreFault> {
        Store::try_new(Address {
            url: url.to_owned(),
            selector: selector.to_owned(),
            ..Address::default()
        })
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_what_is_accepted() {
        assert!(store("http://prometheus.monitoring.svc:9090/prefix", "").is_ok());
        assert!(store("https://mimir", "cluster=\"a\",env!=\"test\"").is_ok());
        for url in [
            "prometheus:9090",
            "ftp://host",
            "/path",
            "",
            "http://h/?a=b",
        ] {
            let refusal = store(url, "").unwrap_err().to_string();
            assert!(
                refusal.contains("accepted is an http or https URL"),
                "{refusal}"
            );
        }
        for selector in [
            "{cluster=\"a\"}",
            "cluster",
            "a=\"b\"} or vector(1) or {a=\"b\"",
        ] {
            let refusal = store("http://host", selector).unwrap_err().to_string();
            assert!(refusal.contains("accepted are label matchers"), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_matrix_is_refused_in_the_stores_own_words() {
        let store = store("http://host", "").unwrap();
        let said = |body: &str| store.read(body.as_bytes()).unwrap_err().to_string();
        assert!(said("{}").contains("missing field `status`"));
        assert!(
            said(r#"{"status":"error","error":"query timed out"}"#).contains("query timed out")
        );
        assert!(
            said(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#)
                .contains("a vector")
        );
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"x","a":"b"},"values":[[60,"1.5"]]}]}}"#;
        let lines = store.read(matrix.as_bytes()).unwrap();
        assert_eq!(lines[0].metric["a"], "b");
        assert_eq!(lines[0].values, [(60.0, "1.5".to_owned())]);
    }
}
