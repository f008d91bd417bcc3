//! The same work in other regions: their grids hour by hour, their
//! facilities, and what stands against going there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::account::Metering;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::regions::Region;
use tanso_carbon::series::{HourlyIntensity, mean};
use tanso_carbon::{EnergyRow, FacilityPue};
use tanso_crds::carbon_policy::status::{Bounded, Verdict};
use tanso_intensity::places;
use tanso_power::{Estimate, Joules};

use super::assess::region_named;
use super::figures::milligrams_per_kwh;
use super::find::Found;
use super::judge::{self, Terms, judge_rows};
use super::most_used::MostUsed;
use super::profile::Basis;
use super::{AnswerFault, PolicyName, WorkloadName, note, year_of};
use crate::view::{Facts, PlaceAt, Site};
use crate::words;

mod load;
mod moves;

use load::{Load, load};
use moves::{Outcomes, outcomes};

/// Most regions of an answer.
const REGIONS_MAX: usize = 64;
/// Hours that given energy is spread over, and that means are taken of.
const DAY_H: i32 = 24;

/// What would move, and where to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The workload whose hours are priced: NAME or KIND/NAME. Give it or `energyKwh`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 317))]
    pub workload: Option<String>,
    /// Its namespace; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its kind, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// The policy to go by, where several judge the workload; default the first by name.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// Energy of the IT equipment to price instead of a workload's, kWh, spread over the last day. Default 1 without a workload.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub energy_kwh: Option<f64>,
    /// Cloud regions to compare, for example us-east-1, eu-north-1, ap-northeast-2; a provider in front (gcp:us-east1) where names are alike.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub regions: Vec<String>,
    /// All regions of this provider instead: aws, azure or gcp. Without regions and provider: those that the workload's policy lists.
    #[serde(default)]
    pub provider: Option<Provider>,
}

/// A provider of the table of regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Provider {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// Regions compared.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The answer in a few sentences.
    pub summary: String,
    /// The workload, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The policy by whose rules and limits regions are judged, if a workload was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// The energy that is priced, at the IT equipment, microjoules.
    pub energy_microjoules: Bounded,
    /// What hours it rests on.
    pub basis: Basis,
    /// Where the workload runs now, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<RegionView>,
    /// The regions, the cleanest allowed one first, those that are out of the question last.
    pub regions: Vec<RegionView>,
}

/// One region.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionView {
    /// The region; of `here` the one where most of the workload's energy was used, `site` for the policy's own.
    pub region: String,
    /// aws, azure or gcp; empty for the site.
    pub provider: String,
    /// Where it is; of `here` what of the energy was used there, where that is not all.
    pub location: String,
    /// Its grid zone.
    pub zone: String,
    /// The grid's intensity.
    pub intensity: GridView,
    /// Its facility's PUE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pue: Option<PueView>,
    /// What the energy would emit there, facility in it, milligrams of CO2eq.
    pub emissions_milligrams: Bounded,
    /// The same with the energy to carry the policy's gigabytes per day out of the present region; absent without a workload, or if the region is out of the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_transfer_milligrams: Option<Bounded>,
    /// Energy with the facility's in hours whose intensity is not known, microjoules: what it emits is not in the emissions. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced_microjoules: Option<i64>,
    /// Difference to here, milligrams of CO2eq; negative is cleaner. Absent where the intensity of some hours is not known on one side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_milligrams: Option<i64>,
    /// The verdict that the workload would have there by the policy's rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it is out of the question, by the policy's limits; absent if nothing stands against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
}

/// A grid's intensity, milligrams of CO2eq per kWh.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GridView {
    /// In the present hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now_milligrams_per_kwh: Option<i64>,
    /// Mean of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_day_milligrams_per_kwh: Option<i64>,
    /// Mean expected of the next 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_day_milligrams_per_kwh: Option<i64>,
    /// Where the present hour's figure comes from: Published, Forecast, TypicalYear, YearlyAverage, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Who publishes it, what it counts, and of which year it is.
    pub source: String,
}

/// A facility's PUE.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PueView {
    /// The ratio.
    pub value: f64,
    /// Who stands for it: Measured, Certificate, PublishedForRegion, ProviderAverage, Assumed.
    pub evidence: String,
    /// The year it describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i16>,
    /// Who says so: the certificate, page or query; empty if nobody is named.
    pub source: String,
}

