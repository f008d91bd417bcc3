//! The agent's settings: flag > environment > file > default, checked at
//! start.

mod bmc;
pub mod exports;
mod model_client;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use serde_json::Value;
use tanso_runtime::client::ClientFiles;
use tanso_runtime::logs;
use tanso_runtime::settings::{Period, SettingsFault, layered, read_optional};

use crate::host::HostRoots;
use crate::kepler_config::{self, KeplerFault, Warning};
use crate::kernel::Rung;
use crate::meters::redfish::RedfishSettings;
use bmc::RedfishLayer;
use exports::{ExportLayer, ExportSettings, Switch};
use model_client::ModelClientLayer;
pub use words::{IdleSharing, IdleSplit, Kubernetes, MeterName, Samples, WordFault};

/// Kepler's port, so that its dashboards and alerts find the agent.
const LISTEN: &str = "0.0.0.0:28282";
const STATE_DIR: &str = "/var/lib/tanso";
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_mins(1);

/// Measures a node: energy per container, pod and node.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "tanso-agent", version)]
pub struct Flags {
    /// Settings file (YAML); its keys are these flags in camelCase
    #[arg(long, env = "TANSO_CONFIG")]
    config: Option<PathBuf>,
    /// Address of /metrics, /v1/energy, /healthz and /readyz [default: 0.0.0.0:28282]
    #[arg(long, env = "TANSO_LISTEN")]
    listen: Option<SocketAddr>,
    /// Name of this node [default: the host's name]
    #[arg(long, env = "NODE_NAME")]
    node_name: Option<String>,
    /// The host's /proc
    #[arg(long, env = "TANSO_HOST_PROC")]
    host_proc: Option<PathBuf>,
    /// The host's /sys
    #[arg(long, env = "TANSO_HOST_SYS")]
    host_sys: Option<PathBuf>,
    /// The host's /sys/fs/cgroup
    #[arg(long, env = "TANSO_HOST_CGROUP")]
    host_cgroup: Option<PathBuf>,
    /// Directory of the journal and the checkpoints [default: /var/lib/tanso, or the user's state directory]
    #[arg(long, env = "TANSO_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Meters by falling preference: of two that read the same zone the first is taken; others are disabled [default: rapl,perf,acpi,hwmon,redfish,nvml,model]
    #[arg(
        long,
        visible_alias = "meter",
        env = "TANSO_METERS",
        value_delimiter = ','
    )]
    meters: Option<Vec<MeterName>>,
    /// The model server, http(s)://HOST:PORT
    #[arg(long, env = "TANSO_MODEL_SERVER")]
    model_server: Option<String>,
    #[command(flatten)]
    model_client: ModelClientLayer,
    /// Address of this node's BMC (HTTPS); "{node}" stands for the node's name
    #[arg(long, env = "TANSO_REDFISH_ENDPOINT")]
    redfish_endpoint: Option<String>,
    /// The BMC's credentials: a folder with the files username and password (a mounted Secret), or a file with the line username:password; "{node}" as above
    #[arg(long, env = "TANSO_REDFISH_CREDENTIALS")]
    redfish_credentials: Option<String>,
    /// Certificates of authorities for the BMC, PEM [default: the system's]
    #[arg(long, env = "TANSO_REDFISH_CA")]
    redfish_ca: Option<PathBuf>,
    /// Id of the chassis to read, where the BMC shows several
    #[arg(long, env = "TANSO_REDFISH_CHASSIS")]
    redfish_chassis: Option<String>,
    /// NVIDIA's management library [default: libnvidia-ml.so.1 as the system finds it]
    #[arg(long, env = "TANSO_NVML_LIBRARY")]
    nvml_library: Option<PathBuf>,
    /// Print the meters of this machine, which zones are read from which, and why not from the rest; then end
    #[arg(long)]
    probe: bool,
    /// Whether a measured node sends samples of its load and power to the model server: on or off [default: off]
    #[arg(long, env = "TANSO_SAMPLES")]
    samples: Option<Samples>,
    /// Reading interval, 100ms to 1m [default: 1s]
    #[arg(long, env = "TANSO_INTERVAL")]
    interval: Option<Period>,
    /// Source of CPU time to begin with: ebpf, cgroup-files or proc [default: ebpf]
    #[arg(long, env = "TANSO_CPU_TIME")]
    cpu_time: Option<String>,
    /// Whether running tasks are charged at the scheduler's own pace too, at some nanoseconds per context switch: on or off [default: off]
    #[arg(long, env = "TANSO_TIME_RESOLVED")]
    time_resolved: Option<Switch>,
    /// Whether cycles, instructions and cache misses are counted by container where the machine has counters of its processors, and energy is shared by them; at some hundred nanoseconds per context switch: on or off [default: off]
    #[arg(long, env = "TANSO_HARDWARE_COUNTERS")]
    hardware_counters: Option<Switch>,
    /// How idle energy is told from the rest: learned, or ratio (the share of unused CPU time, as Kepler does) [default: learned]
    #[arg(long, env = "TANSO_IDLE")]
    idle: Option<IdleSplit>,
    /// Who is charged with idle energy: apart (an account of its own), use (by CPU time) or requests (by the CPU that containers request; the rest stays apart) [default: apart]
    #[arg(long, env = "TANSO_IDLE_SHARING")]
    idle_sharing: Option<IdleSharing>,
    /// Attach a kernel program that does nothing: what any program costs, for benchmarks
    #[arg(long, hide = true)]
    empty_program: bool,
    /// Whether pods' names come from the API server: on or off [default: on inside a cluster]
    #[arg(long, env = "TANSO_KUBERNETES")]
    kubernetes: Option<Kubernetes>,
    /// How log lines are written: text or json [default: text]
    #[arg(long, env = "TANSO_LOG_FORMAT")]
    log_format: Option<logs::Format>,
    /// Log lines from this level on: error, warn, info or debug [default: info]
    #[arg(long, env = "TANSO_LOG_LEVEL")]
    log_level: Option<String>,
    #[command(flatten)]
    exports: ExportLayer,
}

