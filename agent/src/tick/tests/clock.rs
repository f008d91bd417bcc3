//! Clocks that are wrong for a while.

use super::*;

/// Every record, page by page: numbers may be missing between them.
fn pages(cycle: &Cycle) -> Vec<Record> {
    let (mut records, mut since) = (Vec::new(), None);
    loop {
        let page = cycle.parts.journal.page(since.as_ref(), 1_000).unwrap();
        records.extend(page.records);
        if page.next.sequence == page.last_sequence {
            return records;
        }
        since = Some(page.next);
    }
}

/// Set back by hand, by mistake: readers have the minutes from now on already.
#[test]
fn a_clock_that_nobody_keeps_takes_no_record_back() {
    let mut node = Node::new();
    node.clock_is_kept = false;
    let mut cycle = node.start();
    let run = |node: &mut Node, cycle: &mut Cycle| {
        for _ in 0..20 {
            node.pass(30_000);
            cycle.tick(node.now);
        }
    };
    run(&mut node, &mut cycle);
    let told = pages(&cycle);
    assert!(!told.is_empty());
    node.now.unix_ms -= 3 * 3_600_000;
    run(&mut node, &mut cycle);
    assert_eq!(pages(&cycle), told);
    node.now.unix_ms += 3 * 3_600_000;
    run(&mut node, &mut cycle);
    let after = pages(&cycle);
    assert!(after.starts_with(&told) && after.len() > told.len());
    assert!(after.is_sorted_by_key(|record| record.minute));
}

/// A node whose clock was a day ahead had no new minutes for a day, and the
/// operator took none of its pages.
#[test]
fn what_a_clock_told_of_days_to_come_is_told_in_its_hours_once_it_is_right() {
    const DAY_MS: i64 = 86_400_000;
    let mut node = Node::new();
    let mut cycle = node.start();
    let run = |node: &mut Node, cycle: &mut Cycle, minutes: u64| {
        for _ in 0..minutes * 2 {
            node.pass(30_000);
            cycle.tick(node.now);
        }
    };
    run(&mut node, &mut cycle, 10);
    let begin_s = BEGIN_MS / 1_000;
    for restarts in [false, true] {
        node.now.unix_ms += DAY_MS;
        run(&mut node, &mut cycle, 90);
        assert!(cycle.parts.journal.closed_until() > node.now.unix_ms / 1_000 - 120);
        node.now.unix_ms -= DAY_MS;
        if restarts {
            drop(cycle);
            cycle = node.start();
        }
        run(&mut node, &mut cycle, 5);
        let now_s = node.now.unix_ms / 1_000;
        let closed_until = cycle.parts.journal.closed_until();
        assert!(
            (now_s - 120..=now_s).contains(&closed_until),
            "{closed_until}"
        );
        let records = pages(&cycle);
        assert!(records.iter().all(|record| record.minute < now_s));
        assert!(
            records
                .iter()
                .all(|record| record.minute >= begin_s - 3_600)
        );
        assert!(records.is_sorted_by(|a, b| a.sequence < b.sequence));
        // All energy is in a record, but for the minute that is open.
        let total = cycle.state.books.total();
        let told = total_of(&records);
        let open = total.saturating_sub(told);
        assert!(told <= total && open.microjoules() <= WATTS * 90 * 1_000_000);
        assert!(records.iter().any(|record| record.caught_up));
    }
    // Killed and begun anew, all that was told stays as it was.
    let before = pages(&cycle);
    drop(cycle);
    assert!(pages(&node.start()).starts_with(&before));
}
