//! Lists: pages, filters, one workload of several policies.

use super::*;

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_repeat() {
    let facts = facts();
    let mut names = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let question = json!({"limit": 7, "cursor": cursor});
        let page = ask(&facts, "list_workloads_by_compliance", question)
            .await
            .unwrap();
        assert_eq!(page["total"], 32);
        for one in page["workloads"].as_array().unwrap() {
            names.push(format!(
                "{} {}",
                one["workload"]["kind"], one["workload"]["name"]
            ));
        }
        match page.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(names.len(), 32);
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 32, "{names:?}");
    let foreign = json!({"sort": "Name", "cursor": cursor});
    let fault = ask(&facts, "list_workloads_by_compliance", foreign)
        .await
        .unwrap_err();
    assert_eq!(fault.code(), "InvalidArgument", "a cursor of another order");
}

/// Advice in a status: what the cluster saves, and all of it.
fn advice(action: &str, cluster_mg: i64, all_mg: i64) -> Value {
    json!({
        "action": action, "confidence": "Low", "basis": "-", "change": "-", "savingMilliPercent": 1_000,
        "savingMilligramsPerDay": {"low": all_mg, "value": all_mg, "high": all_mg},
        "clusterSavingMilligramsPerDay": cluster_mg,
    })
}

/// It was told as saving, and stood before what the cluster saves.
#[tokio::test]
async fn what_only_moves_to_others_is_told_as_attributed_and_stands_after() {
    let mut facts = facts();
    let give = |one: &mut WorkloadResult, of: Value| {
        one.recommendations = vec![serde_json::from_value(of).unwrap()];
    };
    let workloads = &mut facts.policies[0].status.workloads;
    give(&mut workloads[0], advice("Rightsize", 0, 206_000));
    give(&mut workloads[1], advice("ShiftInTime", 867, 867));
    give(&mut workloads[2], advice("Rightsize", 0, 300_000));
    let question = json!({"sort": "Saving", "limit": 3});
    let page = ask(&facts, "list_workloads_by_compliance", question).await;
    let page = page.unwrap();
    let listed = page["workloads"].as_array().unwrap();
    let figures = listed.iter().map(|one| {
        let of = |field: &str| one[field].as_i64().unwrap();
        let saved = of("largestSavingMilligramsPerDay");
        (saved, of("largestAttributedMilligramsPerDay"))
    });
    assert_eq!(
        figures.collect::<Vec<_>>(),
        [(867, 0), (0, 300_000), (0, 206_000)]
    );
    let question = json!({"workload": "deployment/service-00"});
    let found = ask(&facts, "explain_verdict", question).await.unwrap();
    let text = found["text"].as_str().unwrap();
    assert!(
        text.contains("advice Rightsize: 206 g a day attributed, which others bear"),
        "{text}"
    );
}

#[tokio::test]
async fn a_filter_leaves_the_counts_of_all() {
    let question = json!({"verdicts": ["NonCompliant"], "limit": 200});
    let page = ask(&facts(), "list_workloads_by_compliance", question)
        .await
        .unwrap();
    assert_eq!(page["total"], 10);
    assert_eq!(page["counts"]["compliant"], 12);
    assert!(
        page["workloads"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["verdict"] == "NonCompliant")
    );
}

