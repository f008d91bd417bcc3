//! One visit of one policy: the five steps in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt as _;
use tanso_carbon::calendar::UtcHour;
use tanso_crds::CarbonPolicySpec;
use tanso_crds::carbon_policy::Placement;
use tanso_crds::condition::reasons;
use tanso_crds::power_monitor::IdleSharing;

use super::evidence::{self, Given};
use super::judge::{self, Evaluation, Facts, Inputs};
use super::kinds::Policy;
use super::remembered::{Known, Remembered};
use super::status::{self, Outcome};
use super::validate::{self, PolicyFault, Sources, ValidatedPolicy};
use super::{Context, ReconcileFault, Shared, observe};
use crate::cluster::{ApplyFault, kept_by};
use crate::guard::{Panicked, guarded};
use crate::ledger::evidence::Evidence;
use crate::ledger::{AdviceRow, Fold, NodeAt, Scope, Snapshot, advice, query};
use crate::regulations::Rules;

mod acting;
mod written;

use acting::{act_on, let_go};
use written::{Pages, publish, write};

/// A node that was read within this time holds back `dataThrough`, seconds.
const LIVE_S: i64 = 300;

/// And no longer than this behind the newest, seconds: one that has just joined has
/// closed no minute yet, and one whose clock is wrong, or that lies, would hold back
/// every policy for as long as it likes. What lacks of it lowers the coverage.
const BEHIND_S: i64 = 900;

/// What was judged, with what belongs to it.
struct Judged {
    /// What it was made from, if it is another evaluation than the last.
    evidence: Option<Evidence>,
    /// `namespace/name` of the policy, as the ledger knows it.
    name: String,
    policy: Arc<ValidatedPolicy>,
    evaluation: Evaluation,
    /// Its advice of before, as the ledger had it.
    advice: Vec<AdviceRow>,
    data_through: Timestamp,
    revision: i64,
    has_data: bool,
}

/// What a visit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All there is to say until the next interval.
    All,
    /// Something is missing that may come at any time.
    Waiting,
}

/// Visits a policy and writes what was found, also of a failure.
pub(super) async fn visit<P: Policy>(
    policy: &P,
    shared: &Shared,
    is_first: bool,
) -> Result<Found, ReconcileFault> {
    let context = &shared.context;
    let mut before = policy.status().cloned();
    let pages = Pages::of(is_first, before.as_ref());
    if before
        .as_ref()
        .is_none_or(|status| status.conditions.is_empty())
    {
        let first = status::first(policy.meta().generation, Timestamp::now());
        let api = policy.api(context.client.clone());
        context
            .applier
            .write_status(&api, policy, before.as_ref(), &first)
            .await?;
        before = Some(first);
    }
    if policy.policy().suspend {
        write(policy, context, before.as_ref(), &Outcome::Suspended).await?;
        let_go(policy, context, "the policy is suspended").await;
        return Ok(Found::All);
    }
    let result = match prepare(policy, shared).await {
        Ok(Ok(prepared)) => {
            let known = before.as_ref().and_then(|one| one.inputs_digest.clone());
            evaluate(context, prepared, known).await
        }
        Ok(Err(faults)) => {
            write(policy, context, before.as_ref(), &Outcome::Faulty(&faults)).await?;
            let_go(policy, context, "the policy cannot be evaluated").await;
            return Ok(Found::Waiting);
        }
        Err(fault) => Err(fault),
    };
    let done = match result {
        Ok(judged) => {
            let published = publish(policy, context, before.as_ref(), &judged, pages).await;
            if published.is_ok() {
                act_on(policy, context, &judged).await;
            }
            published.map(|()| {
                if judged.has_data {
                    Found::All
                } else {
                    Found::Waiting
                }
            })
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = &done {
        let outcome = match fault {
            ReconcileFault::Api(api) if api.is_forbidden() => Outcome::Forbidden(api.to_string()),
            ReconcileFault::Api(ApplyFault::NotLeader { .. }) => return done,
            ReconcileFault::Panicked(panicked) => Outcome::Panicked(panicked.to_string()),
            other => Outcome::Unavailable(other.to_string()),
        };
        // The failure itself matters more than that it could not be written.
        if let Err(error) = write(policy, context, before.as_ref(), &outcome).await {
            tracing::debug!(%error, policy = policy.name_any(), "writing a failure's status failed");
        }
        let_go(policy, context, "the policy could not be evaluated").await;
    }
    done
}

/// Says of a policy that is being deleted who keeps it, if anybody does.
pub(super) async fn going<P: Policy>(policy: &P, context: &Context) -> Result<(), ReconcileFault> {
    let Some(who) = kept_by(policy, None) else {
        return Ok(());
    };
    write(policy, context, policy.status(), &Outcome::Going(who)).await
}

/// Says that a fault of this program ended a visit.
pub(super) async fn tell_panic<P: Policy>(policy: &P, context: &Context, panicked: &Panicked) {
    let name = policy.name_any();
    tracing::error!(policy = name, error = %panicked, "a visit panicked; the others go on");
    let outcome = Outcome::Panicked(panicked.to_string());
    // Conditions keep the order of the first visit.
    let first = status::first(policy.meta().generation, Timestamp::now());
    let before = policy.status().filter(|said| !said.conditions.is_empty());
    let writing = Box::pin(write(policy, context, before.or(Some(&first)), &outcome));
    match guarded(writing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, policy = name, "writing a panic's status failed");
        }
        Err(error) => tracing::error!(%error, policy = name, "writing its status panicked too"),
    }
}

