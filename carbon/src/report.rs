//! Digests of inputs, so that a reader can tell whether two reports were made
//! from the same data. Text for people is made elsewhere.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::account::EnergyRow;

/// The SHA-256 of inputs in their canonical form: one line per fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of a text as it is.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self::finish(Sha256::new().chain_update(text))
    }

    /// The digest of lines in the given order, each ended by a line feed.
    pub fn of_lines(lines: impl IntoIterator<Item = String>) -> Self {
        Self::finish(lines.into_iter().fold(Sha256::new(), |hash, line| {
            hash.chain_update(line.as_bytes()).chain_update(b"\n")
        }))
    }

    /// The digest of energy rows, the same in whatever order they come.
    #[must_use]
    pub fn of_rows(rows: &[EnergyRow]) -> Self {
        let mut lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let energy = row.energy.map(tanso_power::Joules::microjoules);
                format!(
                    "{} {} {} {} {} {}",
                    row.hour, row.place, energy.low, energy.value, energy.high, row.provenance
                )
            })
            .collect();
        lines.sort_unstable();
        Self::of_lines(lines)
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, enough to tell reports apart by eye.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    fn finish(hash: Sha256) -> Self {
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// How many bytes are gathered before they are hashed.
const GATHERED: usize = 1 << 16;

/// Facts in a fixed binary form, fed to SHA-256 as they come: for inputs of
/// millions of facts, of which no text is made.
///
/// The form begins with a byte that is its version. Numbers have a fixed length
/// and their lowest byte first, a text its length in bytes (eight of them) before
/// it. A list is told with the number of its entries, so that no two sequences of
/// facts have the same bytes as long as each fact says what it is; which facts
/// come, and in which order, is the caller's to fix.
///
/// ```
/// use tanso_carbon::report::Canonical;
/// let digest = |texts: [&str; 2]| {
///     let mut facts = Canonical::new(1);
///     texts.map(|text| facts.text(text));
///     facts.finish()
/// };
/// assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
/// ```
#[derive(Debug)]
pub struct Canonical {
    hash: Sha256,
    gathered: Vec<u8>,
}

impl Canonical {
    /// Nothing yet, in this version of the caller's form.
    #[must_use]
    pub fn new(version: u8) -> Self {
        let mut facts = Self {
            hash: Sha256::new(),
            gathered: Vec::with_capacity(2 * GATHERED),
        };
        facts.bytes([version]);
        facts
    }

    /// Bytes whose number the form fixes.
    #[inline]
    pub fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= GATHERED {
            self.hash_gathered();
        }
    }

    /// A number of eight bytes.
    #[inline]
    pub fn number(&mut self, number: u64) {
        self.bytes(number.to_le_bytes());
    }

    /// Numbers, as many as the form fixes, of eight bytes each.
    #[inline]
    pub fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        let bytes = numbers.map(u64::to_le_bytes);
        self.gathered.extend_from_slice(bytes.as_flattened());
        if self.gathered.len() >= GATHERED {
            self.hash_gathered();
        }
    }

    /// How many there are of something.
    pub fn count(&mut self, count: usize) {
        // No memory holds more than a number of eight bytes tells.
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.gathered.extend_from_slice(text.as_bytes());
        if self.gathered.len() >= GATHERED {
            self.hash_gathered();
        }
    }

    /// A list of texts in their order.
    pub fn texts<T: AsRef<str>>(&mut self, texts: &[T]) {
        self.count(texts.len());
        for text in texts {
            self.text(text.as_ref());
        }
    }

    /// The digest of all that came.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        self.hash_gathered();
        Digest::finish(self.hash)
    }

    fn hash_gathered(&mut self) {
        self.hash.update(&self.gathered);
        self.gathered.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_is_plain_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of_text("").as_str(), empty);
        let lines = Digest::of_lines(["a".to_owned(), "b".to_owned()]);
        assert_eq!(lines, Digest::of_text("a\nb\n"));
    }

    /// Written out once more by hand: whoever reads the form needs no more.
    #[test]
    fn facts_have_the_form_that_is_told() {
        let mut facts = Canonical::new(7);
        facts.number(0x0102);
        facts.bytes([9, 8]);
        facts.numbers([3, 4]);
        facts.texts(&["a", "bcd"]);
        let by_hand = [
            &[7][..],
            &[2, 1, 0, 0, 0, 0, 0, 0],
            &[9, 8],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0],
            b"a",
            &[3, 0, 0, 0, 0, 0, 0, 0],
            b"bcd",
        ];
        let wanted = Digest::finish(Sha256::new().chain_update(by_hand.concat()));
        assert_eq!(facts.finish(), wanted);
    }

    proptest! {
        /// However they are cut into lists, and however many bytes there are.
        #[test]
        fn texts_never_run_together(
            one in prop::collection::vec("[ab]{0,3}", 0..4),
            other in prop::collection::vec("[ab]{0,3}", 0..4),
            long in 0_usize..3,
        ) {
            let of = |texts: &[String]| {
                let mut facts = Canonical::new(1);
                facts.text(&"x".repeat(long * GATHERED));
                facts.texts(texts);
                facts.finish()
            };
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }
}
