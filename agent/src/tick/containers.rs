//! The list of containers: which are there, what they are called, and what
//! the kernel's own counters say of them.
//!
//! Nothing here charges energy.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tanso_agent_wire::energy::Account;

use super::Cycle;
use crate::books::account::NAME_WAIT_MS;
use crate::clock::Now;

/// How often the list of containers is looked at, if any was made or removed:
/// those without CPU time appear, finished ones are noticed.
const LIST_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked at anyway, and the tree itself: what the kernel told
/// between is enough for the list.
const LIST_ANYWAY: Duration = Duration::from_mins(10);

impl Cycle {
    pub(super) fn set_names(&mut self, now: Now) {
        let version = self.parts.names.version();
        let all = version != self.names_version;
        self.names_version = version;
        // Nobody tells names before the first one is told.
        let wait_until_ms = match version {
            0 => 1,
            _ => now.unix_ms.saturating_add(NAME_WAIT_MS),
        };
        let first = if all { 0 } else { self.named };
        self.named = self.state.books.accounts.len();
        for place in first..self.named {
            let Some(book) = self.state.books.accounts.get(place) else {
                continue;
            };
            let Account::Container {
                pod_uid,
                container_id,
            } = &book.account
            else {
                continue;
            };
            if let Some(names) = self.parts.names.of(pod_uid, container_id) {
                self.state.books.name(place, &names);
            }
            if let Some(book) = self.state.books.accounts.get_mut(place)
                && book.awaits_name_until_ms == 0
            {
                book.awaits_name_until_ms = wait_until_ms;
            }
        }
    }

    pub(super) fn listing_is_due(&self) -> bool {
        let every = if self.tree_changed {
            LIST_EVERY
        } else {
            LIST_ANYWAY
        };
        self.listed_at.is_none_or(|at| at.elapsed() >= every)
    }

    /// Takes those off the list that finished long ago.
    fn fold(&mut self, now: Now) {
        if self.state.books.fold(now.unix_ms) {
            // Places have changed.
            self.named = 0;
            self.memory_turns.forget();
            self.hardware.keep(&self.state.books);
            self.guests.keep(&self.state.books);
        }
    }

    pub(super) fn list_containers(&mut self, now: Now) {
        self.listed_at = Some(Instant::now());
        self.tree_changed = false;
        let Some(index) = self.index.as_mut() else {
            return;
        };
        let scanned = self.scanned_at;
        let told = self.tree_told && scanned.is_some_and(|at| at.elapsed() < LIST_ANYWAY);
        let alive = if told {
            index.alive_as_told()
        } else {
            self.scanned_at = self.listed_at;
            self.tree_told = true;
            index.alive()
        };
        let books = &mut self.state.books;
        let found = self.charges.list(&alive, index, books);
        for book in &mut books.accounts {
            let is_container = book.path.is_some()
                || matches!(
                    &book.account,
                    Account::Container { .. } | Account::Standalone { .. }
                );
            if !is_container {
                continue;
            }
            let alive = found.contains(&book.account)
                || (book.path.is_none() && pod_is_alive(&book.account, &found));
            match (alive, book.ended_ms) {
                (true, Some(_)) => book.ended_ms = None,
                (false, None) => book.ended_ms = Some(now.unix_ms),
                _ => {}
            }
        }
        self.fold(now);
        self.look_at_new_containers();
    }

    /// Notes the kernel's own counter of containers that have none noted yet.
    fn look_at_new_containers(&mut self) {
        let Some(usage) = &self.parts.usage else {
            return;
        };
        for book in &mut self.state.books.accounts {
            if book.basis_ns.is_none()
                && let Some(path) = &book.path
                && let Some(used) = usage.read(path)
            {
                book.basis_ns = u64::try_from(used.as_nanos()).ok();
                book.since_basis_ns = 0;
            }
        }
    }

    /// Once a minute takes those off the list that finished long ago, compares
    /// what was charged to each container with the kernel's own counter, and
    /// starts anew from that, so that small differences do not add up.
    pub(super) fn rebase_each_minute(&mut self, now: Now) {
        let open = self.state.books.open_minute;
        if open == self.checked_minute {
            return;
        }
        self.fold(now);
        let first = self.checked_minute.is_none();
        self.checked_minute = open;
        let Some(usage) = &self.parts.usage else {
            return;
        };
        let (mut ours_ns, mut kernels_ns) = (0_u64, 0_u64);
        for book in &mut self.state.books.accounts {
            let (Some(path), Some(basis_ns), None) = (&book.path, book.basis_ns, book.ended_ms)
            else {
                continue;
            };
            let Some(used) = usage.read(path) else {
                continue;
            };
            let Ok(used_ns) = u64::try_from(used.as_nanos()) else {
                continue;
            };
            ours_ns = ours_ns.saturating_add(book.since_basis_ns);
            kernels_ns = kernels_ns.saturating_add(used_ns.saturating_sub(basis_ns));
            book.basis_ns = Some(used_ns);
            book.since_basis_ns = 0;
        }
        if !first && kernels_ns > 0 {
            let both = (
                Duration::from_nanos(ours_ns),
                Duration::from_nanos(kernels_ns),
            );
            self.work.cross_check = Some(both);
        }
    }
}

/// Whether a pod has a living container: its own group is not listed.
fn pod_is_alive(account: &Account, found: &HashSet<Account>) -> bool {
    let Account::Container { pod_uid, .. } = account else {
        return false;
    };
    found
        .iter()
        .any(|other| matches!(other, Account::Container { pod_uid: uid, .. } if uid == pod_uid))
}
