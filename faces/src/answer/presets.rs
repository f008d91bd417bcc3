//! The rules that a policy names, of those that can be read here; pure.
//!
//! A rule of the cluster's own is in a `ConfigMap` of the operator's namespace,
//! which not every caller may list. Left out, it would look kept.

use std::collections::BTreeSet;

use tanso_carbon::verdict::Combined;
use tanso_carbon::{Preset, RuleSet};
use tanso_crds::carbon_policy::status::{RegulationResult, Verdict};

use super::figures::{short, verdict_of};
use crate::view::Policy;

/// The reason of a rule whose text cannot be read.
pub(crate) const RULE_NOT_READ: &str = "RuleNotRead";

/// What to judge by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presets {
    /// Rules whose text is known, in the policy's order.
    pub(crate) known: Vec<Preset>,
    /// Ids of the others, each once.
    pub(crate) unread: Vec<String>,
}

impl Presets {
    /// The rules that a policy names.
    pub(crate) fn of(policy: &Policy, rules: &RuleSet) -> Self {
        let named = || policy.spec.regulations.iter().map(|one| &one.rule);
        let unread: BTreeSet<&String> = named().filter(|id| rules.get(id).is_none()).collect();
        Self {
            known: named().filter_map(|id| rules.get(id).cloned()).collect(),
            unread: unread.into_iter().cloned().collect(),
        }
    }

    /// The results of those that cannot be read.
    pub(crate) fn unread_results(&self) -> impl Iterator<Item = RegulationResult> {
        self.unread.iter().map(|id| unread(id))
    }

    /// The verdict over all with its reason: that a rule is broken is known
    /// without the others, that all are kept is not.
    pub(crate) fn verdict(&self, of_known: &Combined) -> (Verdict, String) {
        let verdict = verdict_of(of_known.verdict);
        if self.unread.is_empty() || verdict == Verdict::NonCompliant {
            (verdict, of_known.reason.as_str().to_owned())
        } else {
            (Verdict::Unknown, RULE_NOT_READ.to_owned())
        }
    }
}

fn unread(id: &str) -> RegulationResult {
    let message = "the rule's text cannot be read here: it is in a ConfigMap of the operator's namespace with the label \
        tanso.dev/regulations=true, which takes the right to list ConfigMaps there, or it is not there any more";
    RegulationResult {
        rule: short(id, 63),
        kind: "unknown".to_owned(),
        verdict: Verdict::Unknown,
        reason: RULE_NOT_READ.to_owned(),
        message: message.to_owned(),
        limit_milli: None,
        value_milli: None,
        unit: String::new(),
        source: String::new(),
        pue_evidence: None,
        pue_source: None,
        intensity_estimated_percent: None,
        places: Vec::new(),
    }
}
