//! What vendors publish of their CPU models before anybody measures a machine
//! with one: cores, threads by core, clock, design power.
//!
//! Facts of product pages, entered by hand; no power is among them. With them a
//! CPU's name alone tells how large it is.

use super::Row;
use super::designs::Designs;
use crate::features::cpu_name;

/// One CPU model's data sheet; its figures are of one socket.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSheet {
    /// The model's key, as [`cpu_name::key`] makes it.
    pub cpu: String,
    /// Its vendor.
    pub vendor: String,
    /// Its microarchitecture.
    pub microarch: String,
    /// Cores.
    pub cores: f64,
    /// Threads of one core.
    pub threads_per_core: f64,
    /// Nominal clock, MHz.
    pub base_mhz: f64,
    /// Thermal design power, watts.
    pub tdp_w: f64,
}

pub(super) fn sheet(row: &Row, designs: &Designs) -> Result<DataSheet, String> {
    let name = row.text("cpu_name")?;
    let cpu = cpu_name::key(&name);
    if cpu.is_empty() {
        return Err(format!("cpu_name \"{name}\" tells no model"));
    }
    let microarch = row.text("microarch")?;
    let vendor = designs
        .vendor(&microarch)
        .ok_or_else(|| format!("microarch \"{microarch}\" is not in microarch_facts.csv"))?;
    // A slip of the pen shows against the number scheme.
    if let Some(told) = cpu_name::microarch(&name).filter(|told| *told != microarch) {
        return Err(format!(
            "microarch is \"{microarch}\"; the model's number is one of \"{told}\""
        ));
    }
    let (cores, tdp_w) = (
        row.within("cores", 1.0, 512.0)?,
        row.within("tdp_w", 10.0, 1_000.0)?,
    );
    let by_core = tdp_w / cores;
    if !(1.0..=50.0).contains(&by_core) {
        return Err(format!(
            "{by_core:.1} W of design power by core; accepted is 1 to 50"
        ));
    }
    Ok(DataSheet {
        cpu,
        vendor: vendor.to_owned(),
        microarch,
        cores,
        threads_per_core: row.within("threads_per_core", 1.0, 8.0)?,
        base_mhz: row.within("base_mhz", 800.0, 6_000.0)?,
        tdp_w,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::catalog::Catalog;

    #[test]
    fn data_sheets_agree_with_the_machines_that_were_measured() {
        let catalog = Catalog::bundled();
        let (mut checked, mut differ) = (0, Vec::new());
        for sheet in &catalog.data_sheets {
            let of_it = catalog
                .machines
                .iter()
                .map(|machine| &machine.host)
                .find(|host| host.cpu == sheet.cpu && host.vendor == sheet.vendor);
            let Some(host) = of_it else {
                continue;
            };
            checked += 1;
            assert_eq!(host.microarch, sheet.microarch, "{}", sheet.cpu);
            let same = |a: f64, b: f64| (a / b - 1.0).abs() < 0.03;
            if !same(host.cores / host.sockets, sheet.cores)
                || !same(host.threads / host.cores, sheet.threads_per_core)
                || !same(host.tdp_w, sheet.tdp_w)
                || !same(host.base_mhz, sheet.base_mhz)
            {
                differ.push(sheet.cpu.as_str());
            }
        }
        assert!(checked > 60, "{checked}");
        // Published with 115 W instead of 140.
        assert_eq!(differ, ["6140"]);
    }

    #[test]
    fn a_model_has_one_data_sheet() {
        let catalog = Catalog::bundled();
        let mut seen = BTreeSet::new();
        for sheet in &catalog.data_sheets {
            assert!(seen.insert((&sheet.cpu, &sheet.vendor)), "{}", sheet.cpu);
        }
        assert!(seen.len() > 500, "{}", seen.len());
    }
}
