//! A CPU's thermal design power, guessed from its family: nodes know their
//! cores, but no file on them says the design power.

use std::collections::BTreeMap;

use crate::columns::Ridge;
use crate::host::{Host, count};

/// The design powers of the measured CPU models, by family.
#[derive(Clone, Debug)]
pub struct Guess {
    families: BTreeMap<String, Vec<Model>>,
    slope: Ridge,
}

#[derive(Clone, Debug)]
struct Model {
    cpu: String,
    cells: [f64; 2],
    log_tdp: f64,
}

impl Guess {
    /// Learns how design power goes with cores and clock within families.
    #[must_use]
    pub fn learn<'a>(hosts: impl Iterator<Item = &'a Host>) -> Self {
        let mut families: BTreeMap<String, Vec<Model>> = BTreeMap::new();
        for host in hosts.filter(|host| !host.cpu.is_empty()) {
            let models = families.entry(host.microarch.clone()).or_default();
            if !models.iter().any(|model| model.cpu == host.cpu) {
                let cells = [(host.cores / host.sockets).ln(), host.base_mhz.ln()];
                models.push(Model {
                    cpu: host.cpu.clone(),
                    cells,
                    log_tdp: host.tdp_w.ln(),
                });
            }
        }
        let mut rows = Vec::new();
        for models in families.values() {
            let centre = mean(&models.iter().collect::<Vec<_>>());
            for model in models {
                rows.push((
                    [model.cells[0] - centre.0[0], model.cells[1] - centre.0[1]],
                    model.log_tdp - centre.1,
                ));
            }
        }
        let rows: Vec<(&[f64], f64)> = rows
            .iter()
            .map(|(cells, log)| (cells.as_slice(), *log))
            .collect();
        Self {
            slope: Ridge::learn(&rows),
            families,
        }
    }

    /// Watts of one socket of a family's CPU with so many cores, as the
    /// family's other CPU models have it; `None` if it has no other.
    #[must_use]
    pub fn tdp_w(
        &self,
        family: &str,
        cores_per_socket: f64,
        base_mhz: f64,
        without: &str,
    ) -> Option<f64> {
        let others: Vec<&Model> = self
            .families
            .get(family)?
            .iter()
            .filter(|model| model.cpu != without)
            .collect();
        let first = others.first()?;
        let centre = if others.len() == 1 {
            (first.cells, first.log_tdp)
        } else {
            mean(&others)
        };
        let cells = [
            cores_per_socket.ln() - centre.0[0],
            base_mhz.ln() - centre.0[1],
        ];
        Some(
            (centre.1 + self.slope.predict(&cells))
                .exp()
                .clamp(4.0, 1_000.0),
        )
    }
}

fn mean(models: &[&Model]) -> ([f64; 2], f64) {
    let total = count(models.len().max(1));
    let sum = |pick: fn(&Model) -> f64| models.iter().map(|model| pick(model)).sum::<f64>() / total;
    (
        [sum(|model| model.cells[0]), sum(|model| model.cells[1])],
        sum(|model| model.log_tdp),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn more_cores_of_a_family_have_more_design_power() {
        let catalog = Catalog::bundled();
        let guess = Guess::learn(catalog.machines.iter().map(|machine| &machine.host));
        let small = guess.tdp_w("cascadelake", 10.0, 2_400.0, "").unwrap();
        let large = guess.tdp_w("cascadelake", 28.0, 2_400.0, "").unwrap();
        assert!(
            (60.0..130.0).contains(&small) && (140.0..260.0).contains(&large),
            "{small} {large}"
        );
        assert_eq!(guess.tdp_w("unheard-of", 10.0, 2_400.0, ""), None);
    }
}