/// The same, from a file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct FileLayer {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) node_name: Option<String>,
    pub(crate) host_proc: Option<PathBuf>,
    pub(crate) host_sys: Option<PathBuf>,
    pub(crate) host_cgroup: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) meters: Option<Vec<MeterName>>,
    pub(crate) model_server: Option<String>,
    pub(crate) redfish: Option<RedfishLayer>,
    pub(crate) nvml_library: Option<PathBuf>,
    pub(crate) samples: Option<Samples>,
    pub(crate) model_server_ca: Option<PathBuf>,
    pub(crate) model_server_certificate: Option<PathBuf>,
    pub(crate) model_server_key: Option<PathBuf>,
    pub(crate) model_server_token: Option<PathBuf>,
    pub(crate) samples_server: Option<String>,
    pub(crate) interval: Option<Period>,
    pub(crate) cpu_time: Option<String>,
    pub(crate) time_resolved: Option<Switch>,
    pub(crate) hardware_counters: Option<Switch>,
    pub(crate) idle: Option<IdleSplit>,
    pub(crate) idle_sharing: Option<IdleSharing>,
    pub(crate) kubernetes: Option<Kubernetes>,
    pub(crate) log_format: Option<logs::Format>,
    pub(crate) log_level: Option<String>,
    pub(crate) exports: ExportLayer,
}

