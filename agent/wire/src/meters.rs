//! What an agent says of its meters beside a page of energy: which there are,
//! and the state that each is in. Texts of faults are in its metrics and logs.

/// Header of the answer to a request for energy that names the node's meters
/// with their states, `rapl=active,nvml=absent`; absent before the first
/// reading.
pub const METERS_HEADER: &str = "tanso-meters";

/// Most meters that are read from a header.
const METERS_MAX: usize = 32;
/// Longest name or state, bytes.
const WORD_MAX: usize = 32;

/// A meter, and the state that it is in: `active`, `standby`, `disabled`,
/// `absent` or `failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterSaid {
    /// Its name, as in the label `meter`.
    pub name: String,
    /// Its state.
    pub state: String,
}

/// The text of [`METERS_HEADER`].
///
/// ```
/// use tanso_agent_wire::meters::{read, write};
/// let text = write([("rapl", "active"), ("nvml", "absent")]);
/// assert_eq!(text, "rapl=active,nvml=absent");
/// assert_eq!(read(&text)[1].state, "absent");
/// ```
pub fn write<'a>(meters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let words = meters
        .into_iter()
        .map(|(name, state)| format!("{name}={state}"));
    words.collect::<Vec<_>>().join(",")
}

/// The meters that a header names; what is no meter is passed over.
#[must_use]
pub fn read(text: &str) -> Vec<MeterSaid> {
    let is_word = |word: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=WORD_MAX).contains(&word.len()) && word.bytes().all(is_letter)
    };
    let meter = |part: &str| {
        let (name, state) = part.trim().split_once('=')?;
        (is_word(name) && is_word(state)).then(|| MeterSaid {
            name: name.to_owned(),
            state: state.to_owned(),
        })
    };
    text.split(',').filter_map(meter).take(METERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_or_keep_much(text in ".{0,4000}") {
            let found = read(&text);
            prop_assert!(found.len() <= METERS_MAX);
            for one in found {
                prop_assert!(one.name.len() <= WORD_MAX && one.state.len() <= WORD_MAX);
            }
        }
    }

    #[test]
    fn what_is_no_meter_is_passed_over() {
        let found = read("rapl=active, <b>=x,nvml,=,gpu_amd=failed");
        let words: Vec<_> = found.iter().map(|one| (&*one.name, &*one.state)).collect();
        assert_eq!(words, [("rapl", "active"), ("gpu_amd", "failed")]);
        assert!(read("").is_empty());
    }
}
