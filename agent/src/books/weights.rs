//! Who used a zone: by CPU time, by a device's driver or by hardware counters.

use super::{Booking, Sockets};
use crate::attribution::weight::{Known, Weight, weight_of};
use crate::meters::ZoneClass;

/// Weights of an interval by account, rising, each once; and by account and
/// socket, in their order, on a machine with several sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights<'a> {
    /// By account.
    pub by_account: &'a [(usize, u64)],
    /// By account and socket.
    pub by_socket: &'a [(usize, u32, u64)],
}

/// What hardware counters counted; `None` of a kind of which not all was counted,
/// or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted<'a> {
    /// Processor cycles.
    pub cycles: Option<Weights<'a>>,
    /// Misses of the last level of cache.
    pub cache_misses: Option<Weights<'a>>,
}

/// The users of a zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Users<'a> {
    pub(super) by_account: &'a [(usize, u64)],
    pub(super) on_sockets: Option<Sockets<'a>>,
}

impl<'a> Booking<'a> {
    /// Who used a zone of that class, and by what that is told.
    pub(super) fn users(&self, class: ZoneClass) -> (Weight, Users<'a>) {
        let by_time = Users {
            by_account: self.cpu_ns,
            on_sockets: self.sockets,
        };
        let known = Known {
            cycles: self.counted.cycles.is_some(),
            cache_misses: self.counted.cache_misses.is_some(),
            device_use: self.gpu.is_some(),
        };
        let weight = weight_of(class, known);
        let users = match weight {
            Weight::CpuTime => None,
            Weight::Cycles => self.counted.cycles.map(|counted| self.counting(counted)),
            Weight::CacheMisses => self
                .counted
                .cache_misses
                .map(|counted| self.counting(counted)),
            Weight::DeviceUse => self.gpu.map(|by_account| Users {
                by_account,
                on_sockets: None,
            }),
        };
        (weight, users.unwrap_or(by_time))
    }

    fn counting(&self, counted: Weights<'a>) -> Users<'a> {
        let weights = counted.by_socket;
        Users {
            by_account: counted.by_account,
            on_sockets: self.sockets.map(|sockets| Sockets { weights, ..sockets }),
        }
    }
}
