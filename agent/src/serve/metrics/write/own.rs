//! Our own families: accounts that add up, provenance, the agent's own work.

use std::collections::BTreeMap;
use std::time::Duration;

use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families as f;
use tanso_power::{Joules, Provenance};

use super::{count, joules, seconds};
use crate::books::AccountBook;
use crate::charges::KVM;
use crate::pmu::CounterState;
use crate::serve::metrics::exposition::{Out, classes};
use crate::snapshot::{PARTS, Snapshot, Work};

/// Writes all of them.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) {
    accounts(snapshot, out);
    meters(snapshot, out);
    counters(snapshot, out);
    work(snapshot, out);
}

fn accounts(snapshot: &Snapshot, out: &mut Out<'_>) {
    let books = &snapshot.books;
    let by_provenance = Provenance::ALL.iter().zip(books.by_provenance);
    out.write(
        &f::TOTAL_JOULES,
        by_provenance
            .filter(|(_, energy)| *energy > Joules::ZERO)
            .map(|(provenance, energy)| (vec![provenance.as_str()], joules(energy))),
    );
    let numbers: Vec<String> = snapshot
        .details
        .sockets
        .iter()
        .map(|(_, socket, _)| socket.to_string())
        .collect();
    let sockets = snapshot.details.sockets.iter().zip(&numbers);
    out.write(
        &f::SOCKET_JOULES,
        sockets.map(|((zone, _, energy), socket)| {
            (vec![zone.as_str(), socket.as_str()], joules(*energy))
        }),
    );
    let (low, high) = books.bounds;
    out.write(
        &f::TOTAL_BOUND_JOULES,
        [(vec!["low"], joules(low)), (vec!["high"], joules(high))],
    );
    let mut sums: BTreeMap<&str, (Joules, u64)> = BTreeMap::new();
    for book in &books.accounts {
        let sum = sums.entry(kind(book)).or_default();
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
    );
    out.write(
        &f::ACCOUNT_SECONDS,
        sums.iter().map(|(&kind, sum)| (vec![kind], seconds(sum.1))),
    );
    out.write(
        &f::FOLDED_JOULES,
        books
            .folded
            .iter()
            .map(|(namespace, &energy)| (vec![namespace.as_str()], joules(energy))),
    );
    out.write(&f::CAUGHT_UP_JOULES, [(vec![], joules(books.caught_up))]);
}

fn meters(snapshot: &Snapshot, out: &mut Out<'_>) {
    let origin = snapshot.origin.iter().map(|origin| {
        let model = origin.model.as_deref().unwrap_or("");
        (vec![origin.meter, origin.provenance.as_str(), model], 1.0)
    });
    out.write(&f::PROVENANCE_INFO, origin);
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
    );
    out.write(
        &f::IDLE_FLOOR,
        snapshot.details.floors.iter().map(|floor| {
            let labels = vec![floor.zone.as_str(), floor.basis.as_str()];
            (labels, floor.power.as_watts_f64())
        }),
    );
    let zones = &snapshot.books.zones;
    out.write(
        &f::ZONE_WEIGHT,
        classes(&snapshot.books)
            .into_iter()
            .filter_map(|(class, places)| {
                let mut weights = places
                    .iter()
                    .filter_map(|&place| zones.get(place)?.shared_by);
                Some((vec![class, weights.next()?.as_str()], 1.0))
            }),
    );
    out.write(
        &f::METER_SENSORS,
        reports().flat_map(|report| {
            report.sensors.iter().map(|(&(zone, figure), &number)| {
                let labels = vec![report.name, zone.as_str(), figure.as_str()];
                (labels, count(number))
            })
        }),
    );
    out.write(
        &f::METER_FAILURES,
        reports().map(|report| (vec![report.name], count(report.failures))),
    );
    out.write(
        &f::METER_REFUSALS,
        reports().flat_map(|report| {
            report
                .refusals
                .iter()
                .map(|(refusal, &number)| (vec![report.name, refusal.as_str()], count(number)))
        }),
    );
}

