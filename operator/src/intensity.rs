//! The intensity services that policies name: one feed for each service, zone
//! and credentials, however many policies use it.
//!
//! Reads the policies' Secrets and asks the services when they are due; what
//! they said stays on the ledger's volume. Prices nothing.

pub(crate) mod record;
mod wanted;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use tokio::time::Instant;

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
    by_wish: Arc<Mutex<HashMap<String, Wished>>>,
    numbers: Arc<Mutex<HashMap<(String, String), Number>>>,
}

/// A feed, and when it was wished last.
struct Wished {
    feed: Arc<Feed>,
    at: Instant,
}

/// How long nobody may wish a feed before it is forgotten: longer than any
/// interval of a policy. Its file stays.
const UNWISHED_KEPT: Duration = Duration::from_hours(48);

/// Most files of feeds; the oldest of those that nobody wishes go. Each credential,
/// zone and age is one more.
const FILES_MAX: usize = 1_000;

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
        let now = Instant::now();
        let mut feeds = self.by_wish.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wished) = feeds.get_mut(&key) {
            wished.at = now;
            return Ok(Arc::clone(&wished.feed));
        }
        feeds.retain(|_, wished| now.duration_since(wished.at) < UNWISHED_KEPT);
        if let Some(folder) = &self.folder {
            let wished: HashSet<String> = feeds.keys().map(|key| file_name(key)).collect();
            forget_files(folder, &wished, FILES_MAX);
        }
        let feed = Arc::new(Feed::new(Setting {
            name: provider.name.clone(),
            endpoint,
            services_own,
            service,
            file: self
                .folder
                .as_ref()
                .map(|folder| folder.join(file_name(&key))),
            stale_after,
        }));
        let wished = Wished {
            feed: Arc::clone(&feed),
            at: now,
        };
        feeds.insert(key, wished);
        Ok(feed)
    }
}

/// The name of a feed's file.
fn file_name(key: &str) -> String {
    let digest = Digest::of_text(key);
    let digest = digest.as_str().rsplit(':').next().unwrap_or_default();
    format!("{digest}.json")
}

/// Removes the oldest files of a folder that nobody wishes, until one more makes
/// at most `most`. What cannot be removed stays: it is room, and no harm.
fn forget_files(folder: &Path, wished: &HashSet<String>, most: usize) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let of_feeds: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".json"))
        .collect();
    let surplus = (of_feeds.len() + 1).saturating_sub(most);
    let mut unwished: Vec<_> = of_feeds
        .iter()
        .filter(|entry| !wished.contains(&*entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    unwished.sort();
    for (_, path) in unwished.iter().take(surplus) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "a feed that nobody wishes cannot be removed");
        }
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

    /// Each new credential left a file for ever.
    #[test]
    fn of_too_many_files_the_oldest_that_nobody_wishes_go() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, second: u64| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let at = std::time::UNIX_EPOCH + Duration::from_secs(second);
            file.set_modified(at).unwrap();
        };
        for (name, second) in [
            ("wished.json", 1),
            ("old.json", 2),
            ("newer.json", 3),
            ("not-a-feed", 0),
        ] {
            write(name, second);
        }
        let names = || {
            let all = fs::read_dir(folder.path()).unwrap();
            let mut all: Vec<String> = all
                .map(|one| one.unwrap().file_name().into_string().unwrap())
                .collect();
            all.sort();
            all
        };
        let wished = ["wished.json".to_owned()].into();
        forget_files(folder.path(), &wished, 4);
        assert_eq!(names().len(), 4);
        forget_files(folder.path(), &wished, 3);
        assert_eq!(names(), ["newer.json", "not-a-feed", "wished.json"]);
    }

    /// A policy that went, or changed its zone, left its feed for ever.
    #[tokio::test(start_paused = true)]
    async fn a_feed_that_nobody_wishes_any_more_is_forgotten() {
        tanso_runtime::crypto::install();
        let feeds = Feeds::try_new(&[], None).unwrap();
        let wish = |zone: &str| {
            let provider = ProviderSpec {
                name: "live".to_owned(),
                kind: tanso_crds::carbon_policy::IntensityProviderKind::UkCarbonIntensity,
                zone: Some(zone.to_owned()),
                ..ProviderSpec::default()
            };
            let spec = CarbonPolicySpec::default();
            let made = feeds.feed(&spec, &provider, &Credentials::default());
            made.unwrap()
        };
        let first = wish("1");
        assert!(Arc::ptr_eq(&first, &wish("1")));
        wish("2");
        assert_eq!(feeds.by_wish.lock().unwrap().len(), 2);
        tokio::time::advance(Duration::from_hours(47)).await;
        wish("1");
        tokio::time::advance(Duration::from_hours(2)).await;
        wish("3");
        let mut left: Vec<String> = feeds.by_wish.lock().unwrap().keys().cloned().collect();
        left.sort();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(Arc::ptr_eq(&first, &wish("1")));
    }

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
