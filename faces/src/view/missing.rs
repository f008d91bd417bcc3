//! Workloads that a policy judged and that this reader cannot be told: whatever is
//! shown without them says so, and does not look like the whole.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tanso_crds::carbon_policy::status::WorkloadResult;

use super::{LeftOut, Policy};

/// Most policies that a sentence names.
const NAMED: usize = 5;

/// The workloads that a policy judged, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedWorkloads {
    /// Those of its pages; those of its status where pages cannot be read.
    pub workloads: Arc<Vec<WorkloadResult>>,
    /// Pages that this version cannot read, in whose place the status stands.
    pub unreadable: Vec<LeftOut>,
}

impl From<Arc<Vec<WorkloadResult>>> for ListedWorkloads {
    fn from(workloads: Arc<Vec<WorkloadResult>>) -> Self {
        Self {
            workloads,
            unreadable: Vec::new(),
        }
    }
}

/// Workloads of a policy that are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// How many: the status lists those with the largest emissions, and these are the others.
    pub workloads: i64,
    /// Why, and what would help.
    pub reason: String,
}

impl Missing {
    /// What a policy judged beyond what was read; `None` where that is all.
    #[must_use]
    pub fn of(policy: &Policy, read: &ListedWorkloads) -> Option<Self> {
        let status = &policy.status;
        let workloads = status.workloads_not_listed;
        if workloads <= 0 || read.workloads.len() > status.workloads.len() {
            return None;
        }
        let reason = read.unreadable.first().map_or_else(
            || "it needs the right to list carbonreports beside the policy; with it, its pages are being written anew: try again".to_owned(),
            ToString::to_string,
        );
        Some(Self { workloads, reason })
    }

    /// Those of the first few policies in sentences that follow another; nothing
    /// where nothing is missing.
    pub(crate) fn sentences<'a>(all: impl Iterator<Item = (&'a Policy, &'a Self)>) -> String {
        let sentence = |(policy, missing): (&Policy, &Self)| {
            format!(
                " Not in it are {} more workloads of {}: {}.",
                missing.workloads,
                policy.title(),
                missing.reason
            )
        };
        all.take(NAMED).map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tanso_crds::CarbonPolicy;

    use super::*;

    #[test]
    fn what_the_status_does_not_list_is_missing_until_its_pages_are_read() {
        let workload = json!({"namespace": "shop", "kind": "Deployment", "name": "api",
            "verdict": "Compliant", "reason": "WithinLimit", "pods": 1,
            "figures": {"energyMicrojoules": {"low": 1, "value": 2, "high": 3},
                "emissionsMilligrams": {"low": 1, "value": 2, "high": 3}}});
        let policy = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop"},
            "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": {"reports": ["korea-1"], "workloads": [workload], "workloadsNotListed": 2}});
        let mut policy = Policy::from(serde_json::from_value::<CarbonPolicy>(policy).unwrap());
        let worst = policy.status.workloads.clone();
        let of_status = ListedWorkloads::from(Arc::new(worst.clone()));
        let missing = Missing::of(&policy, &of_status).unwrap();
        assert_eq!(missing.workloads, 2);
        assert!(missing.reason.contains("list carbonreports"), "{missing:?}");
        let left_out = LeftOut {
            kind: "CarbonReport".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "korea-1".to_owned(),
            field: None,
            reason: "made up".to_owned(),
        };
        let unread = ListedWorkloads {
            unreadable: vec![left_out],
            ..of_status.clone()
        };
        let missing = Missing::of(&policy, &unread).unwrap();
        let said = Missing::sentences([(&policy, &missing)].into_iter());
        assert!(
            said.starts_with(" Not in it are 2 more workloads of CarbonPolicy shop/korea: CarbonReport shop/korea-1: this version"),
            "{said}"
        );
        let whole = [worst.clone(), worst.clone(), worst].concat();
        let whole = ListedWorkloads::from(Arc::new(whole));
        assert_eq!(Missing::of(&policy, &whole), None);
        policy.status.workloads_not_listed = 0;
        assert_eq!(Missing::of(&policy, &of_status), None);
    }
}
