//! What stands beside the location-based sum, and where energy was used.

use tanso_carbon::regions::Region;
use tanso_crds::carbon_policy::{
    AccountingSpec, ContractTable, MarketSpec, Matching, Placement, PueEvidence, QuerySpec,
    RegionSpec, ResidualMixSpec,
};
use tanso_intensity::places;
use tanso_intensity::table::Table;

use super::super::super::remembered::Known;
use super::*;
use crate::ledger::{KnownNode, known_nodes, node_places, open_file};

fn region(name: &str) -> &'static Region {
    places::regions().unwrap().get(name, Some("aws")).unwrap()
}

/// Nodes in regions of `aws`, and nothing else that is seen.
fn nodes_in<const N: usize>(places: [(&str, &str); N]) -> Observed {
    Observed {
        node_regions: places
            .map(|(node, name)| (node.to_owned(), region(name)))
            .into(),
        ..Observed::default()
    }
}

/// A third more of the policy's energy, on a second node.
fn moved() -> Snapshot {
    let mut moved = snapshot();
    moved.rows.push(HourRow {
        node: Arc::from("n2"),
        ..row(pod("a1"), 30_000_000_000, Provenance::Measured)
    });
    moved
}

/// Half of the hour's energy of the policy under a contract of no emissions.
fn contracts() -> Table {
    Table {
        file: "sun/contracts.csv".into(),
        text: "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n2026-10-05T09:00Z,sun,0.0165,0\n"
            .into(),
    }
}

#[test]
fn a_market_based_sum_stands_beside_and_changes_no_other() {
    let base = spec(IntensitySource::Static);
    let mut with_market = base.clone();
    with_market.accounting = AccountingSpec {
        market: Some(MarketSpec {
            matching: Matching::Hourly,
            contracts: Some(ContractTable::default()),
            residual_mix: ResidualMixSpec {
                grams_per_kwh: 480.0,
                reference: "made up".into(),
                data_year: Some(2025),
                boundary: Some(crd::IntensityBoundary::LifeCycle),
            },
        }),
        ..AccountingSpec::default()
    };
    let observed = Observed {
        contracts: Some(Ok(contracts())),
        ..Observed::default()
    };
    let (_, found) = evaluate_with(&with_market, &snapshot(), &observed, &Cluster);
    let (_, without) = evaluate(&base, &snapshot());
    assert_eq!(found.totals, without.totals);
    let market = found.market.unwrap();
    // 25 Wh × 1.32 = 33 Wh; the other half × 480 g/kWh.
    assert_eq!(market.emissions_milligrams.value, 7_920);
    assert_eq!(
        (market.covered_percent, market.matching.as_str()),
        (50, "Hourly")
    );
    assert!(market.residual_mix.contains("made up"), "{market:?}");
    // What it is was not told: of what kind, by which instruments, of which year.
    let kind = (&*market.method, &*market.basis, &*market.boundary);
    assert_eq!(kind, ("Average", "Market", "LifeCycle"));
    assert_eq!(market.instruments, ["sun"]);
    // The mix of 2025 prices half of 2026's energy.
    assert_eq!(
        (market.data_year, market.intensity_estimated_percent),
        (Some(2025), Some(50))
    );
    assert_eq!(without.market, None);
}

#[test]
fn a_broken_table_of_contracts_names_its_row() {
    let mut wrong = spec(IntensitySource::Static);
    wrong.accounting.market = Some(MarketSpec::default());
    let table = Table {
        text: "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n2026-10-05T09:00Z,sun,-1,0\n"
            .into(),
        ..contracts()
    };
    let observed = Observed {
        contracts: Some(Ok(table)),
        ..Observed::default()
    };
    let rules = Rules::bundled();
    let faults = validate(
        &wrong,
        &Sources {
            table: None,
            asked: &crate::intensity::Asked::default(),
            rules: &rules,
            year: 2026,
            observed: &observed,
        },
    );
    let faults = faults.err().unwrap();
    assert_eq!(faults[0].path, "spec.accounting.market.contracts");
    assert!(
        faults[0].message.contains("sun/contracts.csv row 2"),
        "{}",
        faults[0]
    );
}

