//! The readable facts of a cluster, as one caller sees them: policies with
//! what was found, pages of workloads, monitors, nodes, energy by the hour,
//! rules and intensity series.
//!
//! Whoever asks gets what they may see, and of the rest nothing: a thing that
//! is not visible is not there. Nothing here judges, sums up or writes.

mod access;
mod beside;
mod books;
mod changes;
mod cluster;
mod door;
mod fault;
pub mod given;
mod listed;
mod missing;
mod newest;
mod nowhere;
mod operator_books;
mod pages;
mod placed;
pub(crate) mod rules;
mod site;
pub mod stated;
mod sums;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use serde::Serialize;
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{
    CarbonPolicy, CarbonPolicySpec, CarbonPolicyStatus, CarbonReport, EnergyStudy, PowerMonitor,
};
use tanso_power::{Estimate, Joules, Provenance};

pub use access::{Access, Ask, Caller, CallerFault, Reviewer};
pub use beside::Beside;
pub(crate) use beside::{allocatable, allocatable_bytes};
pub use books::{Books, Services, no_services};
pub(crate) use cluster::KEPT;
pub use cluster::{Clock, KubeFacts, Reader};
pub use door::{Door, DoorFault, ProxyDoor, STRANGER, Told};
pub use fault::{FactsFault, certificate_fault};
pub use listed::{LeftOut, Listed, list_readable};
pub use missing::{ListedWorkloads, Missing};
pub use newest::{NewestHour, newest_first, newest_hour};
pub use nowhere::Nowhere;
pub use operator_books::{OperatorBooks, read_export};
pub(crate) use site::seconds;
pub use site::{PlaceAt, Site};
pub use stated::Market;
pub use sums::{Chosen, Summed, Summing, Sums};

use newest::EVERYBODY;

/// An answer that is being read.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, FactsFault>>;

/// What one caller can read.
///
/// Every method answers with what the caller may see. What is not visible is
/// left out of lists; only where nothing at all may be seen is that a fault.
/// What this version cannot read is left out too, and named by the methods that
/// begin with `listed`.
pub trait Facts: Send + Sync {
    /// Notes how far the answer is that is made of these facts, percent, and what
    /// was done; nobody needs to listen.
    fn note(&self, _percent: u8, _what: &str) {}

    /// Now, by the clock of whoever serves.
    fn now(&self) -> Timestamp;

    /// All rules: the bundled ones and the user's own.
    fn rules(&self) -> Answer<'_, Arc<RuleSet>>;

    /// The `CarbonPolicies` of a scope and every `ClusterCarbonPolicy`, by
    /// kind, namespace and name.
    fn policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Vec<Policy>>;

    /// The same, with what of it this version cannot read: a policy that a later
    /// version wrote hides no other.
    fn listed_policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Listed<Policy>> {
        Box::pin(async move { Ok(self.policies(scope).await?.into()) })
    }

