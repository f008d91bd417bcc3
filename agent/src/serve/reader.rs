//! Who reads, as far as figures depend on it.

/// How much a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Everything, as fine as it was measured.
    Trusted,
    /// Coarse figures only: nobody vouches for this reader.
    Anonymous,
}
