//! What a machine's meters are, for people: which is read for what, and why
//! not the rest.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use tanso_power::{Joules, Utilisation};

use super::{Bench, Figure, SensorState, Span, Zone};

/// How long power is looked at.
pub const SPAN: Duration = Duration::from_secs(1);

/// Reads the meters at the beginning and at the end of `span` and shows what
/// they are.
#[must_use]
pub fn table(mut bench: Bench, span: Duration) -> String {
    bench.start(None);
    let begin = Instant::now();
    bench.read(&Span::default());
    thread::sleep(span);
    let elapsed = begin.elapsed();
    let reading = bench.read(&Span {
        elapsed,
        utilisation: Utilisation::IDLE,
        ..Span::default()
    });
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:<9} {:<9} {:<28} why", "METER", "STATE", "ZONES");
    for report in bench.reports() {
        let zones: Vec<&str> = report.zones.iter().map(|zone| zone.as_str()).collect();
        let zones = if zones.is_empty() {
            "-".to_owned()
        } else {
            zones.join(",")
        };
        let _ = writeln!(
            text,
            "{:<9} {:<9} {zones:<28} {}",
            report.name, report.state, report.reason
        );
    }
    sensors(&bench, &mut text);
    let Some(reading) = reading else {
        text.push_str("\nNo energy is known on this machine: CPU time is counted, watts are not. A model server can estimate them (--model-server).\n");
        return text;
    };
    let _ = writeln!(
        text,
        "\n{:<9} {:>12}  {:<7} read from",
        "ZONE", "POWER", "COUNTS"
    );
    let all: Vec<Zone> = reading.zones.iter().map(|(zone, _)| zone.clone()).collect();
    let mut total = Joules::ZERO;
    for (zone, amount) in &reading.zones {
        let counts = zone.counts_among(&all);
        if counts {
            total += amount.energy.value;
        }
        let power = amount.energy.value.over(elapsed).to_string();
        let counts = if counts { "yes" } else { "within" };
        let _ = writeln!(
            text,
            "{:<9} {power:>12}  {counts:<7} {}",
            zone.class.as_str(),
            zone.path
        );
    }
    let power = total.over(elapsed).to_string();
    let _ = writeln!(text, "{:<9} {power:>12}  {}", "node", reading.provenance);
    text
}

fn sensors(bench: &Bench, text: &mut String) {
    let mut any = false;
    for (meter, _, sensors) in bench.sensors() {
        for sensor in sensors {
            if !any {
                let _ = writeln!(
                    text,
                    "\n{:<9} {:<9} {:<28} why not, or how",
                    "METER", "ZONE", "SENSOR"
                );
                any = true;
            }
            let class = sensor.class.map_or("-", super::ZoneClass::as_str);
            let why = match sensor.state {
                SensorState::Used if sensor.figure == Some(Figure::Integrated) => {
                    "estimated from samples of power"
                }
                SensorState::Used => "",
                SensorState::Unused(ref reason) => reason,
            };
            let _ = writeln!(text, "{meter:<9} {class:<9} {:<28} {why}", sensor.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Meter;
    use super::super::fake::Fake;
    use super::super::rapl::Rapl;
    use super::*;

    #[test]
    fn the_table_names_what_is_read_and_what_is_missing() {
        let empty = tempfile::tempdir().unwrap();
        let meters: Vec<Box<dyn Meter>> =
            vec![Box::new(Rapl::new(empty.path())), Box::new(Fake::default())];
        let text = table(Bench::new(meters, vec!["perf"]), Duration::from_millis(1));
        for line in [
            "rapl      absent",
            "fake      active    package,core,dram",
            "perf      disabled",
        ] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
        assert!(text.contains("simulated"), "{text}");
        // Package and dram; core lies within.
        assert!(text.contains("node"), "{text}");
        let core = text.lines().find(|line| line.ends_with("fake-core"));
        assert!(core.is_some_and(|line| line.contains("within")), "{text}");
    }
}
