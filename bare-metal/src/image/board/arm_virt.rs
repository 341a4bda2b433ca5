//! QEMU's machine `virt` for arm processors, as far as it is the same for those of 64 and of 32 bits.
//!
//! Memory, all of it at VA = PA; what is not listed is not mapped, and an access to it ends the image:
//!
//! | from | up to | what | attributes |
//! |---|---|---|---|
//! | `0x0800_0000` | `0x1000_0000` | serial port, virtio-mmio slots, SMMU | Device-nGnRE |
//! | `0x1000_0000` | `0x1200_0000` | PCI memory | Device-nGnRE |
//! | `0x3f00_0000` | `0x3f20_0000` | PCI configuration space (`highmem=off`) | Device-nGnRE |
//! | `0x4020_0000` | `0x4200_0000` | image, page tables, exception stack | Normal write-back, executable |
//! | `0x4220_0000` | `0x4224_0000` | stack, 256 KiB, nothing mapped below it | Normal write-back |
//! | `0x4400_0000` | `0x45e0_0000` | DMA window, 30 MiB | Normal write-back |
//! | `0x45e0_0000` | `0x4600_0000` | coherent memory, 2 MiB | Normal Non-cacheable |
//! | `0x7fe0_0000` | `0x8020_0000` | memory around the end of an edu device's reach, if there is so much | Normal write-back |
//!
//! Coherent memory has no cacheable mapping, so no two mappings disagree (Arm ARM, DDI 0487, part B, "Mismatched
//! memory attributes"; DDI 0406, A3.5, under the same title). Address 0 and the first 2 MiB of RAM, where QEMU leaves
//! the device tree, are among the unmapped.
//!
//! Entered one privilege level above the image (`virtualization=on`), a board leaves a monitor there, which `seed=` on the
//! command line calls: from then on the DMA window's cached mapping leads to a copy of it
//! ([`shadow`](super::shadow)). The monitor sees physical memory, and has two copies of the window at `0x4800_0000`
//! and `0x4a00_0000`. 192 MiB of RAM are enough, save for the task `edu`, which needs 1026 MiB.

mod memory;

mod tables;

mod time;

mod serial;

mod semihosting;

mod trap;

mod monitor;

pub(crate) mod gic;

mod hypercall;

mod board;

pub(crate) use board::{Board, SNOOPING, boot, conform};
pub(crate) use hypercall::{hypercall, there_is_a_monitor};
pub(crate) use monitor::monitor;
pub(crate) use semihosting::{ADP_STOPPED_APPLICATION_EXIT, command_line, exit, keep_command_line};
pub(crate) use serial::console_write;
pub(crate) use tables::{MAIR, Table, WALKS, shadowed_table, tables};
pub(crate) use time::{micros, ticks};
pub(crate) use trap::end;

use core::ptr::NonNull;

use virtio_drivers::Hal;
use virtio_drivers::transport::mmio::MmioTransport;

use super::maps::has_upper_memory;
use super::virtio_mmio::Slots;

/// QEMU's hw/arm/virt.c: VIRT_MMIO.
const SLOTS: Slots = Slots {
    base: 0x0a00_0000,
    stride: 0x200,
    count: 32,
};

/// A disk behind a virtio-mmio slot.
pub(crate) type DiskTransport = MmioTransport<'static>;

/// The disk that was `index`-th on QEMU's command line, unless there is none or it is in use.
#[expect(
    clippy::extra_unused_type_parameters,
    reason = "all boards are asked alike; those with PCI map registers through H"
)]
pub(crate) fn disk_transport<H: Hal>(index: usize) -> Option<DiskTransport> {
    SLOTS.block_device(index)
}

/// Device registers that the CPU's bus has at `phys`, of which the image maps the virtio-mmio slots'.
///
/// # Panics
///
/// If not all of them are a slot's.
pub(crate) fn device_registers(phys: u64, len: usize) -> NonNull<u8> {
    SLOTS.registers(phys, len)
}

/// The registers of the first PCI function with these numbers, if there is one, and how many bytes they have.
pub(crate) fn pci_registers(vendor: u16, device: u16) -> Option<(NonNull<u8>, usize)> {
    memory::HOST_BRIDGE.registers(vendor, device)
}

/// Memory up to beyond what the edu device reaches, if the emulator has it. Nothing else uses it.
pub(crate) fn upper_memory() -> Option<NonNull<[u8]>> {
    has_upper_memory().then(|| memory::upper_memory().0)
}
