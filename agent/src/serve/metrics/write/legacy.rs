//! The names of Kepler up to 0.9, from the same figures.
//!
//! What its dashboards add up comes out right: over all containers, the
//! pseudo containers `system_processes` (with the node's idle energy) and
//! `kernel_processes` among them, is the node.

use std::collections::{BTreeMap, HashMap};

use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families::{self, Family, legacy as f};
use tanso_power::Joules;

use super::{count, joules};
use crate::books::{AccountBook, Books};
use crate::charges::KVM;
use crate::meters::ZoneClass;
use crate::serve::metrics::exposition::Out;
use crate::serve::metrics::options::Surface;
use crate::snapshot::Snapshot;
use crate::snapshot::details::{Amount, HardwareCounts, ProcessFigures, Usage};

/// The zones whose energy has a family of its own, in the tables' order.
const CLASSES: [ZoneClass; 4] = [
    ZoneClass::Package,
    ZoneClass::Core,
    ZoneClass::Uncore,
    ZoneClass::Dram,
];

/// What someone used, as the old names divide it.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// By [`CLASSES`]; `None` where the node has no such zone.
    by_class: [Option<Joules>; 4],
    platform: Option<Joules>,
    gpu: Option<Joules>,
    /// All zones that do not contain each other.
    total: Joules,
}

impl Parts {
    fn of(books: &Books, total: Joules, energy: impl Fn(usize) -> Joules) -> Self {
        let sum = |class: ZoneClass| {
            let places = books.zones.iter().enumerate();
            let mut places = places
                .filter(|(_, book)| book.zone.class == class)
                .peekable();
            places.peek()?;
            Some(places.map(|(place, _)| energy(place)).sum::<Joules>())
        };
        Self {
            by_class: CLASSES.map(sum),
            platform: sum(ZoneClass::Platform).or_else(|| sum(ZoneClass::Psys)),
            gpu: None,
            total,
        }
    }

    /// What is neither package nor memory.
    fn other(&self) -> Joules {
        let [package, _, _, dram] = self.by_class.map(Option::unwrap_or_default);
        self.total.saturating_sub(package).saturating_sub(dram)
    }

    /// Package, core, uncore, dram, other, gpu, platform, all together.
    fn columns(&self) -> [Option<Joules>; 8] {
        let [package, core, uncore, dram] = self.by_class;
        let all = self.total + self.gpu.unwrap_or_default();
        let other = Some(self.other());
        [
            package,
            core,
            uncore,
            dram,
            other,
            self.gpu,
            self.platform,
            Some(all),
        ]
    }
}

/// Rows of one sort of thing: labels without the source, and amounts.
type Rows<'a> = Vec<(Vec<&'a str>, Parts)>;

/// Writes the old names.
pub(in super::super) fn write(snapshot: Option<&Snapshot>, out: &mut Out<'_>) {
    let revision = option_env!("TANSO_REVISION").unwrap_or("");
    let build = vec!["", revision, env!("CARGO_PKG_VERSION"), ""];
    out.write(&f::EXPORTER_BUILD_INFO, [(build, 1.0)]);
    let Some(snapshot) = snapshot else {
        return;
    };
    let source = source(snapshot);
    nodes(snapshot, source, out);
    containers(snapshot, source, out);
    processes(snapshot, source, out);
    machines(snapshot, source, out);
}

/// The meter by the name it had.
fn source(snapshot: &Snapshot) -> &str {
    match snapshot.origin.as_ref().map(|origin| origin.meter) {
        None => "none",
        Some("rapl") => "intel_rapl",
        Some("model") => "trained_power_model",
        Some(other) => other,
    }
}

fn columns(out: &mut Out<'_>, families: &[&Family], source: &str, rows: &Rows<'_>) {
    for (column, family) in families.iter().enumerate() {
        if out.options.surface == Surface::Both && f::is_taken(family) {
            continue;
        }
        let samples = rows.iter().filter_map(|(labels, parts)| {
            let energy = parts.columns().get(column).copied().flatten()?;
            let mut labels = labels.clone();
            labels.push(source);
            Some((labels, joules(energy)))
        });
        out.write(family, samples.collect::<Vec<_>>());
    }
}

fn nodes(snapshot: &Snapshot, source: &str, out: &mut Out<'_>) {
    let books = &snapshot.books;
    let at = |place: usize, idle: bool| {
        let book = books.zones.get(place);
        book.map_or(Joules::ZERO, |book| {
            if idle {
                book.idle
            } else {
                book.total.saturating_sub(book.idle)
            }
        })
    };
    let idle_total = books
        .accounts
        .get(Books::IDLE)
        .map_or(Joules::ZERO, |book| book.total);
    let active_total = books.total().saturating_sub(idle_total);
    let row = |mode, total, idle| {
        let labels = vec!["aggregated", out.node, mode];
        (labels, Parts::of(books, total, |place| at(place, idle)))
    };
    let rows = vec![
        row("dynamic", active_total, false),
        row("idle", idle_total, true),
    ];
    columns(
        out,
        &[
            &f::NODE_PACKAGE_JOULES,
            &f::NODE_CORE_JOULES,
            &f::NODE_UNCORE_JOULES,
            &f::NODE_DRAM_JOULES,
            &f::NODE_OTHER_JOULES,
            &f::NODE_GPU_JOULES,
            &f::NODE_PLATFORM_JOULES,
        ],
        source,
        &rows,
    );
    let platform = rows.first().and_then(|(_, parts)| parts.platform);
    let platform = platform.map_or("none", |_| source);
    let info = vec![std::env::consts::ARCH, source, platform, source];
    out.write(&f::NODE_INFO, [(info, 1.0)]);
}

