//! What a workload's pods used of CPU, for advice: the last minutes each for
//! itself, and days before them in short, however short the window is; pure.

use jiff::Timestamp;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::rightsize::{CpuSample, PastDay};

use super::group::{Pod, Workload};
use super::scene::Scene;
use crate::ledger::{CpuDay, CpuMinute, PodNames, past_cpu};

const MICROS: f64 = 1e6;
const DAY_S: i64 = 86_400;
const MINUTE_S: i64 = 60;

/// CPU of a workload's pods.
pub(super) struct Used<'a> {
    pub(super) samples: Vec<CpuSample>,
    pub(super) past: Vec<PastDay<'a>>,
}

impl<'a> Used<'a> {
    pub(super) fn of(scene: &Scene<'_>, workload: &Workload<'a>) -> Self {
        let now = scene.data_through.as_second();
        Self {
            samples: samples(workload),
            past: days_of(scene, workload)
                .map(|(day, seen)| past_day(*day, seen, now))
                .collect(),
        }
    }
}

/// The most that one of its pods used in a minute, cores: that of [`Used`],
/// without putting it together.
pub(super) fn most_cores(scene: &Scene<'_>, workload: &Workload<'_>) -> f64 {
    let of_late = workload.pods.iter().map(most_of_late);
    let before = days_of(scene, workload).map(|(_, seen)| seen.most_microcores);
    let before = before.max().map(cores_of_past);
    of_late.chain(before).fold(0.0, f64::max)
}

/// Of minutes in all of which it was there that of most time has the most cores.
fn most_of_late(pod: &Pod<'_>) -> f64 {
    let PodNames {
        started_at,
        finished_at,
        ..
    } = pod.names;
    let began_before = started_at.is_none_or(|at| at <= pod.minutes.oldest());
    let last_end = pod.minutes.newest().saturating_add(MINUTE_S);
    if began_before && finished_at.is_none_or(|at| at >= last_end) {
        return cores(pod.minutes.most_us(), MINUTE_S.unsigned_abs());
    }
    let each = pod.minutes.all().iter().map(|one| sample(pod, one).cores);
    each.fold(0.0, f64::max)
}

/// The past days that count.
fn days_of<'a>(
    scene: &Scene<'_>,
    workload: &Workload<'a>,
) -> impl Iterator<Item = (&'a UtcHour, &'a CpuDay)> + use<'a> {
    let now = scene.data_through.as_second();
    let days = workload.cpu_days.into_iter().flatten();
    days.filter(move |(day, _)| now.saturating_sub(day.unix_seconds()) < past_cpu::DAYS * DAY_S)
}

fn past_day(day: UtcHour, seen: &CpuDay, now: i64) -> PastDay<'_> {
    let noon = day.unix_seconds().saturating_add(DAY_S / 2).min(now);
    PastDay {
        at: Timestamp::from_second(noon).unwrap_or(Timestamp::MIN),
        seen_s: u32::try_from(seen.minutes.saturating_mul(60)).unwrap_or(u32::MAX),
        most_cores: cores_of_past(seen.most_microcores),
        seconds: &seen.seconds,
    }
}

fn cores_of_past(microcores: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of cores needs few digits"
    )]
    let micros = microcores as f64;
    micros / MICROS
}

fn cores(cpu_us: u64, seconds: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of cores needs few digits"
    )]
    let cores = cpu_us as f64 / MICROS / seconds as f64;
    cores
}

/// The last minutes of its pods.
fn samples(workload: &Workload<'_>) -> Vec<CpuSample> {
    let minutes = workload
        .pods
        .iter()
        .map(|pod| pod.minutes.all().len())
        .sum();
    let mut samples = Vec::with_capacity(minutes);
    for pod in workload.pods {
        samples.extend(pod.minutes.all().iter().map(|one| sample(pod, one)));
    }
    samples
}

/// One of a pod that began or ended within a minute was there for a part of it
/// only.
fn sample(pod: &Pod<'_>, one: &CpuMinute) -> CpuSample {
    let (from, until) = (pod.names.started_at, pod.names.finished_at);
    let seconds = past_cpu::present_s(one.minute, from, until);
    CpuSample {
        at: Timestamp::from_second(one.minute).unwrap_or(Timestamp::MIN),
        seconds: u32::try_from(seconds).unwrap_or(60),
        cores: cores(one.cpu_us, seconds),
    }
}
