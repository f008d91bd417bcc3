use serde_json::json;
use tanso_carbon::regulation::BUNDLED;
use tanso_carbon::{Evidence, RuleSet, Thresholds, judge};
use tanso_crds::carbon_policy::QuerySpec;

use super::*;

fn spec(value: f64, evidence: crd::PueEvidence) -> PueSpec {
    PueSpec {
        value,
        evidence,
        reference: "certificate 7".to_owned(),
        ..PueSpec::default()
    }
}

fn told(spec: &PueSpec, measured: Option<&Result<f64, String>>, metering: Metering) -> PueFigure {
    let mut notes = Vec::new();
    figure(&stated(spec, measured, &mut notes).unwrap(), metering)
}

#[test]
fn each_kind_of_evidence_is_told_with_its_source_and_what_it_is_good_for() {
    let said = |kind| {
        let found = told(&spec(1.4, kind), None, Metering::ItEquipment);
        in_words(Some(&found), Language::English)
    };
    assert_eq!(
        said(crd::PueEvidence::Certificate),
        "1.40 (annual PUE, from a certificate; certificate 7)"
    );
    assert_eq!(
        said(crd::PueEvidence::PublishedForRegion),
        "1.40 (annual PUE, published for the region; certificate 7)"
    );
    assert_eq!(
        said(crd::PueEvidence::ProviderAverage),
        "1.40 (annual PUE, only the provider's average; certificate 7; a factor only, never judged)"
    );
    assert_eq!(
        said(crd::PueEvidence::Assumed),
        "1.40 (annual PUE, only assumed; certificate 7; a factor only, never judged)"
    );
    assert!(in_words(None, Language::English).starts_with("1 (none is given"));
}

/// A certificate without its year looks like one of now.
#[test]
fn the_year_that_a_figure_describes_is_told_and_a_query_has_none() {
    let mut dated = spec(1.4, crd::PueEvidence::Certificate);
    dated.data_year = Some(2024);
    let found = told(&dated, None, Metering::ItEquipment);
    assert_eq!(found.data_year, Some(2024));
    assert_eq!(
        in_words(Some(&found), Language::English),
        "1.40 (annual PUE, from a certificate; certificate 7; data of 2024)"
    );
    let korean = in_words(Some(&found), Language::Korean);
    assert!(korean.ends_with("; 2024년 자료)"), "{korean}");
    dated.query = Some(QuerySpec {
        query: "facility_watts / it_watts".to_owned(),
        ..QuerySpec::default()
    });
    let found = told(&dated, Some(&Ok(1.3)), Metering::ItEquipment);
    assert_eq!(found.data_year, None);
    let found = told(
        &dated,
        Some(&Err("silent".to_owned())),
        Metering::ItEquipment,
    );
    assert_eq!(found.data_year, Some(2024));
}

#[test]
fn a_query_is_named_as_the_source_and_one_without_an_answer_leaves_a_guess() {
    let mut asked = spec(1.4, crd::PueEvidence::Certificate);
    asked.query = Some(QuerySpec {
        query: "facility_watts / it_watts".to_owned(),
        ..QuerySpec::default()
    });
    let found = told(&asked, Some(&Ok(1.316_667)), Metering::ItEquipment);
    assert_eq!(found.value, "1.316667");
    assert_eq!(
        in_words(Some(&found), Language::English),
        "1.317 (interim PUE (iPUE, under twelve months), measured; query: facility_watts / it_watts)"
    );
    assert_eq!(
        in_words(Some(&found), Language::Korean),
        "1.317 (12개월 미만의 PUE(iPUE), 측정값; 질의: facility_watts / it_watts)"
    );
    let mut notes = Vec::new();
    let silent = stated(&asked, Some(&Err("no answer".to_owned())), &mut notes).unwrap();
    assert_eq!(silent.to_string(), "1.40, only assumed");
    assert_eq!(notes, ["PUE 1.4 is assumed: no answer"]);
}

