//! From a snapshot to families, in the order of the table of families.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families::{self as f, Family, Kind};
use tanso_power::{Joules, Provenance};

use crate::books::AccountBook;
use crate::processors::Processor;
use crate::snapshot::Snapshot;

/// A snapshot that can be written as metrics.
#[derive(Debug)]
pub(super) struct Exposition {
    pub(super) node: Arc<str>,
    pub(super) processors: Arc<[Processor]>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
}

/// One sample: label values in the family's order, without the node's name.
type Sample<'a> = (Vec<&'a str>, f64);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Writer {
            encoder: &mut encoder,
            node: &self.node,
        };
        self.program(&mut out)?;
        let Some(snapshot) = &self.snapshot else {
            return Ok(());
        };
        node(snapshot, &mut out)?;
        containers(snapshot, &mut out)?;
        pods(snapshot, &mut out)?;
        accounts(snapshot, &mut out)?;
        meters(snapshot, &mut out)?;
        work(snapshot, &mut out)
    }
}

impl Exposition {
    fn program(&self, out: &mut Writer<'_, '_>) -> fmt::Result {
        let revision = option_env!("TANSO_REVISION").unwrap_or("");
        let build = vec![
            std::env::consts::ARCH,
            "",
            revision,
            env!("CARGO_PKG_VERSION"),
            "",
        ];
        out.write(&f::BUILD_INFO, [(build, 1.0)])?;
        out.write(
            &f::NODE_CPU_INFO,
            self.processors.iter().map(|processor| {
                let Processor {
                    number,
                    vendor,
                    model_name,
                    socket,
                    core,
                } = processor;
                (
                    vec![
                        number.as_str(),
                        vendor.as_str(),
                        model_name.as_str(),
                        socket.as_str(),
                        core.as_str(),
                    ],
                    1.0,
                )
            }),
        )
    }
}

fn node(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let zones = || {
        snapshot.books.zones.iter().map(|book| {
            (
                vec![book.zone.class.as_str(), book.zone.path.as_str()],
                book,
            )
        })
    };
    let elapsed = snapshot.elapsed;
    out.write(&f::NODE_JOULES, zones().map(|(l, b)| (l, joules(b.total))))?;
    let active = |all: Joules, idle: Joules| all.saturating_sub(idle);
    out.write(
        &f::NODE_ACTIVE_JOULES,
        zones().map(|(l, b)| (l, joules(active(b.total, b.idle)))),
    )?;
    out.write(
        &f::NODE_IDLE_JOULES,
        zones().map(|(l, b)| (l, joules(b.idle))),
    )?;
    out.write(
        &f::NODE_WATTS,
        zones().map(|(l, b)| (l, watts(b.last.0, elapsed))),
    )?;
    out.write(
        &f::NODE_ACTIVE_WATTS,
        zones().map(|(l, b)| (l, watts(active(b.last.0, b.last.1), elapsed))),
    )?;
    out.write(
        &f::NODE_IDLE_WATTS,
        zones().map(|(l, b)| (l, watts(b.last.1, elapsed))),
    )?;
    out.write(
        &f::NODE_USAGE_RATIO,
        [(vec![], snapshot.utilisation.ratio())],
    )
}

/// Containers with the label values that all their families share.
fn listed(snapshot: &Snapshot) -> Vec<(&AccountBook, [&str; 4], &str)> {
    let books = snapshot.books.accounts.iter();
    let rows = books.filter_map(|book| {
        let (pod, id) = match &book.account {
            Account::Container {
                pod_uid,
                container_id,
            } if !container_id.is_empty() => (pod_uid.as_str(), container_id.as_str()),
            Account::Standalone { container_id } => ("", container_id.as_str()),
            _ => return None,
        };
        let name = book.names.container.as_deref().unwrap_or("");
        Some((
            book,
            [
                id,
                name,
                book.runtime.as_str(),
                state(book.ended_ms.is_none()),
            ],
            pod,
        ))
    });
    rows.collect()
}

