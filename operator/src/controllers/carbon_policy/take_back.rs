//! Taking back what a policy changed, once it may no longer change it: the
//! policy is gone or going, suggests only, no longer covers the namespace, or
//! the `CronJob` no longer asks for it.
//!
//! There is no finalizer, so nothing here ever holds up a deletion: what is in
//! force stands on the `CronJob` itself, by the policy's UID, and is looked for
//! again and again, also by an operator that was not there when the policy
//! went. Where a right is missing, an Event on the `CronJob` says what stays.
//!
//! Rights: as in [`act`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt as _;
use kube::runtime::events::EventType;
use kube::runtime::reflector::Store;
use tanso_crds::carbon_policy::ActionMode;
use tanso_crds::{CarbonPolicy, ClusterCarbonPolicy};
use tanso_runtime::Shutdown;

use super::act::{self, Wish};
use super::held::Held;
use super::kinds::Policy;
use super::{Context, Shared};
use crate::cluster::ApplyFault;
use crate::guard::guarded;
use crate::ledger::Scope;

/// Time between two looks; they read memory only.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// First and last wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(10));

/// A failure that may pass by itself is told once it was waited for so long.
const TOLD_AFTER: Duration = Duration::from_secs(30);

/// The policies that there are.
pub(super) struct Known {
    namespaced: Store<Held<CarbonPolicy>>,
    cluster: Store<Held<ClusterCarbonPolicy>>,
}

impl Known {
    pub(super) const fn new(
        namespaced: Store<Held<CarbonPolicy>>,
        cluster: Store<Held<ClusterCarbonPolicy>>,
    ) -> Self {
        Self {
            namespaced,
            cluster,
        }
    }

    /// Waits until all were listed: who is not known before that is not gone.
    async fn listed(&self) {
        // A writer that was dropped ends the wait too: the process is ending.
        let _ = self.namespaced.wait_until_ready().await;
        let _ = self.cluster.wait_until_ready().await;
    }

    /// Where each policy that may act does so, by its UID.
    fn acting(&self, namespaces: &[(String, BTreeMap<String, String>)]) -> BTreeMap<String, Scope> {
        let of_namespaces = self.namespaced.state();
        let of_namespaces = of_namespaces
            .iter()
            .filter_map(|policy| acts(&**policy, namespaces));
        let of_cluster = self.cluster.state();
        let of_cluster = of_cluster
            .iter()
            .filter_map(|policy| acts(&**policy, namespaces));
        of_namespaces.chain(of_cluster).collect()
    }
}

/// The UID and the scope of a policy that may act.
fn acts<P: Policy>(
    policy: &Held<P>,
    namespaces: &[(String, BTreeMap<String, String>)],
) -> Option<(String, Scope)> {
    let Some(policy) = policy.known() else {
        // What a later version lets it do is not known: nothing is taken back.
        return Some((policy.uid()?, Scope::All));
    };
    let stays = policy.meta().deletion_timestamp.is_none();
    let applies = policy.policy().actions.mode == ActionMode::Apply;
    if !stays || !applies {
        return None;
    }
    // A selector that cannot be read covers what it did.
    let scope = policy.scope(|| namespaces.to_vec()).unwrap_or(Scope::All);
    Some((policy.uid()?, scope))
}

/// Why a change has to go; `None` if it stays.
fn why(
    policy: &str,
    namespace: &str,
    asks: bool,
    acting: &BTreeMap<String, Scope>,
) -> Option<&'static str> {
    match acting.get(policy) {
        None => Some("its policy is gone or only suggests"),
        Some(Scope::Namespaces(chosen)) if !chosen.contains(namespace) => {
            Some("its policy no longer covers the namespace")
        }
        Some(_) if !asks => Some("its label that asks for it is gone"),
        Some(_) => None,
    }
}

/// When a `CronJob` is tried again after a failure.
struct Again {
    at: Instant,
    wait: Duration,
    was_told: bool,
}

