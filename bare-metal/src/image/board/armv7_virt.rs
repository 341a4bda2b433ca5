//! QEMU's `virt` board with an Armv7-A processor, entered in SVC or Hyp mode; the image runs in SVC mode with the MMU and
//! the caches on.
//!
//! Memory and devices are those of [`arm_virt`](super::arm_virt). Entered in Hyp mode (`virtualization=on`), the image
//! leaves the monitor there.

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
pub(crate) const NAME: &str = "armv7-virt";

/// How long the monitor lets the image run without a trap or a call, on a clock that is the number of instructions: less
/// than on the other boards, since a driver that spins executes YIELD here, at which the emulator leaves its loop. So many
/// of them take it as many seconds.
pub(crate) const PATIENCE_MILLIS: usize = 2000;
