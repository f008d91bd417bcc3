//! What only some have at hand: the ledger, and what services said.

use tanso_carbon::calendar::Period;
use tanso_carbon::stays::Stays;
use tanso_intensity::{Loaded, ProviderFault};

use super::newest::{EVERYBODY, NewestHour, newest_hour};
use super::{Answer, Energy, FactsFault, Policy, Scope, Summing, Sums, WorkloadKey, site};

/// What only some have at hand: the ledger, and what intensity services said.
pub trait Books: Send + Sync {
    /// What was booked; see [`Facts::energy`](super::Facts::energy). Whether the caller may see it
    /// was decided before.
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy>;

    /// What one workload used; see [`Facts::energy_of`](super::Facts::energy_of). Whoever can read less
    /// than its whole namespace for that, does.
    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        Box::pin(async move {
            let scope = Scope::Namespace(workload.namespace.clone());
            Ok(self.energy(&scope, period).await?.of(workload))
        })
    }

    /// The newest hour; see [`Facts::newest`](super::Facts::newest).
    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, NewestHour> {
        let everybody = move |part: Period| self.energy(&EVERYBODY, part);
        Box::pin(newest_hour(scope, period, everybody))
    }

    /// Sums of many workloads; see [`Facts::sums`](super::Facts::sums).
    fn sums<'a>(
        &'a self,
        scope: &'a Scope,
        period: Period,
        summing: &'a Summing,
    ) -> Answer<'a, Sums> {
        Box::pin(async move { Ok(Sums::of(&self.energy(scope, period).await?, summing)) })
    }

    /// Where nodes were and how large, by the hour, also of those that are gone:
    /// what was booked is priced by it. A ledger that does not tell it knows
    /// nothing of it.
    fn stays(&self) -> Answer<'_, Stays> {
        let fault = FactsFault::Absent {
            what: "where nodes were",
            reason: "the ledger does not tell it".to_owned(),
        };
        Box::pin(std::future::ready(Err(fault)))
    }

    /// What the services of a policy's list said, and its meters.
    fn services<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Services>;
}

/// What the services that a policy names said.
#[derive(Clone, Default)]
pub struct Services {
    /// Average figures by provider name, or why there are none.
    pub average: Vec<(String, Result<Loaded, ProviderFault>)>,
    /// The PUE that the facility's meters give, or why they give none.
    pub pue: Option<Result<f64, String>>,
}

/// The services of whoever can ask none: each of the list is said to be out
/// of reach, so that what tables know still serves.
#[must_use]
pub fn no_services(policy: &Policy, why: &str) -> Services {
    let providers = &policy.spec.intensity.providers;
    let missing = |provider: &tanso_crds::carbon_policy::IntensityProvider| {
        let fault = ProviderFault::Service {
            provider: provider.name.clone(),
            reason: why.to_owned(),
        };
        (provider.name.clone(), Err(fault))
    };
    Services {
        average: providers
            .iter()
            .filter(|one| site::is_service(one))
            .map(missing)
            .collect(),
        pue: Some(Err(why.to_owned())),
    }
}
