//! The machine's power as its BMC tells it by Redfish.
//!
//! A BMC answers slowly and is asked in the background at its own pace; a
//! reading never waits for it. It tells power, and energy is integrated over
//! the time between its samples. Each node asks its own BMC with its own
//! credentials, over TLS that is verified.

mod answers;
mod client;
mod held;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tanso_power::idle::IdleFloor;
use tanso_power::{Estimate, Joules, Provenance, Watts};
use tanso_runtime::Shutdown;
use tokio::time::sleep;

use super::guard::Stillness;
use super::track::GAP_MAX;
use super::{
    Figure, Memory, Meter, MeterFault, MeterState, Reading, Refusal, Refusals, SensorReport,
    SensorState, Span, Supply, Zone, ZoneClass,
};
use crate::attribution::ZoneEnergy;
use client::{Bmc, BmcFault};
use held::Held;

/// How often a BMC is asked: most renew their figure every few seconds, and
/// are small computers.
const PERIOD: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// Which BMC, and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedfishSettings {
    /// `https://HOST[:PORT]`.
    pub endpoint: String,
    /// A folder with the files `username` and `password` (a mounted Secret),
    /// or a file with the line `username:password`.
    pub credentials: Option<PathBuf>,
    /// Certificates of authorities to trust instead of the system's, PEM.
    pub authorities: Option<PathBuf>,
    /// The chassis' id, where the BMC has several with power readings.
    pub chassis: Option<String>,
}

/// What is known of the BMC's figures; shared by who asks and who reads.
#[derive(Debug)]
pub struct RedfishSource {
    /// The BMC's name: its address without scheme and port.
    name: String,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Held,
    /// The last power, and where it is told.
    last: Option<(Watts, String)>,
    reason: String,
    refusals: Refusals,
}

impl Default for RedfishSource {
    fn default() -> Self {
        Self::new("no BMC is set (--redfish-endpoint)")
    }
}

impl RedfishSource {
    /// A source without figures, for this reason.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        let state = State {
            reason: reason.to_owned(),
            ..State::default()
        };
        Self {
            name: String::new(),
            begin: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// A source for the BMC at `endpoint`, which was not asked yet.
    #[must_use]
    pub fn of(endpoint: &str) -> Self {
        let host = endpoint.rsplit("://").next().unwrap_or(endpoint);
        let host = host.split('/').next().unwrap_or(host);
        let bare = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                host
            }
        });
        Self {
            name: bare.to_owned(),
            ..Self::new(&format!("\"{endpoint}\" was not asked yet"))
        }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A figure of the BMC, taken at `at`.
    fn accept(&self, at: Duration, watts: Option<f64>, place: &str) {
        let mut state = self.state();
        let power = match watts {
            None => Err(Refusal::NotANumber),
            Some(watts) if watts < 0.0 => Err(Refusal::Negative),
            Some(watts) => Watts::try_from_watts(watts).map_err(|_| Refusal::NotANumber),
        };
        let power = power.and_then(|power| {
            if power > ZoneClass::Platform.plausible() {
                Err(Refusal::Absurd)
            } else {
                Ok(power)
            }
        });
        match power {
            Ok(power) => {
                state.held.sample(at, power);
                state.last = Some((power, place.to_owned()));
            }
            Err(refusal) => {
                *state.refusals.entry(refusal).or_default() += 1;
                state.reason = format!("\"{place}\": {}", refusal.explain());
            }
        }
    }

    fn refuse(&self, reason: String) {
        let mut state = self.state();
        *state.refusals.entry(Refusal::Unreadable).or_default() += 1;
        state.reason = reason;
    }
}

/// Asks the BMC until the shutdown; a session that was opened is closed.
pub async fn keep(source: Arc<RedfishSource>, settings: RedfishSettings, shutdown: Shutdown) {
    let mut bmc = match Bmc::new(settings) {
        Ok(bmc) => bmc,
        Err(fault) => {
            tracing::warn!(error = %fault, "BMC cannot be asked");
            return source.refuse(fault.to_string());
        }
    };
    let mut pause = PERIOD;
    loop {
        let before = source.now();
        match bmc.power().await {
            Ok((watts, place)) => {
                // The figure is from within the exchange.
                let at = before + source.now().saturating_sub(before) / 2;
                source.accept(at, watts, &place);
                pause = PERIOD;
            }
            Err(fault) => {
                tracing::warn!(error = %fault, "BMC did not tell its power");
                // Wrong passwords lock accounts: few attempts are made.
                pause = match fault {
                    BmcFault::Login { .. } => PAUSE_MAX,
                    _ => (pause * 2).min(PAUSE_MAX),
                };
                source.refuse(fault.to_string());
            }
        }
        tokio::select! {
            () = shutdown.begun() => break,
            () = sleep(pause) => {}
        }
    }
    bmc.close().await;
}

