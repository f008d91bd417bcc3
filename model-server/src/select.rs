//! Picks or makes the power model for a machine, and says why.
//!
//! The answer depends on the bundled tables and the machine only: the same
//! question gets the same document, byte for byte.

mod bounds;
mod ladder;
mod parts;
mod published;
mod words;

use std::sync::Arc;

use tanso_power::model::{Domain, MachineFeatures, ModelDocument, ModelError, ModelFault, SCHEMA};
use tanso_power::units::UnitError;

use crate::accelerators::Boards;
use crate::catalog::{Catalog, ORIGIN};
use crate::features::Machine;
use crate::host::{Host, median};
use crate::matrix::Singular;
use crate::rapl::Rapl;
use crate::reading::{Implausible, Limits, Reading};
use crate::resolve::{Atlas, Resolved, whole};
use crate::tiers::{Assessed, Knowledge, LEVEL, Steps, Tell, Tier};
use bounds::{corrected, points};
use ladder::{Curve, Grounds, modelled, with_design_power};
pub use parts::Component;
use parts::add;
use published::assess_instances;
use words::explanation;

/// The first year of machines that an unknown one is compared with.
const RECENT: f64 = 2_017.0;

/// The most sockets that CPUs are made for without other chips between them.
const SOCKETS_MOST: f64 = 8.0;

/// Everything needed to answer: the catalogue, what was learned from it, and
/// how wrong that is.
#[derive(Debug)]
pub struct Selector {
    catalog: Catalog,
    atlas: Atlas,
    knowledge: Knowledge,
    instance: Assessed,
    rapl: Rapl,
    boards: Boards,
    limits: Limits,
}

/// A model and how it was come by.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The tier that answered.
    pub tier: Tier,
    /// The model.
    pub document: ModelDocument,
    /// The model's name.
    pub digest: String,
    /// Parts of the model's power that can be told apart.
    pub components: Vec<Component>,
    /// Whether the machine has accelerators whose power is not in the figures.
    pub accelerators_left_out: bool,
}

