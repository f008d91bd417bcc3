//! A year that was rolled up is the year that it was: an account of it is the
//! same to the last nanogram. It was not: days were kept as one sum each and
//! priced at the intensity of their first hour.

use std::collections::BTreeSet;
use std::sync::Arc;

use tanso_carbon::account::{self, Account as Sum, Coverage, EnergyRow, Place};
use tanso_carbon::{FacilityPue, Pue, PueEvidence};
use tanso_intensity::IntensityProvider as _;
use tanso_intensity::bundled::Bundled;

use super::super::node_places::PlaceNumbers;
use super::super::query::{Fold, HourRow, Snapshot};
use super::*;

/// The first hour of a UTC day.
const FIRST: i64 = START / 86_400 * 86_400;

/// Days over which records are spread.
const DAYS: i64 = 120;

#[derive(Clone, Debug)]
struct Use {
    minute: i64,
    account: u8,
    energy_uj: u64,
    provenance: Provenance,
    caught_up: bool,
}

fn used() -> impl Strategy<Value = Use> {
    let provenance = prop_oneof![Just(Provenance::Measured), Just(Provenance::Modelled)];
    // Few days, so that many records share an hour and a day.
    let minute = (0..DAYS / 10, 0..1_440_i64).prop_map(|(day, minute)| day * 10 * 1_440 + minute);
    (
        minute,
        0..5_u8,
        0..9_000_000_000_000_u64,
        provenance,
        any::<bool>(),
    )
        .prop_map(|(minute, account, energy_uj, provenance, caught_up)| Use {
            minute,
            account,
            energy_uj,
            provenance,
            caught_up,
        })
}

fn page_of(node: &str, uses: &[Use], after: u64) -> Page {
    let records = (after + 1..).zip(uses).map(|(sequence, one)| Record {
        sequence,
        minute: FIRST + 60 * one.minute,
        account: match one.account {
            0 => Account::Idle,
            n => Account::Container {
                pod_uid: format!("pod-{n}"),
                container_id: "c".to_owned(),
            },
        },
        names: Names::default(),
        energy_uj: Estimate {
            low: Joules::from_microjoules(one.energy_uj / 2),
            value: Joules::from_microjoules(one.energy_uj),
            high: Joules::from_microjoules(one.energy_uj / 2 * 3),
        },
        cpu_us: one.energy_uj / 1_000,
        provenance: one.provenance,
        model: None,
        caught_up: one.caught_up,
        memory_peak_bytes: None,
    });
    let records: Vec<_> = records.collect();
    Page {
        node: node.to_owned(),
        journal: JOURNAL,
        next_sequence: records.last().map_or(after, |record| record.sequence),
        records,
        closed_until: FIRST,
    }
}

/// A local year of Seoul, which begins in the middle of a UTC day.
fn year() -> Period {
    let from = UtcHour::from_unix_seconds(FIRST).plus_hours(15);
    Period {
        from,
        until: from.plus_hours(24 * 366),
    }
}

fn knows(names: &PodNames) -> bool {
    names.uid != "pod-4"
}

/// A node that stays, and one whose name comes again elsewhere: on a day that is rolled up, or
/// within the hours that are summed while they are read.
fn place_of(node: &str) -> PlaceNumbers {
    let first = UtcHour::from_unix_seconds(FIRST);
    match node {
        "n2" => PlaceNumbers::from(1),
        _ => PlaceNumbers {
            first: 0,
            later: vec![
                (first.plus_hours(24 * 20 + 7), 1),
                (first.plus_hours(24 * 30), 0),
            ],
        },
    }
}

fn read(ledger: &mut rusqlite::Connection, before: Option<UtcHour>) -> Snapshot {
    let fold = before.map(|before| Fold {
        before,
        counts: &knows,
        place_of: &place_of,
    });
    let mut found = query::folded(ledger, &Scope::All, year(), fold.as_ref()).unwrap();
    found.rows.sort_by_key(|row| format!("{row:?}"));
    found
}

fn account_of(rows: &[EnergyRow]) -> Sum {
    let korea = Bundled.load("KR", 2026).unwrap();
    let germany = Bundled.load("DE", 2026).unwrap();
    let pue = Pue::try_new(1.37).unwrap();
    let pue = FacilityPue::annual(pue, PueEvidence::Certificate, "test");
    let places = [&korea, &germany].map(|grid| Place::new(&*grid.series, Some(&pue)));
    account::account(rows, &places, Coverage::new(1, 1))
}

