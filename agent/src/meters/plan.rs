//! Which meter is read for which zone.
//!
//! Pure. Meters stand in the order of preference. The first that is active
//! and covers processors leads; others add zones that it lacks, if their
//! figures are of the same sort: a measured node is not mixed with modelled
//! parts. Accelerators have meters of their own and always join, card by
//! card: each physical card is read from one meter. A card of which that
//! cannot be said for sure is left out, with the reason.

use std::collections::BTreeMap;

use tanso_power::Provenance;

use super::{BusAddress, Card, ZoneClass};

/// What a meter could give.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) meter: &'static str,
    pub(super) provenance: Provenance,
    /// Empty while it is not active.
    pub(super) classes: Vec<ZoneClass>,
    /// Its accelerators; with the class but without a card it has one of which
    /// nothing is known.
    pub(super) cards: Vec<Card>,
}

/// What is read from a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) classes: Vec<ZoneClass>,
    /// Cards that are not read from it, by its own names for them, and why.
    pub(super) left: BTreeMap<String, String>,
}

/// An accelerator and the earlier meter that is read for it.
type Taken = (&'static str, Option<BusAddress>);

/// For each offer what is taken from it: no class twice, and of accelerators
/// no card twice.
pub(super) fn assign(offers: &[Offer]) -> Vec<Part> {
    let lead = offers
        .iter()
        .find(|offer| offer.classes.iter().any(|&class| class != ZoneClass::Gpu))
        .map(|offer| offer.provenance);
    let mut taken: Vec<ZoneClass> = Vec::new();
    let mut cards: Vec<Taken> = Vec::new();
    offers
        .iter()
        .map(|offer| {
            let mut own = Part::default();
            for &class in &offer.classes {
                let joins = if class == ZoneClass::Gpu {
                    take_cards(offer, &mut cards, &mut own.left)
                } else {
                    Some(offer.provenance) == lead && !taken.contains(&class)
                };
                if joins {
                    taken.push(class);
                    own.classes.push(class);
                }
            }
            own
        })
        .collect()
}

/// Takes the cards of an offer that no earlier meter is read for, and says
/// whether there is any.
fn take_cards(offer: &Offer, taken: &mut Vec<Taken>, left: &mut BTreeMap<String, String>) -> bool {
    let unknown = [Card {
        id: String::new(),
        bus: None,
    }];
    let cards = match offer.cards.as_slice() {
        [] => &unknown[..],
        cards => cards,
    };
    let mut own: Vec<Taken> = Vec::new();
    for card in cards {
        match objection(card, taken) {
            Some(reason) => {
                left.insert(card.id.clone(), reason);
            }
            None => own.push((offer.meter, card.bus)),
        }
    }
    let any = !own.is_empty();
    taken.extend(own);
    any
}

/// Why a card is not to be read beside those that are read by other meters.
fn objection(card: &Card, taken: &[Taken]) -> Option<String> {
    let Some(bus) = card.bus else {
        let (meter, _) = taken.first()?;
        return Some(format!(
            "its bus address is not known: it may be a card that {meter} reads"
        ));
    };
    let same = taken.iter().find(|(_, other)| *other == Some(bus));
    if let Some((meter, _)) = same {
        return Some(format!("the card at {bus} is read by {meter}"));
    }
    let (meter, _) = taken.iter().find(|(_, other)| other.is_none())?;
    Some(format!(
        "{meter} reads a card whose bus address is not known: it may be that at {bus}"
    ))
}

#[cfg(test)]
mod tests {
    use tanso_power::Provenance::{Measured, Modelled, Simulated};

    use super::ZoneClass::{Core, Dram, Gpu, Package, Platform, Psys};
    use super::*;

    fn offer(provenance: Provenance, classes: &[ZoneClass]) -> Offer {
        Offer {
            meter: "one",
            provenance,
            classes: classes.to_vec(),
            cards: Vec::new(),
        }
    }

    fn with_cards(meter: &'static str, cards: &[(&str, &str)]) -> Offer {
        let card = |&(id, bus): &(&str, &str)| Card {
            id: id.to_owned(),
            bus: BusAddress::try_new(bus),
        };
        Offer {
            meter,
            cards: cards.iter().map(card).collect(),
            ..offer(Measured, &[Gpu])
        }
    }

    fn classes(offers: &[Offer]) -> Vec<Vec<ZoneClass>> {
        let parts = assign(offers).into_iter();
        parts.map(|part| part.classes).collect()
    }

    #[test]
    fn a_class_is_read_from_the_first_that_has_it() {
        let offers = [
            offer(Measured, &[Package, Core]),
            offer(Measured, &[Package, Dram, Psys]),
            offer(Measured, &[Platform]),
        ];
        assert_eq!(
            classes(&offers),
            [vec![Package, Core], vec![Dram, Psys], vec![Platform]]
        );
    }

    #[test]
    fn a_model_stands_by_while_anything_measures_processors() {
        let model = offer(Modelled, &[Platform]);
        let measured = [offer(Measured, &[Package]), model.clone()];
        assert_eq!(classes(&measured), [vec![Package], vec![]]);
        let vm = [offer(Measured, &[]), model.clone()];
        assert_eq!(classes(&vm), [vec![], vec![Platform]]);
        let vm_with_gpu = [offer(Measured, &[Gpu]), model];
        assert_eq!(classes(&vm_with_gpu), [vec![Gpu], vec![Platform]]);
    }

    #[test]
    fn simulated_figures_are_not_mixed_with_measured_ones() {
        let offers = [
            offer(Simulated, &[Package]),
            offer(Measured, &[Package, Psys]),
        ];
        assert_eq!(classes(&offers), [vec![Package], vec![]]);
    }

    #[test]
    fn a_card_that_two_meters_see_is_read_from_the_first_and_others_beside_it() {
        let hwmon = with_cards("hwmon", &[("hwmon2", "0000:41:00.0")]);
        let nvml = with_cards(
            "nvml",
            &[("GPU-a", "00000000:41:00.0"), ("GPU-b", "00000000:81:00.0")],
        );
        let parts = assign(&[hwmon, nvml]);
        assert_eq!((&parts[0].classes, parts[0].left.len()), (&vec![Gpu], 0));
        assert_eq!(parts[1].classes, [Gpu]);
        let left: Vec<(&str, &str)> = parts[1]
            .left
            .iter()
            .map(|(id, why)| (&**id, &**why))
            .collect();
        assert_eq!(
            left,
            [("GPU-a", "the card at 0000:41:00.0 is read by hwmon")]
        );
    }

    #[test]
    fn a_card_of_unknown_place_is_read_only_where_no_other_meter_reads_any() {
        let known = || with_cards("hwmon", &[("hwmon2", "0000:41:00.0")]);
        let unknown = || with_cards("nvml", &[("GPU-a", ""), ("GPU-b", "")]);
        // All of one meter's are different cards, whatever their places.
        assert_eq!(classes(&[unknown()]), [vec![Gpu]]);
        for offers in [[known(), unknown()], [unknown(), known()]] {
            let parts = assign(&offers);
            assert_eq!(parts[0].classes, [Gpu]);
            assert!(parts[1].classes.is_empty());
            assert_eq!(parts[1].left.len(), offers[1].cards.len());
            let mut reasons = parts[1].left.values();
            assert!(reasons.all(|why| why.contains("may be") && why.contains(offers[0].meter)));
        }
        // A meter that names no card has one that nobody knows.
        assert_eq!(classes(&[known(), offer(Measured, &[Gpu])])[1], []);
    }
}
