//! Verdicts as `Reports` of `OpenReports`, which policy dashboards read.
//!
//! A `Report` stands beside each page, under its name: a result for each
//! workload, and on the first page one for each rule. Only where a policy asks
//! for it; where the kind is not installed, the policy's condition says so.
//! Kind and fields: the API reference of `openreports.io/v1alpha1`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::{Deserialize, Serialize};
use tanso_crds::CarbonReport;
use tanso_crds::carbon_policy::status::{RegulationResult, Verdict, WorkloadResult};

use super::apply::{self, Owner};
use super::words;
use crate::cluster::{Applier, ApplyFault, Class};

const GROUP: &str = "openreports.io";
const VERSION: &str = "v1alpha1";
const API_VERSION: &str = "openreports.io/v1alpha1";
const KIND: &str = "Report";
const SOURCE: &str = "tanso";
const CATEGORY: &str = "Carbon";

/// What became of a policy's wish for `Reports`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// There is no such wish.
    #[default]
    Unwished,
    /// So many are there.
    Written(usize),
    /// Their kind is not installed.
    NotInstalled,
    /// The API server refuses for want of a right; said in words.
    Forbidden(String),
    /// They could not be written this time; said in words.
    Unavailable(String),
}

/// A `Report` of `OpenReports`: what tanso writes of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    #[serde(default)]
    source: String,
    #[serde(default)]
    summary: Counts,
    #[serde(default)]
    results: Vec<ReportResult>,
}

/// How many results there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    pass: usize,
    fail: usize,
    warn: usize,
    error: usize,
    skip: usize,
}

/// A result: what was judged, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ReportResult {
    policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    category: String,
    result: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scored: Option<bool>,
    timestamp: Stamp,
    message: String,
    resources: Vec<ObjectReference>,
    properties: BTreeMap<String, String>,
}

/// The five words for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Pass,
    Fail,
    /// Not met by what does not bind, or not decided.
    Warn,
    /// Could not be judged.
    Error,
    /// Does not apply yet.
    Skip,
}

/// A time as `OpenReports` has it: seconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    seconds: i64,
    nanos: i32,
}

impl Resource for Report {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "reports".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The policy and what it found, besides its pages.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The policy itself, to which the verdict of a rule belongs.
    pub policy: &'a ObjectReference,
    /// The verdicts of its rules.
    pub regulations: &'a [RegulationResult],
}

/// The `Reports` beside pages; pure.
#[must_use]
pub fn beside(told: Told<'_>, pages: &[CarbonReport]) -> Vec<Report> {
    let reports = pages.iter().map(|page| beside_page(told, page));
    reports.collect()
}

fn beside_page(told: Told<'_>, page: &CarbonReport) -> Report {
    let at = page.spec.data_through.0;
    let rules = if page.spec.page == 1 {
        told.regulations
    } else {
        &[]
    };
    let of_rules = rules.iter().map(|rule| of_rule(told.policy, rule, at));
    let rows = page.spec.workloads.iter();
    let of_rows = rows.map(|row| of_workload(&page.spec.policy, row, at));
    let results: Vec<ReportResult> = of_rules.chain(of_rows).collect();
    Report {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: ObjectMeta {
            name: page.metadata.name.clone(),
            labels: page.metadata.labels.clone(),
            owner_references: page.metadata.owner_references.clone(),
            ..ObjectMeta::default()
        },
        source: SOURCE.to_owned(),
        summary: counts(&results),
        results,
    }
}

fn counts(results: &[ReportResult]) -> Counts {
    let of = |word: Word| results.iter().filter(|one| one.result == word).count();
    Counts {
        pass: of(Word::Pass),
        fail: of(Word::Fail),
        warn: of(Word::Warn),
        error: of(Word::Error),
        skip: of(Word::Skip),
    }
}

fn of_rule(policy: &ObjectReference, rule: &RegulationResult, at: Timestamp) -> ReportResult {
    // What nobody is bound to is not scored, and not to meet it is a warning.
    let scored = rule.kind == "law";
    let properties = [
        ("verdict", format!("{:?}", rule.verdict)),
        ("reason", rule.reason.clone()),
        ("kind", rule.kind.clone()),
        ("source", rule.source.clone()),
    ];
    ReportResult {
        policy: policy.name.clone().unwrap_or_default(),
        rule: Some(rule.rule.clone()),
        category: CATEGORY.to_owned(),
        result: word(rule.verdict, scored),
        scored: Some(scored),
        timestamp: stamp(at),
        message: rule.message.clone(),
        resources: vec![policy.clone()],
        properties: said(properties),
    }
}

