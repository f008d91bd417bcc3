//! Energy records by the minute, and the cursor that reads each exactly once.
//!
//! `GET /v1/energy?since=CURSOR&limit=N` answers an [`EnergyPage`]. An agent
//! numbers its records without gaps within a journal; a consumer that sends
//! back the page's `next` cursor gets every record once, also after an agent
//! restart. If the journal itself was lost (a new disk), its id changes, and
//! the consumer sees that from the cursor's refusal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules, Provenance};

/// The format that this crate reads and writes.
pub const SCHEMA: &str = "tanso.dev/energy/v1";

/// The path under which agents serve [`EnergyPage`]s.
pub const PATH: &str = "/v1/energy";

/// Most records in one page; a request for more gets this many.
pub const PAGE_LIMIT: usize = 5_000;

/// Header of the answer that names where the node's CPU time comes from:
/// `ebpf`, `cgroup-files` or `proc`; absent before the first reading.
pub const CPU_TIME_HEADER: &str = "tanso-cpu-time";

/// Header of the request that names fields which a reader knows beside those of
/// the schema's first form, separated by commas; others are left out of the
/// answer, so that a reader of before is never given what it would refuse.
pub const FIELDS_HEADER: &str = "tanso-fields";

/// The word in [`FIELDS_HEADER`] for [`Record::memory_peak_bytes`].
pub const MEMORY_FIELD: &str = "memory";

/// A position in one agent's journal: `JOURNAL-SEQUENCE`, the sequence number
/// of the last record that was read (0 before the first).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// Names the journal: 16 hexadecimal digits, new whenever it starts empty.
    pub journal: JournalId,
    /// The last record read.
    pub sequence: u64,
}

/// The name of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(pub u64);

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.journal, self.sequence)
    }
}

/// A text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cursor \"{0}\": accepted is the `next` of an earlier answer, 16 hexadecimal digits, a dash and a number"
)]
pub struct CursorFault(String);

impl FromStr for Cursor {
    type Err = CursorFault;
    fn from_str(text: &str) -> Result<Self, CursorFault> {
        let fault = || CursorFault(text.chars().take(64).collect());
        let (journal, sequence) = text.split_once('-').ok_or_else(fault)?;
        let plain = |s: &str, radix: u32| !s.is_empty() && s.chars().all(|c| c.is_digit(radix));
        if journal.len() != 16 || !plain(journal, 16) || !plain(sequence, 10) {
            return Err(fault());
        }
        Ok(Self {
            journal: JournalId(u64::from_str_radix(journal, 16).map_err(|_| fault())?),
            sequence: sequence.parse().map_err(|_| fault())?,
        })
    }
}

impl TryFrom<String> for Cursor {
    type Error = CursorFault;
    fn try_from(text: String) -> Result<Self, CursorFault> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// Who an amount of energy is booked to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Account {
    /// A container of a pod.
    #[serde(rename_all = "camelCase")]
    Container {
        /// The pod's UID, from the cgroup path.
        pod_uid: String,
        /// The container's runtime id.
        container_id: String,
    },
    /// A container outside Kubernetes.
    #[serde(rename_all = "camelCase")]
    Standalone {
        /// The container's runtime id.
        container_id: String,
    },
    /// Processes that belong to no container.
    System,
    /// Kernel threads.
    Kernel,
    /// Power that the machine draws when nothing runs.
    Idle,
    /// What ran while a bounded table was full.
    Overflow,
}

/// Names of a container, as far as the agent knows them; they may come later
/// than its energy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Names {
    /// The pod's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container's name in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// What one account used in one minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Rises by one from record to record within a journal; the first is 1.
    pub sequence: u64,
    /// The minute's begin, seconds of Unix time, a multiple of 60.
    pub minute: i64,
    /// Who used it.
    pub account: Account,
    /// The account's names; empty for accounts without.
    #[serde(default, skip_serializing_if = "names_are_unknown")]
    pub names: Names,
    /// Energy in microjoules with its 90 % bounds. All zones of the node that do not
    /// contain each other, added up. Idle power is in [`Account::Idle`] alone.
    pub energy_uj: Estimate<Joules>,
    /// CPU time in microseconds; 0 for [`Account::Idle`].
    pub cpu_us: u64,
    /// Where the energy figure comes from.
    pub provenance: Provenance,
    /// Digest of the power model, for modelled energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the amount covers more than its minute: a time in which the agent did
    /// not run, charged afterwards from the kernel's own counters, or one that a
    /// clock set back had told already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caught_up: bool,
    /// A container's working set, bytes, when those of all containers of its pod
    /// were highest together in the minute, of the times that they were looked
    /// at: memory in use less file pages that the kernel would give up first, as
    /// the kubelet counts it. Containers of a pod are looked at at once, so a
    /// reader adds up all records of a pod's minute; what a container without a
    /// record in the minute held is in that of another of its pod. In one record
    /// of a minute at most; `None` where it was not seen or not there then, and
    /// for readers that do not ask for it ([`FIELDS_HEADER`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
}

fn names_are_unknown(names: &Names) -> bool {
    *names == Names::default()
}

/// The answer to a request for energy records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnergyPage {
    /// [`SCHEMA`].
    pub schema: String,
    /// The node that speaks.
    pub node: String,
    /// Records after the cursor asked for, by rising sequence; of closed
    /// minutes only, so that a record never changes once it was read.
    pub records: Vec<Record>,
    /// The cursor to ask with next time.
    pub next: Cursor,
    /// Sequence number of the last record there is; more pages follow while
    /// `next.sequence` is below it.
    pub last_sequence: u64,
    /// Sequence number of the oldest record still kept. If it is above the
    /// cursor asked for plus one, records between were dropped (48 h bound).
    pub first_sequence: u64,
    /// End of the last closed minute, seconds of Unix time; 0 before the first.
    pub closed_until: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_own_text(journal: u64, sequence: u64) {
            let cursor = Cursor { journal: JournalId(journal), sequence };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn a_record_survives_its_own_json() {
        let record = Record {
            sequence: 7,
            minute: 1_790_000_040,
            account: Account::Container {
                pod_uid: "u".into(),
                container_id: "c".into(),
            },
            names: Names {
                namespace: Some("n".into()),
                pod: Some("p".into()),
                container: None,
            },
            energy_uj: Estimate {
                low: Joules::from_microjoules(1),
                value: Joules::from_microjoules(2),
                high: Joules::from_microjoules(3),
            },
            cpu_us: 5,
            provenance: Provenance::Modelled,
            model: Some("sha256:ab".into()),
            caught_up: true,
            memory_peak_bytes: Some(9),
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn a_record_of_before_memory_is_read_and_one_without_it_looks_as_before() {
        let json = r#"{"sequence":1,"minute":60,"account":{"kind":"idle"},"energyUj":{"low":0,"value":1,"high":2},"cpuUs":0,"provenance":"measured"}"#;
        let record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(record.memory_peak_bytes, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
    }

    #[test]
    fn an_unknown_field_is_refused_not_ignored() {
        let json = r#"{"sequence":1,"minute":60,"account":{"kind":"idle"},"energyUj":{"low":0,"value":1,"high":2},"cpuUs":0,"provenance":"measured","surprise":1}"#;
        assert!(serde_json::from_str::<Record>(json).is_err());
    }
}
