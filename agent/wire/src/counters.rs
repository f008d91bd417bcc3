//! What an agent says of hardware counters beside a page of energy, where they
//! are asked for. How each kind stands, and why, is in its metrics and logs.

/// Header of the answer to a request for energy that names how many kinds of
/// hardware counters are read, by a word of [`CountersSaid`]; absent where none
/// is asked for, and before the first reading.
pub const COUNTERS_HEADER: &str = "tanso-hardware-counters";

/// How many of the kinds of hardware counters are read on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountersSaid {
    /// Every kind.
    All,
    /// Some kinds and not others.
    Partly,
    /// No kind.
    Nothing,
}

impl CountersSaid {
    /// Said of kinds, each of which is read or not; `None` of no kinds.
    ///
    /// ```
    /// use tanso_agent_wire::counters::CountersSaid;
    /// let said = CountersSaid::of([true, true, false]);
    /// assert_eq!(said, Some(CountersSaid::Partly));
    /// ```
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = bool>) -> Option<Self> {
        let each = kinds.into_iter();
        each.map(|is_read| if is_read { Self::All } else { Self::Nothing })
            .reduce(|all, next| if all == next { all } else { Self::Partly })
    }

    /// The word in [`COUNTERS_HEADER`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Partly => "partly",
            Self::Nothing => "none",
        }
    }

    /// What a header says; `None` of another word.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let words = [Self::All, Self::Partly, Self::Nothing];
        words.into_iter().find(|said| said.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_in_any_order_say_all_partly_or_nothing() {
        assert_eq!(CountersSaid::of([]), None);
        for (kinds, said) in [
            ([true, true, true], CountersSaid::All),
            ([false, true, true], CountersSaid::Partly),
            ([true, false, true], CountersSaid::Partly),
            ([false, false, true], CountersSaid::Partly),
            ([false, false, false], CountersSaid::Nothing),
        ] {
            assert_eq!(CountersSaid::of(kinds), Some(said), "{kinds:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for said in [
            CountersSaid::All,
            CountersSaid::Partly,
            CountersSaid::Nothing,
        ] {
            assert_eq!(CountersSaid::read(said.as_str()), Some(said));
        }
        for text in ["", "All", "some", "all,none"] {
            assert_eq!(CountersSaid::read(text), None, "{text}");
        }
    }
}
