//! The bundled German profile recomputed from the hours of its year.

use tanso_carbon::calendar::time_zone;
use tanso_carbon::series::Boundary;
use tanso_carbon::table::parse_hourly;
use tanso_carbon::typical_year::write_profile;
use tanso_carbon::{SeriesInfo, TypicalYear};

const DE_2024: &str = include_str!("data/de_2024.csv");
const PROFILE: &str = include_str!("../../config/regions/de_hourly_2024_profile.csv");

#[test]
fn the_german_profile_is_what_the_rule_gives_for_2024() {
    let berlin = time_zone("Europe/Berlin").unwrap();
    let typical = |boundary| {
        let info = SeriesInfo {
            boundary,
            data_year: Some(2024),
            licence: "ODbL 1.0; contains data of Electricity Maps; derived, share alike".to_owned(),
            ..SeriesInfo::average_life_cycle("DE", "Electricity Maps, typical year of 2024")
        };
        let series = parse_hourly("de_2024.csv", DE_2024, info).unwrap();
        TypicalYear::from_series(&series, berlin.clone())
    };
    let made = write_profile(
        &typical(Boundary::LifeCycle),
        &typical(Boundary::Direct),
        "Europe/Berlin",
    );
    assert!(
        made == PROFILE,
        "make it again: see carbon/examples/typical_year.rs"
    );
}

#[test]
fn germany_is_cleanest_in_the_early_afternoon() {
    let read = TypicalYear::parse("profile.csv", PROFILE, Boundary::LifeCycle).unwrap();
    let profile = read.day_profile().map(Option::unwrap);
    let cleanest = (0..24).min_by_key(|hour| profile[*hour]).unwrap();
    assert!((12..=15).contains(&cleanest), "{cleanest} h: {profile:?}");
}