impl Again {
    /// After one more failure; says whether it is to be told.
    fn after(before: Option<&Self>, is_forbidden: bool) -> (Self, bool) {
        let wait = before.map_or(BACK_OFF.0, |again| (again.wait * 2).min(BACK_OFF.1));
        let was_told = before.is_some_and(|again| again.was_told);
        let is_told = !was_told && (is_forbidden || wait >= TOLD_AFTER);
        let again = Self {
            at: Instant::now() + wait,
            wait,
            was_told: was_told || is_told,
        };
        (again, is_told)
    }
}

/// Looks for what must be taken back until the shutdown begins.
pub(super) async fn run(shared: Arc<Shared>, known: Known, shutdown: Shutdown) {
    tokio::select! {
        () = known.listed() => {}
        () = shutdown.begun() => return,
    }
    let mut failed: HashMap<(String, String), Again> = HashMap::new();
    loop {
        look(&shared.context, &known, &mut failed).await;
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(context: &Context, known: &Known, failed: &mut HashMap<(String, String), Again>) {
    let changed = context.inventory.cron_jobs_with(act::APPLIED_BY);
    let keys: Vec<_> = changed.iter().map(|(of, _, _)| key(of)).collect();
    failed.retain(|key, _| keys.contains(key));
    if changed.is_empty() {
        return;
    }
    let acting = known.acting(&context.inventory.namespaces());
    for (cron_job, policy, labels) in changed {
        let (namespace, name) = key(&cron_job);
        let asks = labels.get(act::OPT_IN.0).map(String::as_str) == Some(act::OPT_IN.1);
        let Some(why) = why(&policy, &namespace, asks, &acting) else {
            continue;
        };
        let is_early = failed
            .get(&(namespace.clone(), name.clone()))
            .is_some_and(|again| again.at > Instant::now());
        if is_early {
            continue;
        }
        let taking = Box::pin(take_back(context, &cron_job, policy, why, failed));
        if let Err(error) = guarded(taking).await {
            tracing::error!(%error, namespace, workload = name, "taking back an action panicked");
            let key = (namespace, name);
            let (again, _) = Again::after(failed.get(&key), false);
            failed.insert(key, again);
        }
    }
}

fn key(of: &ObjectReference) -> (String, String) {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    (text(&of.namespace), text(&of.name))
}

async fn take_back(
    context: &Context,
    cron_job: &ObjectReference,
    policy: String,
    why: &str,
    failed: &mut HashMap<(String, String), Again>,
) {
    let (namespace, name) = key(cron_job);
    let wish = Wish {
        policy,
        ..Wish::default()
    };
    let (applier, client) = (&context.applier, &context.client);
    let (type_, reason, note) = match act::carry_out(applier, client, &namespace, &name, &wish)
        .await
    {
        Ok(None) => return,
        Ok(Some(change)) => {
            failed.remove(&(namespace.clone(), name.clone()));
            (
                EventType::Normal,
                change.reason,
                format!("{}: {why}", change.note),
            )
        }
        Err(fault) => {
            let key = (namespace.clone(), name.clone());
            let (again, is_told) = Again::after(failed.get(&key), fault.is_forbidden());
            failed.insert(key, again);
            if !is_told {
                tracing::debug!(namespace, workload = name, error = %fault, "taking back an action failed; tried again");
                return;
            }
            let (reason, note) = what_stays(&fault, &namespace, why);
            (EventType::Warning, reason, note)
        }
    };
    tracing::info!(
        namespace,
        workload = name,
        reason,
        note,
        "taking back an action"
    );
    context
        .events
        .publish(cron_job, type_, reason, "TakeBack", &note)
        .await;
}

/// Reason and note of an Event about a change that could not be taken back.
fn what_stays(fault: &ApplyFault, namespace: &str, why: &str) -> (&'static str, String) {
    let (reason, remedy) = if fault.is_forbidden() {
        let remedy = format!(
            "bind the ClusterRole tanso-operator-actions in namespace \"{namespace}\", or set back schedule, timeZone and suspend by its annotations tanso.dev/original-* and remove the label {}",
            act::APPLIED_BY
        );
        ("ActionForbidden", remedy)
    } else {
        ("ActionFailed", "tried again".to_owned())
    };
    (
        reason,
        format!("what a policy changed stays ({why}): {fault}; {remedy}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Readable;

    #[test]
    fn a_missing_right_is_told_at_once_and_a_hitch_only_when_it_lasts_and_both_once() {
        let mut told = Vec::new();
        for is_forbidden in [true, false] {
            let mut last: Option<Again> = None;
            for time in 1..20 {
                let (again, is_told) = Again::after(last.as_ref(), is_forbidden);
                if is_told {
                    told.push((is_forbidden, time));
                }
                last = Some(again);
            }
            assert_eq!(last.unwrap().wait, BACK_OFF.1);
        }
        // 2, 4, 8, 16, 32 s.
        assert_eq!(told, [(true, 1), (false, 5)]);
    }

    #[test]
    fn what_could_not_be_taken_back_is_told_with_what_helps() {
        let (kind, name) = ("CronJob".to_owned(), "etl".to_owned());
        let late = ApplyFault::Deadline {
            verb: "patch",
            kind: kind.clone(),
            name: name.clone(),
        };
        let (reason, note) = what_stays(&late, "shop", "its policy is gone");
        assert_eq!(reason, "ActionFailed");
        assert!(
            note.contains("its policy is gone") && note.ends_with("tried again"),
            "{note}"
        );
        let status = kube::core::Status::failure("no", "Forbidden").with_code(403);
        let refused = ApplyFault::Api {
            verb: "patch",
            kind,
            name,
            source: Box::new(kube::Error::Api(Box::new(status))),
        };
        let (reason, note) = what_stays(&refused, "shop", "its policy is gone");
        assert_eq!(reason, "ActionForbidden");
        assert!(
            note.contains("tanso-operator-actions in namespace \"shop\""),
            "{note}"
        );
    }

    #[test]
    fn a_change_stays_only_while_its_policy_acts_there_and_the_workload_asks() {
        let shop = Scope::Namespaces(["shop".to_owned()].into());
        let acting = BTreeMap::from([("one".to_owned(), shop), ("all".to_owned(), Scope::All)]);
        let goes = |policy, namespace, asks| why(policy, namespace, asks, &acting).is_some();
        assert!(!goes("one", "shop", true) && !goes("all", "bank", true));
        assert!(goes("one", "bank", true), "no longer covered");
        assert!(goes("gone", "shop", true), "its policy went");
        assert!(goes("one", "shop", false), "it no longer asks");
    }

    #[test]
    fn a_policy_that_is_going_or_suggests_does_not_act() {
        let policy = |mode, going: bool| {
            let mut policy = CarbonPolicy::new("p", tanso_crds::CarbonPolicySpec::default());
            policy.spec.actions.mode = mode;
            policy.metadata.namespace = Some("shop".to_owned());
            policy.metadata.uid = Some("u".to_owned());
            policy.metadata.deletion_timestamp = going.then_some(
                k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
            );
            policy
        };
        let acts = |policy: CarbonPolicy| acts(&Held::from(Readable(Ok(policy))), &[]);
        assert!(acts(policy(ActionMode::Apply, false)).is_some());
        assert!(acts(policy(ActionMode::Apply, true)).is_none());
        assert!(acts(policy(ActionMode::Suggest, false)).is_none());
    }

    #[test]
    fn what_a_policy_changed_stays_while_this_version_cannot_read_it() {
        let unreadable: Held<CarbonPolicy> = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "shop", "uid": "u"}, "spec": {"actions": 7}}))
        .unwrap();
        assert_eq!(acts(&unreadable, &[]), Some(("u".to_owned(), Scope::All)));
    }
}
