//! Picks or makes the power model for a machine, and says why.
//!
//! The answer depends on the bundled tables and the machine only: the same
//! question gets the same document, byte for byte.

mod parts;

use std::fmt::Write as _;

use tanso_power::model::{
    CurvePoint, Domain, MachineFeatures, ModelDocument, ModelError, ModelFault, SCHEMA,
};
use tanso_power::units::UnitError;
use tanso_power::{Estimate, Utilisation, Watts};

use crate::accelerators::Boards;
use crate::catalog::instances::INSTANCE_LOADS;
use crate::catalog::{Catalog, ORIGIN};
use crate::columns::View;
use crate::conformal::Scored;
use crate::features::Machine;
use crate::host::{Host, LOADS, load, median};
use crate::matrix::Singular;
use crate::rapl::Rapl;
use crate::reading::{Implausible, Limits, Reading};
use crate::resolve::{Atlas, Resolved, whole};
use crate::tiers::{Assessed, Knowledge, LEVEL, Steps, Tell, Tier};
pub use parts::Component;
use parts::add;

/// The first year of machines that an unknown one is compared with.
const RECENT: f64 = 2_017.0;

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

/// A curve before it becomes a document.
struct Curve {
    tier: Tier,
    loads: Vec<f64>,
    watts: Vec<f64>,
    deviation: f64,
    /// By level, what readings leave of the deviation; all of it if empty.
    doubt: Vec<f64>,
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
        let instance = assess_instances(&atlas, &knowledge);
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
        let host = resolved.host.as_ref();
        host.and_then(|host| with_design_power(&self.knowledge, host))
            .map(|(host, _)| (host, resolved.share))
            .or_else(|| Some((resolved.part.clone()?, 1.0)))
    }

    /// The usual number of hardware threads of a machine that does not say it.
    #[must_use]
    pub fn usual_threads(&self) -> u32 {
        let recent = self.catalog.machines.iter().map(|machine| &machine.host);
        let recent: Vec<&Host> = recent.filter(|host| host.year >= RECENT).collect();
        whole(median(&recent, |host| host.threads)).unwrap_or(64)
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
        let curve = resolved.figure.as_ref().map_or_else(
            || modelled(&self.knowledge, &resolved),
            |figure| {
                let (loads, watts) = (INSTANCE_LOADS.to_vec(), figure.watts.to_vec());
                Some(Curve {
                    tier: Tier::Instance,
                    loads,
                    watts,
                    deviation: 1.0,
                    doubt: Vec::new(),
                })
            },
        );
        let mut curve = curve.ok_or(SelectFault::Empty(Tier::AnyMachine.name()))?;
        let assessed = match curve.tier {
            Tier::Instance => Some(&self.instance),
            tier => self.knowledge.assessed(tier),
        };
        let assessed = assessed.ok_or(SelectFault::Empty(curve.tier.name()))?;
        let boards = self.accelerators(machine);
        let draw = (curve.tier != Tier::Instance)
            .then_some(boards.draw)
            .flatten();
        let extra_w = draw.map_or(0.0, |draw| draw.value);
        if let Some((host, share)) = self.scale_of(&resolved) {
            self.limits.check(readings, &host, share, extra_w)?;
        }
        let own: Vec<Reading> = readings
            .iter()
            .map(|reading| reading.without(extra_w))
            .collect();
        let (bounds, strange) = corrected(&mut curve, assessed, level, &own);
        let mut explanation = explanation(&curve, assessed, &resolved, readings);
        explanation.push_str(&strange);
        explanation.push_str(&boards.words(curve.tier));
        let accelerators_left_out = boards.is_left_out(curve.tier);
        let mut curve_points = points(&curve.loads, &bounds)?;
        let mut components = Vec::new();
        if let Some(draw) = draw {
            components.push(add(&mut curve_points, draw)?);
        }
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
                mape_percent: (assessed.score.mape_percent * 10.0).round() / 10.0,
                method: format!(
                    "{}: {} machines of {} families",
                    curve.tier.protocol(),
                    assessed.score.machines,
                    assessed.score.families
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

/// The curve of the best tier that the machine's knowledge allows, published
/// instance figures aside.
fn modelled(knowledge: &Knowledge, resolved: &Resolved) -> Option<Curve> {
    let whole = |tier: Tier, watts: Vec<f64>, deviation: f64| Curve {
        tier,
        loads: (0..LOADS).map(load).collect(),
        watts,
        deviation,
        doubt: Vec::new(),
    };
    let share = |watts: &[f64; LOADS], factor: f64| watts.map(|watts| watts * factor).to_vec();
    if let Some((host, guessed)) = resolved
        .host
        .as_ref()
        .and_then(|host| with_design_power(knowledge, host))
    {
        let view = View::of(&host);
        let tier = match (
            resolved.cpu_known,
            resolved.family_known,
            resolved.vendor_known,
        ) {
            _ if guessed => Tier::CpuFamilyGuessed(view),
            (true, ..) => Tier::CpuModel(view),
            (_, true, _) => Tier::CpuFamily(view),
            (_, _, true) => Tier::UnseenFamily(view),
            _ => {
                let watts = share(knowledge.per_tdp(), host.tdp_total_w() * resolved.share);
                return Some(whole(Tier::TdpRatio, watts, 1.0));
            }
        };
        let belief = knowledge.process(view)?.believe(&host);
        return Some(whole(
            tier,
            share(&belief.watts, resolved.share),
            belief.deviation,
        ));
    }
    if let Some(part) = resolved.part.as_ref().filter(|_| resolved.vendor_known) {
        let tier = if resolved.family_known {
            Tier::CpuFamily(View::Guest)
        } else {
            Tier::UnseenFamily(View::Guest)
        };
        let belief = knowledge.process(View::Guest)?.believe(part);
        return Some(whole(tier, belief.watts.to_vec(), belief.deviation));
    }
    let Some(threads) = resolved.part.as_ref().map(|part| part.threads) else {
        return Some(whole(
            Tier::AnyMachine,
            knowledge.any_machine().to_vec(),
            1.0,
        ));
    };
    let family = resolved.features.microarch.as_deref().unwrap_or_default();
    let (tier, per_thread) = if let Some(curve) = knowledge.family_per_thread(family) {
        (Tier::FamilyPerThread, curve)
    } else if let Some(curve) = knowledge.published_per_thread(family) {
        (Tier::Coefficients, curve)
    } else {
        (Tier::AnyThread, knowledge.any_thread())
    };
    Some(whole(tier, share(per_thread, threads), 1.0))
}

/// The host with its design power, and whether that was guessed; `None` if it
/// is neither known nor can be guessed.
fn with_design_power(knowledge: &Knowledge, host: &Host) -> Option<(Host, bool)> {
    if host.tdp_w > 0.0 {
        return Some((host.clone(), false));
    }
    let tdp_w = knowledge.guess().tdp_w(
        &host.microarch,
        host.cores / host.sockets,
        host.base_mhz,
        "",
    )?;
    Some((
        Host {
            tdp_w,
            ..host.clone()
        },
        true,
    ))
}

/// How far published instance figures are from wall-power models of the
/// hosts, both for the instance's share: the only check that public data allow.
fn assess_instances(atlas: &Atlas, knowledge: &Knowledge) -> Assessed {
    let mut scored = Vec::new();
    for figure in atlas.figures().filter(|figure| figure.gpus == 0.0) {
        let features = MachineFeatures {
            instance_type: None,
            ..instance_features(figure)
        };
        let resolved = atlas.resolve(&Machine::new(features));
        let Some(curve) =
            modelled(knowledge, &resolved).filter(|curve| curve.tier < Tier::AnyThread)
        else {
            continue;
        };
        // The instance's loads are the curve's levels 0, 1, 5 and 10.
        let truth = [0, 1, 5, 10].map(|level| curve.watts[level]).to_vec();
        let family = figure.platform_cpu.clone();
        scored.push(Scored {
            id: figure.instance_type.clone(),
            family,
            levels: vec![0, 1, 2, 3],
            truth,
            predicted: figure.watts.to_vec(),
            deviation: 1.0,
        });
    }
    Assessed::new(Tier::Instance, &scored, INSTANCE_LOADS.len(), 2)
}

fn instance_features(figure: &crate::catalog::instances::InstanceFigure) -> MachineFeatures {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of a checked table, at most some hundred"
    )]
    let threads = figure.vcpus.round() as u32;
    MachineFeatures {
        cpu_name: Some(figure.platform_cpu.clone()),
        threads: Some(threads),
        mem_gb: Some(figure.mem_gb),
        virtual_machine: Some(true),
        ..MachineFeatures::default()
    }
}

