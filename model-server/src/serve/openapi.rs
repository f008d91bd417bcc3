//! The server's description of itself.

/// `OpenAPI` 3.1, as served.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");
