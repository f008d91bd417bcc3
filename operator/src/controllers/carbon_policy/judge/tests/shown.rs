//! What an evaluation is told as: its digest, its pages, its status.

use super::super::super::open_reports::Mirror;
use super::*;
use tanso_crds::carbon_policy::status::CarbonPolicyStatus;

/// An evaluation that wrote no pages.
fn evaluated<'a>(policy: &'a ValidatedPolicy, evaluation: &'a Evaluation) -> Evaluated<'a> {
    Evaluated {
        policy,
        evaluation,
        data_through: Timestamp::from_second(THROUGH).unwrap(),
        revision: 41,
        with_unallocated: false,
        reports: Vec::new(),
        open_reports: Mirror::Unwished,
    }
}

/// The first status of an evaluation.
pub(super) fn written(policy: &ValidatedPolicy, evaluation: &Evaluation) -> CarbonPolicyStatus {
    let evaluated = evaluated(policy, evaluation);
    let data_through = evaluated.data_through;
    let outcome = Outcome::Evaluated(Box::new(evaluated));
    status::after(None, &outcome, Some(1), data_through)
}

#[test]
fn the_digest_follows_the_inputs_and_nothing_else() {
    let digest =
        |spec: &CarbonPolicySpec, snapshot: &Snapshot| evaluate(spec, snapshot).1.inputs_digest;
    let bundled = spec(IntensitySource::Bundled);
    let base = digest(&bundled, &snapshot());
    let mut turned = snapshot();
    turned.rows.reverse();
    turned.revision = 42;
    assert_eq!(digest(&bundled, &turned), base);
    turned.rows[0].energy.value = Joules::from_microjoules(1);
    assert_ne!(digest(&bundled, &turned), base);
    assert_ne!(digest(&spec(IntensitySource::Static), &snapshot()), base);
}

/// A long answer lost its end in silence.
#[test]
fn an_answer_that_is_cut_says_so_and_where_the_whole_is() {
    let (mut policy, found) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    assert!(!answer(&policy, &found).contains('…'));
    policy.notes = vec!["x".repeat(2_000)];
    let said = answer(&policy, &found);
    assert_eq!(said.chars().count(), 1_024);
    assert!(
        said.ends_with("… (whole: kubectl tanso explain policy)"),
        "{said}"
    );
}

#[test]
fn a_thousand_workloads_fill_pages_that_hold_each_once() {
    let mut many = snapshot();
    for n in 0..1_201_u64 {
        let uid = format!("p{n}");
        many.rows
            .push(row(pod(&uid), 1_000 + n, Provenance::Modelled));
        let (uid, names) = names(&uid, "Deployment", &format!("w{n}"));
        many.pods.insert(uid, names);
    }
    let (_, found) = evaluate(&spec(IntensitySource::Bundled), &many);
    let owner = Owner {
        name: "p".into(),
        uid: "u".into(),
        reference: OwnerReference::default(),
    };
    let pages = apply::pages(&owner, &found, Timestamp::from_second(THROUGH).unwrap(), 41);
    let sizes: Vec<_> = pages.iter().map(|page| page.spec.workloads.len()).collect();
    assert_eq!(sizes, [500, 500, 204]);
    let names: BTreeSet<_> = pages
        .iter()
        .flat_map(|p| &p.spec.workloads)
        .map(|w| &w.name)
        .collect();
    assert_eq!(names.len(), 1_204);
    let digest = &found.inputs_digest.as_str()[..8];
    assert_eq!(pages[2].metadata.name, Some(format!("p-{digest}-3")));
}

#[test]
fn an_intensity_older_than_allowed_is_not_fresh_and_says_why() {
    let (mut policy, evaluation) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    policy.intensity.freshness.is_stale = true;
    policy.intensity.freshness.notes = vec!["grid-service: last answer 7 h old".into()];
    let status = written(&policy, &evaluation);
    let fresh = status
        .conditions
        .iter()
        .find(|c| c.type_ == "IntensityFresh")
        .unwrap();
    assert_eq!(
        (fresh.status.as_str(), fresh.reason.as_str()),
        ("False", "Stale")
    );
    assert!(
        fresh.message.contains("last answer 7 h old"),
        "{}",
        fresh.message
    );
}

