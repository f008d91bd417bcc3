//! A facility's PUE with who says so: one reading of what a policy states and
//! what its meters answer, one object in a status, and one wording, in which
//! every face shows it. The words are those of the verdicts' messages.

mod query_period;

use tanso_carbon::account::Metering;
use tanso_carbon::pue as engine;
use tanso_carbon::units::UnitError;
use tanso_carbon::{FacilityPue, Pue, PueEvidence, pue::PueScope};
use tanso_crds::carbon_policy as crd;
use tanso_crds::carbon_policy::status::PueFigure;
use tanso_crds::carbon_policy::{CarbonPolicySpec, CarbonPolicyStatus, MeteringPoint, PueSpec};
use tanso_power::Estimate;

use crate::answer::figures::short_of;
use crate::report::Language;
use crate::view::seconds;
use crate::view::stated::{category, entity, evidence, scope};
use query_period::{YEAR_S, shortest_range};

/// What stands before a query that is a source.
const QUERY: &str = "query: ";

/// Longest source in a status, letters.
const SOURCE_MAX: usize = 600;

/// The facility's PUE. A ratio from its meters goes before the stated one,
/// which is only assumed where there should be a measured one; `notes` says so
/// then, and where a measured one is of less than a year.
///
/// # Errors
/// If the stated figure is no PUE.
pub fn stated(
    spec: &PueSpec,
    measured: Option<&Result<f64, String>>,
    notes: &mut Vec<String>,
) -> Result<FacilityPue, UnitError> {
    let value = Pue::try_new(spec.value)?;
    let stated = |evidence, source: &str| FacilityPue {
        scope: scope(spec.scope),
        category: spec.category.map(category),
        entity: entity(spec.entity),
        year: spec.data_year.and_then(|year| i16::try_from(year).ok()),
        ..FacilityPue::annual(value, evidence, source)
    };
    let Some(query) = &spec.query else {
        return Ok(stated(evidence(spec.evidence), &spec.reference));
    };
    let measured = match measured {
        Some(Ok(ratio)) => {
            Pue::try_new(*ratio).map_err(|fault| format!("the facility's meters: {fault}"))
        }
        Some(Err(why)) => Err(why.clone()),
        None => Err("the facility's meters were not asked yet".to_owned()),
    };
    Ok(match measured {
        Ok(ratio) => FacilityPue {
            value: Estimate::exact(ratio),
            scope: measured_scope(spec, &query.query, notes),
            // The year is of the stated figure.
            year: None,
            ..stated(PueEvidence::Measured, &format!("{QUERY}{}", query.query))
        },
        Err(why) => {
            notes.push(format!("PUE {} is assumed: {why}", spec.value));
            stated(PueEvidence::Assumed, &spec.reference)
        }
    })
}

/// What a figure of the facility's meters covers: what the policy says, but
/// never a year of a query that looks back less.
fn measured_scope(spec: &PueSpec, query: &str, notes: &mut Vec<String>) -> PueScope {
    let said = spec.query_period.as_deref();
    let covers_s = match said {
        Some(text) => seconds(text),
        None => shortest_range(query),
    };
    let stated = scope(spec.scope);
    if stated != PueScope::Annual || covers_s.is_some_and(|covers_s| covers_s >= YEAR_S) {
        return stated;
    }
    let covers = match covers_s {
        Some(covers_s) if covers_s >= 3_600 => format!("{} h", covers_s / 3_600),
        Some(covers_s) if covers_s > 0 => format!("{covers_s} s"),
        _ => "the moment".to_owned(),
    };
    notes.push(format!(
        "the PUE of the facility's meters is a figure of {covers}, not of a year: set site.pue.queryPeriod or a range of 365d in the query"
    ));
    PueScope::Interim
}

/// A PUE as a status has it.
#[must_use]
pub fn figure(pue: &FacilityPue, metering: Metering) -> PueFigure {
    PueFigure {
        value: exact(pue.value.value),
        evidence: match pue.evidence {
            PueEvidence::Measured => crd::PueEvidence::Measured,
            PueEvidence::Certificate => crd::PueEvidence::Certificate,
            PueEvidence::PublishedForRegion => crd::PueEvidence::PublishedForRegion,
            PueEvidence::ProviderAverage => crd::PueEvidence::ProviderAverage,
            PueEvidence::Assumed => crd::PueEvidence::Assumed,
        },
        scope: match pue.scope {
            PueScope::Annual => crd::PueScope::Annual,
            PueScope::Interim => crd::PueScope::Interim,
            PueScope::Partial => crd::PueScope::Partial,
            PueScope::Design => crd::PueScope::Design,
            PueScope::AtQuarterLoad => crd::PueScope::AtQuarterLoad,
            PueScope::AtFullLoad => crd::PueScope::AtFullLoad,
        },
        category: pue.category.map(|category| match category {
            engine::PueCategory::Ups => crd::PueCategory::Ups,
            engine::PueCategory::Pdu => crd::PueCategory::Pdu,
            engine::PueCategory::Device => crd::PueCategory::Device,
        }),
        entity: match pue.entity {
            engine::Entity::Site => crd::FacilityEntity::Site,
            engine::Entity::AllSites => crd::FacilityEntity::AllSites,
        },
        data_year: pue.year.map(i32::from),
        source: short_of(&pue.source, SOURCE_MAX, "spec.site.pue"),
        metering: match metering {
            Metering::ItEquipment => MeteringPoint::ItEquipment,
            Metering::Facility => MeteringPoint::Facility,
        },
    }
}