fn containers(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let rows = listed(snapshot);
    let zones = &snapshot.books.zones;
    let by_zone = |pick: fn(&AccountBook) -> &Vec<Joules>| {
        let rows = rows.iter();
        rows.flat_map(move |&(book, [id, name, runtime, state], pod)| {
            zones.iter().enumerate().map(move |(place, zone)| {
                let energy = pick(book).get(place).copied().unwrap_or_default();
                (
                    vec![id, name, runtime, state, zone.zone.class.as_str(), pod],
                    energy,
                )
            })
        })
    };
    out.write(
        &f::CONTAINER_JOULES,
        by_zone(|book| &book.energy).map(|(l, e)| (l, joules(e))),
    )?;
    let elapsed = snapshot.elapsed;
    out.write(
        &f::CONTAINER_WATTS,
        by_zone(|book| &book.last).map(|(l, e)| (l, watts(e, elapsed))),
    )?;
    out.write(
        &f::CONTAINER_SECONDS,
        rows.iter().map(|&(book, [id, name, runtime, state], pod)| {
            (vec![id, name, runtime, state, pod], seconds(book.cpu_ns))
        }),
    )
}

fn pods(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let mut running: BTreeMap<&str, bool> = BTreeMap::new();
    for book in &snapshot.books.accounts {
        if let Account::Container { pod_uid, .. } = &book.account {
            *running.entry(pod_uid.as_str()).or_default() |= book.ended_ms.is_none();
        }
    }
    let rows = || {
        snapshot.books.pods.iter().flat_map(|(uid, pod)| {
            let name = pod.name.as_deref().unwrap_or("");
            let namespace = pod.namespace.as_deref().unwrap_or("");
            let state = state(running.get(uid.as_str()).copied().unwrap_or(false));
            snapshot
                .books
                .zones
                .iter()
                .enumerate()
                .map(move |(place, zone)| {
                    let class = zone.zone.class.as_str();
                    (
                        vec![uid.as_str(), name, namespace, state, class],
                        pod,
                        place,
                    )
                })
        })
    };
    let at = |sums: &[Joules], place: usize| sums.get(place).copied().unwrap_or_default();
    out.write(
        &f::POD_JOULES,
        rows().map(|(l, pod, place)| (l, joules(at(&pod.energy, place)))),
    )?;
    let elapsed = snapshot.elapsed;
    out.write(
        &f::POD_WATTS,
        rows().map(|(l, pod, place)| (l, watts(at(&pod.last, place), elapsed))),
    )
}

fn accounts(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let books = &snapshot.books;
    let by_provenance = Provenance::ALL.iter().zip(books.by_provenance);
    out.write(
        &f::TOTAL_JOULES,
        by_provenance
            .filter(|(_, energy)| *energy > Joules::ZERO)
            .map(|(provenance, energy)| (vec![provenance.as_str()], joules(energy))),
    )?;
    let (low, high) = books.bounds;
    out.write(
        &f::TOTAL_BOUND_JOULES,
        [(vec!["low"], joules(low)), (vec!["high"], joules(high))],
    )?;
    let mut sums: BTreeMap<&str, (Joules, u64)> = BTreeMap::new();
    for book in &books.accounts {
        let sum = sums.entry(kind(&book.account)).or_default();
        sum.0 += book.total;
        sum.1 = sum.1.saturating_add(book.cpu_ns);
    }
    // Folded containers keep counting in their kind's sum.
    let folded: Joules = books.folded.values().copied().sum();
    let containers = sums.entry("container").or_default();
    containers.0 += folded;
    containers.1 = containers.1.saturating_add(books.folded_cpu_ns);
    out.write(
        &f::ACCOUNT_JOULES,
        sums.iter().map(|(&kind, sum)| (vec![kind], joules(sum.0))),
    )?;
    out.write(
        &f::ACCOUNT_SECONDS,
        sums.iter().map(|(&kind, sum)| (vec![kind], seconds(sum.1))),
    )?;
    out.write(
        &f::FOLDED_JOULES,
        books
            .folded
            .iter()
            .map(|(namespace, &energy)| (vec![namespace.as_str()], joules(energy))),
    )?;
    out.write(&f::CAUGHT_UP_JOULES, [(vec![], joules(books.caught_up))])
}

fn meters(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let origin = snapshot.origin.iter().map(|origin| {
        let model = origin.model.as_deref().unwrap_or("");
        (vec![origin.meter, origin.provenance.as_str(), model], 1.0)
    });
    out.write(&f::PROVENANCE_INFO, origin)?;
    let states = ["active", "standby", "disabled", "absent", "failed"];
    let reports = || snapshot.meters.iter();
    out.write(
        &f::METER_STATE,
        reports().flat_map(|report| {
            states.iter().map(move |&state| {
                (
                    vec![report.name, state],
                    f64::from(u8::from(report.state == state)),
                )
            })
        }),
    )?;
    out.write(
        &f::METER_FAILURES,
        reports().map(|report| (vec![report.name], count(report.failures))),
    )
}

