//! What a workload's pods used of CPU, for advice: the last minutes each for
//! itself, and days before them in short, however short the window is; pure.

use jiff::Timestamp;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::rightsize::{CpuSample, PastDay};

use super::Inputs;
use super::group::{Grouped, Key, Workload};
use crate::ledger::memory::WorkloadKey;
use crate::ledger::{CpuDay, past_cpu};

const MICROS: f64 = 1e6;
const DAY_S: i64 = 86_400;

/// CPU of a workload's pods.
pub(super) struct Used {
    pub(super) samples: Vec<CpuSample>,
    pub(super) past: Vec<PastDay>,
}

impl Used {
    pub(super) fn of(inputs: &Inputs<'_>, workload: &Workload<'_>) -> Self {
        let now = inputs.data_through.as_second();
        let past = days_of(inputs, workload.key)
            .filter(|(day, _)| now.saturating_sub(day.unix_seconds()) < past_cpu::DAYS * DAY_S)
            .map(|(day, seen)| past_day(*day, seen, now))
            .collect();
        Self {
            samples: samples(workload),
            past,
        }
    }
}

/// Each past day of the workloads as a line of a digest.
pub(super) fn lines<'a>(
    inputs: &'a Inputs<'_>,
    grouped: &'a Grouped<'_>,
) -> impl Iterator<Item = String> + 'a {
    grouped.workloads.iter().flat_map(|workload| {
        let key = workload.key;
        days_of(inputs, key).map(move |(day, seen)| {
            let (minutes, most) = (seen.minutes, seen.most_microcores);
            format!("cpu {day} {key:?} {minutes} {most} {:?}", seen.seconds)
        })
    })
}

fn days_of<'a>(
    inputs: &'a Inputs<'_>,
    key: Key<'_>,
) -> impl Iterator<Item = (&'a UtcHour, &'a CpuDay)> {
    let key: WorkloadKey = [key.namespace, key.kind, key.name].map(str::to_owned);
    inputs.snapshot.cpu_days.get(&key).into_iter().flatten()
}

fn past_day(day: UtcHour, seen: &CpuDay, now: i64) -> PastDay {
    let noon = day.unix_seconds().saturating_add(DAY_S / 2).min(now);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of cores needs few digits"
    )]
    let most_cores = seen.most_microcores as f64 / MICROS;
    PastDay {
        at: Timestamp::from_second(noon).unwrap_or(Timestamp::MIN),
        seen_s: u32::try_from(seen.minutes.saturating_mul(60)).unwrap_or(u32::MAX),
        most_cores,
        seconds: seen
            .seconds
            .iter()
            .map(|(bucket, s)| (*bucket, *s))
            .collect(),
    }
}

/// The last minutes of its pods; one that began or ended within a minute was
/// there for a part of it only.
fn samples(workload: &Workload<'_>) -> Vec<CpuSample> {
    let sample = |minute: &&crate::ledger::CpuMinute| {
        let pod = workload.pods.get(&minute.pod);
        let (from, until) = pod.map_or((None, None), |pod| (pod.started_at, pod.finished_at));
        let seconds = past_cpu::present_s(minute.minute, from, until);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number of cores needs few digits"
        )]
        let cores = minute.cpu_us as f64 / MICROS / seconds as f64;
        CpuSample {
            at: Timestamp::from_second(minute.minute).unwrap_or(Timestamp::MIN),
            seconds: u32::try_from(seconds).unwrap_or(60),
            cores,
        }
    };
    workload.minutes.iter().map(sample).collect()
}
