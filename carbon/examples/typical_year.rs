//! Makes a typical-year profile from an hourly table, as it is bundled in
//! `config/regions`:
//!
//! ```text
//! cargo run -p tanso-carbon --example typical_year -- \
//!     carbon/tests/data/kr_2024.csv KR 2024 Asia/Seoul \
//!     > config/regions/kr_hourly_2024_profile.csv
//! ```

use std::error::Error;

use tanso_carbon::series::{Boundary, SeriesInfo};
use tanso_carbon::typical_year::{TypicalYear, write_profile};
use tanso_carbon::{calendar, table};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, zone, year, time_zone] = arguments.as_slice() else {
        return Err("usage: typical_year HOURLY.csv ZONE YEAR TIME_ZONE".into());
    };
    let text = std::fs::read_to_string(file)?;
    let typical = |boundary| -> Result<TypicalYear, Box<dyn Error>> {
        // Told wherever the source is: these are no measured hours.
        let source = format!("Electricity Maps, typical year of {year}");
        let info = SeriesInfo {
            boundary,
            data_year: Some(year.parse()?),
            licence: "ODbL 1.0; contains data of Electricity Maps; derived, share alike".to_owned(),
            ..SeriesInfo::average_life_cycle(zone, &source)
        };
        let series = table::parse_hourly(file, &text, info)?;
        Ok(TypicalYear::from_series(
            &series,
            calendar::time_zone(time_zone)?,
        ))
    };
    let (life_cycle, direct) = (typical(Boundary::LifeCycle)?, typical(Boundary::Direct)?);
    print!("{}", write_profile(&life_cycle, &direct, time_zone));
    Ok(())
}
