//! The resources: rules, policies, pages of reports and intensity series,
//! each at an address. Plain functions: no protocol here.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::regulation::Preset;
use tanso_intensity::bundled::{self, Bundled};
use tanso_intensity::{IntensityProvider as _, Loaded};

use super::clean::{clean, line};
use crate::answer::{AnswerFault, PolicyName};
use crate::view::{Answer, Facts, FactsFault, LeftOut, Policy, PolicyKind, Scope, rules};

/// Hours of a series before and after now.
const AROUND_H: i32 = 24;
/// Resources of a page of the list.
pub const PAGE: usize = 50;
/// Policies whose pages are read at once.
const AT_ONCE: usize = 8;
/// How long a cluster may be silent before what needs none is told without it:
/// far less than anybody waits for an answer.
const SILENCE_MAX: Duration = Duration::from_secs(3);
const HINT: &str =
    "resources/list shows what there is, but for zones: `kubectl tanso regions` lists those";

/// A resource in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its address.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
}

/// A family of resources.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The address with names in braces.
    pub uri: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
}

/// Every family, always in this order.
pub const TEMPLATES: &[Template] = &[
    Template {
        uri: "tanso://regulations/{id}",
        name: "regulation",
        description: "A rule with its steps over time, limits, kind (law, target, standard), document and clause",
    },
    Template {
        uri: "tanso://policies/{namespace}/{name}",
        name: "policy",
        description: "A CarbonPolicy: what it asks for and what was found",
    },
    Template {
        uri: "tanso://cluster-policies/{name}",
        name: "cluster-policy",
        description: "A ClusterCarbonPolicy: what it asks for and what was found",
    },
    Template {
        uri: "tanso://policies/{namespace}/{name}/intensity",
        name: "policy-intensity",
        description: "The intensity series that prices a policy's energy, by the hour around now",
    },
    Template {
        uri: "tanso://reports/{namespace}/{policy}/{page}",
        name: "report",
        description: "A page of a CarbonPolicy's workloads, as its CarbonReport holds it",
    },
    Template {
        uri: "tanso://zones/{zone}/intensity",
        name: "zone-intensity",
        description: "The bundled intensity series of a grid zone, by the hour around now",
    },
];

/// All resources that the caller may see, in order; without a cluster those that
/// need none.
///
/// # Errors
/// If the facts cannot be read.
pub async fn list(facts: &dyn Facts) -> Result<Vec<Listed>, AnswerFault> {
    let all = Scope::All;
    let (rules, policies) = tokio::join!(rules_of(facts), policies(facts, &all));
    let (policies, missing) = match policies {
        Err(fault) if fault.is_out_of_reach() => (
            Vec::new(),
            format!(": not now, {}", line(&fault.to_string())),
        ),
        policies => (policies?, String::new()),
    };
    let mut listed = vec![
        Listed {
            uri: "tanso://regulations".to_owned(),
            name: "regulations".to_owned(),
            description: "Every rule there is, in short".to_owned(),
        },
        Listed {
            uri: "tanso://policies".to_owned(),
            name: "policies".to_owned(),
            description: format!("Every policy that you may see, with its verdict{missing}"),
        },
    ];
    listed.extend(rules?.0.iter().map(|preset| Listed {
        uri: format!("tanso://regulations/{}", preset.id),
        name: line(&preset.id),
        description: line(&preset.title),
    }));
    let asked: Vec<_> = policies.iter().map(|one| pages(facts, one)).collect();
    let pages = stream::iter(asked).buffered(AT_ONCE);
    let pages: Vec<Vec<i32>> = pages.try_collect().await?;
    for (policy, pages) in policies.iter().zip(pages) {
        let uri = PolicyName::of(policy).uri();
        let title = policy.title();
        if policy.kind == PolicyKind::CarbonPolicy {
            listed.push(Listed {
                uri: format!("{uri}/intensity"),
                name: format!("{title}: intensity"),
                description: "Intensity by the hour around now".to_owned(),
            });
        }
        if let Some(namespace) = &policy.namespace {
            let count = pages.len();
            listed.extend(pages.into_iter().map(|page| Listed {
                uri: format!("tanso://reports/{namespace}/{}/{page}", policy.name),
                name: format!("{title}: page {page} of its workloads"),
                description: format!("Page {page} of {count}"),
            }));
        }
        listed.push(Listed {
            uri,
            name: title,
            description: "What it asks for and what was found".to_owned(),
        });
    }
    listed.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(listed)
}

