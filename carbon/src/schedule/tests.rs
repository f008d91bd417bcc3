use super::*;

fn grams(values: &[f64]) -> Vec<Intensity> {
    values
        .iter()
        .map(|value| Intensity::try_from_grams_per_kwh(*value).unwrap())
        .collect()
}

fn hour_job(hours: u32) -> Job {
    Job::flat(
        hours * 3_600,
        Joules::from_microjoules(u64::from(hours) * 3_600_000_000_000),
    )
    .unwrap()
}

fn curve(values: &[f64]) -> CostCurve {
    CostCurve::try_new(Timestamp::UNIX_EPOCH, 3_600, &grams(values)).unwrap()
}

#[test]
fn of_equal_windows_the_earliest_wins() {
    let found = curve(&[300.0, 200.0, 300.0, 200.0]).best(&hour_job(1), 0, 9 * 3_600, 3);
    let starts: Vec<_> = found.iter().map(|slot| slot.start_s / 3_600).collect();
    assert_eq!(starts, [1, 3, 0]);
}

#[test]
fn a_job_shorter_than_a_step_starts_anywhere_within() {
    let ten_minutes = Job::flat(600, Joules::from_microjoules(600_000_000)).unwrap();
    let found = curve(&[300.0, 100.0, 300.0]).best(&ten_minutes, 1_234, 9_000, 1);
    assert_eq!(found[0].start_s, 3_600);
    // From within the cheap hour it starts at once.
    assert_eq!(
        curve(&[300.0, 100.0]).best(&ten_minutes, 4_000, 9_000, 1)[0].start_s,
        4_000
    );
}

#[test]
fn the_energy_of_a_job_is_laid_where_it_is_used() {
    let kwh = Joules::from_microjoules(3_600_000_000_000);
    let late = Job::of_segments(vec![(3_600, Joules::ZERO), (3_600, kwh)]).unwrap();
    let curve = curve(&[100.0, 500.0, 300.0]);
    assert_eq!(curve.emissions(&late, 0).unwrap().whole_grams(), 500);
    assert_eq!(curve.best(&late, 0, 9_000, 1)[0].start_s, 3_600);
}

#[test]
fn what_leaves_the_curve_is_no_window() {
    let curve = curve(&[100.0, 200.0]);
    assert_eq!(curve.best(&hour_job(3), 0, 3_600, 1), []);
    assert_eq!(curve.emissions(&hour_job(1), 2 * 3_600), None);
    assert_eq!(curve.emissions(&hour_job(1), -1), None);
    assert!(CostCurve::try_new(Timestamp::UNIX_EPOCH, 3_600, &[]).is_none());
    assert!(Job::flat(0, Joules::ZERO).is_none());
}

#[test]
fn a_costly_restart_keeps_a_job_together() {
    let slots = grams(&[100.0, 300.0, 110.0, 130.0]);
    let free = interruptible(&slots, 2, 0).unwrap();
    assert_eq!((free.slots, free.restarts), (vec![0, 2], 1));
    let costly = interruptible(&slots, 2, 500).unwrap();
    assert_eq!((costly.slots, costly.restarts), (vec![2, 3], 0));
    assert_eq!(interruptible(&slots, 5, 0), None);
}