/// How surely a machine like it shows what a reading must lie within not to be
/// strange.
const STRANGE: f64 = 0.99;

/// Corrects a curve by readings; its bounds, and a word on readings that are
/// strange, with whom the bounds hold the uncorrected curve's as well.
fn corrected(
    curve: &mut Curve,
    assessed: &Assessed,
    level: f64,
    readings: &[Reading],
) -> (Vec<[f64; 3]>, String) {
    let calibration = &assessed.calibration;
    let before = curve.watts.clone();
    let expected = calibration.bounds(&before, curve.deviation, STRANGE);
    // Correction goes by the eleven levels of a whole curve alone.
    let strange: Vec<&Reading> = readings
        .iter()
        .filter(|reading| before.len() == LOADS && reading.is_outside(&expected))
        .collect();
    let corrected = assessed.correction.apply(&curve.watts, readings);
    curve.watts = corrected.watts;
    curve.doubt = corrected.doubt;
    if strange.is_empty() {
        let bounds = calibration.bounds_with(&curve.watts, curve.deviation, level, &curve.doubt);
        return (bounds, String::new());
    }
    curve.doubt = vec![1.0; LOADS];
    let without = calibration.bounds(&before, curve.deviation, level);
    let with = calibration.bounds(&curve.watts, curve.deviation, level);
    let both = without.iter().zip(&with);
    let mut both: Vec<[f64; 3]> = both
        .map(|(without, with)| [without[0].min(with[0]), with[1], without[2].max(with[2])])
        .collect();
    for reading in &strange {
        reading.hold(&mut both);
    }
    let named: Vec<String> = strange.iter().map(ToString::to_string).collect();
    let words = format!(
        "; not one in a hundred machines like it would show {}: check the meter, and that it reads this machine alone; the bounds hold both that and what was expected without it",
        named.join(", ")
    );
    (both, words)
}

