//! Finished containers: how long and how many of them are listed, and where their
//! energy goes then.

use std::collections::HashSet;

use tanso_agent_wire::energy::Account;

use super::{AccountBook, Books};

/// Finished containers that stay listed, at most.
pub const ENDED_MAX: usize = 500;
/// How long a finished container stays listed: several scrapes of anyone.
pub(super) const ENDED_KEPT_MS: i64 = 15 * 60 * 1_000;

impl Books {
    /// The places of finished containers in the order of their ends.
    fn ended(&self) -> Vec<(i64, usize)> {
        let accounts = self.accounts.iter().enumerate();
        let mut ended: Vec<(i64, usize)> = accounts
            .filter_map(|(index, book)| Some((book.ended_ms?, index)))
            .collect();
        ended.sort_unstable();
        ended
    }

    /// Finished containers that are one too many to be listed: of more than
    /// [`ENDED_MAX`] all but the newest. They leave with [`Books::fold`] once
    /// their minute has closed; how many end in a minute knows no bound.
    #[must_use]
    pub fn unlisted(&self) -> HashSet<usize> {
        let ended = self.ended();
        let excess = ended.len().saturating_sub(ENDED_MAX);
        let oldest = ended.into_iter().take(excess);
        oldest.map(|(_, index)| index).collect()
    }

    /// Takes finished containers off the list once they were listed for long
    /// or are too many; their energy goes to their namespace's sum. Returns
    /// whether there were any: places of accounts have changed then.
    pub fn fold(&mut self, now_ms: i64) -> bool {
        let ended = self.ended();
        let excess = ended.len().saturating_sub(ENDED_MAX);
        let old = |ended_ms: i64| now_ms.saturating_sub(ended_ms) > ENDED_KEPT_MS;
        let leaving: Vec<usize> = ended
            .iter()
            .enumerate()
            .filter(|(rank, (ended_ms, _))| *rank < excess || old(*ended_ms))
            .map(|(_, &(_, index))| index)
            .filter(|&index| {
                self.accounts
                    .get(index)
                    .is_some_and(AccountBook::is_settled)
            })
            .collect();
        if leaving.is_empty() {
            return false;
        }
        for &index in &leaving {
            if let Some(book) = self.accounts.get(index) {
                let namespace = book.names.namespace.clone().unwrap_or_default();
                *self.folded.entry(namespace).or_default() += book.total;
                self.folded_cpu_ns = self.folded_cpu_ns.saturating_add(book.cpu_ns);
            }
        }
        let mut index = 0;
        self.accounts.retain(|_| {
            index += 1;
            !leaving.contains(&(index - 1))
        });
        self.reindex();
        self.drop_empty_pods();
        true
    }

    fn drop_empty_pods(&mut self) {
        let mut uids = HashSet::new();
        for book in &self.accounts {
            if let Account::Container { pod_uid, .. } = &book.account {
                uids.insert(pod_uid.as_str());
            }
        }
        self.pods.retain(|uid, _| uids.contains(uid.as_str()));
    }
}
