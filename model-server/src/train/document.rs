//! Curves become documents, and documents curves.

use sha2::{Digest as _, Sha256};
use tanso_power::activity::Input;
use tanso_power::model::{
    self, CurvePoint, Domain, MachineFeatures, ModelDocument, ModelError, ModelFault, SCHEMA,
};
use tanso_power::sample::Measured;
use tanso_power::units::UnitError;
use tanso_power::{Estimate, Utilisation, Watts};

use crate::host::{LOADS, load};
use crate::learn::fit::Fit;
use crate::learn::robust::normal_factor;
use crate::learn::validate::{Refinement, Verdict, find};
use crate::learn::{Band, Learned, Node, Refined, Trust, WATTS_LEAST};
use crate::store::types::moment;

/// Bounds are never taken for narrower than this, as a logarithm: a prior
/// that claims more knows less.
const HALF_LEAST: f64 = 0.05;

/// The document as it is learned from and judged.
pub(crate) fn as_learned(document: &ModelDocument) -> Learned {
    let refined = document.refined.as_ref().map(|refined| Refined {
        band: band(&ModelDocument {
            curve: refined.curve.clone(),
            refined: None,
            ..document.clone()
        }),
        terms: refined.terms.clone(),
    });
    Learned {
        band: band(document),
        refined,
    }
}

/// The document's curve with the wider of its two bounds.
pub(crate) fn band(document: &ModelDocument) -> Band {
    let at = |level: usize| {
        // A load level is a utilisation.
        let utilisation = Utilisation::try_new(load(level)).unwrap_or(Utilisation::FULL);
        let power = document
            .power_at(utilisation)
            .map(|watts| watts.as_watts_f64().max(WATTS_LEAST));
        let above = (power.high / power.value).ln();
        let below = (power.value / power.low).ln();
        (power.value, above.max(below).max(HALF_LEAST))
    };
    let points: [(f64, f64); LOADS] = std::array::from_fn(at);
    Band {
        watts: points.map(|(watts, _)| watts),
        half: points.map(|(_, half)| half),
    }
}

/// The document of a learned curve.
pub(super) fn learned(
    machine: MachineFeatures,
    measured: Measured,
    nodes: &[Node],
    fit: &Fit,
    verdict: &Verdict,
    level: f64,
) -> Result<ModelDocument, DocumentFault> {
    let machine_name = machine
        .instance_type
        .as_deref()
        .or(machine.cpu_name.as_deref())
        .unwrap_or("unknown machine");
    let document = ModelDocument {
        schema: SCHEMA.to_owned(),
        name: format!("learned/{machine_name}"),
        domain: match measured {
            Measured::Wall => Domain::Wall,
            Measured::Rapl => Domain::Rapl,
        },
        curve: points(&fit.band)?,
        refined: refined(fit, verdict, level)?,
        error: ModelError {
            level,
            mape_percent: (verdict.mape_percent * 10.0).round() / 10.0,
            method: format!(
                "leave one node out, tested on its later samples: {} nodes, {} samples",
                verdict.nodes, verdict.samples
            ),
        },
        training_digest: digest(nodes, &fit.trust),
        origin: "samples of this cluster's own measured nodes".to_owned(),
        explanation: explanation(measured, nodes, fit, verdict),
        machine,
    };
    document.check()?;
    Ok(document)
}

/// The refined curve, if it was found better.
fn refined(fit: &Fit, verdict: &Verdict, level: f64) -> Result<Option<model::Refined>, UnitError> {
    let better = verdict.refinement.as_ref().filter(|one| one.better);
    let Some((judged, refined)) = better.and_then(|one| Some((one, find(fit, &one.inputs)?)))
    else {
        return Ok(None);
    };
    Ok(Some(model::Refined {
        curve: points(&refined.band)?,
        terms: refined.terms.clone(),
        error: ModelError {
            level,
            mape_percent: (judged.mape_percent * 10.0).round() / 10.0,
            method: format!(
                "leave one node out, tested on its later samples: {} nodes, {} samples; {:.1} % by load alone",
                judged.nodes, judged.samples, judged.without_percent
            ),
        },
    }))
}

