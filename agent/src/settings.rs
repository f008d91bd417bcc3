//! The agent's settings: flag > environment > file > default, checked at
//! start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use tanso_runtime::logs;
use tanso_runtime::settings::{Period, SettingsFault, layered, read_optional};

use crate::host::HostRoots;
use crate::kernel::Rung;

/// Kepler's port, so that its dashboards and alerts find the agent.
const LISTEN: &str = "0.0.0.0:28282";
const STATE_DIR: &str = "/var/lib/tanso";
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_mins(1);

/// A meter by its name in settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeterName {
    /// Hardware counters by powercap.
    Rapl,
    /// The same by the kernel's perf events.
    Perf,
    /// Power meters of the firmware.
    Acpi,
    /// Chips that the kernel knows.
    Hwmon,
    /// A power model.
    Model,
    /// Simulated energy.
    Fake,
}

impl MeterName {
    /// Every meter.
    pub const ALL: [Self; 6] = [
        Self::Rapl,
        Self::Perf,
        Self::Acpi,
        Self::Hwmon,
        Self::Model,
        Self::Fake,
    ];

    /// Those that are used unless settings name others: all but the fake one.
    fn default_list() -> Vec<Self> {
        let real = |meter: &Self| *meter != Self::Fake;
        Self::ALL.into_iter().filter(real).collect()
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rapl => "rapl",
            Self::Perf => "perf",
            Self::Acpi => "acpi",
            Self::Hwmon => "hwmon",
            Self::Model => "model",
            Self::Fake => "fake",
        }
    }
}

/// A text that is none of the words accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\": accepted are {accepted}")]
pub struct WordFault {
    found: String,
    accepted: &'static str,
}

impl FromStr for MeterName {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        let found = Self::ALL.into_iter().find(|meter| meter.as_str() == text);
        found.ok_or_else(|| WordFault {
            found: text.to_owned(),
            accepted: "rapl, perf, acpi, hwmon, model, fake",
        })
    }
}

/// Whether names of pods come from the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kubernetes {
    /// They do.
    On,
    /// There are none.
    Off,
}

impl FromStr for Kubernetes {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(WordFault {
                found: text.to_owned(),
                accepted: "on, off",
            }),
        }
    }
}

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
    /// Meters by falling preference: of two that read the same zone the first is taken; others are disabled [default: rapl,perf,acpi,hwmon,model]
    #[arg(long, env = "TANSO_METERS", value_delimiter = ',')]
    meters: Option<Vec<MeterName>>,
    /// The model server, http://HOST:PORT
    #[arg(long, env = "TANSO_MODEL_SERVER")]
    model_server: Option<String>,
    /// Reading interval, 100ms to 1m [default: 1s]
    #[arg(long, env = "TANSO_INTERVAL")]
    interval: Option<Period>,
    /// Source of CPU time to begin with: ebpf, cgroup-files or proc [default: ebpf]
    #[arg(long, env = "TANSO_CPU_TIME")]
    cpu_time: Option<String>,
    /// Whether pods' names come from the API server: on or off [default: on inside a cluster]
    #[arg(long, env = "TANSO_KUBERNETES")]
    kubernetes: Option<Kubernetes>,
    /// How log lines are written: text or json [default: text]
    #[arg(long, env = "TANSO_LOG_FORMAT")]
    log_format: Option<logs::Format>,
}

/// The same, from a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct FileLayer {
    listen: Option<SocketAddr>,
    node_name: Option<String>,
    host_proc: Option<PathBuf>,
    host_sys: Option<PathBuf>,
    host_cgroup: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    meters: Option<Vec<MeterName>>,
    model_server: Option<String>,
    interval: Option<Period>,
    cpu_time: Option<String>,
    kubernetes: Option<Kubernetes>,
    log_format: Option<logs::Format>,
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
    /// The reading interval.
    pub interval: Duration,
    /// The best source of CPU time to try.
    pub cpu_time: Rung,
    /// Whether pods' names are watched.
    pub kubernetes: Kubernetes,
    /// How log lines are written.
    pub log_format: logs::Format,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsRefusal {
    /// The file.
    #[error(transparent)]
    File(#[from] SettingsFault),
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
    /// Joins flags (and environment), file and defaults.
    ///
    /// # Errors
    /// If the file cannot be read or a value is out of range.
    pub fn from_flags(flags: Flags) -> Result<Self, SettingsRefusal> {
        let file: FileLayer = read_optional(flags.config.as_deref())?;
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
        Ok(Self {
            listen: layered(flags.listen, file.listen, default_listen),
            node_name: layered(flags.node_name, file.node_name, host_name),
            roots: HostRoots {
                proc: layered(flags.host_proc, file.host_proc, || default.proc),
                sys: layered(flags.host_sys, file.host_sys, || default.sys),
                cgroup: layered(flags.host_cgroup, file.host_cgroup, || default.cgroup),
            },
            state_dir: flags.state_dir.or(file.state_dir),
            meters,
            model_server: flags.model_server.or(file.model_server),
            interval,
            cpu_time: rung,
            kubernetes: layered(flags.kubernetes, file.kubernetes, in_cluster),
            log_format: layered(flags.log_format, file.log_format, logs::Format::default),
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
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, SettingsRefusal> {
        let arguments = std::iter::once("tanso-agent").chain(arguments.iter().copied());
        Settings::from_flags(Flags::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn the_defaults_are_keplers_port_and_a_second() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.port(), 28_282);
        assert_eq!(settings.interval, INTERVAL);
        assert_eq!(settings.meters.first(), Some(&MeterName::Rapl));
        assert_eq!(settings.meters.last(), Some(&MeterName::Model));
        assert!(!settings.meters.contains(&MeterName::Fake));
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_what_is_accepted() {
        let refusal = settings(&["--interval", "5m"]).unwrap_err().to_string();
        assert!(
            refusal.contains("5m") && refusal.contains("100ms to 1m"),
            "{refusal}"
        );
        let refusal = settings(&["--meters", "rapl,rapl"])
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("rapl"), "{refusal}");
        assert!(Flags::try_parse_from(["tanso-agent", "--meters", "gpu"]).is_err());
    }

    #[test]
    fn a_flag_beats_the_file_and_a_misspelt_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("agent.yaml");
        std::fs::write(&file, "interval: 2s\nmeters: [fake]\n").unwrap();
        let path = file.to_str().unwrap();
        let found = settings(&["--config", path, "--interval", "3s"]).unwrap();
        assert_eq!(found.interval, Duration::from_secs(3));
        assert_eq!(found.meters, [MeterName::Fake]);
        std::fs::write(&file, "meter: [fake]\n").unwrap();
        assert!(settings(&["--config", path]).is_err());
    }
}
