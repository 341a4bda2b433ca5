//! The adversarial machine itself: every move that its hardware can make, every limit on them, and everything it can find wrong.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(
    unsafe_code,
    reason = "buffers come back by a promise, and lines are named by pointers"
)]

mod bench;

mod copies;

mod store_buffer;

mod maintenance;

mod levels;

mod cores;

mod colours;

mod devices;

mod silent;

mod oracles_values;

mod oracles_owners;

mod barriers;

mod counts;

mod engine;

mod config;

mod text;

mod search;

mod shrinking;

mod adversaries;

mod programs;

mod chance;