#[test]
fn what_is_metered_at_the_facility_is_not_multiplied_again() {
    let asked = spec(1.25, crd::PueEvidence::Measured);
    let found = told(&asked, None, Metering::Facility);
    assert_eq!(
        in_words(Some(&found), Language::English),
        "1.25 (annual PUE, measured; certificate 7; in the metered energy already, not applied again)"
    );
}

#[test]
fn a_verdict_says_who_stands_for_the_pue_in_the_same_words() {
    let rules = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let preset = rules.get("kr-green-datacenter").unwrap();
    let mut given = spec(1.32, crd::PueEvidence::Certificate);
    given.category = Some(crd::PueCategory::Pdu);
    let pue = stated(&given, None, &mut Vec::new()).unwrap();
    let evidence = Evidence {
        pue: Some(&pue),
        ..Evidence::default()
    };
    let thresholds = Thresholds {
        min_coverage_percent: 95.0,
        max_estimated_percent: 20.0,
    };
    let day = "2026-11-01".parse().unwrap();
    let judged = judge(&preset.rules[0], &evidence, thresholds, day);
    let found = figure(&pue, Metering::ItEquipment);
    let said = format!("{} is {}", who(&found, Language::English), shown(&found));
    assert!(
        judged.message.starts_with(&said),
        "{} {said}",
        judged.message
    );
}

#[test]
fn a_regions_pue_is_told_in_the_readers_language() {
    let region = FacilityPue::annual(
        Pue::try_new(1.15).unwrap(),
        PueEvidence::ProviderAverage,
        "page",
    );
    let korean = of_region(&region, Language::Korean);
    assert_eq!(korean, "1.15, 사업자 전체 평균값");
    assert_eq!(of_place(&region.to_string(), Language::Korean), korean);
    assert_eq!(of_region(&region, Language::English), region.to_string());
    assert_eq!(of_place("-", Language::Korean), "-");
}

#[test]
fn every_kind_has_korean_words() {
    let mut given = spec(1.4, crd::PueEvidence::Assumed);
    given.entity = crd::FacilityEntity::AllSites;
    for scope in [
        crd::PueScope::Annual,
        crd::PueScope::Interim,
        crd::PueScope::Partial,
        crd::PueScope::Design,
        crd::PueScope::AtQuarterLoad,
        crd::PueScope::AtFullLoad,
    ] {
        for category in [
            crd::PueCategory::Ups,
            crd::PueCategory::Pdu,
            crd::PueCategory::Device,
        ] {
            given.scope = scope;
            given.category = Some(category);
            let found = told(&given, None, Metering::Facility);
            let said = in_words(Some(&found), Language::Korean);
            assert!(!said.contains("영어"), "{said}");
            assert!(!said.contains("only assumed"), "{said}");
            assert!(said.contains("가정값"), "{said}");
        }
    }
}

#[test]
fn a_status_goes_before_the_spec_and_one_without_a_pue_has_none() {
    let spec: CarbonPolicySpec = serde_json::from_value(json!({
        "site": {"zone": "KR", "timeZone": "Asia/Seoul",
            "pue": {"value": 1.32, "evidence": "Certificate"}},
        "regulations": [{"rule": "kr-carbon-2050"}],
    }))
    .unwrap();
    let fresh = CarbonPolicyStatus::default();
    assert_eq!(of(&spec, &fresh).unwrap().value, "1.32");
    let measured = told(
        &self::spec(1.5, crd::PueEvidence::Measured),
        None,
        Metering::ItEquipment,
    );
    let judged = CarbonPolicyStatus {
        pue: Some(measured.clone()),
        ..CarbonPolicyStatus::default()
    };
    assert_eq!(of(&spec, &judged), Some(measured));
    let without = CarbonPolicyStatus {
        summary: Some(crd::status::Summary {
            pue: "-".to_owned(),
            ..crd::status::Summary::default()
        }),
        ..CarbonPolicyStatus::default()
    };
    assert_eq!(of(&spec, &without), None);
}
