//! The checks: facts in, findings out. Pure, so that each can be tested
//! without a cluster.

mod certificates;
mod parts;
mod pods;
mod scrape;
mod surroundings;
mod told;
mod verdicts;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tanso_crds::condition::types;
use tanso_faces::view::LeftOut;

use super::Finding;
use super::facts::Facts;
use crate::cluster::ClusterError;
use crate::policies::Policy;

/// The kinds of the API group, by plural name.
const KINDS: [&str; 5] = [
    "powermonitors",
    "carbonpolicies",
    "clustercarbonpolicies",
    "carbonreports",
    "energystudies",
];
/// Energy older than this is late: agents close a minute each minute and the
/// operator asks more often than that.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// Every check, in the order in which one thing needs another.
pub(super) fn all(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut findings = kinds(facts);
    let installed = findings.iter().all(|finding| finding.fix.is_none());
    findings.extend(parts::operator(facts));
    if installed {
        findings.extend(surroundings::rights(facts));
        findings.extend(parts::monitors(facts));
        findings.extend(pods::agents(facts));
        findings.extend(certificates::certificates(facts, now));
        findings.extend(surroundings::silent(facts));
        findings.extend(told::rights(facts));
        findings.extend(scrape::costs(facts, now));
        findings.extend(scrape::scraped(facts));
        findings.extend(surroundings::clocks(facts, now));
        findings.extend(policies(facts, now));
        findings.extend(facts.unreadable.iter().map(left_out));
    }
    findings
}

/// A part that could not be read.
fn unreadable(error: &ClusterError) -> Finding {
    Finding::warn(error.to_string(), super::mend(error))
}

/// An object that a later version wrote: whether it works is not known here.
fn left_out(one: &LeftOut) -> Finding {
    Finding::warn(
        one.to_string(),
        "use the kubectl tanso of the installed version; if the object says UnsupportedSchema, upgrade the operator or change that field",
    )
}

/// Whether none of these kinds is left out.
fn none_left_out(facts: &Facts, kinds: &[&str]) -> bool {
    let mut unreadable = facts.unreadable.iter();
    !unreadable.any(|one| kinds.contains(&&*one.kind))
}

fn kinds(facts: &Facts) -> Vec<Finding> {
    let known = match &facts.kinds {
        Ok(known) => known,
        Err(error) => return vec![unreadable(error)],
    };
    let missing: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| !known.iter().any(|one| one == kind))
        .collect();
    vec![match missing.len() {
        0 => Finding::ok(format!(
            "all {} kinds of tanso.dev/v1alpha1 are installed",
            KINDS.len()
        )),
        all if all == KINDS.len() => Finding::fail(
            "tanso is not installed: no kind of tanso.dev/v1alpha1 is known",
            "kubectl apply --server-side -k config/default",
        ),
        _ => Finding::fail(
            format!(
                "kinds missing of tanso.dev/v1alpha1: {}",
                missing.join(", ")
            ),
            // Nothing but the kinds: the rest may be another way's, such as Helm's.
            "kubectl apply --server-side -k config/crd",
        ),
    }]
}

/// The condition of a type.
fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn policies(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let policies = match &facts.policies {
        Ok(policies) => policies,
        Err(error) => return vec![unreadable(error)],
    };
    if policies.is_empty() {
        // Those that cannot be read have lines of their own.
        if !none_left_out(facts, &["CarbonPolicy", "ClusterCarbonPolicy"]) {
            return Vec::new();
        }
        return vec![Finding::warn(
            "no policy: energy is booked, but nothing is judged",
            "apply a CarbonPolicy; config/samples has one",
        )];
    }
    let findings: Vec<Finding> = policies.iter().filter_map(|one| policy(one, now)).collect();
    if findings.is_empty() {
        let count = policies.len();
        let word = if count == 1 {
            "policy is"
        } else {
            "policies are"
        };
        return vec![Finding::ok(format!(
            "{count} {word} evaluated on fresh data"
        ))];
    }
    findings
}

/// What is wrong with a policy, the first cause only.
fn policy(policy: &Policy, now: Timestamp) -> Option<Finding> {
    let title = policy.title();
    let conditions = &policy.status.conditions;
    if let Some(stalled) = condition(conditions, types::STALLED).filter(|one| one.status == "True")
    {
        return Some(Finding::fail(
            format!(
                "{title} is stalled: {}: {}",
                stalled.reason, stalled.message
            ),
            "change what the message names; the operator tries again by itself",
        ));
    }
    if policy.spec.suspend {
        return Some(Finding::warn(
            format!("{title} is suspended"),
            "set spec.suspend to false",
        ));
    }
    match condition(conditions, types::READY) {
        None => {
            return Some(Finding::fail(
                format!("{title} was never visited"),
                "look at the operator: the checks above, or its log",
            ));
        }
        Some(ready) if ready.status != "True" => {
            return Some(Finding::warn(
                format!("{title} is not ready: {}: {}", ready.reason, ready.message),
                "wait for a closed minute of data; if it stays, see the agents above",
            ));
        }
        Some(_) => {}
    }
    if let Some(stale) =
        condition(conditions, types::INTENSITY_FRESH).filter(|one| one.status == "False")
    {
        return Some(Finding::warn(
            format!(
                "{title}: the grid's intensity is not fresh: {}: {}",
                stale.reason, stale.message
            ),
            "see whether the service answers and its Secret is right; until it does, put a Bundled provider last in spec.intensity.providers, or raise spec.intensity.staleAfter",
        ));
    }
    let through = policy.status.data_through.as_ref()?;
    let age = now.duration_since(through.0);
    if age > LATE {
        return Some(Finding::warn(
            format!("{title}: the newest energy is {} min old", age.as_mins()),
            "see whether agents and operator run: the checks above",
        ));
    }
    verdicts::unknown(policy)
}
