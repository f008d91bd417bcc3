//! Direct figures against limits of the life cycle, and the other way round.

use super::*;

const KWH: Joules = Joules::from_microjoules(3_600_000_000_000);

fn limit_of(boundary: &str) -> Rule {
    rule(&format!(
        "kind: quotedTarget, metric: GridIntensity, op: AtMost, limit: 424, unit: gCO2eq/kWh, boundary: {boundary}"
    ))
}

/// A kilowatt-hour at each figure, metered at the facility.
fn sum_of(figures: &[(Boundary, f64)]) -> Account {
    let grids: Vec<_> = figures
        .iter()
        .map(|(boundary, grams)| {
            let info = SeriesInfo {
                boundary: *boundary,
                ..SeriesInfo::average_life_cycle("KR", "made")
            };
            let value = Intensity::try_from_grams_per_kwh(*grams).unwrap();
            StaticIntensity::new(info, Estimate::exact(value))
        })
        .collect();
    let places: Vec<_> = grids
        .iter()
        .map(|grid| Place {
            metering: Metering::Facility,
            ..Place::new(grid, None)
        })
        .collect();
    let row = |place| EnergyRow {
        hour: UtcHour::from_unix_seconds(0),
        place,
        energy: Estimate::exact(KWH),
        provenance: Provenance::Measured,
    };
    let rows: Vec<_> = (0..places.len()).map(row).collect();
    account(&rows, &places, Coverage::new(1, 1))
}

/// 357 g/kWh at the stack kept a limit of 424 that is about the life cycle, by
/// which the same grid had 418.
#[test]
fn figures_of_the_other_boundary_prove_one_side_of_a_limit_only() {
    use Boundary::{Direct, LifeCycle};
    let (low, high) = (356.6, 430.0);
    let open = (Verdict::Inconclusive, Reason::BoundaryDiffers);
    let mixed = (Verdict::Inconclusive, Reason::BoundariesMixed);
    let kept = (Verdict::Compliant, Reason::WithinLimit);
    let broken = (Verdict::NonCompliant, Reason::OverLimit);
    for (limit, figures, expected, said) in [
        (
            "LifeCycle",
            vec![(Direct, low)],
            open,
            "is direct and the limit life-cycle",
        ),
        (
            "LifeCycle",
            vec![(Direct, high)],
            broken,
            "life-cycle figures are no lower",
        ),
        ("LifeCycle", vec![(LifeCycle, low)], kept, ""),
        ("LifeCycle", vec![(LifeCycle, high)], broken, ""),
        (
            "Direct",
            vec![(LifeCycle, low)],
            kept,
            "direct figures are no higher",
        ),
        (
            "Direct",
            vec![(LifeCycle, high)],
            open,
            "is life-cycle and the limit direct",
        ),
        ("Direct", vec![(Direct, low)], kept, ""),
        ("Direct", vec![(Direct, high)], broken, ""),
        (
            "LifeCycle",
            vec![(Direct, low), (LifeCycle, low)],
            mixed,
            "is in part direct",
        ),
        (
            "LifeCycle",
            vec![(Direct, high), (LifeCycle, high)],
            broken,
            "is in part direct",
        ),
        (
            "Direct",
            vec![(Direct, low), (LifeCycle, low)],
            kept,
            "is in part life-cycle",
        ),
        (
            "Direct",
            vec![(Direct, high), (LifeCycle, high)],
            mixed,
            "is in part life-cycle",
        ),
    ] {
        let found = verdict(&limit_of(limit), &sum_of(&figures));
        let what = &found.message;
        assert_eq!((found.verdict, found.reason), expected, "{what}");
        assert_eq!(
            what.contains("; the intensity is "),
            !said.is_empty(),
            "{what}"
        );
        assert!(what.contains(said), "{what}");
        // It is not the bounds that leave it open.
        assert!(!what.contains("lies within the bounds"), "{what}");
    }
    // A rule that does not say which it means is judged by what there is.
    let silent = verdict(&target_424(), &sum_of(&[(Direct, low)]));
    assert_eq!((silent.verdict, silent.reason), kept);
}

#[test]
fn a_budget_may_name_its_boundary_too() {
    let budget = |boundary: &str| {
        rule(&format!(
            "kind: policyTarget, metric: CarbonBudget, op: AtMost, limit: 400, unit: gCO2eq{boundary}"
        ))
    };
    let direct = sum_of(&[(Boundary::Direct, 356.6)]);
    let of = |boundary| verdict(&budget(boundary), &direct);
    assert_eq!(of("").verdict, Verdict::Compliant);
    assert_eq!(of(", boundary: Direct").verdict, Verdict::Compliant);
    let open = of(", boundary: LifeCycle");
    assert_eq!(open.reason, Reason::BoundaryDiffers, "{}", open.message);
    assert_eq!(open.value.unwrap().value.to_string(), "356.6");
}

/// Uncertain energy in a clean hour: 400 g/kWh was told without bounds, and kept
/// the limit.
#[test]
fn weights_that_are_not_known_leave_an_intensity_open() {
    use crate::series::IntensitySeries;
    let hour = |step| UtcHour::from_unix_seconds(0).plus_hours(step);
    let point = |step, grams| {
        let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
        (hour(step), Point::exact(value, Origin::Published))
    };
    let info = SeriesInfo::average_life_cycle("KR", "hours");
    let grid = IntensitySeries::try_new(info, [point(0, 300.0), point(1, 500.0)]).unwrap();
    let halves = |count: u64| Joules::from_microjoules(count * KWH.microjoules() / 2);
    let judged = |low, high| {
        let row = |step, energy| EnergyRow {
            hour: hour(step),
            place: 0,
            energy,
            provenance: Provenance::Modelled,
        };
        let clean = Estimate {
            low: halves(low),
            value: halves(2),
            high: halves(high),
        };
        let rows = [row(0, clean), row(1, Estimate::exact(halves(2)))];
        let sum = account(&rows, &[Place::new(&grid, None)], Coverage::new(2, 2));
        verdict(&target_424(), &sum)
    };
    assert_eq!(judged(2, 2).verdict, Verdict::Compliant);
    let open = judged(1, 4);
    assert_eq!(
        (open.verdict, open.reason),
        (Verdict::Inconclusive, Reason::BoundsStraddleLimit)
    );
    assert_eq!(
        open.message,
        "intensity of the consumed energy is 400 (366.7 to 433.3) gCO2eq/kWh; at most 424 gCO2eq/kWh \
         (a quoted target, not a law): the limit lies within the bounds; the energy behind it is not known \
         exactly, which widens the bounds"
    );
}
