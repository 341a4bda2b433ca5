//! The adversarial machine itself: every move that its hardware can make, every limit on them, and everything it can find wrong.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod bench;

mod copies;

mod store_buffer;

mod maintenance;

mod levels;

mod cores;

mod colours;

mod devices;

mod oracles_values;

mod oracles_owners;

mod barriers;
