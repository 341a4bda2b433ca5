//! Pools of objects: against a model, and what happens at their edges.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test adopts memory, forges blocks, calculates, and panics"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "as above"
)]

mod edges;
mod model;
mod source;
