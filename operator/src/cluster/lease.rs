//! The lease: only its holder writes.
//!
//! Expiry is measured by this process' own monotonic clock from the moment at
//! which a renewal was last *seen* to happen; the times in the lease are for
//! people, since other machines' clocks may be wrong. The holder in turn counts
//! from the moment *before* it asked, so its claim always ends first.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tanso_runtime::Shutdown;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::fault;

/// The lease as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; `None` when it was released.
    pub holder: Option<String>,
    /// How long a renewal lasts, as the holder said.
    pub duration: Duration,
    /// The resource version; it changes with each renewal.
    pub version: String,
    /// When this version was first seen, by this process' own clock.
    pub since: Instant,
}

impl Seen {
    /// What a fetched lease means, given what was seen before.
    #[must_use]
    pub fn update(before: Option<&Self>, lease: &Lease, now: Instant) -> Self {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match before {
            Some(before) if before.version == version => before.since,
            _ => now,
        };
        let spec = lease.spec.as_ref();
        let seconds = spec.and_then(|s| s.lease_duration_seconds).unwrap_or(0);
        Self {
            holder: spec
                .and_then(|s| s.holder_identity.clone())
                .filter(|holder| !holder.is_empty()),
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            version,
            since,
        }
    }
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is none: create it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// Nobody holds it any more: take it.
    TakeOver,
    /// Somebody holds it; it cannot expire before that time has passed.
    Wait(Duration),
}

/// Decides what `me` may do with the lease at `now`.
#[must_use]
pub fn decide(lease: Option<&Seen>, me: &str, now: Instant) -> Decision {
    let Some(seen) = lease else {
        return Decision::Create;
    };
    match seen.holder.as_deref() {
        None => Decision::TakeOver,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) => {
            let silent = now.saturating_duration_since(seen.since);
            match seen.duration.checked_sub(silent) {
                Some(rest) => Decision::Wait(rest),
                None => Decision::TakeOver,
            }
        }
    }
}

/// The right to write; ends by itself unless renewed in time.
#[derive(Clone, Debug)]
pub struct Claim {
    until: Arc<watch::Sender<Until>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Never,
    Time(Instant),
    Always,
}

impl Claim {
    /// No claim yet.
    #[must_use]
    pub fn none() -> Self {
        Self {
            until: Arc::new(watch::Sender::new(Until::Never)),
        }
    }

    /// A claim that does not end: for a process that is known to be the only
    /// writer, such as a test.
    #[must_use]
    pub fn always() -> Self {
        Self {
            until: Arc::new(watch::Sender::new(Until::Always)),
        }
    }

    /// Whether this process may write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        match *self.until.borrow() {
            Until::Never => false,
            Until::Time(end) => Instant::now() < end,
            Until::Always => true,
        }
    }

    /// Waits until the claim holds.
    pub async fn acquired(&self) {
        let mut changes = self.until.subscribe();
        while !self.holds() {
            // `self` keeps the sender, so the channel cannot close.
            let _ = changes.changed().await;
        }
    }

    /// Waits until the claim no longer holds.
    pub async fn lost(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let until = *changes.borrow_and_update();
            match until {
                Until::Never => return,
                Until::Always => {
                    let _ = changes.changed().await;
                }
                Until::Time(end) => {
                    if Instant::now() >= end {
                        return;
                    }
                    let _ = tokio::time::timeout_at(end, changes.changed()).await;
                }
            }
        }
    }

    fn extend(&self, end: Instant) {
        self.until.send_replace(Until::Time(end));
    }

    fn end(&self) {
        self.until.send_replace(Until::Never);
    }
}

/// Holds (or waits for) the lease of that name until the shutdown begins.
#[derive(Clone)]
pub struct Keeper {
    api: Api<Lease>,
    name: String,
    me: String,
    duration: Duration,
}

