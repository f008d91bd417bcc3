use tanso_crds::CarbonPolicy;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_faces::view::given::Given;

use super::*;

#[test]
fn an_hour_may_be_written_without_seconds() {
    assert_eq!(
        instant("2026-06-01T05:00Z").unwrap().as_second(),
        1_780_290_000
    );
    assert!(
        instant("yesterday")
            .unwrap_err()
            .contains("accepted is one as in")
    );
}

/// `top` named the server, `report` only said that there was no answer.
#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let fault = || FactsFault::Unreachable {
        action: "listing carbonpolicies".to_owned(),
        cause: "connection refused".to_owned(),
    };
    let all = [
        ReportFault::Facts(fault()),
        ReportFault::Read(ReadFault::Facts(fault())),
    ];
    for fault in all {
        let text = at_server(fault, "https://10.0.0.9:6443").to_string();
        assert!(text.contains("https://10.0.0.9:6443"), "{text}");
    }
}

fn policies() -> Given {
    let of = |kind: &str, metadata: serde_json::Value, spec: serde_json::Value| {
        serde_json::json!({"apiVersion": "tanso.dev/v1alpha1", "kind": kind, "metadata": metadata,
            "spec": spec})
    };
    let spec = serde_json::json!({"site": {"zone": "KR"},
        "regulations": [{"rule": "kr-carbon-2050"}]});
    let own = serde_json::json!({"name": "korea", "namespace": "shop"});
    let own = of("CarbonPolicy", own, spec.clone());
    let own: CarbonPolicy = serde_json::from_value(own).unwrap();
    let wide = of(
        "ClusterCarbonPolicy",
        serde_json::json!({"name": "korea"}),
        serde_json::json!({"namespaceSelector": {}, "policy": spec}),
    );
    let wide: ClusterCarbonPolicy = serde_json::from_value(wide).unwrap();
    Given {
        policies: vec![Policy::from(own), Policy::from(wide)],
        ..Given::default()
    }
}

async fn asked(policy: Option<&str>, facts: &Given) -> Result<String, String> {
    let args = Args {
        check: None,
        policy: policy.map(str::to_owned),
        ..verifying(PathBuf::new())
    };
    let found = chosen(&args, facts, "shop").await;
    found.map(|one| one.title()).map_err(|why| why.to_string())
}

/// The first of the two was taken.
#[tokio::test]
async fn a_name_that_two_policies_share_is_refused_and_the_kind_tells_them_apart() {
    let facts = policies();
    for name in [None, Some("korea")] {
        let why = asked(name, &facts).await.unwrap_err();
        assert!(
            why.starts_with("which policy? there are CarbonPolicy shop/korea, ClusterCarbonPolicy korea; name one, as KIND/NAME"),
            "{why}"
        );
    }
    for (name, title) in [
        ("CarbonPolicy/korea", "CarbonPolicy shop/korea"),
        ("clustercarbonpolicy/korea", "ClusterCarbonPolicy korea"),
    ] {
        assert_eq!(asked(Some(name), &facts).await.unwrap(), title);
    }
    let why = asked(Some("korae"), &facts).await.unwrap_err();
    assert!(
        why.contains("no policy \"korae\"") && why.contains("CarbonPolicy shop/korea"),
        "{why}"
    );
}

/// The one that could be read was taken without a word.
#[tokio::test]
async fn a_policy_that_cannot_be_read_is_counted_among_those_that_are_meant() {
    let mut facts = policies();
    facts.policies.truncate(1);
    assert_eq!(
        asked(None, &facts).await.unwrap(),
        "CarbonPolicy shop/korea"
    );
    facts.unreadable = vec![LeftOut {
        kind: "CarbonPolicy".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "newer".to_owned(),
        field: Some("spec.intensity.source".to_owned()),
        reason: "unknown variant `Oracle`, expected `Static`".to_owned(),
    }];
    let why = asked(None, &facts).await.unwrap_err();
    assert!(
        why.contains("CarbonPolicy shop/korea, CarbonPolicy shop/newer (this version of tanso cannot read it); name one"),
        "{why}"
    );
    let found = asked(Some("korea"), &facts).await.unwrap();
    assert_eq!(found, "CarbonPolicy shop/korea");
    let why = asked(Some("newer"), &facts).await.unwrap_err();
    assert!(why.contains("spec.intensity.source"), "{why}");
    // Alone it is the one that is meant, and no report can be made of it.
    facts.policies.clear();
    let why = asked(None, &facts).await.unwrap_err();
    assert!(why.starts_with("CarbonPolicy shop/newer: "), "{why}");
}

#[test]
fn a_file_that_is_no_report_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.md");
    std::fs::write(&file, "# not a report\n").unwrap();
    let refused = check(&verifying(file), &mut Vec::new());
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("report.md\": no digest of a report in it"),
        "{text}"
    );
}

#[test]
fn a_changed_report_is_a_finding_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.md");
    let report = report::seal::seal("# A report\n\n1 kWh\n", report::seal::Comment::Html);
    let mut out = Vec::new();
    std::fs::write(&file, &report).unwrap();
    let found = check(&verifying(file.clone()), &mut out).unwrap();
    assert_eq!(found, Outcome::Fine);
    std::fs::write(&file, report.replacen("1 kWh", "2 kWh", 1)).unwrap();
    let found = check(&verifying(file), &mut out).unwrap();
    assert_eq!(found, Outcome::Failing);
    let said = String::from_utf8(out).unwrap();
    assert!(
        said.contains("report.md\": changed since it was written"),
        "{said}"
    );
}

fn verifying(file: PathBuf) -> Args {
    Args {
        check: Some(Check::Verify { file }),
        policy: None,
        namespace: None,
        format: FormatArg::Markdown,
        language: LanguageArg::En,
        period: None,
        from: None,
        until: None,
        organisation: String::new(),
        responsible: String::new(),
        cluster: None,
        units: None,
        file: None,
        energy_csv: None,
        intensity_csv: None,
        operator_namespace: String::new(),
    }
}
