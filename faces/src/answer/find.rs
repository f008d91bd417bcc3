//! A workload by the name that somebody gives it, with every policy that
//! judged it.

use tanso_crds::carbon_policy::status::WorkloadResult;

use super::{AnswerFault, WorkloadName, note};
use crate::view::{Facts, LeftOut, Policy, Scope};

/// How to find what there is.
const HINT: &str = "list_workloads_by_compliance lists what there is";
/// How many of several that fit are named.
const NAMED: usize = 5;

/// A workload as somebody names it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// `api`, `deploy/api` or `Deployment/api`.
    pub workload: &'a str,
    /// Its namespace; any without one.
    pub namespace: Option<&'a str>,
    /// Its kind; any without one.
    pub kind: Option<&'a str>,
    /// The policy that judged it; any without one.
    pub policy: Option<&'a str>,
}

/// A workload that a policy judged.
#[derive(Clone, Debug)]
pub struct Found {
    /// The policy.
    pub policy: Policy,
    /// What was found.
    pub result: WorkloadResult,
}

impl Found {
    /// What the workload is called.
    #[must_use]
    pub fn name(&self) -> WorkloadName {
        WorkloadName {
            namespace: self.result.namespace.clone(),
            kind: self.result.kind.clone(),
            name: self.result.name.clone(),
        }
    }
}

/// The workload with every visible policy that judged it, the namespace's own
/// first.
///
/// # Errors
/// If nothing fits, or more than one workload does.
pub async fn find(facts: &dyn Facts, named: Named<'_>) -> Result<Vec<Found>, AnswerFault> {
    Ok(search(facts, named).await?.0)
}

/// The same, with the policies that may have judged it, and their pages, that
/// cannot be read.
///
/// # Errors
/// If nothing fits, or more than one workload does.
pub(super) async fn search(
    facts: &dyn Facts,
    named: Named<'_>,
) -> Result<(Vec<Found>, Vec<LeftOut>), AnswerFault> {
    let (kind, name) = split(named)?;
    let scope = Scope::of(named.namespace);
    let mut found: Vec<Found> = Vec::new();
    let listed = facts.listed_policies(&scope).await?;
    let mut unreadable = listed.unreadable;
    unreadable.retain(|one| named.policy.is_none_or(|name| one.name == name));
    let all = listed.items.len();
    for (index, policy) in listed.items.into_iter().enumerate() {
        note(facts, (index + 1, all), (5, 40), "policy");
        if named.policy.is_some_and(|name| policy.name != name) {
            continue;
        }
        let listed = facts.listed_workloads(&policy).await?;
        unreadable.extend(listed.unreadable);
        let fits = |one: &&WorkloadResult| {
            one.name == name
                && scope.holds(&one.namespace)
                && kind
                    .as_ref()
                    .is_none_or(|kind| one.kind.eq_ignore_ascii_case(kind))
        };
        found.extend(listed.workloads.iter().filter(fits).map(|result| Found {
            policy: policy.clone(),
            result: result.clone(),
        }));
    }
    let mut several: Vec<_> = found.iter().map(Found::name).collect();
    several.sort();
    several.dedup();
    match several.len() {
        0 => Err(not_found(named, &unreadable)),
        1 => Ok((found, unreadable)),
        count => {
            let which: Vec<_> = several
                .iter()
                .take(NAMED)
                .map(ToString::to_string)
                .collect();
            Err(AnswerFault::Ambiguous {
                what: format!("\"{}\"", named.workload),
                count,
                which: which.join(", "),
            })
        }
    }
}

/// Says the same whether it is not there or not visible: only what was asked.
/// A policy that is visible and cannot be read may have judged it.
fn not_found(named: Named<'_>, unreadable: &[LeftOut]) -> AnswerFault {
    let kind = named
        .kind
        .map_or_else(String::new, |kind| format!(" of kind \"{kind}\""));
    let place = named
        .namespace
        .map_or_else(String::new, |name| format!(" in namespace \"{name}\""));
    let what = format!("workload \"{}\"{kind}{place}", named.workload);
    if unreadable.is_empty() {
        return AnswerFault::NotFound { what, hint: HINT };
    }
    let reason = format!(
        "no policy that can be read judged it.{}",
        LeftOut::sentence(unreadable)
    );
    AnswerFault::NotKnown { what, reason }
}

/// Kind (as in a status), if one is said, and name.
fn split(named: Named<'_>) -> Result<(Option<String>, String), AnswerFault> {
    let wrong = || {
        AnswerFault::invalid(
            "workload",
            named.workload,
            "NAME or KIND/NAME, as in api, deploy/api or cronjob/etl",
        )
    };
    let (kind, name) = match named.workload.split_once('/') {
        Some((kind, name)) if !kind.is_empty() => (Some(kind), name),
        Some(_) => return Err(wrong()),
        None => (named.kind, named.workload),
    };
    if name.is_empty() || name.contains('/') || name.len() > 253 {
        return Err(wrong());
    }
    Ok((kind.map(kind_of), name.to_owned()))
}

/// The kind that a short name stands for.
fn kind_of(word: &str) -> String {
    let full = match word.to_ascii_lowercase().as_str() {
        "deploy" | "deployments" => "Deployment",
        "sts" | "statefulsets" => "StatefulSet",
        "ds" | "daemonsets" => "DaemonSet",
        "cj" | "cronjobs" => "CronJob",
        "jobs" => "Job",
        "po" | "pods" => "Pod",
        _ => word,
    };
    full.to_owned()
}