/// Why there is no model; a fault of the program, but for a reading, which is
/// one of the question.
#[derive(Debug, thiserror::Error)]
pub enum SelectFault {
    /// A reading that cannot be of the machine.
    #[error(transparent)]
    Reading(#[from] Implausible),
    /// What is told of the machine has no distribution.
    #[error("what is told of the machine: {0}")]
    Singular(#[from] Singular),
    /// A tier has no curve.
    #[error("tier \"{0}\" has no model")]
    Empty(&'static str),
    /// A predicted figure is no power.
    #[error("predicting power: {0}")]
    Unit(#[from] UnitError),
    /// The document breaks its contract.
    #[error("making the model document: {0}")]
    Document(#[from] ModelFault),
}

impl Selector {
    /// Trains on the catalogue and finds every tier's error.
    ///
    /// # Errors
    /// If a process cannot be trained.
    pub fn learn(catalog: Catalog) -> Result<Self, Singular> {
        Self::learn_telling(catalog, &|_, _| {})
    }

    /// As [`Selector::learn`]; `tell` hears how many steps of how many are
    /// done, from several threads.
    ///
    /// # Errors
    /// As [`Selector::learn`].
    pub fn learn_telling(catalog: Catalog, tell: &Tell<'_>) -> Result<Self, Singular> {
        let steps = Steps::new(tell);
        let knowledge = Knowledge::learn(&catalog, &steps)?;
        let atlas = Atlas::new(&catalog);
        let instance = assess_instances(&atlas, &knowledge)?;
        let tdp_w = |host: &Host| Some(with_design_power(&knowledge, host)?.0.tdp_total_w());
        let rapl = Rapl::learn(&catalog, &atlas, tdp_w);
        steps.done();
        Ok(Self {
            boards: Boards::new(&catalog.accelerators),
            limits: Limits::learn(&catalog.machines),
            catalog,
            atlas,
            knowledge,
            instance,
            rapl,
        })
    }

    /// The bundled tables.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every tier with its error, from the most to the least knowledge.
    pub fn assessed(&self) -> impl Iterator<Item = &Assessed> {
        std::iter::once(&self.instance)
            .chain(&self.knowledge.assessed)
            .chain(&self.rapl.assessed)
    }

    /// What RAPL would read.
    #[must_use]
    pub const fn rapl(&self) -> &Rapl {
        &self.rapl
    }

    /// By what a machine's power can be judged, and what share of that it is:
    /// its host and the design power, or its own threads; `None` if neither is
    /// known.
    fn scale_of(&self, resolved: &Resolved) -> Option<(Host, f64)> {
        // A machine of unknown sockets is not judged by one of one.
        let whole = resolved.is_sized_guest() || !resolved.gaps.sockets;
        let host = resolved.host.as_ref().filter(|_| whole);
        host.and_then(|host| with_design_power(&self.knowledge, host))
            .map(|(host, _)| (host, resolved.share))
            .or_else(|| Some((resolved.part.clone()?, 1.0)))
    }

    /// One socket of a machine that does not tell how many it has.
    fn socket_of(&self, resolved: &Resolved) -> Option<Host> {
        let host = resolved.host.as_ref()?;
        let (host, _) = with_design_power(&self.knowledge, host)?;
        let by = host.sockets;
        Some(Host {
            sockets: 1.0,
            cores: host.cores / by,
            threads: host.threads / by,
            ..host
        })
    }

    /// The usual number of hardware threads of a machine that does not say it.
    #[must_use]
    pub fn usual_threads(&self) -> u32 {
        let recent = self.catalog.machines.iter().map(|machine| &machine.host);
        let recent: Vec<&Host> = recent.filter(|host| host.year >= RECENT).collect();
        whole(median(&recent, |host| host.threads)).unwrap_or(64)
    }

    /// What a curve's bounds stand on.
    fn grounds(&self, curve: &Curve) -> Result<Grounds<'_>, SelectFault> {
        if let Some(answers) = &curve.answers {
            return Ok(Grounds::Told(Arc::clone(answers)));
        }
        let assessed = match curve.tier {
            Tier::Instance => Some(&self.instance),
            tier => self.knowledge.assessed(tier),
        };
        assessed
            .map(Grounds::Tier)
            .ok_or(SelectFault::Empty(curve.tier.name()))
    }

    /// The model for a machine, with bounds at 90 %.
    ///
    /// # Errors
    /// Only by a fault of the program: every machine has a model.
    pub fn select(&self, machine: &Machine) -> Result<Selection, SelectFault> {
        self.select_at(machine, LEVEL)
    }

    /// The model for a machine, with bounds that are to hold a share `level`
    /// of true values.
    ///
    /// # Errors
    /// As [`Selector::select`].
    pub fn select_at(&self, machine: &Machine, level: f64) -> Result<Selection, SelectFault> {
        self.select_with(machine, level, &[])
    }

    /// As [`Selector::select_at`], corrected by readings of the machine itself.
    ///
    /// A reading that not one in a hundred machines like this one would show is
    /// taken, and the bounds hold what was expected without it as well.
    ///
    /// # Errors
    /// As [`Selector::select`], and if a reading cannot be of the machine.
    pub fn select_with(
        &self,
        machine: &Machine,
        level: f64,
        readings: &[Reading],
    ) -> Result<Selection, SelectFault> {
        let resolved = self.atlas.resolve(machine);
        let mut curve = match &resolved.figure {
            Some(figure) => Curve::published(figure),
            None => modelled(&self.knowledge, &resolved)?
                .ok_or(SelectFault::Empty(Tier::AnyMachine.name()))?,
        };
        let grounds = self.grounds(&curve)?;
        let boards = self.accelerators(machine);
        let draw = (curve.tier != Tier::Instance)
            .then_some(boards.draw)
            .flatten();
        let extra_w = draw.map_or(0.0, |draw| draw.value);
        if let Some((host, share)) = self.scale_of(&resolved) {
            self.limits.check(readings, &host, share, extra_w)?;
        } else if let Some(socket) = self.socket_of(&resolved) {
            let up_to = (&socket, SOCKETS_MOST);
            self.limits.check_up_to(readings, up_to, 1.0, extra_w)?;
        }
        let own: Vec<Reading> = readings
            .iter()
            .map(|reading| reading.without(extra_w))
            .collect();
        let (bounds, strange) = corrected(&mut curve, &grounds, level, &own);
        let mut explanation = explanation(&curve, &grounds, &resolved, readings);
        explanation.push_str(&strange);
        explanation.push_str(&boards.words(curve.tier));
        let accelerators_left_out = boards.is_left_out(curve.tier);
        let mut curve_points = points(&curve.loads, &bounds)?;
        let mut components = Vec::new();
        if let Some(draw) = draw {
            components.push(add(&mut curve_points, draw)?);
        }
        let (machines, families) = grounds.left_out();
        let document = ModelDocument {
            schema: SCHEMA.to_owned(),
            name: name(curve.tier.name(), &resolved.features),
            domain: if curve.tier == Tier::Instance {
                Domain::Instance
            } else {
                Domain::WallSpecpower
            },
            curve: curve_points,
            refined: None,
            error: ModelError {
                level,
                mape_percent: (grounds.mape_percent() * 10.0).round() / 10.0,
                method: format!(
                    "{}: {machines} machines of {families} families",
                    curve.tier.protocol()
                ),
            },
            training_digest: self.catalog.digest.clone(),
            origin: ORIGIN.to_owned(),
            explanation,
            machine: resolved.features,
        };
        document.check()?;
        Ok(Selection {
            tier: curve.tier,
            digest: document.digest()?,
            document,
            components,
            accelerators_left_out,
        })
    }
}

fn name(tier: &str, features: &MachineFeatures) -> String {
    let machine = [
        &features.instance_type,
        &features.cpu_name,
        &features.microarch,
    ]
    .into_iter()
    .flatten()
    .next();
    format!(
        "{tier}/{}",
        machine.map_or("unknown machine", String::as_str)
    )
}

#[cfg(test)]
pub(crate) mod tests;
