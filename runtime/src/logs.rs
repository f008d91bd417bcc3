//! Logs: one line per event on standard error, as text or JSON.

use std::fmt;
use std::io::IsTerminal as _;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The environment variable with the filter, `info,tanso_agent=debug`.
pub const FILTER_VARIABLE: &str = "TANSO_LOG";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log format \"{0}\": accepted are \"text\" and \"json\"")]
pub struct FormatFault(String);

impl FromStr for Format {
    type Err = FormatFault;
    fn from_str(text: &str) -> Result<Self, FormatFault> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(FormatFault(other.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The filter is no filter.
    #[error(
        "log filter \"{filter}\": {source}; accepted is for instance \"info,tanso_agent=debug\""
    )]
    Filter {
        /// What was asked for.
        filter: String,
        /// Why it is refused.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is a subscriber already.
    #[error("starting logs: {0}")]
    Start(String),
}

/// Starts logging for the process; to be called once, by `main`.
/// `default_filter` holds unless [`FILTER_VARIABLE`] is set.
///
/// # Errors
/// If the filter is malformed or logging was started before.
pub fn init(format: Format, default_filter: &str) -> Result<(), LogFault> {
    init_changeable(format, default_filter).map(|_| ())
}

/// The running logs' filter, which may be replaced.
#[derive(Clone)]
pub struct LogHandle(Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>);

impl LogHandle {
    /// Replaces the filter; one in [`FILTER_VARIABLE`] stays.
    ///
    /// # Errors
    /// If the filter is malformed.
    pub fn set(&self, default_filter: &str) -> Result<(), LogFault> {
        (self.0)(directives(default_filter)?).map_err(LogFault::Start)
    }
}

fn directives(default_filter: &str) -> Result<EnvFilter, LogFault> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| default_filter.to_owned());
    EnvFilter::try_new(&filter).map_err(|source| LogFault::Filter { filter, source })
}

/// As [`init`], with a handle to replace the filter later.
///
/// # Errors
/// As [`init`].
pub fn init_changeable(format: Format, default_filter: &str) -> Result<LogHandle, LogFault> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(directives(default_filter)?)
        .with_writer(std::io::stderr);
    let fault =
        |fault: Box<dyn std::error::Error + Send + Sync>| LogFault::Start(fault.to_string());
    match format {
        Format::Text => {
            let colours = std::io::stderr().is_terminal();
            let builder = builder.with_ansi(colours).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map_err(fault)?;
            let set = move |filter| handle.reload(filter).map_err(|fault| fault.to_string());
            Ok(LogHandle(Arc::new(set)))
        }
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map_err(fault)?;
            let set = move |filter| handle.reload(filter).map_err(|fault| fault.to_string());
            Ok(LogHandle(Arc::new(set)))
        }
    }
}
