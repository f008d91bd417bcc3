//! Groups made and removed since the last reading, as the kernel told of them.

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

/// What the kernel told, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Groups that were made.
    pub(super) births: Vec<GroupBirth>,
    /// Groups that were removed, those made meanwhile among them.
    pub(super) removals: Vec<CgroupId>,
    /// Whether something was told that does not say which group it is.
    pub(super) unclear: bool,
}

impl Told {
    /// Takes a record by its layout. A birth whose path is cut or unreadable is
    /// unclear.
    fn take(&mut self, record: &[u8]) {
        match (birth(record), removal(record)) {
            (Some(birth), _) => self.births.push(birth),
            (None, Some(cgroup)) => self.removals.push(cgroup),
            (None, None) => self.unclear = true,
        }
    }
}

/// The ring's reader.
pub(super) struct Events(RingBuf<MapData>);

impl Events {
    pub(super) fn new(map: Map) -> Option<Self> {
        RingBuf::try_from(map).ok().map(Self)
    }

    /// What was told since the last call.
    pub(super) fn take(&mut self) -> Told {
        let mut told = Told::default();
        while let Some(record) = self.0.next() {
            told.take(&record);
        }
        told
    }
}

/// The group of a removal's record; `None` for another one.
fn removal(record: &[u8]) -> Option<CgroupId> {
    if record.len() < size_of::<GroupEvent>() {
        return None;
    }
    let cgroup = u64::from_ne_bytes(record.get(..8)?.try_into().ok()?);
    let what = u32::from_ne_bytes(record.get(16..20)?.try_into().ok()?);
    (what == event::REMOVED).then_some(CgroupId::new(cgroup))
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

    #[test]
    fn what_does_not_say_which_group_it_is_is_unclear() {
        let mut told = Told::default();
        told.take(&record(event::MADE, 5, b"/pod\0"));
        told.take(&record(event::REMOVED, -14, b""));
        assert_eq!(told.births.len(), 1);
        assert_eq!(told.removals, [CgroupId::new(77)]);
        assert!(!told.unclear);
        let cut = i32::try_from(PATH_MAX).unwrap();
        told.take(&record(event::MADE, cut, b"/pod"));
        assert!(told.unclear);
    }
}