fn counters(snapshot: &Snapshot, out: &mut Out<'_>) {
    let figures = || snapshot.details.counters.iter();
    out.write(
        &f::COUNTER_STATE,
        figures().flat_map(|one| {
            CounterState::NAMES.iter().map(move |&state| {
                let is_in = one.report.state.as_str() == state;
                (vec![one.report.counter, state], f64::from(u8::from(is_in)))
            })
        }),
    );
    out.write(
        &f::COUNTER_RATIO,
        figures().filter_map(|one| Some((vec![one.report.counter], one.counted_ratio?))),
    );
}

fn work(snapshot: &Snapshot, out: &mut Out<'_>) {
    let work = &snapshot.work;
    out.write(&f::RUNG_INFO, [(vec![snapshot.rung.as_str()], 1.0)]);
    let ratio = |(part, whole): (Duration, Duration)| {
        (!whole.is_zero()).then(|| (vec![], part.as_secs_f64() / whole.as_secs_f64()))
    };
    out.write(&f::COVERAGE_RATIO, ratio(work.covered));
    out.write(&f::CROSS_CHECK_RATIO, work.cross_check.and_then(ratio));
    out.write(
        &f::OVERFLOW_SECONDS,
        [(vec![], work.overflow.as_secs_f64())],
    );
    let losses = [
        ("overflow_booking", work.losses.overflow_bookings),
        ("storage_miss", work.losses.storage_misses),
        ("lost_race", work.losses.lost_races),
        ("ended_before_start", work.losses.ended_before_start),
        ("unreadable", work.losses.unreadable),
        ("group_event_lost", work.losses.group_events_lost),
        ("process_overflow", work.losses.process_overflows),
        ("free_unseen", work.losses.frees_unseen),
        ("counter_gap", work.losses.counter_gaps),
    ];
    out.write(
        &f::LOSSES,
        losses.map(|(event, number)| (vec![event], count(number))),
    );
    programs(work, out);
    out.write(
        &f::CYCLE_INTERVAL,
        [(vec![], snapshot.elapsed.as_secs_f64())],
    );
    out.write(&f::CYCLES, [(vec![], count(work.cycles))]);
    out.write(&f::CYCLE_SECONDS, [(vec![], work.spent.as_secs_f64())]);
    out.write(&f::CYCLE_LAST_SECONDS, [(vec![], work.last.as_secs_f64())]);
    out.write(
        &f::CYCLE_FAILURES,
        PARTS.into_iter().map(|part| {
            let number = work.failures.get(part).copied();
            (vec![part], count(number.unwrap_or_default()))
        }),
    );
    out.write(&f::AGENT_SECONDS, [(vec![], work.own_cpu.as_secs_f64())]);
    out.write(
        &f::AGENT_BYTES,
        work.own_bytes.map(|bytes| (vec![], count(bytes))),
    );
    out.write(
        &f::JOURNAL_SEQUENCE,
        [(vec![], count(snapshot.last_sequence))],
    );
    out.write(&f::JOURNAL_BYTES, [(vec![], count(snapshot.journal_bytes))]);
    let at_seconds = Duration::from_millis(snapshot.at_unix_ms.unsigned_abs()).as_secs_f64();
    out.write(&f::SNAPSHOT_TIME, [(vec![], at_seconds)]);
}

/// What the programs in the kernel hold and cost.
fn programs(work: &Work, out: &mut Out<'_>) {
    let maps = || work.maps.iter();
    out.write(
        &f::MAP_ENTRIES,
        maps().map(|fill| (vec![fill.map], count(fill.entries))),
    );
    out.write(
        &f::MAP_ENTRIES_MAX,
        maps().map(|fill| (vec![fill.map], count(fill.entries_max))),
    );
    let programs = || work.programs.iter();
    out.write(
        &f::PROGRAM_RUNS,
        programs().map(|cost| (vec![cost.program], count(cost.runs))),
    );
    out.write(
        &f::PROGRAM_SECONDS,
        programs().map(|cost| (vec![cost.program], cost.time.as_secs_f64())),
    );
}

fn kind(book: &AccountBook) -> &'static str {
    match &book.account {
        Account::Standalone { .. } if book.runtime == KVM => "vm",
        Account::Container { .. } | Account::Standalone { .. } => "container",
        Account::System => "system",
        Account::Kernel => "kernel",
        Account::Idle => "idle",
        Account::Overflow => "overflow",
    }
}
