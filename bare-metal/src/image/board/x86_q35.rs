//! Q35 PC (`qemu-system-x86_64 -M q35 -m 128`), entered by PVH after its firmware, in 64-bit mode at privilege 0.
//!
//! The first and the fourth GiB are mapped to themselves; page 0 and a page below the stack are left out, so that a
//! null pointer and too deep a call trap. Memory is cached as the firmware's MTRRs say, and the page tables only take
//! away from that: the coherent part of the window is not cached, nor is anything from `0xc000_0000` on. Every device snoops, and reaches physical address `p` at
//! PCI address `p`.
//!
//! | physical | what |
//! |---|---|
//! | `0x0000_0000..0x0010_0000` | the firmware's, with the start information and the command line |
//! | `0x0010_0000..0x001b_f000` | the stack that traps run on, at its end |
//! | `0x001b_f000..0x001c_0000` | the unmapped page below the stack |
//! | `0x001c_0000..0x0020_0000` | the stack, 256 KiB |
//! | `0x0020_0000..0x0200_0000` | the image: code, data, page tables |
//! | `0x0200_0000..0x03e0_0000` | the DMA window: nothing but what drivers take from it |
//! | `0x03e0_0000..0x0400_0000` | its coherent part, for a device that does not snoop: uncached |
//! | `0x0400_0000..0x0800_0000` | unused memory, the firmware's tables at its end |
//! | `0x0fe0_0000..0x1020_0000` | memory around the end of an edu device's reach, if there is so much: the task `edu` needs 512 MiB |
//! | `0xc000_0000..` | PCI memory, where the firmware has placed the disks' BARs |
//! | `0xfed0_0000..0xfed0_0400` | high precision event timer |
//!
//! The code is soft-float; CR4.OSFXSR stays clear, so that an SSE instruction traps. Fences and cache-line instructions
//! do not need it.

mod port;

mod serial;
pub(crate) use serial::console_write;

mod exit;
pub(crate) use exit::exit;

mod clock;
pub(crate) use clock::now_micros;

mod pci;
pub(crate) use pci::{DiskTransport, disk_transport, pci_registers};

mod tables;

mod trap;

mod engine;

mod board;
pub(crate) use board::{Board, SNOOPING, conform, machine};

mod boot;
pub(crate) use boot::command_line;

pub(crate) use super::no_monitor::{PATIENCE_MILLIS, hypercall, shadow_window};

use core::ptr::{self, NonNull};

use super::maps::has_upper_memory;

/// The name `cargo xtask demo --machine` knows this board by.
pub(crate) const NAME: &str = "x86-q35";

/// Physical address of the first byte of the DMA window. `link/x86_64.ld` keeps the image below it.
const DMA_WINDOW_PHYS: u64 = 0x0200_0000;

/// Bytes in the cached part of the DMA window.
const DMA_WINDOW_LEN: usize = 30 << 20;

/// Physical address of its uncached part: one large page.
const COHERENT_PHYS: u64 = DMA_WINDOW_PHYS + DMA_WINDOW_LEN as u64;

/// Bytes in its uncached part.
const COHERENT_LEN: usize = 2 << 20;

/// Memory up to beyond what an edu device with 28 address lines reaches, cached; QEMU has it only if it is given so much.
const UPPER_PHYS: u64 = 0x0fe0_0000;

/// The length of that memory in bytes: half of it is within reach.
const UPPER_LEN: usize = 4 << 20;

/// Memory up to beyond what the edu device reaches, if the emulator has it. Nothing else uses it.
pub(crate) fn upper_memory() -> Option<NonNull<[u8]>> {
    let memory = || NonNull::slice_from_raw_parts(identity(UPPER_PHYS), UPPER_LEN);
    has_upper_memory().then(memory)
}

/// Device registers that the CPU's bus has at `phys`, uncached.
///
/// # Panics
///
/// If not all of them are in the uncached GiB.
pub(crate) fn device_registers(phys: u64, len: usize) -> NonNull<u8> {
    let end = phys.checked_add(len as u64);
    assert!(
        phys >= UNCACHED_FROM && end.is_some_and(|end| end <= UNCACHED_TO),
        "{phys:#x}+{len:#x} is not mapped as a device's"
    );
    identity(phys)
}

/// Where the part begins that the page tables keep out of the caches.
const UNCACHED_FROM: u64 = 0xc000_0000;
/// Where that ends, and all that is mapped with it.
const UNCACHED_TO: u64 = 0x1_0000_0000;

/// The CPU pointer to `phys`, which must be mapped.
fn identity(phys: u64) -> NonNull<u8> {
    NonNull::new(ptr::with_exposed_provenance_mut(phys as usize)).expect("page 0 is not mapped")
}
