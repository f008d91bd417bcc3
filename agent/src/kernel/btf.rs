//! Reads the running kernel's own type information, as far as needed: where a
//! member lies in a structure, and what number an enumerator has.
//!
//! The format is the kernel's (Documentation/bpf/btf.rst). Nothing here can
//! fail but by not finding: a broken file finds nothing.

use std::path::{Path, PathBuf};

use super::KernelError;

/// Where the kernel shows its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u32 = 0xeb9f;
const HEADER_MIN: usize = 24;
/// Type id, name, info and size or type: the fixed part of a type.
const TYPE_SIZE: usize = 12;
/// Chains of unnamed members and modifiers longer than this are not followed.
const DEPTH_MAX: usize = 16;

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// The types of a kernel.
#[derive(Debug)]
pub struct Types {
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type starts; the index is the type's id.
    starts: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Type {
    start: usize,
    name: u32,
    kind: u32,
    members: usize,
    /// Members' offsets carry the size of a bit field.
    bit_fields: bool,
    /// The type that this one refers to, or its size.
    refers: u32,
}

impl Types {
    /// Reads the types of the running kernel.
    ///
    /// # Errors
    /// If the file cannot be read or is not of the documented form.
    pub fn read(path: &Path) -> Result<Self, KernelError> {
        let fault = |reason: String| KernelError::Btf {
            path: PathBuf::from(path),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        Self::parse(bytes).ok_or_else(|| fault("not of the documented form".to_owned()))
    }

    /// Takes the bytes of a type file in this machine's byte order.
    #[must_use]
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let header = |at| word(&bytes, at);
        if header(0)? & 0xffff != MAGIC {
            return None;
        }
        let header_length = usize::try_from(header(4)?).ok()?;
        if header_length < HEADER_MIN {
            return None;
        }
        let place = |at| {
            let offset = usize::try_from(word(&bytes, at)?).ok()?;
            header_length.checked_add(offset)
        };
        let (first, strings) = (place(8)?, place(16)?);
        let end = first.checked_add(usize::try_from(header(12)?).ok()?)?;
        // Id 0 is void, which has no entry.
        let mut starts = vec![0];
        let mut at = first;
        while at < end {
            starts.push(u32::try_from(at).ok()?);
            at = at.checked_add(TYPE_SIZE + trailing(word(&bytes, at + 4)?))?;
        }
        Some(Self {
            bytes,
            strings,
            starts,
        })
    }

    /// The offset in bytes of the member at `path` (`se.sum_exec_runtime`) of
    /// a structure. Unnamed members are looked through. `None` for a bit field.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        self.named(KIND_STRUCT, structure)
            .find_map(|found| self.offset_in(found, path))
    }

