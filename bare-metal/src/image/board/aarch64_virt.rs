//! QEMU's AArch64 `virt` board, entered at EL1 or EL2; the image runs at EL1 with the MMU and the caches on.
//!
//! Memory and devices are those of [`arm_virt`](super::arm_virt). Entered at EL2 (`virtualization=on`), the image leaves
//! the monitor there.

mod mmu;

mod clock;

mod semihosting;

mod exceptions;

mod tick;

mod monitor;

mod hypercall;

mod board;

mod boot;

pub(crate) use super::arm_virt::{
    DiskTransport, SNOOPING, command_line, console_write, device_registers, disk_transport,
    pci_registers, upper_memory,
};
pub(crate) use board::{Board, conform, machine};
pub(crate) use clock::now_micros;
pub(crate) use hypercall::{hypercall, shadow_window};
pub(crate) use semihosting::exit;

/// The name `cargo xtask demo --machine` knows the board by.
pub(crate) const NAME: &str = "aarch64-virt";

/// How long the monitor lets the image run without a trap or a call. Its clock is the number of instructions (10^9 and more
/// for this), which take seconds; no computation between two buffers takes so long, nor a device of an emulator that has
/// a processor at all.
pub(crate) const PATIENCE_MILLIS: usize = 10_000;
