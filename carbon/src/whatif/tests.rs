use std::collections::BTreeSet;

use super::*;
use crate::regulation::RuleSet;
use crate::sci::SciError;
use crate::series::{Method, SeriesInfo, StaticIntensity};
use crate::verdict::{Reason, Verdict};

static UTC: TimeZone = TimeZone::UTC;

fn grid(grams: f64) -> StaticIntensity {
    let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
    StaticIntensity::new(
        SeriesInfo::average_life_cycle("KR", "made"),
        Estimate::exact(value),
    )
}

fn grids(grid: &StaticIntensity) -> BTreeMap<String, &dyn HourlyIntensity> {
    BTreeMap::from([("KR".to_owned(), grid as &dyn HourlyIntensity)])
}

fn preset(fields: &str) -> Preset {
    let text = format!(
        "id: own\ntitle: own\njurisdiction: XX\ntimeZone: Asia/Seoul\nrules:\n  - {{id: R, name: The rule, \
         kind: policyTarget, authority: us, binds: Facility, source: board, evidence: none, {fields}}}\n"
    );
    RuleSet::parse("own.yaml", &text).unwrap()
}

/// One kilowatt in each hour of so many days from an hour on.
fn kilowatt(from: &str, days: i32) -> EnergyTable {
    let from = UtcHour::parse(from).unwrap();
    let lines = (0..days * 24).map(|hour| format!("{},shop,1,measured\n", from.plus_hours(hour)));
    let text = format!(
        "datetime_utc,workload,energy_kwh,provenance\n{}",
        lines.collect::<String>()
    );
    EnergyTable::parse("e.csv", &text).unwrap()
}

fn at_facility<'a>(
    energy: &'a EnergyTable,
    grids: &'a BTreeMap<String, &'a dyn HourlyIntensity>,
) -> Inputs<'a> {
    Inputs {
        metering: Metering::Facility,
        ..Inputs::new(energy, grids, "KR", &UTC)
    }
}

/// A day of June kept the budget of a whole year.
#[test]
fn a_rule_is_judged_over_its_own_period_and_not_over_the_hours_given() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let yearly = [preset(
        "metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, period: Year",
    )];
    let seoul = crate::calendar::time_zone("Asia/Seoul").unwrap();
    let june = Period::local_month(jiff::civil::date(2025, 6, 1), &seoul).unwrap();
    let day = kilowatt("2025-06-01T00:00Z", 1);
    let report = whatif(&Inputs {
        presets: &yearly,
        ..at_facility(&day, &grids)
    })
    .unwrap();
    let judged = &report.judgements[0];
    assert_eq!(judged.judgement.verdict, Verdict::Unknown);
    assert_eq!(judged.judgement.reason, Reason::CoverageTooLow);
    assert_eq!(judged.period.hour_count(), 8_760);
    assert!((judged.coverage_percent - 24.0 / 87.6).abs() < 1e-9);
    assert!((report.coverage_percent - 100.0).abs() < 1e-9);

    // 3.504 t in the year, whatever part of it the report is about.
    let year = kilowatt("2024-12-31T15:00Z", 365);
    let of_june = Inputs {
        presets: &yearly,
        period: Some(june),
        ..at_facility(&year, &grids)
    };
    let report = whatif(&of_june).unwrap();
    assert_eq!(
        report.totals.emissions_nanograms.value,
        720 * 400_000_000_000
    );
    let judged = &report.judgements[0].judgement;
    assert_eq!(judged.verdict, Verdict::Compliant, "{}", judged.message);
    assert!((judged.value.unwrap().value - 3.504).abs() < 1e-9);
    let window = [preset(
        "metric: CarbonBudget, op: AtMost, limit: 0.2, unit: tCO2eq, period: Window",
    )];
    let of_window = whatif(&Inputs {
        presets: &window,
        ..of_june
    })
    .unwrap();
    // 0.288 t in June.
    assert_eq!(of_window.judgements[0].period, june);
    assert_eq!(of_window.combined.verdict, Verdict::NonCompliant);
}

