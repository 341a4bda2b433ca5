#![doc = include_str!("../README.md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::missing_panics_doc,
    reason = "a simulator for tests on the host: a panic is how it reports what no test should do"
)]

pub mod adversary;

mod views;

pub mod sync;

pub mod machine;

pub mod engine;

pub use adversary::Adversary;
pub use engine::{BusFault, DmaEngine};
pub use machine::{Config, SimMachine, Snooped};
pub use sync::{SimCaches, StepCounts};

/// The examples of the workspace's front page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct FrontPage;
