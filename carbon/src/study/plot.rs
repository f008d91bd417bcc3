//! A picture of differences: each block's as a dot, the interval as a line, 0
//! as a rule. SVG text that stands alone, readable on light and dark.

use std::fmt::{self, Write};

use super::report::{Compared, Report, plain};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 220.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 46.0;
const ROW: f64 = 44.0;
const BOTTOM: f64 = 40.0;
/// Ticks of the axis, about.
const TICKS: f64 = 6.0;

const STYLE: &str = "text{font:13px sans-serif;fill:#222}.faint{fill:#666;font-size:12px}\
    line{stroke:#888}.axis{stroke:#bbb}.zero{stroke-dasharray:4 3}.interval{stroke:#0b6e4f;stroke-width:3}\
    .bootstrap{stroke:#c77d0a;stroke-width:2}.mean{fill:#0b6e4f}.block{fill:#0b6e4f;opacity:.28}\
    .marked{fill:none;stroke:#b3261e;stroke-width:1.5}\
    @media(prefers-color-scheme:dark){text{fill:#eee}.faint{fill:#aaa}.interval{stroke:#5fd0a5}\
    .mean,.block{fill:#5fd0a5}.bootstrap{stroke:#f0b04f}.marked{stroke:#ff8a80}.axis{stroke:#555}}";

/// The differences of a response, a row for each comparison; `None` if none
/// has an interval.
#[must_use]
pub fn differences(report: &Report, response: &str) -> Option<String> {
    let all = report.comparisons.iter();
    let rows: Vec<_> = all
        .filter(|one| one.response == response && one.headline(report.plan.headline).is_some())
        .collect();
    let axis = Axis::over(report, &rows)?;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = draw(report, response, &rows, &axis, &mut out);
    Some(out)
}

/// Figures to places.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// An axis that holds 0 and all that is drawn.
    fn over(report: &Report, rows: &[&Compared]) -> Option<Self> {
        let mut ends = vec![0.0];
        for one in rows {
            let found = one.headline(report.plan.headline)?;
            ends.extend([found.interval.low, found.interval.high]);
            ends.extend(
                found
                    .bootstrap_interval
                    .iter()
                    .flat_map(|found| [found.low, found.high]),
            );
            ends.extend(one.blocks.iter().map(|block| block.difference));
        }
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if rows.is_empty() || !(high - low).is_finite() {
            return None;
        }
        let span = if high > low { high - low } else { 1.0 };
        let step = round_step(span / TICKS);
        Some(Self {
            low: (low / step).floor() * step,
            high: ((high / step).ceil() * step).max((low / step).floor() * step + step),
            step,
        })
    }

    fn x(&self, figure: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (figure - self.low) / (self.high - self.low)
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10.0_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * power >= step);
    times.unwrap_or(10.0) * power
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn draw(
    report: &Report,
    response: &str,
    rows: &[&Compared],
    axis: &Axis,
    out: &mut String,
) -> fmt::Result {
    let bottom = rows.iter().fold(TOP, |y, _| y + ROW);
    let height = bottom + BOTTOM;
    let level = plain(100.0 * report.plan.confidence.level());
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{} differences\">\n<style>{STYLE}</style>",
        escape(response)
    )?;
    writeln!(
        out,
        "<text x=\"10\" y=\"18\">{}: difference per trial, {level} % interval</text>\n\
         <text class=\"faint\" x=\"10\" y=\"35\">green: Student's t; orange: bootstrap; dots: blocks; red rings: \
         marked blocks</text>",
        escape(response)
    )?;
    ticks(axis, bottom, out)?;
    let zero = axis.x(0.0);
    writeln!(
        out,
        "<line class=\"zero\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
    )?;
    let mut y = TOP + 0.5 * ROW;
    for one in rows {
        comparison(report, one, axis, y, out)?;
        y += ROW;
    }
    writeln!(out, "</svg>")
}

fn ticks(axis: &Axis, bottom: f64, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{bottom}\" y2=\"{bottom}\"/>",
        WIDTH - RIGHT
    )?;
    let mut place = 0_u32;
    loop {
        let figure = axis.low + f64::from(place) * axis.step;
        if figure > axis.high + 0.5 * axis.step {
            return Ok(());
        }
        // What rounding leaves of 0 is 0.
        let shown = if figure.abs() < 1e-9 * axis.step {
            0.0
        } else {
            figure
        };
        writeln!(
            out,
            "<text class=\"faint\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            axis.x(figure),
            bottom + 18.0,
            plain(shown)
        )?;
        place += 1;
    }
}

fn comparison(
    report: &Report,
    one: &Compared,
    axis: &Axis,
    y: f64,
    out: &mut String,
) -> fmt::Result {
    let Some(found) = one.headline(report.plan.headline) else {
        return Ok(());
    };
    let name = format!("{} − {}", one.comparison.arm, one.comparison.against);
    writeln!(
        out,
        "<text x=\"10\" y=\"{:.1}\">{}</text>",
        y + 4.0,
        escape(&name)
    )?;
    for block in &one.blocks {
        let class = if block.disturbed || block.outlier {
            "marked"
        } else {
            "block"
        };
        let x = axis.x(block.difference);
        writeln!(
            out,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>block {}: {}</title></circle>",
            y - 9.0,
            block.block,
            plain(block.difference)
        )?;
    }
    let bootstrap = found
        .bootstrap_interval
        .map(|interval| (interval, "bootstrap", y + 9.0));
    for (interval, class, y) in
        std::iter::once((found.interval, "interval", y + 3.0)).chain(bootstrap)
    {
        let (low, high) = (axis.x(interval.low), axis.x(interval.high));
        writeln!(
            out,
            "<line class=\"{class}\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        )?;
    }
    let mean = axis.x(found.difference);
    writeln!(
        out,
        "<circle class=\"mean\" cx=\"{mean:.1}\" cy=\"{:.1}\" r=\"5\"/>",
        y + 3.0
    )
}