/// Hours before the first line were no gap where lines name nodes: half a year
/// kept the budget of a whole one.
#[test]
fn a_year_begins_at_new_year_and_not_with_the_first_line_of_a_node() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let rules = [
        preset("metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, period: Year"),
        preset("metric: Sci, op: AtMost, limit: 900, unit: gCO2eq/unit, period: Window"),
        preset("metric: GridIntensity, op: AtMost, limit: 424, unit: gCO2eq/kWh, period: Window"),
    ];
    // Two nodes from the middle of the year on.
    let from = UtcHour::parse("2025-07-02T03:00Z").unwrap();
    let lines = (0..4_380).flat_map(|hour| {
        ["n1", "n2"].map(|node| format!("{},shop,{node},1,measured\n", from.plus_hours(hour)))
    });
    let text = format!(
        "datetime_utc,workload,node,energy_kwh,provenance\n{}",
        lines.collect::<String>()
    );
    let energy = EnergyTable::parse("e.csv", &text).unwrap();
    let seoul = crate::calendar::time_zone("Asia/Seoul").unwrap();
    let report = whatif(&Inputs {
        presets: &rules,
        period: Some(Period::local_year(2025, &seoul).unwrap()),
        functional_units: Some(4_380.0),
        embodied: Some(Estimate::default()),
        ..at_facility(&energy, &grids)
    })
    .unwrap();
    let told = |index: usize| {
        let judged = &report.judgements[index];
        (judged.judgement.reason, judged.coverage_percent.round())
    };
    assert_eq!(told(0), (Reason::CoverageTooLow, 50.0));
    assert_eq!(told(1), (Reason::CoverageTooLow, 50.0));
    assert_eq!(told(2), (Reason::WithinLimit, 100.0));
    let sci = report.sci.unwrap().grams_per_unit;
    assert!((sci.value - 800.0).abs() < 1e-9 && (sci.high - 1_600.0).abs() < 1e-9);
}

/// The operator called a year that was seen up to now covered, and nobody could
/// get the same verdict from its export before the year was over.
#[test]
fn hours_to_come_are_no_gap_but_of_a_reduction_against_a_whole_year() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let rules = [
        preset("metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, period: Year"),
        preset(
            "metric: ReductionPath, op: AtLeast, limit: 10, unit: percent, period: Year, baseYear: 2018, \
             targetYear: 2030",
        ),
    ];
    // The first hundred days of a year in Seoul.
    let energy = kilowatt("2024-12-31T15:00Z", 100);
    let judged = |data_through| {
        let report = whatif(&Inputs {
            presets: &rules,
            data_through,
            base_year_grams: Some(4e6),
            ..at_facility(&energy, &grids)
        });
        let judged = report.unwrap().judgements.into_iter();
        let told = judged.map(|one| (one.judgement.verdict, one.coverage_percent.round()));
        told.collect::<Vec<_>>()
    };
    let unknown = (Verdict::Unknown, 27.0);
    assert_eq!(judged(None), [unknown, unknown]);
    let through = energy.period().until;
    assert_eq!(
        judged(Some(through)),
        [(Verdict::Compliant, 100.0), unknown]
    );
    // Ten days of silence since are ten days that are missing.
    let later = judged(Some(through.plus_hours(240)));
    assert_eq!(later, [(Verdict::Unknown, 91.0), unknown]);
}

