//! The mean clock of busy processors, by the best source that there is.
//!
//! 1. The registers APERF and MPERF by the kernel's `msr` events: they count
//!    while a processor works and at no other time, one at the actual clock,
//!    one at a constant one (Intel SDM vol. 3B, 16.2; AMD has the same), so
//!    that their ratio is the mean over all work, turbo and throttling
//!    included.
//! 2. `cpufreq/scaling_cur_freq` of each processor, a look at the moment:
//!    weighted by how long each was busy.
//! 3. `cpu MHz` of `/proc/cpuinfo`, where there is no cpufreq, weighted alike.
//!    A virtual machine shows its host's nominal clock there, whatever the
//!    host does: that is no measurement and not taken for one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perf_event::events::Raw;
use perf_event::{Builder, Counter};

use super::SourceReport;
use super::online::Online;
use crate::host::HostRoots;
use crate::meters::MeterState;

/// Clocks beyond these are no clocks.
const MHZ: std::ops::RangeInclusive<f64> = 10.0..=20_000.0;

/// Where the clock is read.
#[derive(Debug)]
enum Source {
    /// Nowhere, and why.
    Nowhere(String),
    Registers(Registers),
    /// A file each, by processor, in kHz.
    Cpufreq(Vec<(usize, PathBuf)>),
    Cpuinfo(PathBuf),
}

/// The clock's reader.
#[derive(Debug)]
pub(super) struct Clock {
    roots: HostRoots,
    virtualised: bool,
    source: Source,
    /// Why no better source is read.
    not_registers: String,
}

impl Clock {
    pub(super) fn new(roots: &HostRoots, virtualised: bool) -> Self {
        Self {
            roots: roots.clone(),
            virtualised,
            source: Source::Nowhere("not looked for yet".to_owned()),
            not_registers: String::new(),
        }
    }

    /// Looks for the best source over these processors.
    pub(super) fn open(&mut self, online: &Online) {
        let pmu = self.roots.sys.join("bus/event_source/devices/msr");
        match Registers::open(&pmu, online) {
            Ok(registers) => {
                self.source = Source::Registers(registers);
                self.not_registers.clear();
                return;
            }
            Err(reason) => self.not_registers = reason,
        }
        let files: Vec<(usize, PathBuf)> = online
            .numbers()
            .map(|number| {
                let file = format!("devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
                (number, self.roots.sys.join(file))
            })
            .filter(|(_, file)| kilohertz(file).is_some())
            .collect();
        self.source = if !files.is_empty() {
            Source::Cpufreq(files)
        } else if self.virtualised {
            let reason =
                "a virtual machine shows its host's nominal clock, which is no measurement";
            Source::Nowhere(format!("{}; no cpufreq; {reason}", self.not_registers))
        } else {
            let file = self.roots.proc.join("cpuinfo");
            if shown(&file).is_empty() {
                let reason = "no \"cpu MHz\" in /proc/cpuinfo";
                Source::Nowhere(format!("{}; no cpufreq; {reason}", self.not_registers))
            } else {
                Source::Cpuinfo(file)
            }
        };
    }

    /// The mean clock, MHz; `busy` by processor as `online` lists them.
    pub(super) fn read(
        &mut self,
        online: &Online,
        busy: &[Duration],
        elapsed: Duration,
    ) -> Option<f64> {
        let mean = match &mut self.source {
            Source::Nowhere(_) => None,
            Source::Registers(registers) => registers.read(elapsed),
            Source::Cpufreq(files) => {
                let clocks = files
                    .iter()
                    .filter_map(|(number, file)| Some((*number, kilohertz(file)? / 1e3)));
                weighted(&clocks.collect(), online, busy)
            }
            Source::Cpuinfo(file) => weighted(&shown(file), online, busy),
        };
        mean.filter(|mhz| MHZ.contains(mhz))
    }

    pub(super) fn report(&self) -> SourceReport {
        let how = match &self.source {
            Source::Nowhere(_) => String::new(),
            Source::Registers(registers) => format!(
                "registers APERF and MPERF of {} processors, by the kernel's msr events",
                registers.places.len()
            ),
            Source::Cpufreq(files) => format!(
                "scaling_cur_freq of {} processors, weighted by their busy time ({})",
                files.len(),
                self.not_registers
            ),
            Source::Cpuinfo(_) => format!(
                "\"cpu MHz\" of /proc/cpuinfo, weighted by busy time ({}; no cpufreq)",
                self.not_registers
            ),
        };
        SourceReport {
            name: "clock",
            state: match &self.source {
                Source::Nowhere(reason) => MeterState::Absent(reason.clone()),
                _ => MeterState::Active,
            },
            how,
        }
    }
}

/// The mean of the processors' clocks, weighted by busy time; all alike if
/// none was busy.
fn weighted(clocks: &HashMap<usize, f64>, online: &Online, busy: &[Duration]) -> Option<f64> {
    let any = busy.iter().any(|busy| !busy.is_zero());
    let (mut sum, mut weights) = (0.0, 0.0);
    for (at, number) in online.numbers().enumerate() {
        let weight = if any {
            busy.get(at)?.as_secs_f64()
        } else {
            1.0
        };
        if let Some(mhz) = clocks.get(&number) {
            sum += weight * mhz;
            weights += weight;
        }
    }
    (weights > 0.0).then(|| sum / weights)
}

fn kilohertz(file: &Path) -> Option<f64> {
    let khz: u32 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (khz > 0).then(|| f64::from(khz))
}

/// `cpu MHz` by processor.
fn shown(file: &Path) -> HashMap<usize, f64> {
    let mut clocks = HashMap::new();
    let mut number = None;
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.trim() {
            "processor" => number = value.trim().parse().ok(),
            "cpu MHz" => {
                if let (Some(number), Ok(mhz)) = (number, value.trim().parse::<f64>()) {
                    clocks.insert(number, mhz);
                }
            }
            _ => {}
        }
    }
    clocks
}

