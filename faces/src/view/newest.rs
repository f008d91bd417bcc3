//! The newest hour in which anything was booked: what mean power is told of.
//!
//! A node's minutes are read of all its rows, whoever asks: those of one
//! namespace alone would say how long its pods ran, and power would be another
//! with a namespace than without.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_carbon::calendar::Period;

use super::{Answer, Energy, EnergyHour, FactsFault, Scope};

/// Most minutes of an hour.
const MINUTES_MAX: u64 = 60;

/// The scope in which each node has all its rows.
pub(super) static EVERYBODY: Scope = Scope::All;

/// What a scope used in one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewestHour {
    /// The rows of the scope, all of one hour.
    pub rows: Vec<EnergyHour>,
    /// For how many minutes of the hour each node was seen, whoever used it.
    pub node_minutes: BTreeMap<Arc<str>, u64>,
}

impl NewestHour {
    /// The newest hour of what everybody used in which anything is of `scope`.
    #[must_use]
    pub fn of(everybody: Energy, scope: &Scope) -> Option<Self> {
        let mut rows = everybody.rows;
        let own = rows.iter().filter(|row| scope.holds_account(&row.account));
        let newest = own.map(|row| row.hour).max()?;
        rows.retain(|row| row.hour == newest);
        let mut node_minutes: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for row in &rows {
            let minutes = node_minutes.entry(Arc::clone(&row.node)).or_default();
            *minutes = (*minutes).max(row.minutes);
        }
        rows.retain(|row| scope.holds_account(&row.account));
        Some(Self { rows, node_minutes })
    }

    /// For how many minutes a node was seen, 1 to 60.
    #[must_use]
    pub fn minutes_of(&self, node: &str) -> u64 {
        let seen = self.node_minutes.get(node).copied();
        seen.unwrap_or(MINUTES_MAX).clamp(1, MINUTES_MAX)
    }
}

/// A period in the parts in which its newest hour is looked for, the last first:
/// it is usually there, and each hour of a large cluster takes its time.
#[must_use]
pub fn newest_first(period: Period) -> Vec<Period> {
    let mut parts = Vec::new();
    let mut until = period.until;
    for hours in [1, 1, i32::MAX] {
        if until <= period.from {
            break;
        }
        let whole = Period {
            from: period.from,
            until,
        };
        let last = i32::try_from(whole.hour_count()).unwrap_or(i32::MAX);
        let from = until.plus_hours(-hours.min(last));
        parts.push(Period { from, until });
        until = from;
    }
    parts
}

/// The newest hour of a period with anything of `scope`; `everybody` reads what
/// all used.
///
/// # Errors
/// What `everybody` answers.
pub async fn newest_hour<'a>(
    scope: &Scope,
    period: Period,
    everybody: impl Fn(Period) -> Answer<'a, Energy> + Send,
) -> Result<NewestHour, FactsFault> {
    for part in newest_first(period) {
        let asked = everybody(part);
        if let Some(found) = NewestHour::of(asked.await?, scope) {
            return Ok(found);
        }
    }
    Ok(NewestHour::default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tanso_carbon::calendar::UtcHour;
    use tanso_power::{Estimate, Provenance};

    use super::super::{EnergyAccount, WorkloadKey};
    use super::*;

    fn row(hour: UtcHour) -> EnergyHour {
        EnergyHour {
            hour,
            node: Arc::from("n1"),
            account: EnergyAccount::Named(Arc::from("idle")),
            provenance: Provenance::Modelled,
            energy: Estimate::default(),
            cpu_us: 0,
            minutes: 60,
            asked_millicore_seconds: 0,
        }
    }

    #[tokio::test]
    async fn the_newest_hour_is_looked_for_from_the_end_and_none_is_read_twice() {
        let from = UtcHour::from_unix_seconds(0);
        let until = from.plus_hours(6);
        let looked = async |booked: &[i32]| {
            let read = Mutex::new(Vec::new());
            let rows: Vec<_> = booked
                .iter()
                .map(|hour| row(from.plus_hours(*hour)))
                .collect();
            let period = Period { from, until };
            let found = newest_hour(&EVERYBODY, period, |part: Period| {
                let bounds = (part.from.hours_since(from), part.until.hours_since(from));
                read.lock().unwrap().push(bounds);
                let rows = rows.iter().filter(|row| part.contains(row.hour));
                let found = Energy {
                    revision: Some(7),
                    rows: rows.cloned().collect(),
                };
                Box::pin(std::future::ready(Ok(found)))
            });
            let found = found.await.unwrap();
            let hours = found.rows.iter().map(|row| row.hour.hours_since(from));
            (hours.collect::<Vec<_>>(), read.into_inner().unwrap())
        };
        assert_eq!(looked(&[2, 5]).await, (vec![5], vec![(5, 6)]));
        assert_eq!(looked(&[2, 4, 4]).await, (vec![4, 4], vec![(5, 6), (4, 5)]));
        let three = vec![(5, 6), (4, 5), (0, 4)];
        assert_eq!(looked(&[0, 2]).await, (vec![2], three.clone()));
        assert_eq!(looked(&[]).await, (vec![], three));
    }

    #[test]
    fn a_namespace_has_its_own_rows_and_the_minutes_of_the_whole_node() {
        let hour = UtcHour::from_unix_seconds(0);
        let of = |namespace: &str, hour, minutes| EnergyHour {
            account: EnergyAccount::Workload(Arc::new(WorkloadKey {
                namespace: namespace.to_owned(),
                kind: "Job".to_owned(),
                name: "import".to_owned(),
            })),
            minutes,
            ..row(hour)
        };
        let idle = EnergyHour {
            minutes: 40,
            ..row(hour)
        };
        let everybody = Energy {
            revision: None,
            // The next hour has nothing of the shop.
            rows: vec![
                idle,
                of("shop", hour, 2),
                of("bank", hour, 3),
                row(hour.plus_hours(1)),
            ],
        };
        let shop = Scope::Namespace("shop".to_owned());
        let found = NewestHour::of(everybody.clone(), &shop).unwrap();
        assert_eq!(found.rows, [of("shop", hour, 2)]);
        assert_eq!(found.minutes_of("n1"), 40);
        let nobody = Scope::Namespace("nobody".to_owned());
        assert_eq!(NewestHour::of(everybody, &nobody), None);
    }
}
