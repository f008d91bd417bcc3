//! Curves as SVG: predicted with its interval, measured as dots.
//!
//! It draws numbers that it is given; text is escaped, nothing is fetched.

use std::fmt::Write as _;

/// One drawing.
#[derive(Clone, Debug)]
pub struct CurvePlot<'a> {
    /// Written above.
    pub title: &'a str,
    /// Lower bound, value and upper bound in watts, by load from 0 to 1.
    pub predicted: &'a [[f64; 3]],
    /// Watts by load from 0 to 1; may be empty.
    pub measured: &'a [f64],
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 28.0;

impl CurvePlot<'_> {
    /// The drawing as an SVG element.
    #[must_use]
    pub fn svg(&self) -> String {
        let most = self
            .predicted
            .iter()
            .map(|point| point[2])
            .chain(self.measured.iter().copied())
            .fold(1.0, f64::max);
        let top = round_up(most);
        let y = |watts: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - watts / top);
        let mut svg = frame(self.title, top);
        let n = self.predicted.len();
        let path = |values: &mut dyn Iterator<Item = (usize, f64)>| {
            let mut path = String::new();
            for (place, watts) in values {
                let _ = write!(path, "{:.1},{:.1} ", x(place, n), y(watts));
            }
            path
        };
        let upper = path(&mut self.predicted.iter().map(|p| p[2]).enumerate());
        let lower = path(&mut self.predicted.iter().map(|p| p[0]).enumerate().rev());
        let middle = path(&mut self.predicted.iter().map(|p| p[1]).enumerate());
        let _ = write!(
            svg,
            "<polygon points=\"{upper}{lower}\" fill=\"#9cc3e6\" fill-opacity=\"0.5\"/>\
             <polyline points=\"{middle}\" fill=\"none\" stroke=\"#1f5f99\" stroke-width=\"1.5\"/>"
        );
        for (place, watts) in self.measured.iter().enumerate() {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\" fill=\"#b3261e\"/>",
                x(place, self.measured.len()),
                y(*watts)
            );
        }
        svg.push_str("</svg>");
        svg
    }
}

/// Points of predicted over measured power, both on a logarithmic scale.
#[must_use]
pub fn scatter(title: &str, pairs: &[(f64, f64)]) -> String {
    let (least, most) = pairs
        .iter()
        .fold((f64::MAX, 1.0_f64), |(least, most), (a, b)| {
            (least.min(*a).min(*b), most.max(*a).max(*b))
        });
    let (least, most) = (least.clamp(0.1, most).ln(), (most * 1.1).ln());
    let span = (most - least).max(0.1);
    let across = |watts: f64| LEFT + (WIDTH - LEFT - RIGHT) * ((watts.ln() - least) / span);
    let up = |watts: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (watts.ln() - least) / span);
    let mut svg = open(title);
    let _ = write!(
        svg,
        "<line x1=\"{LEFT}\" y1=\"{}\" x2=\"{}\" y2=\"{TOP}\" stroke=\"#888\" stroke-width=\"0.8\"/>",
        HEIGHT - BOTTOM,
        WIDTH - RIGHT
    );
    for (measured, predicted) in pairs {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.4\" fill=\"#1f5f99\" fill-opacity=\"0.5\"/>",
            across(measured.max(0.1)),
            up(predicted.max(0.1))
        );
    }
    for watts in [10.0_f64, 100.0, 1_000.0] {
        if (least..=most).contains(&watts.ln()) {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{watts} W</text>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{watts} W</text>",
                across(watts),
                HEIGHT - 10.0,
                LEFT - 4.0,
                up(watts) + 3.0
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn x(place: usize, points: usize) -> f64 {
    let last = crate::host::count(points.saturating_sub(1).max(1));
    LEFT + (WIDTH - LEFT - RIGHT) * crate::host::count(place) / last
}

fn open(title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"9\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\
         <text x=\"{LEFT}\" y=\"14\" font-size=\"10\">{}</text>",
        escaped(title)
    )
}

fn frame(title: &str, top: f64) -> String {
    let mut svg = open(title);
    let bottom = HEIGHT - BOTTOM;
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let y = bottom - (bottom - TOP) * share;
        let x = LEFT + (WIDTH - LEFT - RIGHT) * share;
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\" stroke-width=\"0.6\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} W</text>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{:.0} %</text>",
            WIDTH - RIGHT,
            LEFT - 4.0,
            y + 3.0,
            top * share,
            HEIGHT - 12.0,
            share * 100.0
        );
    }
    svg
}

/// The next figure with one digit, for an axis.
fn round_up(watts: f64) -> f64 {
    let unit = 10_f64.powf(watts.max(1e-3).log10().floor());
    [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0]
        .iter()
        .map(|step| step * unit)
        .find(|end| *end >= watts)
        .unwrap_or(watts)
}

/// Text that is safe within HTML and SVG.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_within_the_frame_and_text_is_escaped() {
        let plot = CurvePlot {
            title: "<Xeon> & \"more\"",
            predicted: &[[40.0, 50.0, 70.0], [90.0, 110.0, 130.0]],
            measured: &[45.0, 180.0],
        };
        let svg = plot.svg();
        assert!(svg.contains("&lt;Xeon&gt; &amp; &quot;more&quot;"));
        assert_eq!(svg.matches("<circle").count(), 2);
        for part in svg.split("cy=\"").skip(1) {
            let y: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=HEIGHT).contains(&y), "{y}");
        }
    }

    #[test]
    fn an_axis_ends_on_a_round_figure_above_the_largest() {
        assert!((round_up(183.0) - 200.0).abs() < 1e-9);
        assert!((round_up(7.3) - 8.0).abs() < 1e-9);
    }
}
