#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(unix, windows)), no_std)]
#![cfg_attr(
    all(
        not(any(unix, windows)),
        any(target_arch = "mips", target_arch = "mips64")
    ),
    feature(asm_experimental_arch)
)]

// What the processor says and does.

pub mod error;

pub mod insn;

pub mod geometry;

// What it promises to dma-api.

pub mod cache;

// Where memory lies.

pub mod map;

pub mod masks;

pub use cache::Mips32Caches;
pub use error::Error;
