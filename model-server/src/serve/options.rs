//! What `serve` can be told beside its address.

use std::path::PathBuf;

use tanso_runtime::settings::Period;

use crate::train::Pace;

/// Options of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory of samples, learned models and jobs; without one they end with the process
    #[arg(long, env = "TANSO_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Take learned models from the server at this address instead of learning: `http://HOST:PORT`
    #[arg(long, env = "TANSO_FOLLOW", value_name = "URL")]
    pub follow: Option<String>,
    /// File with the token that samples, trainings and settings must bring as `Authorization: Bearer`; without one anybody may
    #[arg(long, env = "TANSO_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
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
            token_file: None,
            train_every: Period(pace.train_every),
            watch_every: Period(pace.watch_every),
            keep_samples: Period(pace.keep_samples),
            samples_max: pace.samples_max,
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