/// Two reports with different rules, and so with different verdicts, had one
/// digest.
#[test]
fn the_digest_is_of_all_that_went_in_and_not_of_the_order_of_lines() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let text = "datetime_utc,workload,zone,pue,energy_kwh\n2026-06-01T00:00Z,a,,1.2,1\n\
        2026-06-01T01:00Z,b,KR,,2\n2026-06-01T01:00Z,c,KR,1.1,3\n";
    let table = |text: &str| EnergyTable::parse("e.csv", text).unwrap();
    let energy = table(text);
    let plain = at_facility(&energy, &grids);
    let digest = |inputs: &Inputs<'_>| whatif(inputs).unwrap().inputs_digest;
    let base = digest(&plain);
    assert_eq!(digest(&plain), base);
    let mut lines: Vec<_> = text.lines().collect();
    lines[1..].reverse();
    let turned = table(&(lines.join("\n") + "\n"));
    assert_eq!(digest(&at_facility(&turned, &grids)), base);

    let limit = |limit: &str| {
        [preset(&format!(
            "metric: EnergyBudget, op: AtMost, limit: {limit}, unit: kWh, period: Window"
        ))]
    };
    let (one, other) = (limit("10"), limit("11"));
    let seoul = crate::calendar::time_zone("Asia/Seoul").unwrap();
    let hour = Period {
        from: UtcHour::parse("2026-06-01T01:00Z").unwrap(),
        until: UtcHour::parse("2026-06-01T02:00Z").unwrap(),
    };
    let demands = Thresholds {
        min_coverage_percent: 1.0,
        ..Thresholds::default()
    };
    let residual = ResidualMix {
        intensity: Estimate::exact(Intensity::ZERO),
        source: "made".to_owned(),
        data_year: None,
    };
    let by = |matching| Market {
        contracts: &[],
        matching,
        residual: &residual,
    };
    let sci = |units| Inputs {
        functional_units: Some(units),
        embodied: Some(Estimate::default()),
        ..plain
    };
    let others = [
        digest(&Inputs {
            presets: &one,
            ..plain
        }),
        digest(&Inputs {
            presets: &other,
            ..plain
        }),
        digest(&Inputs {
            thresholds: demands,
            ..plain
        }),
        digest(&Inputs {
            period: Some(hour),
            ..plain
        }),
        digest(&Inputs {
            time_zone: &seoul,
            ..plain
        }),
        digest(&Inputs {
            metering: Metering::ItEquipment,
            ..plain
        }),
        digest(&Inputs {
            market: Some(by(Matching::Annual)),
            ..plain
        }),
        digest(&Inputs {
            market: Some(by(Matching::Hourly)),
            ..plain
        }),
        digest(&Inputs {
            base_year_grams: Some(1.0),
            ..plain
        }),
        digest(&sci(1.0)),
        digest(&sci(2.0)),
    ];
    let all: BTreeSet<_> = others.iter().chain([&base]).collect();
    assert_eq!(all.len(), others.len() + 1);
}

#[test]
fn a_software_carbon_intensity_comes_from_columns_or_from_beside_them() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let text = "datetime_utc,workload,energy_kwh,functional_units,embodied_grams\n\
        2026-06-01T00:00Z,shop,2,900,50\n2026-06-01T01:00Z,shop,1,,50\n2026-06-01T01:00Z,batch,1,100,0\n";
    let energy = EnergyTable::parse("e.csv", text).unwrap();
    let plain = at_facility(&energy, &grids);
    let report = whatif(&plain).unwrap();
    // 4 kWh and 100 g over 1,000 units.
    let per = |sci: &Option<Sci>| sci.as_ref().map(|sci| sci.grams_per_unit.value);
    assert_eq!(per(&report.sci), Some(1.7));
    let of = |name: &str| report.workloads.iter().find(|one| one.workload == name);
    assert_eq!(per(&of("batch").unwrap().sci), Some(4.0));
    let refused = |inputs: &Inputs<'_>| whatif(inputs).unwrap_err().to_string();
    let told = refused(&Inputs {
        functional_units: Some(5.0),
        ..plain
    });
    assert!(told.contains("functional units are a column"), "{told}");
    let bare = kilowatt("2026-06-01T00:00Z", 1);
    let told = refused(&Inputs {
        functional_units: Some(5.0),
        ..at_facility(&bare, &grids)
    });
    assert!(
        told.contains("embodied emissions (0 if so) are missing"),
        "{told}"
    );
}

