//! Accounts and judgements as a status shows them: by the same code that the
//! faces answer with, so that one figure is one number everywhere; pure.

use tanso_carbon::account::Account;
use tanso_crds::carbon_policy::status::Figures;
use tanso_faces::answer::figures as shown;

pub use shown::{bounded, verdict_of};
pub(super) use shown::{milligrams, nearest, regulation, short};

const MICROSECONDS_PER_MILLISECOND: u64 = 1_000;

/// The figures of an account.
pub(super) fn figures(account: &Account, cpu_us: u64) -> Figures {
    let milliseconds = i64::try_from(cpu_us / MICROSECONDS_PER_MILLISECOND).unwrap_or(i64::MAX);
    shown::figures(account, milliseconds)
}
