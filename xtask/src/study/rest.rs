//! Whether the cluster is at rest: what was just started, stopped or applied uses
//! CPU time for some seconds, and none of that is what an arm costs.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::bench::Bench;
use super::figures::between;

/// A window over which the use of CPU is looked at, seconds: two of the agent's.
const WINDOW_SECONDS: f64 = 0.5;
/// The cluster is at rest when so many windows in a row were.
const WINDOWS: usize = 4;
/// The most that the cluster uses at rest, CPUs. Idle it uses less than a tenth.
const CALM_CPUS: f64 = 0.25;
/// How far apart windows at rest may lie, CPUs: a kubelet's look around in one.
const SPREAD_CPUS: f64 = 0.2;

/// Until when to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Rest, but not longer than this.
    Rest(Duration),
    /// That moment.
    Moment(Instant),
}

/// Waits, and tells whether the cluster was at rest in the end. `pods` says whose
/// each pod is.
pub(super) fn come_to_rest(
    bench: &Bench<'_>,
    pods: &BTreeMap<String, &'static str>,
    until: Until,
) -> Result<bool> {
    let begun = Instant::now();
    let cast = bench.cast(pods.clone())?;
    let mut last = bench.agent.read()?;
    let mut used = Vec::new();
    loop {
        let over = match until {
            Until::Rest(most) => is_at_rest(&used) || begun.elapsed() >= most,
            // Another window would not fit.
            Until::Moment(moment) => {
                let left = moment.saturating_duration_since(Instant::now());
                left.as_secs_f64() < 2.0 * WINDOW_SECONDS
            }
        };
        if over {
            break;
        }
        // Asking the agent again and again would be work of its own.
        thread::sleep(Duration::from_secs_f64(0.8 * WINDOW_SECONDS));
        let next = bench.agent.read_after(last.at + WINDOW_SECONDS)?;
        let seconds = between(&last, &next, &cast);
        let seconds = seconds.get("cluster_cpu_seconds").copied();
        used.push(seconds.unwrap_or_default() / (next.at - last.at));
        last = next;
    }
    if let Until::Moment(moment) = until {
        thread::sleep(moment.saturating_duration_since(Instant::now()));
    }
    Ok(is_at_rest(&used))
}

/// Whether the last windows, each with the CPUs used on average, were at rest.
fn is_at_rest(used: &[f64]) -> bool {
    let Some(last) = used
        .len()
        .checked_sub(WINDOWS)
        .and_then(|from| used.get(from..))
    else {
        return false;
    };
    let most = last.iter().copied().fold(f64::MIN, f64::max);
    let fewest = last.iter().copied().fold(f64::MAX, f64::min);
    most <= CALM_CPUS && most - fewest <= SPREAD_CPUS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_at_rest_when_its_last_windows_were_low_and_alike() {
        assert!(is_at_rest(&[1.4, 0.9, 0.06, 0.05, 0.08, 0.06]));
        // A kubelet that looks around is rest, controllers that start are not.
        assert!(is_at_rest(&[0.05, 0.04, 0.2, 0.05]));
        assert!(!is_at_rest(&[0.05, 0.9, 0.06, 0.05]));
        assert!(!is_at_rest(&[0.01, 0.02, 0.24, 0.02]));
        // Even use that is high is work, and too few windows say nothing.
        assert!(!is_at_rest(&[1.0, 1.0, 1.0, 1.0, 1.0]));
        assert!(!is_at_rest(&[0.05, 0.05, 0.05]));
        assert!(!is_at_rest(&[]));
    }
}
