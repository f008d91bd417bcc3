//! Settings of what is exported, to whom and how fine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use tanso_power::Joules;
use tanso_runtime::serve::tls::TlsFiles;
use tanso_runtime::settings::{Period, layered};

use super::{SettingsRefusal, WordFault};
use crate::serve::coarse::Resolution;
use crate::serve::metrics::options::{Bounds, Levels, Options, Surface};
use crate::serve::push::{PushSettings, endpoint};
use crate::serve::{Anonymous, Policy};

const COARSE_WINDOW: Duration = Duration::from_mins(1);
const COARSE_STEP_JOULES: u64 = 1;
const PUSH_EVERY: Duration = Duration::from_secs(15);

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl FromStr for Switch {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(WordFault::new(text, "on, off")),
        }
    }
}

/// What readers get for whom nobody vouches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnonymousWord {
    /// Everything.
    Full,
    /// Coarse figures, no records.
    Coarse,
    /// Nothing.
    Refuse,
}

impl FromStr for AnonymousWord {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "full" => Ok(Self::Full),
            "coarse" => Ok(Self::Coarse),
            "refuse" => Ok(Self::Refuse),
            _ => Err(WordFault::new(text, "full, coarse, refuse")),
        }
    }
}

/// One layer: flags and environment, or the file's key `exports`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportLayer {
    /// What is listed: node, process, container, vm, pod [default: all but process]
    #[arg(long, env = "TANSO_METRICS_LEVEL")]
    pub(crate) metrics_level: Option<Levels>,
    /// Containers (and pods) listed at most, those with the most energy [default: 10000]
    #[arg(long, env = "TANSO_CONTAINERS_MAX")]
    pub(crate) containers_max: Option<usize>,
    /// Processes listed at most, those with the most energy [default: 500]
    #[arg(long, env = "TANSO_PROCESSES_MAX")]
    pub(crate) processes_max: Option<usize>,
    /// Whether /metrics also has the names of Kepler up to 0.9: on or off [default: off]
    #[arg(long, env = "TANSO_LEGACY_METRICS")]
    pub(crate) legacy_metrics: Option<Switch>,
    /// Another address with the names of Kepler up to 0.9 alone, for example 0.0.0.0:9102
    #[arg(long, env = "TANSO_LEGACY_LISTEN")]
    pub(crate) legacy_listen: Option<SocketAddr>,
    /// Certificate for TLS, PEM; read again when it changes
    #[arg(long, env = "TANSO_TLS_CERTIFICATE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, env = "TANSO_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM; readers with one see everything
    #[arg(long, env = "TANSO_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whether the API server judges readers' bearer tokens: on or off [default: off]
    #[arg(long, env = "TANSO_TOKEN_REVIEW")]
    pub(crate) token_review: Option<Switch>,
    /// Audience that a token must be meant for, or several by commas: one of them is enough [default: the API server's]
    #[arg(long, env = "TANSO_TOKEN_AUDIENCE")]
    pub(crate) token_audience: Option<String>,
    /// What readers get whom nobody vouches for: full, coarse or refuse [default: full]
    #[arg(long, env = "TANSO_ANONYMOUS")]
    pub(crate) anonymous: Option<AnonymousWord>,
    /// With coarse: how often their figures change, from 1s [default: 1m]
    #[arg(long, env = "TANSO_ANONYMOUS_WINDOW")]
    pub(crate) anonymous_window: Option<Period>,
    /// With coarse: energy is a multiple of so many joules [default: 1]
    #[arg(long, env = "TANSO_ANONYMOUS_STEP_JOULES")]
    pub(crate) anonymous_step_joules: Option<u64>,
    /// OTLP receiver to push to, http(s)://HOST:4318 [default: none]
    #[arg(long, env = "TANSO_OTLP_ENDPOINT")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Pause between pushes, from 1s [default: 15s]
    #[arg(long, env = "TANSO_OTLP_INTERVAL")]
    pub(crate) otlp_interval: Option<Period>,
}

