//! Which tier answers for a machine: the best that what is known of it allows.
//! Published figures of instances are asked before, and are not looked at here.

use std::sync::Arc;

use crate::catalog::instances::{INSTANCE_LOADS, InstanceFigure};
use crate::columns::View;
use crate::conformal::Calibration;
use crate::host::{Host, LOADS, load};
use crate::matrix::Singular;
use crate::partial::{Answers, Kin, Scale};
use crate::process::Belief;
use crate::reading::Correction;
use crate::resolve::Resolved;
use crate::tiers::{Assessed, Knowledge, Tier};

/// A curve before it becomes a document.
pub(super) struct Curve {
    pub(super) tier: Tier,
    pub(super) loads: Vec<f64>,
    pub(super) watts: Vec<f64>,
    pub(super) deviation: f64,
    /// By level, what readings leave of the deviation; all of it if empty.
    pub(super) doubt: Vec<f64>,
    /// How wrong those are that tell the same; the tier's own error if none.
    pub(super) answers: Option<Arc<Answers>>,
}

impl Curve {
    /// Published figures of an instance type.
    pub(super) fn published(figure: &InstanceFigure) -> Self {
        Self {
            loads: INSTANCE_LOADS.to_vec(),
            ..Self::whole(Tier::Instance, figure.watts.to_vec(), 1.0)
        }
    }

    fn whole(tier: Tier, watts: Vec<f64>, deviation: f64) -> Self {
        Self {
            tier,
            loads: (0..LOADS).map(load).collect(),
            watts,
            deviation,
            doubt: Vec::new(),
            answers: None,
        }
    }
}

/// What a curve's bounds stand on.
pub(super) enum Grounds<'a> {
    /// The tier's error.
    Tier(&'a Assessed),
    /// That of machines that tell the same.
    Told(Arc<Answers>),
}

impl Grounds<'_> {
    pub(super) fn calibration(&self) -> &Calibration {
        match self {
            Self::Tier(assessed) => &assessed.calibration,
            Self::Told(answers) => &answers.calibration,
        }
    }

    pub(super) fn correction(&self) -> &Correction {
        match self {
            Self::Tier(assessed) => &assessed.correction,
            Self::Told(answers) => &answers.correction,
        }
    }

    pub(super) fn mape_percent(&self) -> f64 {
        match self {
            Self::Tier(assessed) => assessed.score.mape_percent,
            Self::Told(answers) => answers.mape_percent,
        }
    }

    /// How many machines of how many families were left out.
    pub(super) fn left_out(&self) -> (usize, usize) {
        match self {
            Self::Tier(assessed) => (assessed.score.machines, assessed.score.families),
            Self::Told(answers) => (answers.scored.len(), answers.family_count),
        }
    }
}

/// The curve of the best tier that the machine's knowledge allows.
///
/// # Errors
/// If a covariance has no inverse, which its own variance prevents.
pub(super) fn modelled(
    knowledge: &Knowledge,
    resolved: &Resolved,
) -> Result<Option<Curve>, Singular> {
    if let Some(curve) = of_its_host(knowledge, resolved)? {
        return Ok(Some(curve));
    }
    if let Some(part) = resolved.part.as_ref().filter(|_| resolved.is_sized_guest()) {
        return by_thread(knowledge, resolved, part);
    }
    let told = of_what_is_told(knowledge, resolved, Scale::Machine)?;
    Ok(told.or_else(|| {
        let watts = knowledge.any_machine().to_vec();
        Some(Curve::whole(Tier::AnyMachine, watts, 1.0))
    }))
}

