//! Policies that are evaluated and still have no verdict, since they ask for
//! more evidence than there is.

use tanso_crds::carbon_policy::status::Verdict;

use super::super::Finding;
use crate::policies::Policy;

/// Reasons of rules that are `Unknown`, and what mends each.
const MENDS: [(&str, &str); 4] = [
    (
        "CoverageTooLow",
        "wait until more of the period is recorded, see which agents are away (the checks above), or lower spec.evidence.minCoveragePercent",
    ),
    (
        "EstimatedShareTooHigh",
        "give hours that are data (spec.intensity with a service, or an hourly table of your own), or accept estimates: spec.evidence.maxEstimatedPercent: 100",
    ),
    (
        "PueWithoutEvidence",
        "name a certificate or a measured value with spec.site.pue.evidence and its reference, or ask the facility's meters with spec.site.pue.query; an average or a guess is a factor and never judged",
    ),
    (
        "SimulatedEnergy",
        "take Fake out of spec.agent.sources of the PowerMonitor; simulated energy is never judged",
    ),
];

/// Why a policy is `Unknown`: its first rule that can be mended.
pub(super) fn unknown(policy: &Policy) -> Option<Finding> {
    let status = &policy.status;
    if status.verdict != Some(Verdict::Unknown) {
        return None;
    }
    let mut unknown = status.regulations.iter();
    unknown.find_map(|rule| {
        let mends = || MENDS.iter().find(|(reason, _)| *reason == rule.reason);
        let (_, mend) = mends().filter(|_| rule.verdict == Verdict::Unknown)?;
        Some(Finding::warn(
            format!(
                "{} is Unknown by rule {}: {}: {}",
                policy.title(),
                rule.rule,
                rule.reason,
                rule.message
            ),
            *mend,
        ))
    })
}
