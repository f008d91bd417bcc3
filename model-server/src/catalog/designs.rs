//! What is known of a microarchitecture's design: the parts that a chip took
//! over from its board, its process, its memory.
//!
//! Facts of the vendors' announcements and data sheets, entered by hand; no
//! power is among them. They let a family that nobody measured stand beside
//! those that are built alike.

use std::collections::BTreeMap;

use super::Row;
use super::curves::year;

/// How a family of CPUs is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// When its server parts came, in years.
    pub launched: f64,
    /// Process, nm; between two sizes for a family made in both.
    pub process_nm: f64,
    /// 0: memory and devices behind a front-side bus; 1: memory controller on
    /// the chip; 2: memory and `PCIe` on it.
    pub integration: f64,
    /// Generation of its DDR memory; between two for a family with both.
    pub ddr: f64,
    /// Whether it is made of chiplets: 0, 1, or 0.5 for several whole dies.
    pub chiplets: f64,
}

/// One family's row.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyDesign {
    /// Microarchitecture.
    pub microarch: String,
    /// Its vendor.
    pub vendor: String,
    /// Its design.
    pub design: Design,
}

pub(super) fn family(row: &Row) -> Result<FamilyDesign, String> {
    Ok(FamilyDesign {
        microarch: row.text("microarch")?,
        vendor: row.text("vendor")?,
        design: Design {
            launched: year(&row.text("launched")?)?,
            process_nm: row.within("process_nm", 1.0, 250.0)?,
            integration: row.within("integration", 0.0, 2.0)?,
            ddr: row.within("ddr", 1.0, 7.0)?,
            chiplets: row.within("chiplets", 0.0, 1.0)?,
        },
    })
}

/// All families' designs, ready to look up.
#[derive(Clone, Debug, Default)]
pub struct Designs {
    families: BTreeMap<String, FamilyDesign>,
}

impl Designs {
    /// Gathers rows.
    #[must_use]
    pub fn new(rows: Vec<FamilyDesign>) -> Self {
        Self {
            families: rows
                .into_iter()
                .map(|row| (row.microarch.clone(), row))
                .collect(),
        }
    }

    /// A family's design; `None` of an unknown family.
    #[must_use]
    pub fn known(&self, microarch: &str) -> Option<Design> {
        Some(self.families.get(microarch)?.design)
    }

    /// A family's vendor; `None` of an unknown family.
    #[must_use]
    pub fn vendor(&self, microarch: &str) -> Option<&str> {
        Some(self.families.get(microarch)?.vendor.as_str())
    }

    /// When a family's server parts came, in years; `None` of an unknown family.
    #[must_use]
    pub fn launched(&self, microarch: &str) -> Option<f64> {
        self.known(microarch).map(|design| design.launched)
    }

    /// A family's design; of an unknown family that of its vendor's family, or
    /// else of anyone's, that came out closest to `year`.
    #[must_use]
    pub fn of(&self, microarch: &str, vendor: &str, year: f64) -> Design {
        if let Some(known) = self.families.get(microarch) {
            return known.design;
        }
        let closest = |same_vendor: bool| {
            self.families
                .values()
                .filter(|family| !same_vendor || family.vendor == vendor)
                .min_by(|a, b| {
                    let distance = |family: &FamilyDesign| (family.design.launched - year).abs();
                    distance(a).total_cmp(&distance(b))
                })
        };
        closest(true)
            .or_else(|| closest(false))
            .map_or(Design::TODAY, |family| family.design)
    }
}

impl Design {
    /// What servers are like without any table.
    pub const TODAY: Self = Self {
        launched: 2_023.0,
        process_nm: 5.0,
        integration: 2.0,
        ddr: 5.0,
        chiplets: 1.0,
    };
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;

    #[test]
    fn an_unknown_family_is_built_like_its_vendors_of_that_time() {
        let designs = Catalog::bundled().designs;
        assert_eq!(
            designs.of("zen99", "amd", 2_021.3),
            designs.of("zen3", "", 0.0)
        );
        assert_eq!(
            designs.of("r1", "riscy", 2_012.0),
            designs.of("sandybridge", "intel", 0.0)
        );
    }

    #[test]
    fn every_measured_family_has_its_design() {
        let catalog = Catalog::bundled();
        for machine in &catalog.machines {
            assert!(
                catalog
                    .designs
                    .families
                    .contains_key(&machine.host.microarch),
                "{}",
                machine.host.microarch
            );
        }
    }
}
