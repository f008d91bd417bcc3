//! Energy as bars and intensity as a line, one above the other over the same
//! local hours.

use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::axis::{Axis, escape};
use crate::report::figure::{self, place};
use crate::report::{Hour, Hours, Language};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// Top and height of the two panels.
const ENERGY: (f64, f64) = (34.0, 150.0);
const GRID: (f64, f64) = (232.0, 130.0);
const HEIGHT: f64 = 410.0;
/// Microjoules in a kWh, and milligrams in a gram.
const KWH: f64 = 3.6e12;
const GRAM: f64 = 1e3;

/// What is marked within the hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The present, seconds of Unix time.
    pub at: Option<i64>,
    /// The best window ahead: begin and end, seconds of Unix time.
    pub best: Option<(i64, i64)>,
}

/// The drawing and its sentence; `None` without hours.
#[must_use]
pub fn hours(hours: &Hours, now: Now, language: Language) -> Option<(String, String)> {
    let first = hours.hours.first()?.start;
    let last = hours.hours.last()?.start.checked_add(3_600)?;
    let zone = crate::report::zone(&hours.time_zone);
    let summary = summary(hours, &zone, language);
    let drawing = Drawing {
        hours,
        first,
        last,
        zone,
        language,
    };
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = drawing.write(now, &summary, &mut svg);
    Some((svg, summary))
}

/// What is to be seen, in a sentence.
fn summary(hours: &Hours, zone: &TimeZone, language: Language) -> String {
    let known = || hours.hours.iter().filter(|hour| !hour.is_ahead);
    let energy: i64 = known().filter_map(|hour| hour.energy_microjoules).sum();
    let missing = known()
        .filter(|hour| hour.energy_microjoules.is_none())
        .count();
    let of = |hour: &&Hour| hour.intensity_milligrams_per_kwh;
    let clean = known().filter(|hour| of(hour).is_some()).min_by_key(of);
    let dirty = known().filter(|hour| of(hour).is_some()).max_by_key(of);
    let grams = |hour: &Hour| {
        let grams = hour.intensity_milligrams_per_kwh.unwrap_or(0);
        figure::fraction(grams.into(), 1_000, 0)
    };
    let at = |hour: &Hour| local(hour.start, zone, "%m-%d %H:%M");
    let grid = match (clean.zip(dirty), language) {
        (None, Language::English) => "no hour's intensity is known.".to_owned(),
        (None, Language::Korean) => "배출계수를 아는 시간이 없다.".to_owned(),
        (Some((clean, dirty)), Language::English) => format!(
            "the grid was cleanest with {} g/kWh ({}) and dirtiest with {} g/kWh ({}).",
            grams(clean),
            at(clean),
            grams(dirty),
            at(dirty)
        ),
        (Some((clean, dirty)), Language::Korean) => format!(
            "전력 배출계수는 {}에 {} g/kWh로 가장 낮고 {}에 {} g/kWh로 가장 높다.",
            at(clean),
            grams(clean),
            at(dirty),
            grams(dirty)
        ),
    };
    let (energy, count) = (figure::energy(energy), known().count());
    match language {
        Language::English => {
            format!("{energy} in {count} hours, {missing} of them without energy data; {grid}")
        }
        Language::Korean => format!(
            "{count}시간 동안 {energy}를 사용하였고 그중 {missing}시간은 전력량 자료가 없다. {grid}"
        ),
    }
}

fn local(start: i64, zone: &TimeZone, form: &str) -> String {
    let at = Timestamp::from_second(start).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_datetime(at).strftime(form).to_string()
}

struct Drawing<'a> {
    hours: &'a Hours,
    first: i64,
    last: i64,
    zone: TimeZone,
    language: Language,
}

