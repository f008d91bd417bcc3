use serde_json::{Value, json};
use tanso_crds::CarbonPolicy;

use super::*;

fn status() -> Value {
    let figures = json!({
        "energyMicrojoules": {"low": 1_300_000_000_000_i64, "value": 1_483_200_000_000_i64, "high": 1_700_000_000_000_i64},
        "emissionsMilligrams": {"low": 199_000, "value": 226_939, "high": 260_100},
        "intensityMilligramsPerKwh": 417_300,
        "cpuMilliseconds": 81_250, "modelledPercent": 100,
        "intensityEstimatedPercent": 25, "coveragePercent": 97,
    });
    json!({
        "observedGeneration": 2,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "evaluated",
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        }],
        "verdict": "NonCompliant",
        "dataThrough": "2026-11-21T10:05:00Z",
        "ledgerRevision": 812,
        "inputsDigest": "sha256:9f2c",
        "totals": figures,
        "regulations": [{
            "rule": "kr-green-datacenter", "kind": "quotedTarget", "verdict": "NonCompliant",
            "reason": "OverLimit", "message": "PUE 1.45 is above 1.40",
            "limitMilli": 1_400, "valueMilli": {"low": 1_450, "value": 1_450, "high": 1_450},
            "unit": "ratio", "source": "as quoted in talks; no statute sets it",
        }],
        "workloads": [{
            "namespace": "shop", "kind": "CronJob", "name": "etl", "verdict": "Compliant",
            "reason": "WithinLimit", "pods": 1, "figures": figures,
            "recommendations": [{
                "action": "ShiftInTime", "savingMilligramsPerDay": {"low": 10_000, "value": 18_000, "high": 24_000},
                "clusterSavingMilligramsPerDay": 18_000, "savingMilliPercent": 7_930, "confidence": "Medium",
                "basis": "hours of a typical year", "change": "spec.schedule: \"0 10 * * *\"",
            }],
        }],
        "intensity": {
            "zone": "KR", "method": "Average", "boundary": "LifeCycle",
            "source": "Electricity Maps", "dataYear": 2024, "filledBy": "same hour of the last days",
        },
    })
}

/// The first provider's year was told of all hours.
#[test]
fn each_source_of_a_list_has_its_own_year_and_hours() {
    let mut status = status();
    status["intensity"]["sources"] = json!([
        {"source": "Electricity Maps", "dataYear": 2024, "hours": 20}, {"source": "own", "hours": 4}
    ]);
    let said = text::policy(&policy_of(&status));
    let told = "Electricity Maps, data of 2024 (20 h); own (4 h)";
    assert!(said.contains(told), "{said}");
}

#[test]
fn earlier_advice_on_requests_is_told_with_what_became_of_it() {
    let mut status = status();
    status["workloads"][0]["adviceOutcomes"] = json!([{
        "resource": "cpu", "container": "main", "asked": "500m", "advised": "250m",
        "askedNow": "300m", "state": "TakenTooEarly",
        "firstTold": "2026-11-01T00:00:00Z", "lastTold": "2026-11-19T00:00:00Z",
        "takenAt": "2026-11-19T10:00:00Z",
        "predictedMilligramsPerDay": {"low": 1, "value": 2, "high": 3},
    }]);
    let policy = policy_of(&status);
    let said = text::workload(&policy, &policy.status.workloads[0]);
    let told = "Earlier advice\n  CPU (main): 500m → 250m, told 2026-11-01 – 2026-11-19: taken, too few days to compare (2026-11-19T10:00:00Z, now 300m)\n";
    assert!(said.ends_with(told), "{said}");
}

fn policy_of(status: &Value) -> Policy {
    let object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "korea", "namespace": "shop", "generation": 2},
        "spec": {
            "site": {"zone": "KR", "pue": {"value": 1.32, "evidence": "Certificate", "reference": "no. 7"}},
            "regulations": [{"rule": "kr-green-datacenter"}],
        },
        "status": status,
    });
    Policy::from(serde_json::from_value::<CarbonPolicy>(object).unwrap())
}