fn rows_of(found: &[HourRow], counts: impl Fn(&LedgerAccount) -> bool) -> Vec<EnergyRow> {
    let counted = found.iter().filter(|row| counts(&row.account));
    counted
        .map(|row| EnergyRow {
            hour: row.hour,
            place: place_of(&row.node).at(row.hour),
            energy: row.energy,
            provenance: row.provenance,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_account_of_a_year_is_the_same_before_and_after_the_roll_up(
        early in prop::collection::vec(used(), 1..60),
        late in prop::collection::vec(used(), 0..20),
        kept_days in 1_u32..110,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| open_file(&folder.path().join(name)).unwrap();
        let (mut whole, mut rolled) = (open("whole.db"), open("rolled.db"));
        let names: Vec<_> = (1..5).map(|n| PodNames {
            uid: format!("pod-{n}"),
            ..PodNames::default()
        }).collect();
        let retention = Retention { hourly_days: kept_days, ..Retention::default() };
        let now = Timestamp::from_second(FIRST + DAYS * 86_400).unwrap();
        for ledger in [&mut whole, &mut rolled] {
            names::keep(ledger, &names, now).unwrap();
            book(ledger, &page_of("n1", &early, 0), now).unwrap();
            book(ledger, &page_of("n2", &early, 0), now).unwrap();
        }
        roll_up(&mut rolled, retention, now).unwrap();
        // What comes late for a day that was rolled up already is added to it.
        let after = u64::try_from(early.len()).unwrap();
        for ledger in [&mut whole, &mut rolled] {
            book(ledger, &page_of("n1", &late, after), now).unwrap();
        }
        roll_up(&mut rolled, retention, now).unwrap();
        prop_assert!(verify::verify(&mut rolled).unwrap().sound);

        let (before, then) = (read(&mut whole, None), read(&mut rolled, None));
        prop_assert_eq!(&before.rows, &then.rows);
        prop_assert_eq!(&before.node_hours, &then.node_hours);
        prop_assert_eq!(&before.node_first, &then.node_first);
        prop_assert_eq!(&before.node_idle, &then.node_idle);
        let all = |found: &Snapshot| account_of(&rows_of(&found.rows, |_| true));
        prop_assert_eq!(all(&before), all(&then));

        // Summed while reading, only what the rounding of each row's grams
        // comes to is different: half a nanogram a row.
        let cut = year().from.plus_hours(24 * 40);
        let (one, other) = (read(&mut whole, Some(cut)), read(&mut rolled, Some(cut)));
        prop_assert_eq!(&one.earlier, &other.earlier);
        prop_assert_eq!(&one.rows, &other.rows);
        let counted = |account: &LedgerAccount| {
            matches!(account, LedgerAccount::Pod(uid) if &**uid != "pod-4")
        };
        let mut folded = one.earlier.clone();
        folded.extend(rows_of(&one.rows, counted));
        let (folded, plain) = (account_of(&folded), account_of(&rows_of(&before.rows, counted)));
        prop_assert_eq!(folded.it_energy, plain.it_energy);
        let apart = folded.emissions.value.nanograms().abs_diff(plain.emissions.value.nanograms());
        prop_assert!(apart <= u128::try_from(before.rows.len()).unwrap(), "{} ng", apart);
        let hours: BTreeSet<_> = one.rows.iter().map(|row| row.hour).collect();
        prop_assert!(hours.iter().all(|hour| *hour >= cut));
    }
}

#[test]
fn a_day_that_an_earlier_version_rolled_up_is_priced_at_the_mean_of_its_hours() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let day = FIRST / 3_600 + 24;
    ledger
        .execute_batch(&format!(
            "INSERT INTO nodes VALUES (1, 'n1');
             INSERT INTO accounts VALUES (1, 'pod', 'pod-1');
             INSERT INTO models VALUES (1, '');
             INSERT INTO days VALUES ({day}, 1, 1, 0, 1, 0, 240000001, 480000003, 720000005, 99, 1440, NULL);
             INSERT INTO days VALUES ({0}, 1, 1, 0, 1, 0, 1, 2, 3, 4, 90, NULL);
             INSERT INTO node_days VALUES (1, {day}, 16777215), (1, {0}, 3);",
            day + 24
        ))
        .unwrap();
    let found = query::snapshot(&mut ledger, &Scope::All, year()).unwrap();
    let hours = &found.node_hours[&Arc::<str>::from("n1")];
    assert_eq!(hours.len(), 24 + 2, "{hours:?}");
    let sum: u64 = found
        .rows
        .iter()
        .map(|row| row.energy.value.microjoules())
        .sum();
    assert_eq!(sum, 480_000_005);
    let first = UtcHour::from_unix_seconds(day * 3_600);
    assert_eq!(found.node_first[&Arc::<str>::from("n1")], first);
    let korea = Bundled.load("KR", 2026).unwrap();
    let mean: u64 = (0..24)
        .map(|hour| {
            let point = korea.series.at(first.plus_hours(hour)).unwrap();
            u64::from(point.intensity.value.micrograms_per_kwh())
        })
        .sum::<u64>()
        / 24;
    let of_day: Vec<_> = rows_of(&found.rows, |_| true)
        .into_iter()
        .filter(|row| row.hour < first.plus_hours(24))
        .collect();
    let effective = account_of(&of_day).effective_intensity().unwrap().value;
    let apart = u64::from(effective.micrograms_per_kwh()).abs_diff(mean);
    assert!(apart < 1_000, "{effective}, the mean is {mean} ug/kWh");
}