/// What a cluster says, if it says so soon; one that takes a question and stays
/// silent is out of reach as one that is off.
async fn heard<T>(action: &str, asked: Answer<'_, T>) -> Result<T, FactsFault> {
    let answer = tokio::time::timeout(SILENCE_MAX, asked).await;
    answer.unwrap_or_else(|_| {
        Err(FactsFault::Unreachable {
            action: action.to_owned(),
            cause: "silent for 3 s".to_owned(),
        })
    })
}

async fn policies(facts: &dyn Facts, scope: &Scope) -> Result<Vec<Policy>, FactsFault> {
    heard("listing policies", facts.policies(scope)).await
}

/// The rules; where no cluster answers that may have more, the bundled ones, with
/// the reason.
async fn rules_of(facts: &dyn Facts) -> Result<(Arc<RuleSet>, Option<FactsFault>), AnswerFault> {
    match heard("reading the rules", facts.rules()).await {
        Err(fault) if fault.is_out_of_reach() => Ok((rules::bundled()?, Some(fault))),
        found => Ok((found?, None)),
    }
}

/// A rule; one that only the cluster may have is not said not to be there while
/// that does not answer.
async fn rule(facts: &dyn Facts, id: &str) -> Result<Option<Value>, AnswerFault> {
    let (rules, missing) = rules_of(facts).await?;
    match (rules.get(id), missing) {
        (Some(preset), _) => Ok(serde_json::to_value(preset).ok()),
        (None, Some(fault)) => Err(fault.into()),
        (None, None) => Ok(None),
    }
}

/// The pages of a namespace's policy that the caller can read.
async fn pages(facts: &dyn Facts, policy: &Policy) -> Result<Vec<i32>, AnswerFault> {
    if policy.namespace.is_none() || policy.status.reports.is_empty() {
        return Ok(Vec::new());
    }
    match facts.reports(policy).await {
        Ok(found) => Ok(found.iter().map(|one| one.spec.page).collect()),
        // Who asks for one is told why; the list goes on without them.
        Err(FactsFault::Broken { .. }) => Ok(Vec::new()),
        Err(fault) => Err(fault.into()),
    }
}

/// What lies at an address, as JSON.
///
/// # Errors
/// If nothing does, or it is not visible: there is no difference.
pub async fn read(facts: &dyn Facts, uri: &str) -> Result<Value, AnswerFault> {
    let path = uri.strip_prefix("tanso://").unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let found = match parts.as_slice() {
        ["regulations"] => Some(rules_of(facts).await?.0.iter().map(short).collect()),
        ["regulations", id] => rule(facts, id).await?,
        ["policies"] => {
            let listed = facts.listed_policies(&Scope::All).await?;
            let known = listed.items.iter().map(in_short);
            Some(
                known
                    .chain(listed.unreadable.iter().map(left_out))
                    .collect(),
            )
        }
        ["policies", namespace, name] => policy(facts, Some(namespace), name)
            .await?
            .map(|found| whole(&found)),
        ["cluster-policies", name] => policy(facts, None, name).await?.map(|found| whole(&found)),
        ["policies", namespace, name, "intensity"] => {
            match policy(facts, Some(namespace), name).await? {
                Some(found) => {
                    let site = facts.site(&found).await?;
                    Some(series(&site.intensity, facts))
                }
                None => None,
            }
        }
        ["reports", namespace, name, page] => report(facts, namespace, name, page).await?,
        ["zones", zone, "intensity"] => {
            let year = crate::answer::year_of(facts.now());
            Bundled
                .load(zone, year)
                .ok()
                .map(|loaded| series(&loaded, facts))
        }
        _ => None,
    };
    let mut found = found.ok_or_else(|| AnswerFault::NotFound {
        what: format!("resource \"{}\"", line(uri)),
        hint: HINT,
    })?;
    clean(&mut found);
    Ok(found)
}

