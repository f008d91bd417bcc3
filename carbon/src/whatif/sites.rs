//! Where the lines' energy was used: each zone, PUE and evidence once, in an
//! order that does not depend on that of the lines. Computes nothing.

use std::collections::{BTreeMap, BTreeSet};

use tanso_power::Estimate;

use super::{EnergyLine, Facility, Inputs, WhatifError};
use crate::account::{EnergyRow, Place};
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

    /// Refuses zones of several countries: each has contracts and a residual
    /// mix of its own.
    pub(super) fn of_one_market(&self) -> Result<(), WhatifError> {
        let zones: BTreeSet<&str> = self.known.iter().map(|(zone, _)| zone.as_str()).collect();
        let countries = zones.iter().filter_map(|zone| zone.split('-').next());
        if countries.collect::<BTreeSet<_>>().len() < 2 {
            return Ok(());
        }
        let named: Vec<_> = zones.into_iter().collect();
        Err(WhatifError::Markets(named.join(", ")))
    }

    /// The facilities of these rows, each once.
    pub(super) fn facilities(&self, rows: &[EnergyRow]) -> Vec<Facility> {
        let used: BTreeSet<usize> = rows.iter().map(|row| row.place).collect();
        let known = self.known.iter().enumerate();
        known
            .filter(|(number, _)| used.contains(number))
            .map(|(_, (zone, pue))| Facility {
                zone: zone.clone(),
                pue: pue.clone(),
            })
            .collect()
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

/// The facility of a line: the one given for all, unless the line has a ratio
/// of its own. That is as good as who the line says stands for it, and assumed
/// where nobody does: a certificate of another ratio says nothing of it.
fn facility(
    given: Option<&FacilityPue>,
    pue: Option<Pue>,
    evidence: Option<PueEvidence>,
) -> Option<FacilityPue> {
    let Some(pue) = pue else {
        return given.cloned();
    };
    let is_given = given.filter(|given| evidence.is_none() && given.value == Estimate::exact(pue));
    if let Some(given) = is_given {
        return Some(given.clone());
    }
    let evidence = evidence.unwrap_or(PueEvidence::Assumed);
    Some(FacilityPue::annual(pue, evidence, "the energy table"))
}
