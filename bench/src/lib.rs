//! The pools of this workspace beside their peers: the same calls, in one run, on one machine.
//!
//! `cargo xtask bench pools` builds and runs it; `bench/results/pools.md` says how each figure comes about.
#![allow(
    missing_debug_implementations,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    reason = "a program for the host, where a panic stops a command that nothing else depends on; most peers have no `Debug`"
)]

pub mod peer;

pub mod script;

pub mod sizes;

pub mod churn;

pub mod workloads;

pub mod lane;

pub mod mapping;

pub mod peers;

pub mod roster;

pub mod stats;

pub mod timing;

pub mod each;

pub mod growth;

pub mod threads;

pub mod space;

pub mod books;

pub mod figures;

pub mod versions;

pub mod report;

pub mod plot;

pub mod objects;

pub mod instructions;

pub mod parts;

pub mod pools;
