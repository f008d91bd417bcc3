//! What is priced: the hours of a workload, or energy that was given.

use tanso_carbon::account::Coverage;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::{EnergyRow, Thresholds};
use tanso_power::{Estimate, Joules, Provenance};

use super::{DAY_H, Question};
use crate::answer::AnswerFault;
use crate::answer::figures::nearest;
use crate::answer::find::{Found, Named, find};
use crate::answer::judge;
use crate::answer::presets::Presets;
use crate::answer::profile::{Basis, Profile, profile};
use crate::view::{Facts, Site};

const MICROJOULES_PER_KWH: f64 = 3.6e12;

/// What is priced, and by what it is judged.
pub(super) struct Load {
    pub(super) found: Option<Found>,
    pub(super) site: Option<Site>,
    pub(super) presets: Presets,
    pub(super) thresholds: Thresholds,
    pub(super) profile: Profile,
}

pub(super) async fn load(facts: &dyn Facts, question: &Question) -> Result<Load, AnswerFault> {
    let Some(workload) = &question.workload else {
        return given(facts, question.energy_kwh.unwrap_or(1.0));
    };
    let named = Named {
        workload,
        namespace: question.namespace.as_deref(),
        kind: question.kind.as_deref(),
        policy: question.policy.as_deref(),
    };
    let found = find(facts, named).await?;
    let found = found.into_iter().next();
    let found = found.ok_or_else(|| AnswerFault::invalid("workload", workload, "a workload"))?;
    let site = facts.site(&found.policy).await?;
    let mut profile = profile(facts, &found, &site, None).await?;
    if let Some(kwh) = question.energy_kwh {
        profile = given(facts, kwh)?.profile;
    }
    let rules = facts.rules().await?;
    Ok(Load {
        presets: Presets::of(&found.policy, &rules),
        thresholds: judge::thresholds(&found.policy),
        found: Some(found),
        site: Some(site),
        profile,
    })
}

/// Energy that was given, spread over the last day.
fn given(facts: &dyn Facts, kwh: f64) -> Result<Load, AnswerFault> {
    let total = joules("energyKwh", kwh)?;
    let until = UtcHour::containing(facts.now());
    let period = Period {
        from: until.plus_hours(-DAY_H),
        until,
    };
    let each = Joules::from_microjoules(total.microjoules() / u64::from(period.hour_count()));
    let rows = period.hours().map(|hour| EnergyRow {
        hour,
        place: 0,
        energy: Estimate::exact(each),
        provenance: Provenance::Modelled,
    });
    Ok(Load {
        found: None,
        site: None,
        presets: Presets::default(),
        thresholds: Thresholds::default(),
        profile: Profile {
            rows: rows.collect(),
            basis: Basis::Given,
            period,
            coverage: Coverage::new(1, 1),
            cpu_ms: 0,
        },
    })
}

/// Energy from kilowatt-hours that somebody gave.
fn joules(field: &'static str, kwh: f64) -> Result<Joules, AnswerFault> {
    if !kwh.is_finite() || !(0.0..=1e6).contains(&kwh) {
        return Err(AnswerFault::invalid(field, kwh, "0 to 1000000"));
    }
    let microjoules = nearest(kwh * MICROJOULES_PER_KWH);
    Ok(Joules::from_microjoules(
        u64::try_from(microjoules).unwrap_or(0),
    ))
}
