//! Changes that a policy may make itself: the time of a `CronJob`, and its
//! suspension in dirty hours. Nothing else, ever.
//!
//! A `CronJob` must ask for it by its label; what was there before is kept in
//! annotations and comes back when label, mode or policy goes. A `CronJob` is
//! moved once: the slack counts from its own schedule, never from ours. What
//! a person changed meanwhile is left as it is.
//!
//! Rights: cronjobs.batch: get, patch, in the namespaces whose owners bind
//! the `ClusterRole` `tanso-operator-actions`.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::CronJob;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::cluster::apply::bounded;
use crate::cluster::{Applier, ApplyFault};
use crate::owners::{APPLIED_SCHEDULE, ORIGINAL_SCHEDULE, ORIGINAL_ZONE};

/// The label by which a `CronJob` asks for it, and its value.
pub const OPT_IN: (&str, &str) = ("tanso.dev/actions", "apply");

/// The label that names the policy whose change is in force, by UID.
pub const APPLIED_BY: &str = "tanso.dev/applied-by";

const APPLIED_ZONE: &str = "tanso.dev/applied-time-zone";
const SUSPENDED: &str = "tanso.dev/suspended";

/// What is wished for a `CronJob`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The policy, by UID.
    pub policy: String,
    /// Whether it may act at all.
    pub may_apply: bool,
    /// The advised schedule and its time zone.
    pub rewrite: Option<(String, String)>,
    /// Whether the hour is too dirty to start.
    pub hold: bool,
}

impl Wish {
    /// Of a policy that may act and has no evaluation: nothing new is done, and
    /// nothing waits for a clean hour that nobody would see.
    #[must_use]
    pub fn without_hold(policy: String) -> Self {
        Self {
            policy,
            may_apply: true,
            ..Self::default()
        }
    }
}

/// A change, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A merge patch; it fails if the object changed since it was read.
    pub patch: Value,
    /// Machine-readable: `Rescheduled`, `Suspended`, `Resumed`, `Reverted`.
    pub reason: &'static str,
    /// What is done, in words.
    pub note: String,
}

/// Whether a `CronJob` with these labels may have to be changed.
#[must_use]
pub fn concerns(labels: &BTreeMap<String, String>, policy: &str) -> bool {
    let says = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    says(OPT_IN.0, OPT_IN.1) || says(APPLIED_BY, policy)
}

/// Reads a `CronJob` and changes what has to change.
///
/// # Errors
/// If the API server refuses, or somebody changed it in between.
pub async fn carry_out(
    applier: &Applier,
    client: &Client,
    namespace: &str,
    name: &str,
    wish: &Wish,
) -> Result<Option<Change>, ApplyFault> {
    let api: Api<CronJob> = Api::namespaced(client.clone(), namespace);
    let Some(live) = bounded::<CronJob, _>("get", name, api.get_opt(name)).await? else {
        return Ok(None);
    };
    let Some(change) = plan(&live, wish) else {
        return Ok(None);
    };
    applier.merge(&api, name, &change.patch).await?;
    Ok(Some(change))
}

/// What has to change; `None` if all is as wished.
#[must_use]
pub fn plan(cron_job: &CronJob, wish: &Wish) -> Option<Change> {
    let labels = cron_job.labels();
    let marks = cron_job.annotations();
    let spec = cron_job.spec.as_ref()?;
    let owner = labels.get(APPLIED_BY).map(String::as_str);
    // Another policy's change is its own to take back.
    if owner.is_some_and(|owner| owner != wish.policy) {
        return None;
    }
    let opted_in = labels.get(OPT_IN.0).map(String::as_str) == Some(OPT_IN.1);
    let at = Now {
        schedule: &spec.schedule,
        time_zone: spec.time_zone.as_deref(),
        suspend: spec.suspend.unwrap_or(false),
        marks,
        version: cron_job.resource_version(),
    };
    if !wish.may_apply || !opted_in {
        return owner.map(|_| at.revert());
    }
    at.hold(wish).or_else(|| at.reschedule(wish))
}

