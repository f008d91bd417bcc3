//! A provider of a spec becomes a service to ask; pure.

use k8s_openapi::api::core::v1::Secret as SecretObject;
use tanso_carbon::report::Digest;
use tanso_carbon::series::{Boundary, Method};
use tanso_crds::carbon_policy::{
    IntensityBoundary, IntensityProvider as ProviderSpec, IntensityProviderKind as Kind,
    IntensitySignal, IntensityUnit,
};
use tanso_intensity::reading::Unit;
use tanso_intensity::service::carbon_aware::CarbonAware;
use tanso_intensity::service::electricity_maps::{self, ElectricityMaps};
use tanso_intensity::service::neso::{self, Neso};
use tanso_intensity::service::prometheus::Prometheus;
use tanso_intensity::service::watttime::{self, WattTime};
use tanso_intensity::service::{Secret, Service};

/// What a Secret holds for a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    token: Option<Secret>,
    login: Option<(Secret, Secret)>,
    /// Tells credentials apart without holding them.
    digest: String,
}

impl Credentials {
    /// From the keys `token`, `username` and `password`.
    pub(super) fn of(object: &SecretObject) -> Self {
        let data = object.data.as_ref();
        let text = |key: &str| {
            let bytes = &data?.get(key)?.0;
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        };
        let (token, name, password) = (text("token"), text("username"), text("password"));
        let digest = Digest::of_text(&format!("{token:?} {name:?} {password:?}"));
        let login = name.zip(password);
        Self {
            token: token.as_deref().map(Secret::new),
            login: login.map(|(name, password)| (Secret::new(&name), Secret::new(&password))),
            digest: digest.short().to_owned(),
        }
    }
}

/// A service to ask, and where.
pub(super) struct Wanted {
    /// Where.
    pub(super) endpoint: String,
    /// The service's own address.
    pub(super) services_own: Option<&'static str>,
    /// What to ask.
    pub(super) service: Box<dyn Service>,
    /// The same for all providers that may share a feed.
    pub(super) key: String,
}

/// Whether a provider is a service on the network.
pub(crate) const fn is_service(provider: &ProviderSpec) -> bool {
    !matches!(provider.kind, Kind::Bundled | Kind::Static | Kind::Table)
}

impl Wanted {
    /// What a provider asks for; an error says what is missing.
    pub(super) fn of(
        site_zone: &str,
        provider: &ProviderSpec,
        credentials: &Credentials,
    ) -> Result<Self, String> {
        let zone = provider
            .zone
            .clone()
            .unwrap_or_else(|| site_zone.to_owned());
        let (services_own, service) = service(zone.clone(), provider, credentials)?;
        let endpoint = provider
            .endpoint
            .clone()
            .or_else(|| services_own.map(str::to_owned))
            .ok_or_else(|| "`endpoint` is not given".to_owned())?;
        let key = format!(
            "{:?} {endpoint} {zone} {:?} {:?} {:?} {:?} {}",
            provider.kind,
            provider.boundary,
            provider.signal,
            provider.query,
            provider.unit,
            credentials.digest
        );
        Ok(Self {
            endpoint,
            services_own,
            service,
            key,
        })
    }
}

type Made = (Option<&'static str>, Box<dyn Service>);

fn service(
    zone: String,
    provider: &ProviderSpec,
    credentials: &Credentials,
) -> Result<Made, String> {
    let boundary = match provider.boundary {
        Some(IntensityBoundary::Direct) => Boundary::Direct,
        Some(IntensityBoundary::LifeCycle) | None => Boundary::LifeCycle,
    };
    let method = |otherwise| match provider.signal {
        Some(IntensitySignal::Average) => Method::Average,
        Some(IntensitySignal::Marginal) => Method::Marginal,
        None => otherwise,
    };
    Ok(match provider.kind {
        Kind::ElectricityMaps => {
            let service = ElectricityMaps {
                zone,
                boundary,
                token: credentials.token.clone(),
            };
            (Some(electricity_maps::ENDPOINT), Box::new(service))
        }
        Kind::WattTime => {
            let service = WattTime {
                region: zone,
                method: method(Method::Marginal),
                login: credentials.login.clone(),
            };
            (Some(watttime::ENDPOINT), Box::new(service))
        }
        Kind::UkCarbonIntensity => {
            let region = provider.zone.as_deref().map(region).transpose()?;
            (Some(neso::ENDPOINT), Box::new(Neso { region }))
        }
        Kind::CarbonAwareSdk => {
            let service = CarbonAware {
                location: zone,
                method: method(Method::Marginal),
                boundary,
            };
            (None, Box::new(service))
        }
        Kind::Prometheus => {
            let service = Prometheus {
                zone,
                query: provider.query.clone().unwrap_or_default(),
                unit: match provider.unit {
                    Some(IntensityUnit::PoundsPerMwh) => Unit::PoundsPerMwh,
                    Some(IntensityUnit::TonnesPerMwh) => Unit::TonnesPerMwh,
                    Some(IntensityUnit::GramsPerKwh) | None => Unit::GramsPerKwh,
                },
                method: method(Method::Average),
                boundary,
                token: credentials.token.clone(),
            };
            (None, Box::new(service))
        }
        Kind::Bundled | Kind::Static | Kind::Table => {
            return Err("is no service on the network".to_owned());
        }
    })
}

/// The number of a region of Great Britain.
fn region(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=17).contains(number))
        .ok_or_else(|| {
            format!(
                "zone \"{text}\"; accepted are the regions 1 to 17, or nothing for Great Britain"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: Kind, zone: Option<&str>) -> ProviderSpec {
        ProviderSpec {
            name: "live".into(),
            kind,
            zone: zone.map(str::to_owned),
            ..ProviderSpec::default()
        }
    }

    fn credentials(token: &str) -> Credentials {
        let data = serde_json::json!({"data": {"token": token}});
        Credentials::of(&serde_json::from_value(data).unwrap())
    }

    #[test]
    fn feeds_are_shared_by_equal_wishes_and_never_across_credentials() {
        let key = |kind, token| {
            let wanted = Wanted::of("KR", &provider(kind, None), &credentials(token));
            wanted.ok().unwrap().key
        };
        assert_eq!(
            key(Kind::ElectricityMaps, "a29yZWE="),
            key(Kind::ElectricityMaps, "a29yZWE=")
        );
        assert_ne!(
            key(Kind::ElectricityMaps, "a29yZWE="),
            key(Kind::ElectricityMaps, "dHdv")
        );
        assert_ne!(
            key(Kind::ElectricityMaps, "a29yZWE="),
            key(Kind::WattTime, "a29yZWE=")
        );
        let shown = format!("{:?}", credentials("a29yZWE="));
        assert!(
            !shown.contains("korea") && !shown.contains("a29yZWE="),
            "{shown}"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let refused = |kind, zone| {
            let made = Wanted::of("KR", &provider(kind, zone), &Credentials::default());
            made.err().unwrap()
        };
        assert!(refused(Kind::CarbonAwareSdk, None).contains("`endpoint`"));
        assert!(refused(Kind::UkCarbonIntensity, Some("18")).contains("1 to 17"));
        let marginal = Wanted::of(
            "KR",
            &provider(Kind::WattTime, None),
            &Credentials::default(),
        );
        assert_eq!(
            marginal.ok().unwrap().service.info().method,
            Method::Marginal
        );
    }
}
