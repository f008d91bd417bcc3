//! What a node says to the cluster.
//!
//! Both sides use these types: the agent encodes them, the operator decodes
//! them, so names cannot drift apart. Nothing here reads, serves or fetches.

pub mod counters;
pub mod energy;
pub mod families;
pub mod meters;
pub mod zone;