/// The PUE that a policy's figures were made with. Of one that was not
/// evaluated, and of a status that was written before it told, the spec's.
#[must_use]
pub fn of(spec: &CarbonPolicySpec, status: &CarbonPolicyStatus) -> Option<PueFigure> {
    let used_none = |status: &CarbonPolicyStatus| {
        let summary = status.summary.as_ref();
        summary.is_some_and(|summary| summary.pue == "-")
    };
    if status.pue.is_some() || used_none(status) {
        return status.pue.clone();
    }
    let pue = spec.site.pue.as_ref()?;
    let stated = stated(pue, None, &mut Vec::new()).ok()?;
    let metering = crate::view::stated::metering(spec.site.metering);
    Some(figure(&stated, metering))
}

/// A region's PUE with who stands for it: `1.15, only the provider's average`.
#[must_use]
pub fn of_region(pue: &FacilityPue, language: Language) -> String {
    let evidence = language.engine_word(pue.evidence.in_words());
    format!("{}, {evidence}", pue.value.value)
}

/// The same of a place in a status, which has it in English words.
#[must_use]
pub fn of_place(text: &str, language: Language) -> String {
    text.split_once(", ").map_or_else(
        || text.to_owned(),
        |(ratio, evidence)| format!("{ratio}, {}", language.engine_word(evidence)),
    )
}

/// Who says a PUE, in words: `annual PUE, from a certificate`.
#[must_use]
pub fn who(pue: &PueFigure, language: Language) -> String {
    let mut parts = vec![
        scope(pue.scope).to_string(),
        evidence(pue.evidence).in_words().to_owned(),
    ];
    parts.extend(pue.category.map(|one| category(one).to_string()));
    if pue.entity == crd::FacilityEntity::AllSites {
        parts.push(entity(pue.entity).to_string());
    }
    let parts: Vec<_> = parts
        .iter()
        .map(|part| language.engine_word(part))
        .collect();
    parts.join(", ")
}

/// The ratio and who says so, short enough for a heading: `1.32 (annual PUE,
/// from a certificate)`.
#[must_use]
pub fn brief(pue: &PueFigure, language: Language) -> String {
    format!("{} ({})", shown(pue), who(pue, language))
}

/// A policy's PUE with all that is known of it, and what it does to the sum:
/// `1.32 (annual PUE, from a certificate; certificate 7)`.
#[must_use]
pub fn in_words(pue: Option<&PueFigure>, language: Language) -> String {
    let Some(pue) = pue else {
        let none = language.pick(
            "none is given, so the sum is of the IT equipment alone",
            "제출되지 않아 합계는 IT 장비만의 값이다",
        );
        return format!("1 ({none})");
    };
    let mut parts = vec![who(pue, language)];
    if !pue.source.is_empty() {
        parts.push(source(pue, language));
    }
    parts.extend(pue.data_year.map(|year| match language {
        Language::English => format!("data of {year}"),
        Language::Korean => format!("{year}년 자료"),
    }));
    parts.extend(remarks(pue, language).map(str::to_owned));
    format!("{} ({})", shown(pue), parts.join("; "))
}

/// Who is named as the source, in words.
#[must_use]
pub fn source(pue: &PueFigure, language: Language) -> String {
    match pue.source.strip_prefix(QUERY) {
        Some(query) => format!("{}: {query}", language.pick("query", "질의")),
        None => pue.source.clone(),
    }
}

/// What must be known beside: that it is not judged, that it is not applied.
pub fn remarks(pue: &PueFigure, language: Language) -> impl Iterator<Item = &'static str> {
    let is_judged = evidence(pue.evidence).is_judged();
    let factor = (!is_judged).then(|| {
        language.pick(
            "a factor only, never judged",
            "계수로만 쓰고 판정하지 않는다",
        )
    });
    let within = (pue.metering == MeteringPoint::Facility).then(|| {
        language.pick(
            "in the metered energy already, not applied again",
            "시설 인입점의 전력량에 이미 포함되어 다시 곱하지 않는다",
        )
    });
    factor.into_iter().chain(within)
}

/// The ratio as the verdicts' messages show it.
#[must_use]
pub fn shown(pue: &PueFigure) -> String {
    let ratio = pue.value.parse().ok();
    let ratio = ratio.and_then(|ratio| Pue::try_new(ratio).ok());
    ratio.map_or_else(|| pue.value.clone(), |ratio| ratio.to_string())
}

/// Every digit that is kept, at least two places: `1.40`, `1.316667`.
fn exact(pue: Pue) -> String {
    let digits = format!("{:.6}", pue.ratio());
    let short = digits.trim_end_matches('0');
    let places = short.split_once('.').map_or(0, |(_, places)| places.len());
    format!("{short}{}", "0".repeat(2_usize.saturating_sub(places)))
}

#[cfg(test)]
mod tests;