/// One hour without intensity, and there was no report at all.
#[test]
fn a_gap_of_what_a_unit_needs_is_told_and_the_report_goes_on() {
    let series = crate::table::parse_hourly(
        "ci.csv",
        "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,400\n",
        SeriesInfo::average_life_cycle("KR", "made"),
    )
    .unwrap();
    let grids = BTreeMap::from([("KR".to_owned(), &series as &dyn HourlyIntensity)]);
    let text = "datetime_utc,workload,energy_kwh,functional_units,embodied_grams\n\
        2026-06-01T00:00Z,shop,2,1000,50\n2026-06-01T01:00Z,batch,2,10,0\n";
    let energy = EnergyTable::parse("e.csv", text).unwrap();
    let report = whatif(&at_facility(&energy, &grids)).unwrap();
    assert_eq!(report.sci, None);
    let missing = report.sci_missing.unwrap();
    assert!(
        missing.contains("50.0 % of the energy has no intensity"),
        "{missing}"
    );
    let of = |name: &str| report.workloads.iter().find(|one| one.workload == name);
    let shop = of("shop").unwrap().sci.clone().unwrap();
    assert!((shop.grams_per_unit.value - 0.85).abs() < 1e-12);
    assert_eq!(of("batch").unwrap().sci, None);

    let korea = grid(400.0);
    let grids = self::grids(&korea);
    let idle = text.replace(",1000,", ",0,").replace(",10,", ",0,");
    let energy = EnergyTable::parse("e.csv", &idle).unwrap();
    let report = whatif(&at_facility(&energy, &grids)).unwrap();
    assert_eq!(report.sci, None);
    assert!(report.sci_missing.unwrap().contains("0 functional units"));
    // A number that somebody gave is a mistake of theirs.
    let bare = kilowatt("2026-06-01T00:00Z", 1);
    let refused = whatif(&Inputs {
        functional_units: Some(0.0),
        embodied: Some(Estimate::default()),
        ..at_facility(&bare, &grids)
    });
    assert!(matches!(refused, Err(WhatifError::Sci(SciError::Units(_)))));
}

/// Energy that nobody says to be measured kept limits as if it was.
#[test]
fn energy_of_unknown_provenance_is_not_judged_and_a_part_of_it_is_said() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let rules = [preset(
        "metric: CarbonBudget, op: AtMost, limit: 4, unit: kgCO2eq, period: Window",
    )];
    let judged = |text: &str, stated: Option<Provenance>| {
        let energy = EnergyTable::parse("e.csv", text).unwrap();
        let energy = match stated {
            Some(stated) => energy.with_provenance(stated),
            None => energy,
        };
        let report = whatif(&Inputs {
            presets: &rules,
            ..at_facility(&energy, &grids)
        });
        report.unwrap().judgements.remove(0).judgement
    };
    let bare = "datetime_utc,energy_kwh\n2026-06-01T00:00Z,2\n2026-06-01T01:00Z,2\n";
    let found = judged(bare, None);
    assert_eq!(
        (found.verdict, found.reason),
        (Verdict::Unknown, Reason::ProvenanceUnknown)
    );
    let found = judged(bare, Some(Provenance::Modelled));
    assert_eq!(found.verdict, Verdict::Compliant, "{}", found.message);
    let part =
        "datetime_utc,energy_kwh,provenance\n2026-06-01T00:00Z,2,measured\n2026-06-01T01:00Z,2,\n";
    let found = judged(part, None);
    assert_eq!(found.verdict, Verdict::Compliant);
    let said = "of 50.0 % of the energy nobody says whether it was measured";
    assert!(found.message.contains(said), "{}", found.message);
    // Who says it in the table is not contradicted.
    let found = judged(part, Some(Provenance::Simulated));
    assert_eq!(found.reason, Reason::SimulatedEnergy);
}

