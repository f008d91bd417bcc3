//! Which processor is on which socket, as the programs read it.

use std::os::fd::AsFd as _;

use aya::Ebpf;
use aya::maps::Map;
use tanso_agent_abi::PROCESSORS_MAX;

use super::load;
use crate::host::cpu::online;
use crate::host::{HostRoots, Sockets};
use crate::kernel::{KernelError, batch};

/// The sockets that are known. A processor that is not online says nothing of
/// its own: one that comes later is looked for then. A machine that showed one
/// socket when this was read is taken for one with one.
pub(super) struct SocketTable {
    roots: HostRoots,
    known: Option<Sockets>,
    online: Vec<usize>,
}

impl SocketTable {
    /// Reads the sockets of the processors that are online.
    pub(super) fn read(roots: &HostRoots) -> Self {
        Self {
            roots: roots.clone(),
            // First: who comes online between the two is looked for again.
            online: online(roots),
            known: Sockets::read(roots),
        }
    }

    /// What is known, on a machine with several sockets.
    pub(super) fn known(&self) -> Option<&Sockets> {
        self.known.as_ref()
    }

    /// Tells the programs the socket of a processor that was not online before:
    /// what runs on it would be booked to socket 0.
    pub(super) fn follow(&mut self, programs: &Ebpf) {
        let Some(sockets) = self.renewed() else {
            return;
        };
        match tell(programs, sockets) {
            Ok(()) => tracing::info!("processors came online, and their sockets are known"),
            Err(fault) => {
                tracing::warn!(error = %fault, "a new processor's time counts as socket 0's");
            }
        }
    }

    /// The sockets, where they were read anew: other processors are online than
    /// at the last look, and one of them was not known.
    fn renewed(&mut self) -> Option<&Sockets> {
        let known = self.known.as_ref()?;
        let online = online(&self.roots);
        if online == self.online {
            return None;
        }
        let is_news = online.iter().any(|&number| !known.has(number));
        self.online = online;
        if !is_news {
            return None;
        }
        // Where they cannot be read any more the old ones stay.
        self.known = Some(Sockets::read(&self.roots)?);
        self.known.as_ref()
    }
}

/// Tells the programs the socket of each processor. Time on one beyond the map is
/// booked to socket 0: no machine of this agent has so many.
pub(super) fn tell(programs: &Ebpf, sockets: &Sockets) -> Result<(), KernelError> {
    let Some(Map::Array(map)) = programs.map(load::SOCKETS) else {
        return Err(KernelError::NoObject);
    };
    for (number, socket) in sockets
        .iter()
        .filter(|&(number, _)| number < PROCESSORS_MAX)
    {
        let place = u32::try_from(number).unwrap_or(u32::MAX);
        batch::put(map.fd().as_fd(), place, u32::from(socket)).map_err(|source| {
            KernelError::System {
                what: "telling the programs the sockets of processors",
                source,
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn processor(roots: &HostRoots, number: usize, socket: u8) {
        let folder = format!("devices/system/cpu/cpu{number}/topology");
        let folder = roots.sys.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("physical_package_id"), socket.to_string()).unwrap();
    }

    fn say_online(roots: &HostRoots, list: &str) {
        let file = Path::new("devices/system/cpu/online");
        fs::write(roots.sys.join(file), list).unwrap();
    }

    #[test]
    fn a_processor_that_comes_online_later_is_on_its_own_socket() {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        processor(&roots, 0, 0);
        processor(&roots, 2, 1);
        say_online(&roots, "0,2\n");
        let mut table = SocketTable::read(&roots);
        assert_eq!(table.renewed(), None);
        // One goes: what is known of it stays, and there is nothing new.
        say_online(&roots, "0\n");
        assert_eq!(table.renewed(), None);
        processor(&roots, 3, 1);
        say_online(&roots, "0,2-3\n");
        let renewed: Vec<_> = table.renewed().unwrap().iter().collect();
        assert_eq!(renewed, [(0, 0), (2, 1), (3, 1)]);
        assert_eq!(table.renewed(), None, "once");
    }

    #[test]
    fn a_processor_that_tells_no_socket_is_looked_for_once() {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        processor(&roots, 0, 0);
        processor(&roots, 1, 1);
        say_online(&roots, "0-1\n");
        let mut table = SocketTable::read(&roots);
        say_online(&roots, "0-2\n");
        assert_eq!(table.renewed().unwrap().iter().count(), 2);
        assert_eq!(table.renewed(), None);
    }

    #[test]
    fn a_machine_with_one_socket_is_not_looked_at_again() {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        processor(&roots, 0, 0);
        say_online(&roots, "0\n");
        let mut table = SocketTable::read(&roots);
        say_online(&roots, "0-1\n");
        assert_eq!(table.known(), None);
        assert_eq!(table.renewed(), None);
    }
}
