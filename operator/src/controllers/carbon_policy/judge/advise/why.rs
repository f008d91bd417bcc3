//! Why there is no advice of a kind; pure.

use std::fmt;

use tanso_carbon::recommend::idle::InUse;
use tanso_carbon::recommend::{Action, NoAdvice, WhyNot};

/// A kind of advice that there is none of, and why.
#[derive(Clone, Debug)]
pub(in super::super) struct Counted {
    pub(in super::super) action: Action,
    pub(in super::super) reason: WhyNot,
    pub(in super::super) message: Message,
}

/// Why, for people: of thousands of workloads one is the example that is read,
/// so words are only made of it.
#[derive(Clone, Debug)]
pub(in super::super) enum Message {
    Fixed(&'static str),
    Said(String),
    InUse(InUse),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(words) => f.write_str(words),
            Self::Said(words) => f.write_str(words),
            Self::InUse(used) => used.fmt(f),
        }
    }
}

/// Why something is not advised to be removed.
pub(super) enum Kept {
    InUse(InUse),
    Otherwise(NoAdvice),
}

impl From<NoAdvice> for Kept {
    fn from(why: NoAdvice) -> Self {
        Self::Otherwise(why)
    }
}
