//! The bounds of the effective intensity hold whatever the energy of each hour
//! was within its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use proptest::prelude::*;
use tanso_carbon::series::{IntensitySeries, Origin, Point};
use tanso_carbon::{
    Account, Coverage, EnergyRow, FacilityPue, GramsCo2e, Intensity, Place, Pue, PueEvidence,
    SeriesInfo, UtcHour, account,
};
use tanso_power::{Estimate, Joules, Provenance};

const KWH_UJ: u64 = 3_600_000_000_000;
/// A figure is rounded to the microgram, and each row to the nanogram.
const ROUNDED: u32 = 1;

fn hour(step: i32) -> UtcHour {
    UtcHour::parse("2026-06-01T00:00Z")
        .unwrap()
        .plus_hours(step)
}

fn facility() -> FacilityPue {
    FacilityPue::annual(Pue::try_new(1.25).unwrap(), PueEvidence::Measured, "m")
}

/// One figure an hour.
fn series(figures: &[Estimate<Intensity>]) -> IntensitySeries {
    let points = (0..).zip(figures).map(|(step, intensity)| {
        let point = Point {
            intensity: *intensity,
            origin: Origin::Published,
        };
        (hour(step), point)
    });
    IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "made"), points).unwrap()
}

fn rows(energies: &[Estimate<Joules>]) -> Vec<EnergyRow> {
    let rows = (0..).zip(energies).map(|(step, energy)| EnergyRow {
        hour: hour(step),
        place: 0,
        energy: *energy,
        provenance: Provenance::Modelled,
    });
    rows.collect()
}

fn priced(rows: &[EnergyRow], series: &IntensitySeries) -> Account {
    let pue = facility();
    account(rows, &[Place::new(series, Some(&pue))], Coverage::new(1, 1))
}

fn micrograms(sum: &Account) -> Option<Estimate<u32>> {
    let found = sum.effective_intensity()?;
    Some(found.map(Intensity::micrograms_per_kwh))
}

fn grams(figure: f64) -> Estimate<Intensity> {
    Estimate::exact(Intensity::try_from_grams_per_kwh(figure).unwrap())
}

/// Half, one or two kilowatt-hours in a clean hour and one in a dirty one were
/// told as 400 g/kWh without bounds.
#[test]
fn energy_that_is_uncertain_in_clean_hours_only_makes_the_mean_uncertain() {
    let kwh = |low, value, high| {
        let of = |halves: u64| Joules::from_microjoules(halves * KWH_UJ / 2);
        Estimate {
            low: of(low),
            value: of(value),
            high: of(high),
        }
    };
    let grid = series(&[grams(300.0), grams(500.0)]);
    let sum = priced(&rows(&[kwh(1, 2, 4), kwh(2, 2, 2)]), &grid);
    let found = sum.effective_intensity().unwrap();
    let shown = found.map(|one| format!("{:.2}", one.as_grams_per_kwh_f64()));
    assert_eq!(
        [shown.low, shown.value, shown.high],
        ["366.67", "400.00", "433.33"]
    );
    assert!(sum.has_open_weights());
    // All at one figure: how much of it there is does not matter.
    let flat = series(&[grams(417.3), grams(417.3)]);
    let sum = priced(&rows(&[kwh(1, 2, 4), kwh(2, 2, 2)]), &flat);
    assert_eq!(sum.effective_intensity(), Some(grams(417.3)));
    assert!(!sum.has_open_weights());
    // Nothing at all in the clean hour, perhaps.
    let sum = priced(&rows(&[kwh(0, 2, 4), kwh(0, 2, 2)]), &grid);
    let found = sum.effective_intensity().unwrap();
    assert_eq!(
        (found.low, found.high),
        (grams(300.0).low, grams(500.0).high)
    );
}

/// Energy of up to 20 kWh with its bounds, and a figure with its own.
fn hours() -> impl Strategy<Value = Vec<(Estimate<Joules>, Estimate<Intensity>)>> {
    let one = (
        (KWH_UJ / 100..KWH_UJ, 0..KWH_UJ * 9, 0..KWH_UJ * 9),
        prop::array::uniform3(100_000_000_u32..900_000_000),
    );
    let one = one.prop_map(|((low, more, most), mut figures)| {
        figures.sort_unstable();
        let [least, value, highest] = figures;
        let energy = Estimate {
            low,
            value: low + more,
            high: low + more + most,
        };
        let intensity = Estimate {
            low: least,
            value,
            high: highest,
        };
        (
            energy.map(Joules::from_microjoules),
            intensity.map(|figure| Intensity::from_micrograms_per_kwh(figure).unwrap()),
        )
    });
    prop::collection::vec(one, 1..12)
}

