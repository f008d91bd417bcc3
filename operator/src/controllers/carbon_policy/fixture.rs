//! Made-up results for tests.

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::stays::Stay;
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

/// A node's stay in a region of `aws`, from an hour since 1970 on.
pub(super) fn stay(since: i64, region: Option<&str>, millicores: u32) -> Stay {
    Stay {
        since: UtcHour::from_unix_seconds(since * 3_600),
        region: region.map(|region| ("aws".to_owned(), region.to_owned())),
        millicores: Some(millicores),
    }
}