/// Why a learned curve is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentFault {
    /// A figure is no power.
    #[error("learned curve: {0}")]
    Unit(#[from] UnitError),
    /// The document breaks its contract.
    #[error("learned model: {0}")]
    Document(#[from] ModelFault),
}

fn points(band: &Band) -> Result<Vec<CurvePoint>, UnitError> {
    let hundredths = |watts: f64| Watts::try_from_watts((watts * 100.0).round() / 100.0);
    let mut most = [0.0_f64; 3];
    let point = |level: usize| {
        let (value, factor) = (band.watts[level], band.half[level].exp());
        for (bound, watts) in most.iter_mut().zip([value / factor, value, value * factor]) {
            *bound = bound.max(watts);
        }
        Ok(CurvePoint {
            utilisation: Utilisation::try_new(load(level))?,
            power: Estimate {
                low: hundredths(most[0])?,
                value: hundredths(most[1])?,
                high: hundredths(most[2])?,
            },
        })
    };
    (0..LOADS).map(point).collect()
}

/// The same document with bounds that are to hold another share, as if errors
/// were normal.
pub(crate) fn at_level(
    document: &ModelDocument,
    level: f64,
) -> Result<ModelDocument, DocumentFault> {
    let factor = normal_factor(level) / normal_factor(document.error.level);
    let mut other = document.clone();
    other.error.level = level;
    let scaled = |bound: Watts, value: Watts| {
        let (bound, value) = (
            bound.as_watts_f64().max(WATTS_LEAST),
            value.as_watts_f64().max(WATTS_LEAST),
        );
        let watts = value * ((bound / value).ln() * factor).exp();
        Watts::try_from_watts((watts * 100.0).round() / 100.0)
    };
    let rescale = |curve: &mut [CurvePoint]| -> Result<(), UnitError> {
        let mut most = [Watts::ZERO; 2];
        for point in curve {
            let power = point.power;
            most[0] = most[0].max(scaled(power.low, power.value)?.min(power.value));
            most[1] = most[1].max(scaled(power.high, power.value)?.max(power.value));
            point.power.low = most[0];
            point.power.high = most[1];
        }
        Ok(())
    };
    rescale(&mut other.curve)?;
    if let Some(refined) = &mut other.refined {
        refined.error.level = level;
        rescale(&mut refined.curve)?;
    }
    other.check()?;
    Ok(other)
}

/// Digest of the samples that taught: node, time, load and power of each, and
/// what else it told.
fn digest(nodes: &[Node], trust: &[Trust]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for (node, _) in nodes
        .iter()
        .zip(trust)
        .filter(|(_, trust)| **trust == Trust::Trusted)
    {
        hash.update(node.name.as_bytes());
        hash.update([0]);
        for sample in &node.observations {
            hash.update(sample.at_s.to_be_bytes());
            hash.update(sample.utilisation.to_be_bytes());
            hash.update(sample.watts.to_be_bytes());
            for (number, input) in (1_u8..).zip(Input::ALL) {
                if let Some(quantity) = sample.activity.get(input) {
                    hash.update([number]);
                    hash.update(quantity.to_be_bytes());
                }
            }
        }
    }
    let mut text = String::from("sha256:");
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn explanation(measured: Measured, nodes: &[Node], fit: &Fit, verdict: &Verdict) -> String {
    let what = match measured {
        Measured::Wall => "power at the plug",
        Measured::Rapl => "power of processor packages and memory (not of the whole machine)",
    };
    let times = || {
        nodes
            .iter()
            .flat_map(|node| node.observations.iter().map(|sample| sample.at_s))
    };
    let mut text = format!(
        "{what}, learned from {} samples of {} nodes of this type, {} to {}; error on later samples of left-out nodes {:.1} % \
         (bundled tables {:.1} %, model before {:.1} %)",
        fit.samples,
        fit.trusted(),
        moment(times().min().unwrap_or(0)),
        moment(times().max().unwrap_or(0)),
        verdict.mape_percent,
        verdict.prior_mape_percent,
        verdict.incumbent_mape_percent,
    );
    if let Some(judged) = &verdict.refinement {
        text.push_str(&refinement(fit, judged));
    }
    let left_out = nodes.len() - fit.trusted();
    if left_out > 0 {
        text.push_str("; not believed: ");
        text.push_str(&left_out.to_string());
    }
    text
}

/// What knowing more than load was found to be worth, for people.
fn refinement(fit: &Fit, judged: &Refinement) -> String {
    let names: Vec<&str> = judged.inputs.iter().map(|input| input.words()).collect();
    if !judged.better {
        return format!(
            "; knowing {} as well was not better ({:.1} against {:.1} %) and is left out",
            names.join(", "),
            judged.mape_percent,
            judged.without_percent
        );
    }
    let terms = find(fit, &judged.inputs).map_or(&[][..], |refined| refined.terms.as_slice());
    let terms: Vec<String> = terms
        .iter()
        .map(|term| {
            format!(
                "({} / {})^{}",
                term.input.words(),
                term.reference,
                term.exponent
            )
        })
        .collect();
    format!(
        "; where they are told, power above idle goes with {}: error {:.1} %, by load alone {:.1} %",
        terms.join(" "),
        judged.mape_percent,
        judged.without_percent
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_levels_widen_and_narrow_the_same_curve() {
        let band_90 = Band {
            watts: std::array::from_fn(|level| 50.0 + 10.0 * load(level)),
            half: [0.2; LOADS],
        };
        let fit = Fit {
            band: band_90,
            trust: Vec::new(),
            samples: 0,
            refined: Vec::new(),
        };
        let document = learned(
            MachineFeatures::default(),
            Measured::Wall,
            &[],
            &fit,
            &Verdict::default(),
            0.9,
        )
        .unwrap();
        let (narrow, wide) = (
            at_level(&document, 0.5).unwrap(),
            at_level(&document, 0.99).unwrap(),
        );
        let half = |document: &ModelDocument| band(document).half[3];
        assert!((half(&document) - 0.2).abs() < 0.001);
        assert!((half(&narrow) - 0.082).abs() < 0.001, "{}", half(&narrow));
        assert!((half(&wide) - 0.3132).abs() < 0.001, "{}", half(&wide));
        assert_eq!(narrow.curve[4].power.value, wide.curve[4].power.value);
    }
}