/// Open events of one processor and what they last said.
struct Place {
    aperf: Counter,
    mperf: Counter,
    before: (u64, u64),
}

/// The registers of all processors, and the constant clock.
struct Registers {
    places: Vec<Place>,
    tsc: Counter,
    tsc_before: u64,
}

impl std::fmt::Debug for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registers")
            .field("processors", &self.places.len())
            .finish_non_exhaustive()
    }
}

impl Registers {
    fn open(pmu: &Path, online: &Online) -> Result<Self, String> {
        let kind = text(&pmu.join("type")).and_then(|text| text.parse().ok());
        let kind: u32 = kind.ok_or("no msr events")?;
        let config = |name: &str| {
            let text = text(&pmu.join("events").join(name));
            text.and_then(|text| number(&text))
                .ok_or_else(|| format!("no msr event \"{name}\""))
        };
        let [aperf, mperf, tsc] = [config("aperf")?, config("mperf")?, config("tsc")?];
        let open = |config: u64, cpu: usize| {
            let mut builder = Builder::new(Raw::new(config));
            builder.attrs_mut().type_ = kind;
            builder
                .include_kernel()
                .include_hv()
                .any_pid()
                .one_cpu(cpu)
                .enabled(true);
            builder
                .build()
                .map_err(|fault| format!("msr events: {fault}"))
        };
        let mut places = Vec::new();
        for cpu in online.numbers() {
            places.push(Place {
                aperf: open(aperf, cpu)?,
                mperf: open(mperf, cpu)?,
                before: (0, 0),
            });
        }
        let first = online.numbers().next().unwrap_or_default();
        Ok(Self {
            places,
            tsc: open(tsc, first)?,
            tsc_before: 0,
        })
    }

    /// The mean clock since the last reading; `None` if a register cannot be
    /// read or stood still.
    fn read(&mut self, elapsed: Duration) -> Option<f64> {
        let (mut actual, mut constant) = (0, 0);
        for place in &mut self.places {
            let now = (place.aperf.read().ok()?, place.mperf.read().ok()?);
            actual += now.0.saturating_sub(place.before.0);
            constant += now.1.saturating_sub(place.before.1);
            place.before = now;
        }
        let tsc = self.tsc.read().ok()?;
        let ticks = tsc.saturating_sub(std::mem::replace(&mut self.tsc_before, tsc));
        mean_mhz(actual, constant, ticks, elapsed)
    }
}

/// MHz of `actual` counts while a constant clock counted `constant`, of which
/// `ticks` pass in `elapsed`.
fn mean_mhz(actual: u64, constant: u64, ticks: u64, elapsed: Duration) -> Option<f64> {
    if constant == 0 || elapsed.is_zero() {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of 2^-53 of a clock is no matter"
    )]
    let [actual, constant, ticks] = [actual, constant, ticks].map(|count| count as f64);
    Some(actual / constant * ticks / elapsed.as_secs_f64() / 1e6)
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// The number in `event=0x01`.
fn number(text: &str) -> Option<u64> {
    let value = text.strip_prefix("event=")?;
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registers_ratio_is_the_mean_clock_of_work() {
        // Half of the second idle: 1.25e9 of 2.5e9 constant counts, at 3 GHz.
        let mhz = mean_mhz(
            1_500_000_000,
            1_250_000_000,
            2_500_000_000,
            Duration::from_secs(1),
        );
        assert!((mhz.unwrap() - 3_000.0).abs() < 1e-6);
        assert_eq!(mean_mhz(1, 0, 5, Duration::from_secs(1)), None);
    }
}
