//! Which processor is on which socket, where there are several.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{HostRoots, read_optional};

/// The sockets of processors, by the processors' numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets(BTreeMap<usize, u8>);

impl Sockets {
    /// Reads the sockets under `devices/system/cpu`; `None` where all processors
    /// are on one, or one of them does not tell its own in a byte.
    #[must_use]
    pub fn read(roots: &HostRoots) -> Option<Self> {
        let folder = roots.sys.join("devices/system/cpu");
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
            let Some(number) = number.and_then(|digits| digits.parse().ok()) else {
                continue;
            };
            // One that is not online tells nothing, and runs nothing until it
            // comes: then it is read again.
            let path = entry.path().join("topology/physical_package_id");
            if let Some(text) = read_optional(&path) {
                found.insert(number, text.parse().ok()?);
            }
        }
        let sockets: BTreeSet<u8> = found.values().copied().collect();
        (sockets.len() > 1).then_some(Self(found))
    }

    /// Whether a processor's socket is known.
    #[must_use]
    pub fn has(&self, processor: usize) -> bool {
        self.0.contains_key(&processor)
    }

    /// Processors and their sockets.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().map(|(&number, &socket)| (number, socket))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sockets(of: &[(&str, &str)]) -> Option<Vec<(usize, u8)>> {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        for (processor, socket) in of {
            let folder = roots.sys.join("devices/system/cpu").join(processor);
            let folder = folder.join(Path::new("topology"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("physical_package_id"), socket).unwrap();
        }
        Some(Sockets::read(&roots)?.iter().collect())
    }

    #[test]
    fn only_a_machine_with_several_sockets_has_any() {
        let two = [
            ("cpu0", "0\n"),
            ("cpu1", "1\n"),
            ("cpu10", "1\n"),
            ("cpuidle", "7"),
        ];
        assert_eq!(sockets(&two).unwrap(), [(0, 0), (1, 1), (10, 1)]);
        assert_eq!(sockets(&[("cpu0", "0"), ("cpu1", "0")]), None);
        assert_eq!(sockets(&[("cpu0", "36"), ("cpu1", "3180")]), None);
        assert_eq!(sockets(&[("cpu0", "0"), ("cpu1", "-1")]), None);
        assert_eq!(sockets(&[]), None);
    }
}
