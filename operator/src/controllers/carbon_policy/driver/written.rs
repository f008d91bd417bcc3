//! What a visit writes: new pages, then the status that names them, then old pages
//! go; and Events for what changed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;
use kube::{Api, ResourceExt as _};
use tanso_crds::carbon_policy::status::Verdict;
use tanso_crds::condition::{events, types};
use tanso_crds::power_monitor::Switch;
use tanso_crds::{CarbonPolicyStatus, CarbonReport};

use super::super::apply::{self, Owner};
use super::super::judge::Evaluation;
use super::super::kinds::Policy;
use super::super::open_reports::{self, Mirror, Place, Report, Told};
use super::super::status::{self, Evaluated, Outcome};
use super::super::{Context, ReconcileFault, taken};
use super::Judged;
use crate::cluster::events::is_bad;
use crate::cluster::{condition, requested_at};
use crate::ledger::{self, Scope};

/// Which pages of a policy there are, as far as it is known before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// None: they come after the first status, and it has none.
    None,
    /// Those that its status names.
    Named,
    /// Perhaps more: another process may have written some and ended then.
    Unknown,
}

impl Pages {
    /// Of a policy with such a status, whose first visit by this process it may be.
    pub(super) const fn of(is_first: bool, status: Option<&CarbonPolicyStatus>) -> Self {
        match (is_first, status) {
            (true, None) => Self::None,
            (true, Some(_)) => Self::Unknown,
            (false, _) => Self::Named,
        }
    }
}

/// Apply and status: new pages, then the status, then old pages.
pub(super) async fn publish<P: Policy>(
    policy: &P,
    context: &Context,
    before: Option<&CarbonPolicyStatus>,
    judged: &Judged,
    there: Pages,
) -> Result<(), ReconcileFault> {
    if !judged.has_data {
        return write(policy, context, before, &Outcome::NoData).await;
    }
    keep_evidence(context, judged).await;
    let rows = (&*judged.advice, &*judged.evaluation.told);
    taken::keep(&context.ledger, &judged.name, rows, judged.data_through).await;
    let api: Api<CarbonReport> =
        Api::namespaced(context.client.clone(), &policy.home(&context.namespace));
    let owner = owner(policy);
    let known = before
        .map(|status| status.reports.clone())
        .unwrap_or_default();
    let pages = apply::pages(
        &owner,
        &judged.evaluation,
        judged.data_through,
        judged.revision,
    );
    let reports = match there {
        Pages::None => apply::write_new(&context.applier, &api, &pages).await?,
        Pages::Named => apply::write(&context.applier, &api, &pages, &known).await?,
        Pages::Unknown => apply::write(&context.applier, &api, &pages, &[]).await?,
    };
    let mirrored = mirror(
        policy,
        context,
        before,
        &judged.evaluation,
        &pages,
        there == Pages::Named,
    )
    .await?;
    let evaluated = Evaluated {
        policy: &judged.policy,
        evaluation: &judged.evaluation,
        data_through: judged.data_through,
        revision: judged.revision,
        with_unallocated: policy
            .scope(Vec::new)
            .is_ok_and(|scope| scope == Scope::All),
        reports: reports.clone(),
        open_reports: mirrored,
    };
    let outcome = Outcome::Evaluated(Box::new(evaluated));
    write(policy, context, before, &outcome).await?;
    // A status of before, of which this is the first evaluation here, may name fewer
    // pages than there are.
    let may_have_others = match there {
        Pages::None => false,
        Pages::Named => reports != known,
        Pages::Unknown => true,
    };
    if may_have_others {
        apply::delete_others(&context.applier, &api, &owner, &reports, &known).await?;
    }
    Ok(())
}

/// The policy's `Reports` of `OpenReports`, as its spec wishes.
async fn mirror<P: Policy>(
    policy: &P,
    context: &Context,
    before: Option<&CarbonPolicyStatus>,
    evaluation: &Evaluation,
    pages: &[CarbonReport],
    is_known: bool,
) -> Result<Mirror, ReconcileFault> {
    let said = before.and_then(|one| condition(&one.conditions, types::OPEN_REPORTS_READY));
    let api: Api<Report> =
        Api::namespaced(context.client.clone(), &policy.home(&context.namespace));
    let place = Place {
        applier: &context.applier,
        api: &api,
        owner: &owner(policy),
    };
    if policy.policy().open_reports == Switch::Disabled {
        // Without the condition there were none.
        return Ok(match said {
            Some(_) => place.take_back().await?,
            None => Mirror::Unwished,
        });
    }
    let told = Told {
        policy: &policy.object_ref(&()),
        regulations: &evaluation.regulations,
    };
    let were_there = is_known && said.is_some_and(|condition| condition.status == "True");
    let known = before.filter(|_| were_there).map(|one| &*one.reports);
    let reports = open_reports::beside(told, pages);
    Ok(place.make(&reports, known.unwrap_or_default()).await?)
}

