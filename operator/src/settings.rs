//! The operator's settings: flag, else environment, else default.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tanso_runtime::logs::Format;
use tanso_runtime::settings::Period;

use crate::api::readers::AnonymousReaders;
use crate::chore::Chore;
use crate::collect::prometheus::{Address, Source, Store, StoreFault};
use crate::controllers::power_monitor::build::PullPolicy;
use crate::ledger::upkeep::Backups;

/// Shortest and longest lease that is accepted.
const LEASE_DURATION: (Duration, Duration) = (Duration::from_secs(3), Duration::from_mins(5));

/// How long a silence of the API server may be, shortest and longest that is
/// accepted; a server tells watches each minute that it is there.
const API_SILENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// Ceilings on writes per minute that are accepted.
const POLICY_WRITES: RangeInclusive<u32> = 60..=1_000_000;

/// Rolls out agents, books their energy and judges carbon policies.
#[derive(Clone, Debug, Parser)]
#[command(name = "tanso-operator", version)]
pub struct Settings {
    /// Namespace of the operator and of everything that it makes
    #[arg(long, env = "POD_NAMESPACE", default_value = "tanso-system")]
    pub namespace: String,

    /// Name of this process in the lease and in Events; unique among processes
    #[arg(long, env = "POD_NAME", default_value_t = host_name())]
    pub identity: String,

    /// Address for health, metrics and the API
    #[arg(long, env = "TANSO_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// File of the energy ledger
    #[arg(long, env = "TANSO_LEDGER", default_value = "/var/lib/tanso/ledger.db")]
    pub ledger: PathBuf,

    /// Folder for backups of the ledger, best on another volume; none are made without it
    #[arg(long, env = "TANSO_LEDGER_BACKUPS")]
    pub ledger_backups: Option<PathBuf>,

    /// Time between two backups of the ledger
    #[arg(long, env = "TANSO_LEDGER_BACKUP_EVERY", default_value = "24h")]
    pub ledger_backup_every: Period,

    /// How many backups of the ledger stay
    #[arg(long, env = "TANSO_LEDGER_BACKUPS_KEPT", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub ledger_backups_kept: u16,

    /// Image of the agent
    #[arg(long, env = "TANSO_AGENT_IMAGE", default_value = concat!("ghcr.io/tanso-dev/tanso-agent:", env!("CARGO_PKG_VERSION")))]
    pub agent_image: String,

    /// Image of the model server
    #[arg(long, env = "TANSO_MODEL_SERVER_IMAGE", default_value = concat!("ghcr.io/tanso-dev/tanso-model-server:", env!("CARGO_PKG_VERSION")))]
    pub model_server_image: String,

    /// Secret of the operator's namespace, of type kubernetes.io/dockerconfigjson, with which agents and model server are pulled. Repeat it, or separate by commas
    #[arg(
        long,
        env = "TANSO_IMAGE_PULL_SECRETS",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub image_pull_secret: Vec<String>,

    /// When nodes pull the images of agents and model server
    #[arg(long, env = "TANSO_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub image_pull_policy: PullPolicy,