/// A `CronJob` as it is.
struct Now<'a> {
    schedule: &'a str,
    time_zone: Option<&'a str>,
    suspend: bool,
    marks: &'a BTreeMap<String, String>,
    version: Option<String>,
}

impl Now<'_> {
    fn change(
        &self,
        reason: &'static str,
        note: String,
        owner: Option<&str>,
        marks: &Value,
        spec: &Value,
    ) -> Change {
        let metadata = json!({
            "resourceVersion": self.version,
            "labels": {APPLIED_BY: owner},
            "annotations": marks,
        });
        Change {
            patch: json!({"metadata": metadata, "spec": spec}),
            reason,
            note,
        }
    }

    /// Suspends or resumes; a suspension that is not ours stays, and so does a
    /// resumption.
    fn hold(&self, wish: &Wish) -> Option<Change> {
        let is_ours = self.marks.contains_key(SUSPENDED);
        let owner = Some(wish.policy.as_str());
        // Who lifts our suspension within the dirty hours wants it to run in them.
        if wish.hold && !self.suspend && !is_ours {
            let note = "suspended while the grid is dirtier than the policy allows".to_owned();
            let marks = json!({SUSPENDED: "true"});
            return Some(self.change("Suspended", note, owner, &marks, &json!({"suspend": true})));
        }
        if wish.hold || !is_ours {
            return None;
        }
        let stays = self.marks.contains_key(ORIGINAL_SCHEDULE);
        let note = if self.suspend {
            "resumed: nothing holds it any more"
        } else {
            "mark of a suspension removed; somebody else had lifted it"
        };
        let marks = json!({SUSPENDED: null});
        let spec = json!({"suspend": false});
        let owner = owner.filter(|_| stays);
        Some(self.change("Resumed", note.to_owned(), owner, &marks, &spec))
    }

    /// Moves it to the advised time, once.
    fn reschedule(&self, wish: &Wish) -> Option<Change> {
        let (schedule, zone) = wish.rewrite.as_ref()?;
        let is_so = self.schedule == schedule && self.time_zone == Some(zone.as_str());
        if is_so || self.marks.contains_key(ORIGINAL_SCHEDULE) {
            return None;
        }
        let marks = json!({
            ORIGINAL_SCHEDULE: self.schedule,
            ORIGINAL_ZONE: self.time_zone.unwrap_or_default(),
            APPLIED_SCHEDULE: schedule,
            APPLIED_ZONE: zone,
        });
        let from = self.time_zone.unwrap_or("the cluster's time zone");
        let note = format!(
            "moved from \"{}\" ({from}) to \"{schedule}\" ({zone}); remove the label {} to move it back",
            self.schedule, OPT_IN.0
        );
        let spec = json!({"schedule": schedule, "timeZone": zone});
        Some(self.change("Rescheduled", note, Some(&wish.policy), &marks, &spec))
    }

    /// Takes everything back that is still as it was left.
    fn revert(&self) -> Change {
        let marks = json!({
            ORIGINAL_SCHEDULE: null, ORIGINAL_ZONE: null, APPLIED_SCHEDULE: null, APPLIED_ZONE: null,
            SUSPENDED: null,
        });
        let mut spec = serde_json::Map::new();
        let applied = self.marks.get(APPLIED_SCHEDULE).map(String::as_str);
        // What an earlier version moved says no zone.
        let zone = self.marks.get(APPLIED_ZONE).map(String::as_str);
        let is_as_left =
            applied == Some(self.schedule) && (zone.is_none() || zone == self.time_zone);
        if let Some(original) = self.marks.get(ORIGINAL_SCHEDULE)
            && is_as_left
        {
            let zone = self
                .marks
                .get(ORIGINAL_ZONE)
                .filter(|zone| !zone.is_empty());
            spec.insert("schedule".to_owned(), json!(original));
            spec.insert("timeZone".to_owned(), json!(zone));
        }
        if self.marks.contains_key(SUSPENDED) && self.suspend {
            spec.insert("suspend".to_owned(), json!(false));
        }
        let note = if spec.is_empty() {
            "marks removed; what a person changed since is left".to_owned()
        } else {
            "back to what it was before".to_owned()
        };
        self.change("Reverted", note, None, &marks, &Value::Object(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A merge patch as the API server applies it.
    fn merge(into: &mut Value, patch: &Value) {
        let (Some(into), Some(patch)) = (into.as_object_mut(), patch.as_object()) else {
            *into = patch.clone();
            return;
        };
        for (key, value) in patch {
            if value.is_null() {
                into.remove(key);
            } else {
                merge(into.entry(key.clone()).or_insert(json!({})), value);
            }
        }
    }

    fn after(cron_job: &CronJob, change: &Change) -> CronJob {
        let mut object = serde_json::to_value(cron_job).unwrap();
        merge(&mut object, &change.patch);
        serde_json::from_value(object).unwrap()
    }

    fn cron_job(opted_in: bool) -> CronJob {
        let labels = if opted_in {
            json!({OPT_IN.0: OPT_IN.1})
        } else {
            json!({})
        };
        serde_json::from_value(json!({
            "metadata": {"name": "etl", "resourceVersion": "7", "labels": labels},
            "spec": {"schedule": "0 18 * * *", "timeZone": "Asia/Seoul",
                "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}
        }))
        .unwrap()
    }

    fn wish() -> Wish {
        Wish {
            policy: "uid-1".into(),
            may_apply: true,
            rewrite: Some(("0 11 * * *".into(), "Asia/Seoul".into())),
            hold: false,
        }
    }

    fn same(one: &CronJob, other: &CronJob) -> bool {
        let bare = |cron_job: &CronJob| {
            (
                cron_job.spec.clone().map(|mut spec| {
                    spec.suspend = spec.suspend.filter(|suspend| *suspend);
                    spec
                }),
                cron_job.labels().clone(),
                cron_job.annotations().clone(),
            )
        };
        bare(one) == bare(other)
    }

    #[test]
    fn what_was_moved_comes_back_as_it_was_and_is_moved_once() {
        let before = cron_job(true);
        let change = plan(&before, &wish()).unwrap();
        assert_eq!(change.reason, "Rescheduled");
        assert_eq!(change.patch["metadata"]["resourceVersion"], "7");
        let moved = after(&before, &change);
        assert_eq!(moved.spec.as_ref().unwrap().schedule, "0 11 * * *");
        let further = Wish {
            rewrite: Some(("0 9 * * *".into(), "Asia/Seoul".into())),
            ..wish()
        };
        assert_eq!(
            plan(&moved, &further),
            None,
            "slack counts from its own schedule"
        );
        let back = plan(
            &moved,
            &Wish {
                may_apply: false,
                ..wish()
            },
        )
        .unwrap();
        assert_eq!(back.reason, "Reverted");
        assert!(same(&after(&moved, &back), &before));
    }

    #[test]
    fn who_does_not_ask_is_never_touched_and_another_policys_change_is_its_own() {
        assert_eq!(plan(&cron_job(false), &wish()), None);
        assert_eq!(
            plan(
                &cron_job(false),
                &Wish {
                    hold: true,
                    ..wish()
                }
            ),
            None
        );
        assert_eq!(
            plan(
                &cron_job(true),
                &Wish {
                    may_apply: false,
                    ..wish()
                }
            ),
            None
        );
        let before = cron_job(true);
        let moved = after(&before, &plan(&before, &wish()).unwrap());
        let other = Wish {
            policy: "uid-2".into(),
            may_apply: false,
            ..wish()
        };
        assert_eq!(plan(&moved, &other), None);
    }

    #[test]
    fn it_is_suspended_in_dirty_hours_and_resumed_and_never_against_a_person() {
        let before = cron_job(true);
        let quiet = Wish {
            rewrite: None,
            ..wish()
        };
        let dirty = Wish {
            hold: true,
            ..quiet.clone()
        };
        let held = after(&before, &plan(&before, &dirty).unwrap());
        assert_eq!(held.spec.as_ref().unwrap().suspend, Some(true));
        assert_eq!(plan(&held, &dirty), None);
        let change = plan(&held, &quiet).unwrap();
        assert_eq!(change.reason, "Resumed");
        assert!(same(&after(&held, &change), &before));
        let mut by_hand = cron_job(true);
        by_hand.spec.as_mut().unwrap().suspend = Some(true);
        assert_eq!(plan(&by_hand, &quiet), None, "a person suspended it");
    }

    /// It was suspended again at each visit.
    #[test]
    fn what_a_person_resumes_in_dirty_hours_runs_in_them() {
        let dirty = Wish {
            rewrite: None,
            hold: true,
            ..wish()
        };
        let before = cron_job(true);
        let mut resumed = after(&before, &plan(&before, &dirty).unwrap());
        resumed.spec.as_mut().unwrap().suspend = Some(false);
        assert_eq!(plan(&resumed, &dirty), None, "a person resumed it");
        let clean = Wish {
            hold: false,
            ..dirty.clone()
        };
        let quiet = after(&resumed, &plan(&resumed, &clean).unwrap());
        assert!(same(&quiet, &before));
        let next = plan(&quiet, &dirty).unwrap();
        assert_eq!(next.reason, "Suspended", "the next dirty hours are others");
    }

    #[test]
    fn a_policy_that_is_not_evaluated_holds_nothing_and_leaves_what_it_moved() {
        let before = cron_job(true);
        let moved = after(&before, &plan(&before, &wish()).unwrap());
        let let_go = Wish::without_hold(wish().policy);
        assert_eq!(plan(&moved, &let_go), None);
        assert_eq!(plan(&before, &let_go), None);
        let dirty = Wish {
            hold: true,
            ..wish()
        };
        let held = after(&moved, &plan(&moved, &dirty).unwrap());
        let change = plan(&held, &let_go).unwrap();
        assert_eq!(change.reason, "Resumed");
        assert!(same(&after(&held, &change), &moved));
    }

    #[test]
    fn what_a_person_changed_meanwhile_is_left() {
        let before = cron_job(true);
        let mut moved = after(&before, &plan(&before, &wish()).unwrap());
        moved.spec.as_mut().unwrap().schedule = "30 6 * * *".into();
        let back = plan(
            &moved,
            &Wish {
                may_apply: false,
                ..wish()
            },
        )
        .unwrap();
        let left = after(&moved, &back);
        assert_eq!(left.spec.as_ref().unwrap().schedule, "30 6 * * *");
        assert!(left.annotations().is_empty() && !left.labels().contains_key(APPLIED_BY));
    }

    /// The hours stood as they were left, so the zone was set back with them.
    #[test]
    fn a_time_zone_that_a_person_changed_is_left_with_its_schedule() {
        let before = cron_job(true);
        let mut moved = after(&before, &plan(&before, &wish()).unwrap());
        moved.spec.as_mut().unwrap().time_zone = Some("Europe/Berlin".into());
        let no_more = Wish {
            may_apply: false,
            ..wish()
        };
        let left = after(&moved, &plan(&moved, &no_more).unwrap());
        let spec = left.spec.as_ref().unwrap();
        let found = (spec.schedule.as_str(), spec.time_zone.as_deref());
        assert_eq!(found, ("0 11 * * *", Some("Europe/Berlin")));
        // What an earlier version moved has no such mark, and comes back.
        let mut older = after(&before, &plan(&before, &wish()).unwrap());
        older.annotations_mut().remove(APPLIED_ZONE);
        let back = after(&older, &plan(&older, &no_more).unwrap());
        assert!(same(&back, &before));
    }
}
