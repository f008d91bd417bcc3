//! The border: what an agent says is checked here before anything is booked.
//!
//! Pure. A page passes whole or not at all; one that does not leaves the
//! cursor where it was, so that no record is lost by a mistake.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tanso_agent_wire::energy::{Account, Cursor, EnergyPage, PAGE_LIMIT, Record, SCHEMA};

use crate::ledger::Page;
use crate::ledger::plausible::{CAUGHT_UP_MAX, CPUS_MAX, NODE_POWER_MAX};

/// How far back a record may reach, seconds: 32 days, longer than any agent keeps
/// one and than a store is read back. What is older would change reports that
/// are done, and could name pods in as many hours as there are since 1970.
const AGE_MAX_S: i64 = 32 * 86_400;

/// Most memory of one node, bytes: 64 TiB.
const MEMORY_MAX_BYTES: u64 = 64 << 40;

/// How far an agent's clock may be ahead of ours, seconds.
const CLOCK_AHEAD_MAX_S: i64 = 120;

const MINUTE_S: i64 = 60;
const ONE_MINUTE: Duration = Duration::from_mins(1);

/// The node of each pod that the cluster knows, by the pod's UID.
pub type Homes = HashMap<String, String>;

/// What was asked, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The node of the agent's pod.
    pub node: &'a str,
    /// The cursor that was sent; `None` for all there is.
    pub cursor: Option<&'a Cursor>,
    /// Now.
    pub now: Timestamp,
    /// Where pods run: an agent may speak for those of its own node only.
    pub homes: &'a Homes,
}

/// Why an answer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another format.
    #[error("schema is \"{0}\"; accepted is \"{SCHEMA}\"")]
    Schema(String),
    /// It speaks for another node.
    #[error("it speaks for node \"{0}\", which is not the node of its pod")]
    Node(String),
    /// It speaks for a pod of another node.
    #[error("record {sequence} is of pod \"{pod_uid}\", which runs on node \"{home}\"")]
    ForeignPod {
        /// The record.
        sequence: u64,
        /// The pod.
        pod_uid: String,
        /// Its node.
        home: String,
    },
    /// Another journal than asked for.
    #[error("it answers from journal {found}, asked was {wanted}")]
    Journal {
        /// The journal asked for.
        wanted: String,
        /// The journal that answered.
        found: String,
    },
    /// Too many records.
    #[error("it has {0} records; accepted are up to {PAGE_LIMIT}")]
    TooMany(usize),
    /// Sequence numbers that cannot be.
    #[error("sequence {found} follows {after}: {why}")]
    Sequence {
        /// The number before.
        after: u64,
        /// The number.
        found: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A time that is no whole minute.
    #[error("record {sequence} is of minute {minute}, which is no multiple of 60 or before 1970")]
    Minute {
        /// The record.
        sequence: u64,
        /// Its time.
        minute: i64,
    },
    /// A time that has not come yet.
    #[error(
        "its time {time} is more than {CLOCK_AHEAD_MAX_S} s ahead of {now}: check the node's clock"
    )]
    Future {
        /// The time, seconds of Unix time.
        time: i64,
        /// Our time.
        now: i64,
    },
    /// A time that is long gone.
    #[error(
        "its time {time} is more than {} days before {now}: check the clocks of node and operator",
        AGE_MAX_S / 86_400
    )]
    Past {
        /// The time, seconds of Unix time.
        time: i64,
        /// Our time.
        now: i64,
    },
    /// Bounds around another figure.
    #[error("record {0} has bounds that do not enclose its energy")]
    Bounds(u64),
    /// More energy than a node can use.
    #[error(
        "minute {minute} has {energy_uj} uJ; a node of {NODE_POWER_MAX} uses at most {most_uj} uJ"
    )]
    Power {
        /// The minute.
        minute: i64,
        /// Its energy.
        energy_uj: u128,
        /// What is possible.
        most_uj: u64,
    },
    /// More CPU time than a node can have.
    #[error("minute {minute} has {cpu_us} us of CPU time; a node has at most {CPUS_MAX} CPUs")]
    CpuTime {
        /// The minute.
        minute: i64,
        /// Its CPU time.
        cpu_us: u128,
    },
    /// More memory than a node can have, or of what has none of its own.
    #[error("record {sequence} has {bytes} bytes of memory: {why}")]
    Memory {
        /// The record.
        sequence: u64,
        /// What it says, or the sum up to it.
        bytes: u128,
        /// What is wrong.
        why: &'static str,
    },
    /// A name that no cluster gives.
    #[error("record {sequence} has a {what} of {length} bytes or with forbidden characters")]
    Text {
        /// The record.
        sequence: u64,
        /// Which name.
        what: &'static str,
        /// Its length.
        length: usize,
    },
}