/// Compares regions.
///
/// # Errors
/// If there is no such workload or region, or nothing to compare.
pub async fn regions(facts: &dyn Facts, question: &Question) -> Result<Comparison, AnswerFault> {
    let load = load(facts, question).await?;
    let wanted = wanted(question, load.found.as_ref())?;
    let year = year_of(facts.now());
    let mut placed = Vec::new();
    for region in wanted {
        // A region whose grid nobody knows cannot be compared.
        let place = match &load.site {
            Some(site) => site.region(region, year),
            None => PlaceAt::of(region, year),
        };
        if let Ok(place) = place {
            placed.push((region, place));
        }
    }
    let now = UtcHour::containing(facts.now());
    let here = load.site.as_ref().map(|site| here(&load, site, now));
    let priced = here
        .as_ref()
        .filter(|one| one.unpriced_microjoules.is_none());
    let stay = priced.map(|one| one.emissions_milligrams.value);
    let outcomes = outcomes(&load, &placed, facts.now());
    let mut regions = Vec::with_capacity(placed.len());
    for (region, place) in &placed {
        regions.push(view(&load, region, place, now, (stay, &outcomes)));
        note(facts, (regions.len(), placed.len()), (50, 95), "region");
        // Between two regions the caller is told, and may give up.
        tokio::task::yield_now().await;
    }
    regions.sort_by(|a, b| {
        (
            a.constraint.is_some(),
            a.emissions_milligrams.value,
            &a.region,
        )
            .cmp(&(
                b.constraint.is_some(),
                b.emissions_milligrams.value,
                &b.region,
            ))
    });
    let energy: Estimate<Joules> = load
        .profile
        .rows
        .iter()
        .fold(Estimate::exact(Joules::ZERO), |sum, row| sum + row.energy);
    Ok(Comparison {
        summary: of_what(question) + &summary(here.as_ref(), &regions),
        workload: load.found.as_ref().map(Found::name),
        policy: load
            .found
            .as_ref()
            .map(|found| PolicyName::of(&found.policy)),
        energy_microjoules: super::figures::bounded(energy, super::figures::microjoules),
        basis: load.profile.basis,
        here,
        regions,
    })
}

fn wanted(question: &Question, found: Option<&Found>) -> Result<Vec<&'static Region>, AnswerFault> {
    if question.regions.len() > REGIONS_MAX {
        return Err(AnswerFault::invalid(
            "regions",
            question.regions.len(),
            "up to 64 regions",
        ));
    }
    if !question.regions.is_empty() {
        return question
            .regions
            .iter()
            .map(|name| region_named(name))
            .collect();
    }
    if let Some(provider) = question.provider {
        let all = places::regions().map_err(|faults| AnswerFault::NotKnown {
            what: "the table of regions".to_owned(),
            reason: faults.to_string(),
        })?;
        let of = all.iter().filter(|one| one.provider == provider.as_str());
        return Ok(of.collect());
    }
    let listed = found.map(|found| &found.policy.spec.recommendations.regions);
    match listed {
        Some(listed) if !listed.is_empty() => {
            listed.iter().map(|one| region_named(&one.name)).collect()
        }
        _ => Err(AnswerFault::invalid(
            "regions",
            "",
            "regions such as [\"us-east-1\", \"eu-north-1\"], or a provider: aws, azure, gcp",
        )),
    }
}

fn grid(series: &dyn HourlyIntensity, now: UtcHour) -> GridView {
    let mean_of = |from: i32, until: i32| {
        let period = Period {
            from: now.plus_hours(from),
            until: now.plus_hours(until),
        };
        let points = period.hours().filter_map(|hour| series.at(hour));
        mean(points.map(|point| point.intensity.value)).map(milligrams_per_kwh)
    };
    let point = series.at(now);
    GridView {
        now_milligrams_per_kwh: point.map(|point| milligrams_per_kwh(point.intensity.value)),
        last_day_milligrams_per_kwh: mean_of(-DAY_H, 0),
        next_day_milligrams_per_kwh: mean_of(1, DAY_H + 1),
        origin: point.map(|point| format!("{:?}", point.origin)),
        source: series.info().to_string(),
    }
}

fn pue_view(pue: &FacilityPue) -> PueView {
    PueView {
        value: pue.value.value.ratio(),
        evidence: format!("{:?}", pue.evidence),
        year: pue.year,
        source: pue.source.clone(),
    }
}

fn here(load: &Load, site: &Site, now: UtcHour) -> RegionView {
    let judged = judged(load, &site.places(), false);
    let rows = load.profile.rows.iter();
    let most = MostUsed::of(rows.map(|row| (row.place, row.energy.value)));
    let other = most.and_then(|most| site.other(most.number));
    let (loaded, pue) = other.map_or((&site.intensity, &site.pue), |other| {
        (&other.intensity, &other.pue)
    });
    RegionView {
        region: other.map_or_else(|| "site".to_owned(), |other| other.region.clone()),
        provider: String::new(),
        location: most
            .filter(|most| most.percent < 100)
            .map_or_else(String::new, |most| {
                let percent = most.percent;
                format!("{percent} % of the energy; the emissions are of all places together")
            }),
        zone: other.map_or_else(|| site.zone.clone(), |_| loaded.series.info().zone.clone()),
        intensity: grid(&*loaded.series, now),
        pue: pue.as_ref().map(pue_view),
        emissions_milligrams: judged.figures.emissions_milligrams,
        unpriced_microjoules: unpriced(&judged),
        with_transfer_milligrams: None,
        difference_milligrams: None,
        verdict: load.found.is_some().then_some(judged.verdict),
        constraint: None,
    }
}