    /// The number of an enumerator, of any enumeration.
    #[must_use]
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.all().find_map(|found| {
            let size = match found.kind {
                KIND_ENUM => 8,
                KIND_ENUM64 => 12,
                _ => return None,
            };
            (0..found.members).find_map(|n| {
                let at = found.start + TYPE_SIZE + n * size;
                (self.string(word(&self.bytes, at)?)? == name.as_bytes())
                    .then(|| word(&self.bytes, at + 4))?
            })
        })
    }

    fn offset_in(&self, start: Type, path: &str) -> Option<u32> {
        let mut bits = 0_u32;
        let mut current = start;
        for name in path.split('.') {
            let (offset, next) = self.member(current, name, 0)?;
            bits = bits.checked_add(offset)?;
            if let Some(next) = self.resolved(next) {
                current = next;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// A member's offset in bits, and its type.
    fn member(&self, owner: Type, name: &str, depth: usize) -> Option<(u32, u32)> {
        if depth > DEPTH_MAX || !matches!(owner.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        (0..owner.members).find_map(|n| {
            let at = owner.start + TYPE_SIZE + n * 12;
            let member_name = word(&self.bytes, at)?;
            let member_type = word(&self.bytes, at + 4)?;
            let raw = word(&self.bytes, at + 8)?;
            let (offset, bit_size) = if owner.bit_fields {
                (raw & 0x00ff_ffff, raw >> 24)
            } else {
                (raw, 0)
            };
            if member_name == 0 {
                let inner = self.resolved(member_type)?;
                let (below, found) = self.member(inner, name, depth + 1)?;
                return Some((offset.checked_add(below)?, found));
            }
            (self.string(member_name)? == name.as_bytes() && bit_size == 0)
                .then_some((offset, member_type))
        })
    }

    /// The type behind names and qualifiers.
    fn resolved(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH_MAX {
            let found = self.get(id)?;
            match found.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = found.refers;
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn named<'a>(&'a self, kind: u32, name: &'a str) -> impl Iterator<Item = Type> + 'a {
        self.all().filter(move |found| {
            found.kind == kind && self.string(found.name) == Some(name.as_bytes())
        })
    }

    fn all(&self) -> impl Iterator<Item = Type> + '_ {
        self.starts
            .iter()
            .skip(1)
            .filter_map(|start| self.at(*start))
    }

    fn get(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.at(*self.starts.get(usize::try_from(id).ok()?)?)
    }

    fn at(&self, start: u32) -> Option<Type> {
        let start = usize::try_from(start).ok()?;
        let info = word(&self.bytes, start + 4)?;
        Some(Type {
            start,
            name: word(&self.bytes, start)?,
            kind: kind(info),
            members: members(info),
            bit_fields: info >> 31 == 1,
            refers: word(&self.bytes, start + 8)?,
        })
    }

    fn string(&self, offset: u32) -> Option<&[u8]> {
        let start = self.strings.checked_add(usize::try_from(offset).ok()?)?;
        let rest = self.bytes.get(start..)?;
        rest.split(|byte| *byte == 0).next()
    }
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn members(info: u32) -> usize {
    // Sixteen bits fit any usize.
    usize::from(u16::try_from(info & 0xffff).unwrap_or_default())
}

/// The bytes that follow the fixed part of a type.
fn trailing(info: u32) -> usize {
    let members = members(info);
    match kind(info) {
        KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => members * 12,
        KIND_ENUM | KIND_FUNC_PROTO => members * 8,
        _ => 0,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with: struct outer { u32 a; struct { u32 b; }; inner c; },
    /// struct inner { u32 pad; u32 d; }, enum { zero, seven = 7 }.
    fn sample() -> Vec<u8> {
        let strings = b"\0outer\0a\0b\0c\0inner\0pad\0d\0zero\0seven\0flag\0";
        let name = |wanted: &str| {
            let wanted = format!("\0{wanted}\0");
            let at = strings
                .windows(wanted.len())
                .position(|window| window == wanted.as_bytes())
                .unwrap();
            u32::try_from(at + 1).unwrap()
        };
        let info = |kind: u32, members: u32| (kind << 24) | members;
        let types: Vec<u32> = [
            // 1: int
            vec![0, info(KIND_INT, 0), 4, 32],
            // 2: unnamed struct { u32 b; }
            vec![0, info(KIND_STRUCT, 1), 4, name("b"), 1, 0],
            // 3: inner, with a bit field at the end
            vec![
                name("inner"),
                info(KIND_STRUCT, 3) | 1 << 31,
                12,
                name("pad"),
                1,
                0,
                name("d"),
                1,
                32,
                name("flag"),
                1,
                64 | 1 << 24,
            ],
            // 4: const inner
            vec![0, info(KIND_CONST, 0), 3],
            // 5: outer
            vec![
                name("outer"),
                info(KIND_STRUCT, 3),
                20,
                name("a"),
                1,
                0,
                0,
                2,
                32,
                name("c"),
                4,
                64,
            ],
            // 6: enum
            vec![0, info(KIND_ENUM, 2), 4, name("zero"), 0, name("seven"), 7],
        ]
        .concat();
        let type_bytes = u32::try_from(types.len() * 4).unwrap();
        let string_bytes = u32::try_from(strings.len()).unwrap();
        let header = [MAGIC | 1 << 16, 24, 0, type_bytes, type_bytes, string_bytes];
        let mut bytes: Vec<u8> = header
            .iter()
            .chain(&types)
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        bytes.extend_from_slice(strings);
        bytes
    }

    #[test]
    fn members_are_found_through_names_and_unnamed_parts() {
        let types = Types::parse(sample()).unwrap();
        assert_eq!(types.offset("outer", "a"), Some(0));
        assert_eq!(types.offset("outer", "b"), Some(4));
        assert_eq!(types.offset("outer", "c"), Some(8));
        assert_eq!(types.offset("outer", "c.d"), Some(12));
        assert_eq!(types.offset("outer", "c.none"), None);
        assert_eq!(types.offset("none", "a"), None);
        assert_eq!(types.offset("inner", "flag"), None, "a bit field");
    }

    #[test]
    fn enumerators_are_found_by_name() {
        let types = Types::parse(sample()).unwrap();
        assert_eq!(types.enumerator("seven"), Some(7));
        assert_eq!(types.enumerator("zero"), Some(0));
        assert_eq!(types.enumerator("eight"), None);
    }

    #[test]
    fn a_cut_file_finds_nothing_and_does_not_fail() {
        let whole = sample();
        for length in 0..whole.len() {
            if let Some(types) = Types::parse(whole[..length].to_vec()) {
                let _ = types.offset("outer", "c.d");
                let _ = types.enumerator("seven");
            }
        }
        assert!(Types::parse(b"no type information at all".to_vec()).is_none());
    }
}
