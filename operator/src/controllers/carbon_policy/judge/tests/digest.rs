//! What the digest of all inputs depends on, and that the order in which they
//! were read is no part of it.

use proptest::prelude::*;

use super::*;
use crate::ledger::AdviceRow;

/// A snapshot in which nothing is empty.
fn all_known() -> Snapshot {
    let mut all = with_memory();
    all.cpu_days = idle_days(2);
    all.advice = super::outcomes::followed();
    all.earlier = vec![EnergyRow {
        hour: hour().plus_hours(-48),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(7)),
        provenance: Provenance::Measured,
    }];
    // Of an hour before the window, as no fold leaves any.
    all.rows.push(HourRow {
        hour: hour().plus_hours(-48),
        ..row(pod("a1"), 3_000_000, Provenance::Measured)
    });
    all
}

fn digest_of(snapshot: &Snapshot) -> String {
    let (_, found) = evaluate(&spec(IntensitySource::Static), snapshot);
    found.inputs_digest.to_string()
}

type Change = fn(&mut Snapshot);

/// Of the first row, which is a pod's, of one of an account and of the last,
/// which is outside of the window.
const OF_ROWS: [(&str, fn(&mut HourRow)); 9] = [
    ("hour", |row| row.hour = row.hour.plus_hours(-1)),
    ("node", |row| row.node = Arc::from("n2")),
    ("account", |row| row.account = pod("a9")),
    ("provenance", |row| row.provenance = Provenance::Simulated),
    ("low", |row| row.energy.low = Joules::from_microjoules(1)),
    ("value", |row| {
        row.energy.value = row.energy.value + Joules::from_microjoules(1);
    }),
    ("high", |row| {
        row.energy.high = row.energy.high + Joules::from_microjoules(1);
    }),
    ("cpu", |row| row.cpu_us += 1),
    ("minutes", |row| row.minutes += 1),
];

const OF_PARTS: [(&str, Change); 22] = [
    ("a row less", |all| drop(all.rows.pop())),
    ("a row twice", |all| all.rows.push(all.rows[0].clone())),
    ("a name", |all| {
        all.pods.get_mut("a1").unwrap().workload_name.push('x')
    }),
    ("a pod less", |all| drop(all.pods.remove("a1"))),
    ("earlier hour", |all| all.earlier[0].hour = hour()),
    ("earlier place", |all| all.earlier[0].place = 1),
    ("earlier provenance", |all| {
        all.earlier[0].provenance = Provenance::Modelled
    }),
    ("earlier energy", |all| {
        all.earlier[0].energy.high = Joules::from_microjoules(8)
    }),
    ("CPU day", |all| {
        let days = all.cpu_days.values_mut().next().unwrap();
        let (day, seen) = days.pop_first().unwrap();
        days.insert(day.plus_hours(-240), seen);
    }),
    ("CPU minutes", |all| of_cpu(all).minutes += 1),
    ("CPU most", |all| of_cpu(all).most_microcores += 1),
    ("CPU bucket", |all| of_cpu(all).seconds[0].0 += 1),
    ("CPU seconds", |all| of_cpu(all).seconds[0].1 += 1),
    ("memory peak", |all| of_memory(all).peak_bytes += 1),
    ("memory minutes", |all| of_memory(all).minutes += 1),
    ("memory kill", |all| of_memory(all).killed_with = Some(0)),
    ("memory told", |all| drop(all.memory_told.pop_first())),
    ("advice asked", |all| all.advice[0].told.asked += 1),
    ("advice container", |all| all.advice[0].container.push('x')),
    ("advice saving", |all| {
        all.advice[0].saving_mg_per_day.low -= 1
    }),
    ("advice outcome", |all| all.advice[0].outcome = None),
    ("advice final", |all| {
        let AdviceRow { is_final, .. } = &mut all.advice[0];
        *is_final = !*is_final;
    }),
];

fn of_cpu(all: &mut Snapshot) -> &mut CpuDay {
    let days = all.cpu_days.values_mut().next().unwrap();
    days.values_mut().next().unwrap()
}

