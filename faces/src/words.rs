//! Figures of a status as words for people: three digits that count. Programs
//! take the whole numbers beside.

use tanso_crds::carbon_policy::status::{Bounded, Figures, Recommendation, Verdict};

use crate::answer::savings::moved;

/// Microjoules in a kWh.
const MICROJOULES_PER_KWH: f64 = 3.6e12;

/// A whole number as a fraction, for showing only.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn float(whole: i64) -> f64 {
    whole as f64
}

/// Energy: `980 J`, `12.3 Wh`, `4.31 kWh`, `1.20 MWh`.
#[must_use]
pub fn energy(energy_uj: i64) -> String {
    let kwh = float(energy_uj) / MICROJOULES_PER_KWH;
    if kwh.abs() < 1e-3 {
        format!("{} J", digits(float(energy_uj) / 1e6))
    } else if kwh.abs() < 1.0 {
        format!("{} Wh", digits(kwh * 1e3))
    } else if kwh.abs() < 1e3 {
        format!("{} kWh", digits(kwh))
    } else {
        format!("{} MWh", digits(kwh / 1e3))
    }
}

/// Emissions: `12.3 mg`, `980 g`, `2.47 kg`, `1.20 t`.
#[must_use]
pub fn emissions(emissions_mg: i64) -> String {
    let grams = float(emissions_mg) / 1e3;
    if grams.abs() < 1.0 {
        format!("{} mg", digits(float(emissions_mg)))
    } else if grams.abs() < 1e3 {
        format!("{} g", digits(grams))
    } else if grams.abs() < 1e6 {
        format!("{} kg", digits(grams / 1e3))
    } else {
        format!("{} t", digits(grams / 1e6))
    }
}

/// Emissions with their 90 % bounds: `2.47 kg (2.12 kg to 2.82 kg)`.
#[must_use]
pub fn emissions_within(figure: &Bounded) -> String {
    if figure.low == figure.value && figure.value == figure.high {
        return emissions(figure.value);
    }
    format!(
        "{} ({} to {})",
        emissions(figure.value),
        emissions(figure.low),
        emissions(figure.high)
    )
}

/// How much of the energy has an intensity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priced {
    /// All of it.
    All,
    /// Part of it: the emissions are a lower bound.
    Part,
    /// None of it: what was emitted is not known.
    Nothing,
}

impl Priced {
    /// Of these figures.
    #[must_use]
    pub const fn of(figures: &Figures) -> Self {
        match (
            figures.unpriced_microjoules,
            figures.intensity_milligrams_per_kwh,
        ) {
            (0, _) => Self::All,
            (_, Some(_)) => Self::Part,
            (_, None) => Self::Nothing,
        }
    }
}

/// What was emitted, with bounds; `at least` where part of the energy has no
/// intensity, and not known where none has: a part is not told as the whole.
#[must_use]
pub fn emitted(figures: &Figures) -> String {
    let mass = &figures.emissions_milligrams;
    let without = energy(figures.unpriced_microjoules);
    match Priced::of(figures) {
        Priced::All => emissions_within(mass),
        Priced::Part => format!(
            "at least {} ({without} at the facility have no intensity)",
            emissions(mass.value)
        ),
        Priced::Nothing => format!("not known ({without}, and none has an intensity)"),
    }
}

/// Whether anything is known of a workload's energy: one without a single
/// figure did not use nothing.
#[must_use]
pub const fn is_known(verdict: Verdict, figures: &Figures) -> bool {
    !matches!(verdict, Verdict::Unknown) || figures.energy_microjoules.high > 0
}

/// A sum of emissions as a cell, of which so much facility energy has no
/// intensity: `412`, `>=412` with the mark `>=`, or `-`.
#[must_use]
pub fn emitted_sum(
    mass_mg: i64,
    unpriced_uj: i64,
    mark: &str,
    shown: impl FnOnce(i64) -> String,
) -> String {
    match (unpriced_uj, mass_mg) {
        (0, _) => shown(mass_mg),
        (_, 0) => "-".to_owned(),
        _ => format!("{mark}{}", shown(mass_mg)),
    }
}

/// The same as a cell: `412`, `>=412` with the mark `>=`, or `-`.
#[must_use]
pub fn emitted_cell(figures: &Figures, mark: &str, shown: impl FnOnce(i64) -> String) -> String {
    let mass = figures.emissions_milligrams.value;
    match Priced::of(figures) {
        Priced::All => shown(mass),
        Priced::Part => format!("{mark}{}", shown(mass)),
        Priced::Nothing => "-".to_owned(),
    }
}

/// What advice saves a day, and what of it only moves to others: `867 mg a day
/// less`, `206 mg a day attributed, …`.
#[must_use]
pub fn saving(advice: &Recommendation) -> String {
    const MOVES: &str = "which others bear instead: the cluster saves it only if a node goes";
    let all = &advice.saving_milligrams_per_day;
    let (saved, moves) = (advice.cluster_saving_milligrams_per_day, moved(advice));
    if moves == 0 {
        format!("{} a day less", emissions_within(all))
    } else if saved == 0 {
        format!("{} a day attributed, {MOVES}", emissions_within(all))
    } else {
        format!(
            "{} a day less, and {} a day attributed, {MOVES} (both together {})",
            emissions(saved),
            emissions(moves),
            emissions_within(all)
        )
    }
}