#[test]
fn a_policy_is_explained_by_the_formula_with_its_numbers() {
    let expected = "\
CarbonPolicy shop/korea: NonCompliant
Last 24h to 2026-11-21T10:05:00Z, evaluated every 5m
Sum
  energy       0.4120 kWh (361Wh to 472Wh, 90 %), modelled
  x PUE        1.32 (annual PUE, from a certificate; no. 7)
  x grid       417.3 g/kWh weighted by energy, zone KR, average, life-cycle: Electricity Maps, data of 2024; 25% of the energy at estimated hours (same hour of the last days)
  = emissions  227g (199g to 260g, 90 %), location-based
Evidence
  coverage     97% of the hours, 80% needed
  estimated    25% of the energy at estimated intensity, 50% accepted
  provenance   0% measured, 100% modelled, 0% simulated (simulated energy is never judged)
  ledger       up to booking 812
  inputs       sha256:9f2c
Rules
  kr-green-datacenter [quotedTarget]: NonCompliant (OverLimit)
    1.45 against 1.4 ratio
    PUE 1.45 is above 1.40
    source: as quoted in talks; no statute sets it
";
    assert_eq!(text::policy(&policy_of(&status())), expected);
}

/// Whoever may write a policy wrote colours, titles and lines of their own into
/// the terminal of whoever asks about it.
#[test]
fn texts_of_the_cluster_steer_no_terminal_and_begin_no_line() {
    let mut status = status();
    let rule = &mut status["regulations"][0];
    rule["message"] = json!("over\u{1b}]0;mine\u{7}\nkr-carbon-2050 [law]: Compliant");
    rule["source"] = json!("\u{202e}a talk");
    let mut policy = policy_of(&status);
    let pue = policy.spec.site.pue.as_mut().unwrap();
    pue.reference = "no. 7\u{1b}[2J".to_owned();
    let text = text::policy(&policy);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(
        text.contains("    over ]0;mine  kr-carbon-2050 [law]: Compliant\n"),
        "{text}"
    );
    assert!(text.contains("no. 7 [2J"), "{text}");
}

#[test]
fn the_formula_shown_gives_the_emissions_shown() {
    let policy = policy_of(&status());
    let sum = policy.status.totals.unwrap();
    let kwh = crate::figures::float(sum.energy_microjoules.value) / 3.6e12;
    let grams = kwh * 1.32 * crate::figures::float(sum.intensity_milligrams_per_kwh.unwrap()) / 1e3;
    let said = crate::figures::float(sum.emissions_milligrams.value) / 1e3;
    assert!((grams - said).abs() < 0.5, "{grams} {said}");
}

#[test]
fn a_workload_is_explained_with_its_advice() {
    let policy = policy_of(&status());
    let text = text::workload(&policy, &policy.status.workloads[0]);
    assert!(
        text.starts_with("CronJob shop/etl: Compliant (WithinLimit) by CarbonPolicy shop/korea\n"),
        "{text}"
    );
    assert!(text.contains("  CPU time     81.2 s in 1 pod\n"), "{text}");
    assert!(
        text.contains("  ShiftInTime: -18.0g/d (10.0g to 24.0g, 90 %), 7.93% of its emissions, confidence Medium\n"),
        "{text}"
    );
    let mut moves = policy.status.workloads[0].clone();
    moves.recommendations[0].cluster_saving_milligrams_per_day = 0;
    let only_moves = text::workload(&policy, &moves);
    assert!(
        only_moves.contains("  ShiftInTime: -18.0g/d attributed (10.0g to 24.0g, 90 %)"),
        "{only_moves}"
    );
    assert!(
        text.contains("    change: spec.schedule: \"0 10 * * *\"\n"),
        "{text}"
    );
}

#[test]
fn a_policy_that_nobody_visited_says_so() {
    let text = text::policy(&policy_of(&json!({})));
    assert!(text.contains("no verdict yet"), "{text}");
    assert!(
        text.contains("No figures: the operator has not visited this policy"),
        "{text}"
    );
}

