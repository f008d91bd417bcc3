//! Cloud regions with the grid they are on, from the tables that come with
//! tanso: what the same energy emits elsewhere.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use tanso_carbon::regions::Region;
use tanso_carbon::{HourlyIntensity, UtcHour};
use tanso_intensity::bundled::Bundled;
use tanso_intensity::{IntensityProvider as _, places};

use super::layout::{self, Frame, Rows, cell};
use super::{PageFault, Web, answer};
use crate::pue;
use crate::report::document::Sheet;
use crate::report::figure as words;

pub(super) async fn page(State(web): State<Web>, frame: Frame) -> Response {
    let made = made(&web, &frame).await;
    answer(&frame, made)
}

/// A region and the mean of its grid over the last day, milligrams per kWh.
struct Priced<'a> {
    region: &'a Region,
    intensity: Option<i64>,
    source: String,
}

async fn made(web: &Web, frame: &Frame) -> Result<Markup, PageFault> {
    // The tables are no secret; who may not come in, may not ask either.
    let facts = web.doors.facts(&frame.parts).await?;
    let hour = UtcHour::containing(facts.now());
    let title = frame.pick("Regions", "리전");
    let regions = places::regions().map_err(|faults| PageFault::NotFound(faults.to_string()))?;
    let mut priced: Vec<Priced<'_>> = regions.iter().map(|region| price(region, hour)).collect();
    priced.sort_by_key(|one| (one.intensity.is_none(), one.intensity));
    let sheet = Sheet::new(
        frame.pick(
            "Cloud regions, cleanest grid first: mean of the last 24 hours by the bundled tables",
            "클라우드 리전(배출계수가 낮은 순): 내장 표에 따른 최근 24시간 평균",
        ),
        &[
            frame.pick("Region", "리전"),
            frame.pick("Grid zone", "계통 구역"),
            frame.pick("#Intensity (g/kWh)", "#배출계수 (g/kWh)"),
            "PUE",
            frame.pick("Source", "출처"),
        ],
    );
    let row = |one: &Priced<'_>| {
        let region = one.region;
        vec![
            html! { (region.provider) " " (region.region) br; small { (region.location) ", " (region.country) } },
            cell(&region.grid_zone),
            cell(one.intensity.map_or_else(String::new, words::intensity)),
            cell(
                region
                    .pue
                    .as_ref()
                    .map_or_else(String::new, |found| pue::of_region(found, frame.language)),
            ),
            cell(&one.source),
        ]
    };
    let table = Rows {
        sheet: &sheet,
        cells: priced.iter().map(row).collect(),
        sorted: Some((2, "ascending")),
    };
    let body = html! {
        p.sub { (frame.pick("What the same energy would emit elsewhere; where a workload may go is for its policy to say.", "같은 전력량의 배출량이 다른 곳에서는 어떠한지 보여 준다. 이전 가능 여부는 정책이 정한다.")) }
        (table.table())
        pre tabindex="0" { code { "kubectl tanso regions" } }
    };
    Ok(layout::page(frame, title, None, &body))
}

fn price(region: &Region, until: UtcHour) -> Priced<'_> {
    let year = jiff::tz::TimeZone::UTC.to_datetime(until.start()).year();
    let Ok(loaded) = Bundled.load(&region.grid_zone, year) else {
        return Priced {
            region,
            intensity: None,
            source: String::new(),
        };
    };
    let series: &dyn HourlyIntensity = &*loaded.series;
    let hours = (1..=24).filter_map(|back| series.at(until.plus_hours(-back)));
    let all: Vec<i64> = hours
        .map(|point| i64::from(point.intensity.value.micrograms_per_kwh()))
        .collect();
    let count = i64::try_from(all.len()).unwrap_or(0);
    Priced {
        region,
        intensity: (count > 0).then(|| (all.iter().sum::<i64>() / count + 500) / 1_000),
        source: series.info().to_string(),
    }
}