/// Intensity: `415.3 g/kWh`.
#[must_use]
pub fn intensity(mg_per_kwh: i64) -> String {
    format!("{:.1} g/kWh", float(mg_per_kwh) / 1e3)
}

/// Power: `1.23 W`, `212 W`, `1.63 kW`.
#[must_use]
pub fn power(power_mw: i64) -> String {
    watts(float(power_mw) / 1e3)
}

/// Power in watts, likewise.
#[must_use]
pub fn watts(power_w: f64) -> String {
    if power_w.abs() < 1e3 {
        format!("{} W", digits(power_w))
    } else {
        format!("{} kW", digits(power_w / 1e3))
    }
}

/// Energy in kWh for a formula: `0.4120 kWh`.
#[must_use]
pub fn kwh(energy_uj: i64) -> String {
    format!(
        "{} kWh",
        significant(float(energy_uj) / MICROJOULES_PER_KWH, 4)
    )
}

/// Thousandths of a percent: `7.93 %`.
#[must_use]
pub fn milli_percent(thousandths: i64) -> String {
    format!("{} %", digits(float(thousandths) / 1e3))
}

/// Thousandths as a plain number without trailing zeros: `1.32`, `424`.
#[must_use]
pub fn milli(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let whole = thousandths.unsigned_abs() / 1_000;
    match thousandths.unsigned_abs() % 1_000 {
        0 => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest:03}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

/// The verdict's name.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compliant => "Compliant",
        Verdict::NonCompliant => "NonCompliant",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::Unknown => "Unknown",
        Verdict::NotYetBinding => "NotYetBinding",
    }
}

fn digits(figure: f64) -> String {
    significant(figure, 3)
}

/// A figure with so many digits that count, never fewer than the whole ones.
fn significant(figure: f64, count: usize) -> String {
    if figure == 0.0 {
        return "0".to_owned();
    }
    let mut decimals = count - 1;
    let mut bound = 10.0;
    while decimals > 0 && figure.abs() >= bound {
        decimals -= 1;
        bound *= 10.0;
    }
    if figure.abs() < 1.0 {
        // 0.00123 keeps its three digits too, to a point.
        let zeros = [0.1, 0.01, 0.001]
            .iter()
            .filter(|limit| figure.abs() < **limit)
            .count();
        decimals += zeros + 1;
    }
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_not_told_as_the_whole_and_what_is_not_known_not_as_nothing() {
        let mut figures = Figures {
            emissions_milligrams: Bounded {
                low: 400,
                value: 412,
                high: 430,
            },
            intensity_milligrams_per_kwh: Some(417_300),
            ..Figures::default()
        };
        assert_eq!(emitted(&figures), "412 mg (400 mg to 430 mg)");
        figures.unpriced_microjoules = 3_600_000_000;
        assert_eq!(
            emitted(&figures),
            "at least 412 mg (1.00 Wh at the facility have no intensity)"
        );
        assert_eq!(emitted_cell(&figures, ">=", emissions), ">=412 mg");
        figures.intensity_milligrams_per_kwh = None;
        assert!(emitted(&figures).starts_with("not known"));
        assert_eq!(emitted_cell(&figures, ">=", emissions), "-");
    }

    #[test]
    fn what_nobody_knows_is_no_zero() {
        let mut figures = Figures::default();
        assert!(!is_known(Verdict::Unknown, &figures));
        assert!(is_known(Verdict::Compliant, &figures));
        figures.energy_microjoules.high = 1;
        assert!(is_known(Verdict::Unknown, &figures));
        assert_eq!(emitted_sum(0, 0, ">=", emissions), "0 mg");
        assert_eq!(emitted_sum(0, 7, ">=", emissions), "-");
        assert_eq!(emitted_sum(412, 7, ">=", emissions), ">=412 mg");
    }

    #[test]
    fn what_only_moves_to_others_is_not_called_less() {
        let of = |cluster_mg, all_mg| {
            saving(&Recommendation {
                action: "RemoveIdle".to_owned(),
                saving_milligrams_per_day: Bounded {
                    low: all_mg,
                    value: all_mg,
                    high: all_mg,
                },
                cluster_saving_milligrams_per_day: cluster_mg,
                saving_milli_percent: 0,
                confidence: "Low".to_owned(),
                basis: String::new(),
                change: String::new(),
                schedule: None,
                windows: Vec::new(),
            })
        };
        let moves = "which others bear instead: the cluster saves it only if a node goes";
        assert_eq!(of(867, 867), "867 mg a day less");
        assert_eq!(of(0, 206), format!("206 mg a day attributed, {moves}"));
        let both = of(4, 54);
        assert!(both.starts_with("4.00 mg a day less, and 50.0 mg a day attributed"));
    }

    #[test]
    fn each_size_has_its_unit_and_three_digits() {
        assert_eq!(energy(0), "0 J");
        assert_eq!(energy(15_516_000_000_000), "4.31 kWh");
        assert_eq!(emissions(310), "310 mg");
        assert_eq!(emissions(2_470_000), "2.47 kg");
        assert_eq!(power(96_000), "96.0 W");
        assert_eq!(power(1_633_000), "1.63 kW");
        assert_eq!(milli_percent(7_930), "7.93 %");
        assert_eq!(milli(417_300), "417.3");
        assert_eq!(milli(-5), "-0.005");
    }
}
