//! One image for each emulated board: it boots, proves the library on the machine, and exits with a verdict.
//!
//! `cargo xtask image` builds it for every board; a build for a hosted system only says so.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    all(target_os = "none", target_arch = "mips"),
    feature(asm_experimental_arch)
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a panic is this program's way to report failure"
)]

#[cfg(target_os = "none")]
mod image;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("bare-metal runs on an emulated board: use `cargo xtask demo` or `cargo xtask test`");
    std::process::ExitCode::FAILURE
}
