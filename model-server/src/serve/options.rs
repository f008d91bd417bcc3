//! What `serve` can be told beside its address.

use std::path::PathBuf;

use tanso_runtime::client::ClientFiles;
use tanso_runtime::serve::tls::TlsFiles;
use tanso_runtime::settings::Period;

use crate::train::Pace;

/// Options of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory of samples, learned models and jobs; without one they end with the process
    #[arg(long, env = "TANSO_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Take learned models from the server at this address instead of learning: `http(s)://HOST:PORT`
    #[arg(long, env = "TANSO_FOLLOW", value_name = "URL")]
    pub follow: Option<String>,
    /// Certificates of authorities for the server that is followed, PEM; default the system's
    #[arg(
        long,
        env = "TANSO_FOLLOW_CA",
        value_name = "FILE",
        requires = "follow"
    )]
    pub follow_ca: Option<PathBuf>,
    /// Certificate for TLS, PEM; read again when it changes. With TLS who writes must be known, see the next four
    #[arg(
        long,
        env = "TANSO_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_certificate: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(
        long,
        env = "TANSO_TLS_KEY",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    pub tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM; clients with one may send samples, train and set
    #[arg(
        long,
        env = "TANSO_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// File with a token that opens samples, trainings and settings as `Authorization: Bearer`; read again when it changes
    #[arg(long, env = "TANSO_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Let the cluster's API server judge tokens: who may `post` or `put` the path as a non-resource URL may; a token of an agent's pod speaks for its node alone
    #[arg(long, env = "TANSO_TOKEN_REVIEW")]
    pub token_review: bool,
    /// Audience that a judged token must be meant for; default the API server's
    #[arg(long, env = "TANSO_TOKEN_AUDIENCE", requires = "token_review")]
    pub token_audience: Option<String>,
    /// How often node types with new samples are trained
    #[arg(long, env = "TANSO_TRAIN_EVERY", default_value = "15m")]
    pub train_every: Period,
    /// How often node types with new samples are watched for drift, and a leader is asked
    #[arg(long, env = "TANSO_WATCH_EVERY", default_value = "30s")]
    pub watch_every: Period,
    /// How long samples are kept
    #[arg(long, env = "TANSO_KEEP_SAMPLES", default_value = "14d")]
    pub keep_samples: Period,
    /// How many samples are kept at most
    #[arg(long, env = "TANSO_SAMPLES_MAX", default_value_t = 2_000_000)]
    pub samples_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        let pace = Pace::default();
        Self {
            store: None,
            follow: None,
            follow_ca: None,
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
            token_file: None,
            token_review: false,
            token_audience: None,
            train_every: Period(pace.train_every),
            watch_every: Period(pace.watch_every),
            keep_samples: Period(pace.keep_samples),
            samples_max: pace.samples_max,
        }
    }
}

impl Options {
    /// Where the server's identity is; plain HTTP without.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.tls_client_ca.clone(),
        })
    }

    /// Whom a follower trusts.
    #[must_use]
    pub fn leader_files(&self) -> ClientFiles {
        ClientFiles {
            ca: self.follow_ca.clone(),
            ..ClientFiles::default()
        }
    }
}

impl From<&Options> for Pace {
    fn from(options: &Options) -> Self {
        Self {
            train_every: options.train_every.0,
            watch_every: options.watch_every.0,
            keep_samples: options.keep_samples.0,
            samples_max: options.samples_max,
        }
    }
}