    /// Host, or host:port, that a policy may name as the endpoint of an intensity provider, beside the services' own; only these may be private or plain http. Repeat it, or separate by commas
    #[arg(
        long,
        env = "TANSO_INTENSITY_ENDPOINTS",
        value_delimiter = ',',
        value_name = "HOST[:PORT]"
    )]
    pub intensity_endpoint: Vec<String>,

    /// File with the token that agents over TLS are shown, of the audience tanso-agent; read anew for each request
    #[arg(long, env = "TANSO_AGENT_TOKEN", value_name = "FILE")]
    pub agent_token: Option<PathBuf>,

    /// URL of a Prometheus-compatible store (Prometheus, Thanos, Mimir and the like) whose counters are booked instead of the agents' records: kepler_* and tanso_* metrics, of agents or of Kepler
    #[arg(long, env = "TANSO_PROMETHEUS", value_name = "URL")]
    pub prometheus: Option<String>,

    /// Label matchers that choose this cluster's metrics in the store, without braces, as in cluster="a"
    #[arg(
        long,
        env = "TANSO_PROMETHEUS_SELECTOR",
        value_name = "MATCHERS",
        default_value = ""
    )]
    pub prometheus_selector: String,

    /// File with a bearer token for the store; read anew for each question
    #[arg(long, env = "TANSO_PROMETHEUS_TOKEN", value_name = "FILE")]
    pub prometheus_token: Option<PathBuf>,

    /// File with certificates of authorities that the store's may be signed by, beside the public ones
    #[arg(long, env = "TANSO_PROMETHEUS_AUTHORITY", value_name = "FILE")]
    pub prometheus_authority: Option<PathBuf>,

    /// How far back the store is read when nothing of it was booked yet: up to 744h
    #[arg(long, env = "TANSO_PROMETHEUS_BACKFILL", default_value = "24h", value_parser = backfill)]
    pub prometheus_backfill: Period,

    /// Host by which MCP clients call this server, beside the Service's names and the loopback's; an Ingress's for example. Repeat it, or separate by commas
    #[arg(
        long,
        env = "TANSO_MCP_HOSTS",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    pub mcp_host: Vec<String>,

    /// What becomes of readers of the ledger (/v1/...) whom nobody knows: Refuse all but port-forwards and tokens whose bearers may list carbonreports where they ask, or Allow anybody who reaches the port all namespaces
    #[arg(long, env = "TANSO_ANONYMOUS_READERS", default_value = "Refuse")]
    pub anonymous_readers: AnonymousReaders,

    /// How long a renewal of the lease lasts: 3s to 300s
    #[arg(long, env = "TANSO_LEASE_DURATION", default_value = "15s", value_parser = lease_duration)]
    pub lease_duration: Period,

    /// How long the API server may say nothing in an answer before the connection is taken for dead: 1s to 300s. It tells watches each minute that it is there
    #[arg(long, env = "TANSO_API_SILENCE", default_value = "150s", value_parser = api_silence)]
    pub api_silence: Period,

    /// Most writes of carbon policies that begin within any minute: statuses, pages of workloads, changed cron jobs. What is above it waits: 60 to 1000000
    #[arg(
        long,
        env = "TANSO_POLICY_WRITES_PER_MINUTE",
        value_name = "WRITES",
        default_value = "6000",
        value_parser = policy_writes
    )]
    pub policy_writes_per_minute: NonZeroU32,

    /// How log lines are written: text or json
    #[arg(long, env = "TANSO_LOG_FORMAT", default_value = "text")]
    pub log_format: Format,

    /// A task to do instead of operating
    #[command(subcommand)]
    pub chore: Option<Chore>,
}

impl Settings {
    /// The store whose counters are booked, if there is one.
    ///
    /// # Errors
    /// If its URL, selector or files are of no use.
    pub fn source(&self) -> Result<Option<Source>, StoreFault> {
        let Some(url) = self.prometheus.clone() else {
            return Ok(None);
        };
        let store = Store::try_new(Address {
            url,
            selector: self.prometheus_selector.clone(),
            token: self.prometheus_token.clone(),
            authority: self.prometheus_authority.clone(),
        })?;
        let first = self.prometheus_backfill.0;
        Ok(Some(Source { store, first }))
    }

    /// Where backups of the ledger go, if anywhere.
    #[must_use]
    pub fn backups(&self) -> Option<Backups> {
        Some(Backups {
            folder: self.ledger_backups.clone()?,
            every: self.ledger_backup_every.0,
            keep: usize::from(self.ledger_backups_kept),
        })
    }
}

/// Longest time that is read back.
const BACKFILL_MAX: Duration = Duration::from_hours(744);

fn backfill(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|fault| format!("{fault}"))?;
    if period.0 > BACKFILL_MAX {
        return Err(format!("backfill \"{text}\"; accepted are 0s to 744h"));
    }
    Ok(period)
}

fn lease_duration(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|fault| format!("{fault}"))?;
    let (shortest, longest) = LEASE_DURATION;
    // The lease tells its duration in whole seconds.
    if period.0 < shortest || period.0 > longest || period.0.subsec_millis() != 0 {
        return Err(format!(
            "lease duration \"{text}\"; accepted are 3s to 300s"
        ));
    }
    Ok(period)
}

fn api_silence(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|fault| format!("{fault}"))?;
    let (shortest, longest) = API_SILENCE;
    if period.0 < shortest || period.0 > longest {
        return Err(format!("silence \"{text}\"; accepted are 1s to 300s"));
    }
    Ok(period)
}