#[test]
fn marginal_emissions_stand_beside_the_sums_and_are_of_their_own_zone() {
    let korea = grid(400.0);
    let germany = grid(300.0);
    let grids = BTreeMap::from([
        ("KR".to_owned(), &korea as &dyn HourlyIntensity),
        ("DE".to_owned(), &germany as &dyn HourlyIntensity),
    ]);
    let text = "datetime_utc,zone,energy_kwh\n2026-06-01T00:00Z,KR,2\n2026-06-01T00:00Z,DE,3\n";
    let energy = EnergyTable::parse("e.csv", text).unwrap();
    let info = SeriesInfo {
        method: Method::Marginal,
        ..SeriesInfo::average_life_cycle("KR", "made")
    };
    let value = Intensity::try_from_grams_per_kwh(700.0).unwrap();
    let marginal = StaticIntensity::new(info, Estimate::exact(value));
    let report = whatif(&Inputs {
        marginal: Some(MarginalIntensity::try_new(&marginal).unwrap()),
        ..at_facility(&energy, &grids)
    })
    .unwrap();
    let changed = report.consequence.unwrap();
    assert_eq!(changed.emissions.value.to_string(), "1.40 kg (marginal)");
    assert_eq!(
        changed.unpriced,
        Joules::from_microjoules(3 * 3_600_000_000_000)
    );
    assert_eq!(report.totals.emissions_nanograms.value, 1_700_000_000_000);
}

#[test]
fn a_node_that_went_silent_is_missing_though_others_go_on() {
    let korea = grid(400.0);
    let grids = grids(&korea);
    let line = |hour: i32, node: &str| format!("2026-06-01T{hour:02}:00Z,{node},1\n");
    // One node all day, one from noon on, one that is silent from six on.
    let lines = (0..24).map(|hour| {
        let late = if hour < 12 {
            String::new()
        } else {
            line(hour, "n2")
        };
        let silent = if hour < 6 {
            line(hour, "n3")
        } else {
            String::new()
        };
        line(hour, "n1") + &late + &silent
    });
    let text = format!(
        "datetime_utc,node,energy_kwh\n{}",
        lines.collect::<String>()
    );
    let energy = EnergyTable::parse("e.csv", &text).unwrap();
    let report = whatif(&at_facility(&energy, &grids)).unwrap();
    let expected = (24.0 + 12.0 + 6.0) / (24.0 + 12.0 + 24.0) * 100.0;
    assert!((report.coverage_percent - expected).abs() < 1e-9);
}

/// A certificate of the site's 1.2 stood for the 1.9 that a line named, and a
/// budget was judged by it.
#[test]
fn a_ratio_of_a_line_is_as_good_as_who_the_line_says_stands_for_it() {
    let text = "datetime_utc,workload,pue,pue_evidence,energy_kwh,provenance\n\
        2026-06-01T00:00Z,own,1.9,,1,measured\n2026-06-01T00:00Z,site,,,1,measured\n\
        2026-06-01T00:00Z,same,1.2,,1,measured\n2026-06-01T00:00Z,metered,1.3,Measured,1,measured\n";
    let energy = EnergyTable::parse("e.csv", text).unwrap();
    let korea = grid(400.0);
    let grids = grids(&korea);
    let pue = FacilityPue::annual(
        crate::units::Pue::try_new(1.2).unwrap(),
        crate::pue::PueEvidence::Certificate,
        "certificate 7",
    );
    let budget = [preset(
        "metric: CarbonBudget, op: AtMost, limit: 4, unit: tCO2eq, period: Window",
    )];
    let report = whatif(&Inputs {
        pue: Some(&pue),
        presets: &budget,
        ..Inputs::new(&energy, &grids, "KR", &UTC)
    })
    .unwrap();
    let told: BTreeSet<String> = report
        .facilities
        .iter()
        .filter_map(|one| {
            Some(format!(
                "{} ({})",
                one.pue.as_ref()?,
                one.pue.as_ref()?.source
            ))
        })
        .collect();
    let wanted = [
        "1.20, from a certificate (certificate 7)",
        "1.30, measured (the energy table)",
        "1.90, only assumed (the energy table)",
    ];
    assert_eq!(told, wanted.map(str::to_owned).into());
    assert_eq!(
        report.judgements[0].judgement.reason,
        Reason::PueWithoutEvidence
    );
}