#[test]
fn what_moves_between_regions_is_priced_where_it_was() {
    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = Placement::NodeRegion;
    let moved = moved();
    let observed = nodes_in([("n1", "ap-northeast-2"), ("n2", "eu-north-1")]);
    let (policy, found) = evaluate_with(&by_region, &moved, &observed, &Cluster);
    let regions: Vec<_> = found
        .places
        .iter()
        .map(|place| {
            let energy_mj = place.energy_microjoules / 1_000_000_000;
            (
                place.region.as_str(),
                place.intensity.zone.as_str(),
                energy_mj,
            )
        })
        .collect();
    assert_eq!(
        regions,
        [("ap-northeast-2", "KR", 90), ("eu-north-1", "SE", 30)]
    );
    // Of the site's zone: its figures and its certificate.
    assert!(
        found.places[0].pue.starts_with("1.32"),
        "{:?}",
        found.places
    );
    assert!(
        !found.places[1].pue.starts_with("1.32"),
        "{:?}",
        found.places
    );
    each_place_says_whose_its_pue_is(&policy, &found);
    let (_, at_site) = evaluate(&spec(IntensitySource::Static), &moved);
    assert_eq!(at_site.places, []);
    assert!(at_site.totals.emissions_milligrams.value > found.totals.emissions_milligrams.value);
    let base = evaluate(&spec(IntensitySource::Static), &snapshot()).1;
    let added = found.totals.emissions_milligrams.value - base.totals.emissions_milligrams.value;
    // 8.33 Wh in Sweden are some hundred milligrams, in Korea 4.6 g.
    assert!((1..1_000).contains(&added), "{added}");
}

/// A region whose nodes used nothing took the site's PUE out of the answer.
#[test]
fn where_nothing_was_used_is_no_place_of_use() {
    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = Placement::NodeRegion;
    let observed = nodes_in([("n2", "eu-north-1")]);
    let mut more = snapshot();
    let mut nothing = row(pod("a2"), 0, Provenance::Measured);
    nothing.node = Arc::from("n2");
    more.rows.push(nothing);
    let (policy, found) = evaluate_with(&by_region, &more, &observed, &Cluster);
    let regions: Vec<_> = found.places.iter().map(|place| &*place.region).collect();
    assert_eq!(regions, ["site"]);
    let said = answer(&policy, &found);
    assert!(said.contains("energy x PUE 1.32 x"), "{said}");
}

/// The answer named the site's PUE and source of energy that was used elsewhere.
fn each_place_says_whose_its_pue_is(policy: &ValidatedPolicy, found: &Evaluation) {
    let [here, there] = found.places.as_slice() else {
        panic!("{:?}", found.places);
    };
    let (own, other) = (
        here.pue_figure.as_ref().unwrap(),
        there.pue_figure.as_ref().unwrap(),
    );
    assert_eq!((&*own.source, own.data_year), ("certificate 7", None));
    assert!(
        !other.source.is_empty() && other.data_year.is_some(),
        "{other:?}"
    );
    // The site's is a figure of the policy, Sweden's a yearly mean of another year.
    let estimated = [here, there].map(|one| one.intensity_estimated_percent);
    assert_eq!(estimated, [Some(0), Some(100)]);
    let said = answer(policy, found);
    assert!(said.contains("energy x PUE of each place x"), "{said}");
    assert!(!said.contains("PUE: 1.32"), "{said}");
    let first = "By place: ap-northeast-2 (75 % of the energy): PUE 1.32 (from a certificate; certificate 7), KR by official factor; \
                 eu-north-1 (25 % of the energy): PUE ";
    assert!(said.contains(first), "{said}");
}

