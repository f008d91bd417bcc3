//! Measures a node: energy per process, container, pod and node.

fn main() {}
