//! Made-up results for tests.

use tanso_crds::carbon_policy::status::{Figures, Recommendation, Verdict, WorkloadResult};

/// A `Deployment` of `shop` without any figures.
pub(super) fn workload(name: &str, recommendations: Vec<Recommendation>) -> WorkloadResult {
    WorkloadResult {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: name.into(),
        verdict: Verdict::Compliant,
        reason: "WithinLimit".into(),
        pods: 1,
        figures: Figures::default(),
        together_milligrams_per_day: None,
        settled: Vec::new(),
        advice_outcomes: Vec::new(),
        recommendations,
        in_parts: None,
        no_advice: Vec::new(),
    }
}
