//! A report made again from what was kept of its inputs.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use super::super::super::evidence::{Given, MadeAgain, make_again, pack};
use super::*;

/// An evaluation with the bytes that are kept of it.
fn kept(spec: &CarbonPolicySpec, observed: &Observed) -> (Evaluation, Vec<u8>) {
    let policy = policy(spec, observed);
    let mut snapshot = with_memory();
    snapshot.cpu_days = idle_days(2);
    snapshot.advice = super::outcomes::followed();
    let rules = Rules::bundled();
    let named = spec.regulations.iter();
    let given = Given {
        policy: "shop/p".to_owned(),
        namespaces: None,
        spec: spec.clone(),
        table: None,
        asked: crate::intensity::Asked::default(),
        rules: named
            .map(|wanted| rules.text(&wanted.rule).unwrap().clone())
            .collect(),
        year: 2026,
        observed: observed.clone(),
    };
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let inputs = Inputs {
        policy: &policy,
        snapshot: &snapshot,
        facts: &Cluster,
        window: window(data_through, policy.window_hours),
        data_through,
        expected_nodes: &["n1".to_owned()].into(),
        idle_sharing: &BTreeMap::new(),
        is_whole: true,
    };
    let evaluation = judge(&inputs);
    let bytes = pack(&given, &inputs, &evaluation).unwrap();
    (evaluation, bytes)
}

fn differing(again: &MadeAgain) -> Vec<&str> {
    let differs = again.compared.iter().filter(|one| !one.equal);
    differs.map(|one| one.what.as_str()).collect()
}

/// The bytes with one thing changed.
fn changed(bytes: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut json = String::new();
    DeflateDecoder::new(bytes)
        .read_to_string(&mut json)
        .unwrap();
    let mut value: Value = serde_json::from_str(&json).unwrap();
    change(&mut value);
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(value.to_string().as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_report_is_made_again_bit_for_bit_from_what_was_kept() {
    let mut asked = spec(IntensitySource::Bundled);
    let pue = asked.site.pue.as_mut().unwrap();
    pue.query = Some(crd::QuerySpec::default());
    pue.query_period = Some("8760h".into());
    let observed = Observed {
        // Seventeen digits, which a parser that rounds would change.
        pue: Some(Ok(1.310_123_456_789_012_3)),
        units: Some(Err("silent".into())),
        ..Observed::default()
    };
    for (spec, observed) in [
        (spec(IntensitySource::Static), Observed::default()),
        (spec(IntensitySource::Bundled), Observed::default()),
        (asked, observed),
    ] {
        let (evaluation, bytes) = kept(&spec, &observed);
        let again = make_again(&bytes).unwrap();
        assert_eq!(differing(&again), Vec::<&str>::new());
        let owner = Owner {
            name: "p".into(),
            ..Owner::default()
        };
        let through = Timestamp::from_second(THROUGH).unwrap();
        let pages = apply::pages(&owner, &evaluation, through, 41);
        let pages: Vec<_> = pages.into_iter().map(|page| page.spec).collect();
        assert_eq!(again.pages, pages);
        assert_eq!(
            again.pages[0].inputs_digest,
            evaluation.inputs_digest.to_string()
        );
        assert!(again.pages[0].workloads.len() == 3 && bytes.len() < 16_384);
    }
}

/// Records of before the ledger knew places by the hour have none, and their digests stay.
#[test]
fn a_report_of_a_node_that_moved_is_made_again_and_one_of_before_too() {
    let regions = tanso_intensity::places::regions().unwrap();
    let region = |name: &str| regions.get(name, Some("aws")).unwrap();
    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = crd::Placement::NodeRegion;
    let stayed = Observed {
        node_regions: [("n1".to_owned(), region("eu-north-1"))].into(),
        ..Observed::default()
    };
    let moved = Observed {
        moved: [(
            "n1".to_owned(),
            vec![(hour(), Some(region("ap-northeast-2")))],
        )]
        .into(),
        ..stayed.clone()
    };
    let (there, before) = kept(&by_region, &stayed);
    let (here, bytes) = kept(&by_region, &moved);
    assert_ne!(there.inputs_digest, here.inputs_digest);
    let again = make_again(&bytes).unwrap();
    assert_eq!(differing(&again), Vec::<&str>::new());
    let later = changed(&bytes, |value| {
        value["parts"]["moved"]["n1"][0][0] = "2026-10-05T10:00Z".into();
    });
    let again = make_again(&later).unwrap();
    assert_eq!(differing(&again), ["moved", "allInputs", "pages"]);

    let before = changed(&before, |value| {
        assert!(value["parts"].get("moved").is_none());
        value["digests"].as_object_mut().unwrap().remove("moved");
    });
    let again = make_again(&before).unwrap();
    assert_eq!(differing(&again), Vec::<&str>::new());
}

#[test]
fn whatever_was_changed_behind_its_back_is_named() {
    let (_, bytes) = kept(&spec(IntensitySource::Bundled), &Observed::default());
    let after = |change: &dyn Fn(&mut Value)| {
        let again = make_again(&changed(&bytes, change)).unwrap();
        differing(&again)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let energy = after(&|value| {
        let rows = value["parts"]["energy"]["rows"].as_array_mut().unwrap();
        let of_pod = |row: &&mut Value| row[2] == "pod:a1";
        rows.iter_mut().find(of_pod).unwrap()[4]["value"] = 30_000_000_001_u64.into();
    });
    assert_eq!(energy[..2], ["energy", "allInputs"]);
    let rules = after(&|value| {
        let text = value["parts"]["rules"][0][1].as_str().unwrap();
        value["parts"]["rules"][0][1] = text.replace("424", "324").into();
    });
    assert!(rules.contains(&"rules".to_owned()) && rules.contains(&"allInputs".to_owned()));
    let pue = after(&|value| value["parts"]["spec"]["site"]["pue"]["value"] = 1.31.into());
    assert_eq!(pue, ["spec", "allInputs", "pages"]);
    let report = after(&|value| value["pagesDigest"] = "sha256:00".into());
    assert_eq!(report, ["pages"]);
    let name = after(&|value| value["parts"]["names"]["a1"]["workloadName"] = "other".into());
    assert_eq!(name, ["names", "allInputs", "pages"]);
}

#[test]
fn bytes_that_are_no_evidence_are_refused_and_never_panic() {
    let (_, bytes) = kept(&spec(IntensitySource::Static), &Observed::default());
    for broken in [
        Vec::new(),
        vec![0xff; 64],
        bytes[..bytes.len() / 2].to_vec(),
        changed(&bytes, |value| value["version"] = 9.into()),
    ] {
        let said = make_again(&broken).unwrap_err().to_string();
        assert!(said.contains("cannot be read"), "{said}");
    }
    let refused = changed(&bytes, |value| {
        value["parts"]["rules"] = Value::Array(Vec::new());
    });
    let said = make_again(&refused).unwrap_err().to_string();
    assert!(said.contains("unknown rule"), "{said}");
}
