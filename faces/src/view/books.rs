//! What only some have at hand: the ledger, and what services said.

use tanso_carbon::calendar::Period;
use tanso_intensity::{Loaded, ProviderFault};

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
    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(newest_hour(period, move |part| self.energy(scope, part)))
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

    /// What the services of a policy's list said, and its meters.
    fn services<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Services>;
}

/// The newest hour of a period of which `read` finds anything: looked for first
/// where it usually is, since each hour of a large cluster takes its time.
///
/// # Errors
/// What `read` answers.
pub async fn newest_hour<'a>(
    period: Period,
    read: impl Fn(Period) -> Answer<'a, Energy> + Send,
) -> Result<Energy, FactsFault> {
    let mut until = period.until;
    for hours in [1, 1, i32::MAX] {
        if until <= period.from {
            break;
        }
        let whole = Period {
            from: period.from,
            until,
        };
        let last = i32::try_from(whole.hour_count()).unwrap_or(i32::MAX);
        let from = until.plus_hours(-hours.min(last));
        let asked = read(Period { from, until });
        let found = asked.await?;
        if !found.rows.is_empty() {
            return Ok(found.newest());
        }
        until = from;
    }
    Ok(Energy::default())
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tanso_carbon::calendar::UtcHour;
    use tanso_power::{Estimate, Provenance};

    use super::super::{EnergyAccount, EnergyHour};
    use super::*;

    fn row(hour: UtcHour) -> EnergyHour {
        EnergyHour {
            hour,
            node: Arc::from("n1"),
            account: EnergyAccount::Named(Arc::from("idle")),
            provenance: Provenance::Modelled,
            energy: Estimate::default(),
            cpu_us: 0,
            minutes: 60,
            asked_millicore_seconds: 0,
        }
    }

    #[tokio::test]
    async fn the_newest_hour_is_looked_for_from_the_end_and_none_is_read_twice() {
        let from = UtcHour::from_unix_seconds(0);
        let until = from.plus_hours(6);
        let looked = async |booked: &[i32]| {
            let read = Mutex::new(Vec::new());
            let rows: Vec<_> = booked
                .iter()
                .map(|hour| row(from.plus_hours(*hour)))
                .collect();
            let period = Period { from, until };
            let found = newest_hour(period, |part: Period| {
                let bounds = (part.from.hours_since(from), part.until.hours_since(from));
                read.lock().unwrap().push(bounds);
                let rows = rows.iter().filter(|row| part.contains(row.hour));
                let found = Energy {
                    revision: Some(7),
                    rows: rows.cloned().collect(),
                };
                Box::pin(std::future::ready(Ok(found)))
            });
            let found = found.await.unwrap();
            let hours = found.rows.iter().map(|row| row.hour.hours_since(from));
            (hours.collect::<Vec<_>>(), read.into_inner().unwrap())
        };
        assert_eq!(looked(&[2, 5]).await, (vec![5], vec![(5, 6)]));
        assert_eq!(looked(&[2, 4, 4]).await, (vec![4, 4], vec![(5, 6), (4, 5)]));
        let three = vec![(5, 6), (4, 5), (0, 4)];
        assert_eq!(looked(&[0, 2]).await, (vec![2], three.clone()));
        assert_eq!(looked(&[]).await, (vec![], three));
    }
}
