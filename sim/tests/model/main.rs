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

// What the tests are written with.

mod bench;

mod verdicts;

// Copies of memory, and what the hardware may do with them.

mod copies;

mod store_buffer;

mod maintenance;

mod order;

mod erratum;

mod levels;

mod cores;

mod colours;

mod silent;

// Devices.

mod posted;

mod snooping;

mod started;

mod engine;

// What is found wrong.

mod stale;

mod lost;

mod ownership;

mod ring;

mod reuse;

mod doorbell;

mod completion;

mod counts;

// Machines, adversaries, and what people read.

mod config;

mod adversaries;

mod text;

mod telling;

// Searching.

mod search;

mod told_again;

mod shrinking;

mod programs;

mod chance;
