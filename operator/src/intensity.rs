//! The intensity services that policies name: one feed for each service, zone
//! and credentials, however many policies use it.
//!
//! Reads the policies' Secrets and asks the services when they are due; what
//! they said stays on the ledger's volume. Prices nothing.

pub(crate) mod record;
mod wanted;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::{Api, Client};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::Digest;
use tanso_crds::carbon_policy::{CarbonPolicySpec, IntensityProvider as ProviderSpec};
use tanso_intensity::feed::{Feed, Setting};
use tanso_intensity::http::guard::Guard;
use tanso_intensity::http::{Http, HttpFault};
use tanso_intensity::service::prometheus::number;
use tanso_intensity::{IntensityProvider as _, Loaded, Marginal, ProviderFault};

use crate::cluster::ApplyFault;
use crate::cluster::apply::bounded;
pub(crate) use wanted::is_service;
use wanted::{Credentials, Wanted};

/// What the services of one policy said.
#[derive(Clone, Default)]
pub struct Asked {
    average: BTreeMap<String, Result<Loaded, ProviderFault>>,
    marginal: Option<Marginal>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.average.keys().collect();
        f.debug_struct("Asked")
            .field("average", &names)
            .finish_non_exhaustive()
    }
}

impl Asked {
    /// Average figures of a provider; `None` if it gives marginal ones.
    #[must_use]
    pub fn average(&self, name: &str) -> Option<&Result<Loaded, ProviderFault>> {
        self.average.get(name)
    }

    /// Marginal figures of the first provider that has any.
    #[must_use]
    pub const fn marginal(&self) -> Option<&Marginal> {
        self.marginal.as_ref()
    }
}

/// All feeds; clones share them.
#[derive(Clone)]
pub struct Feeds {
    http: Http,
    folder: Option<PathBuf>,
    by_wish: Arc<Mutex<HashMap<String, Arc<Feed>>>>,
    numbers: Arc<Mutex<HashMap<(String, String), Number>>>,
}

/// What a query gave, and until when it is not asked again.
type Number = (Instant, Result<f64, String>);

/// How long the answer to a query for one number serves.
const NUMBER_KEPT: Duration = Duration::from_mins(1);

impl Feeds {
    /// Feeds that keep what they learn in `folder`, and may ask the listed
    /// endpoints beside the services' own.
    ///
    /// # Errors
    /// If cryptography cannot be set up.
    pub fn try_new(endpoints: &[String], folder: Option<PathBuf>) -> Result<Self, rustls::Error> {
        let guard = Guard::with_listed(endpoints.iter().cloned());
        Ok(Self {
            http: Http::try_new(guard, &[])?,
            folder,
            by_wish: Arc::default(),
            numbers: Arc::default(),
        })
    }

    /// Asks what is due of a policy's services, back to the first hour that it
    /// needs, and gives what is known.
    ///
    /// # Errors
    /// If the API server is silent. A Secret that is missing or forbidden is
    /// its provider's fault only.
    pub async fn ask(
        &self,
        client: &Client,
        namespace: &str,
        spec: &CarbonPolicySpec,
        from: UtcHour,
        now: Timestamp,
    ) -> Result<Asked, ApplyFault> {
        let mut asked = Asked::default();
        let mut feeds = Vec::new();
        for provider in spec
            .intensity
            .providers
            .iter()
            .filter(|one| wanted::is_service(one))
        {
            let made = match credentials(client, namespace, provider).await? {
                Ok(credentials) => self.feed(spec, provider, &credentials),
                Err(reason) => Err(reason),
            };
            match made {
                Ok(feed) => feeds.push((provider.name.clone(), feed)),
                Err(reason) => {
                    let fault = ProviderFault::Service {
                        provider: provider.name.clone(),
                        reason,
                    };
                    asked.average.insert(provider.name.clone(), Err(fault));
                }
            }
        }
        let refreshes = feeds.iter().map(|(name, feed)| async move {
            if let Err(error) = feed.refresh_from(&self.http, from, now).await {
                tracing::warn!(%error, provider = name, "an intensity service gave no usable answer");
            }
        });
        join_all(refreshes).await;
        for (name, feed) in feeds {
            let seen = feed.seen_at(now);
            match seen.marginal() {
                Some(Ok(marginal)) => {
                    asked.marginal.get_or_insert(marginal);
                }
                Some(Err(fault)) => {
                    tracing::debug!(error = %fault, provider = name, "no marginal intensity yet");
                }
                None => {
                    asked.average.insert(name, seen.load(&spec.site.zone, 0));
                }
            }
        }
        Ok(asked)
    }

