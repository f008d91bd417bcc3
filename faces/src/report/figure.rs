//! Whole numbers as people read them, by whole-number arithmetic: no digit is
//! shown that the number does not have, and none is lost without rounding.

use tanso_crds::carbon_policy::status::Bounded;

/// Microjoules in a kWh.
const MICROJOULES_PER_KWH: i128 = 3_600_000_000_000;

/// A fraction of two whole numbers with so many decimals, half away from zero.
#[must_use]
pub fn fraction(numerator: i128, denominator: i128, decimals: usize) -> String {
    let scale = 10_i128.pow(u32::try_from(decimals.min(18)).unwrap_or(18));
    let denominator = denominator.max(1);
    let scaled = numerator.saturating_mul(scale);
    let half = denominator / 2;
    let rounded = if scaled < 0 {
        (scaled - half) / denominator
    } else {
        (scaled + half) / denominator
    };
    let sign = if rounded < 0 { "-" } else { "" };
    let (whole, rest) = (rounded.abs() / scale, rounded.abs() % scale);
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{rest:0decimals$}")
}

/// A fraction with three to four digits that count.
fn short(numerator: i128, denominator: i128) -> String {
    let whole = (numerator / denominator.max(1)).abs();
    let decimals = match whole {
        100.. => 1,
        10.. => 2,
        _ => 3,
    };
    fraction(numerator, denominator, decimals)
}

/// Energy: `12.340 J`, `36.00 Wh`, `4.310 kWh`, `1.200 MWh`.
#[must_use]
pub fn energy(microjoules: i64) -> String {
    let energy = i128::from(microjoules);
    let size = energy.abs();
    let (unit, name) = if size < MICROJOULES_PER_KWH / 1_000 {
        (1_000_000, "J")
    } else if size < MICROJOULES_PER_KWH {
        (MICROJOULES_PER_KWH / 1_000, "Wh")
    } else if size < MICROJOULES_PER_KWH * 1_000 {
        (MICROJOULES_PER_KWH, "kWh")
    } else {
        (MICROJOULES_PER_KWH * 1_000, "MWh")
    };
    format!("{} {name}", short(energy, unit))
}

/// Energy in kWh with six decimals and no unit, for columns.
#[must_use]
pub fn kwh(microjoules: i64) -> String {
    fraction(i128::from(microjoules), MICROJOULES_PER_KWH, 6)
}

/// A mass: `310.0 mg`, `980.4 g`, `2.470 kg`, `1.200 t`.
#[must_use]
pub fn mass(milligrams: i64) -> String {
    let mass = i128::from(milligrams);
    let (unit, name) = match mass.abs() {
        0..1_000 => return format!("{mass} mg"),
        1_000..1_000_000 => (1_000, "g"),
        1_000_000..1_000_000_000 => (1_000_000, "kg"),
        _ => (1_000_000_000, "t"),
    };
    format!("{} {name}", short(mass, unit))
}

/// A mass in grams with three decimals and no unit, for columns.
#[must_use]
pub fn grams(milligrams: i64) -> String {
    fraction(i128::from(milligrams), 1_000, 3)
}

/// An intensity in g/kWh with three decimals and no unit.
#[must_use]
pub fn intensity(milligrams_per_kwh: i64) -> String {
    fraction(i128::from(milligrams_per_kwh), 1_000, 3)
}

/// Thousandths as a plain number without trailing zeros: `1.32`, `424`.
#[must_use]
pub fn milli(thousandths: i64) -> String {
    let text = fraction(i128::from(thousandths), 1_000, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The larger distance of a bound from the value, percent with one decimal;
/// `None` without a value.
#[must_use]
pub fn spread(figure: &Bounded) -> Option<String> {
    let up = figure.high.saturating_sub(figure.value);
    let down = figure.value.saturating_sub(figure.low);
    let widest = i128::from(up.max(down));
    (figure.value != 0).then(|| fraction(widest * 100, i128::from(figure.value), 1))
}

/// A part of a whole in percent with one decimal; `None` of nothing.
#[must_use]
pub fn percent(part: i64, whole: i64) -> Option<String> {
    (whole != 0).then(|| fraction(i128::from(part) * 100, i128::from(whole), 1))
}

/// A whole number as a place in a drawing; never a figure to read.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a place in a drawing, not a figure"
)]
pub const fn place(whole: i64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_unit_and_nothing_is_cut_off() {
        assert_eq!(energy(0), "0.000 J");
        assert_eq!(energy(12_340_000), "12.34 J");
        assert_eq!(energy(36_000_000_000), "10.00 Wh");
        assert_eq!(energy(15_516_000_000_000), "4.310 kWh");
        assert_eq!(energy(4_320_000_000_000_000), "1.200 MWh");
        assert_eq!(kwh(15_516_000_000_001), "4.310000");
        assert_eq!(mass(310), "310 mg");
        assert_eq!(mass(980_400), "980.4 g");
        assert_eq!(mass(2_470_499), "2.470 kg");
        assert_eq!(grams(-5), "-0.005");
        assert_eq!(milli(424_000), "424");
        assert_eq!(milli(1_320), "1.32");
        assert_eq!(milli(0), "0");
        assert_eq!(fraction(-25, 10, 0), "-3", "half goes away from zero");
    }

    #[test]
    fn a_spread_is_that_of_the_wider_side() {
        let figure = Bounded {
            low: 90,
            value: 100,
            high: 130,
        };
        assert_eq!(spread(&figure).as_deref(), Some("30.0"));
        assert_eq!(spread(&Bounded::default()), None);
        assert_eq!(percent(1, 3).as_deref(), Some("33.3"));
        assert_eq!(percent(1, 0), None);
    }
}
