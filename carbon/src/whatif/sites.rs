//! Where the lines' energy was used: each zone, PUE and evidence once, in an
//! order that does not depend on that of the lines. Computes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{EnergyLine, Inputs, WhatifError};
use crate::account::Place;
use crate::pue::{FacilityPue, PueEvidence};
use crate::series::SeriesInfo;
use crate::units::Pue;

/// Zone, PUE and who stands for it, as far as a line names them.
type Key<'a> = (&'a str, Option<Pue>, Option<PueEvidence>);

/// The places of all lines.
pub(super) struct Sites {
    /// Zone and facility of each place.
    pub(super) known: Vec<(String, Option<FacilityPue>)>,
    /// The number of each line's place.
    pub(super) of_line: Vec<usize>,
}

impl Sites {
    pub(super) fn of(inputs: &Inputs<'_>) -> Result<Self, WhatifError> {
        let lines = inputs.energy.lines();
        let keys: BTreeSet<Key<'_>> = lines.iter().map(|line| key(inputs, line)).collect();
        let numbers: BTreeMap<_, _> = keys.into_iter().zip(0_usize..).collect();
        let mut known = Vec::new();
        for (zone, pue, evidence) in numbers.keys() {
            if !inputs.grids.contains_key(*zone) {
                let given: Vec<_> = inputs.grids.keys().map(String::as_str).collect();
                return Err(WhatifError::NoGrid {
                    zone: (*zone).to_owned(),
                    given: given.join(", "),
                });
            }
            known.push(((*zone).to_owned(), facility(inputs.pue, *pue, *evidence)));
        }
        let number = |line| numbers.get(&key(inputs, line)).copied();
        Ok(Self {
            of_line: lines.iter().filter_map(number).collect(),
            known,
        })
    }

    pub(super) fn places<'a>(&'a self, inputs: &'a Inputs<'_>) -> Vec<Place<'a>> {
        let place = |(zone, pue): &'a (String, Option<FacilityPue>)| {
            let grid = inputs.grids.get(zone)?;
            Some(Place {
                metering: inputs.metering,
                ..Place::new(*grid, pue.as_ref())
            })
        };
        self.known.iter().filter_map(place).collect()
    }

    pub(super) fn infos(&self, inputs: &Inputs<'_>) -> Vec<SeriesInfo> {
        let zones: BTreeSet<_> = self.known.iter().map(|(zone, _)| zone).collect();
        let grids = zones.into_iter().filter_map(|zone| inputs.grids.get(zone));
        grids.map(|grid| grid.info().clone()).collect()
    }
}

fn key<'a>(inputs: &Inputs<'a>, line: &'a EnergyLine) -> Key<'a> {
    let zone = line.zone.as_deref().unwrap_or(inputs.zone);
    (zone, line.pue, line.pue_evidence)
}

/// The facility of a line: as given for all, with the line's own ratio and who
/// stands for it. A ratio that nobody stands for is assumed.
fn facility(
    given: Option<&FacilityPue>,
    pue: Option<Pue>,
    evidence: Option<PueEvidence>,
) -> Option<FacilityPue> {
    let Some(pue) = pue else {
        return given.cloned();
    };
    let own = FacilityPue::annual(
        pue,
        evidence.unwrap_or(PueEvidence::Assumed),
        "the energy table",
    );
    Some(match (given, evidence) {
        (Some(given), None) => FacilityPue {
            value: own.value,
            ..given.clone()
        },
        _ => own,
    })
}
