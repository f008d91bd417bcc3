//! Whether a caller may see something: their own credentials decide, or the
//! API server is asked about them before anything is answered.
//!
//! Rights: get tokenreviews and subjectaccessreviews (create), for a
//! [`Reviewer`] only.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use tanso_carbon::report::Digest;

use super::FactsFault;
use crate::pace::Pace;

/// How long the API server's answer about a caller serves.
const KEPT: Duration = Duration::from_secs(10);
/// Most answers that are kept.
const KEPT_MAX: usize = 10_000;
/// How many questions are under way at once.
const AT_ONCE: usize = 8;

/// Unknown tokens of one address that are asked about a second.
const GUESSES_PER_SECOND: u32 = 5;
/// Unknown tokens of one address that are asked about at once. Who comes by an
/// ingress or a port-forward shares its address.
const GUESSES_BURST: u32 = 50;

/// Why it is not known whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerFault {
    /// Too many tokens that nobody was known by come from there.
    #[error("too many unknown bearer tokens come from this address; try again later")]
    TooMany {
        /// How long until one may come again.
        wait: Duration,
    },
    /// The API server did not say.
    #[error(transparent)]
    Facts(#[from] FactsFault),
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name by which the API server knows them.
    pub user: String,
    /// Their UID.
    pub uid: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
    /// What the API server says beside.
    pub extra: Vec<(String, Vec<String>)>,
}

/// Something that may be listed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ask<'a> {
    /// `list` or `get`.
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The plural.
    pub resource: &'a str,
    /// The namespace; all of them without one.
    pub namespace: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Listing a kind of this project.
    #[must_use]
    pub const fn list(resource: &'a str, namespace: Option<&'a str>) -> Self {
        Self {
            verb: "list",
            group: tanso_crds::GROUP,
            resource,
            namespace,
        }
    }
}

type Kept = HashMap<String, (Instant, bool)>;
type KnownCallers = HashMap<String, (Instant, Option<Arc<Caller>>)>;

/// Asks the API server who callers are and what they may see; keeps what it
/// said for a few seconds. Clones share it.
#[derive(Clone)]
pub struct Reviewer {
    client: Client,
    audiences: Option<Vec<String>>,
    callers: Arc<Mutex<KnownCallers>>,
    guesses: Arc<Mutex<Pace>>,
    answers: Arc<Mutex<Kept>>,
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

impl Reviewer {
    /// Asks with this client. Tokens must be for one of `audiences`; without
    /// any, for the API server itself.
    #[must_use]
    pub fn new(client: Client, audiences: Vec<String>) -> Self {
        Self {
            client,
            audiences: (!audiences.is_empty()).then_some(audiences),
            callers: Arc::default(),
            guesses: Arc::new(Mutex::new(Pace::new(GUESSES_PER_SECOND, GUESSES_BURST))),
            answers: Arc::default(),
        }
    }

    /// Whose token it is; `None` if the API server does not know it. The
    /// token itself is not kept, its digest is.
    ///
    /// A token that nobody was known by costs its sender, who is at `from`, a
    /// turn before the API server is asked: guesses would become as many
    /// questions there. Without an address all senders share their turns.
    ///
    /// # Errors
    /// If there is no turn left, or the API server does not answer.
    pub async fn caller(
        &self,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Option<Arc<Caller>>, CallerFault> {
        let key = Digest::of_text(token).as_str().to_owned();
        match self.kept(&key) {
            Some((true, Some(caller))) => return Ok(Some(caller)),
            // Nobody is asked about it: it takes no turns of its neighbours.
            Some((true, None)) => {
                self.take_turn(&key)?;
                return Ok(None);
            }
            // No guess: whoever guesses beside it does not keep it out.
            Some((false, Some(_))) => {}
            Some((false, None)) | None => self.take_turn(&neighbours(from))?,
        }
        let caller = self.review(token).await?.map(Arc::new);
        self.keep(key, caller.clone());
        Ok(caller)
    }

    /// What was said of a token, and whether that still serves.
    fn kept(&self, key: &str) -> Option<(bool, Option<Arc<Caller>>)> {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, caller) = callers.get(key)?;
        Some((at.elapsed() < KEPT, caller.clone()))
    }

