#![doc = include_str!("../README.md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::missing_panics_doc,
    reason = "a simulator for tests on the host: a panic is how it reports what no test should do"
)]

// What there is: copies of memory, whose bytes are, what can happen.

mod cell;

pub mod layout;

pub mod steps;

mod words;

pub mod violation;

mod state;

mod traffic;

mod judge;

mod access;

mod ring;

mod program;

mod moves;

pub mod history;

pub mod adversary;

// A machine that runs.

pub mod config;

pub mod presets;

mod views;

mod live;

pub mod memory;

pub mod sync;

pub mod machine;

pub mod engine;

pub mod devices;

pub mod cpu;

// What is wrong, for people.

pub mod picture;

// Searching for what is wrong.

pub mod trial;

pub mod explore;

pub use adversary::Adversary;
pub use config::{Config, Invalidate, Maintained, Outer, Start};
pub use cpu::Cpu;
pub use devices::{Descriptor, RingDevice, ScatterGather};
pub use engine::{BusFault, DmaEngine, Manners, Started, Task};
pub use explore::explore;
pub use history::History;
pub use layout::Scope;
pub use live::StepCounts;
pub use machine::{Failure, SimMachine, Snooped};
pub use memory::{SimCoherent, SimPool};
pub use sync::SimCaches;
pub use trial::{Explored, check, find};
pub use violation::{Oracle, Violation};

/// The examples of the workspace's front page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct FrontPage;
