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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_plain_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of_text("").as_str(), empty);
        let lines = Digest::of_lines(["a".to_owned(), "b".to_owned()]);
        assert_eq!(lines, Digest::of_text("a\nb\n"));
    }
}
