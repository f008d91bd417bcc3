//! The memory of containers: looked at now and then, a few at a time.
//!
//! A peak is kept for the open minute; its record carries it. Containers take
//! turns, so that each is looked at a few times a minute and no interval pays
//! for all of them; on a node with very many they wait longer for their turn
//! rather than cost more.

use std::time::Duration;

use super::Cycle;
use crate::clock::thread_cpu;

/// How often each container is looked at, where time suffices.
const ROUND: Duration = Duration::from_secs(15);
/// The part of one processor that it may take, one in so many.
const COST_PART: u32 = 2_000;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct MemoryTurns {
    next: usize,
    buffer: Vec<u8>,
}

impl Cycle {
    /// Looks at the memory of those whose turn it is.
    pub(super) fn look_at_memory(&mut self, elapsed: Duration) {
        let Some(files) = &self.parts.memory else {
            return;
        };
        let accounts = &mut self.state.books.accounts;
        let turns = turns(accounts.len(), elapsed);
        let (begin, budget) = (thread_cpu(), elapsed / COST_PART);
        for turn in 0..turns {
            // The first is looked at in any case, so that all have their turn.
            if turn > 0 && thread_cpu().saturating_sub(begin) >= budget {
                break;
            }
            let place = self.memory_turns.next % accounts.len().max(1);
            self.memory_turns.next = place + 1;
            let Some(book) = accounts.get_mut(place) else {
                continue;
            };
            if let (Some(path), None) = (&book.path, book.ended_ms)
                && let Some(bytes) = files.working_set(path, &mut self.memory_turns.buffer)
            {
                book.note_memory(bytes);
            }
        }
    }
}

/// How many of `accounts` have their turn after `elapsed`.
fn turns(accounts: usize, elapsed: Duration) -> usize {
    let accounts = u128::try_from(accounts).unwrap_or(u128::MAX);
    let due = accounts.saturating_mul(elapsed.as_nanos());
    let due = due.div_ceil(ROUND.as_nanos()).min(accounts);
    usize::try_from(due).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn_in_a_round_and_nobody_two() {
        let second = Duration::from_secs(1);
        assert_eq!(turns(150, second), 10);
        assert_eq!(turns(4, second), 1);
        assert_eq!(turns(40, Duration::from_mins(1)), 40);
        assert_eq!(turns(0, second), 0);
    }
}
