//! A machine whose power is known: a powercap tree of files, driven by a
//! power function of CPU time that the kernel counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Between two steps of the power function: within a reading interval of the
/// agent's, so that what it cannot see is in the error; and short against it,
/// so that the register is as current as real ones are.
const STEP: Duration = Duration::from_millis(20);
/// Where the registers wrap, as on real processors.
const RANGE_UJ: u64 = 262_143_328_850;

/// The share of the processors up to which a step is quiet.
const QUIET: f64 = 0.1;

/// The known power: idle, and above it a concave function of the busy
/// processors, as processors' turbo makes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Power {
    pub(super) idle_watts: f64,
    pub(super) busy_watts: f64,
    pub(super) exponent: f64,
}

impl Power {
    /// Power above idle where `share` of the processors is busy.
    fn dynamic_watts(self, share: f64) -> f64 {
        self.busy_watts * share.clamp(0.0, 1.0).powf(self.exponent)
    }
}

/// What is known of the machine's energy, joules.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    /// All of it.
    pub(super) total: f64,
    /// At idle.
    pub(super) idle: f64,
    /// Above idle, by watched group.
    pub(super) by_group: Vec<f64>,
    /// Seconds of it.
    pub(super) seconds: f64,
    /// Seconds in which at most a tenth of the processors was busy: the agent
    /// takes such an interval for quiet.
    pub(super) quiet_seconds: f64,
    /// CPU seconds of all, and of the watched groups.
    pub(super) busy_seconds: (f64, f64),
}

/// The machine; stands still when it is dropped.
#[derive(Debug)]
pub(super) struct Machine {
    sys: PathBuf,
    total_uj: Arc<AtomicU64>,
    truth: Arc<Mutex<Truth>>,
    paused: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    driver: Option<JoinHandle<()>>,
}

/// Reads the CPU time of a group.
pub(super) type Watched = Box<dyn Fn() -> Option<Duration> + Send>;

impl Machine {
    /// A machine with a package zone under `root`, whose power follows the
    /// CPU time of `all` and is owed to `groups`.
    pub(super) fn start(
        root: &Path,
        power: Power,
        cpus: usize,
        all: Watched,
        groups: Vec<Watched>,
    ) -> Result<Self> {
        let sys = root.join("sys");
        let zone = sys.join("class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone).context("making a powercap tree")?;
        fs::write(zone.join("name"), "package-0\n")?;
        fs::write(zone.join("max_energy_range_uj"), format!("{RANGE_UJ}\n"))?;
        let register = zone.join("energy_uj");
        let first_uj = RANGE_UJ - 500_000_000;
        fs::write(&register, format!("{first_uj}\n"))?;
        let mut machine = Self {
            sys,
            total_uj: Arc::default(),
            truth: Arc::new(Mutex::new(Truth {
                by_group: vec![0.0; groups.len()],
                ..Truth::default()
            })),
            paused: Arc::default(),
            stop: Arc::default(),
            driver: None,
        };
        let mut state = Driver {
            power,
            cpus,
            all,
            groups,
            register,
            first_uj,
            total_uj: Arc::clone(&machine.total_uj),
            truth: Arc::clone(&machine.truth),
            paused: Arc::clone(&machine.paused),
            rest_uj: 0.0,
        };
        let stop = Arc::clone(&machine.stop);
        let driver = thread::spawn(move || {
            let mut before = state.look();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(STEP);
                let now = state.look();
                state.step(&before, &now);
                before = now;
            }
        });
        machine.driver = Some(driver);
        Ok(machine)
    }

    /// The tree's `/sys`.
    pub(super) fn sys(&self) -> &Path {
        &self.sys
    }

    /// Energy so far, microjoules: what the registers have counted.
    pub(super) fn total_uj(&self) -> u64 {
        self.total_uj.load(Ordering::SeqCst)
    }

    /// What is known so far.
    pub(super) fn truth(&self) -> Truth {
        self.truth
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stands still until told otherwise: no energy is used.
    pub(super) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
        // The step that runs ends, also where others want the processors.
        thread::sleep(STEP * 15);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

struct Look {
    at: Instant,
    all: Option<Duration>,
    groups: Vec<Option<Duration>>,
}

struct Driver {
    power: Power,
    cpus: usize,
    all: Watched,
    groups: Vec<Watched>,
    register: PathBuf,
    first_uj: u64,
    total_uj: Arc<AtomicU64>,
    truth: Arc<Mutex<Truth>>,
    paused: Arc<AtomicBool>,
    rest_uj: f64,
}

impl Driver {
    fn look(&self) -> Look {
        Look {
            at: Instant::now(),
            all: (self.all)(),
            groups: self.groups.iter().map(|group| group()).collect(),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a step's energy is small and not negative"
    )]
    fn step(&mut self, before: &Look, now: &Look) {
        if self.paused.load(Ordering::SeqCst) {
            return;
        }
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let since = |before: Option<Duration>, now: Option<Duration>| match (before, now) {
            (Some(before), Some(now)) => now.saturating_sub(before).as_secs_f64(),
            _ => 0.0,
        };
        let busy = since(before.all, now.all);
        let share = busy / (seconds * self.cpus as f64);
        let dynamic = self.power.dynamic_watts(share) * seconds;
        let idle = self.power.idle_watts * seconds;
        let whole_uj = (dynamic + idle) * 1e6 + self.rest_uj;
        self.rest_uj = whole_uj.fract();
        let total_uj = self.total_uj.fetch_add(whole_uj as u64, Ordering::SeqCst) + whole_uj as u64;
        {
            let mut held = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
            let truth = &mut *held;
            truth.total += dynamic + idle;
            truth.idle += idle;
            truth.seconds += seconds;
            truth.quiet_seconds += if share <= QUIET { seconds } else { 0.0 };
            truth.busy_seconds.0 += busy;
            for (place, energy) in truth.by_group.iter_mut().enumerate() {
                let (was, is) = (before.groups.get(place), now.groups.get(place));
                let own = since(was.copied().flatten(), is.copied().flatten());
                truth.busy_seconds.1 += own;
                if busy > 0.0 {
                    *energy += dynamic * own / busy;
                }
            }
        }
        let shown_uj = (self.first_uj + total_uj) % (RANGE_UJ + 1);
        // Never half a number for a reader: another file takes its place.
        let new = self.register.with_extension("new");
        if fs::write(&new, format!("{shown_uj}\n")).is_ok() {
            let _ = fs::rename(&new, &self.register);
        }
    }
}