/// Of hours that a later provider of the list filled the first one's data year was told.
#[test]
fn each_provider_that_spoke_for_hours_is_told_with_its_own_data_year() {
    let mut listed = spec(IntensitySource::Providers);
    listed.intensity.providers = serde_json::from_value(serde_json::json!([
        {"name": "own", "kind": "Table"}, {"name": "typical", "kind": "Bundled"}
    ]))
    .unwrap();
    listed.intensity.table = Some(crd::IntensityTable {
        config_map: "own".into(),
        data_year: Some(2026),
        ..crd::IntensityTable::default()
    });
    let table = tanso_intensity::table::Table {
        file: "own/t.csv".into(),
        text: "datetime_utc,gco2eq_per_kwh\n2026-10-05T09:00Z,412.5\n".into(),
    };
    let sources = Sources {
        table: Some(Ok(table)),
        asked: &crate::intensity::Asked::default(),
        rules: &Rules::bundled(),
        year: 2026,
        observed: &Observed::default(),
    };
    let policy = validate(&listed, &sources).unwrap_or_else(|f| panic!("{f:?}"));
    let only_own = judged(&policy, &snapshot(), &Cluster);
    let told = |found: &Evaluation| -> Vec<_> {
        let each = found.sources.iter();
        each.map(|one| (one.source.clone(), one.data_year, one.hours))
            .collect()
    };
    let own = ("own/t.csv".to_owned(), Some(2026), 1);
    assert_eq!(told(&only_own), std::slice::from_ref(&own));
    let mut longer = snapshot();
    for ago in [5, 6] {
        let mut row = row(pod("a1"), 1_000_000_000, Provenance::Measured);
        row.hour = hour().plus_hours(-ago);
        longer.rows.push(row);
    }
    // What lies before the window, and only a rule's period asks for.
    longer.earlier.push(EnergyRow {
        hour: hour().plus_hours(-400),
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(7)),
        provenance: Provenance::Measured,
    });
    let found = judged(&policy, &longer, &Cluster);
    let typical = (
        "Electricity Maps, typical year of 2024".to_owned(),
        Some(2024),
        3,
    );
    assert_eq!(told(&found), [typical, own]);
    let said = answer(&policy, &found);
    let words = "Electricity Maps, typical year of 2024, data year 2024 (3 h) and own/t.csv, data year 2026 (1 h)";
    assert!(said.contains(words), "{said}");
    let status = written(&policy, &found);
    let intensity = status.intensity.unwrap();
    assert_eq!(intensity.sources, found.sources);
    // The field of before stays.
    assert_eq!(intensity.data_year, Some(2026));
}

#[test]
fn the_status_is_as_the_golden_file() {
    let (policy, evaluation) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let evaluated = Evaluated {
        with_unallocated: true,
        reports: vec!["p-12345678-1".into()],
        ..evaluated(&policy, &evaluation)
    };
    let outcome = Outcome::Evaluated(Box::new(evaluated));
    let mut status = status::after(None, &outcome, Some(3), data_through);
    let again = status::after(
        Some(&status),
        &outcome,
        Some(3),
        Timestamp::from_second(THROUGH + 999).unwrap(),
    );
    assert_eq!(
        again, status,
        "the same facts are the same status at any time"
    );
    // The digest moves with rule texts and the version.
    assert!(status.inputs_digest.take().unwrap().starts_with("sha256:"));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/carbon_policy_status.json");
    let found = serde_json::to_string_pretty(&status).unwrap() + "\n";
    if std::env::var_os("TANSO_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(
        found,
        std::fs::read_to_string(&path).unwrap(),
        "set TANSO_BLESS=1 to accept"
    );
}
