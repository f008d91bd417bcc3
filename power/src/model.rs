//! The power-model document: what a model server says and an agent evaluates.
//!
//! A document is small, versioned and content-addressed: its name is the
//! SHA-256 digest of its canonical JSON, so a cached copy can be checked and a
//! joule can name the model that estimated it. Evaluation needs nothing but
//! the document.

mod guest;
mod refined;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use guest::Part;
pub use refined::{EXPONENT_MOST, Refined, Term};

use crate::activity::Activity;
use crate::sample::Measured;
use crate::{Estimate, Utilisation, Watts};
use guest::Shape;

/// The format that this crate reads and writes.
pub const SCHEMA: &str = "tanso.dev/power-model/v1";

/// What is known of a machine; every field may be missing. The names are the
/// column names of the training tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MachineFeatures {
    /// CPU model name as the machine says it, `Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_name: Option<String>,
    /// `intel`, `amd`, `arm`, or the vendor id as the machine says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_vendor: Option<String>,
    /// Microarchitecture in lower case, `cascadelake`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microarch: Option<String>,
    /// CPUID family, model and stepping, where the machine shows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuid: Option<[u32; 3]>,
    /// CPU sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u32>,
    /// Physical cores, all sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Hardware threads, all sockets; of a virtual machine, its vCPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Nominal clock in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_mhz: Option<f64>,
    /// Thermal design power of one socket, watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdp_w: Option<f64>,
    /// Memory, GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_gb: Option<f64>,
    /// Whether the machine is virtual, so that it owns a share of a host only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<bool>,
    /// Cloud instance type, `m5.2xlarge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Year in which the machine was sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u32>,
    /// Accelerator boards whose power the model is to hold; of a machine that
    /// measures them itself: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// Their name as the driver says it, `NVIDIA A100-SXM4-40GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_name: Option<String>,
}

/// One point of a power curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// CPU utilisation, 0 to 1.
    pub utilisation: Utilisation,
    /// Power with its bounds.
    pub power: Estimate<Watts>,
}

/// What power a figure of the model stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Domain {
    /// Power at the wall plug of a whole tuned server (`SPECpower` results).
    WallSpecpower,
    /// Power at the plug of machines of one kind, by their own sensors.
    Wall,
    /// CPU package and memory power as RAPL counts it.
    Rapl,
    /// Published instance figures (package, memory and a constant for the rest).
    Instance,
}

impl Domain {
    /// What is within the figure, and what is not, in words.
    #[must_use]
    pub const fn boundary(self) -> &'static str {
        match self {
            Self::WallSpecpower => {
                "the whole machine at its plug, tuned as for SPECpower; accelerators only where the explanation says so"
            }
            Self::Wall => "the whole machine at its plug, as machines of its type measure it",
            Self::Rapl => {
                "processor packages and memory as RAPL counts them; not fans, disks, boards and losses of the supply"
            }
            Self::Instance => {
                "the instance's share of package, memory and a constant for the rest of its host, accelerators idle"
            }
        }
    }
}

impl Domain {
    /// Which of a measured node's powers figures of this domain stand beside.
    #[must_use]
    pub const fn measured(self) -> Measured {
        match self {
            Self::Rapl => Measured::Rapl,
            Self::WallSpecpower | Self::Wall | Self::Instance => Measured::Wall,
        }
    }

    /// Whether figures of both domains have the same boundary, so that one may
    /// take the other's place in a counter.
    #[must_use]
    pub const fn same_boundary(self, other: Self) -> bool {
        match self {
            Self::WallSpecpower | Self::Wall => matches!(other, Self::WallSpecpower | Self::Wall),
            Self::Rapl => matches!(other, Self::Rapl),
            Self::Instance => matches!(other, Self::Instance),
        }
    }
}

/// Power on a curve at a utilisation, linear between its points; nothing on a
/// curve without points.
#[must_use]
pub fn power_on(curve: &[CurvePoint], utilisation: Utilisation) -> Estimate<Watts> {
    Shape::plain(curve).power_at(utilisation)
}

/// How good a model is, and how that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelError {
    /// Share of true values that the bounds are to hold, 0.9.
    pub level: f64,
    /// Mean absolute error in percent on machines of the same kind that the
    /// model was not trained on.
    pub mape_percent: f64,
    /// The protocol that gave the figure.
    pub method: String,
}

/// A power model of one kind of machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelDocument {
    /// [`SCHEMA`].
    pub schema: String,
    /// A readable name: method and machine.
    pub name: String,
    /// What power the curve stands for.
    pub domain: Domain,
    /// The machine that the model was made for.
    pub machine: MachineFeatures,
    /// The curve by rising utilisation, from 0 to 1; power never falls.
    pub curve: Vec<CurvePoint>,
    /// What is known where more than the load is told; missing where that was
    /// not found to be better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refined: Option<Refined>,
    /// How good it is.
    pub error: ModelError,
    /// SHA-256 of the data it was made from, `sha256:…`.
    pub training_digest: String,
    /// Origins and licences of that data.
    pub origin: String,
    /// Why this model was chosen, in a sentence for people.
    pub explanation: String,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelFault {
    /// The bytes are no document.
    #[error("power model is no valid document: {0}")]
    Syntax(String),
    /// Another format.
    #[error("power model has schema \"{0}\"; accepted is \"{SCHEMA}\"")]
    Schema(String),
    /// The curve is unusable.
    #[error("power model's curve: {0}")]
    Curve(&'static str),
    /// The terms of a refined curve are unusable.
    #[error("power model's terms: {0}")]
    Terms(&'static str),
    /// Its figures have another boundary than those of the model in use.
    #[error(
        "power model is of {came}, the one in use of {had}: a counter cannot change from one to the other; \
         accepted is a model of the same"
    )]
    Boundary {
        /// The boundary of the model in use.
        had: &'static str,
        /// The boundary of the one that came.
        came: &'static str,
    },
    /// The content is not what its name says.
    #[error("power model has digest {found}, asked for was {wanted}")]
    Digest {
        /// The digest asked for.
        wanted: String,
        /// The digest of what came.
        found: String,
    },
}

