#![doc = include_str!("../README.md")]
#![no_std]

pub mod report;

pub mod engine;

mod ranges;

mod bare;

mod lines;

mod ownership;

mod direction;

mod transfers;

mod ordering;

mod constraints;

mod pools;

mod others;

mod loans;

pub mod suite;

pub use engine::{BusFault, Engine};
pub use report::{Check, Failure, Outcome, Reason, Report, equal};
pub use suite::{CHECKS, Summary, run, run_with};
