//! The contiguous pool through what its users call: against models, and at its edges.
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

#[path = "../model/mod.rs"]
mod model;

#[path = "../model/bench.rs"]
mod bench;

#[path = "../model/steps.rs"]
mod steps;

mod site;

mod adopting;
mod giving;
mod lending;
mod lent_model;
mod low_memory;
mod numbers;
mod shared_model;
mod zeroing;