fn unpriced(judged: &judge::Judged) -> Option<i64> {
    Some(judged.figures.unpriced_microjoules).filter(|energy| *energy > 0)
}

fn judged(load: &Load, places: &[tanso_carbon::Place<'_>], is_elsewhere: bool) -> judge::Judged {
    let place = |row: &EnergyRow| if is_elsewhere { 0 } else { row.place };
    let rows = load.profile.rows.iter();
    let rows: Vec<_> = rows
        .map(|row| EnergyRow {
            place: place(row),
            ..*row
        })
        .collect();
    let through = load
        .found
        .as_ref()
        .and_then(|found| found.policy.status.data_through.as_ref());
    judge_rows(
        &rows,
        &Terms {
            places,
            coverage: load.profile.coverage,
            cpu_ms: load.profile.cpu_ms,
            presets: &load.presets,
            thresholds: load.thresholds,
            through: through.map(|time| time.0).unwrap_or_default(),
        },
    )
}

fn view(
    load: &Load,
    region: &Region,
    place: &PlaceAt,
    now: UtcHour,
    (stay, outcomes): (Option<i64>, &Outcomes),
) -> RegionView {
    let metering = load
        .site
        .as_ref()
        .map_or(Metering::ItEquipment, |site| site.metering);
    let judged = judged(load, &[place.place(metering)], true);
    let emissions = judged.figures.emissions_milligrams;
    let outcome = outcomes.get(&region.region);
    let without = unpriced(&judged);
    // A sum of some of the hours would look clean.
    let unknown = without.map(|_| "the intensity of some of the hours is not known".to_owned());
    RegionView {
        region: region.region.clone(),
        provider: region.provider.clone(),
        location: region.location.clone(),
        zone: region.grid_zone.clone(),
        intensity: grid(&*place.intensity.series, now),
        pue: place.pue.as_ref().map(pue_view),
        with_transfer_milligrams: outcome.and_then(|one| one.as_ref().ok().copied()),
        difference_milligrams: stay
            .filter(|_| without.is_none())
            .map(|stay| emissions.value.saturating_sub(stay)),
        verdict: load.found.is_some().then_some(judged.verdict),
        constraint: outcome
            .and_then(|one| one.as_ref().err().cloned())
            .or(unknown),
        unpriced_microjoules: without,
        emissions_milligrams: emissions,
    }
}

/// What the figures are of, where nobody said it.
fn of_what(question: &Question) -> String {
    let is_assumed = question.workload.is_none() && question.energy_kwh.is_none();
    let words =
        "Of one kilowatt-hour of IT energy, since neither workload nor energyKwh is given: ";
    if is_assumed {
        words.to_owned()
    } else {
        String::new()
    }
}

fn summary(here: Option<&RegionView>, regions: &[RegionView]) -> String {
    let mut sentences = Vec::new();
    let mut free = regions.iter().filter(|one| one.constraint.is_none());
    match free.next() {
        Some(best) => sentences.push(format!(
            "Cleanest allowed: {} ({}) with {}.",
            best.region,
            best.zone,
            words::emissions_within(&best.emissions_milligrams)
        )),
        None => sentences.push("No region is allowed by the policy's limits.".to_owned()),
    }
    if let Some(here) = here {
        let emissions = words::emissions_within(&here.emissions_milligrams);
        sentences.push(match here.unpriced_microjoules {
            None => format!("Here ({}): {emissions}.", here.zone),
            Some(energy) => format!(
                "Here ({}): {emissions}, and {} at the facility of which the intensity is not known.",
                here.zone,
                words::energy(energy)
            ),
        });
    }
    let others = free.take(3).map(|one| {
        format!(
            "{} {}",
            one.region,
            words::emissions(one.emissions_milligrams.value)
        )
    });
    let others: Vec<_> = others.collect();
    if !others.is_empty() {
        sentences.push(format!("Then {}.", others.join(", ")));
    }
    let barred = regions
        .iter()
        .filter(|one| one.constraint.is_some())
        .count();
    if barred > 0 {
        sentences.push(format!(
            "{barred} out of the question, each with its reason."
        ));
    }
    sentences.join(" ")
}