/// Of a machine whose host is described well enough.
fn of_its_host(knowledge: &Knowledge, resolved: &Resolved) -> Result<Option<Curve>, Singular> {
    let host = resolved.host.as_ref();
    let Some((mut host, guessed)) = host.and_then(|host| with_design_power(knowledge, host)) else {
        return Ok(None);
    };
    let view = View::of(&host);
    let guest = resolved.is_sized_guest();
    let no_sockets = resolved.gaps.sockets && !guest;
    let known = (
        resolved.cpu_known,
        resolved.family_known,
        resolved.vendor_known,
    );
    let tier = match known {
        _ if no_sockets && !resolved.cpu_known => return Ok(None),
        (false, false, false) => {
            let tdp_w = host.tdp_total_w() * resolved.share;
            let watts = share(knowledge.per_tdp(), tdp_w);
            return Ok(Some(Curve::whole(Tier::TdpRatio, watts, 1.0)));
        }
        _ if resolved.gaps.year && !guest => return Ok(None),
        _ if guessed => Tier::CpuFamilyGuessed(view),
        (true, ..) if guest => Tier::CpuModelShare(view),
        (true, ..) if no_sockets => Tier::CpuModelUsual(view),
        (true, ..) => Tier::CpuModel(view),
        (_, true, _) => Tier::CpuFamily(view),
        (_, _, true) => Tier::UnseenFamily(view),
    };
    if resolved.gaps.clock && !guest {
        host.base_mhz = knowledge.partial().clock_mhz(&resolved.told)?;
    }
    let belief = knowledge
        .process(view)
        .map(|process| process.believe(&host));
    let curve = |belief: Belief| {
        let watts = share(&belief.watts, resolved.share);
        Curve::whole(tier, watts, belief.deviation)
    };
    Ok(belief.map(curve))
}

/// Of a guest whose host is not known: by its threads.
fn by_thread(
    knowledge: &Knowledge,
    resolved: &Resolved,
    part: &Host,
) -> Result<Option<Curve>, Singular> {
    let family = resolved.features.microarch.as_deref().unwrap_or_default();
    if resolved.vendor_known && !resolved.gaps.year {
        let tier = if resolved.family_known {
            Tier::CpuFamily(View::Guest)
        } else {
            Tier::UnseenFamily(View::Guest)
        };
        let belief = knowledge
            .process(View::Guest)
            .map(|process| process.believe(part));
        let curve = |belief: Belief| Curve::whole(tier, belief.watts.to_vec(), belief.deviation);
        return Ok(belief.map(curve));
    }
    if let Some(curve) = knowledge.family_per_thread(family) {
        let watts = share(curve, part.threads);
        return Ok(Some(Curve::whole(Tier::FamilyPerThread, watts, 1.0)));
    }
    if let Some(mut curve) = of_what_is_told(knowledge, resolved, Scale::Thread)? {
        for watts in &mut curve.watts {
            *watts *= part.threads;
        }
        return Ok(Some(curve));
    }
    let (tier, per_thread) = if let Some(curve) = knowledge.published_per_thread(family) {
        (Tier::Coefficients, curve)
    } else {
        (Tier::AnyThread, knowledge.any_thread())
    };
    let watts = share(per_thread, part.threads);
    Ok(Some(Curve::whole(tier, watts, 1.0)))
}

/// Of a machine of which a part is told; `None` if nothing is.
fn of_what_is_told(
    knowledge: &Knowledge,
    resolved: &Resolved,
    scale: Scale,
) -> Result<Option<Curve>, Singular> {
    let kin = match (resolved.family_known, resolved.vendor_known) {
        (true, _) => Kin::Family,
        (_, true) => Kin::Vendor,
        _ => Kin::Nobody,
    };
    let family = resolved.features.microarch.as_deref().unwrap_or_default();
    let guess = knowledge
        .partial()
        .guess(&resolved.told, family, (kin, scale))?;
    Ok(guess.map(|(guessed, answers)| Curve {
        answers: Some(answers),
        ..Curve::whole(
            Tier::Partial(kin),
            guessed.watts.to_vec(),
            guessed.deviation,
        )
    }))
}

fn share(watts: &[f64; LOADS], factor: f64) -> Vec<f64> {
    watts.map(|watts| watts * factor).to_vec()
}

/// The host with its design power, and whether that was guessed; `None` if it
/// is neither known nor can be guessed.
pub(super) fn with_design_power(knowledge: &Knowledge, host: &Host) -> Option<(Host, bool)> {
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