/// A year whose energy was in two countries named the place of neither.
#[test]
fn a_rule_over_a_longer_period_names_the_places_of_that_period() {
    let mut yearly = spec(IntensitySource::Static);
    yearly.site.placement = Placement::NodeRegion;
    yearly.regulations = vec![RegulationRef { rule: "own".into() }];
    let text = "id: own\ntitle: Own\njurisdiction: KR\ntimeZone: Asia/Seoul\nrules:\n  - {id: YEAR, name: A budget, \
                kind: policyTarget, authority: us, binds: Nobody, source: board, evidence: none, metric: CarbonBudget, \
                op: AtMost, limit: 1000, unit: kgCO2eq, period: Year}\n";
    let rules = Rules::default().with([("own.yaml", text)]);
    let observed = nodes_in([("n1", "ap-northeast-2"), ("n2", "eu-north-1")]);
    let policy = policy_by(&yearly, &observed, &rules);
    let mut longer = snapshot();
    // Two months ago, in Sweden: the second place's number.
    let there = policy.place_of("n2", hour());
    longer.earlier.push(EnergyRow {
        hour: hour().plus_hours(-1_440),
        place: there,
        energy: Estimate::exact(Joules::from_microjoules(270_000_000_000)),
        provenance: Provenance::Measured,
    });
    let found = judged(&policy, &longer, &Cluster);
    assert_eq!(
        found.places.len(),
        1,
        "the window's own: {:?}",
        found.places
    );
    let [rule] = found.regulations.as_slice() else {
        panic!("{:?}", found.regulations);
    };
    let places: Vec<_> = rule
        .places
        .iter()
        .map(|place| {
            let energy = place.energy_microjoules / 1_000_000_000;
            (&*place.region, place.zone.as_deref(), energy)
        })
        .collect();
    assert_eq!(
        places,
        [
            ("eu-north-1", Some("SE"), 270),
            ("ap-northeast-2", Some("KR"), 90)
        ]
    );
    assert!(rule.places[1].pue.as_ref().unwrap().starts_with("1.32"));
    // A rule over the window has them in the status.
    let (_, found) = evaluate_with(
        &CarbonPolicySpec {
            regulations: spec(IntensitySource::Static).regulations,
            ..yearly
        },
        &longer,
        &observed,
        &Cluster,
    );
    assert!(found.regulations.iter().all(|rule| rule.places.is_empty()));
}

/// Nodes in regions that the table has not were priced at the site without a word.
#[test]
fn nodes_in_unknown_regions_are_told_with_their_energy_and_what_is_accepted() {
    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = Placement::NodeRegion;
    let mut more = moved();
    let mut idle = row(pod("a2"), 0, Provenance::Measured);
    idle.node = Arc::from("n3");
    more.rows.push(idle);
    let observed = Observed {
        unplaced: [
            // Gone before the window.
            ("n4".to_owned(), "barn".to_owned()),
            ("n2".to_owned(), "cellar".to_owned()),
            ("n3".to_owned(), "attic".to_owned()),
        ]
        .into(),
        ..Observed::default()
    };
    let (policy, found) = evaluate_with(&by_region, &more, &observed, &Cluster);
    let said = found.at_site.as_ref().unwrap().in_words();
    for part in [
        "2 nodes are in a region",
        "(attic, cellar)",
        "with 25 % of the energy",
        "kubectl tanso regions",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(answer(&policy, &found).contains(&said));
    let condition = |policy: &ValidatedPolicy, found: &Evaluation| {
        let status = super::shown::written(policy, found);
        let mut all = status.conditions.into_iter();
        all.find(|one| one.type_ == "PlacesKnown")
            .map(|one| (one.status, one.reason, one.message))
    };
    let (status, reason, message) = condition(&policy, &found).unwrap();
    assert_eq!((&*status, &*reason), ("False", "UnknownRegion"));
    assert_eq!(message, said);
    // With all of them known it is true, and of no interest at one site.
    let (policy, found) = evaluate_with(&by_region, &more, &Observed::default(), &Cluster);
    assert_eq!(condition(&policy, &found).unwrap().0, "True");
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &more);
    assert_eq!(
        (found.at_site.clone(), condition(&policy, &found)),
        (None, None)
    );
}

