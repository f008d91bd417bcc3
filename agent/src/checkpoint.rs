//! The agent's whole state on disk, every reading interval.
//!
//! Three places: two that take turns, and one that is written (and synced)
//! when a minute closes. A kill leaves at most one of them torn, a power cut
//! at most the two; the newest whole one holds. A write costs no seek and no
//! sync, so a process' death loses nothing that was ever shown. The state is
//! `MessagePack` with the fields' names, so that a later agent may add fields;
//! the text of schema 1 is still read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::meters::Memory;

/// The beginning of a state of this schema, and of the one before, whose
/// content was JSON.
const MAGIC: &[u8; 8] = b"TANSOC\x02\x00";
const MAGIC_1: &[u8; 8] = b"TANSOC\x01\x00";
const HEADER_BYTES: usize = 24;
const NAMES: [&str; 3] = ["checkpoint.a", "checkpoint.b", "checkpoint.minute"];
const MINUTE: usize = 2;

/// Who may read what the agent writes: figures by the second tell other users
/// of the node what a neighbour computes (PLATYPUS, 2020).
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// What a new process needs to go on where the last one ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The kernel's id of the boot; counters of another boot are others.
    pub boot_id: Option<String>,
    /// The instant of the readings, nanoseconds since boot.
    pub at_boot_ns: u64,
    /// The same by the wall clock, milliseconds of Unix time.
    pub at_unix_ms: i64,
    /// The node's busy CPU time at that instant, nanoseconds.
    pub busy_ns: u64,
    /// The node's CPU time, busy or not, nanoseconds.
    pub total_ns: u64,
    /// The chosen meter and what it remembers.
    pub meter: Option<(String, Memory)>,
    /// The journal that the books' sequence numbers belong to.
    pub journal: u64,
    /// What was charged.
    pub books: Books,
}

/// Writes states, and finds the newest whole one.
#[derive(Debug)]
pub struct Checkpoint {
    files: [File; 3],
    generation: u64,
    /// Where a part of a state is gathered.
    buffer: Vec<u8>,
    /// Length of the last state, bytes.
    length: usize,
}

impl Checkpoint {
    /// Opens the places in `directory` and returns the newest whole state.
    /// What is spoilt is as if it were not there.
    ///
    /// # Errors
    /// If the files cannot be opened.
    pub fn open(directory: &Path) -> io::Result<(Self, Option<State>)> {
        let open = |name: &str| -> io::Result<(File, PathBuf)> {
            let path = directory.join(name);
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(OWNER_ONLY)
                .open(&path)?;
            // One that an earlier agent made may be open to all.
            if let Err(fault) = file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY)) {
                tracing::warn!(file = %path.display(), error = %fault, "others may read the agent's state");
            }
            Ok((file, path))
        };
        let [a, b, minute] = NAMES.map(open);
        let (a, b, minute) = (a?, b?, minute?);
        let mut newest: Option<(u64, State)> = None;
        for (_, path) in [&a, &b, &minute] {
            let bytes = fs::read(path)?;
            if bytes.is_empty() {
                continue;
            }
            match decode(&bytes) {
                Some((generation, state)) => {
                    if newest.as_ref().is_none_or(|(known, _)| generation > *known) {
                        newest = Some((generation, state));
                    }
                }
                None => {
                    tracing::warn!(file = %path.display(), "checkpoint is not whole and is left out");
                }
            }
        }
        let generation = newest.as_ref().map_or(0, |(generation, _)| *generation);
        let checkpoint = Self {
            files: [a.0, b.0, minute.0],
            generation,
            buffer: Vec::with_capacity(PART_BYTES),
            length: 0,
        };
        Ok((checkpoint, newest.map(|(_, state)| state)))
    }

    /// Writes a state. With `for_good` it is on the disk when this returns;
    /// else it survives the process, but not a power cut.
    ///
    /// # Errors
    /// If the disk refuses; an earlier state is then still whole.
    pub fn write(&mut self, state: &State, for_good: bool) -> io::Result<()> {
        let generation = self.generation + 1;
        let turn = if for_good {
            MINUTE
        } else {
            usize::from(!generation.is_multiple_of(2))
        };
        if let Some(file) = self.files.get(turn) {
            self.buffer.clear();
            let mut content = Content::new(file, generation, &mut self.buffer);
            rmp_serde::encode::write_named(&mut content, state).map_err(io::Error::other)?;
            self.length = content.end()?;
            if for_good {
                file.sync_data()?;
            }
        }
        self.generation = generation;
        Ok(())
    }

    /// Size of the last state written, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.length
    }
}

/// How much of a state is gathered before it is written: the whole of it never
/// stands in memory.
const PART_BYTES: usize = 64 * 1024;

/// A state's content on its way into its place, behind room for the header.
/// What is there is not whole from the first part on until the header is
/// written last.
struct Content<'a> {
    file: &'a File,
    generation: u64,
    buffer: &'a mut Vec<u8>,
    written: usize,
    checksum: crc32fast::Hasher,
}