/// With two policies over the same workloads every one of them counted twice,
/// and was listed twice.
#[tokio::test]
async fn a_workload_that_two_policies_judge_is_one_workload_by_its_worst_verdict() {
    let mut facts = facts();
    let mut strict = facts.policies[0].clone();
    strict.name = "strict".to_owned();
    strict.uid = "u2".to_owned();
    let workloads = &mut strict.status.workloads;
    workloads.retain(|one| one.kind == "Deployment");
    // Compliant by the one, not by the other; and the other way round.
    workloads[0].verdict = Verdict::NonCompliant;
    workloads[1].verdict = Verdict::Compliant;
    // What has nothing to keep decides nothing.
    workloads[3].verdict = Verdict::Unknown;
    workloads[3].reason = "NoRule".to_owned();
    facts.policies.push(strict);
    let page = ask(
        &facts,
        "list_workloads_by_compliance",
        json!({"limit": 200}),
    );
    let page = page.await.unwrap();
    assert_eq!(
        (&page["total"], &page["counts"]["compliant"]),
        (&json!(32), &json!(11))
    );
    assert_eq!(page["counts"]["nonCompliant"], 11);
    assert_eq!(page["counts"]["unknown"], 0);
    let listed = page["workloads"].as_array().unwrap();
    assert_eq!(listed.len(), 32);
    let named = |name: &str| {
        let is_it = |one: &&Value| one["workload"]["name"] == name;
        listed.iter().find(is_it).unwrap()
    };
    let first = named("service-00");
    assert_eq!(
        (&first["verdict"], &first["policy"]),
        (&json!("NonCompliant"), &json!(1))
    );
    let others = json!([{"policy": 0, "verdict": "Compliant", "reason": "WithinLimit"}]);
    assert_eq!(first["alsoJudgedBy"], others);
    let second = named("service-01");
    assert_eq!(
        (&second["verdict"], &second["policy"]),
        (&json!("NonCompliant"), &json!(0))
    );
    assert_eq!(named("service-03")["verdict"], "Compliant");
    assert!(listed.iter().all(|one| one["workload"]["kind"] == "Deployment" || one.get("alsoJudgedBy").is_none()));
    // By pages it is the same.
    let mut seen = 0;
    let mut cursor = Value::Null;
    loop {
        let question = json!({"limit": 5, "cursor": cursor, "verdicts": ["NonCompliant"]});
        let page = ask(&facts, "list_workloads_by_compliance", question)
            .await
            .unwrap();
        seen += page["workloads"].as_array().unwrap().len();
        match page.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, 11);
}