impl ModelDocument {
    /// What is within the figures, and what is not, in words; of a guest that
    /// they are its share.
    #[must_use]
    pub const fn boundary(&self) -> &'static str {
        let machine = &self.machine;
        let guest = matches!(machine.virtual_machine, Some(true));
        // One that does not tell its size is answered for by its whole host.
        let sized = machine.threads.is_some() || machine.cores.is_some();
        match self.domain {
            Domain::WallSpecpower if guest && sized => {
                "the guest's share of its host at the plug, tuned as for SPECpower; accelerators only where the explanation says so"
            }
            Domain::Wall if guest && sized => {
                "the guest's share of its host at the plug, as machines of its host's type measure it"
            }
            domain => domain.boundary(),
        }
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    /// If it is no JSON of this schema, or its curve does not rise from 0 to 1
    /// with power that never falls and bounds around it.
    pub fn parse(json: &[u8]) -> Result<Self, ModelFault> {
        let document: Self =
            serde_json::from_slice(json).map_err(|fault| ModelFault::Syntax(fault.to_string()))?;
        document.check()?;
        Ok(document)
    }

    /// Checks what the type cannot: schema and curve.
    ///
    /// # Errors
    /// As [`ModelDocument::parse`].
    pub fn check(&self) -> Result<(), ModelFault> {
        if self.schema != SCHEMA {
            return Err(ModelFault::Schema(self.schema.clone()));
        }
        check_curve(&self.curve)?;
        self.refined.as_ref().map_or(Ok(()), Refined::check)
    }

    /// The document's canonical JSON: fields in the order of the type, no
    /// spaces.
    ///
    /// # Errors
    /// Never for a document that [`ModelDocument::check`] accepts.
    pub fn to_json(&self) -> Result<Vec<u8>, ModelFault> {
        serde_json::to_vec(self).map_err(|fault| ModelFault::Syntax(fault.to_string()))
    }

    /// The document's name: `sha256:` and the digest of its canonical JSON.
    ///
    /// # Errors
    /// As [`ModelDocument::to_json`].
    pub fn digest(&self) -> Result<String, ModelFault> {
        let mut name = String::from("sha256:");
        for byte in Sha256::digest(self.to_json()?) {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        Ok(name)
    }

    /// Power at a utilisation, linear between the curve's points.
    #[must_use]
    pub fn power_at(&self, utilisation: Utilisation) -> Estimate<Watts> {
        Shape::plain(&self.curve).power_at(utilisation)
    }

    /// Power of a part of the machine while a share `stolen` of its CPU time
    /// went to others.
    ///
    /// Idle power goes by vCPUs, the rest by CPU time: of what the host draws
    /// above idle at its own load, the part's CPU time's share. The host's
    /// load is not seen from inside. The value takes the part's neighbours to
    /// be as busy as itself, and busier by what was stolen from it; the
    /// bounds also hold a part alone on its host and one on a full host.
    #[must_use]
    pub fn power_of(
        &self,
        part: Part,
        utilisation: Utilisation,
        stolen: Utilisation,
    ) -> Estimate<Watts> {
        Shape::plain(&self.curve).power_of(part, utilisation, stolen)
    }

    /// As [`ModelDocument::power_of`], by the refined curve if there is one
    /// and `activity` tells all that it asks for.
    #[must_use]
    pub fn power_given(
        &self,
        part: Part,
        utilisation: Utilisation,
        stolen: Utilisation,
        activity: &Activity,
    ) -> Estimate<Watts> {
        let refined = self
            .refined
            .as_ref()
            .and_then(|refined| Some((refined, refined.factor(activity)?)));
        let shape = refined.map_or_else(
            || Shape::plain(&self.curve),
            |(refined, factor)| Shape {
                curve: &refined.curve,
                factor: Some(factor),
            },
        );
        shape.power_of(part, utilisation, stolen)
    }
}

/// Whether a curve goes from idle to full load and never falls.
fn check_curve(curve: &[CurvePoint]) -> Result<(), ModelFault> {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Err(ModelFault::Curve("has no point; accepted are 2 or more"));
    };
    if first.utilisation != Utilisation::IDLE || last.utilisation != Utilisation::FULL {
        return Err(ModelFault::Curve(
            "must begin at utilisation 0 and end at 1",
        ));
    }
    let in_order = |p: &Estimate<Watts>| p.low <= p.value && p.value <= p.high;
    if !curve.iter().all(|point| in_order(&point.power)) {
        return Err(ModelFault::Curve("has a point outside its own bounds"));
    }
    for (a, b) in curve.iter().zip(curve.iter().skip(1)) {
        if a.utilisation >= b.utilisation {
            return Err(ModelFault::Curve("must have rising utilisation"));
        }
        if a.power.value > b.power.value || a.power.low > b.power.low || a.power.high > b.power.high
        {
            return Err(ModelFault::Curve("falls with load"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