impl Drawing<'_> {
    fn x(&self, at: i64) -> f64 {
        let span = place(self.last - self.first).max(1.0);
        LEFT + place(at - self.first) / span * (WIDTH - LEFT - RIGHT)
    }

    fn write(&self, now: Now, summary: &str, out: &mut String) -> fmt::Result {
        let title = self.language.pick(
            "Energy and grid intensity by hour",
            "시간별 전력량과 전력 배출계수",
        );
        write!(
            out,
            "<svg class=\"tc\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}. {}\">",
            escape(title),
            escape(summary)
        )?;
        out.write_str("<defs><pattern id=\"tc-hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hb\" width=\"5\" height=\"5\"/><line class=\"hl\" x1=\"1\" y1=\"0\" x2=\"1\" y2=\"5\"/></pattern></defs>")?;
        if let Some((from, until)) = now.best {
            self.best(from, until, out)?;
        }
        self.energy(out)?;
        self.intensity(out)?;
        self.times(out)?;
        if let Some(at) = now.at.filter(|at| (self.first..self.last).contains(at)) {
            let x = self.x(at);
            write!(
                out,
                "<line class=\"now\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{}\"/><text class=\"mu\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                ENERGY.0,
                GRID.0 + GRID.1,
                ENERGY.0 - 4.0,
                self.language.pick("now", "현재")
            )?;
        }
        out.write_str("</svg>")
    }

    fn best(&self, from: i64, until: i64, out: &mut String) -> fmt::Result {
        let (x, end) = (self.x(from.max(self.first)), self.x(until.min(self.last)));
        write!(
            out,
            "<rect class=\"best\" x=\"{x:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\"/><text class=\"mu\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            ENERGY.0,
            (end - x).max(1.0),
            GRID.0 + GRID.1 - ENERGY.0,
            f64::midpoint(x, end),
            GRID.0 - 8.0,
            self.language.pick("best window", "최적 시간대")
        )
    }

    fn frame(title: &str, axis: &Axis, panel: (f64, f64), out: &mut String) -> fmt::Result {
        write!(
            out,
            "<text x=\"{LEFT}\" y=\"{}\">{}</text>",
            panel.0 - 14.0,
            escape(title)
        )?;
        for (tick, label) in axis.ticks() {
            let y = axis.at(tick);
            let class = if tick == 0.0 { "base" } else { "grid" };
            write!(
                out,
                "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/><text class=\"mu num\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        Ok(())
    }

    fn energy(&self, out: &mut String) -> fmt::Result {
        let most = self
            .hours
            .hours
            .iter()
            .filter_map(|hour| hour.energy_microjoules);
        let most = place(most.max().unwrap_or(0)) / KWH;
        // Small clusters are drawn in Wh.
        let (unit, name) = if most < 0.5 {
            (KWH / 1e3, "Wh")
        } else {
            (KWH, "kWh")
        };
        let axis = Axis::from_zero(most * KWH / unit, (ENERGY.0 + ENERGY.1, ENERGY.0), 4.0);
        let title = format!(
            "{} ({name})",
            self.language
                .pick("Energy of the IT equipment", "IT 장비 전력량")
        );
        Self::frame(&title, &axis, ENERGY, out)?;
        let base = axis.at(0.0);
        for hour in self.hours.hours.iter().filter(|hour| !hour.is_ahead) {
            let x = self.x(hour.start) + 0.75;
            let width = (self.x(hour.start + 3_600) - x - 0.75).max(0.5);
            let Some(energy) = hour.energy_microjoules else {
                let y = ENERGY.0 + ENERGY.1 / 2.0;
                write!(
                    out,
                    "<rect class=\"miss\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
                    base - y
                )?;
                continue;
            };
            let modelled = energy - hour.measured_microjoules - hour.simulated_microjoules;
            let mut top = base;
            for (class, part) in [
                ("en", hour.measured_microjoules),
                ("mod", modelled),
                ("sim", hour.simulated_microjoules),
            ] {
                let height = base - axis.at(place(part) / unit);
                if height > 0.05 {
                    top -= height;
                    write!(
                        out,
                        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
                    )?;
                }
            }
        }
        Ok(())
    }

    fn intensity(&self, out: &mut String) -> fmt::Result {
        let all = || self.hours.hours.iter();
        let most = all()
            .filter_map(|hour| hour.intensity_milligrams_per_kwh)
            .max();
        let axis = Axis::from_zero(
            place(most.unwrap_or(0)) / GRAM,
            (GRID.0 + GRID.1, GRID.0),
            3.0,
        );
        let title = self
            .language
            .pick("Grid intensity (gCO2eq/kWh)", "전력 배출계수(gCO₂-eq/kWh)");
        Self::frame(title, &axis, GRID, out)?;
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut kind = "";
        for hour in all() {
            let now = match (hour.is_ahead, hour.is_estimated) {
                (true, _) => "line fc",
                (false, true) => "line est",
                (false, false) => "line",
            };
            let known = hour.intensity_milligrams_per_kwh;
            if now != kind || known.is_none() {
                polyline(&run, kind, out)?;
                // A line goes on from where the one before ended.
                run = run
                    .last()
                    .filter(|_| known.is_some())
                    .copied()
                    .into_iter()
                    .collect();
                kind = now;
            }
            if let Some(intensity) = known {
                let y = axis.at(place(intensity) / GRAM);
                run.push((self.x(hour.start), y));
                run.push((self.x(hour.start + 3_600), y));
            }
        }
        polyline(&run, kind, out)
    }

    /// The local hours under the panels: every third of a day or two, every
    /// day of more.
    fn times(&self, out: &mut String) -> fmt::Result {
        let count = self.hours.hours.len();
        let (every, form) = match count {
            0..=30 => (3, "%H:%M"),
            31..=80 => (6, "%H:%M"),
            81..=200 => (24, "%m-%d"),
            _ => (96, "%m-%d"),
        };
        let y = GRID.0 + GRID.1 + 18.0;
        for hour in &self.hours.hours {
            let at = Timestamp::from_second(hour.start).unwrap_or(Timestamp::UNIX_EPOCH);
            let time = self.zone.to_datetime(at);
            let whole = i64::from(time.hour()) + 24 * i64::from(time.day());
            let is_label = if every < 24 {
                i64::from(time.hour()) % every == 0
            } else {
                whole % every == 0 && time.hour() == 0
            };
            if is_label {
                let x = self.x(hour.start);
                write!(
                    out,
                    "<text class=\"mu num\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                    time.strftime(form)
                )?;
            }
        }
        let (first, last) = (self.first, self.last);
        let form = "%Y-%m-%d %H:%M";
        write!(
            out,
            "<text class=\"mu\" x=\"{LEFT}\" y=\"{:.1}\">{} – {} {}</text>",
            y + 20.0,
            local(first, &self.zone, form),
            local(last, &self.zone, form),
            escape(&self.hours.time_zone)
        )
    }
}

fn polyline(run: &[(f64, f64)], class: &str, out: &mut String) -> fmt::Result {
    if run.len() < 2 {
        return Ok(());
    }
    write!(out, "<polyline class=\"{class}\" points=\"")?;
    for (index, (x, y)) in run.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(out, "{space}{x:.1},{y:.1}")?;
    }
    out.write_str("\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Hours {
        let hour = |index: i64| Hour {
            start: 1_781_449_200 + index * 3_600,
            energy_microjoules: (index != 3).then_some(3_600_000_000_000),
            measured_microjoules: 1_800_000_000_000,
            intensity_milligrams_per_kwh: Some(400_000 + index * 1_000),
            is_estimated: index > 10,
            is_ahead: index > 20,
            ..Hour::default()
        };
        Hours {
            time_zone: "Asia/Seoul".to_owned(),
            ledger_revision: None,
            hours: (0..24).map(hour).collect(),
        }
    }

    #[test]
    fn measured_is_solid_modelled_hatched_missing_outlined_and_expected_dotted() {
        let (svg, summary) = hours(&day(), Now::default(), Language::English).unwrap();
        for class in [
            "class=\"en\"",
            "class=\"mod\"",
            "class=\"miss\"",
            "line est",
            "line fc",
        ] {
            assert!(svg.contains(class), "{class}");
        }
        assert!(
            summary.starts_with("20.00 kWh in 21 hours, 1 of them without"),
            "{summary}"
        );
        assert!(svg.contains("role=\"img\""));
    }

    /// Hours without any intensity were cleanest "with -"; in Korean the figure
    /// stood where the time belongs.
    #[test]
    fn the_sentence_tells_when_the_grid_was_cleanest_or_that_nobody_knows() {
        let said = |hours: &Hours, language| super::hours(hours, Now::default(), language);
        let (_, korean) = said(&day(), Language::Korean).unwrap();
        assert!(
            korean.ends_with(
                "06-15 00:00에 400 g/kWh로 가장 낮고 06-15 20:00에 420 g/kWh로 가장 높다."
            ),
            "{korean}"
        );
        let mut blind = day();
        for hour in &mut blind.hours {
            hour.intensity_milligrams_per_kwh = None;
        }
        let (_, english) = said(&blind, Language::English).unwrap();
        assert!(
            english.ends_with("no hour's intensity is known."),
            "{english}"
        );
        let (_, korean) = said(&blind, Language::Korean).unwrap();
        assert!(korean.ends_with("배출계수를 아는 시간이 없다."), "{korean}");
    }

    #[test]
    fn nothing_is_no_drawing() {
        assert_eq!(
            hours(&Hours::default(), Now::default(), Language::Korean),
            None
        );
    }
}
