//! A reduction path: what is asked for year by year, and what was reached.

use std::fmt::{self, Write};

use super::axis::{Axis, escape};
use crate::report::figure::place;
use crate::report::{Language, ReductionPath};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 220.0;

/// The drawing of a path with the year that was judged; `None` without years.
#[must_use]
pub fn path(path: &ReductionPath, year: i16, language: Language) -> Option<String> {
    let (first, last) = (path.points.first()?, path.points.last()?);
    let mut svg = String::new();
    let reached = path.reached_milli_percent;
    let most = place(last.reduction_milli_percent).max(reached.map_or(0.0, |r| place(r.high)));
    let axis = Axis::from_zero((most / 1e3).max(1.0), (BOTTOM, TOP), 4.0);
    let span = f64::from(last.year - first.year).max(1.0);
    let x = |year: i16| LEFT + f64::from(year - first.year) / span * (WIDTH - LEFT - RIGHT);
    let draw = |out: &mut String| -> fmt::Result {
        let title = language.pick(
            "Reduction against the base year (%)",
            "기준연도 대비 감축률(%)",
        );
        write!(
            out,
            "<svg class=\"tc\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(title)
        )?;
        write!(
            out,
            "<text x=\"{LEFT}\" y=\"{}\">{}</text>",
            TOP - 14.0,
            escape(title)
        )?;
        for (tick, label) in axis.ticks() {
            let y = axis.at(tick);
            write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/><text class=\"mu num\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        out.write_str("<polyline class=\"line\" points=\"")?;
        for point in &path.points {
            let y = axis.at(place(point.reduction_milli_percent) / 1e3);
            write!(out, "{:.1},{y:.1} ", x(point.year))?;
        }
        out.write_str("\"/>")?;
        let every = (path.points.len() / 8).max(1);
        for point in path.points.iter().step_by(every) {
            write!(
                out,
                "<text class=\"mu num\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(point.year),
                BOTTOM + 20.0,
                point.year
            )?;
        }
        if let Some(reached) = reached {
            let at = x(year.clamp(first.year, last.year));
            let [low, value, high] = [reached.low, reached.value, reached.high]
                .map(|milli| axis.at((place(milli) / 1e3).max(0.0)));
            write!(
                out,
                "<line class=\"now\" x1=\"{at:.1}\" y1=\"{low:.1}\" x2=\"{at:.1}\" y2=\"{high:.1}\"/><circle class=\"dot\" cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"5\"/>"
            )?;
        }
        out.write_str("</svg>")
    };
    // Writing to a string cannot fail.
    let _ = draw(&mut svg);
    Some(svg)
}