fn of_workload(policy: &str, row: &WorkloadResult, at: Timestamp) -> ReportResult {
    let figures = &row.figures;
    let (energy, emissions) = (&figures.energy_microjoules, &figures.emissions_milligrams);
    let properties = [
        ("verdict", format!("{:?}", row.verdict)),
        ("reason", row.reason.clone()),
        ("energyMicrojoules", energy.value.to_string()),
        ("emissionsMilligrams", emissions.value.to_string()),
        (
            "unpricedMicrojoules",
            figures.unpriced_microjoules.to_string(),
        ),
        ("measuredPercent", figures.measured_percent.to_string()),
        ("modelledPercent", figures.modelled_percent.to_string()),
        ("simulatedPercent", figures.simulated_percent.to_string()),
        ("coveragePercent", figures.coverage_percent.to_string()),
    ];
    let at_least = if figures.unpriced_microjoules > 0 {
        "at least "
    } else {
        ""
    };
    ReportResult {
        policy: policy.to_owned(),
        rule: None,
        category: CATEGORY.to_owned(),
        result: word(row.verdict, true),
        scored: None,
        timestamp: stamp(at),
        message: format!(
            "{:?} ({}): {} of energy, {at_least}{} of CO2eq",
            row.verdict,
            row.reason,
            words::energy(energy.value),
            words::emissions(emissions.value)
        ),
        resources: vec![ObjectReference {
            api_version: api_version(&row.kind).map(str::to_owned),
            kind: Some(row.kind.clone()),
            namespace: Some(row.namespace.clone()),
            name: Some(row.name.clone()),
            ..ObjectReference::default()
        }],
        properties: said(properties),
    }
}

fn said<const N: usize>(properties: [(&str, String); N]) -> BTreeMap<String, String> {
    let pairs = properties.into_iter();
    pairs.map(|(key, value)| (key.to_owned(), value)).collect()
}

const fn word(verdict: Verdict, scored: bool) -> Word {
    match verdict {
        Verdict::Compliant => Word::Pass,
        Verdict::NonCompliant if scored => Word::Fail,
        Verdict::NonCompliant | Verdict::Inconclusive => Word::Warn,
        Verdict::Unknown => Word::Error,
        Verdict::NotYetBinding => Word::Skip,
    }
}

fn stamp(at: Timestamp) -> Stamp {
    Stamp {
        seconds: at.as_second(),
        nanos: 0,
    }
}

/// The API version of Kubernetes' own kinds; of an owner that somebody else
/// defined only the kind is known.
fn api_version(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => Some("apps/v1"),
        "Job" | "CronJob" => Some("batch/v1"),
        "Pod" | "ReplicationController" => Some("v1"),
        _ => None,
    }
}

/// Where a policy's `Reports` are, and in whose name they are written.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Writes them.
    pub applier: &'a Applier,
    /// The namespace's.
    pub api: &'a Api<Report>,
    /// The policy.
    pub owner: &'a Owner,
}

