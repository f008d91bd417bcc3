//! What a stored object of the former version is read as, and how large the
//! parts get that a status has beside its workloads.

use serde_json::json;

use super::*;

/// Letters that take three bytes each, as Korean ones do.
fn letters(count: usize) -> String {
    "한".repeat(count)
}

/// Fields came in after statuses were stored: without them these are read, and
/// are written again as they were.
#[test]
fn a_status_of_the_former_version_is_read_and_stays_as_it_is() {
    let bounds = json!({"low": 1, "value": 2, "high": 3});
    let intensity = json!({
        "zone": "KR", "method": "Average", "boundary": "LifeCycle", "basis": "Location", "source": "table",
        "sources": [{"source": "table", "hours": 3}], "licence": "", "filledBy": "",
    });
    let stored = json!({
        "pue": {
            "value": "1.32", "evidence": "Certificate", "scope": "Annual", "entity": "Site",
            "source": "certificate 7", "metering": "ItEquipment",
        },
        "market": {
            "emissionsMilligrams": bounds, "matching": "Hourly", "coveredPercent": 50, "residualMix": "480",
        },
        "softwareCarbonIntensity": {
            "microgramsPerUnit": bounds, "unit": "order", "units": 5, "operationalMilligrams": bounds,
            "embodiedMilligrams": bounds, "coveragePercent": 100,
        },
        "places": [{"region": "site", "energyMicrojoules": 7, "pue": "-", "intensity": intensity}],
        "regulations": [{
            "rule": "own", "kind": "law", "verdict": "Compliant", "reason": "WithinLimit", "message": "kept",
            "unit": "", "source": "",
        }],
        "workloadsNotListed": 0,
    });
    let read: CarbonPolicyStatus = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
    let run = json!({
        "started": "2026-10-05T09:00:00Z", "advised": "2026-10-05T09:00:00Z", "best": "2026-10-05T09:00:00Z",
        "forecastIssued": "2026-10-05T08:00:00Z", "predictedMilligrams": 5, "realised": [],
    });
    let read: SettledRun = serde_json::from_value(run.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), run);
}

/// etcd takes objects of 1.5 MiB. Every place with every source, and every rule
/// with its places, in the longest texts that the schema lets in and in letters
/// of three bytes, leave half of it to the workloads.
#[test]
fn places_and_rules_of_the_longest_texts_leave_room_for_the_workloads() {
    const ETCD_BYTES: usize = 1_572_864;
    let source = UsedSource {
        source: letters(256),
        data_year: Some(2026),
        hours: i64::MAX,
        licence: letters(256),
        zone: Some(letters(32)),
        method: Some(letters(16)),
        boundary: Some(letters(16)),
    };
    let place = |sources: usize| PlaceFigures {
        region: letters(63),
        energy_microjoules: i64::MAX,
        pue: letters(128),
        pue_figure: None,
        intensity_estimated_percent: Some(100),
        intensity: IntensityProvenance {
            zone: letters(32),
            source: letters(256),
            sources: vec![source.clone(); sources],
            licence: letters(256),
            filled_by: letters(256),
            ..IntensityProvenance::default()
        },
    };
    let share = PlaceShare {
        region: letters(63),
        energy_microjoules: i64::MAX,
        zone: Some(letters(32)),
        pue: Some(letters(128)),
    };
    let rule = RegulationResult {
        rule: letters(63),
        kind: letters(63),
        verdict: Verdict::Inconclusive,
        reason: letters(63),
        message: letters(512),
        limit_milli: Some(i64::MAX),
        value_milli: None,
        unit: letters(63),
        source: letters(512),
        pue_evidence: Some(letters(63)),
        pue_source: Some(letters(256)),
        intensity_estimated_percent: Some(100),
        places: vec![share; 8],
    };
    let status = CarbonPolicyStatus {
        answer: letters(1_024),
        // Places of other zones have one source each: a list is the site's.
        places: [vec![place(16)], vec![place(1); 31]].concat(),
        regulations: vec![rule; 32],
        ..CarbonPolicyStatus::default()
    };
    let bytes = serde_json::to_vec(&status).unwrap().len();
    assert!(bytes < ETCD_BYTES / 2, "{bytes}");
}