/// The agent's settings, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to serve.
    pub listen: SocketAddr,
    /// The node's name in labels and records.
    pub node_name: String,
    /// Where the host's trees are.
    pub roots: HostRoots,
    /// Where the journal and the checkpoints are; `None`: the first default
    /// that can be written.
    pub state_dir: Option<PathBuf>,
    /// Meters by falling preference.
    pub meters: Vec<MeterName>,
    /// The model server's address.
    pub model_server: Option<String>,
    /// This node's BMC.
    pub redfish: Option<RedfishSettings>,
    /// NVIDIA's management library, if another than the system's.
    pub nvml_library: Option<PathBuf>,
    /// Whether the node teaches the model server.
    pub samples: Samples,
    /// Whom of model servers to trust, and who this agent is to them.
    pub model_client: ClientFiles,
    /// The model server that learns, if it is another one.
    pub samples_server: Option<String>,
    /// The reading interval.
    pub interval: Duration,
    /// The best source of CPU time to try.
    pub cpu_time: Rung,
    /// Whether running tasks are charged at the scheduler's own pace too.
    pub time_resolved: bool,
    /// Whether hardware counters are read, where there are any.
    pub hardware_counters: Switch,
    /// How idle energy is told from the rest.
    pub idle: IdleSplit,
    /// Who is charged with it.
    pub idle_sharing: IdleSharing,
    /// Whether a kernel program that does nothing is attached.
    pub empty_program: bool,
    /// Whether pods' names are watched.
    pub kubernetes: Kubernetes,
    /// How log lines are written.
    pub log_format: logs::Format,
    /// The level from which they are written.
    pub log_level: String,
    /// What is exported.
    pub exports: ExportSettings,
    /// The file that they were read from.
    pub file: Option<PathBuf>,
    /// Whether only the meters are to be shown.
    pub probe: bool,
    /// Keys of a configuration of Kepler that are not followed.
    pub warnings: Vec<Warning>,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsRefusal {
    /// The file.
    #[error(transparent)]
    File(#[from] SettingsFault),
    /// A configuration of Kepler.
    #[error(transparent)]
    Kepler(#[from] KeplerFault),
    /// The command line.
    #[error("{0}")]
    CommandLine(clap::Error),
    /// A value.
    #[error("{field}: {reason}")]
    Value {
        /// The setting.
        field: &'static str,
        /// What is accepted.
        reason: String,
    },
}

impl Settings {
    /// Reads a command line, which may be one of Kepler's.
    ///
    /// # Errors
    /// If a flag is unknown, the file cannot be read or a value is out of
    /// range.
    pub fn from_words(words: impl IntoIterator<Item = String>) -> Result<Self, SettingsRefusal> {
        let words = kepler_config::take(words)?;
        let flags = Flags::try_parse_from(words.rest).map_err(SettingsRefusal::CommandLine)?;
        Self::join(flags, &words.document)
    }

    /// Joins flags (and environment), file and defaults.
    ///
    /// # Errors
    /// If the file cannot be read or a value is out of range.
    pub fn from_flags(flags: Flags) -> Result<Self, SettingsRefusal> {
        Self::join(flags, &Value::Null)
    }

    fn join(flags: Flags, kepler_flags: &Value) -> Result<Self, SettingsRefusal> {
        let path = flags.config.clone();
        let (file, warnings) = file_layer(path.as_deref(), kepler_flags)?;
        let default = HostRoots::default();
        let interval = layered(flags.interval, file.interval, || Period(INTERVAL)).0;
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
            let reason = format!("{}: accepted are 100ms to 1m", Period(interval));
            return Err(SettingsRefusal::Value {
                field: "interval",
                reason,
            });
        }
        let meters = layered(flags.meters, file.meters, MeterName::default_list);
        let twice = meters
            .iter()
            .enumerate()
            .find(|(at, meter)| meters.iter().take(*at).any(|earlier| earlier == *meter));
        if let Some((_, meter)) = twice {
            let reason = format!(
                "\"{}\" is named twice; accepted is each meter once",
                meter.as_str()
            );
            return Err(SettingsRefusal::Value {
                field: "meters",
                reason,
            });
        }
        let cpu_time = layered(flags.cpu_time, file.cpu_time, || {
            Rung::Ebpf.as_str().to_owned()
        });
        let rung = Rung::ALL
            .into_iter()
            .find(|rung| rung.as_str() == cpu_time)
            .ok_or_else(|| {
                let reason = format!("\"{cpu_time}\": accepted are ebpf, cgroup-files, proc");
                SettingsRefusal::Value {
                    field: "cpuTime",
                    reason,
                }
            })?;
        let node_name = layered(flags.node_name, file.node_name, host_name);
        let bmc = file.redfish.unwrap_or_default();
        let redfish = bmc::settings(
            RedfishLayer {
                endpoint: flags.redfish_endpoint.or(bmc.endpoint),
                credentials: flags.redfish_credentials.or(bmc.credentials),
                ca: flags.redfish_ca.or(bmc.ca),
                chassis: flags.redfish_chassis.or(bmc.chassis),
            },
            &node_name,
        )?;
        let client = flags.model_client.over(ModelClientLayer {
            model_server_ca: file.model_server_ca,
            model_server_certificate: file.model_server_certificate,
            model_server_key: file.model_server_key,
            model_server_token: file.model_server_token,
            samples_server: file.samples_server,
        });
        Ok(Self {
            redfish,
            nvml_library: flags.nvml_library.or(file.nvml_library),
            listen: layered(flags.listen, file.listen, default_listen),
            node_name,
            roots: HostRoots {
                proc: layered(flags.host_proc, file.host_proc, || default.proc),
                sys: layered(flags.host_sys, file.host_sys, || default.sys),
                cgroup: layered(flags.host_cgroup, file.host_cgroup, || default.cgroup),
            },
            state_dir: flags.state_dir.or(file.state_dir),
            meters,
            model_server: flags.model_server.or(file.model_server),
            samples: layered(flags.samples, file.samples, || Samples::Off),
            model_client: model_client::files(&client)?,
            samples_server: client.samples_server,
            interval,
            cpu_time: rung,
            time_resolved: layered(flags.time_resolved, file.time_resolved, || Switch::Off)
                == Switch::On,
            hardware_counters: layered(flags.hardware_counters, file.hardware_counters, || {
                Switch::Off
            }),
            idle: layered(flags.idle, file.idle, IdleSplit::default),
            idle_sharing: layered(flags.idle_sharing, file.idle_sharing, IdleSharing::default),
            empty_program: flags.empty_program,
            kubernetes: layered(flags.kubernetes, file.kubernetes, in_cluster),
            log_format: layered(flags.log_format, file.log_format, logs::Format::default),
            log_level: log_level(layered(flags.log_level, file.log_level, || {
                "info".to_owned()
            }))?,
            exports: ExportSettings::of(flags.exports, file.exports)?,
            file: path,
            probe: flags.probe,
            warnings,
        })
    }

    /// Directories for the state by falling preference; one that was asked
    /// for is the only one.
    #[must_use]
    pub fn state_dirs(&self) -> Vec<PathBuf> {
        if let Some(asked) = &self.state_dir {
            return vec![asked.clone()];
        }
        let users = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| {
                std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
            });
        let own = users.map(|users| users.join("tanso-agent"));
        [Some(PathBuf::from(STATE_DIR)), own]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The layer of the file, whether ours or Kepler's, under Kepler's flags.
fn file_layer(
    path: Option<&Path>,
    kepler_flags: &Value,
) -> Result<(FileLayer, Vec<Warning>), SettingsRefusal> {
    let mut document: Value = read_optional(path)?;
    if !kepler_config::is_keplers(&document) && kepler_flags.is_null() {
        return Ok((read_optional(path)?, Vec::new()));
    }
    kepler_config::overlay(&mut document, kepler_flags);
    let translated = kepler_config::translate(&document, path)?;
    Ok((translated.layer, translated.warnings))
}

fn log_level(word: String) -> Result<String, SettingsRefusal> {
    if ["error", "warn", "info", "debug", "trace"].contains(&word.as_str()) {
        return Ok(word);
    }
    Err(SettingsRefusal::Value {
        field: "logLevel",
        reason: format!("\"{word}\": accepted are error, warn, info, debug, trace"),
    })
}

fn default_listen() -> SocketAddr {
    // Parsed in a test.
    LISTEN
        .parse()
        .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 28_282)))
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn in_cluster() -> Kubernetes {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Kubernetes::On
    } else {
        Kubernetes::Off
    }
}

#[cfg(test)]
mod rendered_tests;
#[cfg(test)]
mod tests;