/// A checked policy and whose rows it sees.
struct Prepared {
    policy: Arc<ValidatedPolicy>,
    scope: Scope,
    given: Given,
    known: Arc<Known>,
}

/// Observe and validate.
async fn prepare<P: Policy>(
    policy: &P,
    shared: &Shared,
) -> Result<Result<Prepared, Vec<PolicyFault>>, ReconcileFault> {
    let context = &shared.context;
    let home = policy.home(&context.namespace);
    let rules = shared
        .rules
        .rules(&context.client, &context.namespace)
        .await?;
    let table = observe::table(&context.client, &home, policy.policy()).await?;
    let now = Timestamp::now();
    let asked = context
        .feeds
        .ask(
            &context.client,
            &home,
            policy.policy(),
            asked_from(policy.policy(), &rules, now),
            now,
        )
        .await?;
    let (client, feeds) = (&context.client, &context.feeds);
    let inventory = &context.inventory;
    let mut observed = observe::observed(client, &home, policy.policy(), feeds, inventory).await?;
    let known = shared.nodes.known(&context.ledger).await?;
    if policy.policy().site.placement == Placement::NodeRegion {
        known.place(&mut observed, UtcHour::containing(now));
    }
    let year = TimeZone::UTC.to_datetime(now).year();
    let sources = Sources {
        table,
        asked: &asked,
        rules: &rules,
        year,
        observed: &observed,
    };
    let scope = policy.scope(|| context.inventory.namespaces());
    let checked = match (validate::validate(policy.policy(), &sources), scope) {
        (Ok(checked), Ok(scope)) => Ok(Prepared {
            policy: Arc::new(checked),
            given: given(policy, &scope, &sources),
            scope,
            known,
        }),
        (checked, scope) => {
            let mut faults = checked.err().unwrap_or_default();
            if let Err(message) = scope {
                let path = "spec.namespaceSelector";
                faults.push(PolicyFault {
                    reason: reasons::INVALID_SPEC,
                    path,
                    message,
                });
            }
            Err(faults)
        }
    };
    Ok(checked)
}

/// What the policy is judged by, to be kept beside its report.
fn given<P: Policy>(policy: &P, scope: &Scope, sources: &Sources<'_>) -> Given {
    let spec = policy.policy();
    let namespace = policy.namespace().unwrap_or_default();
    let named = spec.regulations.iter();
    let texts = named.filter_map(|wanted| sources.rules.text(&wanted.rule));
    Given {
        policy: format!("{namespace}/{}", policy.name_any()),
        namespaces: match scope {
            Scope::All => None,
            Scope::Namespaces(chosen) => Some(chosen.clone()),
        },
        spec: spec.clone(),
        table: sources.table.clone(),
        asked: sources.asked.clone(),
        rules: texts.cloned().collect(),
        year: sources.year,
        observed: sources.observed.clone(),
    }
}

/// The first hour whose intensity a policy may need: of its window and of the
/// periods of its rules.
fn asked_from(spec: &CarbonPolicySpec, rules: &Rules, now: Timestamp) -> UtcHour {
    let named = spec.regulations.iter();
    let presets = named.filter_map(|wanted| rules.set.get(&wanted.rule));
    let window_hours = validate::window_hours(&spec.window);
    let needed = judge::needed_by(presets, window_hours, now);
    needed.map_or_else(
        |_| judge::window(now, window_hours).from,
        |period| period.from,
    )
}