/// The settings of what is exported, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportSettings {
    /// What may change while the agent runs.
    pub policy: Policy,
    /// Where the old names stand alone.
    pub legacy_listen: Option<SocketAddr>,
    /// Where the server's identity is; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// The audiences that tokens are judged for; `None`: no token is judged.
    pub token_review: Option<Vec<String>>,
    /// Where to push.
    pub push: Option<PushSettings>,
}

impl ExportSettings {
    pub(super) fn of(flags: ExportLayer, file: ExportLayer) -> Result<Self, SettingsRefusal> {
        let bounds = Bounds::default();
        let legacy = layered(flags.legacy_metrics, file.legacy_metrics, || Switch::Off);
        let options = Options {
            levels: layered(flags.metrics_level, file.metrics_level, Levels::default),
            surface: match legacy {
                Switch::On => Surface::Both,
                Switch::Off => Surface::New,
            },
            bounds: Bounds {
                containers: layered(flags.containers_max, file.containers_max, || {
                    bounds.containers
                }),
                processes: layered(flags.processes_max, file.processes_max, || bounds.processes),
            },
        };
        let window = layered(flags.anonymous_window, file.anonymous_window, || {
            Period(COARSE_WINDOW)
        });
        let step = layered(
            flags.anonymous_step_joules,
            file.anonymous_step_joules,
            || COARSE_STEP_JOULES,
        );
        let word = layered(flags.anonymous, file.anonymous, || AnonymousWord::Full);
        let anonymous = match word {
            AnonymousWord::Full => Anonymous::Full,
            AnonymousWord::Refuse => Anonymous::Refuse,
            AnonymousWord::Coarse => Anonymous::Coarse(Resolution {
                window: at_least_a_second("anonymousWindow", window)?,
                step: Joules::from_microjoules(step.max(1).saturating_mul(1_000_000)),
            }),
        };
        let review = layered(flags.token_review, file.token_review, || Switch::Off);
        let audience = flags.token_audience.or(file.token_audience);
        let every = layered(flags.otlp_interval, file.otlp_interval, || {
            Period(PUSH_EVERY)
        });
        let push = flags.otlp_endpoint.or(file.otlp_endpoint);
        let push = push.map(|text| {
            Ok::<_, SettingsRefusal>(PushSettings {
                endpoint: endpoint(&text).map_err(|fault| value("otlpEndpoint", &fault))?,
                every: at_least_a_second("otlpInterval", every)?,
            })
        });
        Ok(Self {
            policy: Policy { options, anonymous },
            legacy_listen: flags.legacy_listen.or(file.legacy_listen),
            tls: tls(
                flags.tls_certificate.or(file.tls_certificate),
                flags.tls_key.or(file.tls_key),
                flags.tls_client_ca.or(file.tls_client_ca),
            )?,
            token_review: (review == Switch::On).then(|| words(audience.as_deref())),
            push: push.transpose()?,
        })
    }
}

fn value(field: &'static str, reason: &dyn std::fmt::Display) -> SettingsRefusal {
    SettingsRefusal::Value {
        field,
        reason: reason.to_string(),
    }
}

/// The words between commas.
fn words(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split(',').map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn at_least_a_second(field: &'static str, period: Period) -> Result<Duration, SettingsRefusal> {
    if period.0 < Duration::from_secs(1) {
        return Err(value(field, &format!("{period}: accepted is from 1s")));
    }
    Ok(period.0)
}

fn tls(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsFiles>, SettingsRefusal> {
    match (certificate, key, client_ca) {
        (Some(certificate), Some(key), client_ca) => Ok(Some(TlsFiles {
            certificate,
            key,
            client_ca,
        })),
        (None, None, None) => Ok(None),
        _ => Err(value(
            "tlsCertificate, tlsKey",
            &"TLS needs a certificate and its key; a client CA alone does nothing",
        )),
    }
}
