//! What a policy changes itself after a visit: `CronJobs` that ask for it.

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::events::EventType;
use tanso_carbon::calendar::UtcHour;
use tanso_crds::carbon_policy::status::WorkloadResult;

use super::super::Context;
use super::super::act::{self, Change};
use super::super::judge::Evaluation;
use super::super::kinds::Policy;
use super::Judged;
use crate::cluster::ApplyFault;

/// Carries out what `CronJobs` ask for by their label. What fails is said by
/// an Event, once, and tried again at each visit: the evaluation stands.
pub(super) async fn act_on<P: Policy>(policy: &P, context: &Context, judged: &Judged) {
    let uid = policy.uid().unwrap_or_default();
    let Ok(scope) = policy.scope(|| context.inventory.namespaces()) else {
        return;
    };
    let asking = context
        .inventory
        .cron_jobs(&scope, |labels| act::concerns(labels, &uid));
    let hour = UtcHour::containing(Timestamp::now());
    let hold = judged.policy.hold_above.is_some_and(|limit| {
        let now = judged.policy.intensity.series.at(hour);
        now.is_some_and(|point| point.intensity.value > limit)
    });
    for (namespace, name) in asking {
        let wish = act::Wish {
            policy: uid.clone(),
            may_apply: judged.policy.may_apply,
            rewrite: rewrite(&judged.evaluation, &namespace, &name),
            hold,
        };
        let (applier, client) = (&context.applier, &context.client);
        let result = act::carry_out(applier, client, &namespace, &name, &wish).await;
        tell(policy, context, (&namespace, &name), result, None).await;
    }
}

/// Resumes what a policy suspended, where no evaluation says any more whether the
/// hour is dirty: one that is suspended itself, or broken, would hold it for ever.
/// What it moved stays moved.
pub(super) async fn let_go<P: Policy>(policy: &P, context: &Context, why: &str) {
    let Some(uid) = policy.uid() else {
        return;
    };
    let changed = context.inventory.cron_jobs_with(act::APPLIED_BY);
    let own = changed.into_iter().filter(|(_, of, _)| *of == uid);
    for (cron_job, ..) in own {
        let namespace = cron_job.namespace.unwrap_or_default();
        let name = cron_job.name.unwrap_or_default();
        let wish = act::Wish::without_hold(uid.clone());
        let (applier, client) = (&context.applier, &context.client);
        let result = act::carry_out(applier, client, &namespace, &name, &wish).await;
        // Where nothing answers the others would wait for the same, and the next
        // visit tries again.
        let is_silent = matches!(&result, Err(ApplyFault::Deadline { .. }));
        tell(policy, context, (&namespace, &name), result, Some(why)).await;
        if is_silent {
            return;
        }
    }
}

/// Tells on the policy what was done to a `CronJob`; what fails, once.
async fn tell<P: Policy>(
    policy: &P,
    context: &Context,
    (namespace, name): (&str, &str),
    result: Result<Option<Change>, ApplyFault>,
    why: Option<&str>,
) {
    let uid = policy.uid().unwrap_or_default();
    let thing = format!("{uid}/{namespace}/{name}");
    if result.is_ok() {
        context.events.settle(&thing);
    }
    let (type_, reason, note) = match result {
        Ok(Some(change)) => {
            let why = why.map_or_else(String::new, |why| format!(", since {why}"));
            let note = format!("{}{why}", change.note);
            (EventType::Normal, change.reason, note)
        }
        Ok(None) => return,
        Err(fault) if fault.is_forbidden() => (
            EventType::Warning,
            "ActionForbidden",
            format!(
                "{fault}; bind the ClusterRole tanso-operator-actions in namespace \"{namespace}\""
            ),
        ),
        Err(fault) => (EventType::Warning, "ActionFailed", fault.to_string()),
    };
    if matches!(type_, EventType::Warning) && !context.events.is_news(&thing, reason) {
        return;
    }
    tracing::info!(
        namespace,
        workload = name,
        reason,
        note,
        "an action on a workload"
    );
    let note = format!("CronJob {namespace}/{name}: {note}");
    let regarding = policy.object_ref(&());
    context
        .events
        .publish(&regarding, type_, reason, "Act", &note)
        .await;
}

/// The schedule that is advised for a `CronJob`.
fn rewrite(evaluation: &Evaluation, namespace: &str, name: &str) -> Option<(String, String)> {
    let is_it = |one: &&WorkloadResult| {
        one.kind == "CronJob" && one.namespace == namespace && one.name == name
    };
    let workload = evaluation.workloads.iter().find(is_it)?;
    let advised = workload
        .recommendations
        .iter()
        .find_map(|one| one.schedule.clone())?;
    Some((advised.schedule, advised.time_zone))
}
