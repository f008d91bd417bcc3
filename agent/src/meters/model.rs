//! Watts from a power model and the node's measured utilisation.
//!
//! The document comes once from a model server and is kept in a file; from
//! then on nothing but the document is needed. Without one, no energy is
//! made up: the meter is absent and says so.

pub mod fetch;
pub mod source;

use std::sync::Arc;

use tanso_power::model::{Domain, Part};
use tanso_power::{Provenance, Utilisation};

pub use source::{Loaded, ModelSource};

use super::integrator::Integrator;
use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, Zone, ZoneClass};
use crate::attribution::ZoneEnergy;

/// What part of a modelled machine this one is, as far as it says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Hardware threads, or vCPUs.
    pub threads: u32,
    /// It runs on a hypervisor.
    pub virtualised: bool,
}

/// The meter over a power model.
#[derive(Debug)]
pub struct Model {
    source: Arc<ModelSource>,
    guest: Guest,
    current: Option<Arc<Loaded>>,
    energy: Integrator,
    idle: Integrator,
}

impl Model {
    /// A meter that takes its model from `source` as soon as it has one.
    #[must_use]
    pub fn new(source: Arc<ModelSource>, guest: Guest) -> Self {
        Self {
            source,
            guest,
            current: None,
            energy: Integrator::default(),
            idle: Integrator::default(),
        }
    }
}

impl Meter for Model {
    fn name(&self) -> &'static str {
        "model"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Modelled
    }

    fn loses(&self) -> &'static str {
        "estimated energy: without a model and without a hardware meter, CPU time is counted and energy is unknown"
    }

    fn find(&mut self) -> MeterState {
        match self.source.current() {
            Some(_) => MeterState::Active,
            None => MeterState::Absent(self.source.reason()),
        }
    }

    fn classes(&self) -> Vec<ZoneClass> {
        let loaded = self.source.current();
        loaded
            .map(|loaded| class(loaded.document.domain))
            .into_iter()
            .collect()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let Some(loaded) = self.source.current() else {
            return Err(MeterFault(self.source.reason()));
        };
        let document = &loaded.document;
        let part = Part::of(document, self.guest.threads, self.guest.virtualised);
        let power = document.power_given(part, span.utilisation, span.stolen, &span.activity);
        let idle = Utilisation::IDLE;
        let idle_power = document.power_given(part, idle, idle, &span.activity);
        let amount = ZoneEnergy {
            energy: self.energy.add(power, span.elapsed),
            idle: self.idle.add(idle_power, span.elapsed),
        };
        let class = class(document.domain);
        self.current = Some(loaded);
        Ok(vec![(
            Zone {
                class,
                path: Zone::MODELLED.to_owned(),
            },
            amount,
        )])
    }

    fn model(&self) -> Option<Arc<str>> {
        self.current
            .as_ref()
            .map(|loaded| Arc::clone(&loaded.digest))
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        self.energy.save("energy", &mut memory);
        self.idle.save("idle", &mut memory);
        memory
    }

    fn resume(&mut self, memory: Memory) {
        self.energy = Integrator::load("energy", &memory);
        self.idle = Integrator::load("idle", &memory);
    }
}

/// What a model's power covers.
const fn class(domain: Domain) -> ZoneClass {
    match domain {
        Domain::Rapl => ZoneClass::Package,
        Domain::WallSpecpower | Domain::Wall | Domain::Instance => ZoneClass::Platform,
    }
}

#[cfg(test)]
mod tests;
