#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(unix, windows)), no_std)]

// What the processor says and does.

pub mod error;

pub mod insn;

pub mod geometry;

// What it promises to dma-api.

pub mod cache;

// Where memory lies.

pub mod map;

pub mod masks;

pub use cache::{SnoopedHarts, ZicbomCaches};
pub use error::Error;