fn points(loads: &[f64], bounds: &[[f64; 3]]) -> Result<Vec<CurvePoint>, UnitError> {
    // Whole hundredths of a watt: no digit is said that is not meant, and the
    // digest does not hang on the last bit of a logarithm.
    let watts = |watts: f64| Watts::try_from_watts((watts * 100.0).round() / 100.0);
    let point = |(load, [low, value, high]): (&f64, &[f64; 3])| {
        let power = Estimate {
            low: watts(*low)?,
            value: watts(*value)?,
            high: watts(*high)?,
        };
        Ok(CurvePoint {
            utilisation: Utilisation::try_new(*load)?,
            power,
        })
    };
    loads.iter().zip(bounds).map(point).collect()
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

/// A deviation, in the curves' spread, that no measured machine would have.
const FAR: f64 = 1.0;

fn explanation(
    curve: &Curve,
    assessed: &Assessed,
    resolved: &Resolved,
    readings: &[Reading],
) -> String {
    let family = resolved.features.microarch.as_deref().unwrap_or("unknown");
    let reason = match curve.tier {
        Tier::Instance => "published figures of this instance type (CPU package, memory, a constant for the rest; accelerators idle)".to_owned(),
        Tier::CpuModel(view) => format!("Gaussian process on the {}; this CPU model was measured in other machines", view.name()),
        Tier::CpuFamily(View::Guest) => format!(
            "Gaussian process by thread; machines of family \"{family}\" were measured, but {}",
            nameless(resolved)
        ),
        Tier::UnseenFamily(View::Guest) => format!(
            "Gaussian process by thread; no machine of family \"{family}\" was measured, and {}",
            nameless(resolved)
        ),
        Tier::CpuFamily(view) => format!("Gaussian process on the {}; other CPU models of family \"{family}\" were measured", view.name()),
        Tier::CpuFamilyGuessed(view) => format!(
            "Gaussian process on the {}; other CPU models of family \"{family}\" were measured, and the design power is guessed from them",
            view.name()
        ),
        Tier::UnseenFamily(view) => format!("Gaussian process on the {}; no machine of family \"{family}\" was measured", view.name()),
        Tier::TdpRatio => "ratio to the thermal design power, as no machine of this CPU vendor was measured".to_owned(),
        Tier::FamilyPerThread => format!("mean watts per thread of measured machines of family \"{family}\", as the CPU model is unknown"),
        Tier::Coefficients => format!("published watts per thread of family \"{family}\", of which no machine was measured"),
        Tier::AnyThread => format!("mean watts per thread of machines since 2017, as {}", unmeasured(resolved)),
        Tier::AnyMachine => format!(
            "mean of machines since 2017, as {}, and neither its threads nor its design power are told",
            unmeasured(resolved)
        ),
        // What RAPL would read explains itself by component.
        Tier::RaplHost | Tier::RaplTdp | Tier::RaplThread | Tier::RaplMemory => curve.tier.protocol().to_owned(),
    };
    let what = if curve.tier == Tier::Instance {
        "differs from wall-power models by"
    } else {
        "error on machines left out"
    };
    let mut text = format!(
        "{reason}; {what} {:.1} % ({})",
        assessed.score.mape_percent,
        curve.tier.protocol()
    );
    if matches!(
        curve.tier,
        Tier::CpuModel(_) | Tier::CpuFamily(_) | Tier::CpuFamilyGuessed(_) | Tier::UnseenFamily(_)
    ) && curve.deviation > FAR
    {
        text.push_str("; the machine is far from every measured one");
    }
    for note in &resolved.notes {
        text.push_str("; ");
        text.push_str(note);
    }
    if curve.tier != Tier::Instance {
        text.push_str("; trained on tuned servers, so idle power in service is usually higher");
    }
    if curve.doubt.iter().any(|doubt| *doubt < 1.0) {
        let _ = write!(
            text,
            "; corrected by {} reading(s) of this machine, so its error is less",
            readings.len()
        );
    }
    text
}

/// Why a machine is only known by its threads.
fn nameless(resolved: &Resolved) -> String {
    let name = resolved.features.cpu_name.as_deref().unwrap_or("unknown");
    format!("the design power of its CPU \"{name}\" is in no table and not told")
}

/// What of a machine's CPU is known and did not help, as nobody measured it.
fn unmeasured(resolved: &Resolved) -> String {
    let features = &resolved.features;
    let family = features
        .microarch
        .as_deref()
        .filter(|family| !family.is_empty());
    match (&features.cpu_name, family) {
        (_, Some(family)) if resolved.family_known => {
            format!("only the family \"{family}\" of its CPU is known")
        }
        (_, Some(family)) if resolved.vendor_known => {
            format!("no machine of its CPU's family \"{family}\" was measured")
        }
        (_, Some(family)) => format!(
            "too few machines of its CPU's vendor, and none of family \"{family}\", were measured"
        ),
        (Some(name), None) => format!("the CPU \"{name}\" is of no known model or family"),
        (None, None) => "nothing is known of its CPU".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