/// Keeps what a new report is made from. Without it the report stands all the
/// same, and cannot be made again.
async fn keep_evidence(context: &Context, judged: &Judged) {
    let Some(evidence) = judged.evidence.clone() else {
        return;
    };
    let keep =
        move |connection: &mut _| ledger::evidence::keep(connection, &evidence, Timestamp::now());
    if let Err(error) = context.ledger.call(keep).await {
        tracing::warn!(%error, "what a report was made from is not kept");
    }
}

fn owner<P: Policy>(policy: &P) -> Owner {
    Owner {
        name: policy.name_any(),
        uid: policy.uid().unwrap_or_default(),
        // An object that came from the API server has a name and a UID.
        reference: policy.controller_owner_ref(&()).unwrap_or_default(),
    }
}

/// Writes the status if it says something new, and Events for what changed.
pub(super) async fn write<P: Policy>(
    policy: &P,
    context: &Context,
    before: Option<&CarbonPolicyStatus>,
    outcome: &Outcome<'_>,
) -> Result<(), ReconcileFault> {
    let mut after = status::after(before, outcome, policy.meta().generation, Timestamp::now());
    after.last_handled_reconcile_at = requested_at(policy);
    let api = policy.api(context.client.clone());
    let written = context
        .applier
        .write_status(&api, policy, before, &after)
        .await?;
    if written {
        announce(policy, context, before, &after).await;
    }
    Ok(())
}

async fn announce<P: Policy>(
    policy: &P,
    context: &Context,
    before: Option<&CarbonPolicyStatus>,
    after: &CarbonPolicyStatus,
) {
    let regarding = policy.object_ref(&());
    let conditions = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let was = before.and_then(|status| status.verdict);
    let followed = followed(was, &after.conditions);
    context
        .events
        .on_transitions(&regarding, &followed, conditions, &after.conditions)
        .await;
    if was == after.verdict {
        return;
    }
    let why = condition(&after.conditions, types::COMPLIANT).map_or("", |c| c.message.as_str());
    let name = |verdict: Option<Verdict>| verdict.map_or("none".to_owned(), |v| format!("{v:?}"));
    let note = format!("{} -> {}: {why}", name(was), name(after.verdict));
    let type_ = match after.verdict {
        Some(Verdict::NonCompliant) => EventType::Warning,
        _ => EventType::Normal,
    };
    context
        .events
        .publish(
            &regarding,
            type_,
            events::VERDICT_CHANGED,
            "Evaluate",
            &note,
        )
        .await;
}

/// The conditions whose changes are told: before the first verdict only bad news,
/// since that all is well from the beginning is none.
fn followed(was: Option<Verdict>, after: &[Condition]) -> Vec<&'static str> {
    let mut followed = vec![types::STALLED, types::INTENSITY_FRESH, types::PLACES_KNOWN];
    if was.is_none() {
        followed.retain(|type_| condition(after, type_).is_some_and(is_bad));
    }
    followed
}

#[cfg(test)]
mod tests {
    use tanso_crds::condition::reasons;

    use super::*;
    use crate::cluster::Conditions;

    /// Each new policy had two Events that nothing was wrong with it, beside that
    /// of its verdict.
    #[test]
    fn a_new_policy_tells_bad_news_and_a_judged_one_what_changes() {
        let conditions = |fresh: &str| {
            let mut all = Vec::new();
            let mut conditions = Conditions::new(&mut all, Some(1), Timestamp::UNIX_EPOCH);
            conditions.set(types::STALLED, "False", reasons::SUCCEEDED, "");
            conditions.set(types::INTENSITY_FRESH, fresh, reasons::STALE, "");
            all
        };
        assert!(followed(None, &conditions("True")).is_empty());
        assert_eq!(
            followed(None, &conditions("False")),
            [types::INTENSITY_FRESH]
        );
        let judged = followed(Some(Verdict::Compliant), &conditions("True"));
        assert_eq!(judged.len(), 3);
    }

    /// A page of a policy that has no status yet was looked for, and others of it
    /// listed.
    #[test]
    fn a_policy_without_a_status_has_no_pages_and_of_one_from_before_nobody_knows() {
        let status = CarbonPolicyStatus::default();
        assert_eq!(Pages::of(true, None), Pages::None);
        assert_eq!(Pages::of(true, Some(&status)), Pages::Unknown);
        assert_eq!(Pages::of(false, Some(&status)), Pages::Named);
        assert_eq!(Pages::of(false, None), Pages::Named);
    }
}