/// The ledger kept one place a name: the past of one that came again elsewhere was priced there.
#[test]
fn a_node_whose_name_comes_again_has_its_past_where_it_was() {
    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = Placement::NodeRegion;
    let past = hour().plus_hours(-3);
    let mut both = snapshot();
    both.rows.push(HourRow {
        hour: past,
        ..row(pod("a1"), 30_000_000_000, Provenance::Measured)
    });
    let now = BTreeMap::from([("n1".to_owned(), region("ap-northeast-2"))]);
    let only_now = Observed {
        node_regions: now.clone(),
        ..Observed::default()
    };
    let (_, wrong) = evaluate_with(&by_region, &both, &only_now, &Cluster);

    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let mut keep = |name: &str, made: UtcHour, at: UtcHour| {
        let node = KnownNode {
            region: Some(("aws".to_owned(), name.to_owned())),
            made: Some(made.start()),
            ..KnownNode::default()
        };
        let nodes = BTreeMap::from([("n1".to_owned(), node)]);
        known_nodes::keep(&mut ledger, &nodes, at.start()).unwrap();
    };
    keep("eu-north-1", past.plus_hours(-9), past.plus_hours(-8));
    keep("ap-northeast-2", past.plus_hours(1), past.plus_hours(2));
    let known = Known::new(
        known_nodes::all(&ledger).unwrap(),
        node_places::all(&ledger).unwrap(),
    );
    let mut observed = Observed {
        node_regions: now,
        ..Observed::default()
    };
    known.place(&mut observed, hour());
    let (policy, found) = evaluate_with(&by_region, &both, &observed, &Cluster);
    let places: Vec<_> = found
        .places
        .iter()
        .map(|place| (&*place.region, place.energy_microjoules / 1_000_000_000))
        .collect();
    assert_eq!(places, [("eu-north-1", 30), ("ap-northeast-2", 90)]);
    // Each has its own PUE too: the site's, and Sweden's.
    let pues: Vec<_> = found.places.iter().map(|place| &*place.pue).collect();
    assert!(
        !pues[0].starts_with("1.32") && pues[1].starts_with("1.32"),
        "{pues:?}"
    );
    let grams = |found: &Evaluation| found.totals.emissions_milligrams.value;
    let base = evaluate(&spec(IntensitySource::Static), &snapshot()).1;
    // 8.33 Wh in Sweden are some hundred milligrams, in Korea 4.6 g.
    let added = grams(&found) - grams(&base);
    assert!((1..1_000).contains(&added), "{added}");
    assert!(grams(&wrong) - grams(&base) > 4_000);
    // What lies before the window is summed by the same places.
    for at in [past, past.plus_hours(1), hour()] {
        let number = if at == past { 1 } else { 2 };
        assert_eq!(policy.place_of("n1", at), number);
        assert_eq!(policy.places_of("n1").at(at), number);
    }
    assert_eq!(policy.place_of("n2", past), 0);
    // A report of it has other inputs.
    assert_ne!(found.inputs_digest, wrong.inputs_digest);
}