impl Refusal {
    /// The reason as a metric's label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Schema(_) => "schema",
            Self::Node(_) => "node",
            Self::ForeignPod { .. } => "foreignPod",
            Self::Journal { .. } => "journal",
            Self::TooMany(_) => "tooMany",
            Self::Sequence { .. } => "sequence",
            Self::Minute { .. } => "minute",
            Self::Future { .. } => "future",
            Self::Past { .. } => "past",
            Self::Bounds(_) => "bounds",
            Self::Power { .. } => "power",
            Self::CpuTime { .. } => "cpuTime",
            Self::Memory { .. } => "memory",
            Self::Text { .. } => "text",
        }
    }
}

/// Checks an answer and makes it a page for the ledger.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn accept(asked: &Asked<'_>, page: EnergyPage) -> Result<Page, Refusal> {
    if page.schema != SCHEMA {
        return Err(Refusal::Schema(page.schema.chars().take(64).collect()));
    }
    if page.node != asked.node {
        return Err(Refusal::Node(page.node.chars().take(253).collect()));
    }
    if let Some(cursor) = asked.cursor
        && cursor.journal != page.next.journal
    {
        return Err(Refusal::Journal {
            wanted: cursor.journal.to_string(),
            found: page.next.journal.to_string(),
        });
    }
    if page.records.len() > PAGE_LIMIT {
        return Err(Refusal::TooMany(page.records.len()));
    }
    check_sequences(asked.cursor.map_or(0, |cursor| cursor.sequence), &page)?;
    check_times(&page, asked.now.as_second())?;
    check_amounts(&page.records)?;
    check_memory(&page.records)?;
    for record in &page.records {
        check_texts(record)?;
        check_home(asked, record)?;
    }
    Ok(Page {
        node: page.node,
        journal: page.next.journal,
        records: page.records,
        next_sequence: page.next.sequence,
        closed_until: page.closed_until,
    })
}

fn check_sequences(asked: u64, page: &EnergyPage) -> Result<(), Refusal> {
    let wrong = |after, found, why| Err(Refusal::Sequence { after, found, why });
    let mut after = asked;
    for (index, record) in page.records.iter().enumerate() {
        let found = record.sequence;
        // Only before the first record may some be missing: dropped ones.
        let expected = match index {
            0 => asked.saturating_add(1).max(page.first_sequence),
            _ => after.saturating_add(1),
        };
        if found != expected {
            return wrong(after, found, "records must follow one another");
        }
        after = found;
    }
    let next = page.next.sequence;
    if !page.records.is_empty() && next != after {
        return wrong(after, next, "the next cursor must be the last record");
    }
    if next < asked {
        return wrong(asked, next, "the next cursor is before the one asked with");
    }
    if next > page.last_sequence {
        return wrong(
            page.last_sequence,
            next,
            "the next cursor is past the last record",
        );
    }
    Ok(())
}

fn check_times(page: &EnergyPage, now: i64) -> Result<(), Refusal> {
    let latest = now.saturating_add(CLOCK_AHEAD_MAX_S);
    let earliest = now.saturating_sub(AGE_MAX_S);
    for record in &page.records {
        if record.minute < 0 || record.minute % MINUTE_S != 0 {
            return Err(Refusal::Minute {
                sequence: record.sequence,
                minute: record.minute,
            });
        }
        if record.minute > latest - MINUTE_S {
            return Err(Refusal::Future {
                time: record.minute,
                now,
            });
        }
        if record.minute < earliest {
            return Err(Refusal::Past {
                time: record.minute,
                now,
            });
        }
    }
    // 0 is one that has closed no minute yet.
    if page.closed_until < 0 {
        return Err(Refusal::Past {
            time: page.closed_until,
            now,
        });
    }
    if page.closed_until > latest {
        return Err(Refusal::Future {
            time: page.closed_until,
            now,
        });
    }
    Ok(())
}

