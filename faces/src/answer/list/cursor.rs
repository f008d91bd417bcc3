//! Where a page of a list ends, and what names that place to the next one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::status::WorkloadResult;

use super::Sort;
use crate::answer::AnswerFault;

/// The place of a workload in an order: smaller comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key(
    pub(super) (i64, i64),
    pub(super) String,
    pub(super) String,
    pub(super) String,
    pub(super) u32,
);

/// What a cursor holds.
#[derive(Serialize, Deserialize)]
struct Cursor {
    sort: Sort,
    after: Key,
}

/// Whether a workload of a rank stands behind a place.
pub(super) fn is_after(after: &Key, rank: (i64, i64), result: &WorkloadResult, index: u32) -> bool {
    let Key(than, namespace, kind, name, policy) = after;
    (rank, &result.namespace, &result.kind, &result.name, index)
        > (*than, namespace, kind, name, *policy)
}

/// The cursor of a place.
pub(super) fn write(sort: Sort, after: &Key) -> String {
    let cursor = Cursor {
        sort,
        after: after.clone(),
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

/// The place of a cursor of the same order.
pub(super) fn read(text: &str, sort: Sort) -> Result<Key, AnswerFault> {
    let wrong = || {
        AnswerFault::invalid(
            "cursor",
            "…",
            "the nextCursor of the page before, with the same sort",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    if cursor.sort == sort {
        Ok(cursor.after)
    } else {
        Err(wrong())
    }
}
