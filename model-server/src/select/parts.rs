//! Models that are made of parts: what RAPL would read by package and memory,
//! and accelerators beside a machine's own curve.

use tanso_power::model::{CurvePoint, Domain, MachineFeatures, ModelDocument, ModelError, SCHEMA};
use tanso_power::units::UnitError;
use tanso_power::{Estimate, Watts};

use super::bounds::points;
use super::ladder::with_design_power;
use super::{SelectFault, Selection, Selector, name};
use crate::accelerators::Draw;
use crate::catalog::parts::Accelerator;
use crate::features::Machine;
use crate::host::{LOADS, load};
use crate::tiers::Tier;

/// Origin and licence of the published RAPL curves.
const RAPL_ORIGIN: &str = "RAPL curves of EC2 bare-metal hosts from sustainable-computing-io/kepler-model-db (Apache-2.0); design \
    powers after SPECpower_ssj2008 results (c) SPEC, quoted as facts";

/// A part of a model's power.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// `package`, `dram` or `gpu`.
    pub name: &'static str,
    /// Its curve over CPU load.
    pub curve: Vec<CurvePoint>,
}

impl Selector {
    /// What RAPL would read of a machine, with bounds that are to hold a share
    /// `level` of true values.
    ///
    /// # Errors
    /// As [`Selector::select`].
    pub fn select_rapl(&self, machine: &Machine, level: f64) -> Result<Selection, SelectFault> {
        let resolved = self.atlas.resolve(machine);
        let host = resolved.host.as_ref();
        let tdp_w = host
            .and_then(|host| with_design_power(&self.knowledge, host))
            .map(|(host, _)| host.tdp_total_w());
        let parts = self.rapl.components(&resolved, tdp_w);
        let mut components = Vec::new();
        let mut why = Vec::new();
        for part in &parts {
            let assessed = self.rapl.assessed(part.tier);
            let assessed = assessed.ok_or(SelectFault::Empty(part.tier.name()))?;
            let loads: Vec<f64> = (0..LOADS).map(load).collect();
            let bounds = assessed
                .calibration
                .bounds(&part.watts, part.deviation, level);
            components.push(Component {
                name: part.name,
                curve: points(&loads, &bounds)?,
            });
            why.push(format!(
                "{} (error {:.0} %: {})",
                part.why,
                assessed.score.mape_percent,
                part.tier.protocol()
            ));
        }
        let [package, _] = &parts;
        let assessed = self.rapl.assessed(package.tier);
        let assessed = assessed.ok_or(SelectFault::Empty(package.tier.name()))?;
        why.push(self.memory_rules());
        why.extend(resolved.notes.iter().cloned());
        let document = ModelDocument {
            schema: SCHEMA.to_owned(),
            name: name(package.tier.name(), &resolved.features),
            domain: Domain::Rapl,
            curve: sum(&components),
            refined: None,
            error: ModelError {
                level,
                mape_percent: (assessed.score.mape_percent * 10.0).round() / 10.0,
                method: format!(
                    "of the package; {}: {} curves of {} CPU models",
                    package.tier.protocol(),
                    assessed.score.machines,
                    assessed.score.families
                ),
            },
            training_digest: self.catalog.digest.clone(),
            origin: RAPL_ORIGIN.to_owned(),
            explanation: format!(
                "what RAPL would read, which is not power at the plug; {}",
                why.join("; ")
            ),
            machine: resolved.features,
        };
        document.check()?;
        Ok(Selection {
            tier: package.tier,
            digest: document.digest()?,
            document,
            components,
            // RAPL's zones are the processors' and the memory's.
            accelerators_left_out: false,
        })
    }

    /// What the bundled rules of thumb for memory are against what RAPL showed.
    fn memory_rules(&self) -> String {
        let rules = self.catalog.memory.iter().map(|figure| figure.w_per_gb);
        let (least, most) = rules.fold((f64::MAX, 0.0_f64), |(least, most), rule| {
            (least.min(rule), most.max(rule))
        });
        format!(
            "rules of thumb for memory ({least} to {most} W/GB) are several times what RAPL showed and are not used"
        )
    }

