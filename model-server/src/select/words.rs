//! What is said of a model to people: why it was chosen, and how good it is.

use std::fmt::Write as _;

use super::ladder::{Curve, Grounds};
use crate::columns::View;
use crate::partial::Kin;
use crate::reading::Reading;
use crate::resolve::{Resolved, YEAR_ASSUMED};
use crate::tiers::Tier;

/// A deviation, in the curves' spread, that no measured machine would have.
const FAR: f64 = 1.0;

pub(super) fn explanation(
    curve: &Curve,
    grounds: &Grounds<'_>,
    resolved: &Resolved,
    readings: &[Reading],
) -> String {
    let reason = reason(curve, resolved);
    let what = if curve.tier == Tier::Instance {
        "differs from wall-power models by"
    } else {
        "error on machines left out"
    };
    let mut text = format!(
        "{reason}; {what} {:.1} % ({})",
        grounds.mape_percent(),
        curve.tier.protocol()
    );
    let by_host = matches!(
        curve.tier,
        Tier::CpuModel(_)
            | Tier::CpuModelUsual(_)
            | Tier::CpuModelShare(_)
            | Tier::CpuFamily(_)
            | Tier::CpuFamilyGuessed(_)
            | Tier::UnseenFamily(_)
    );
    if by_host && curve.deviation > FAR {
        text.push_str("; the machine is far from every measured one");
    }
    if by_host && resolved.gaps.clock {
        text.push_str("; its clock is not told: the usual one of machines like it is assumed");
    }
    if by_host && resolved.gaps.year {
        let _ = write!(text, "; a year of sale of {YEAR_ASSUMED} is assumed");
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

/// Why the tier answers.
fn reason(curve: &Curve, resolved: &Resolved) -> String {
    let family = resolved.features.microarch.as_deref().unwrap_or("unknown");
    match curve.tier {
        Tier::Instance => "published figures of this instance type (CPU package, memory, a constant for the rest; accelerators idle)".to_owned(),
        Tier::CpuModel(view) | Tier::CpuModelShare(view) => format!("Gaussian process on the {}; this CPU model was measured in other machines", view.name()),
        Tier::CpuModelUsual(view) => format!(
            "Gaussian process on the {}; this CPU model was measured in other machines; {} sockets are assumed, as these usually have, as that is not told",
            view.name(),
            resolved.host.as_ref().map_or(1.0, |host| host.sockets)
        ),
        Tier::Partial(kin) => of_what_is_told(curve, resolved, kin),
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
    }
}

/// What an answer goes by to which too little is told for a whole description.
fn of_what_is_told(curve: &Curve, resolved: &Resolved, kin: Kin) -> String {
    let which = curve.answers.as_ref().map(|answers| answers.which());
    let which = which.unwrap_or_default();
    let why = match (kin, &resolved.features.microarch) {
        (Kin::Family, Some(family)) => {
            format!("other CPU models of family \"{family}\" were measured")
        }
        _ => unmeasured(resolved),
    };
    let of = which.words();
    if resolved.is_sized_guest() {
        return format!(
            "what a thread of measured machines takes by {of}, which is all that is told of the host; {why}"
        );
    }
    let mut words =
        format!("what measured machines take by {of}, which is all that is told; {why}");
    let lacking = which.lacking();
    if !lacking.is_empty() {
        let _ = write!(words, "; not told: {}", lacking.join(", "));
    }
    words
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
        (None, None) => match &features.cpu_vendor {
            Some(vendor) => format!("nothing is known of its CPU but the vendor \"{vendor}\""),
            None => "nothing is known of its CPU".to_owned(),
        },
    }
}