proptest! {
    #[test]
    fn every_choice_within_the_bounds_is_within_them(
        hours in hours(),
        choices in prop::collection::vec((0_u64..=1_000, 0_u64..=1_000), 12),
    ) {
        let (energies, figures): (Vec<_>, Vec<_>) = hours.into_iter().unzip();
        let bounds = micrograms(&priced(&rows(&energies), &series(&figures))).unwrap();
        let between = |low: u64, high: u64, thousandths: u64| {
            let whole = u128::from(high - low) * u128::from(thousandths) / 1_000;
            low + u64::try_from(whole).unwrap()
        };
        let chosen = energies.iter().zip(&choices).map(|(energy, (choice, _))| {
            let energy = energy.map(Joules::microjoules);
            Estimate::exact(Joules::from_microjoules(between(energy.low, energy.high, *choice)))
        });
        let true_figures = figures.iter().zip(&choices).map(|(figure, (_, choice))| {
            let figure = figure.map(|one| u64::from(one.micrograms_per_kwh()));
            let found = u32::try_from(between(figure.low, figure.high, *choice)).unwrap();
            Estimate::exact(Intensity::from_micrograms_per_kwh(found).unwrap())
        });
        let (chosen, true_figures): (Vec<_>, Vec<_>) = (chosen.collect(), true_figures.collect());
        let truth = micrograms(&priced(&rows(&chosen), &series(&true_figures))).unwrap().value;
        prop_assert!(bounds.low <= truth + ROUNDED, "{bounds:?} {truth}");
        prop_assert!(truth <= bounds.high + ROUNDED, "{bounds:?} {truth}");
    }

    #[test]
    fn exact_energy_has_the_bounds_of_its_intensity_alone(hours in hours()) {
        let (energies, figures): (Vec<_>, Vec<_>) = hours.into_iter().unzip();
        let exact: Vec<_> = energies.iter().map(|energy| Estimate::exact(energy.value)).collect();
        let sum = priced(&rows(&exact), &series(&figures));
        let pue = facility().value.value;
        let energy: Joules = exact.iter().map(|energy| pue.facility_energy(energy.value)).sum();
        let mean = |end: fn(&Estimate<Intensity>) -> Intensity| {
            let parts = exact.iter().zip(&figures);
            let mass: GramsCo2e = parts.map(|(energy, figure)| end(figure).emissions_of(energy.value, pue)).sum();
            Intensity::of(mass, energy).unwrap()
        };
        let expected = Estimate { low: mean(|one| one.low), value: mean(|one| one.value), high: mean(|one| one.high) };
        prop_assert_eq!(sum.effective_intensity(), Some(expected));
        prop_assert!(!sum.has_open_weights());
    }

    #[test]
    fn rows_that_are_split_or_merged_in_any_order_have_the_same_bounds(
        hours in hours(), cut in 0_usize..12, parts in 1_u64..5,
    ) {
        let (energies, figures): (Vec<_>, Vec<_>) = hours.into_iter().unzip();
        // A whole number of parts, each of a whole number of microjoules after PUE.
        let even = |energy: &Estimate<Joules>| energy.map(|one| {
            Joules::from_microjoules(one.microjoules() / (4 * parts) * (4 * parts))
        });
        let energies: Vec<_> = energies.iter().map(even).collect();
        let (whole, grid) = (rows(&energies), series(&figures));
        let all = priced(&whole, &grid);
        let (one, other) = whole.split_at(cut.min(whole.len()));
        let (one, other) = (priced(one, &grid), priced(other, &grid));
        prop_assert_eq!(micrograms(&one.clone().merged(&other)), micrograms(&all));
        prop_assert_eq!(&other.merged(&one).weights, &all.weights);
        let split: Vec<_> = whole.iter().flat_map(|row| {
            let energy = row.energy.map(|one| Joules::from_microjoules(one.microjoules() / parts));
            (0..parts).map(move |_| EnergyRow { energy, ..*row })
        }).collect();
        let (found, wanted) = (micrograms(&priced(&split, &grid)).unwrap(), micrograms(&all).unwrap());
        prop_assert!(found.low.abs_diff(wanted.low) <= ROUNDED, "{found:?} {wanted:?}");
        prop_assert!(found.high.abs_diff(wanted.high) <= ROUNDED, "{found:?} {wanted:?}");
    }
}
