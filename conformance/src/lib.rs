#![doc = include_str!("../README.md")]
#![no_std]

pub mod report;

mod ranges;

mod ownership;

mod direction;

mod constraints;

mod pools;

mod suite;

pub use report::{Failure, Report, equal};
pub use suite::{Summary, run};
