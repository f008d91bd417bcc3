//! Figures of a status as words: three digits that count, the unit attached.

use tanso_crds::carbon_policy::status::{Bounded, Figures};
use tanso_faces::words::{self, Priced};
pub use tanso_faces::words::{float, intensity, kwh, milli, verdict};

/// Energy: `980J`, `12.3Wh`, `4.31kWh`, `1.20MWh`.
#[must_use]
pub fn energy(energy_uj: i64) -> String {
    attached(&words::energy(energy_uj))
}

/// Emissions: `12.3mg`, `980g`, `2.47kg`, `1.20t`.
#[must_use]
pub fn emissions(emissions_mg: i64) -> String {
    attached(&words::emissions(emissions_mg))
}

/// What was emitted, one word: `>=412g` where part of the energy has no
/// intensity, `-` where none has.
#[must_use]
pub fn emitted(figures: &Figures) -> String {
    words::emitted_cell(figures, ">=", emissions)
}

/// How far its bounds lie; `-` where no upper one is known.
#[must_use]
pub fn emitted_spread(figures: &Figures) -> String {
    match Priced::of(figures) {
        Priced::All => spread(&figures.emissions_milligrams),
        _ => "-".to_owned(),
    }
}

/// Power: `1.23W`, `212W`, `1.63kW`.
#[must_use]
pub fn power(power_w: f64) -> String {
    attached(&words::watts(power_w))
}

/// A figure in one word, for columns.
fn attached(figure: &str) -> String {
    figure.replace(' ', "")
}

/// The larger distance of a bound from the value: `14%`, `-` without a value.
#[must_use]
pub fn spread(figure: &Bounded) -> String {
    if figure.value == 0 {
        return "-".to_owned();
    }
    let widest = figure
        .high
        .saturating_sub(figure.value)
        .max(figure.value.saturating_sub(figure.low));
    let percent = float(widest) / float(figure.value) * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "<1%".to_owned()
    } else {
        format!("{percent:.0}%")
    }
}

/// Where the energy figure comes from: `measured`, or the largest part with
/// its share, `87%measured`; `-` without energy.
#[must_use]
pub fn source(figures: &Figures) -> String {
    if figures.energy_microjoules.value == 0 {
        return "-".to_owned();
    }
    let parts = [
        (figures.measured_percent, "measured"),
        (figures.modelled_percent, "modelled"),
        (figures.simulated_percent, "simulated"),
    ];
    let simulated_too = figures.simulated_percent > 0;
    match parts.iter().max_by_key(|(percent, _)| *percent) {
        None | Some((0, _)) => "-".to_owned(),
        Some((100, word)) => (*word).to_owned(),
        // Simulated energy is never hidden behind a larger part.
        Some((percent, word)) if simulated_too && *word != "simulated" => {
            format!("{percent}%{word},{}%simulated", figures.simulated_percent)
        }
        Some((percent, word)) => format!("{percent}%{word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_unit() {
        assert_eq!(energy(0), "0J");
        assert_eq!(energy(980_000_000), "980J");
        assert_eq!(energy(12_340_000), "12.3J");
        assert_eq!(energy(36_000_000_000), "10.0Wh");
        assert_eq!(energy(15_516_000_000_000), "4.31kWh");
        assert_eq!(energy(4_320_000_000_000_000), "1.20MWh");
        assert_eq!(emissions(0), "0mg");
        assert_eq!(emissions(310), "310mg");
        assert_eq!(emissions(980_400), "980g");
        assert_eq!(emissions(2_470_000), "2.47kg");
        assert_eq!(emissions(1_200_000_000), "1.20t");
        assert_eq!(power(96.0), "96.0W");
        assert_eq!(power(1_633.0), "1.63kW");
        assert_eq!(power(0.0123), "0.0123W");
    }

    #[test]
    fn the_spread_is_that_of_the_wider_side() {
        assert_eq!(
            spread(&Bounded {
                low: 212,
                value: 247,
                high: 282
            }),
            "14%"
        );
        assert_eq!(
            spread(&Bounded {
                low: 90,
                value: 100,
                high: 130
            }),
            "30%"
        );
        assert_eq!(
            spread(&Bounded {
                low: 9_999,
                value: 10_000,
                high: 10_001
            }),
            "<1%"
        );
        assert_eq!(
            spread(&Bounded {
                low: 5,
                value: 5,
                high: 5
            }),
            "0%"
        );
        assert_eq!(spread(&Bounded::default()), "-");
    }

    #[test]
    fn simulated_energy_is_never_hidden() {
        let mut figures = Figures {
            measured_percent: 90,
            simulated_percent: 10,
            ..Figures::default()
        };
        assert_eq!(source(&figures), "-", "no energy, no source");
        figures.energy_microjoules.value = 1;
        assert_eq!(source(&figures), "90%measured,10%simulated");
        let figures = Figures {
            modelled_percent: 100,
            simulated_percent: 0,
            measured_percent: 0,
            ..figures
        };
        assert_eq!(source(&figures), "modelled");
    }

    #[test]
    fn thousandths_lose_only_their_zeros() {
        assert_eq!(milli(424_000), "424");
        assert_eq!(milli(1_320), "1.32");
        assert_eq!(milli(417_300), "417.3");
        assert_eq!(milli(-5), "-0.005");
    }
}
