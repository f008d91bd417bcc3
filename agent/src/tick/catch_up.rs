//! What ran while no agent was there, charged from the kernel's own counters.
//!
//! The books go on from the last saved state. On the same boot the gap's
//! energy is the meter's (its register's or the model's over the gap), its
//! CPU time by container is the kernel's counter now less what it was; what
//! no counter names any more goes to the system's account.

use std::collections::HashSet;
use std::time::Duration;

use tanso_agent_wire::energy::Account;

use super::hardware::Interval;
use super::{ByAccount, Cycle};
use crate::activity::Seen;
use crate::books::Books;
use crate::checkpoint::State;
use crate::clock::Now;
use crate::host::NodeTimes;

impl Cycle {
    /// Goes on from `saved`.
    pub(super) fn take_up(&mut self, saved: State, node: &NodeTimes, now: Now) {
        let journal = self.parts.journal.id();
        let last_sequence = self.parts.journal.last_sequence();
        let same_boot = saved.boot_id.is_some()
            && saved.boot_id == self.state.boot_id
            && saved.at_boot_ns <= now.boot_ns;
        self.state.books = saved.books;
        let books = &mut self.state.books;
        if saved.journal == journal.0 {
            books.next_sequence = books.next_sequence.max(last_sequence + 1);
            let waiting = u64::try_from(books.pending.len()).unwrap_or(0);
            let given_out = books.next_sequence.saturating_sub(1 + waiting);
            self.parts.journal.skip_to(given_out);
        } else {
            tracing::warn!(%journal, "energy journal is another one; records are numbered anew");
            books.renumber(last_sequence);
        }
        if books
            .open_minute
            .is_some_and(|open| open < self.parts.journal.closed_until())
        {
            // The disk lost states that were older than the journal's end.
            books.discard_open();
        }
        self.follow_clock(now);
        if !same_boot {
            tracing::info!(
                "first start on this boot; totals go on, and nothing is charged for the time between"
            );
            for book in &mut self.state.books.accounts {
                book.basis_ns = None;
                book.since_basis_ns = 0;
            }
            self.parts.bench.start(None);
            self.read_meters(
                Duration::ZERO,
                tanso_power::Utilisation::IDLE,
                &Seen::default(),
            );
            return;
        }
        self.state.busy_ns = saved.busy_ns;
        self.state.total_ns = saved.total_ns;
        let memory = saved
            .meter
            .as_ref()
            .map(|(name, memory)| (name.as_str(), memory.clone()));
        self.parts.bench.start(memory);
        self.charge_gap(node, now, now.since(saved.at_boot_ns));
    }

    fn charge_gap(&mut self, node: &NodeTimes, now: Now, gap: Duration) {
        let delta = self.node_delta(node);
        let known: HashSet<Account> = self
            .state
            .books
            .accounts
            .iter()
            .map(|book| book.account.clone())
            .collect();
        if let Some(index) = self.index.as_mut() {
            let alive = index.alive();
            self.charges.list(&alive, index, &mut self.state.books);
        }
        let cpu = self.gap_cpu(&known, delta.busy);
        let energy = self.read_meters(gap, delta.utilisation, &Seen::default());
        let mut cpu_ns: Vec<(usize, u64)> = cpu.into_iter().filter(|&(_, ns)| ns > 0).collect();
        cpu_ns.sort_unstable();
        self.set_names(now);
        let before = self.state.books.total();
        let interval = Interval::default();
        self.book(energy.as_ref(), &cpu_ns, &interval, true, now, gap);
        let charged = self.state.books.total().saturating_sub(before);
        tracing::info!(
            seconds = gap.as_secs_f64(),
            joules = charged.as_joules_f64(),
            containers = cpu_ns.len().saturating_sub(1),
            "time without an agent was charged from the kernel's counters"
        );
    }

    /// CPU time by account over the gap. Containers that were not `known`
    /// began in it: all their time is the gap's.
    fn gap_cpu(&mut self, known: &HashSet<Account>, busy: Duration) -> ByAccount {
        let mut cpu = ByAccount::new();
        let mut named = Duration::ZERO;
        if let Some(usage) = &self.parts.usage {
            for (place, book) in self.state.books.accounts.iter_mut().enumerate() {
                let Some(used) = book.path.as_deref().and_then(|path| usage.read(path)) else {
                    continue;
                };
                let Ok(used_ns) = u64::try_from(used.as_nanos()) else {
                    continue;
                };
                let charged_ns = match book.basis_ns {
                    Some(basis_ns) => basis_ns.saturating_add(book.since_basis_ns),
                    // Known, but its counter was never seen: no difference.
                    None if known.contains(&book.account) => used_ns,
                    None => 0,
                };
                let gap_ns = used_ns.saturating_sub(charged_ns);
                book.basis_ns = Some(used_ns);
                // The charge that follows is within the basis already.
                book.since_basis_ns = 0;
                named += Duration::from_nanos(gap_ns);
                cpu.insert(place, gap_ns);
            }
        }
        let rest = busy.saturating_sub(named);
        cpu.insert(
            Books::SYSTEM,
            u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX),
        );
        cpu
    }
}