    fn keep(&self, key: String, caller: Option<Arc<Caller>>) {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= KEPT_MAX {
            // Who was known is asked about again, but is no guess.
            callers.retain(|_, (at, caller)| caller.is_some() || at.elapsed() < KEPT);
        }
        if callers.len() >= KEPT_MAX {
            callers.retain(|_, (at, _)| at.elapsed() < KEPT);
        }
        if callers.len() < KEPT_MAX {
            callers.insert(key, (Instant::now(), caller));
        }
    }

    fn take_turn(&self, of: &str) -> Result<(), CallerFault> {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = guesses.take(of, Instant::now());
        turn.map_err(|wait| CallerFault::TooMany { wait })
    }

    async fn review(&self, token: &str) -> Result<Option<Caller>, FactsFault> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: self.audiences.clone(),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &review).await;
        let made = made.map_err(|error| FactsFault::of("checking the bearer token", &error))?;
        let status = made.status.unwrap_or_default();
        let for_us = match (&self.audiences, &status.audiences) {
            (Some(wanted), Some(given)) => given.iter().any(|one| wanted.contains(one)),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if status.authenticated != Some(true) || !for_us {
            return Ok(None);
        }
        let user = status.user.unwrap_or_default();
        Ok(user
            .username
            .filter(|name| !name.is_empty())
            .map(|name| Caller {
                user: name,
                uid: user.uid,
                groups: user.groups.unwrap_or_default(),
                extra: user.extra.unwrap_or_default().into_iter().collect(),
            }))
    }

    async fn may(&self, caller: &Caller, ask: &Ask<'_>) -> Result<bool, FactsFault> {
        let key = format!("{caller:?} {ask:?}");
        {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, may)) = answers.get(&key)
                && at.elapsed() < KEPT
            {
                return Ok(*may);
            }
        }
        let may = self.ask(caller, ask).await?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT_MAX {
            answers.retain(|_, (at, _)| at.elapsed() < KEPT);
        }
        if answers.len() < KEPT_MAX {
            answers.insert(key, (Instant::now(), may));
        }
        Ok(may)
    }

    async fn ask(&self, caller: &Caller, ask: &Ask<'_>) -> Result<bool, FactsFault> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(caller.user.clone()),
                uid: caller.uid.clone(),
                groups: Some(caller.groups.clone()),
                extra: Some(caller.extra.iter().cloned().collect()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(ask.verb.to_owned()),
                    group: Some(ask.group.to_owned()),
                    resource: Some(ask.resource.to_owned()),
                    namespace: ask.namespace.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &review).await;
        let made =
            made.map_err(|error| FactsFault::of("asking what the caller may see", &error))?;
        let status = made.status.unwrap_or_default();
        Ok(status.allowed && status.denied != Some(true))
    }
}

/// Those who share the turns of an address: of IPv6 its network, in which one
/// machine may take as many addresses as it likes.
fn neighbours(from: Option<IpAddr>) -> String {
    match from.map(|address| address.to_canonical()) {
        None => String::new(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).to_string()
        }
    }
}

/// Whose eyes the facts are seen with.
#[derive(Clone, Debug)]
pub enum Access {
    /// The client is the caller's own: the API server decides at each request.
    Own,
    /// The client is not the caller's: the API server is asked about them.
    Reviewed {
        /// Who asks.
        reviewer: Reviewer,
        /// Whom it is about.
        caller: Arc<Caller>,
    },
}

impl Access {
    /// Whether the caller may see it. With their own client it is tried.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn may(&self, ask: &Ask<'_>) -> Result<bool, FactsFault> {
        match self {
            Self::Own => Ok(true),
            Self::Reviewed { reviewer, caller } => reviewer.may(caller, ask).await,
        }
    }

    /// Those of the namespaces in which the caller may see it.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn namespaces(
        &self,
        resource: &str,
        namespaces: Vec<String>,
    ) -> Result<Vec<String>, FactsFault> {
        if self.may(&Ask::list(resource, None)).await? {
            return Ok(namespaces);
        }
        let checked = stream::iter(namespaces).map(|namespace| async move {
            let may = self.may(&Ask::list(resource, Some(&namespace))).await?;
            Ok::<_, FactsFault>(may.then_some(namespace))
        });
        let kept: Vec<_> = checked.buffered(AT_ONCE).try_collect().await?;
        Ok(kept.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_many_addresses_has_the_turns_of_one() {
        let of = |text: &str| neighbours(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