fn check_amounts(records: &[Record]) -> Result<(), Refusal> {
    let mut sums: BTreeMap<(i64, bool), (u128, u128)> = BTreeMap::new();
    for record in records {
        let energy = record.energy_uj;
        if energy.low > energy.value || energy.value > energy.high {
            return Err(Refusal::Bounds(record.sequence));
        }
        let sum = sums.entry((record.minute, record.caught_up)).or_default();
        // The upper bound of a rough model may be twice its figure.
        sum.0 += u128::from(
            energy
                .value
                .microjoules()
                .max(energy.high.microjoules() / 2),
        );
        sum.1 += u128::from(record.cpu_us);
    }
    for ((minute, caught_up), (energy_uj, cpu_us)) in sums {
        let longest = if caught_up { CAUGHT_UP_MAX } else { ONE_MINUTE };
        let most_uj = NODE_POWER_MAX.over(longest).microjoules();
        if energy_uj > u128::from(most_uj) {
            return Err(Refusal::Power {
                minute,
                energy_uj,
                most_uj,
            });
        }
        if cpu_us > u128::from(CPUS_MAX) * longest.as_micros() {
            return Err(Refusal::CpuTime { minute, cpu_us });
        }
    }
    Ok(())
}

/// Containers of a minute hold at most what a node can have; what is no
/// container has no memory of its own.
fn check_memory(records: &[Record]) -> Result<(), Refusal> {
    let mut sums: BTreeMap<i64, u128> = BTreeMap::new();
    for record in records {
        let Some(bytes) = record.memory_peak_bytes else {
            continue;
        };
        let refuse = |bytes, why| {
            let sequence = record.sequence;
            Err(Refusal::Memory {
                sequence,
                bytes,
                why,
            })
        };
        let is_container = matches!(
            record.account,
            Account::Container { .. } | Account::Standalone { .. }
        );
        if !is_container {
            return refuse(u128::from(bytes), "only containers have a figure");
        }
        let sum = sums.entry(record.minute).or_default();
        *sum += u128::from(bytes);
        if *sum > u128::from(MEMORY_MAX_BYTES) {
            return refuse(*sum, "a node has at most 64 TiB");
        }
    }
    Ok(())
}

/// A pod never changes its node; one that the cluster does not know any more
/// may have run anywhere.
fn check_home(asked: &Asked<'_>, record: &Record) -> Result<(), Refusal> {
    if let Account::Container { pod_uid, .. } = &record.account
        && let Some(home) = asked.homes.get(pod_uid)
        && home != asked.node
    {
        return Err(Refusal::ForeignPod {
            sequence: record.sequence,
            pod_uid: pod_uid.clone(),
            home: home.clone(),
        });
    }
    Ok(())
}

fn check_texts(record: &Record) -> Result<(), Refusal> {
    let check = |what, text: &str, most: usize| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
        if text.len() <= most && text.chars().all(plain) {
            return Ok(());
        }
        Err(Refusal::Text {
            sequence: record.sequence,
            what,
            length: text.len(),
        })
    };
    match &record.account {
        Account::Container {
            pod_uid,
            container_id,
        } => {
            check("pod UID", pod_uid, 128)?;
            check("container id", container_id, 256)?;
        }
        Account::Standalone { container_id } => check("container id", container_id, 256)?,
        Account::System | Account::Kernel | Account::Idle | Account::Overflow => {}
    }
    check(
        "namespace",
        record.names.namespace.as_deref().unwrap_or_default(),
        63,
    )?;
    check(
        "pod name",
        record.names.pod.as_deref().unwrap_or_default(),
        253,
    )?;
    check(
        "container name",
        record.names.container.as_deref().unwrap_or_default(),
        253,
    )?;
    check(
        "model digest",
        record.model.as_deref().unwrap_or_default(),
        128,
    )
}

#[cfg(test)]
mod tests;
