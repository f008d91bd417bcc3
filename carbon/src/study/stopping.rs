//! When a study has enough trials: a number, or an interval that is narrow
//! enough. The rule is stated before the run; it never looks at whether a
//! difference is significant, only at how well it is known.

use serde::{Deserialize, Serialize};

use super::number;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum StoppingRule {
    /// After so many blocks, whatever they say.
    Blocks(u32),
    /// When the interval of the primary response is narrow enough in every
    /// comparison.
    #[serde(rename_all = "camelCase")]
    HalfWidth {
        /// Half the interval's width, as a share of the mean compared against.
        relative: f64,
        /// The fewest blocks before the first look.
        blocks_min: u32,
        /// The most blocks, narrow enough or not.
        blocks_max: u32,
    },
}

impl Default for StoppingRule {
    fn default() -> Self {
        Self::Blocks(30)
    }
}

/// What the rule says after some blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "decision")]
pub enum Decision {
    /// More blocks are needed.
    #[serde(rename_all = "camelCase")]
    Continue {
        /// About how many more; absent before the first look.
        blocks: Option<u32>,
    },
    /// All planned blocks are there.
    Complete,
    /// The interval is narrow enough.
    Narrow,
    /// The most blocks are there and the interval is still too wide.
    Exhausted,
}

impl Decision {
    /// Whether no more trials are to be run.
    #[must_use]
    pub const fn is_stop(self) -> bool {
        !matches!(self, Self::Continue { .. })
    }
}

impl StoppingRule {
    /// The most blocks that it may ask for.
    #[must_use]
    pub const fn blocks_max(self) -> u32 {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::HalfWidth { blocks_max, .. } => blocks_max,
        }
    }

    /// The decision after so many complete blocks, with the widest relative
    /// half width among the comparisons; `None` if one has no interval yet.
    ///
    /// ```
    /// use tanso_carbon::study::stopping::{Decision, StoppingRule};
    /// let rule = StoppingRule::HalfWidth { relative: 0.02, blocks_min: 10, blocks_max: 60 };
    /// assert_eq!(rule.decide(20, Some(0.03)), Decision::Continue { blocks: Some(25) });
    /// assert_eq!(rule.decide(45, Some(0.0199)), Decision::Narrow);
    /// ```
    #[must_use]
    pub fn decide(self, blocks: u32, relative_half_width: Option<f64>) -> Decision {
        match self {
            Self::Blocks(planned) if blocks >= planned => Decision::Complete,
            Self::Blocks(planned) => Decision::Continue {
                blocks: Some(planned - blocks),
            },
            Self::HalfWidth { blocks_min, .. } if blocks < blocks_min => {
                Decision::Continue { blocks: None }
            }
            Self::HalfWidth {
                relative,
                blocks_max,
                ..
            } => match relative_half_width {
                Some(width) if width <= relative => Decision::Narrow,
                _ if blocks >= blocks_max => Decision::Exhausted,
                None => Decision::Continue { blocks: None },
                Some(width) => Decision::Continue {
                    blocks: Some(still_needed(blocks, width / relative).min(blocks_max - blocks)),
                },
            },
        }
    }

    /// What a reader must know about the rule.
    #[must_use]
    pub fn note(self) -> String {
        match self {
            Self::Blocks(planned) => format!(
                "{planned} blocks were planned. A report made earlier is a look at unfinished data: whoever stops at \
                 the first significant look finds differences that are not there."
            ),
            Self::HalfWidth {
                relative,
                blocks_min,
                blocks_max,
            } => format!(
                "Stops when the interval's half width is at most {} % of the mean, after {blocks_min} to {blocks_max} \
                 blocks. Looking after each block stops a little too often at a spread that is small by chance, so \
                 intervals hold the truth less often than they say: 93 instead of 95 of 100 simulated studies that \
                 looked after each block from the tenth on, 90 that looked from the second on.",
                100.0 * relative
            ),
        }
    }
}

/// The width of an interval shrinks with the root of the number of blocks.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is not negative; `as` holds it within u32"
)]
fn still_needed(blocks: u32, times_too_wide: f64) -> u32 {
    let needed = number(blocks as usize) * times_too_wide * times_too_wide;
    (needed.ceil() as u32).saturating_sub(blocks).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: StoppingRule = StoppingRule::HalfWidth {
        relative: 0.05,
        blocks_min: 8,
        blocks_max: 20,
    };

    #[test]
    fn a_narrow_interval_does_not_stop_before_the_fewest_blocks() {
        let decision = RULE.decide(7, Some(0.001));
        assert_eq!(decision, Decision::Continue { blocks: None });
        assert_eq!(RULE.decide(8, Some(0.001)), Decision::Narrow);
    }

    #[test]
    fn the_most_blocks_stop_a_study_that_never_narrows() {
        assert_eq!(RULE.decide(20, Some(0.5)), Decision::Exhausted);
        assert_eq!(RULE.decide(20, None), Decision::Exhausted);
        let decision = RULE.decide(12, Some(0.5));
        assert_eq!(decision, Decision::Continue { blocks: Some(8) });
    }

    #[test]
    fn the_note_tells_what_an_early_look_costs() {
        assert!(RULE.note().contains("90 that looked from the second on"));
        assert!(!StoppingRule::Blocks(30).note().contains("looked from"));
    }

    #[test]
    fn a_fixed_number_never_looks_at_the_interval() {
        let rule = StoppingRule::Blocks(30);
        assert!(!rule.decide(29, Some(0.0)).is_stop());
        assert_eq!(rule.decide(30, None), Decision::Complete);
    }
}
