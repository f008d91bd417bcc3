//! Where energy was used, in words: each place with its share, its PUE and who
//! says it, and whose figures its grid has; pure.
//!
//! With placement `NodeRegion` a sum has the PUE and the grid of several
//! facilities, and what is told of the policy's own site is told of none of
//! them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use tanso_crds::carbon_policy::status::{IntensityProvenance, PlaceFigures, PlaceShare, PueFigure};
use tanso_crds::carbon_policy::{CarbonPolicySpec, CarbonPolicyStatus};
use tanso_intensity::places::REGION_LABEL;

use super::figures::short;
use super::sources;
use crate::pue;
use crate::report::Language;
use crate::view::stated::evidence;

/// What a status calls the policy's own place.
pub const SITE: &str = "site";
/// Most places that are named; a status has all.
const NAMED_MAX: usize = 3;
/// Most regions that are named.
const REGIONS_MAX: usize = 5;
/// Longest source within a sentence, letters.
const SOURCE_MAX: usize = 60;

/// The places in words, most energy first: `eu-north-1 (40 % of the energy):
/// PUE 1.15 (published for the region; page, 2023), SE by ENTSO-E, data of
/// 2025`; nothing where all is used at the site.
#[must_use]
pub fn told(places: &[PlaceFigures]) -> Option<String> {
    if !is_elsewhere(places) {
        return None;
    }
    let total: i128 = places
        .iter()
        .map(|place| i128::from(place.energy_microjoules))
        .sum();
    let mut sorted: Vec<_> = places.iter().collect();
    sorted.sort_by_key(|place| Reverse(place.energy_microjoules));
    let named = sorted.iter().take(NAMED_MAX);
    let mut named: Vec<_> = named.map(|place| one(place, total)).collect();
    match sorted.len().saturating_sub(NAMED_MAX) {
        0 => {}
        more => named.push(format!("and {more} more in status.places")),
    }
    Some(named.join("; "))
}

/// Whether energy was used at another place than the policy's own.
#[must_use]
pub fn is_elsewhere(places: &[PlaceFigures]) -> bool {
    places.iter().any(|place| place.region != SITE)
}

fn one(place: &PlaceFigures, total: i128) -> String {
    let from = &place.intensity;
    let source = sources::told(from, |source, year| {
        sources::with_year("data of ")(&short(source, SOURCE_MAX), year)
    });
    format!(
        "{} ({} of the energy): {}, {} by {source}",
        place.region,
        share(place.energy_microjoules, total),
        with_pue(place),
        from.zone
    )
}

/// `PUE 1.15 (published for the region; page, 2023)`; of a status that was
/// written before it told, without the source.
fn with_pue(place: &PlaceFigures) -> String {
    match &place.pue_figure {
        Some(found) => format!("PUE {} ({})", pue::shown(found), provenance(found)),
        None if place.pue == "-" => "no PUE".to_owned(),
        None => format!("PUE {}", place.pue),
    }
}

fn provenance(found: &PueFigure) -> String {
    let known = evidence(found.evidence).in_words();
    let source = short(&found.source, SOURCE_MAX);
    let year = found.data_year.map(|year| year.to_string());
    let named = [Some(source).filter(|text| !text.is_empty()), year];
    let named: Vec<_> = named.into_iter().flatten().collect();
    if named.is_empty() {
        known.to_owned()
    } else {
        format!("{known}; {}", named.join(", "))
    }
}

