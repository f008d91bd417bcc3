//! Calls of the kernel's that the library does not have, or has for its own
//! uses of a map only: reading a whole hash map at once, taking an entry out
//! together with its value, and entries of maps by processor.
#![expect(unsafe_code, reason = "system calls with pointers to our own memory")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use super::KernelError;

const LOOKUP: libc::c_int = 1;
const UPDATE: libc::c_int = 2;
const DELETE: libc::c_int = 3;
const LOOKUP_AND_DELETE: libc::c_int = 21;
const LOOKUP_BATCH: libc::c_int = 24;

/// The kernel's `bpf_attr` for calls on many entries.
#[repr(C)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// The kernel's `bpf_attr` for calls on one entry.
#[repr(C)]
struct ElementAttr {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

const _: () = assert!(size_of::<BatchAttr>() == 56);
const _: () = assert!(size_of::<ElementAttr>() == 32);

/// Reads a map; keeps its buffers from reading to reading.
///
/// Keys and values are plain numbers, whose every pattern of bits is one.
#[derive(Debug)]
pub(super) struct Reader<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

/// What may be read: plain numbers without padding, of the sizes that the maps
/// are made with.
pub(super) trait Plain: Copy + Default {}
impl Plain for tanso_agent_abi::GroupKey {}
impl Plain for tanso_agent_abi::CpuTime {}
impl Plain for tanso_agent_abi::ProcessKey {}
impl Plain for tanso_agent_abi::ProcessTime {}
impl Plain for tanso_agent_abi::GroupCounts {}
impl Plain for tanso_agent_abi::ProcessorCounters {}
impl Plain for tanso_agent_abi::Dying {}
impl Plain for u32 {}
impl Plain for u64 {}

impl<K: Plain, V: Plain> Reader<K, V> {
    pub(super) fn new() -> Self {
        let mut reader = Self {
            keys: Vec::new(),
            values: Vec::new(),
        };
        reader.resize(1024);
        reader
    }

    fn resize(&mut self, length: usize) {
        self.keys.resize(length, K::default());
        self.values.resize(length, V::default());
    }

    /// Hands each entry of `map` to `each`.
    ///
    /// An entry made meanwhile may be missed; the next reading has it.
    pub(super) fn read(
        &mut self,
        map: BorrowedFd<'_>,
        mut each: impl FnMut(K, V),
    ) -> Result<(), KernelError> {
        let mut from: Option<u32> = None;
        loop {
            let (result, count, next) = self.next(map, from);
            let end = match result {
                Ok(()) => false,
                // The last part; the count is valid.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                // A bucket is longer than the buffers: more room, same place.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.resize(self.keys.len() * 2);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(KernelError::System {
                        what: "reading the map of counters",
                        source,
                    });
                }
            };
            for (key, value) in self.keys.iter().zip(&self.values).take(count) {
                each(*key, *value);
            }
            if end {
                return Ok(());
            }
            from = Some(next);
        }
    }

    /// The entries after the place `from`: how it went, how many they are, and
    /// the place to go on from.
    fn next(&mut self, map: BorrowedFd<'_>, from: Option<u32>) -> (io::Result<()>, usize, u32) {
        let place = from.unwrap_or_default();
        let mut next = 0_u32;
        let mut attr = BatchAttr {
            in_batch: if from.is_some() {
                address(&raw const place)
            } else {
                0
            },
            out_batch: address(&raw mut next),
            keys: address(self.keys.as_mut_ptr()),
            values: address(self.values.as_mut_ptr()),
            count: u32::try_from(self.keys.len()).unwrap_or(u32::MAX),
            map: descriptor(map),
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: keys and values are as long as `count` says, of the sizes
        // that the map was made with; the places are ours and outlive the call.
        let result = unsafe { call(LOOKUP_BATCH, &raw mut attr) };
        let count = usize::try_from(attr.count).unwrap_or_default();
        (result, count.min(self.keys.len()), next)
    }
}

/// Takes an entry out of `map`; `None` if there is none.
pub(super) fn take<K: Plain, V: Plain>(map: BorrowedFd<'_>, key: K) -> io::Result<Option<V>> {
    let mut value = V::default();
    let mut attr = ElementAttr {
        map: descriptor(map),
        pad: 0,
        key: address(&raw const key),
        value: address(&raw mut value),
        flags: 0,
    };
    // SAFETY: key and value are ours, of the sizes that the map was made with,
    // and outlive the call.
    match unsafe { call(LOOKUP_AND_DELETE, &raw mut attr) } {
        Ok(()) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts an entry in `map`, over one that is there.
pub(super) fn put<K: Plain, V: Plain>(map: BorrowedFd<'_>, key: K, value: V) -> io::Result<()> {
    put_each(map, key, &[value])
}

/// Takes an entry out of `map`; none there is no fault.
pub(super) fn remove<K: Plain>(map: BorrowedFd<'_>, key: K) -> io::Result<()> {
    let mut attr = ElementAttr {
        map: descriptor(map),
        pad: 0,
        key: address(&raw const key),
        value: 0,
        flags: 0,
    };
    // SAFETY: the key is ours, of the size that the map was made with, and
    // outlives the call.
    match unsafe { call(DELETE, &raw mut attr) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Puts an entry with a value for each processor that the machine may have.
pub(super) fn put_each<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    key: K,
    values: &[V],
) -> io::Result<()> {
    let mut attr = ElementAttr {
        map: descriptor(map),
        pad: 0,
        key: address(&raw const key),
        value: address(values.as_ptr()),
        flags: 0,
    };
    // SAFETY: key and values are ours, of the sizes that the map was made with,
    // as many as it has for one key, and outlive the call.
    unsafe { call(UPDATE, &raw mut attr) }
}

/// Reads the entry of a key with a value for each processor that the machine may
/// have, of which there are as many as `values`.
pub(super) fn read_each<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    key: K,
    values: &mut [V],
) -> io::Result<()> {
    let mut attr = ElementAttr {
        map: descriptor(map),
        pad: 0,
        key: address(&raw const key),
        value: address(values.as_mut_ptr()),
        flags: 0,
    };
    // SAFETY: as above.
    unsafe { call(LOOKUP, &raw mut attr) }
}

/// # Safety
/// `attr` must be the form that `command` takes, and what it points to must be
/// ours.
unsafe fn call<T>(command: libc::c_int, attr: *mut T) -> io::Result<()> {
    // SAFETY: the caller's; the size is that of the form.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn address<T>(pointer: *const T) -> u64 {
    // A pointer has at most 64 bits on every target of this agent.
    u64::try_from(pointer.expose_provenance()).unwrap_or_default()
}

fn descriptor(fd: BorrowedFd<'_>) -> u32 {
    // A descriptor that is open is not negative.
    u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX)
}
