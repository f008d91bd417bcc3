//! A policy as the controllers' caches hold it: a cluster may have a thousand, and
//! what is said of one is long. Its status is packed until a visit needs all of it;
//! what each scrape and each look asks for stands beside it. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use tanso_crds::CarbonPolicyStatus;
use tanso_crds::carbon_policy::status::{IntensityProvenance, RegulationResult};

use super::board::Shown;
use super::kinds::Policy;
use crate::cluster::{Readable, Unreadable};

/// A policy whose status is packed; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Held<P> {
    /// All but its status.
    bare: Arc<Readable<P>>,
    said: Option<Arc<Said>>,
}

/// What a status says.
#[derive(Debug)]
struct Said {
    /// All of it.
    packed: Box<[u8]>,
    /// What is asked for often.
    brief: Brief,
}

/// Of a status what is asked for often.
#[derive(Debug, PartialEq)]
pub(super) struct Brief {
    /// The status without words, and without lists that only a visit needs.
    pub(super) status: CarbonPolicyStatus,
    /// Of the workloads that it lists what metrics show.
    pub(super) workloads: Vec<Shown>,
}

impl<P: Policy> Held<P> {
    /// The policy without its status, or why it cannot be read.
    pub(super) fn bare(&self) -> Result<&P, &Unreadable> {
        self.bare.0.as_ref()
    }

    /// The policy without its status, if it can be read.
    pub(super) fn known(&self) -> Option<&P> {
        self.bare.known()
    }

    /// What its status says in brief, once it has one.
    pub(super) fn brief(&self) -> Option<&Brief> {
        self.said.as_deref().map(|said| &said.brief)
    }

    /// The policy with all of its status, if it can be read.
    pub(super) fn whole(&self) -> Option<P> {
        let mut whole = self.known()?.clone();
        *whole.status_mut() = self.said.as_deref().and_then(Said::whole);
        Some(whole)
    }
}

impl<P: Policy> From<Readable<P>> for Held<P> {
    fn from(mut read: Readable<P>) -> Self {
        let policy = read.0.as_mut().ok();
        let status = policy.and_then(|policy| policy.status_mut().take());
        Self {
            bare: Arc::new(read),
            said: status.map(|status| Arc::new(Said::of(status))),
        }
    }
}

impl Said {
    fn of(status: CarbonPolicyStatus) -> Self {
        Self {
            packed: packed(&status),
            brief: Brief::of(status),
        }
    }

    /// `None` only if the bytes are none of [`packed`]'s: then the policy is judged
    /// as one that was never judged, and its status written anew.
    fn whole(&self) -> Option<CarbonPolicyStatus> {
        let mut json = Vec::new();
        let mut packed = DeflateDecoder::new(&*self.packed);
        packed.read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// JSON, deflated: a status repeats its words and the names of its fields.
fn packed(status: &CarbonPolicyStatus) -> Box<[u8]> {
    // Plain data always encodes, and memory takes all.
    let json = serde_json::to_vec(status).unwrap_or_default();
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = packed.write_all(&json).and_then(|()| packed.finish());
    written.unwrap_or_default().into_boxed_slice()
}

impl Brief {
    fn of(mut status: CarbonPolicyStatus) -> Self {
        let mut names = BTreeSet::new();
        let listed = std::mem::take(&mut status.workloads);
        let workloads = listed.iter().map(|one| Shown::of(one, &mut names));
        let mut workloads: Vec<Shown> = workloads.collect();
        workloads.shrink_to_fit();
        let conditions = status.conditions.into_iter().map(|mut condition| {
            condition.message = String::new();
            condition
        });
        let regulations = status.regulations.into_iter().map(|rule| RegulationResult {
            kind: String::new(),
            reason: String::new(),
            message: String::new(),
            source: String::new(),
            pue_evidence: None,
            pue_source: None,
            places: Vec::new(),
            ..rule
        });
        let latest = status.intensity.map(|from| IntensityProvenance {
            latest_milligrams_per_kwh: from.latest_milligrams_per_kwh,
            ..IntensityProvenance::default()
        });
        let brief = CarbonPolicyStatus {
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: status.last_handled_reconcile_at,
            conditions: conditions.collect(),
            verdict: status.verdict,
            totals: status.totals,
            regulations: regulations.collect(),
            savings: status.savings,
            intensity: latest,
            ..CarbonPolicyStatus::default()
        };
        Self {
            status: brief,
            workloads,
        }
    }
}

impl<'de, P: Policy> Deserialize<'de> for Held<P> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Readable::deserialize(from).map(Self::from)
    }
}

