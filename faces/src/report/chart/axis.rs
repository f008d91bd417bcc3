//! Figures to places, and ticks that are round numbers.

/// An axis from zero or a low bound to a high one, over so many pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    /// Pixel of the low end and of the high end.
    ends: (f64, f64),
    /// Distance of two ticks.
    pub(super) step: f64,
}

impl Axis {
    /// An axis from 0 to at least `high`, with about `ticks` round steps.
    pub(super) fn from_zero(high: f64, ends: (f64, f64), ticks: f64) -> Self {
        let step = round_step(high.max(f64::MIN_POSITIVE) / ticks);
        let high = (high / step).ceil().max(1.0) * step;
        Self {
            low: 0.0,
            high,
            ends,
            step,
        }
    }

    /// The pixel of a figure.
    pub(super) fn at(&self, figure: f64) -> f64 {
        let share = (figure - self.low) / (self.high - self.low);
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// The ticks: figure and label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = if self.step >= 1.0 {
            0.0
        } else {
            (-self.step.log10()).ceil().clamp(0.0, 9.0)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 9"
        )]
        let decimals = decimals as usize;
        let mut ticks = Vec::new();
        let mut figure = self.low;
        while figure <= self.high + self.step / 2.0 && ticks.len() < 20 {
            ticks.push((figure, format!("{figure:.decimals$}")));
            figure += self.step;
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let lead = rough / power;
    let round = if lead <= 1.0 {
        1.0
    } else if lead <= 2.0 {
        2.0
    } else if lead <= 5.0 {
        5.0
    } else {
        10.0
    };
    round * power
}

/// Text within SVG or HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_highest_figure() {
        let axis = Axis::from_zero(437.0, (100.0, 0.0), 4.0);
        let labels: Vec<_> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "200", "400", "600"]);
        assert!((axis.at(0.0) - 100.0).abs() < 1e-9 && (axis.at(600.0)).abs() < 1e-9);
        let small = Axis::from_zero(0.0031, (0.0, 1.0), 4.0);
        assert_eq!(small.ticks()[1].1, "0.001");
        assert!(Axis::from_zero(0.0, (0.0, 1.0), 4.0).at(0.0).is_finite());
    }
}