/// Asks the BMC once.
pub async fn once(source: &RedfishSource, settings: RedfishSettings) {
    let told = match Bmc::new(settings) {
        Ok(mut bmc) => {
            let told = bmc.power().await;
            bmc.close().await;
            told
        }
        Err(fault) => Err(fault),
    };
    match told {
        Ok((watts, place)) => source.accept(source.now(), watts, &place),
        Err(fault) => source.refuse(fault.to_string()),
    }
}

/// The meter over a BMC's figures.
#[derive(Debug)]
pub struct Redfish {
    source: Arc<RedfishSource>,
    given: Option<Joules>,
    floor: IdleFloor,
    stillness: Stillness,
}

impl Redfish {
    /// A meter that gives out what `source` learns.
    #[must_use]
    pub fn new(source: Arc<RedfishSource>) -> Self {
        Self {
            source,
            given: None,
            floor: IdleFloor::default(),
            stillness: Stillness::default(),
        }
    }
}

impl Meter for Redfish {
    fn name(&self) -> &'static str {
        "redfish"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "the whole machine's power as its BMC measures it: fans, disks and power supply losses are not seen"
    }

    fn find(&mut self) -> MeterState {
        let now = self.source.now();
        let state = self.source.state();
        match state.held.age(now) {
            Some(age) if age <= GAP_MAX => MeterState::Active,
            None if state.refusals.is_empty() => MeterState::Absent(state.reason.clone()),
            _ => MeterState::Failed(state.reason.clone()),
        }
    }

    fn classes(&self) -> Vec<ZoneClass> {
        let told = self.source.state().last.is_some();
        told.then_some(ZoneClass::Platform).into_iter().collect()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let now = self.source.now();
        let (total, power, place) = {
            let state = self.source.state();
            let told = state.last.clone().zip(state.held.total(now));
            let fresh = state.held.age(now).is_some_and(|age| age <= GAP_MAX);
            match told {
                Some(((power, place), total)) if fresh => (total, power, place),
                _ => return Err(MeterFault(state.reason.clone())),
            }
        };
        self.stillness
            .note(power.microwatts(), span.elapsed, span.utilisation.ratio());
        if self.stillness.gauge_is_stuck() {
            return Err(MeterFault(Refusal::Stuck.explain().to_owned()));
        }
        let given = *self.given.get_or_insert(total);
        let energy = total.saturating_sub(given);
        self.given = Some(given + energy);
        let idle = if energy == Joules::ZERO {
            Joules::ZERO
        } else {
            // By the power that is held: the energy may correct the past.
            let held = power.over(span.elapsed);
            let idle = self.floor.observe(held, span.utilisation, span.elapsed);
            idle.min(energy)
        };
        let zone = Zone {
            class: ZoneClass::Platform,
            path: place,
        };
        let amount = ZoneEnergy {
            energy: Estimate::exact(energy),
            idle: Estimate::exact(idle),
        };
        Ok(vec![(zone, amount)])
    }

    fn restart(&mut self, _class: ZoneClass) {
        self.given = None;
    }

    fn refusals(&self) -> Refusals {
        self.source.state().refusals.clone()
    }

    fn sensors(&self) -> Vec<SensorReport> {
        let state = self.source.state();
        let report = state.last.iter().map(|(power, place)| SensorReport {
            label: format!("BMC: {power}"),
            path: place.clone(),
            class: Some(ZoneClass::Platform),
            figure: Some(Figure::Integrated),
            state: SensorState::Used,
        });
        report.collect()
    }

    fn supplies(&self) -> Vec<Supply> {
        let state = self.source.state();
        let told = state.last.iter().map(|(power, place)| {
            // "/redfish/v1/Chassis/ID/EnvironmentMetrics"
            let mut parts = place.rsplit('/');
            let id = parts.next().unwrap_or_default().to_owned();
            Supply {
                bmc: self.source.name.clone(),
                chassis: parts.next().unwrap_or_default().to_owned(),
                id,
                power: *power,
            }
        });
        told.collect()
    }

    fn memory(&self) -> Memory {
        Memory {
            floors: BTreeMap::from([(ZoneClass::Platform, self.floor)]),
            ..Memory::default()
        }
    }

    fn resume(&mut self, memory: Memory) {
        self.given = None;
        self.floor = memory
            .floors
            .get(&ZoneClass::Platform)
            .copied()
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
