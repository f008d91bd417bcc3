//! The bytes of an answer, compressed on the way if the reader asked for it.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How an answer is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// As it is.
    Identity,
    /// Compressed, quickly rather than tightly.
    Gzip,
}

/// How much is gathered before it is compressed: the whole text never stands
/// in memory at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Bytes being gathered.
pub struct Body {
    buffer: Vec<u8>,
    packed: Option<GzEncoder<Vec<u8>>>,
    fault: Option<io::Error>,
}

impl Body {
    /// An empty body.
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        let packed = (coding == Coding::Gzip)
            .then(|| GzEncoder::new(Vec::with_capacity(CHUNK_BYTES), Compression::fast()));
        Self {
            buffer: Vec::with_capacity(CHUNK_BYTES),
            packed,
            fault: None,
        }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.add(|buffer| buffer.extend_from_slice(bytes));
    }

    /// Adds what `write` puts at the end of what is gathered.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.buffer);
        if self.packed.is_some() && self.buffer.len() >= CHUNK_BYTES {
            self.spill();
        }
    }

    fn spill(&mut self) {
        let Some(packed) = &mut self.packed else {
            return;
        };
        if let Err(fault) = packed.write_all(&self.buffer) {
            self.fault.get_or_insert(fault);
        }
        self.buffer.clear();
    }

    /// All bytes.
    ///
    /// # Errors
    /// Never in practice: writing to memory does not fail.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.spill();
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match self.packed {
            Some(packed) => packed.finish(),
            None => Ok(self.buffer),
        }
    }
}
