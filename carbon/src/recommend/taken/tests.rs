use proptest::prelude::*;

use super::*;

/// Monday, 2026-08-03 00:00 UTC.
const MONDAY_S: i64 = 1_785_715_200;

fn hour(day: i32, of_day: i32) -> UtcHour {
    UtcHour::from_unix_seconds(MONDAY_S).plus_hours(day * DAY_H + of_day)
}

/// Advice of 500m to 250m that was told last on day 0.
fn told() -> Told {
    Told {
        resource: Resource::Cpu,
        asked: 500,
        advised: 250,
        last_told: hour(0, 0),
    }
}

fn used(asked: u64, joules: u64, cpu_s: u64) -> HourUse {
    HourUse {
        asked: Some(asked),
        energy: Joules::from_microjoules(joules * 1_000_000),
        cpu: CpuTime::from_microseconds(cpu_s * 1_000_000),
        provenance: Provenance::Measured,
    }
}

/// Whole days of hours, each day as `of` says.
fn days(numbers: std::ops::Range<i32>, of: impl Fn(i32) -> HourUse) -> Hours {
    let all = numbers.flat_map(|day| (0..DAY_H).map(move |of_day| (day, of_day)));
    all.map(|(day, of_day)| (hour(day, of_day), of(day)))
        .collect()
}

/// A request that moves to 250m at 10:00 of day 0: 100 J an hour before, after
/// it 90 J on working days and 80 J on the others.
fn moved(until_day: i32) -> Hours {
    let mut all = days(-14..until_day, |day| {
        let is_weekend = day.rem_euclid(7) >= 5;
        match (day >= 0, is_weekend) {
            (false, _) => used(500, 100, 40),
            (true, false) => used(250, 90, 39),
            (true, true) => used(250, 80, 39),
        }
    });
    for of_day in 0..10 {
        all.insert(hour(0, of_day), used(500, 100, 40));
    }
    all
}

#[test]
fn the_first_of_the_test_days_is_a_monday() {
    assert_eq!(hour(0, 0).to_string(), "2026-08-03T00:00Z");
    let day = jiff::civil::date(2026, 8, 3);
    assert_eq!(day.weekday(), jiff::civil::Weekday::Monday);
}

#[test]
fn advice_that_was_taken_is_measured_by_the_same_hours_of_the_same_weekdays() {
    let found = outcome(&told(), &moved(15));
    assert_eq!(found.state, State::Measured);
    assert_eq!(found.taken_at, Some(hour(0, 10)));
    assert_eq!((found.kept_until, found.asked_now), (None, Some(250)));
    // Two weeks and the ten hours of the day of the change.
    assert_eq!((found.days_before, found.days_after), (15, 15));
    let effect = found.effect.unwrap();
    assert_eq!(effect.before_per_hour.microjoules(), 100_000_000);
    // (5 * 90 + 2 * 80) / 7 joules.
    assert_eq!(effect.after_per_hour.microjoules(), 87_142_857);
    // Differences of -10 on five weekdays and -20 on two: s = 4.879500 J, t = 1.943180,
    // so 1.943180 * 4.879500 / sqrt(7) = 3.583764 J on each side.
    let change = effect.change_per_hour.map(EnergyChange::microjoules);
    assert_eq!(
        (change.low, change.value, change.high),
        (-16_440_907, -12_857_143, -9_273_379)
    );
    let cpu = (effect.cpu_before_per_hour, effect.cpu_after_per_hour);
    assert_eq!(
        (cpu.0.microseconds(), cpu.1.microseconds()),
        (40_000_000, 39_000_000)
    );
    assert_eq!(effect.weekdays, 7);
    assert_eq!(effect.change_per_hour.value.to_string(), "12.857 J less");
}

#[test]
fn six_days_are_too_early_and_the_seventh_is_not() {
    // The day of the change counts by its hours after it.
    for (until_day, state) in [
        (1, State::TakenTooEarly),
        (6, State::TakenTooEarly),
        (7, State::Measured),
    ] {
        let found = outcome(&told(), &moved(until_day));
        assert_eq!((found.state, found.taken_at), (state, Some(hour(0, 10))));
        assert_eq!(found.effect.is_some(), state == State::Measured);
        assert_eq!(found.days_after, u32::try_from(until_day).unwrap());
    }
}

#[test]
fn a_request_that_moved_some_of_the_way_is_told_as_that() {
    for (level, state) in [
        (500, State::NotTaken),
        (600, State::NotTaken),
        (451, State::NotTaken),
        (450, State::PartlyTaken),
        (301, State::PartlyTaken),
        (300, State::TakenTooEarly),
        (100, State::TakenTooEarly),
    ] {
        let hours = days(0..2, |_| used(level, 100, 40));
        let found = outcome(&told(), &hours);
        assert_eq!(
            (found.state, found.asked_now),
            (state, Some(level)),
            "{level}"
        );
    }
    assert_eq!(outcome(&told(), &Hours::new()), Outcome::NOT_TAKEN);
}

/// An advised request so near to the old one that a tenth covers both.
#[test]
fn a_request_that_stayed_is_never_taken_however_near_it_was() {
    let near = Told {
        asked: 100,
        advised: 95,
        ..told()
    };
    for (level, state) in [(100, State::NotTaken), (97, State::TakenTooEarly)] {
        let hours = days(0..2, |_| used(level, 100, 40));
        assert_eq!(outcome(&near, &hours).state, state, "{level}");
    }
}