#[test]
fn energy_metered_at_the_facility_is_not_multiplied_again() {
    let mut at_facility = spec(IntensitySource::Static);
    at_facility.site.metering = tanso_crds::carbon_policy::MeteringPoint::Facility;
    let (policy, found) = evaluate(&at_facility, &snapshot());
    // 25 Wh × 417.3 g/kWh, and the PUE is judged all the same.
    assert_eq!(found.totals.emissions_milligrams.value, 10_433);
    assert_eq!(found.pue, Some(verdict::Verdict::Compliant));
    // The answer multiplied by it in words.
    let said = super::super::super::words::answer(&policy, &found);
    assert!(!said.contains("x PUE"), "{said}");
    let why = "PUE: 1.32 (annual PUE, from a certificate); in the metered energy already";
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_measured_pue_goes_before_the_stated_one_which_is_only_assumed() {
    let mut asked = spec(IntensitySource::Static);
    let pue = asked.site.pue.as_mut().unwrap();
    pue.evidence = PueEvidence::Certificate;
    pue.query = Some(QuerySpec {
        query: "facility:pue:year".into(),
        ..QuerySpec::default()
    });
    pue.query_period = Some("8760h".into());
    let with = |pue| Observed {
        pue: Some(pue),
        ..Observed::default()
    };
    let (policy, found) = evaluate_with(&asked, &snapshot(), &with(Ok(1.5)), &Cluster);
    assert_eq!(policy.pue.unwrap().to_string(), "1.50, measured");
    assert_eq!(found.pue, Some(verdict::Verdict::NonCompliant));
    for silent in [Err("no answer".to_owned()), Ok(0.4)] {
        let (policy, found) = evaluate_with(&asked, &snapshot(), &with(silent), &Cluster);
        assert_eq!(policy.pue.unwrap().to_string(), "1.32, only assumed");
        assert_eq!(found.pue, Some(verdict::Verdict::Unknown));
        assert!(
            policy.notes[0].starts_with("PUE 1.32 is assumed"),
            "{:?}",
            policy.notes
        );
    }
}

/// Any answer of a query was taken for a figure of a year.
#[test]
fn a_pue_of_the_moment_or_of_a_month_is_never_judged_as_a_years() {
    use verdict::Verdict::{Compliant, Unknown};

    let judged = |query: &str, period: Option<&str>| {
        let mut asked = spec(IntensitySource::Static);
        let pue = asked.site.pue.as_mut().unwrap();
        pue.query = Some(QuerySpec {
            query: query.into(),
            ..QuerySpec::default()
        });
        pue.query_period = period.map(str::to_owned);
        let observed = Observed {
            pue: Some(Ok(1.3)),
            ..Observed::default()
        };
        let (policy, found) = evaluate_with(&asked, &snapshot(), &observed, &Cluster);
        let said = super::super::super::words::answer(&policy, &found);
        (found.pue.unwrap(), said)
    };
    let (spot, said) = judged("facility_watts / it_watts", None);
    assert_eq!(spot, Unknown);
    assert!(
        said.contains("a figure of the moment, not of a year"),
        "{said}"
    );
    assert_eq!(judged("facility:pue", Some("720h")).0, Unknown);
    assert_eq!(
        judged("sum(increase(f[30d])) / sum(increase(i[30d]))", None).0,
        Unknown
    );
    // What the policy says goes before what the query shows.
    assert_eq!(judged("facility:pue:365d", Some("8760h")).0, Compliant);
    assert_eq!(
        judged("sum(increase(f[365d])) / sum(increase(i[1y]))", None).0,
        Compliant
    );
}

/// Zones of the table, with what is upstream of the plants, were added to a
/// site's figures of the stack alone, a fifth lower.
#[test]
fn regions_whose_figures_count_other_emissions_than_the_sites_have_no_price() {
    use tanso_carbon::report::Digest;
    use tanso_carbon::series::{Boundary, SeriesInfo};
    use tanso_carbon::{Intensity, StaticIntensity};

    let mut by_region = spec(IntensitySource::Static);
    by_region.site.placement = Placement::NodeRegion;
    by_region.recommendations.regions = vec![RegionSpec {
        name: "eu-north-1".into(),
        latency_ms: None,
    }];
    let moved = moved();
    let observed = nodes_in([("n2", "eu-north-1")]);
    let priced = policy(&by_region, &observed);
    assert_eq!(
        judged(&priced, &moved, &Cluster).account.unpriced,
        Joules::ZERO
    );
    // The same site by a series of direct emissions.
    let direct = tanso_intensity::Loaded {
        series: Arc::new(StaticIntensity::new(
            SeriesInfo {
                boundary: Boundary::Direct,
                ..SeriesInfo::average_life_cycle("KR", "stack")
            },
            Estimate::exact(Intensity::try_from_grams_per_kwh(350.0).unwrap()),
        )),
        filled_by: String::new(),
        digest: Digest::of_text("direct"),
        freshness: tanso_intensity::Freshness::default(),
        past: tanso_intensity::Past::default(),
    };
    let rules = Rules::bundled();
    let sources = Sources {
        table: None,
        asked: &crate::intensity::Asked::default(),
        rules: &rules,
        year: 2026,
        observed: &observed,
    };
    let mut notes = Vec::new();
    let others =
        super::super::super::validate::others(&by_region, &sources, &direct, None, &mut notes);
    let mut policy = priced;
    policy.others = others.unwrap();
    policy.intensity = direct;
    let found = judged(&policy, &moved, &Cluster);
    // 30 kJ in Sweden, by the region's PUE.
    assert!(found.account.unpriced > Joules::ZERO);
    // What is known of the rest is a lower bound, and is told as one.
    assert!(found.totals.unpriced_microjoules > 0);
    let said = super::super::super::words::answer(&policy, &found);
    assert!(said.contains("and emitted at least "), "{said}");
    let columns = super::super::super::words::summary(&policy, &found);
    assert!(columns.emissions.starts_with(">="), "{columns:?}");
    assert_eq!(found.combined.reason.as_str(), "IntensityMissing");
    assert!(notes[0].contains("eu-north-1 are not priced"), "{notes:?}");
    assert!(
        notes[0].contains("life-cycle, the site's direct"),
        "{notes:?}"
    );
    // Nor is a move there called a saving.
    let api = workload(&found, "api");
    assert!(
        api.recommendations
            .iter()
            .all(|one| one.action != "MoveRegion")
    );
    let why = api.no_advice.iter().find(|one| one.action == "MoveRegion");
    assert!(why.unwrap().message.contains("not compared"), "{why:?}");
}

#[test]
fn a_cleaner_region_is_advised_within_the_limits_and_savings_are_not_added() {
    let mut listed = spec(IntensitySource::Bundled);
    listed.recommendations.regions = ["eu-north-1", "eu-central-1"]
        .map(|name| RegionSpec {
            name: name.into(),
            latency_ms: None,
        })
        .into();
    let (_, found) = evaluate(&listed, &snapshot());
    let etl = workload(&found, "etl");
    let saving = |action: &str| {
        let one = etl.recommendations.iter().find(|one| one.action == action);
        one.unwrap().saving_milligrams_per_day.value
    };
    let (moved, shifted) = (saving("MoveRegion"), saving("ShiftInTime"));
    let together = etl.together_milligrams_per_day.unwrap();
    assert!(
        moved > shifted && together >= moved,
        "{moved} {shifted} {together}"
    );
    assert!(together < moved + shifted, "{moved} {shifted} {together}");
    let away = etl
        .recommendations
        .iter()
        .find(|one| one.action == "MoveRegion");
    assert!(away.unwrap().change.contains("in eu-north-1"), "{away:?}");

    listed.recommendations.residency = vec!["KR".into()];
    let (_, kept) = evaluate(&listed, &snapshot());
    let actions = |one: &WorkloadResult| -> Vec<String> {
        one.recommendations
            .iter()
            .map(|one| one.action.clone())
            .collect()
    };
    assert_eq!(actions(workload(&kept, "etl")), ["ShiftInTime"]);
    assert_eq!(workload(&kept, "etl").together_milligrams_per_day, None);
}

/// Two nodes, of which one could carry all.
struct Half;

impl Facts for Half {
    fn schedule(&self, _: &str, _: &str) -> Option<Schedule> {
        None
    }

    fn allocatable_millicores(&self, _: &str) -> Option<u32> {
        Some(4_000)
    }

    fn allocatable_bytes(&self, _: &str) -> Option<u64> {
        Some(64 << 30)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        ["n1", "n2"]
            .map(|name| consolidate::Node {
                name: name.into(),
                millicores: 4_000,
                memory_bytes: 1 << 30,
                idle_per_day: Joules::ZERO,
                may_go: true,
            })
            .into()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        [("a", "n1", 1_000), ("b", "n2", 500)]
            .map(|(name, node, millicores)| consolidate::Pod {
                name: format!("shop/{name}"),
                node: node.into(),
                millicores,
                memory_bytes: 1 << 20,
                is_daemon: false,
                may_move: true,
            })
            .into()
    }
}

#[test]
fn a_node_that_others_can_carry_is_named_with_its_idle_energy() {
    let mut two = snapshot();
    two.node_idle.insert(
        Arc::from("n2"),
        (Joules::from_microjoules(18_000_000_000), 30),
    );
    let (_, found) = evaluate_with(
        &spec(IntensitySource::Static),
        &two,
        &Observed::default(),
        &Half,
    );
    let advice = &found.recommendations[0];
    assert_eq!(advice.action, "Consolidate");
    assert_eq!(
        advice.change,
        "kubectl drain --ignore-daemonsets n2 and switch off"
    );
    assert!(advice.basis.contains("shop/b to n1"), "{advice:?}");
    // 10 W over a day: 0.24 kWh × 1.32 × 417.3 g/kWh.
    assert_eq!(advice.saving_milligrams_per_day.value, 132_201);
    let one = evaluate(&spec(IntensitySource::Static), &two).1;
    assert_eq!(one.recommendations, []);
}

#[test]
fn spare_replicas_rest_in_dirty_hours_if_the_policy_says_how_few() {
    let mut busy = snapshot();
    for hours_ago in 1..=23 {
        for uid in ["a1", "a2"] {
            let mut earlier = row(pod(uid), 1_000_000_000, Provenance::Measured);
            earlier.hour = hour().plus_hours(-hours_ago);
            earlier.minutes = 60;
            // 100m each: both fit into one.
            earlier.cpu_us = 360_000_000;
            busy.rows.push(earlier);
        }
    }
    let hours = (0..24).map(|ago| hour().plus_hours(-ago));
    busy.node_hours = BTreeMap::from([(Arc::from("n1"), hours.collect())]);
    let mut with_least = spec(IntensitySource::Bundled);
    let action = |spec: &CarbonPolicySpec| {
        let (_, found) = evaluate(spec, &busy);
        let all = workload(&found, "api").recommendations.clone();
        all.into_iter().find(|one| one.action == "FewerReplicas")
    };
    assert_eq!(action(&with_least), None);
    with_least.recommendations.min_replicas = Some(1);
    let advice = action(&with_least).unwrap();
    assert!(
        advice.change.contains("to 1 in the dirtiest quarter"),
        "{advice:?}"
    );
    assert!(advice.basis.contains("only if a node goes"), "{advice:?}");
    with_least.recommendations.min_replicas = Some(2);
    assert_eq!(action(&with_least), None);
}