    /// The number that a query gives, asked at most once a minute; an error
    /// says why there is none.
    ///
    /// # Errors
    /// If the endpoint is not listed, is silent, or gives something else than
    /// one number.
    pub async fn number(&self, endpoint: &str, query: &str) -> Result<f64, String> {
        let key = (endpoint.to_owned(), query.to_owned());
        let known = {
            let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.get(&key).cloned()
        };
        if let Some((until, number)) = known
            && Instant::now() < until
        {
            return number;
        }
        let answer = self.http.ask(endpoint, None, &number::ask(query)).await;
        let kept = answer.as_ref().err().map_or(NUMBER_KEPT, wait_of);
        let found = answer.map_err(|fault| fault.to_string()).and_then(|body| {
            number::read(&body).map_err(|fault| format!("query \"{query}\": {fault}"))
        });
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        numbers.retain(|_, (until, _)| now < *until);
        numbers.insert(key, (now + kept, found.clone()));
        found
    }

    /// The feed of a provider, made when it is first wanted.
    fn feed(
        &self,
        spec: &CarbonPolicySpec,
        provider: &ProviderSpec,
        credentials: &Credentials,
    ) -> Result<Arc<Feed>, String> {
        let Wanted {
            endpoint,
            services_own,
            service,
            key,
        } = Wanted::of(&spec.site.zone, provider, credentials)?;
        self.http
            .check(&endpoint, services_own)
            .map_err(|fault| fault.to_string())?;
        let seconds =
            crate::controllers::carbon_policy::validate::seconds(&spec.intensity.stale_after);
        let stale_after = stale_after(seconds);
        let key = format!("{key} {}", span_in_key(stale_after));
        let mut feeds = self.by_wish.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(&key) {
            return Ok(Arc::clone(feed));
        }
        let file = Digest::of_text(&key);
        let file = file.as_str().rsplit(':').next().unwrap_or_default();
        let feed = Arc::new(Feed::new(Setting {
            name: provider.name.clone(),
            endpoint,
            services_own,
            service,
            file: self
                .folder
                .as_ref()
                .map(|folder| folder.join(format!("{file}.json"))),
            stale_after,
        }));
        feeds.insert(key, Arc::clone(&feed));
        Ok(feed)
    }
}

/// How old an answer may be, as a policy says it; 6 h where that cannot be read.
fn stale_after(seconds: Option<u64>) -> SignedDuration {
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    seconds.map_or(SignedDuration::from_hours(6), SignedDuration::from_secs)
}

/// The same in a feed's key, of which its file is named: whole hours are told as
/// they always were, so that what is on disk is found again.
fn span_in_key(span: SignedDuration) -> String {
    if span.as_secs() % 3_600 == 0 {
        format!("{} h", span.as_hours())
    } else {
        format!("{} s", span.as_secs())
    }
}

/// How long an endpoint that refused is left alone: as long as it asked for,
/// at most a day, and never less than after an answer.
fn wait_of(fault: &HttpFault) -> Duration {
    let asked = fault.retry_at();
    let asked = asked.map(|at| at.duration_since(Timestamp::now()));
    let asked = asked.and_then(|wait| Duration::try_from(wait).ok());
    asked
        .unwrap_or_default()
        .clamp(NUMBER_KEPT, Duration::from_hours(24))
}

/// The credentials of a provider, or why there are none.
async fn credentials(
    client: &Client,
    namespace: &str,
    provider: &ProviderSpec,
) -> Result<Result<Credentials, String>, ApplyFault> {
    let Some(name) = &provider.secret_name else {
        return Ok(Ok(Credentials::default()));
    };
    let api: Api<SecretObject> = Api::namespaced(client.clone(), namespace);
    match bounded::<SecretObject, _>("get", name, api.get_opt(name)).await {
        Ok(Some(found)) => Ok(Ok(Credentials::of(&found))),
        Ok(None) => Ok(Err(format!(
            "Secret \"{name}\" does not exist in namespace \"{namespace}\""
        ))),
        Err(fault) if fault.is_forbidden() => Ok(Err(format!(
            "the operator may not read Secret \"{name}\"; accepted is tanso-intensity, or add the name to its role"
        ))),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour and a half was an hour.
    #[test]
    fn what_is_no_whole_number_of_hours_is_not_cut_to_one() {
        let of = |text: &str| {
            let seconds = crate::controllers::carbon_policy::validate::seconds(text);
            let span = stale_after(seconds);
            (span.as_mins(), span_in_key(span))
        };
        assert_eq!(of("90m"), (90, "5400 s".to_owned()));
        assert_eq!(of("6h"), (360, "6 h".to_owned()));
        assert_eq!(of("360m"), (360, "6 h".to_owned()));
        assert_eq!(of("soon"), (360, "6 h".to_owned()));
    }
}
