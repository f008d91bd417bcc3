//! The meters on the sysfs trees of real machines' shapes: which are found,
//! what contains what, and what a node's total is.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[path = "meters/kepler.rs"]
mod kepler;
#[path = "meters/shapes.rs"]
mod shapes;
#[path = "meters/tree.rs"]
mod tree;