fn policy_writes(text: &str) -> Result<NonZeroU32, String> {
    let writes = text.parse().ok();
    let accepted = |writes: &NonZeroU32| POLICY_WRITES.contains(&writes.get());
    writes.filter(accepted).ok_or_else(|| {
        let (least, most) = (POLICY_WRITES.start(), POLICY_WRITES.end());
        format!("writes per minute \"{text}\"; accepted are {least} to {most}")
    })
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_| "tanso-operator".to_owned(),
        |name| name.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_well_formed() {
        Settings::command().debug_assert();
    }

    #[test]
    fn a_pull_policy_is_refused_with_what_is_accepted() {
        let parse = |words: &[&str]| {
            let words = ["tanso-operator"].iter().chain(words);
            Settings::try_parse_from(words)
        };
        let usual = parse(&[]).unwrap();
        assert_eq!(usual.image_pull_policy, PullPolicy::IfNotPresent);
        let never = parse(&["--image-pull-policy=Never", "--image-pull-secret=a,b"]).unwrap();
        assert_eq!(never.image_pull_policy, PullPolicy::Never);
        assert_eq!(never.image_pull_secret, ["a", "b"]);
        let refusal = parse(&["--image-pull-policy=Often"])
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("Always, IfNotPresent, Never"), "{refusal}");
    }

    #[test]
    fn what_becomes_of_strangers_is_refused_with_what_is_accepted() {
        let parse = |value: &str| {
            Settings::try_parse_from(["tanso-operator", "--anonymous-readers", value])
        };
        let usual = Settings::try_parse_from(["tanso-operator"]).unwrap();
        assert_eq!(usual.anonymous_readers, AnonymousReaders::Refuse);
        let open = parse("Allow").unwrap().anonymous_readers;
        assert_eq!(open, AnonymousReaders::Allow);
        let refusal = parse("refuse").unwrap_err().to_string();
        assert!(refusal.contains("Allow, Refuse"), "{refusal}");
    }

    #[test]
    fn the_chart_has_a_word_for_every_flag() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("../charts/tanso/templates/operator.yaml");
        let template = std::fs::read_to_string(&file).unwrap();
        let said = |argument: &clap::Arg| {
            let flag = argument.get_long().map(|long| format!("--{long}="));
            let variable = argument.get_env().and_then(std::ffi::OsStr::to_str);
            let variable = variable.map(|name| format!("- name: {name}\n"));
            let words = [flag, variable];
            words.iter().flatten().any(|word| template.contains(word))
        };
        let command = Settings::command();
        let missing: Vec<&str> = command
            .get_arguments()
            .filter(|argument| !said(argument))
            .map(|argument| argument.get_id().as_str())
            .collect();
        assert!(
            missing.is_empty(),
            "no value of the chart sets {missing:?}: add it to {}",
            file.display()
        );
    }

    #[test]
    fn a_lease_that_is_too_short_is_refused_with_what_is_accepted() {
        let parse =
            |value: &str| Settings::try_parse_from(["tanso-operator", "--lease-duration", value]);
        assert_eq!(
            parse("20s").unwrap().lease_duration.0,
            Duration::from_secs(20)
        );
        let refusal = parse("1s").unwrap_err().to_string();
        assert!(refusal.contains("accepted are 3s to 300s"), "{refusal}");
        assert!(parse("3500ms").is_err());
    }

    #[test]
    fn a_silence_that_blinds_is_refused_with_what_is_accepted() {
        let parse =
            |value: &str| Settings::try_parse_from(["tanso-operator", "--api-silence", value]);
        assert_eq!(parse("1s").unwrap().api_silence.0, Duration::from_secs(1));
        for value in ["0s", "999ms", "301s", "24h"] {
            let refusal = parse(value).unwrap_err().to_string();
            assert!(refusal.contains("accepted are 1s to 300s"), "{refusal}");
        }
    }

    #[test]
    fn a_ceiling_on_writes_is_refused_with_what_is_accepted() {
        let parse = |value: &str| {
            Settings::try_parse_from(["tanso-operator", "--policy-writes-per-minute", value])
        };
        let ceiling = |value| parse(value).unwrap().policy_writes_per_minute.get();
        assert_eq!((ceiling("60"), ceiling("1000000")), (60, 1_000_000));
        for value in ["0", "59", "1000001", "many"] {
            let refusal = parse(value).unwrap_err().to_string();
            assert!(refusal.contains("accepted are 60 to 1000000"), "{refusal}");
        }
    }

    #[test]
    fn a_store_is_checked_before_anything_starts() {
        let parse = |words: &[&str]| {
            let words = ["tanso-operator"].iter().chain(words);
            Settings::try_parse_from(words).unwrap()
        };
        assert!(parse(&[]).source().unwrap().is_none());
        let good = parse(&["--prometheus", "http://prometheus:9090"]);
        let source = good.source().unwrap().unwrap();
        assert_eq!(source.first, Duration::from_hours(24));
        let refusal = parse(&["--prometheus", "prometheus"]).source().unwrap_err();
        assert!(
            refusal.to_string().contains("--prometheus \"prometheus\""),
            "{refusal}"
        );
        let long = ["tanso-operator", "--prometheus-backfill", "745h"];
        let refusal = Settings::try_parse_from(long).unwrap_err().to_string();
        assert!(refusal.contains("accepted are 0s to 744h"), "{refusal}");
    }
}
