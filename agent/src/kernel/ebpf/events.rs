//! Groups made since the last reading, as the kernel told of them.

use std::sync::Arc;

use aya::maps::{Map, MapData, RingBuf};
use tanso_agent_abi::{GroupEvent, PATH_MAX, event};

use crate::workloads::CgroupId;

/// A group that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupBirth {
    /// Its id.
    pub cgroup: CgroupId,
    /// Its path from the root of the hierarchy that is counted by.
    pub path: Arc<str>,
}

/// The ring's reader.
pub(super) struct Events(RingBuf<MapData>);

impl Events {
    pub(super) fn new(map: Map) -> Option<Self> {
        RingBuf::try_from(map).ok().map(Self)
    }

    /// The groups made since the last call, oldest first, and whether any was
    /// made or removed.
    pub(super) fn take(&mut self) -> (Vec<GroupBirth>, bool) {
        let mut births = Vec::new();
        let mut changed = false;
        while let Some(record) = self.0.next() {
            changed = true;
            births.extend(birth(&record));
        }
        (births, changed)
    }
}

/// Reads a record by its layout; `None` for one that is not a birth, or whose
/// path is cut or unreadable.
fn birth(record: &[u8]) -> Option<GroupBirth> {
    if record.len() < size_of::<GroupEvent>() {
        return None;
    }
    let number = |at: usize| -> Option<[u8; 4]> { record.get(at..at + 4)?.try_into().ok() };
    let cgroup = u64::from_ne_bytes(record.get(..8)?.try_into().ok()?);
    let what = u32::from_ne_bytes(number(16)?);
    let length = usize::try_from(i32::from_ne_bytes(number(20)?)).ok()?;
    if what != event::MADE || !(2..PATH_MAX).contains(&length) {
        return None;
    }
    let path = str::from_utf8(record.get(24..24 + length - 1)?).ok()?;
    path.starts_with('/').then(|| GroupBirth {
        cgroup: CgroupId::new(cgroup),
        path: path.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(what: u32, length: i32, path: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(77_u64.to_ne_bytes());
        bytes.extend(1_u64.to_ne_bytes());
        bytes.extend(what.to_ne_bytes());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(path);
        bytes.resize(size_of::<GroupEvent>(), 0);
        bytes
    }

    #[test]
    fn a_birth_has_its_path_and_what_is_cut_is_none() {
        let whole = birth(&record(event::MADE, 5, b"/pod\0")).unwrap();
        assert_eq!((whole.cgroup.inode(), &*whole.path), (77, "/pod"));
        assert_eq!(birth(&record(event::REMOVED, 5, b"/pod\0")), None);
        assert_eq!(birth(&record(event::MADE, -14, b"")), None);
        let cut = i32::try_from(PATH_MAX).unwrap();
        assert_eq!(birth(&record(event::MADE, cut, b"/pod")), None);
        assert_eq!(birth(&record(event::MADE, 5, b"pod/\0")), None);
        assert_eq!(birth(&[0; 24]), None);
    }
}
