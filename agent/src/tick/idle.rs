//! Idle energy: told from the rest as the settings have it, and to whom it
//! goes.

use tanso_agent_wire::energy::Account;
use tanso_power::Utilisation;
use tanso_power::idle::unused_share;

use super::Cycle;
use crate::books::Books;
use crate::meters::Reading;
use crate::settings::{IdleSharing, IdleSplit};

/// Millicores of one processor.
const MILLICORES: u64 = 1_000;

/// How idle energy is told and shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleRule {
    /// How it is told from the rest.
    pub split: IdleSplit,
    /// Who is charged with it.
    pub sharing: IdleSharing,
    /// Processors of the node; what of them nobody requests stays apart.
    pub processors: u64,
}

impl IdleRule {
    /// Tells idle energy anew where the meters' own figure is not wanted.
    pub(super) fn tell(self, zones: &mut Reading, utilisation: Utilisation) {
        if self.split == IdleSplit::Ratio {
            for (_, amount) in zones {
                amount.idle = amount
                    .energy
                    .map(|energy| unused_share(energy, utilisation));
            }
        }
    }
}

impl Cycle {
    /// Who is charged with this interval's idle energy, by account and
    /// weight; nobody if it stays apart.
    pub(super) fn idle_weights(&self, cpu_ns: &[(usize, u64)]) -> Vec<(usize, u64)> {
        match self.parts.idle.sharing {
            IdleSharing::Apart => Vec::new(),
            IdleSharing::Use => cpu_ns.to_vec(),
            IdleSharing::Requests => self.requests(),
        }
    }

    /// Requested millicores by account of the containers that are there; the
    /// idle account has what nobody requested.
    fn requests(&self) -> Vec<(usize, u64)> {
        let accounts = self.state.books.accounts.iter().enumerate();
        let running = accounts.filter(|(_, book)| book.ended_ms.is_none());
        let mut weights: Vec<(usize, u64)> = running
            .filter_map(|(place, book)| {
                let Account::Container {
                    pod_uid,
                    container_id,
                } = &book.account
                else {
                    return None;
                };
                let millicores = self.parts.names.millicores(pod_uid, container_id)?;
                Some((place, millicores))
            })
            .collect();
        let requested: u64 = weights.iter().map(|&(_, millicores)| millicores).sum();
        let whole = self.parts.idle.processors.saturating_mul(MILLICORES);
        weights.push((Books::IDLE, whole.saturating_sub(requested)));
        weights
    }
}

#[cfg(test)]
mod tests {
    use tanso_power::{Estimate, Joules};

    use super::*;
    use crate::attribution::ZoneEnergy;
    use crate::meters::{Zone, ZoneClass};

    #[test]
    fn the_ratio_is_keplers_whatever_the_meter_learned() {
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        let zone = Zone {
            class: ZoneClass::Package,
            path: "package-0".into(),
        };
        let amount = ZoneEnergy {
            energy: exact(1_000),
            idle: exact(600),
        };
        let mut zones = vec![(zone, amount)];
        let quarter = Utilisation::try_new(0.25).unwrap();
        IdleRule::default().tell(&mut zones, quarter);
        assert_eq!(zones[0].1.idle, exact(600));
        let ratio = IdleRule {
            split: IdleSplit::Ratio,
            ..IdleRule::default()
        };
        ratio.tell(&mut zones, quarter);
        assert_eq!(zones[0].1.idle, exact(750));
    }
}