impl<'a> Content<'a> {
    fn new(file: &'a File, generation: u64, buffer: &'a mut Vec<u8>) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&generation.to_le_bytes());
        Self {
            file,
            generation,
            buffer,
            written: 0,
            checksum,
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.checksum.update(self.buffer);
        let at = u64::try_from(HEADER_BYTES + self.written).map_err(io::Error::other)?;
        self.file.write_all_at(self.buffer, at)?;
        self.written += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest and the header; returns the length of all.
    fn end(mut self) -> io::Result<usize> {
        self.spill()?;
        let length = u32::try_from(self.written)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "state is too large"))?;
        self.buffer.extend_from_slice(MAGIC);
        self.buffer
            .extend_from_slice(&self.generation.to_le_bytes());
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer
            .extend_from_slice(&self.checksum.finalize().to_le_bytes());
        self.file.write_all_at(self.buffer, 0)?;
        Ok(HEADER_BYTES + self.written)
    }
}

impl Write for Content<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Called for each mark, name and number of a state, tens of thousands of
    /// times: nothing of it is ever left to be written again.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > PART_BYTES {
            self.spill()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spill()
    }
}

fn checksum(generation: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

fn decode(bytes: &[u8]) -> Option<(u64, State)> {
    let text = bytes.starts_with(MAGIC_1);
    if !text && !bytes.starts_with(MAGIC) {
        return None;
    }
    let generation = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
    let length = u32::from_le_bytes(bytes.get(16..20)?.try_into().ok()?);
    let crc = u32::from_le_bytes(bytes.get(20..24)?.try_into().ok()?);
    let end = HEADER_BYTES.checked_add(usize::try_from(length).ok()?)?;
    // An earlier, longer state may follow.
    let content = bytes.get(HEADER_BYTES..end)?;
    if checksum(generation, content) != crc {
        return None;
    }
    let mut state: State = if text {
        serde_json::from_slice(content).ok()?
    } else {
        rmp_serde::from_slice(content).ok()?
    };
    state.books.reopen().ok()?;
    Some((generation, state))
}

#[cfg(test)]
mod tests {
    use tanso_agent_wire::energy::Account;

    use super::*;

    fn state(at_boot_ns: u64) -> State {
        State {
            boot_id: Some("boot".into()),
            at_boot_ns,
            at_unix_ms: 5,
            busy_ns: 6,
            total_ns: 7,
            meter: Some(("fake".into(), Memory::default())),
            journal: 9,
            books: Books::default(),
        }
    }

    #[test]
    fn the_newest_whole_state_holds_whatever_tore_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let (mut checkpoint, none) = Checkpoint::open(directory.path()).unwrap();
        assert_eq!(none, None);
        for n in 1..=5 {
            checkpoint.write(&state(n), n == 3).unwrap();
        }
        // The fifth went to place b.
        let place = directory.path().join("checkpoint.b");
        let whole = fs::read(&place).unwrap();
        for length in 1..whole.len() {
            fs::write(&place, whole.get(..length).unwrap()).unwrap();
            let (_, found) = Checkpoint::open(directory.path()).unwrap();
            assert_eq!(found.unwrap().at_boot_ns, 4, "cut at {length}");
        }
        fs::write(&place, &whole).unwrap();
        let (mut checkpoint, found) = Checkpoint::open(directory.path()).unwrap();
        assert_eq!(found, Some(state(5)));
        checkpoint.write(&state(6), false).unwrap();
        assert_eq!(
            Checkpoint::open(directory.path()).unwrap().1,
            Some(state(6))
        );
    }

    #[test]
    fn a_state_longer_than_a_part_is_whole_and_a_shorter_one_takes_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let (mut checkpoint, _) = Checkpoint::open(directory.path()).unwrap();
        let mut long = state(1);
        long.boot_id = Some("b".repeat(3 * PART_BYTES));
        for number in 0..2_000 {
            let account = Account::Standalone {
                container_id: format!("{number:064}"),
            };
            long.books.account(&account);
        }
        checkpoint.write(&long, true).unwrap();
        let bytes = fs::metadata(directory.path().join(NAMES[MINUTE])).unwrap();
        assert_eq!(bytes.len(), checkpoint.bytes() as u64);
        assert!(checkpoint.bytes() > 6 * PART_BYTES);
        assert_eq!(
            Checkpoint::open(directory.path()).unwrap().1,
            Some(long.clone())
        );
        checkpoint.write(&state(2), true).unwrap();
        assert_eq!(
            Checkpoint::open(directory.path()).unwrap().1,
            Some(state(2))
        );
    }

    #[test]
    fn states_are_their_owners_alone_also_those_of_an_earlier_agent() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(NAMES[0]);
        fs::write(&place, "").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
        Checkpoint::open(directory.path()).unwrap();
        for name in NAMES {
            let place = fs::metadata(directory.path().join(name)).unwrap();
            assert_eq!(place.permissions().mode() & 0o777, OWNER_ONLY, "{name}");
        }
    }

    #[test]
    fn a_state_of_the_schema_before_is_taken_up() {
        let directory = tempfile::tempdir().unwrap();
        let content = serde_json::to_vec(&state(9)).unwrap();
        let mut bytes = MAGIC_1.to_vec();
        bytes.extend(3_u64.to_le_bytes());
        bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        bytes.extend(checksum(3, &content).to_le_bytes());
        bytes.extend(content);
        fs::write(directory.path().join("checkpoint.a"), bytes).unwrap();
        let (_, found) = Checkpoint::open(directory.path()).unwrap();
        assert_eq!(found, Some(state(9)));
    }
}