/// An unknown one was an empty list: nothing breaks the rule, as it seemed.
#[tokio::test]
async fn a_standard_is_known_by_its_own_id_or_a_rules_and_others_are_named() {
    let facts = facts();
    let list = async |standard: &str| {
        let question = json!({"standard": standard});
        ask(&facts, "list_workloads_by_compliance", question).await
    };
    for known in ["kr-carbon-2050", "KR-QUOTED-424"] {
        assert_eq!(list(known).await.unwrap()["total"], 32, "{known}");
    }
    // There is such a standard, and no policy names it.
    assert_eq!(list("kr-green-datacenter").await.unwrap()["total"], 0);
    let fault = list("korea-2050").await.unwrap_err();
    assert_eq!(fault.code(), "InvalidArgument");
    let said = fault.to_string();
    for words in [
        "standard: \"korea-2050\"",
        "spec.regulations",
        "kr-carbon-2050",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let question = json!({"workload": "service-00", "standards": ["KR-QUOTED-424"]});
    let found = ask(&facts, "assess_workload_compliance", question).await;
    let rules = found.unwrap()["whatIf"]["rules"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(1), "{rules}");
}

/// A policy as a later version wrote it, beside the one that can be read.
fn with_a_newer_policy() -> Given {
    let newer = LeftOut {
        kind: "CarbonPolicy".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "newer".to_owned(),
        field: Some("spec.intensity.source".to_owned()),
        reason: "unknown variant `Oracle`, expected `Static`".to_owned(),
    };
    Given {
        unreadable: vec![newer],
        ..facts()
    }
}

/// One such policy was the fault of every list.
#[tokio::test]
async fn a_policy_that_a_later_version_wrote_is_named_beside_what_can_be_read() {
    let facts = with_a_newer_policy();
    let page = ask(&facts, "list_workloads_by_compliance", json!({})).await;
    let page = page.unwrap();
    assert_eq!(page["total"], 32);
    let expected = json!([{"kind": "CarbonPolicy", "namespace": "shop", "name": "newer",
        "field": "spec.intensity.source", "reason": "unknown variant `Oracle`, expected `Static`"}]);
    assert_eq!(page["unreadable"], expected);
    let summary = page["summary"].as_str().unwrap();
    assert!(
        summary.contains("Left out: CarbonPolicy shop/newer"),
        "{summary}"
    );
    // Who asks for another policy's is told of that alone; who cannot be
    // concerned, of nothing.
    let korea = json!({"policy": "korea"});
    let page = ask(&facts, "list_workloads_by_compliance", korea).await;
    assert_eq!(page.unwrap().get("unreadable"), None);
    let bank = json!({"namespace": "bank"});
    let page = ask(&facts, "list_workloads_by_compliance", bank).await;
    assert_eq!(page.unwrap().get("unreadable"), None);
    let question = json!({"workload": "service-00"});
    let found = ask(&facts, "assess_workload_compliance", question.clone()).await;
    assert_eq!(found.unwrap()["unreadable"], expected);
    let found = ask(&facts, "explain_verdict", question).await.unwrap();
    assert_eq!(found["unreadable"], expected);
    let text = found["text"].as_str().unwrap();
    assert!(
        text.contains("- left out: CarbonPolicy shop/newer"),
        "{text}"
    );
}

/// The workloads of the status were counted and listed as if they were all.
#[tokio::test]
async fn what_a_status_leaves_to_a_page_that_cannot_be_read_is_told_as_missing() {
    let mut facts = facts();
    facts.policies[0].status.workloads_not_listed = 218;
    facts.policies[0].status.reports = vec!["korea-1".to_owned()];
    let page = ask(&facts, "list_workloads_by_compliance", json!({})).await;
    let page = page.unwrap();
    let missing = &page["policies"][0]["missing"];
    assert_eq!(missing["workloads"], 218);
    let reason = missing["reason"].as_str().unwrap();
    assert!(reason.contains("list carbonreports"), "{reason}");
    facts.unreadable = vec![LeftOut {
        kind: "CarbonReport".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "korea-1".to_owned(),
        field: Some("spec.page".to_owned()),
        reason: "made up".to_owned(),
    }];
    let page = ask(&facts, "list_workloads_by_compliance", json!({})).await;
    let page = page.unwrap();
    assert_eq!(page["total"], 32);
    let summary = page["summary"].as_str().unwrap();
    for words in [
        " Not in it are 218 more workloads of ",
        ": CarbonReport shop/korea-1: this version of tanso cannot read it: spec.page: made up",
    ] {
        assert!(summary.contains(words), "{summary}");
    }
    // Who asks for one that may be on that page is told of it.
    let ghost = ask(&facts, "explain_verdict", json!({"workload": "ghost"})).await;
    let fault = ghost.unwrap_err();
    assert!(fault.to_string().contains("CarbonReport shop/korea-1"));
    // With the page there is nothing to say.
    facts.policies[0].status.workloads_not_listed = 0;
    let page = ask(&facts, "list_workloads_by_compliance", json!({})).await;
    assert_eq!(page.unwrap()["policies"][0].get("missing"), None);
}

/// It would have answered as what does not exist.
#[tokio::test]
async fn who_asks_for_what_cannot_be_read_is_told_why() {
    let facts = with_a_newer_policy();
    let faults = [
        ask(&facts, "explain_verdict", json!({"policy": "newer"})).await,
        ask(&facts, "explain_verdict", json!({"workload": "ghost"})).await,
        ask(&facts, "generate_report", json!({"policy": "newer"})).await,
        resources::read(&facts, "tanso://policies/shop/newer").await,
    ];
    for fault in faults {
        let fault = fault.unwrap_err();
        assert_eq!(fault.code(), "NotKnown", "{fault}");
        let text = fault.to_string();
        assert!(
            text.contains("CarbonPolicy shop/newer") && text.contains("spec.intensity.source"),
            "{text}"
        );
    }
    let all = resources::read(&facts, "tanso://policies").await.unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
    assert_eq!(all[1]["policy"]["name"], "newer");
    assert_eq!(all[1]["unreadable"]["field"], "spec.intensity.source");
}
