//! What is listed of this API group's kinds, as far as the caller may see it.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{CarbonPolicy, EnergyStudy, PowerMonitor};

use super::super::access::Ask;
use super::super::listed::listed;
use super::super::{FactsFault, Listed, Policy, Scope};
use super::{KubeFacts, kept};

/// Policies in one answer: each is tens of kilobytes, and an answer is in memory as
/// a whole before it is read.
const PAGE: u32 = 200;

impl KubeFacts {
    /// The `CarbonPolicies` of a scope.
    pub(super) async fn namespaced(&self, scope: &Scope) -> Result<Listed<Policy>, FactsFault> {
        const KIND: &str = "carbonpolicies";
        if !scope.is_proper() {
            return Ok(Listed::default());
        }
        let Scope::Namespace(namespace) = scope else {
            return self.everywhere(KIND).await;
        };
        if !self.access.may(&Ask::list(KIND, Some(namespace))).await? {
            return Ok(Listed::default());
        }
        let api: Api<CarbonPolicy> = Api::namespaced(self.client(), namespace);
        let found = listed(&api, ListParams::default().limit(PAGE), KIND).await?;
        Ok(found.map(Policy::from))
    }

    /// Those of all namespaces that the caller may see.
    async fn everywhere(&self, kind: &str) -> Result<Listed<Policy>, FactsFault> {
        let all = kept(&self.reader.namespaced, async {
            let api: Api<CarbonPolicy> = Api::all(self.client());
            let found = listed(&api, ListParams::default().limit(PAGE), kind).await?;
            Ok(found.map(Policy::from))
        });
        let all = all.await?;
        let of_readable = all.items.iter().map(|one| &one.namespace);
        let of_others = all.unreadable.iter().map(|one| &one.namespace);
        let names = of_readable.chain(of_others).flatten().cloned();
        let seen = self.seen(kind, names.collect()).await?;
        let is_seen =
            |namespace: Option<&String>| namespace.is_some_and(|name| seen.contains(name));
        let items = all.items.iter();
        let items = items.filter(|one| is_seen(one.namespace.as_ref()));
        let unreadable = all.unreadable.iter();
        let unreadable = unreadable.filter(|one| is_seen(one.namespace.as_ref()));
        Ok(Listed {
            items: items.cloned().collect(),
            unreadable: unreadable.cloned().collect(),
        })
    }

    /// Those of some namespaces in which the caller may list a kind.
    async fn seen(
        &self,
        kind: &str,
        names: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, FactsFault> {
        let seen = self.access.namespaces(kind, names.into_iter().collect());
        Ok(seen.await?.into_iter().collect())
    }

    /// Every `ClusterCarbonPolicy`, if the caller may see them.
    pub(super) async fn cluster_wide(&self) -> Result<Listed<Policy>, FactsFault> {
        const KIND: &str = "clustercarbonpolicies";
        if !self.access.may(&Ask::list(KIND, None)).await? {
            return Ok(Listed::default());
        }
        let all = kept(&self.reader.cluster_wide, async {
            let api: Api<ClusterCarbonPolicy> = Api::all(self.client());
            let found = listed(&api, ListParams::default().limit(PAGE), KIND).await?;
            Ok(found.map(Policy::from))
        });
        match all.await {
            Ok(found) => Ok(Listed::clone(&found)),
            // What is not visible is not there.
            Err(fault) if fault.is_forbidden() => Ok(Listed::default()),
            Err(fault) => Err(fault),
        }
    }

    /// Studies of all namespaces that the caller may see.
    pub(super) async fn all_studies(&self) -> Result<Listed<EnergyStudy>, FactsFault> {
        const KIND: &str = "energystudies";
        let api: Api<EnergyStudy> = Api::all(self.client());
        let mut all = match listed(&api, ListParams::default().limit(100), KIND).await {
            Err(fault) if fault.is_forbidden() => return Ok(Listed::default()),
            found => found?,
        };
        let of_readable = all.items.iter().filter_map(kube::ResourceExt::namespace);
        let of_others = all
            .unreadable
            .iter()
            .filter_map(|one| one.namespace.clone());
        let names = of_readable.chain(of_others).collect();
        let seen = self.seen(KIND, names).await?;
        let is_seen =
            |namespace: Option<&String>| namespace.is_some_and(|name| seen.contains(name));
        all.items
            .retain(|one| is_seen(one.metadata.namespace.as_ref()));
        all.unreadable.retain(|one| is_seen(one.namespace.as_ref()));
        all.items
            .sort_by_key(|one| (one.namespace(), one.name_any()));
        Ok(all)
    }

    /// Every `PowerMonitor`, if the caller may see them.
    pub(super) async fn all_monitors(&self) -> Result<Listed<PowerMonitor>, FactsFault> {
        const KIND: &str = "powermonitors";
        if !self.access.may(&Ask::list(KIND, None)).await? {
            return Ok(Listed::default());
        }
        let api: Api<PowerMonitor> = Api::all(self.client());
        match listed(&api, ListParams::default().limit(100), KIND).await {
            Err(fault) if fault.is_forbidden() => Ok(Listed::default()),
            found => found,
        }
    }
}
