#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(unix, windows)), no_std)]

mod insn;

pub mod geometry;

pub mod cache;

pub mod map;

pub mod masks;

pub use cache::{Aarch64Caches, Armv7Caches, Caches, CortexA9Caches};
#[cfg(any(unix, windows))]
pub use insn::recorded;
pub use map::{NonCacheable, non_cacheable};