fn work(snapshot: &Snapshot, out: &mut Writer<'_, '_>) -> fmt::Result {
    let work = &snapshot.work;
    out.write(&f::RUNG_INFO, [(vec![snapshot.rung.as_str()], 1.0)])?;
    let ratio = |(part, whole): (Duration, Duration)| {
        (!whole.is_zero()).then(|| (vec![], part.as_secs_f64() / whole.as_secs_f64()))
    };
    out.write(&f::COVERAGE_RATIO, ratio(work.covered))?;
    out.write(&f::CROSS_CHECK_RATIO, work.cross_check.and_then(ratio))?;
    out.write(
        &f::OVERFLOW_SECONDS,
        [(vec![], work.overflow.as_secs_f64())],
    )?;
    let losses = [
        ("overflow_booking", work.losses.overflow_bookings),
        ("storage_miss", work.losses.storage_misses),
        ("lost_race", work.losses.lost_races),
        ("ended_before_start", work.losses.ended_before_start),
        ("unreadable", work.losses.unreadable),
    ];
    out.write(
        &f::LOSSES,
        losses.map(|(event, number)| (vec![event], count(number))),
    )?;
    out.write(&f::CYCLES, [(vec![], count(work.cycles))])?;
    out.write(&f::CYCLE_SECONDS, [(vec![], work.spent.as_secs_f64())])?;
    out.write(&f::CYCLE_LAST_SECONDS, [(vec![], work.last.as_secs_f64())])?;
    out.write(
        &f::CYCLE_FAILURES,
        work.failures
            .iter()
            .map(|(&part, &number)| (vec![part], count(number))),
    )?;
    out.write(&f::AGENT_SECONDS, [(vec![], work.own_cpu.as_secs_f64())])?;
    out.write(
        &f::AGENT_BYTES,
        work.own_bytes.map(|bytes| (vec![], count(bytes))),
    )?;
    out.write(
        &f::JOURNAL_SEQUENCE,
        [(vec![], count(snapshot.last_sequence))],
    )?;
    out.write(&f::JOURNAL_BYTES, [(vec![], count(snapshot.journal_bytes))])?;
    let at_seconds = Duration::from_millis(snapshot.at_unix_ms.unsigned_abs()).as_secs_f64();
    out.write(&f::SNAPSHOT_TIME, [(vec![], at_seconds)])
}

/// Writes families.
struct Writer<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
    node: &'a str,
}

impl Writer<'_, '_> {
    fn write<'s>(
        &mut self,
        family: &Family,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) -> fmt::Result {
        // The encoder writes "_total" itself.
        let name = family.name.strip_suffix("_total").unwrap_or(family.name);
        let metric_type = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge | Kind::Info => MetricType::Gauge,
        };
        let mut metric = self
            .encoder
            .encode_descriptor(name, family.help, None, metric_type)?;
        for (mut values, value) in samples {
            if family.labels.last() == Some(&"node_name") {
                values.push(self.node);
            }
            debug_assert_eq!(values.len(), family.labels.len(), "{}", family.name);
            let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(values).collect();
            let labels = labels.as_slice();
            let mut sample = metric.encode_family(&labels)?;
            match family.kind {
                Kind::Counter => sample.encode_counter::<NoLabelSet, f64, u64>(&value, None)?,
                Kind::Gauge | Kind::Info => sample.encode_gauge(&value)?,
            }
        }
        Ok(())
    }
}

const fn kind(account: &Account) -> &'static str {
    match account {
        Account::Container { .. } | Account::Standalone { .. } => "container",
        Account::System => "system",
        Account::Kernel => "kernel",
        Account::Idle => "idle",
        Account::Overflow => "overflow",
    }
}

const fn state(running: bool) -> &'static str {
    if running { "running" } else { "terminated" }
}

fn joules(energy: Joules) -> f64 {
    energy.as_joules_f64()
}

fn watts(energy: Joules, elapsed: Duration) -> f64 {
    energy.over(elapsed).as_watts_f64()
}

fn seconds(cpu_ns: u64) -> f64 {
    Duration::from_nanos(cpu_ns).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "for display: exact up to 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}