    /// What is known of a machine's accelerators.
    pub(super) fn accelerators(&self, machine: &Machine) -> Accelerators<'_> {
        let features = &machine.features;
        let name = features.gpu_name.clone().unwrap_or_default();
        let load = machine.server.gpu_load;
        let number = features.gpus.filter(|number| *number > 0);
        let board = number.and_then(|_| self.boards.find(&name));
        let draw = number
            .zip(board)
            .map(|(number, board)| self.boards.draw(board, number, load));
        Accelerators {
            kind: number
                .is_none()
                .then(|| self.accelerated(features))
                .flatten(),
            number: number.unwrap_or(0),
            name,
            load,
            board,
            draw,
        }
    }

    /// The name of an instance type that is sold with accelerators.
    fn accelerated(&self, features: &MachineFeatures) -> Option<String> {
        let kind = features.instance_type.clone()?;
        self.atlas.is_accelerated(&kind).then_some(kind)
    }
}

/// What is known of a machine's accelerators.
pub(super) struct Accelerators<'a> {
    number: u32,
    name: String,
    load: Option<f64>,
    board: Option<&'a Accelerator>,
    /// What they draw; `None` if it names none, or one that nobody knows.
    pub(super) draw: Option<Draw>,
    /// An instance type that has some which the machine does not name.
    kind: Option<String>,
}

impl Accelerators<'_> {
    /// Whether the machine has accelerators that are not in the figures.
    pub(super) fn is_left_out(&self, tier: Tier) -> bool {
        // Published instance figures hold them, idle.
        tier != Tier::Instance && (self.kind.is_some() || (self.number > 0 && self.draw.is_none()))
    }

    /// A word on them for the explanation.
    pub(super) fn words(&self, tier: Tier) -> String {
        if tier == Tier::Instance {
            return String::new();
        }
        if let Some(kind) = &self.kind {
            return format!(
                "; instance type \"{kind}\" has accelerators, and their power is not in these figures: tell gpus and gpu_name, or measure them"
            );
        }
        if self.number == 0 {
            return String::new();
        }
        let (number, load) = (self.number, self.load);
        let Some(board) = self.board else {
            return format!(
                "; its {number} accelerators \"{}\" are in no bundled table, so that their power is not in these figures",
                self.name
            );
        };
        let drawn = load.map_or_else(
            || {
                format!(
                    "taken for idle, as their load is not told: the upper bound holds their limit of {} W each",
                    board.tdp_w
                )
            },
            |load| format!("at {:.0} % of their load", load * 100.0),
        );
        format!(
            "; with {number} accelerators \"{}\" {drawn}; figures of accelerators were scaled from processors and not measured",
            board.name
        )
    }
}

/// Adds what does not hang on the CPUs' load to a curve; gives the part.
pub(super) fn add(curve: &mut [CurvePoint], draw: Draw) -> Result<Component, UnitError> {
    let watts = |watts: f64| Watts::try_from_watts((watts * 100.0).round() / 100.0);
    let power = Estimate {
        low: watts(draw.low)?,
        value: watts(draw.value)?,
        high: watts(draw.high)?,
    };
    let mut part = curve.to_vec();
    for (point, part) in curve.iter_mut().zip(&mut part) {
        point.power = point.power + power;
        part.power = power;
    }
    Ok(Component {
        name: "gpu",
        curve: part,
    })
}

/// Components' curves of the same loads together.
fn sum(components: &[Component]) -> Vec<CurvePoint> {
    let mut all = components.iter();
    let mut curve = all
        .next()
        .map_or_else(Vec::new, |first| first.curve.clone());
    for other in all {
        for (point, more) in curve.iter_mut().zip(&other.curve) {
            point.power = point.power + more.power;
        }
    }
    curve
}