#[test]
fn a_change_after_the_deadline_is_nobodys_following() {
    let late = |day| {
        days(-14..30, |one| {
            used(if one < day { 500 } else { 250 }, 100, 40)
        })
    };
    assert_eq!(outcome(&told(), &late(3)).taken_at, Some(hour(3, 0)));
    let found = outcome(&told(), &late(4));
    assert_eq!((found.state, found.taken_at), (State::NotTaken, None));
}

/// What follows a request that went back is no effect of the advice.
#[test]
fn a_request_that_goes_back_ends_the_comparison() {
    let mut hours = moved(15);
    for (at, one) in &mut hours {
        if *at >= hour(9, 5) {
            *one = used(500, 1_000, 40);
        }
    }
    let found = outcome(&told(), &hours);
    assert_eq!(found.kept_until, Some(hour(9, 5)));
    assert_eq!((found.state, found.asked_now), (State::Measured, Some(500)));
    let effect = found.effect.unwrap();
    assert!(effect.after_per_hour < effect.before_per_hour, "{effect:?}");
    assert!(found.is_final(&told(), hour(15, 0)));
}

#[test]
fn what_can_still_change_is_not_final() {
    let taken = outcome(&told(), &moved(15));
    assert!(!taken.is_final(&told(), hour(28, 10)));
    assert!(taken.is_final(&told(), hour(28, 11)));
    assert!(!Outcome::NOT_TAKEN.is_final(&told(), hour(3, 23)));
    assert!(Outcome::NOT_TAKEN.is_final(&told(), hour(4, 0)));
    // The hours that are asked for reach over all of it, and no further back than the ledger's hours.
    let needed = told().needed();
    assert!(needed.from <= hour(-28, 0) && needed.until >= hour(32, 1));
    assert!(needed.hour_count() <= 62 * 24);
}

/// Made-up energy after a measured one makes the comparison a made-up one.
#[test]
fn the_worst_provenance_of_either_side_is_told() {
    let mut hours = moved(15);
    let one = hours.get_mut(&hour(12, 3)).unwrap();
    one.provenance = Provenance::Simulated;
    let effect = outcome(&told(), &hours).effect.unwrap();
    assert_eq!(effect.provenance, Provenance::Simulated);
}

#[test]
fn quantities_are_written_as_kubernetes_reads_them() {
    assert_eq!(Resource::Cpu.quantity(250), "250m");
    assert_eq!(Resource::Memory.quantity(512 << 20), "512Mi");
    assert_eq!(Resource::Memory.quantity((512 << 20) + 1), "536870913");
    assert_eq!(Resource::named("memory"), Some(Resource::Memory));
    assert_eq!(Resource::named("disk"), None);
}

fn any_hours() -> impl Strategy<Value = Hours> {
    let one = (
        -700..800_i32,
        prop::option::of(0..700_u64),
        0..1_u64 << 40,
        0..1_u64 << 33,
    );
    prop::collection::vec(one, 0..1_500).prop_map(|all| {
        let of = |(at, asked, energy_uj, cpu_us)| {
            let used = HourUse {
                asked,
                energy: Joules::from_microjoules(energy_uj),
                cpu: CpuTime::from_microseconds(cpu_us),
                provenance: Provenance::Modelled,
            };
            (hour(0, at), used)
        };
        all.into_iter().map(of).collect()
    })
}

proptest! {
    #[test]
    fn whatever_the_hours_bounds_hold_the_value_and_figures_add_up(hours in any_hours()) {
        let found = outcome(&told(), &hours);
        prop_assert_eq!(found.effect.is_some(), found.state == State::Measured);
        if let Some(effect) = found.effect {
            let change = effect.change_per_hour;
            prop_assert!(change.low <= change.value && change.value <= change.high);
            let before = i64::try_from(effect.before_per_hour.microjoules()).unwrap();
            let after = i64::try_from(effect.after_per_hour.microjoules()).unwrap();
            prop_assert_eq!(change.value.microjoules(), after - before);
            prop_assert!(found.days_before >= DAYS_MIN && found.days_after >= DAYS_MIN);
        }
    }

    /// A week has the same shape before and after: whatever it is, a constant
    /// difference is found without error.
    #[test]
    fn a_constant_difference_is_found_whatever_the_shape_of_a_week(
        shape in prop::collection::vec(200..9_000_u64, 168),
        less in 0..200_u64,
    ) {
        let of = |at: i32| {
            let slot = usize::try_from(at.rem_euclid(168)).unwrap();
            let (asked, less) = if at < 0 { (500, 0) } else { (250, less) };
            (hour(0, at), used(asked, shape[slot] - less, 1))
        };
        let hours: Hours = (-14 * DAY_H..15 * DAY_H).map(of).collect();
        let effect = outcome(&told(), &hours).effect.unwrap();
        let change = effect.change_per_hour.map(EnergyChange::microjoules);
        let wanted = -i64::try_from(less * 1_000_000).unwrap();
        for found in [change.low, change.value, change.high] {
            prop_assert!(found.abs_diff(wanted) <= 3, "{} {}", found, wanted);
        }
    }

    /// Whether it was taken does not depend on what was used.
    #[test]
    fn energy_never_decides_whether_advice_was_taken(hours in any_hours()) {
        let mut others = hours.clone();
        for one in others.values_mut() {
            one.energy = Joules::ZERO;
        }
        let (one, other) = (outcome(&told(), &hours), outcome(&told(), &others));
        prop_assert_eq!((one.state, one.taken_at, one.kept_until), (other.state, other.taken_at, other.kept_until));
    }
}
