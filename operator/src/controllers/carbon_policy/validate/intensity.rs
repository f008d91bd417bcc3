//! The site's grid, by the source that the spec names; pure.

use tanso_carbon::series::Boundary;
use tanso_crds::carbon_policy::{
    CarbonPolicySpec, IntensityBoundary, IntensityProviderKind, IntensitySource,
};
use tanso_crds::condition::reasons;
use tanso_intensity::bundled::Bundled;
use tanso_intensity::layers::{Layer, over_each_other};
use tanso_intensity::static_value::StaticValue;
use tanso_intensity::table::Table;
use tanso_intensity::{IntensityProvider as _, Loaded, ProviderFault};

use super::{PolicyFault, Sources};

/// The figures of the site's zone.
pub(super) fn intensity(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
) -> Result<Loaded, PolicyFault> {
    let zone = &spec.site.zone;
    let needed = |field| {
        PolicyFault::spec(
            "spec.intensity",
            format!("source {:?} needs `{field}`", spec.intensity.source),
        )
    };
    let loaded = match spec.intensity.source {
        IntensitySource::Bundled => Bundled.load(zone, sources.year),
        IntensitySource::Static => fixed(spec).ok_or_else(|| needed("static"))?,
        IntensitySource::Table => match &sources.table {
            None => return Err(needed("table")),
            Some(Err(missing)) => return Err(not_found(missing)),
            Some(Ok(table)) => tabled(spec, table, zone),
        },
        IntensitySource::Providers => listed(spec, sources),
    };
    loaded.map_err(|fault| match fault {
        ProviderFault::NoFigures { .. } => PolicyFault::spec("spec.site.zone", fault.to_string()),
        ProviderFault::Unit(_) => PolicyFault::spec("spec.intensity.static", fault.to_string()),
        ProviderFault::NoneLeft(_) | ProviderFault::Service { .. } => PolicyFault {
            reason: reasons::UNAVAILABLE,
            path: "spec.intensity.providers",
            message: fault.to_string(),
        },
        _ => PolicyFault::input("spec.intensity.table", fault.to_string()),
    })
}

fn not_found(missing: &str) -> PolicyFault {
    PolicyFault {
        reason: reasons::NOT_FOUND,
        path: "spec.intensity.table",
        message: missing.to_owned(),
    }
}

/// The figure of the spec for every hour, if it gives one.
fn fixed(spec: &CarbonPolicySpec) -> Option<Result<Loaded, ProviderFault>> {
    let given = spec.intensity.r#static.as_ref()?;
    let value = StaticValue {
        grams_per_kwh: given.grams_per_kwh,
        reference: given.reference.clone(),
    };
    let year = given.data_year.and_then(|year| i16::try_from(year).ok());
    Some(value.load_of(&spec.site.zone, boundary(given.boundary), year))
}

/// The user's table, with what the spec says of it.
fn tabled(spec: &CarbonPolicySpec, table: &Table, zone: &str) -> Result<Loaded, ProviderFault> {
    let given = spec.intensity.table.as_ref();
    let counted = given.map(|given| given.boundary).unwrap_or_default();
    let year = given.and_then(|given| i16::try_from(given.data_year?).ok());
    table.load_of(zone, boundary(counted), year)
}

pub(super) const fn boundary(counted: IntensityBoundary) -> Boundary {
    match counted {
        IntensityBoundary::LifeCycle => Boundary::LifeCycle,
        IntensityBoundary::Direct => Boundary::Direct,
    }
}

/// The average figures of the list, laid over each other.
fn listed(spec: &CarbonPolicySpec, sources: &Sources<'_>) -> Result<Loaded, ProviderFault> {
    let missing = |name: &str, reason: &str| {
        Err(ProviderFault::Service {
            provider: name.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let mut layers = Vec::new();
    for provider in &spec.intensity.providers {
        let name = &provider.name;
        let zone = provider.zone.as_ref().unwrap_or(&spec.site.zone);
        let found = match provider.kind {
            IntensityProviderKind::Bundled => Bundled.load(zone, sources.year),
            IntensityProviderKind::Static => {
                fixed(spec).unwrap_or_else(|| missing(name, "`static` is not given"))
            }
            IntensityProviderKind::Table => match &sources.table {
                Some(Ok(table)) => tabled(spec, table, zone),
                Some(Err(why)) => missing(name, why),
                None => missing(name, "`table` is not given"),
            },
            _ => match sources.asked.average(name) {
                Some(found) => found.clone(),
                // A marginal provider: it is no part of the price.
                None => continue,
            },
        };
        layers.push(Layer {
            name: name.clone(),
            found,
        });
    }
    over_each_other(layers)
}