fn of_memory(all: &mut Snapshot) -> &mut MemoryDay {
    let days = all.memory.values_mut().next().unwrap();
    days.values_mut().next().unwrap()
}

#[test]
fn whatever_is_another_makes_another_digest() {
    let whole = all_known();
    let mut digests = BTreeMap::from([(digest_of(&whole), "none".to_owned())]);
    let mut note = |what: String, changed: &Snapshot| {
        if let Some(before) = digests.insert(digest_of(changed), what.clone()) {
            panic!("{what} as {before}");
        }
    };
    let last = whole.rows.len() - 1;
    for index in [0, 5, last] {
        for (what, change) in OF_ROWS {
            let mut changed = whole.clone();
            change(&mut changed.rows[index]);
            note(format!("{what} of row {index}"), &changed);
        }
    }
    for (what, change) in OF_PARTS {
        let mut changed = whole.clone();
        change(&mut changed);
        note(what.to_owned(), &changed);
    }
}

/// Rows of few hours, nodes and accounts, so that many are alike.
fn rows() -> impl Strategy<Value = Vec<HourRow>> {
    let accounts = prop::sample::select(vec!["a1", "a2", "j1", "ghost", "idle", "system"]);
    let row = (
        -30..1_i32,
        0..3_u8,
        accounts,
        0..2_usize,
        0..3_u64,
        0..3_u64,
    );
    let row = row.prop_map(|(ago, node, account, provenance, value, more)| HourRow {
        hour: hour().plus_hours(ago),
        node: Arc::from(format!("n{node}")),
        account: match account {
            "idle" => LedgerAccount::Named("idle"),
            "system" => LedgerAccount::Named("system"),
            uid => pod(uid),
        },
        provenance: Provenance::ALL[provenance],
        energy: Estimate {
            low: value,
            value,
            high: value + more / 2,
        }
        .map(|energy| Joules::from_microjoules(energy * 1_000_000_007)),
        cpu_us: more,
        minutes: value,
    });
    prop::collection::vec(row, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Names that are one text for all rows, and names that are not.
    #[test]
    fn the_order_of_rows_is_no_matter_and_none_is_lost(
        rows in rows(), shuffled in any::<prop::sample::Index>(), seed: u64,
    ) {
        let mut seen = all_known();
        seen.rows = rows;
        let policy = policy(&spec(IntensitySource::Bundled), &Observed::default());
        let found = judged(&policy, &seen, &Cluster);
        let mut other = seen.clone();
        let turn = shuffled.index(seen.rows.len() + 1);
        other.rows.rotate_left(turn);
        other.rows.sort_by_key(|row| (row.cpu_us ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut texts: HashSet<Arc<str>> = HashSet::new();
        let mut shared = |text: &mut Arc<str>| {
            if let Some(known) = texts.get(text) {
                *text = Arc::clone(known);
            }
            texts.insert(Arc::clone(text));
        };
        for row in &mut other.rows {
            shared(&mut row.node);
            if let LedgerAccount::Pod(uid) = &mut row.account {
                shared(uid);
            }
        }
        let again = judged(&policy, &other, &Cluster);
        prop_assert_eq!(&found.inputs_digest, &again.inputs_digest);
        prop_assert_eq!(format!("{found:?}"), format!("{again:?}"));
        let until = hour().plus_hours(1);
        let of_window = seen.rows.iter().filter(|row| row.hour >= until.plus_hours(-24));
        let energy: i64 = of_window.map(|row| i64::try_from(row.energy.value.microjoules()).unwrap()).sum();
        let accounts: i64 = found.unallocated.iter().map(|one| one.energy_microjoules).sum();
        let workloads = found.workloads.iter().map(|one| one.figures.energy_microjoules.value);
        prop_assert_eq!(workloads.sum::<i64>() + accounts, energy);
        prop_assert_eq!(found.totals.energy_microjoules.value + accounts, energy);
    }
}