/// A share in whole percent; what is little is not told as nothing.
fn share(part: i64, total: i128) -> String {
    let percent = (i128::from(part) * 200 + total)
        .checked_div(total * 2)
        .unwrap_or(0);
    match percent {
        0 if part > 0 => "under 1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

/// The places of a rule's own period, in words: `site 60 %, eu-north-1 40 %`;
/// nothing where a rule names none.
#[must_use]
pub fn of_rule(places: &[PlaceShare]) -> Option<String> {
    let total: i128 = places
        .iter()
        .map(|place| i128::from(place.energy_microjoules))
        .sum();
    let each = places.iter().map(|place| {
        let mut about = vec![share(place.energy_microjoules, total)];
        about.extend(place.zone.as_ref().map(|zone| format!("zone {zone}")));
        about.extend(place.pue.as_ref().map(|pue| format!("PUE {pue}")));
        format!("{} ({})", place.region, about.join(", "))
    });
    let each: Vec<_> = each.collect();
    (!each.is_empty()).then(|| each.join("; "))
}

/// Nodes that say where they are and count as at the policy's site all the
/// same: how many, which regions they name, their share of the energy in
/// percent if it is known, and what would be accepted.
#[must_use]
pub fn at_site(nodes: usize, regions: &BTreeSet<&str>, share: Option<i32>) -> String {
    let count = match nodes {
        1 => "1 node is".to_owned(),
        more => format!("{more} nodes are"),
    };
    let named = regions.iter().take(REGIONS_MAX);
    let mut named: Vec<_> = named.map(|region| short(region, SOURCE_MAX)).collect();
    match regions.len().saturating_sub(REGIONS_MAX) {
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    let share = share.map_or_else(String::new, |percent| {
        format!(", with {percent} % of the energy")
    });
    format!(
        "{count} in a region that the table of regions has not or has no figures for ({}) and counted as at the site{share}; \
         accepted in the label {REGION_LABEL} are the names that kubectl tanso regions lists, and a grid zone without figures \
         takes a table in spec.intensity.zoneTables",
        named.join(", ")
    )
}

/// The PUE that a policy's energy was multiplied with, in words: the site's, or
/// that of the place where all of it was used; of several, that each has its
/// own.
#[must_use]
pub fn factor(spec: &CarbonPolicySpec, status: &CarbonPolicyStatus, language: Language) -> String {
    match status.places.as_slice() {
        places if !is_elsewhere(places) => pue::in_words(pue::of(spec, status).as_ref(), language),
        [only] => match &only.pue_figure {
            None if only.pue != "-" => pue::of_place(&only.pue, language),
            found => pue::in_words(found.as_ref(), language),
        },
        _ => language
            .pick("of each place of use", "사용 장소별 PUE")
            .to_owned(),
    }
}

/// Whose figures priced the energy: the site's, or those of the place where all
/// of it was used; `None` of several, which [`told`] names.
#[must_use]
pub fn grid(status: &CarbonPolicyStatus) -> Option<&IntensityProvenance> {
    match status.places.as_slice() {
        places if !is_elsewhere(places) => status.intensity.as_ref(),
        [only] => Some(&only.intensity),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tanso_crds::carbon_policy::{
        FacilityEntity, MeteringPoint, PueEvidence, PueScope, PueSpec,
    };

    use super::*;

    fn place(region: &str, energy: i64, pue: Option<PueFigure>) -> PlaceFigures {
        PlaceFigures {
            region: region.to_owned(),
            energy_microjoules: energy,
            pue: pue
                .as_ref()
                .map_or_else(|| "-".to_owned(), |pue| format!("{}, told", pue.value)),
            pue_figure: pue,
            intensity_estimated_percent: None,
            intensity: IntensityProvenance {
                zone: region.to_uppercase(),
                source: "table".to_owned(),
                data_year: Some(2025),
                ..IntensityProvenance::default()
            },
        }
    }

    fn figure(value: &str, evidence: PueEvidence, year: Option<i32>) -> PueFigure {
        PueFigure {
            value: value.to_owned(),
            evidence,
            scope: PueScope::Annual,
            category: None,
            entity: FacilityEntity::Site,
            source: "page".to_owned(),
            data_year: year,
            metering: MeteringPoint::ItEquipment,
        }
    }

    /// The site's PUE and source were told of energy that was used elsewhere.
    #[test]
    fn each_place_is_told_with_its_share_its_pue_and_who_says_so() {
        let north = figure("1.15", PueEvidence::PublishedForRegion, Some(2023));
        let own = figure("1.32", PueEvidence::Certificate, None);
        let mut places = vec![
            place("se", 40, Some(north)),
            place("kr", 59, Some(own)),
            place("xx", 1, None),
        ];
        let said = told(&places).unwrap();
        assert_eq!(
            said,
            "kr (59 % of the energy): PUE 1.32 (from a certificate; page), KR by table, data of 2025; \
             se (40 % of the energy): PUE 1.15 (published for the region; page, 2023), SE by table, data of 2025; \
             xx (1 % of the energy): no PUE, XX by table, data of 2025"
        );
        places.push(place("yy", 0, None));
        places.push(place("zz", 0, None));
        let said = told(&places).unwrap();
        assert!(said.ends_with("; and 2 more in status.places"), "{said}");
        assert_eq!(told(&[]), None);
        assert_eq!(share(1, 10_000), "under 1 %");
        assert_eq!(share(0, 0), "0 %");
    }

    #[test]
    fn nodes_of_unknown_regions_are_counted_and_what_is_accepted_is_said() {
        let said = at_site(1, &["cellar"].into(), Some(12));
        assert!(
            said.starts_with("1 node is in a region that the table of regions has not or has no figures for (cellar) and counted as at the site, with 12 % of the energy; accepted in the label topology.kubernetes.io/region are"),
            "{said}"
        );
        let many = ["a", "b", "c", "d", "e", "f", "g"].into();
        let said = at_site(9, &many, None);
        assert!(said.starts_with("9 nodes are in"), "{said}");
        assert!(
            said.contains("(a, b, c, d, e, and 2 more) and counted as at the site;"),
            "{said}"
        );
    }

    #[test]
    fn the_factor_is_the_sites_or_the_places_own() {
        let mut spec = CarbonPolicySpec::default();
        spec.site.pue = Some(PueSpec {
            value: 1.5,
            ..PueSpec::default()
        });
        let mut status = CarbonPolicyStatus::default();
        let said = |status: &CarbonPolicyStatus| factor(&spec, status, Language::English);
        assert!(said(&status).starts_with("1.50 ("), "{}", said(&status));
        let north = figure("1.15", PueEvidence::PublishedForRegion, Some(2023));
        status.places = vec![place("se", 40, Some(north))];
        assert_eq!(
            said(&status),
            "1.15 (annual PUE, published for the region; page; data of 2023)"
        );
        let there = status.places.clone();
        status.places = vec![place(SITE, 40, None)];
        assert!(said(&status).starts_with("1.50 ("), "{}", said(&status));
        assert_eq!(told(&status.places), None);
        status.places = there;
        status.places.push(place("xx", 1, None));
        assert_eq!(said(&status), "of each place of use");
        assert_eq!(grid(&status), None);
        // A status of before has the words alone.
        status.places.truncate(1);
        status.places[0].pue_figure = None;
        assert_eq!(said(&status), "1.15, told");
        assert_eq!(grid(&status).unwrap().zone, "SE");
    }

    #[test]
    fn a_rules_places_are_told_with_their_shares() {
        let one = |region: &str, energy, zone: Option<&str>| PlaceShare {
            region: region.to_owned(),
            energy_microjoules: energy,
            zone: zone.map(str::to_owned),
            pue: zone.map(|_| "1.15, published for the region".to_owned()),
        };
        let places = [one("eu-north-1", 3, Some("SE")), one("others", 1, None)];
        assert_eq!(
            of_rule(&places).unwrap(),
            "eu-north-1 (75 %, zone SE, PUE 1.15, published for the region); others (25 %)"
        );
        assert_eq!(of_rule(&[]), None);
    }
}
