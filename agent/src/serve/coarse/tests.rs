use tanso_power::{Joules, Utilisation};

use super::*;
use crate::serve::metrics::tests::snapshot;

const STEP: Joules = Joules::from_microjoules(1_000_000);

fn resolution(window_s: u64) -> Resolution {
    Resolution {
        window: Duration::from_secs(window_s),
        step: STEP,
    }
}

/// Every energy of a snapshot, microjoules.
fn energies(snapshot: &Snapshot) -> Vec<u64> {
    let books = &snapshot.books;
    let zones = books
        .zones
        .iter()
        .flat_map(|zone| [zone.total, zone.idle, zone.last.0, zone.last.1]);
    let accounts = books.accounts.iter().flat_map(|book| {
        let all = book.energy.iter().chain(&book.last);
        all.copied().chain([book.total])
    });
    let pods = books.pods.values().flat_map(|pod| {
        let all = pod.energy.iter().chain(&pod.last);
        all.copied()
    });
    let sums = books.by_provenance.into_iter();
    zones
        .chain(accounts)
        .chain(pods)
        .chain(sums)
        .map(Joules::microjoules)
        .collect()
}

#[test]
fn no_figure_and_no_difference_is_finer_than_the_step() {
    let (mut before, mut now) = (snapshot(), snapshot());
    before.at_unix_ms -= 60_000;
    for book in &mut now.books.accounts {
        for energy in &mut book.energy {
            *energy += Joules::from_microjoules(1_234_567);
        }
    }
    let shown = coarse(Some(&before), &now, STEP);
    assert!(energies(&now).iter().any(|energy| energy % 1_000_000 != 0));
    for energy in energies(&shown) {
        assert_eq!(energy % 1_000_000, 0);
    }
    assert_eq!(shown.elapsed, Duration::from_mins(1));
    assert_eq!(shown.utilisation, Utilisation::IDLE);
}

#[test]
fn two_readers_within_a_window_see_the_same_however_they_time_it() {
    let coarse = Coarse::default();
    let mut early = snapshot();
    early.at_unix_ms = 120_000;
    let mut late = snapshot();
    late.at_unix_ms = 179_999;
    late.books.zones[0].total += STEP;
    let first = coarse.of(&Arc::new(early), resolution(60)).unwrap();
    let second = coarse.of(&Arc::new(late.clone()), resolution(60)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    late.at_unix_ms = 180_000;
    let next = coarse.of(&Arc::new(late), resolution(60)).unwrap();
    assert!(next.books.zones[0].total > first.books.zones[0].total);
}

#[test]
fn a_coarse_counter_never_falls() {
    let coarse = Coarse::default();
    let mut now = snapshot();
    let mut last = Joules::ZERO;
    for second in 0..200_u32 {
        now.at_unix_ms = i64::from(second) * 1_000;
        now.books.zones[0].total += Joules::from_microjoules(333_333);
        let shown = coarse.of(&Arc::new(now.clone()), resolution(60)).unwrap();
        let total = shown.books.zones[0].total;
        assert!(total >= last);
        last = total;
    }
    assert!(last > Joules::ZERO);
}
