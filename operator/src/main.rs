//! Rolls out agents, books their energy and judges carbon policies.

fn main() {}