impl<P: Policy> Resource for Held<P> {
    type DynamicType = ();
    type Scope = P::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        P::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        P::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        P::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        P::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.bare.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        Arc::make_mut(&mut self.bare).meta_mut()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use kube::ResourceExt as _;
    use serde_json::{Value, json};
    use tanso_crds::CarbonPolicy;
    use tanso_crds::carbon_policy::status::Unadvised;

    use super::super::fixture;
    use super::*;

    fn status(workloads: usize) -> CarbonPolicyStatus {
        let judged = |number: usize| {
            let mut one = fixture::workload(&format!("api-{number}"), Vec::new());
            let why = |action: &str| Unadvised {
                action: action.to_owned(),
                reason: "NotApplicable".to_owned(),
                message: "the workload is no CronJob, so its time cannot be moved".to_owned(),
            };
            one.no_advice = ["ShiftTime", "Rightsize", "MoveRegion"].map(why).into();
            one
        };
        CarbonPolicyStatus {
            observed_generation: Some(3),
            answer: "Compliant with kr-carbon-2050.".to_owned(),
            conditions: vec![Condition {
                type_: "Ready".to_owned(),
                status: "True".to_owned(),
                reason: "Succeeded".to_owned(),
                message: "10 workloads evaluated".to_owned(),
                last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
                observed_generation: Some(3),
            }],
            workloads: (0..workloads).map(judged).collect(),
            reports: vec!["korea-12345678-1".to_owned()],
            ..CarbonPolicyStatus::default()
        }
    }

    fn object(status: Option<&CarbonPolicyStatus>) -> Value {
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop", "uid": "u1", "generation": 3},
            "spec": {"site": {"zone": "KR", "timeZone": "Asia/Seoul"}, "regulations": []},
            "status": status})
    }

    /// A status of before that were not the very same would be written at each visit.
    #[test]
    fn what_is_held_is_the_policy_to_the_last_letter() {
        for said in [None, Some(status(0)), Some(status(100))] {
            let object = object(said.as_ref());
            let held: Held<CarbonPolicy> = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(held.known().unwrap().status, None);
            assert_eq!(
                (held.name_any(), held.meta().generation),
                ("korea".into(), Some(3))
            );
            let whole = held.whole().unwrap();
            assert_eq!(whole.status, said);
            let read: CarbonPolicy = serde_json::from_value(object).unwrap();
            let json = |policy: &CarbonPolicy| serde_json::to_value(policy).unwrap();
            assert_eq!(json(&whole), json(&read));
        }
    }

    /// A thousand statuses took most of the operator's memory.
    #[test]
    fn a_packed_status_is_a_small_part_of_what_it_says() {
        let said = status(100);
        let plain = serde_json::to_vec(&said).unwrap().len();
        let held = Said::of(said);
        assert!(
            held.packed.len() * 5 < plain,
            "{} of {plain}",
            held.packed.len()
        );
        let brief = &held.brief;
        assert!(brief.status.workloads.is_empty() && brief.status.answer.is_empty());
        assert_eq!(brief.workloads.len(), 100);
    }

    #[test]
    fn one_that_cannot_be_read_is_held_with_its_reason() {
        let mut newer = object(None);
        newer["spec"]["actions"] = json!(7);
        let held: Held<CarbonPolicy> = serde_json::from_value(newer).unwrap();
        assert!(held.bare().is_err() && held.whole().is_none() && held.brief().is_none());
        assert_eq!(held.name_any(), "korea");
    }
}