    /// An item each time that a policy of the cluster may have changed, for whoever
    /// reads ahead; it never ends. Facts that do not change have none.
    fn changes(&self) -> BoxStream<'static, ()> {
        Box::pin(stream::pending())
    }

    /// Every workload that a policy judged, largest emissions first: of its
    /// pages, or of its status where that lists all or pages are not visible.
    fn workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>>;

    /// The same, with the pages that this version cannot read.
    fn listed_workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, ListedWorkloads> {
        Box::pin(async move { Ok(self.workloads(policy).await?.into()) })
    }

    /// The pages that a policy's status names, in their order.
    fn reports<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>>;

    /// Every `PowerMonitor`.
    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>>;

    /// The same, with those that this version cannot read.
    fn listed_monitors(&self) -> Answer<'_, Listed<PowerMonitor>> {
        Box::pin(async move { Ok(self.monitors().await?.into()) })
    }

    /// Every node.
    fn nodes(&self) -> Answer<'_, Vec<Node>>;

    /// What was booked within a period, by hour, node and account; of one
    /// namespace without the accounts that are no workload. A fault of class
    /// [`FactsFault::is_absent`] says that this caller has no access to the
    /// ledger.
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy>;

    /// What one workload used within a period, by hour and node; faults as of
    /// [`Facts::energy`].
    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy>;

    /// What was booked in the newest hour of a period that has anything of a
    /// scope, and how long its nodes were seen; faults as of [`Facts::energy`].
    /// Whoever finds that hour without reading the others, does.
    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, NewestHour> {
        let everybody = move |part: Period| self.energy(&EVERYBODY, part);
        Box::pin(newest_hour(scope, period, everybody))
    }

    /// What some workloads used within a period, by hour, place and provenance;
    /// faults as of [`Facts::energy`]. Whoever can sum while they read, does.
    fn sums<'a>(
        &'a self,
        scope: &'a Scope,
        period: Period,
        summing: &'a Summing,
    ) -> Answer<'a, Sums> {
        Box::pin(async move { Ok(Sums::of(&self.energy(scope, period).await?, summing)) })
    }

    /// Whether this caller may read energy by the hour of a scope, for whoever
    /// has read it already; faults as of [`Facts::energy`]. Facts that are all
    /// the caller's own need not ask.
    fn may_read_hours<'a>(&'a self, _: &'a Scope) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Where a policy's energy is used: its grid, facility and time zone.
    fn site<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Site>;

    /// Every `EnergyStudy` of the namespaces that the caller may see, by
    /// namespace and name.
    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>>;

    /// The same, with those that this version cannot read.
    fn listed_studies(&self) -> Answer<'_, Listed<EnergyStudy>> {
        Box::pin(async move { Ok(self.studies().await?.into()) })
    }

    /// When a `CronJob` starts; `None` if there is none of that name.
    fn schedule<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Schedule>>;
}

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every namespace that the caller may see.
    All,
    /// One namespace.
    Namespace(String),
}

impl Scope {
    /// The scope of an optional namespace.
    #[must_use]
    pub fn of(namespace: Option<&str>) -> Self {
        namespace.map_or(Self::All, |name| Self::Namespace(name.to_owned()))
    }

    /// Whether it could be a scope of a real cluster: a namespace's name is
    /// lower-case letters, digits and dashes. Others are not even asked for.
    #[must_use]
    pub fn is_proper(&self) -> bool {
        let is_letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match self {
            Self::All => true,
            Self::Namespace(name) => (1..=63).contains(&name.len()) && name.bytes().all(is_letter),
        }
    }

    /// Whether it holds a namespace.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(name) => name == namespace,
        }
    }

    /// Whether it holds what an account used: one namespace has workloads only.
    #[must_use]
    pub fn holds_account(&self, account: &EnergyAccount) -> bool {
        match account {
            EnergyAccount::Workload(key) => self.holds(&key.namespace),
            EnergyAccount::Named(_) => matches!(self, Self::All),
        }
    }
}

/// The kind of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum PolicyKind {
    /// Judges its own namespace.
    CarbonPolicy,
    /// Judges the namespaces that its selector chooses.
    ClusterCarbonPolicy,
}

impl PolicyKind {
    /// The kind as the API names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CarbonPolicy => "CarbonPolicy",
            Self::ClusterCarbonPolicy => "ClusterCarbonPolicy",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A policy of either kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace; a `ClusterCarbonPolicy` has none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Whether it is about every namespace there is.
    pub is_everywhere: bool,
    /// What it asks for.
    pub spec: CarbonPolicySpec,
    /// What was found; empty before the first evaluation.
    pub status: CarbonPolicyStatus,
}

