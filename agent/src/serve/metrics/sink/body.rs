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
        Self::within(Vec::new(), coding)
    }

    /// An empty body whose bytes will stand in `memory`; what is in it is gone.
    #[must_use]
    pub fn within(mut memory: Vec<u8>, coding: Coding) -> Self {
        memory.clear();
        memory.reserve(CHUNK_BYTES);
        let (buffer, packed) = match coding {
            Coding::Identity => (memory, None),
            Coding::Gzip => {
                let packed = GzEncoder::new(memory, Compression::fast());
                (Vec::with_capacity(CHUNK_BYTES), Some(packed))
            }
        };
        Self {
            buffer,
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_was_in_the_memory_before_is_gone_in_either_coding() {
        let written = |coding: Coding| {
            let mut body = Body::within(b"of the answer before".to_vec(), coding);
            body.push(b"new");
            body.finish().unwrap()
        };
        assert_eq!(written(Coding::Identity), b"new");
        let packed = written(Coding::Gzip);
        let mut text = String::new();
        let mut reader = flate2::read::GzDecoder::new(packed.as_slice());
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "new");
    }
}
