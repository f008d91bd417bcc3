//! The two kinds of policy behind one face.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tanso_crds::{CarbonPolicy, CarbonPolicySpec, CarbonPolicyStatus, ClusterCarbonPolicy};

use crate::ledger::Scope;

/// A kind of policy.
pub(super) trait Policy:
    Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
    /// The controller's name in metrics and Events.
    const CONTROLLER: &'static str;

    /// What is judged.
    fn policy(&self) -> &CarbonPolicySpec;

    /// What was found last.
    fn status(&self) -> Option<&CarbonPolicyStatus>;

    /// The same, to be taken or put there.
    fn status_mut(&mut self) -> &mut Option<CarbonPolicyStatus>;

    /// Where this very object is written.
    fn api(&self, client: Client) -> Api<Self>;

    /// The namespace of its tables and pages.
    fn home(&self, operators: &str) -> String;

    /// Whose rows it sees, given all namespaces with their labels; an error
    /// says what is wrong with its selector.
    fn scope(&self, namespaces: &[(String, BTreeMap<String, String>)]) -> Result<Scope, String>;
}

impl Policy for CarbonPolicy {
    const CONTROLLER: &'static str = "carbon_policy";

    fn policy(&self) -> &CarbonPolicySpec {
        &self.spec
    }

    fn status(&self) -> Option<&CarbonPolicyStatus> {
        self.status.as_ref()
    }

    fn status_mut(&mut self) -> &mut Option<CarbonPolicyStatus> {
        &mut self.status
    }

    fn api(&self, client: Client) -> Api<Self> {
        Api::namespaced(client, &self.namespace().unwrap_or_default())
    }

    fn home(&self, _: &str) -> String {
        self.namespace().unwrap_or_default()
    }

    fn scope(&self, _: &[(String, BTreeMap<String, String>)]) -> Result<Scope, String> {
        Ok(Scope::Namespaces(self.namespace().into_iter().collect()))
    }
}

impl Policy for ClusterCarbonPolicy {
    const CONTROLLER: &'static str = "cluster_carbon_policy";

    fn policy(&self) -> &CarbonPolicySpec {
        &self.spec.policy
    }

    fn status(&self) -> Option<&CarbonPolicyStatus> {
        self.status.as_ref()
    }

    fn status_mut(&mut self) -> &mut Option<CarbonPolicyStatus> {
        &mut self.status
    }

    fn api(&self, client: Client) -> Api<Self> {
        Api::all(client)
    }

    fn home(&self, operators: &str) -> String {
        operators.to_owned()
    }

    fn scope(&self, namespaces: &[(String, BTreeMap<String, String>)]) -> Result<Scope, String> {
        let selector = &self.spec.namespace_selector;
        if *selector == LabelSelector::default() || is_empty(selector) {
            return Ok(Scope::All);
        }
        let selector = Selector::try_from(selector.clone()).map_err(|fault| fault.to_string())?;
        let chosen: BTreeSet<String> = namespaces
            .iter()
            .filter(|(_, labels)| selector.matches(labels))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Scope::Namespaces(chosen))
    }
}

fn is_empty(selector: &LabelSelector) -> bool {
    let no_labels = selector
        .match_labels
        .as_ref()
        .is_none_or(BTreeMap::is_empty);
    no_labels
        && selector
            .match_expressions
            .as_ref()
            .is_none_or(Vec::is_empty)
}
