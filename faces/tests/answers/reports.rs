//! Reports by the tool: parts, letters, other times, refusals.

use super::*;

/// The fixture with totals that are its workloads' sums.
pub(crate) fn totalled() -> Given {
    let mut facts = facts();
    let status = &mut facts.policies[0].status;
    let sum = |of: fn(&WorkloadResult) -> &Bounded| {
        let all = || status.workloads.iter().map(of);
        let (low, value, high) = (
            all().map(|one| one.low).sum::<i64>(),
            all().map(|one| one.value).sum::<i64>(),
            all().map(|one| one.high).sum::<i64>(),
        );
        json!({"low": low, "value": value, "high": high})
    };
    let totals = json!({
        "energyMicrojoules": sum(|one| &one.figures.energy_microjoules),
        "emissionsMilligrams": sum(|one| &one.figures.emissions_milligrams),
        "modelledPercent": 100, "coveragePercent": 100,
    });
    status.totals = Some(serde_json::from_value(totals).unwrap());
    facts
}

#[tokio::test]
async fn a_report_is_whole_when_its_parts_are_put_together() {
    let mut facts = totalled();
    facts.energy = None;
    for (format, language) in [
        ("Markdown", "en"),
        ("Html", "ko"),
        ("Csv", "en"),
        ("Json", "ko"),
    ] {
        let (mut text, mut part, mut parts) = (String::new(), 1, 1);
        while part <= parts {
            let question = json!({"policy": "korea", "namespace": "shop", "format": format, "language": language, "part": part});
            let found = ask(&facts, "generate_report", question).await.unwrap();
            text += found["text"].as_str().unwrap();
            parts = found["parts"].as_u64().unwrap();
            assert!(found["missing"].as_str().unwrap().contains("by the hour"));
            assert_eq!(found["digest"].as_str().unwrap().len(), 71);
            part += 1;
        }
        let verified = verify(&text).unwrap_or_else(|fault| panic!("{format}: {fault}"));
        assert_eq!(verified.checked.is_empty(), format != "Json");
        assert!(text.contains("service-29"), "{format}");
        let beyond = json!({"policy": "korea", "format": format, "part": parts + 1});
        let fault = ask(&facts, "generate_report", beyond).await.unwrap_err();
        assert_eq!(fault.code(), "InvalidArgument", "{format}");
    }
}

#[tokio::test]
async fn letters_that_nobody_sees_do_not_come_into_a_report() {
    let mut facts = totalled();
    facts.policies[0].status.answer = "over\u{202e} the\u{1b}[31m limit".to_owned();
    for format in ["Markdown", "Html", "Csv", "Json", "Yaml"] {
        let question = json!({"format": format});
        let found = ask(&facts, "generate_report", question).await.unwrap();
        let text = found["text"].as_str().unwrap();
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{format}");
    }
}

#[tokio::test]
async fn a_report_of_another_time_is_computed_anew_and_bad_times_are_refused() {
    let facts = totalled();
    let question =
        json!({"format": "Json", "from": "2026-11-21T06:00:00Z", "until": "2026-11-21T08:00:00Z"});
    let found = ask(&facts, "generate_report", question).await.unwrap();
    let text = found["text"].as_str().unwrap();
    verify(text).unwrap();
    let report: Value = serde_json::from_str(text).unwrap();
    // Two workloads of two hours each.
    let energy = &report["report"]["totals"]["energyMicrojoules"]["value"];
    assert_eq!(*energy, 4 * 900_000_000_000_i64);
    assert_eq!(found["from"], "2026-11-21T06:00Z");
    for (arguments, code) in [
        (json!({"period": "last week"}), "InvalidArgument"),
        (
            json!({"period": "2026-11", "from": NOW, "until": NOW}),
            "InvalidArgument",
        ),
        (json!({"from": NOW}), "InvalidArgument"),
        (
            json!({"from": NOW, "until": "2026-11-20T00:00:00Z"}),
            "InvalidArgument",
        ),
        (json!({"period": "2025-01-01"}), "NotKnown"),
        (json!({"policy": "ghost"}), "NotFound"),
        (json!({"period": "2026", "namespace": "shop"}), "NotKnown"),
    ] {
        let fault = ask(&facts, "generate_report", arguments.clone()).await;
        let fault = fault.err().map(|fault| fault.code());
        assert_eq!(fault, Some(code), "{arguments}");
    }
}

#[tokio::test]
async fn a_report_of_some_workloads_only_is_refused() {
    let mut facts = totalled();
    facts.policies[0].status.workloads_not_listed = 9;
    let fault = ask(&facts, "generate_report", json!({})).await.unwrap_err();
    assert_eq!(fault.code(), "NotPermitted");
    assert!(
        fault.to_string().contains("right to list carbonreports"),
        "{fault}"
    );
}

/// The only policy that could be read was taken without a word.
#[tokio::test]
async fn which_policy_is_meant_is_asked_where_another_cannot_be_read_or_has_the_name() {
    let newer = LeftOut {
        kind: "CarbonPolicy".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "newer".to_owned(),
        field: None,
        reason: "of a later version".to_owned(),
    };
    let mut facts = totalled();
    facts.unreadable = vec![newer];
    let fault = ask(&facts, "generate_report", json!({})).await.unwrap_err();
    assert_eq!(fault.code(), "InvalidArgument");
    let text = fault.to_string();
    assert!(
        text.contains(
            "CarbonPolicy shop/korea, CarbonPolicy shop/newer (this version of tanso cannot read it)"
        ),
        "{text}"
    );
    let korea = ask(&facts, "generate_report", json!({"policy": "korea"})).await;
    assert_eq!(korea.unwrap()["policy"]["name"], "korea");
    facts.unreadable.clear();
    let mut wide = facts.policies[0].clone();
    (wide.kind, wide.namespace) = (PolicyKind::ClusterCarbonPolicy, None);
    wide.uid = "wide".to_owned();
    facts.policies.push(wide);
    // Not even the namespace tells them apart: the cluster's policy is about it too.
    let both = json!({"policy": "korea", "namespace": "shop"});
    let fault = ask(&facts, "generate_report", both).await.unwrap_err();
    assert_eq!(fault.code(), "InvalidArgument");
    let text = fault.to_string();
    assert!(
        text.contains("ClusterCarbonPolicy korea") && text.contains("kind/name"),
        "{text}"
    );
    for kind in ["CarbonPolicy", "ClusterCarbonPolicy"] {
        let question = json!({"policy": format!("{kind}/korea")});
        let found = ask(&facts, "generate_report", question).await.unwrap();
        assert_eq!(found["policy"]["kind"], kind);
    }
}
