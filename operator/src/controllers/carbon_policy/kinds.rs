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

/// Namespaces with their labels.
pub(super) type Namespaces = Vec<(String, BTreeMap<String, String>)>;

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

    /// Whose rows it sees; an error says what is wrong with its selector. All
    /// namespaces with their labels are asked for only where it chooses by them: a
    /// cluster may have as many as policies.
    fn scope(&self, namespaces: impl FnOnce() -> Namespaces) -> Result<Scope, String>;
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

    fn scope(&self, _: impl FnOnce() -> Namespaces) -> Result<Scope, String> {
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

    fn scope(&self, namespaces: impl FnOnce() -> Namespaces) -> Result<Scope, String> {
        let selector = &self.spec.namespace_selector;
        if *selector == LabelSelector::default() || is_empty(selector) {
            return Ok(Scope::All);
        }
        let selector = Selector::try_from(selector.clone()).map_err(|fault| fault.to_string())?;
        let chosen: BTreeSet<String> = namespaces()
            .into_iter()
            .filter(|(_, labels)| selector.matches(labels))
            .map(|(name, _)| name)
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::{Value, json};

    use super::*;

    fn wide(selector: &Value) -> ClusterCarbonPolicy {
        let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
            "metadata": {"name": "all"}, "spec": {"namespaceSelector": selector,
                "policy": {"site": {"zone": "KR"}, "regulations": []}}});
        serde_json::from_value(object).unwrap()
    }

    /// Each visit of each of a thousand policies copied a thousand namespaces.
    #[test]
    fn namespaces_are_asked_for_only_by_who_chooses_among_them() {
        let asked = Cell::new(0);
        let namespaces = || {
            asked.set(asked.get() + 1);
            let labels = |team: &str| [("team".to_owned(), team.to_owned())].into();
            vec![
                ("shop".to_owned(), labels("red")),
                ("bank".to_owned(), labels("blue")),
            ]
        };
        let mut policy = CarbonPolicy::new("korea", CarbonPolicySpec::default());
        policy.metadata.namespace = Some("shop".to_owned());
        let shop = || Scope::Namespaces(["shop".to_owned()].into());
        assert_eq!(policy.scope(namespaces), Ok(shop()));
        assert_eq!(wide(&json!({})).scope(namespaces), Ok(Scope::All));
        assert_eq!(asked.get(), 0);
        let red = wide(&json!({"matchLabels": {"team": "red"}}));
        assert_eq!(red.scope(namespaces), Ok(shop()));
        assert_eq!(asked.get(), 1);
    }
}