#[test]
fn kinds_may_be_short_and_a_name_alone_is_refused() {
    let kind = |text: &str| split(text).map(|(kind, name)| format!("{kind} {name}"));
    assert_eq!(kind("deploy/api").unwrap(), "Deployment api");
    assert_eq!(kind("CJ/etl").unwrap(), "CronJob etl");
    assert_eq!(kind("cronjob/etl").unwrap(), "cronjob etl");
    assert_eq!(kind("Rollout/api").unwrap(), "Rollout api");
    for wrong in ["api", "/api", "deploy/", "a/b/c", ""] {
        assert_eq!(split(wrong), Err(ExplainError::NoSlash(wrong.to_owned())));
    }
}

/// Without a cluster it was told that there is none, and with one that the name
/// is no KIND/NAME.
#[test]
fn a_workload_that_is_none_is_refused_before_a_cluster_is_asked() {
    let asked = |workload: &str| {
        let (workload, namespace, output) = (workload.to_owned(), None, Output::Table);
        let what = What::Workload(WorkloadArgs {
            workload,
            namespace,
            output,
        });
        Args { what }.check()
    };
    assert_eq!(asked("deploy/api"), Ok(()));
    assert_eq!(asked("api"), Err(ExplainError::NoSlash("api".to_owned())));
}

mod against_a_cluster {
    use super::*;
    use crate::top::tests::cluster;

    async fn shown(args: Args, answers: &[(&str, Value)]) -> Result<String, Error> {
        let mut out = Vec::new();
        run(&args, &cluster(answers), &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn answers() -> Vec<(&'static str, Value)> {
        let policy = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop"},
            "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": status(),
        });
        vec![
            (
                "/apis/tanso.dev/v1alpha1/namespaces/shop/carbonpolicies",
                json!({"metadata": {}, "items": [policy]}),
            ),
            (
                "/apis/tanso.dev/v1alpha1/clustercarbonpolicies",
                json!({"metadata": {}, "items": []}),
            ),
        ]
    }

    fn workload(name: &str) -> Args {
        let (workload, namespace, output) = (name.to_owned(), None, Output::Table);
        Args {
            what: What::Workload(WorkloadArgs {
                workload,
                namespace,
                output,
            }),
        }
    }

    #[tokio::test]
    async fn a_workload_is_found_by_its_short_kind() {
        let text = shown(workload("cj/etl"), &answers()).await.unwrap();
        assert!(text.starts_with("CronJob shop/etl:"), "{text}");
        let error = shown(workload("deploy/api"), &answers())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("deploy/api in namespace \"shop\" was judged by no policy;"),
            "{error}"
        );
    }

    fn policy(name: &str) -> Args {
        let (name, namespace, output) = (name.to_owned(), None, Output::Table);
        Args {
            what: What::Policy(PolicyArgs {
                name,
                namespace,
                output,
            }),
        }
    }

    #[tokio::test]
    async fn an_unknown_policy_is_refused_with_those_there_are() {
        let error = shown(policy("korae"), &answers()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no policy \"korae\" in namespace \"shop\" nor for the cluster; there are CarbonPolicy shop/korea"
        );
    }

    /// The namespace's was taken, and nothing told of the other.
    #[tokio::test]
    async fn a_name_that_two_policies_share_is_asked_back_as_report_does() {
        let wide = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
            "metadata": {"name": "korea"},
            "spec": {"namespaceSelector": {}, "policy": {
                "site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]}},
        });
        let mut answers = answers();
        answers[1].1 = json!({"metadata": {}, "items": [wide]});
        let error = shown(policy("korea"), &answers).await.unwrap_err();
        assert!(
            error.to_string().starts_with("which policy? there are CarbonPolicy shop/korea, ClusterCarbonPolicy korea; name one, as KIND/NAME"),
            "{error}"
        );
        for title in ["CarbonPolicy shop/korea:", "ClusterCarbonPolicy korea:"] {
            let (kind, _) = title.split_once(' ').unwrap();
            let args = policy(&format!("{kind}/korea"));
            let text = shown(args, &answers).await.unwrap();
            assert!(text.starts_with(title), "{text}");
        }
    }
}