fn labels(book: &AccountBook) -> [&str; 5] {
    let names = &book.names;
    let pod = names.pod.as_deref().unwrap_or("");
    let namespace = names.namespace.as_deref().unwrap_or("");
    let name = names.container.as_deref().unwrap_or("");
    let system = |mode| {
        [
            "system_processes",
            "system_processes",
            "system_processes",
            "system",
            mode,
        ]
    };
    match &book.account {
        Account::Container { container_id, .. } if !container_id.is_empty() => {
            [container_id, pod, name, namespace, "dynamic"]
        }
        // A virtual machine's processes were the system's.
        Account::Standalone { .. } if book.runtime == KVM => system("dynamic"),
        Account::Standalone { container_id } => [container_id, "", name, "", "dynamic"],
        Account::Kernel => [
            "kernel_processes",
            "kernel_processes",
            "kernel_processes",
            "kernel",
            "dynamic",
        ],
        Account::Idle => system("idle"),
        // A pod's helpers beside its containers, and what found no room.
        Account::Container { .. } | Account::System | Account::Overflow => system("dynamic"),
    }
}

fn containers(snapshot: &Snapshot, source: &str, out: &mut Out<'_>) {
    let books = &snapshot.books;
    // Several accounts may stand under one name.
    let mut sums: BTreeMap<[&str; 5], (Vec<Joules>, Joules, u64)> = BTreeMap::new();
    let unlisted = books.unlisted();
    for (place, book) in books.accounts.iter().enumerate() {
        if unlisted.contains(&place) {
            let namespace = book.names.namespace.as_deref().unwrap_or_default();
            let labels = ["finished", "", "", namespace, "dynamic"];
            sums.entry(labels).or_default().1 += book.total;
            continue;
        }
        let labels = labels(book);
        let (energy, total, cpu_ns) = sums.entry(labels).or_default();
        energy.resize(books.zones.len(), Joules::ZERO);
        for (sum, part) in energy.iter_mut().zip(&book.energy) {
            *sum += *part;
        }
        *total += book.total;
        *cpu_ns = cpu_ns.saturating_add(book.cpu_ns);
    }
    // Containers no longer listed stay in their namespace's sum.
    for (namespace, energy) in &books.folded {
        let labels = ["finished", "", "", namespace.as_str(), "dynamic"];
        sums.entry(labels).or_default().1 += *energy;
    }
    let gpu: BTreeMap<&str, Joules> = snapshot
        .details
        .gpu_by_account
        .iter()
        .filter_map(|(account, amount)| match account {
            Account::Container { container_id, .. } | Account::Standalone { container_id } => {
                Some((container_id.as_str(), amount.total))
            }
            _ => None,
        })
        .collect();
    let rows: Rows<'_> = sums
        .iter()
        .map(|(labels, (energy, total, _))| {
            let at = |place: usize| energy.get(place).copied().unwrap_or_default();
            let mut parts = Parts::of(books, *total, at);
            parts.gpu = gpu.get(labels[0]).copied();
            (labels.to_vec(), parts)
        })
        .collect();
    columns(
        out,
        &[
            &f::CONTAINER_PACKAGE_JOULES,
            &f::CONTAINER_CORE_JOULES,
            &f::CONTAINER_UNCORE_JOULES,
            &f::CONTAINER_DRAM_JOULES,
            &f::CONTAINER_OTHER_JOULES,
            &f::CONTAINER_GPU_JOULES,
            &f::CONTAINER_PLATFORM_JOULES,
            &f::CONTAINER_JOULES,
        ],
        source,
        &rows,
    );
    let times = sums.iter().filter(|(labels, _)| labels[4] != "idle");
    let times = times.map(|([id, pod, name, namespace, _], (_, _, cpu_ns))| {
        (
            vec![*id, *pod, *name, *namespace, source],
            count(cpu_ns / 1_000_000),
        )
    });
    out.write(&f::CONTAINER_BPF_CPU_TIME_MS, times.collect::<Vec<_>>());
    counts(snapshot, source, out);
}

/// One of the counters.
type PickCount = fn(&HardwareCounts) -> Option<u64>;