/// An object's kind and name, with its namespace if it has one.
pub(crate) fn title(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

impl Policy {
    /// `CarbonPolicy shop/korea` or `ClusterCarbonPolicy everything`.
    #[must_use]
    pub fn title(&self) -> String {
        title(
            &self.kind.to_string(),
            self.namespace.as_deref(),
            &self.name,
        )
    }

    /// The condition of a type, if it was written.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.type_ == type_)
    }

    /// The hours that its figures cover, as the operator adds them up: whole
    /// UTC hours up to the one that `dataThrough` lies in. `None` before the
    /// first evaluation.
    #[must_use]
    pub fn window(&self) -> Option<Period> {
        let through = self.status.data_through.as_ref()?.0;
        let hours = site::seconds(&self.spec.window)?.div_ceil(3_600);
        let hours = i32::try_from(hours).unwrap_or(i32::MAX).clamp(1, 744);
        let last = UtcHour::from_unix_seconds(through.as_second().saturating_sub(1));
        let until = last.plus_hours(1);
        Some(Period {
            from: until.plus_hours(-hours),
            until,
        })
    }
}

impl From<CarbonPolicy> for Policy {
    fn from(policy: CarbonPolicy) -> Self {
        Self {
            kind: PolicyKind::CarbonPolicy,
            namespace: policy.metadata.namespace,
            name: policy.metadata.name.unwrap_or_default(),
            uid: policy.metadata.uid.unwrap_or_default(),
            generation: policy.metadata.generation,
            is_everywhere: false,
            spec: policy.spec,
            status: policy.status.unwrap_or_default(),
        }
    }
}

impl From<ClusterCarbonPolicy> for Policy {
    fn from(policy: ClusterCarbonPolicy) -> Self {
        Self {
            kind: PolicyKind::ClusterCarbonPolicy,
            namespace: None,
            name: policy.metadata.name.unwrap_or_default(),
            uid: policy.metadata.uid.unwrap_or_default(),
            generation: policy.metadata.generation,
            is_everywhere: is_empty(&policy.spec.namespace_selector),
            spec: policy.spec.policy,
            status: policy.status.unwrap_or_default(),
        }
    }
}

/// Whether a selector chooses everything.
fn is_empty(selector: &LabelSelector) -> bool {
    selector
        .match_labels
        .as_ref()
        .is_none_or(BTreeMap::is_empty)
        && selector
            .match_expressions
            .as_ref()
            .is_none_or(Vec::is_empty)
}

/// What was booked, at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Energy {
    /// The last booking that is in, where the reader knows it.
    pub revision: Option<i64>,
    /// The rows, by hour.
    pub rows: Vec<EnergyHour>,
}

impl Energy {
    /// The rows of one workload alone.
    #[must_use]
    pub fn of(mut self, workload: &WorkloadKey) -> Self {
        let is_its = |account: &EnergyAccount| matches!(account, EnergyAccount::Workload(key) if **key == *workload);
        self.rows.retain(|row| is_its(&row.account));
        self
    }
}

/// What one account used on one node in one hour, by provenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnergyHour {
    /// The hour.
    pub hour: UtcHour,
    /// The node.
    pub node: Arc<str>,
    /// Who used it.
    pub account: EnergyAccount,
    /// Where the figure comes from.
    pub provenance: Provenance,
    /// Energy at the IT equipment with its 90 % bounds.
    pub energy: Estimate<Joules>,
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Minutes of the hour that have a record.
    pub minutes: u64,
    /// What its pod asks for of a node's CPU, times the seconds that it was
    /// there, thousandths of a core times seconds; 0 if it asks for none.
    pub asked_millicore_seconds: u64,
}

/// Who is charged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EnergyAccount {
    /// A workload.
    Workload(Arc<WorkloadKey>),
    /// An account that is no workload: `idle`, `system`, `kernel`,
    /// `overflow`, `standalone`, `unnamed`.
    Named(Arc<str>),
}

/// What a workload is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct WorkloadKey {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl WorkloadKey {
    /// Whether a result is about this workload.
    #[must_use]
    pub fn is_of(&self, result: &WorkloadResult) -> bool {
        (&self.namespace, &self.kind, &self.name) == (&result.namespace, &result.kind, &result.name)
    }
}

impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// When a `CronJob` starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields.
    pub schedule: String,
    /// IANA time zone; without one it follows the controller manager's.
    pub time_zone: Option<String>,
}