/// Reads the ledger at one instant and judges.
async fn evaluate(
    context: &Context,
    prepared: Prepared,
    known: Option<String>,
) -> Result<Judged, ReconcileFault> {
    let Prepared {
        policy,
        scope,
        given,
        known: nodes,
    } = prepared;
    let is_whole = scope == Scope::All;
    let live: BTreeSet<String> = context
        .board
        .live(Timestamp::now(), LIVE_S)
        .into_iter()
        .collect();
    let agents = context.inventory.agents();
    let expected: BTreeSet<String> = agents.into_iter().map(|agent| agent.node).collect();
    let idle_sharing = context.inventory.idle_sharing();
    let running = context.inventory.running(&scope);
    let (for_read, name) = (Arc::clone(&policy), given.policy.clone());
    let (data_through, mut snapshot) = context
        .ledger
        .call(move |connection| {
            let (_, nodes) = query::nodes_at(connection)?;
            let data_through = data_through(&nodes, &live);
            // Within the calendar: the time is of a booked minute.
            let window = judge::window(data_through, for_read.window_hours);
            let period = judge::needed(&for_read, data_through).unwrap_or(window);
            // Of what lies before the window only rules ask, and for sums.
            let fold = Fold {
                before: window.from,
                counts: &|pod| judge::selects(&for_read, pod),
                place_of: &|node| for_read.places_of(node),
            };
            let mut snapshot = query::folded(connection, &scope, period, Some(&fold))?;
            snapshot.advice = advice::of_policy(connection, &name)?;
            Ok((data_through, snapshot))
        })
        .await?;
    for pod in running {
        let uid = Arc::from(pod.uid.as_str());
        snapshot.pods.entry(uid).or_insert(pod);
    }
    let facts = context.inventory.clone();
    let judging = move || {
        let seen = Seen {
            snapshot: &snapshot,
            facts: &Remembered {
                now: &facts,
                before: &nodes,
            },
            data_through,
            expected_nodes: &expected,
            idle_sharing: &idle_sharing,
            is_whole,
        };
        judge_now(policy, &given, known.as_deref(), &seen)
    };
    tokio::task::spawn_blocking(judging)
        .await
        .map_err(|fault| match fault.try_into_panic() {
            Ok(payload) => ReconcileFault::Panicked(Panicked::of(payload.as_ref())),
            Err(ended) => ReconcileFault::Evaluation(ended.to_string()),
        })
}

/// What was read for an evaluation.
struct Seen<'a> {
    snapshot: &'a Snapshot,
    facts: &'a dyn Facts,
    data_through: Timestamp,
    expected_nodes: &'a BTreeSet<String>,
    idle_sharing: &'a BTreeMap<String, IdleSharing>,
    is_whole: bool,
}

fn judge_now(
    policy: Arc<ValidatedPolicy>,
    given: &Given,
    known: Option<&str>,
    seen: &Seen<'_>,
) -> Judged {
    let (snapshot, data_through) = (seen.snapshot, seen.data_through);
    let inputs = Inputs {
        policy: &policy,
        snapshot,
        facts: seen.facts,
        window: judge::window(data_through, policy.window_hours),
        data_through,
        expected_nodes: seen.expected_nodes,
        idle_sharing: seen.idle_sharing,
        is_whole: seen.is_whole,
    };
    let evaluation = judge::judge(&inputs);
    let digest = evaluation.inputs_digest.to_string();
    let is_new = known != Some(digest.as_str());
    let packed = is_new.then(|| evidence::pack(given, &inputs, &evaluation));
    let evidence = packed.flatten().map(|inputs| Evidence {
        digest,
        policy: given.policy.clone(),
        revision: snapshot.revision,
        inputs,
    });
    Judged {
        evidence,
        name: given.policy.clone(),
        evaluation,
        advice: snapshot.advice.clone(),
        data_through,
        revision: snapshot.revision,
        has_data: !snapshot.node_hours.is_empty(),
        policy,
    }
}

/// The least end of a closed minute over live nodes that keep up; the newest of all
/// if none is live.
fn data_through(nodes: &[NodeAt], live: &BTreeSet<String>) -> Timestamp {
    let of_live = || {
        let those = nodes.iter().filter(move |node| live.contains(&node.node));
        those.map(|node| node.closed_until)
    };
    let least = of_live()
        .max()
        .and_then(|newest| {
            of_live()
                .filter(|at| newest.saturating_sub(*at) <= BEHIND_S)
                .min()
        })
        .or_else(|| nodes.iter().map(|node| node.closed_until).max());
    Timestamp::from_second(least.unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, closed_until: i64) -> NodeAt {
        NodeAt {
            node: name.to_owned(),
            journal: String::new(),
            sequence: 1,
            closed_until,
            energy_microjoules: 0,
        }
    }

    /// A node that joined was read before its first minute was over: until then all
    /// policies were judged by the energy of 1970 and had no verdict.
    #[test]
    fn a_node_that_just_joined_or_lags_does_not_hold_back_the_others() {
        const NOW: i64 = 1_790_000_040;
        let live = ["a".to_owned(), "b".to_owned()].into();
        for (other, through) in [(0, NOW), (NOW - 960, NOW), (NOW - 900, NOW - 900)] {
            let nodes = [node("a", NOW), node("b", other)];
            assert_eq!(data_through(&nodes, &live).as_second(), through);
        }
        // The first of a cluster have nobody before them.
        let nodes = [node("a", 0), node("b", 0)];
        assert_eq!(data_through(&nodes, &live).as_second(), 0);
    }

    #[test]
    fn a_dead_node_does_not_hold_back_the_others() {
        let nodes = [node("a", 600), node("b", 540), node("dead", 60)];
        let live = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(data_through(&nodes, &live).as_second(), 540);
        assert_eq!(data_through(&nodes, &BTreeSet::new()).as_second(), 600);
        assert_eq!(data_through(&[], &live).as_second(), 0);
    }
}