fn counts(snapshot: &Snapshot, source: &str, out: &mut Out<'_>) {
    let rows: Vec<_> = snapshot
        .books
        .accounts
        .iter()
        .filter_map(|book| {
            let counts = snapshot.details.counts.get(&book.account)?;
            let [id, pod, name, namespace, _] = labels(book);
            Some((vec![id, pod, name, namespace, source], *counts))
        })
        .collect();
    let families: [(&Family, PickCount); 3] = [
        (&f::CONTAINER_CPU_CYCLES, |counts| counts.cycles),
        (&f::CONTAINER_CPU_INSTRUCTIONS, |counts| counts.instructions),
        (&f::CONTAINER_CACHE_MISS, |counts| counts.cache_misses),
    ];
    for (family, pick) in families {
        let samples = rows
            .iter()
            .filter_map(|(labels, counts)| Some((labels.clone(), count(pick(counts)?))));
        out.write(family, samples);
    }
}

fn amounts(books: &Books, zones: &[Amount]) -> Parts {
    let totals: Vec<Joules> = zones.iter().map(|amount| amount.total).collect();
    parts_of(books, &totals)
}

fn parts_of(books: &Books, zones: &[Joules]) -> Parts {
    let present: Vec<ZoneClass> = books.zones.iter().map(|book| book.zone.class).collect();
    let at = |place: usize| zones.get(place).copied().unwrap_or_default();
    let total = present
        .iter()
        .enumerate()
        .filter(|(_, class)| class.counts_among(&present))
        .map(|(place, _)| at(place))
        .sum();
    Parts::of(books, total, at)
}

fn processes(snapshot: &Snapshot, source: &str, out: &mut Out<'_>) {
    if !out.options.levels.has(families::Level::Process) {
        return;
    }
    let mut listed: Vec<_> = snapshot.details.processes.iter().collect();
    listed.sort_by_key(|process| {
        let energy: Joules = process.zones.iter().map(|amount| amount.total).sum();
        std::cmp::Reverse(energy)
    });
    listed.truncate(out.options.bounds.processes);
    let listed = merged(listed);
    let rows: Rows<'_> = listed
        .iter()
        .map(|(pid, process, whole)| {
            let labels = vec![
                pid.as_str(),
                &process.container_id,
                &process.vm_id,
                &process.comm,
                "dynamic",
            ];
            let mut parts = parts_of(&snapshot.books, &whole.zones);
            parts.gpu = whole.gpu;
            (labels, parts)
        })
        .collect();
    columns(
        out,
        &[
            &f::PROCESS_PACKAGE_JOULES,
            &f::PROCESS_CORE_JOULES,
            &f::PROCESS_UNCORE_JOULES,
            &f::PROCESS_DRAM_JOULES,
            &f::PROCESS_OTHER_JOULES,
            &f::PROCESS_GPU_JOULES,
            &f::PROCESS_PLATFORM_JOULES,
            &f::PROCESS_JOULES,
        ],
        source,
        &rows,
    );
    let times = listed.iter().map(|(pid, process, whole)| {
        let labels = vec![
            pid.as_str(),
            &process.container_id,
            &process.vm_id,
            &process.comm,
            source,
        ];
        (labels, count(whole.cpu_ns / 1_000_000))
    });
    out.write(&f::PROCESS_BPF_CPU_TIME_MS, times.collect::<Vec<_>>());
}

/// Processes of equal number and name together, with all that they used: the
/// labels of 0.9 tell neither state nor program, and no counter falls when one of
/// them is listed no more.
fn merged(listed: Vec<&ProcessFigures>) -> Vec<(String, &ProcessFigures, Usage)> {
    let mut places = HashMap::new();
    let mut merged: Vec<(String, &ProcessFigures, Usage)> = Vec::new();
    for process in listed {
        let (container, machine) = (&process.container_id, &process.vm_id);
        let labels = (process.pid, &process.comm, container, machine);
        let place = *places.entry(labels).or_insert(merged.len());
        if let Some((_, _, sum)) = merged.get_mut(place) {
            sum.add(&process.whole());
        } else {
            merged.push((process.pid.to_string(), process, process.whole()));
        }
    }
    merged
}

fn machines(snapshot: &Snapshot, source: &str, out: &mut Out<'_>) {
    let machines = &snapshot.details.machines;
    let rows: Rows<'_> = machines
        .iter()
        .map(|machine| {
            let parts = amounts(&snapshot.books, &machine.zones);
            (vec![machine.id.as_str(), "dynamic"], parts)
        })
        .collect();
    columns(
        out,
        &[
            &f::VM_PACKAGE_JOULES,
            &f::VM_CORE_JOULES,
            &f::VM_UNCORE_JOULES,
            &f::VM_DRAM_JOULES,
            &f::VM_OTHER_JOULES,
            &f::VM_GPU_JOULES,
            &f::VM_PLATFORM_JOULES,
            &f::VM_JOULES,
        ],
        source,
        &rows,
    );
    let times = machines.iter().map(|machine| {
        (
            vec![machine.id.as_str(), source],
            count(machine.cpu_ns / 1_000_000),
        )
    });
    out.write(&f::VM_BPF_CPU_TIME_MS, times.collect::<Vec<_>>());
}
