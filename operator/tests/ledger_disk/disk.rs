//! A disk that loses power, fills up, fails and rots, below the database.
//!
//! Files live in memory. What was written is on the disk only once it was
//! flushed; when the power goes, each later write may be there, not be there,
//! or be there in part. Nothing here knows what a ledger is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions, Vfs, WalDisabled};

/// What a disk writes in one piece, bytes.
const SECTOR: usize = 512;

/// What the disk does instead of its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing: it works.
    #[default]
    None,
    /// The power goes before the n-th change (from 0).
    PowerOff(u64),
    /// From the n-th change on there is no room.
    Full(u64),
    /// From the n-th change on every change fails.
    Broken(u64),
    /// It refuses every change, and says so when a file is opened.
    ReadOnly,
}

/// What of the unflushed writes is there after the power came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survives {
    /// Nothing.
    Nothing,
    /// All.
    All,
    /// Sectors chosen by this seed.
    Some(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    changes: u64,
    flushes: u64,
    trouble: Trouble,
}

/// The disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk that the database knows by `name`; each name may be taken once.
    pub(super) fn register(name: &str) -> Self {
        let disk = Self::default();
        sqlite_vfs::register(name, disk.clone(), false).unwrap();
        disk
    }

    /// Empties it and lets it work.
    pub(super) fn format(&self) {
        *self.lock() = State::default();
    }

    /// Sets what goes wrong from now on; changes are counted anew.
    pub(super) fn suffer(&self, trouble: Trouble) {
        let mut state = self.lock();
        state.trouble = trouble;
        state.changes = 0;
        state.flushes = 0;
    }

    /// Changes and flushes since the last trouble was set.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.changes, state.flushes)
    }

    /// The power comes back: what was flushed is there, and of the rest what
    /// survives.
    pub(super) fn power_on(&self, survives: Survives) {
        let mut state = self.lock();
        state.trouble = Trouble::None;
        let mut seed = match survives {
            Survives::Some(seed) => seed,
            _ => 0,
        };
        for file in state.files.values_mut() {
            let mut content = file.durable.clone();
            for change in std::mem::take(&mut file.pending) {
                match survives {
                    Survives::Nothing => {}
                    Survives::All => apply(&mut content, &change),
                    Survives::Some(_) => tear(&mut content, &change, &mut seed),
                }
            }
            file.live.clone_from(&content);
            file.durable = content;
        }
    }

    /// Inverts the bytes of a page of a file, as a disk does that rots.
    pub(super) fn rot(&self, name: &str, page: usize, page_size: usize) {
        let mut state = self.lock();
        let file = state.files.get_mut(name).unwrap();
        for content in [&mut file.live, &mut file.durable] {
            let page = content.iter_mut().skip(page * page_size).take(page_size);
            page.for_each(|byte| *byte = !*byte);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a change; refuses it if the disk does.
    fn change(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.lock();
        let at = state.changes;
        state.changes += 1;
        match state.trouble {
            Trouble::PowerOff(from) if at >= from => Err(Error::other("no power")),
            Trouble::Full(from) if at >= from => Err(ErrorKind::WriteZero.into()),
            Trouble::Broken(from) if at >= from => Err(Error::other("input/output error")),
            Trouble::ReadOnly => Err(ErrorKind::PermissionDenied.into()),
            _ => Ok(state),
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, data } => write(content, *offset, data),
        Change::SetLen(length) => content.resize(*length, 0),
    }
}

/// Applies a change in part: some of its sectors, in any order of time.
fn tear(content: &mut Vec<u8>, change: &Change, seed: &mut u64) {
    match change {
        Change::Write { offset, data } => {
            for (index, sector) in data.chunks(SECTOR).enumerate() {
                if flip(seed) {
                    write(content, offset + index * SECTOR, sector);
                }
            }
        }
        Change::SetLen(_) if flip(seed) => apply(content, change),
        Change::SetLen(_) => {}
    }
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

/// A coin, by xorshift.
fn flip(seed: &mut u64) -> bool {
    *seed |= 1 << 40;
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed & 64 == 0
}

/// An open file.
pub(super) struct Handle {
    disk: Disk,
    name: String,
    lock: LockKind,
}

impl Handle {
    fn with<T>(&self, state: &mut State, work: impl FnOnce(&mut File) -> T) -> Result<T, Error> {
        let file = state.files.get_mut(&self.name);
        file.map(work).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = WalDisabled;

    fn size(&self) -> Result<u64, Error> {
        let mut state = self.disk.lock();
        self.with(&mut state, |file| u64::try_from(file.live.len()).unwrap())
    }

    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        let offset = usize::try_from(offset).unwrap();
        let mut state = self.disk.lock();
        let read = self.with(&mut state, |file| {
            let rest = file.live.get(offset..).unwrap_or_default();
            let length = rest.len().min(buf.len());
            buf[..length].copy_from_slice(&rest[..length]);
            // SQLite wants zeros after the end.
            buf[length..].fill(0);
            length
        })?;
        if read < buf.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> Result<(), Error> {
        let change = Change::Write {
            offset: usize::try_from(offset).unwrap(),
            data: buf.to_vec(),
        };
        let mut state = self.disk.change()?;
        self.with(&mut state, |file| {
            apply(&mut file.live, &change);
            file.pending.push(change);
        })
    }

    fn sync(&mut self, _: bool) -> Result<(), Error> {
        let mut state = self.disk.change()?;
        state.flushes += 1;
        self.with(&mut state, |file| {
            file.durable.clone_from(&file.live);
            file.pending.clear();
        })
    }

    fn set_len(&mut self, size: u64) -> Result<(), Error> {
        let change = Change::SetLen(usize::try_from(size).unwrap());
        let mut state = self.disk.change()?;
        self.with(&mut state, |file| {
            apply(&mut file.live, &change);
            file.pending.push(change);
        })
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool, Error> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(self.lock)
    }

    fn wal_index(&self, _: bool) -> Result<WalDisabled, Error> {
        Ok(WalDisabled)
    }
}

impl Vfs for Disk {
    type Handle = Handle;

    fn open(&self, name: &str, opts: OpenOptions) -> Result<Handle, Error> {
        let mut state = self.lock();
        if state.trouble == Trouble::ReadOnly && opts.access != OpenAccess::Read {
            return Err(ErrorKind::PermissionDenied.into());
        }
        match (opts.access, state.files.contains_key(name)) {
            (OpenAccess::Read | OpenAccess::Write, false) => {
                return Err(ErrorKind::NotFound.into());
            }
            (OpenAccess::CreateNew, true) => return Err(ErrorKind::AlreadyExists.into()),
            _ => {}
        }
        state.files.entry(name.to_owned()).or_default();
        Ok(Handle {
            disk: self.clone(),
            name: name.to_owned(),
            lock: LockKind::None,
        })
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        let mut state = self.change()?;
        let gone = state.files.remove(name);
        gone.map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.lock().files.contains_key(name))
    }

    fn temporary_name(&self) -> String {
        let state = self.lock();
        format!("temporary-{}", state.changes)
    }

    fn random(&self, buffer: &mut [i8]) {
        // The same each time: a run can be repeated.
        for (byte, value) in buffer.iter_mut().zip((1_i8..=i8::MAX).cycle()) {
            *byte = value;
        }
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }

    fn full_pathname<'a>(&self, name: &'a str) -> Result<Cow<'a, str>, Error> {
        Ok(name.into())
    }
}