async fn policy(
    facts: &dyn Facts,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Policy>, AnswerFault> {
    let scope = Scope::of(namespace);
    let listed = facts.listed_policies(&scope).await?;
    let is_it = |one: &Policy| one.namespace.as_deref() == namespace && one.name == name;
    if let Some(found) = listed.items.into_iter().find(is_it) {
        return Ok(Some(found));
    }
    let is_it = |one: &&LeftOut| one.namespace.as_deref() == namespace && one.name == name;
    match listed.unreadable.iter().find(is_it) {
        Some(one) => Err(AnswerFault::NotKnown {
            what: one.title(),
            reason: one.why(),
        }),
        None => Ok(None),
    }
}

async fn report(
    facts: &dyn Facts,
    namespace: &str,
    name: &str,
    page: &str,
) -> Result<Option<Value>, AnswerFault> {
    let (Some(found), Ok(page)) = (
        policy(facts, Some(namespace), name).await?,
        page.parse::<i32>(),
    ) else {
        return Ok(None);
    };
    let pages = facts.reports(&found).await?;
    let page = pages.iter().find(|one| one.spec.page == page);
    Ok(page.and_then(|page| serde_json::to_value(&page.spec).ok()))
}

fn short(preset: &Preset) -> Value {
    json!({
        "id": preset.id, "title": preset.title, "titleKo": preset.title_ko,
        "jurisdiction": preset.jurisdiction, "rules": preset.rules.len(),
        "uri": format!("tanso://regulations/{}", preset.id),
    })
}

fn in_short(policy: &Policy) -> Value {
    let name = PolicyName::of(policy);
    json!({
        "policy": name, "verdict": policy.status.verdict, "summary": policy.status.summary,
        "dataThrough": policy.status.data_through, "uri": name.uri(),
    })
}

/// A policy that cannot be read, where the others are.
fn left_out(one: &LeftOut) -> Value {
    let policy = PolicyName {
        kind: one.kind.clone(),
        namespace: one.namespace.clone(),
        name: one.name.clone(),
    };
    json!({
        "policy": policy,
        "unreadable": {"field": one.field, "reason": one.reason},
    })
}

fn whole(policy: &Policy) -> Value {
    json!({
        "policy": PolicyName::of(policy), "generation": policy.generation,
        "spec": policy.spec, "status": policy.status,
    })
}

/// The hours of a series around now.
fn series(loaded: &Loaded, facts: &dyn Facts) -> Value {
    let now = UtcHour::containing(facts.now());
    let period = Period {
        from: now.plus_hours(-AROUND_H),
        until: now.plus_hours(AROUND_H + 1),
    };
    let grams = |intensity: tanso_carbon::Intensity| intensity.as_grams_per_kwh_f64();
    let hours = period.hours().filter_map(|hour| {
        let point = loaded.series.at(hour)?;
        Some(json!({
            "hour": hour.to_string(), "origin": point.origin,
            "gramsPerKwh": grams(point.intensity.value),
            "lowGramsPerKwh": grams(point.intensity.low),
            "highGramsPerKwh": grams(point.intensity.high),
        }))
    });
    json!({
        "info": loaded.series.info(), "filledBy": loaded.filled_by,
        "asOf": loaded.freshness.as_of.map(|at| at.to_string()), "isStale": loaded.freshness.is_stale,
        "notes": loaded.freshness.notes, "digest": loaded.digest.to_string(),
        "hours": hours.collect::<Vec<_>>(),
    })
}

/// Values that complete an argument of a template, in order; where a cluster is
/// needed and none answers, there are none.
///
/// # Errors
/// If the facts cannot be read.
pub async fn complete(
    facts: &dyn Facts,
    argument: &str,
    start: &str,
) -> Result<Vec<String>, AnswerFault> {
    let mut values: Vec<String> = match argument {
        "id" | "standard" => rules_of(facts)
            .await?
            .0
            .ids()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        "namespace" => {
            let policies = known_policies(facts).await?;
            policies
                .into_iter()
                .filter_map(|one| one.namespace)
                .collect()
        }
        "name" | "policy" => {
            let policies = known_policies(facts).await?;
            policies.into_iter().map(|one| one.name).collect()
        }
        "zone" => bundled::zones().into_iter().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    values.retain(|value| value.to_lowercase().starts_with(&start.to_lowercase()));
    values.sort();
    values.dedup();
    Ok(values)
}

/// The policies, for whoever has something to offer without them.
async fn known_policies(facts: &dyn Facts) -> Result<Vec<Policy>, FactsFault> {
    match policies(facts, &Scope::All).await {
        Err(fault) if fault.is_out_of_reach() => Ok(Vec::new()),
        found => found,
    }
}
