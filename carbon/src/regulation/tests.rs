use super::*;
use jiff::civil::date;

const FILES: &[(&str, &str)] = &[
    (
        "kr-carbon-2050",
        include_str!("../../../config/regulations/kr-carbon-2050.yaml"),
    ),
    (
        "kr-green-datacenter",
        include_str!("../../../config/regulations/kr-green-datacenter.yaml"),
    ),
    (
        "kr-ndc-2030",
        include_str!("../../../config/regulations/kr-ndc-2030.yaml"),
    ),
    (
        "kr-carbon-neutrality-act",
        include_str!("../../../config/regulations/kr-carbon-neutrality-act.yaml"),
    ),
    (
        "de-enefg-existing",
        include_str!("../../../config/regulations/de-enefg-existing.yaml"),
    ),
    (
        "de-enefg-draft-2026",
        include_str!("../../../config/regulations/de-enefg-draft-2026.yaml"),
    ),
];

fn set() -> RuleSet {
    RuleSet::try_from_files(FILES.iter().copied()).unwrap()
}

#[test]
fn every_file_of_the_installation_is_a_preset_named_like_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regulations");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy();
            let preset = RuleSet::parse(&name, &text).unwrap_or_else(|faults| panic!("{faults}"));
            assert_eq!(preset.id, name);
            count += 1;
        }
    }
    assert_eq!(count, BUNDLED.len());
}

#[test]
fn the_quoted_korean_targets_are_not_called_law() {
    let set = set();
    for (id, metric, limit) in [
        ("kr-carbon-2050", Metric::GridIntensity, 424.0),
        ("kr-green-datacenter", Metric::Pue, 1.4),
    ] {
        let rule = &set.get(id).unwrap().rules[0];
        assert_eq!(
            (rule.kind, rule.binds),
            (RuleKind::QuotedTarget, Binds::Nobody)
        );
        assert_eq!((rule.metric, rule.limit), (metric, Some(limit)));
        assert!(rule.note.as_ref().is_some_and(|note| note.contains("No ")));
    }
}

