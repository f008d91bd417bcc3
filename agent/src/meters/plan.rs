//! Which meter is read for which zone.
//!
//! Pure. Meters stand in the order of preference. The first that is active
//! and covers processors leads; others add zones that it lacks, if their
//! figures are of the same sort: a measured node is not mixed with modelled
//! parts. Accelerators have meters of their own and always join.

use tanso_power::Provenance;

use super::ZoneClass;

/// What a meter could give.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) provenance: Provenance,
    /// Empty while it is not active.
    pub(super) classes: Vec<ZoneClass>,
}

/// For each offer the classes that are taken from it; no class twice.
pub(super) fn assign(offers: &[Offer]) -> Vec<Vec<ZoneClass>> {
    let lead = offers
        .iter()
        .find(|offer| offer.classes.iter().any(|&class| class != ZoneClass::Gpu))
        .map(|offer| offer.provenance);
    let mut taken: Vec<ZoneClass> = Vec::new();
    offers
        .iter()
        .map(|offer| {
            let mut own = Vec::new();
            for &class in &offer.classes {
                let joins = class == ZoneClass::Gpu || Some(offer.provenance) == lead;
                if joins && !taken.contains(&class) {
                    taken.push(class);
                    own.push(class);
                }
            }
            own
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tanso_power::Provenance::{Measured, Modelled, Simulated};

    use super::ZoneClass::{Core, Dram, Gpu, Package, Platform, Psys};
    use super::*;

    fn offer(provenance: Provenance, classes: &[ZoneClass]) -> Offer {
        Offer {
            provenance,
            classes: classes.to_vec(),
        }
    }

    #[test]
    fn a_class_is_read_from_the_first_that_has_it() {
        let offers = [
            offer(Measured, &[Package, Core]),
            offer(Measured, &[Package, Dram, Psys]),
            offer(Measured, &[Platform]),
        ];
        assert_eq!(
            assign(&offers),
            [vec![Package, Core], vec![Dram, Psys], vec![Platform]]
        );
    }

    #[test]
    fn a_model_stands_by_while_anything_measures_processors() {
        let model = offer(Modelled, &[Platform]);
        let measured = [offer(Measured, &[Package]), model.clone()];
        assert_eq!(assign(&measured), [vec![Package], vec![]]);
        let vm = [offer(Measured, &[]), model.clone()];
        assert_eq!(assign(&vm), [vec![], vec![Platform]]);
        let vm_with_gpu = [offer(Measured, &[Gpu]), model];
        assert_eq!(assign(&vm_with_gpu), [vec![Gpu], vec![Platform]]);
    }

    #[test]
    fn simulated_figures_are_not_mixed_with_measured_ones() {
        let offers = [
            offer(Simulated, &[Package]),
            offer(Measured, &[Package, Psys]),
        ];
        assert_eq!(assign(&offers), [vec![Package], vec![]]);
    }
}