impl Keeper {
    /// A keeper that calls itself `me`; unique among processes, the same for
    /// restarts of the same pod's container, so that a restart need not wait.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, me: &str, duration: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            duration,
        }
    }

    /// Keeps `claim` true to the lease until the shutdown begins. The lease
    /// stays held then; [`Keeper::release`] gives it back once nothing writes
    /// any more.
    pub async fn keep(&self, claim: &Claim, shutdown: &Shutdown) {
        let mut seen: Option<Seen> = None;
        while !shutdown.has_begun() {
            let pause = match timeout(self.patience(), self.turn(&mut seen, claim)).await {
                Ok(Ok(pause)) => pause,
                Ok(Err(error)) => {
                    let level_text = fault::message(&error);
                    tracing::warn!(
                        lease = self.name,
                        error = level_text,
                        "asking for the lease failed"
                    );
                    self.duration / 10
                }
                Err(_) => {
                    tracing::warn!(
                        lease = self.name,
                        "the API server did not answer in time about the lease"
                    );
                    Duration::ZERO
                }
            };
            tokio::select! {
                () = shutdown.begun() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Gives the lease back, so that another process need not wait for it to
    /// expire. Failure costs only that wait.
    pub async fn release(&self, claim: &Claim) {
        let held = claim.holds();
        claim.end();
        if !held {
            return;
        }
        if let Err(error) = timeout(self.patience(), self.vacate())
            .await
            .unwrap_or(Ok(()))
        {
            tracing::warn!(
                lease = self.name,
                error = fault::message(&error),
                "giving the lease back failed"
            );
        }
    }

    /// One look at the lease and what follows; returns the time to pause.
    async fn turn(&self, seen: &mut Option<Seen>, claim: &Claim) -> Result<Duration, kube::Error> {
        let asked = Instant::now();
        let lease = self.api.get_opt(&self.name).await?;
        *seen = lease
            .as_ref()
            .map(|lease| Seen::update(seen.as_ref(), lease, Instant::now()));
        let decision = decide(seen.as_ref(), &self.me, Instant::now());
        let written = match (decision, lease) {
            (Decision::Wait(rest), _) => {
                claim.end();
                let holder = seen.as_ref().and_then(|s| s.holder.clone());
                tracing::debug!(lease = self.name, holder, "waiting for the lease");
                return Ok(rest.min(self.duration / 5));
            }
            (Decision::Create, _) | (_, None) => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.spec(None)),
                };
                self.api.create(&PostParams::default(), &lease).await
            }
            (Decision::Renew | Decision::TakeOver, Some(mut lease)) => {
                lease.spec = Some(self.spec(lease.spec));
                self.api
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await
            }
        };
        match written {
            Ok(_) => {
                if !claim.holds() {
                    tracing::info!(lease = self.name, holder = self.me, "holding the lease");
                }
                claim.extend(asked + self.duration);
                Ok(self.duration / 3)
            }
            // Somebody was faster; look again at once.
            Err(error) if fault::is_conflict(&error) => Ok(self.duration / 50),
            Err(error) => Err(error),
        }
    }

    async fn vacate(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(());
        };
        let Some(spec) = lease.spec.as_mut() else {
            return Ok(());
        };
        if spec.holder_identity.as_deref() != Some(&self.me) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        self.api
            .replace(&self.name, &PostParams::default(), &lease)
            .await?;
        tracing::info!(lease = self.name, "gave the lease back");
        Ok(())
    }

    fn spec(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let before = before.unwrap_or_default();
        let same = before.holder_identity.as_deref() == Some(&self.me);
        let transitions = before.lease_transitions.unwrap_or(0);
        LeaseSpec {
            acquire_time: if same {
                before.acquire_time
            } else {
                Some(now.clone())
            },
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            lease_transitions: Some(if same {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    /// How long one answer may take: a lost one must leave time for another.
    fn patience(&self) -> Duration {
        self.duration / 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(holder: Option<&str>, duration_ms: u64, since: Instant) -> Seen {
        Seen {
            holder: holder.map(str::to_owned),
            duration: Duration::from_millis(duration_ms),
            version: "1".into(),
            since,
        }
    }

    proptest! {
        #[test]
        fn a_held_lease_is_never_taken_before_it_expires(duration_ms in 0u64..60_000, later_ms in 0u64..120_000) {
            let begin = Instant::now();
            let lease = seen(Some("other"), duration_ms, begin);
            let now = begin + Duration::from_millis(later_ms);
            match decide(Some(&lease), "me", now) {
                Decision::TakeOver => prop_assert!(later_ms > duration_ms),
                Decision::Wait(rest) => {
                    prop_assert_eq!(u128::from(duration_ms - later_ms), rest.as_millis());
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn of_two_processes_at_most_one_claims(renewed_ms in 0u64..5_000, reply_ms in 0u64..5_000, seen_ms in 0u64..5_000, at_ms in 0u64..60_000) {
            // The holder asks at `renewed`, the write lands `reply` later, and
            // the other sees it `seen` after that.
            let begin = Instant::now();
            let duration = Duration::from_secs(15);
            let asked = begin + Duration::from_millis(renewed_ms);
            let first_seen = asked + Duration::from_millis(reply_ms + seen_ms);
            let now = begin + Duration::from_millis(at_ms);
            let holder_claims = now < asked + duration;
            let lease = seen(Some("holder"), 15_000, first_seen);
            let other_takes = now >= first_seen && decide(Some(&lease), "other", now) == Decision::TakeOver;
            prop_assert!(!(holder_claims && other_takes));
        }
    }

    #[test]
    fn a_released_lease_is_free_and_an_own_one_is_renewed() {
        let now = Instant::now();
        assert_eq!(decide(None, "me", now), Decision::Create);
        assert_eq!(
            decide(Some(&seen(None, 15_000, now)), "me", now),
            Decision::TakeOver
        );
        assert_eq!(
            decide(Some(&seen(Some("me"), 15_000, now)), "me", now),
            Decision::Renew
        );
    }

    #[test]
    fn a_renewal_starts_the_wait_anew_and_silence_does_not() {
        let begin = Instant::now();
        let lease = |version: &str| Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            spec: None,
        };
        let first = Seen::update(None, &lease("1"), begin);
        let later = begin + Duration::from_secs(5);
        assert_eq!(Seen::update(Some(&first), &lease("1"), later).since, begin);
        assert_eq!(Seen::update(Some(&first), &lease("2"), later).since, later);
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn a_claim_ends_by_itself_unless_renewed() {
        let claim = Claim::none();
        assert!(!claim.holds());
        let waiter = tokio::spawn({
            let claim = claim.clone();
            async move { claim.acquired().await }
        });
        tokio::task::yield_now().await;
        claim.extend(Instant::now() + Duration::from_secs(10));
        waiter.await.unwrap();
        sleep(Duration::from_secs(9)).await;
        claim.extend(Instant::now() + Duration::from_secs(10));
        sleep(Duration::from_secs(5)).await;
        assert!(claim.holds());
        claim.lost().await;
        assert!(!claim.holds());
        assert!(Claim::always().holds());
    }
}