#[test]
fn the_rule_of_the_day_is_the_one_in_force() {
    let set = set();
    let limits = |id: &str, day| {
        let rules = set.get(id).unwrap().on(day);
        rules
            .iter()
            .map(|rule| (rule.limit, rule.standing(day)))
            .collect::<Vec<_>>()
    };
    let first = date(2027, 7, 1);
    let german = "de-enefg-existing";
    assert_eq!(
        limits(german, date(2026, 11, 21)),
        [(Some(1.5), Standing::From(first))]
    );
    assert_eq!(limits(german, first), [(Some(1.5), Standing::InForce)]);
    assert_eq!(
        limits(german, date(2030, 6, 30)),
        [(Some(1.5), Standing::InForce)]
    );
    assert_eq!(
        limits(german, date(2030, 7, 1)),
        [(Some(1.3), Standing::InForce)]
    );
    let drafts = limits("de-enefg-draft-2026", date(2031, 1, 1));
    assert!(
        drafts
            .iter()
            .all(|(_, standing)| *standing == Standing::Draft)
    );
    let act = set.get("kr-carbon-neutrality-act").unwrap();
    let ids = |day| {
        act.on(day)
            .iter()
            .map(|rule| rule.id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(date(2026, 11, 21)), ["KR-CNA-2030", "KR-CNA-2031"]);
    assert_eq!(ids(date(2027, 3, 9)).len(), 4);
}

#[test]
fn a_later_file_replaces_a_preset_of_the_same_id() {
    let mut set = set();
    let text = FILES[0].1.replace("limit: 424", "limit: 300");
    set.insert(RuleSet::parse("mine.yaml", &text).unwrap());
    assert_eq!(
        set.get("kr-carbon-2050").unwrap().rules[0].limit,
        Some(300.0)
    );
    assert_eq!(set.ids().len(), FILES.len());
}

#[test]
fn a_fault_names_file_line_and_field() {
    let text = FILES[1].1;
    let faults = |from: &str, to: &str| {
        RuleSet::parse("mine.yaml", &text.replace(from, to))
            .unwrap_err()
            .to_string()
    };
    let line = |needle: &str| 1 + text.lines().position(|line| line.contains(needle)).unwrap();
    let told = faults("limit: 1.4", "limit: 0.8");
    let expected = format!(
        "mine.yaml line {}, rules[0].limit: limit 0.8",
        line("limit: 1.4")
    );
    assert!(told.starts_with(&expected), "{told}");
    let told = faults("timeZone: Asia/Seoul", "timeZone: Asia/Soul");
    assert!(
        told.contains(&format!("line {}", line("timeZone"))) && told.contains("Soul"),
        "{told}"
    );
    let told = faults("op: AtMost", "op: Below");
    assert!(
        told.contains(&format!("line {}", line("op: AtMost"))),
        "{told}"
    );
    assert!(told.contains("Below") && told.contains("AtMost"), "{told}");
    let told = faults("    op: AtMost\n", "");
    assert!(told.contains("op"), "{told}");
    let told = faults("    op: AtMost", "    opp: AtMost\n    op: AtMost");
    assert!(told.contains("opp"), "{told}");
    let told = faults("unit: ratio", "unit: percent");
    assert!(
        told.contains("rules[0].unit") && told.contains("ratio"),
        "{told}"
    );
    assert!(RuleSet::parse("mine.yaml", "rules: [").is_err());
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let text = FILES[0]
        .1
        .replace("limit: 424", "limit: -1")
        .replace("unit: gCO2eq/kWh", "unit: t");
    let faults = RuleSet::parse("mine.yaml", &text).unwrap_err();
    assert_eq!(faults.0.len(), 2, "{faults}");
}

/// A text where a number belongs was told with its line alone: who wrote the
/// file had to guess which field was meant.
#[test]
fn a_fault_of_type_names_file_line_field_and_what_is_accepted() {
    let text = FILES[1].1;
    let line = |needle: &str| 1 + text.lines().position(|line| line.contains(needle)).unwrap();
    for (from, to, field, accepted) in [
        (
            "limit: 1.4",
            "limit: low",
            "rules[0].limit",
            "a number, such as 1.4",
        ),
        (
            "limit: 1.4",
            "limit: [1.4]",
            "rules[0].limit",
            "a number, such as 1.4",
        ),
        ("op: AtMost", "op: [AtMost]", "rules[0].op", "AtMost"),
        ("op: AtMost", "op: Below", "rules[0].op", "AtMost"),
        (
            "binds: Nobody",
            "binds: Everybody",
            "rules[0].binds",
            "Facility",
        ),
        (
            "metric: Pue",
            "metric: {a: 1}",
            "rules[0].metric",
            "GridIntensity",
        ),
        ("period: Year", "period: Decade", "rules[0].period", "Month"),
    ] {
        let faults = RuleSet::parse("mine.yaml", &text.replace(from, to)).unwrap_err();
        let [fault] = faults.0.as_slice() else {
            panic!("{faults}");
        };
        assert_eq!(
            (fault.file.as_str(), fault.field.as_str()),
            ("mine.yaml", field),
            "{fault}"
        );
        assert_eq!(fault.line, Some(line(from) as u64), "{fault}");
        assert!(fault.reason.contains(accepted), "{fault}");
    }
    let dated = text.replace("    metric: Pue", "    from: tomorrow\n    metric: Pue");
    let told = RuleSet::parse("mine.yaml", &dated).unwrap_err().to_string();
    assert!(
        told.contains("rules[0].from: ") && told.contains("a day, such as 2027-07-01"),
        "{told}"
    );
    for (from, to, field) in [
        ("    op: AtMost\n", "", "rules[0].op"),
        (
            "    op: AtMost",
            "    opp: AtMost\n    op: AtMost",
            "rules[0].opp",
        ),
        ("jurisdiction: KR\n", "", "jurisdiction"),
    ] {
        let faults = RuleSet::parse("mine.yaml", &text.replace(from, to)).unwrap_err();
        assert_eq!(faults.0[0].field, field, "{faults}");
    }
    let told = RuleSet::parse(
        "mine.yaml",
        "id: x\ntitle: t\njurisdiction: KR\ntimeZone: UTC\nrules: none\n",
    );
    let told = told.unwrap_err().to_string();
    assert!(
        told.contains("line 5, rules: ") && told.contains("a list of rules"),
        "{told}"
    );
}

#[test]
fn what_binds_a_state_cannot_be_given_a_workloads_verdict() {
    let rule = |fields: &str| {
        let text = format!(
            "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - {{id: R, name: R, authority: us, \
             source: s, evidence: e, op: AtMost, limit: 1, period: Year, {fields}}}\n"
        );
        RuleSet::parse("own.yaml", &text).map(|preset| preset.rules[0].workload_verdict)
    };
    let sum = "metric: CarbonBudget, unit: gCO2eq";
    let of = |fields: &str| rule(&format!("{sum}, {fields}"));
    assert_eq!(
        of("kind: law, binds: State").unwrap(),
        WorkloadVerdict::None
    );
    assert_eq!(
        of("kind: factor, binds: Reporters").unwrap(),
        WorkloadVerdict::Factor
    );
    assert_eq!(
        of("kind: policyTarget, binds: Nobody").unwrap(),
        WorkloadVerdict::Policy
    );
    for (fields, part) in [
        (
            "kind: law, binds: State, workloadVerdict: Policy",
            "accepted is None",
        ),
        (
            "kind: factor, binds: Reporters, workloadVerdict: Policy",
            "accepted is Factor",
        ),
        (
            "kind: law, binds: Facility, workloadVerdict: Factor",
            "None, Facility and Policy",
        ),
        (
            "kind: law, binds: Facility, workloadVerdict: Facility",
            "accepted are None and Policy",
        ),
        (
            "kind: law, binds: Facility, from: 2027-01-01, due: 2026-01-01",
            "due 2026-01-01 is before",
        ),
    ] {
        let told = of(fields).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
    }
}

/// A PUE of at least 1.4 was taken without a word, and a hall of 1.9 kept it;
/// fields that only rules of another metric have were read over.
#[test]
fn what_would_turn_a_rule_round_is_refused_with_line_and_field() {
    let refused = |fields: &str| {
        let text = format!(
            "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - id: R\n    name: The rule\n    \
             kind: policyTarget\n    authority: us\n    binds: Facility\n    source: board\n    evidence: none\n    \
             period: Year\n    {}\n",
            fields.replace(", ", "\n    ")
        );
        RuleSet::parse("own.yaml", &text).map_err(|faults| faults.to_string())
    };
    for (fields, wanted) in [
        (
            "metric: Pue, op: AtLeast, limit: 1.4, unit: ratio",
            "own.yaml line 15, rules[0].op: op AtLeast for Pue: accepted is AtMost",
        ),
        (
            "metric: Erf, op: AtMost, limit: 10, unit: percent",
            "own.yaml line 15, rules[0].op: op AtMost for Erf: accepted is AtLeast",
        ),
        (
            "metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, pueScope: AtFullLoad",
            "line 18, rules[0].pueScope: pueScope for CarbonBudget: accepted for Pue",
        ),
        (
            "metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, targetYear: 2030",
            "line 18, rules[0].targetYear: targetYear for CarbonBudget: accepted for ReductionPath",
        ),
        (
            "metric: ReductionPath, op: AtLeast, limit: 35, unit: percent, baseYear: 18, targetYear: 2030",
            "line 18, rules[0].baseYear: baseYear 18: accepted are 1950 to 2150",
        ),
        (
            "metric: Pue, op: AtMost, limit: 1.4, unit: ratio, until: 2027-01-01, due: 2028-01-01",
            "line 19, rules[0].due: due 2028-01-01 is after until 2027-01-01",
        ),
    ] {
        let told = refused(fields).unwrap_err();
        assert!(told.contains(wanted), "{told}");
    }
    refused("metric: Pue, op: AtMost, limit: 1.4, unit: ratio, pueScope: AtFullLoad").unwrap();
}

/// A rule did not say which emissions its limit means.
#[test]
fn a_boundary_is_read_of_what_has_one_and_refused_elsewhere_with_line_and_field() {
    let read = |fields: &str| {
        let text = format!(
            "id: own\ntitle: own\njurisdiction: XX\ntimeZone: UTC\nrules:\n  - id: R\n    name: The rule\n    \
             kind: policyTarget\n    authority: us\n    binds: Facility\n    source: board\n    evidence: none\n    \
             op: AtMost\n    period: Year\n    {}\n",
            fields.replace(", ", "\n    ")
        );
        let preset = RuleSet::parse("own.yaml", &text);
        preset
            .map(|mut preset| preset.rules.remove(0).boundary)
            .map_err(|faults| faults.to_string())
    };
    let intensity = "metric: GridIntensity, limit: 400, unit: gCO2eq/kWh";
    let budget = "metric: CarbonBudget, limit: 4, unit: tCO2eq";
    assert_eq!(read(intensity).unwrap(), None);
    let of = |fields: &str, boundary: &str| read(&format!("{fields}, boundary: {boundary}"));
    assert_eq!(
        of(intensity, "LifeCycle").unwrap(),
        Some(Boundary::LifeCycle)
    );
    assert_eq!(of(budget, "Direct").unwrap(), Some(Boundary::Direct));
    for (fields, boundary, wanted) in [
        (
            "metric: Pue, limit: 1.4, unit: ratio",
            "Direct",
            "own.yaml line 18, rules[0].boundary: boundary Direct for Pue: accepted for GridIntensity and CarbonBudget",
        ),
        (
            "metric: CarbonBudget, limit: 4, unit: tCO2eq, basis: Market",
            "LifeCycle",
            "line 19, rules[0].boundary: boundary LifeCycle with basis Market: accepted with basis Location",
        ),
        (intensity, "Full", "line 18, rules[0].boundary: "),
        (intensity, "Full", "LifeCycle"),
    ] {
        let told = of(fields, boundary).unwrap_err();
        assert!(told.contains(wanted), "{told}");
    }
    // The quoted number is about the life-cycle mean of the grid.
    let quoted = set().get("kr-carbon-2050").unwrap().rules[0].boundary;
    assert_eq!(quoted, Some(Boundary::LifeCycle));
}

/// `apiVersion.apiVersion`, and advice for who wrote the parser.
#[test]
fn a_manifest_and_a_field_that_stands_twice_are_named_as_a_reader_calls_them() {
    let told = |text: &str| RuleSet::parse("own.yaml", text).unwrap_err().to_string();
    let manifest = told("apiVersion: v1\nkind: ConfigMap\n");
    assert!(
        manifest.starts_with("own.yaml line 1, apiVersion: unknown field `apiVersion`"),
        "{manifest}"
    );
    let twice = told("id: own\ntitle: one\ntitle: two\n");
    assert!(
        twice.starts_with("own.yaml line 3, title: duplicate mapping key: title")
            && !twice.contains("DuplicateKeyPolicy"),
        "{twice}"
    );
}