/// `measured` beside a provenance of `measured` was refused for its first letter.
#[test]
fn evidence_of_a_pue_is_read_in_letters_of_either_case() {
    let read = |word: &str| {
        let text =
            format!("datetime_utc,pue,pue_evidence,energy_kwh\n2026-06-01T00:00Z,1.3,{word},1\n");
        let read = EnergyTable::parse("e.csv", &text).map_err(|faults| faults.to_string())?;
        Ok::<_, String>(read.lines()[0].pue_evidence)
    };
    let certificate = Ok(Some(crate::pue::PueEvidence::Certificate));
    for word in ["Certificate", "certificate", "CERTIFICATE"] {
        assert_eq!(read(word), certificate, "{word}");
    }
    let refused = read("rumour").unwrap_err();
    for part in ["pue_evidence", "rumour", "PublishedForRegion"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn a_market_based_sum_of_two_countries_is_refused() {
    let read = |zones: [&str; 2]| {
        let lines = zones.map(|zone| format!("2026-06-01T00:00Z,shop,{zone},1\n"));
        let text = format!("datetime_utc,workload,zone,energy_kwh\n{}", lines.concat());
        EnergyTable::parse("e.csv", &text).unwrap()
    };
    let (two, one) = (read(["KR", "DE"]), read(["JP-TK", "JP-HKD"]));
    let any = grid(400.0);
    let names = ["KR", "DE", "JP-TK", "JP-HKD"];
    let grids = names.map(|name| (name.to_owned(), &any as &dyn HourlyIntensity));
    let grids = BTreeMap::from(grids);
    let residual = ResidualMix {
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(480.0).unwrap()),
        source: "made".to_owned(),
        data_year: None,
    };
    let by = |energy: &EnergyTable| {
        whatif(&Inputs {
            market: Some(Market {
                contracts: &[],
                matching: Matching::Hourly,
                residual: &residual,
            }),
            ..Inputs::new(energy, &grids, "KR", &UTC)
        })
    };
    let refused = by(&two).unwrap_err().to_string();
    assert!(refused.contains("grid zones DE, KR"), "{refused}");
    // Zones of one country are of one market.
    let told = by(&one).unwrap();
    assert_eq!(told.residual, Some(residual.clone()));
    assert_eq!(told.market.unwrap().emissions.value.to_string(), "960 g");
}

#[test]
fn more_energy_than_a_sum_holds_is_refused_with_its_size() {
    let lines = (0..3).map(|hour| format!("2026-06-01T0{hour}:00Z,dc,2000000\n"));
    let text = format!(
        "datetime_utc,workload,energy_kwh\n{}",
        lines.collect::<String>()
    );
    let energy = EnergyTable::parse("e.csv", &text).unwrap();
    let korea = grid(400.0);
    let refused = whatif(&Inputs::new(&energy, &grids(&korea), "KR", &UTC));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("6000000 kWh of metered energy"),
        "{refused}"
    );
}

#[test]
fn a_line_that_stands_twice_is_found_though_its_pue_is_written_otherwise() {
    let text = "datetime_utc,workload,pue,energy_kwh\n2026-06-01T00:00Z,shop,1.4,2\n\
        2026-06-01T00:00Z,shop,1.40,2\n";
    let refused = EnergyTable::parse("e.csv", text).unwrap_err().to_string();
    assert!(refused.contains("e.csv row 3"), "{refused}");
    let moved = text.replace("1.40", "1.5");
    assert_eq!(
        EnergyTable::parse("e.csv", &moved).unwrap().lines().len(),
        2
    );
}