impl Place<'_> {
    /// Makes these the policy's only `Reports`; those of `known` names are taken
    /// to be there.
    ///
    /// # Errors
    /// If this process no longer holds the lease. Everything else is told by
    /// the answer: the evaluation stands without its mirror.
    pub async fn make(&self, reports: &[Report], known: &[String]) -> Result<Mirror, ApplyFault> {
        let names: Vec<String> = reports.iter().map(ResourceExt::name_any).collect();
        if !names.is_empty() && names == known {
            return Ok(Mirror::Written(names.len()));
        }
        match self.replace(reports, known, &names).await {
            Ok(()) => Ok(Mirror::Written(names.len())),
            Err(fault @ ApplyFault::NotLeader { .. }) => Err(fault),
            Err(fault) if fault.class() == Class::Absent => Ok(Mirror::NotInstalled),
            Err(fault) if fault.is_forbidden() => Ok(Mirror::Forbidden(fault.to_string())),
            Err(fault) => Ok(Mirror::Unavailable(fault.to_string())),
        }
    }

    async fn replace(
        &self,
        reports: &[Report],
        known: &[String],
        names: &[String],
    ) -> Result<(), ApplyFault> {
        apply::write(self.applier, self.api, reports, known).await?;
        apply::delete_others(self.applier, self.api, self.owner, names, known)
            .await
            .map(drop)
    }

    /// Takes back all `Reports` of the policy.
    ///
    /// # Errors
    /// As [`Place::make`].
    pub async fn take_back(&self) -> Result<Mirror, ApplyFault> {
        Ok(match self.make(&[], &[]).await? {
            Mirror::Written(_) | Mirror::NotInstalled => Mirror::Unwished,
            failed => failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use tanso_crds::CarbonReportSpec;
    use tanso_crds::carbon_policy::status::{Bounded, Figures};

    use super::*;

    fn rule(kind: &str, verdict: Verdict) -> RegulationResult {
        RegulationResult {
            rule: "kr-carbon-2050".into(),
            kind: kind.into(),
            verdict,
            reason: "AboveLimit".into(),
            message: "431 is above 424".into(),
            limit_milli: None,
            value_milli: None,
            unit: String::new(),
            source: "a clause".into(),
            pue_evidence: None,
            pue_source: None,
            intensity_estimated_percent: None,
            places: Vec::new(),
        }
    }

    fn row(kind: &str, verdict: Verdict) -> WorkloadResult {
        let value = |value| Bounded {
            low: value,
            value,
            high: value,
        };
        WorkloadResult {
            namespace: "shop".into(),
            kind: kind.into(),
            name: "api".into(),
            verdict,
            reason: "AboveLimit".into(),
            pods: 1,
            figures: Figures {
                energy_microjoules: value(6_000_000_000),
                emissions_milligrams: value(412_300),
                ..Figures::default()
            },
            together_milligrams_per_day: None,
            settled: Vec::new(),
            advice_outcomes: Vec::new(),
            recommendations: Vec::new(),
            in_parts: None,
            no_advice: Vec::new(),
        }
    }

    fn page(number: i32, workloads: Vec<WorkloadResult>) -> CarbonReport {
        CarbonReport {
            metadata: ObjectMeta {
                name: Some(format!("korea-0a1b2c3d-{number}")),
                labels: Some([("tanso.dev/policy-uid".to_owned(), "u".to_owned())].into()),
                ..ObjectMeta::default()
            },
            spec: CarbonReportSpec {
                policy: "korea".into(),
                page: number,
                pages: 2,
                data_through: Time(Timestamp::from_second(1_700_000_000).unwrap()),
                ledger_revision: 7,
                inputs_digest: "sha256:0a1b2c3d".into(),
                totals: Figures::default(),
                workloads,
            },
        }
    }

    fn policy() -> ObjectReference {
        ObjectReference {
            name: Some("korea".into()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn a_report_beside_each_page_tells_its_rows_and_the_first_the_rules() {
        let policy = policy();
        let regulations = [
            rule("law", Verdict::NonCompliant),
            rule("quotedTarget", Verdict::NonCompliant),
        ];
        let told = Told {
            policy: &policy,
            regulations: &regulations,
        };
        let pages = [
            page(1, vec![row("Deployment", Verdict::Compliant)]),
            page(2, vec![row("Rollout", Verdict::Unknown)]),
        ];
        let reports = beside(told, &pages);
        let first = serde_json::to_value(&reports[0]).unwrap();
        assert_eq!(first["apiVersion"], "openreports.io/v1alpha1");
        assert_eq!(first["metadata"]["name"], "korea-0a1b2c3d-1");
        assert_eq!(
            first["summary"],
            serde_json::json!({"pass": 1, "fail": 1, "warn": 1, "error": 0, "skip": 0})
        );
        let results = first["results"].as_array().unwrap();
        assert_eq!(
            (&results[0]["scored"], &results[0]["result"]),
            (&true.into(), &"fail".into())
        );
        assert_eq!(
            (&results[1]["scored"], &results[1]["result"]),
            (&false.into(), &"warn".into())
        );
        assert_eq!(results[2]["resources"][0]["apiVersion"], "apps/v1");
        assert_eq!(
            results[2]["message"],
            "Compliant (AboveLimit): 1.67Wh of energy, 412g of CO2eq"
        );
        assert_eq!(results[2]["timestamp"]["seconds"], 1_700_000_000);
        let second = serde_json::to_value(&reports[1]).unwrap();
        assert_eq!(second["results"].as_array().unwrap().len(), 1);
        assert_eq!(second["summary"]["error"], 1);
        let unknown = &second["results"][0]["resources"][0];
        assert_eq!(
            (&unknown["kind"], unknown.get("apiVersion")),
            (&"Rollout".into(), None)
        );
    }

    #[test]
    fn emissions_without_all_intensities_are_a_lower_bound() {
        let mut unpriced = row("Pod", Verdict::Inconclusive);
        unpriced.figures.unpriced_microjoules = 1;
        let result = of_workload("korea", &unpriced, Timestamp::UNIX_EPOCH);
        assert!(
            result.message.contains("at least 412g"),
            "{}",
            result.message
        );
        assert_eq!(result.result, Word::Warn);
    }
}
