//! QEMU's RISC-V `virt` board without firmware; the image runs in S-mode, on Sv39 tables, above a small M-mode.
//!
//! Memory as S-mode sees it; what is not listed is not mapped, and an access to it ends the image:
//!
//! | virtual, from | up to | physical, from | what |
//! |---|---|---|---|
//! | `0x0010_0000` | `0x0010_1000` | same | the test device, which ends the emulator |
//! | `0x1000_0000` | `0x1020_0000` | same | serial port, virtio-mmio slots |
//! | `0x3000_0000` | `0x3020_0000` | same | PCI configuration space |
//! | `0x4000_0000` | `0x4200_0000` | same | PCI memory |
//! | `0x8000_0000` | `0x8200_0000` | same | image, page tables, M-mode's stack; executable |
//! | `0x8220_0000` | `0x8224_0000` | same | stack, 256 KiB, nothing mapped below it |
//! | `0x8400_0000` | `0x8600_0000` | same | DMA window, 32 MiB |
//! | `0xc400_0000` | `0xc600_0000` | `0x8400_0000` | the window's alias |
//! | `0xe000_0000` | `0xe040_0000` | `0xffe0_0000` | memory around the end of an edu device's reach, if there is so much |
//!
//! The board has no uncached memory, so the alias is an uncached one only where the CPU has Svpbmt (QEMU:
//! `-cpu rv64,svpbmt=on`): its entries then say NC. Without, they are the window's own. Neither makes a
//! difference in QEMU, which has no caches.
//!
//! M-mode has all physical memory and takes every trap (see [`machine`]). With `seed=` on the command line its monitor
//! begins: from then on the window leads to a copy at `0x8800_0000` ([`shadow`](super::shadow)), and its alias to
//! the memory that devices see. QEMU needs `-bios none`; 256 MiB of RAM are enough, save for the task `edu`, which needs 2050 MiB.

mod memory;

mod mmu;

mod clock;

mod serial;

mod test_device;

mod device_tree;

mod command_line;

mod cbo;

mod tick;

mod machine;

mod hypercall;

mod board;

mod boot;

pub(crate) use board::{Board, SNOOPING, conform, machine};
pub(crate) use clock::now_micros;
pub(crate) use command_line::command_line;
pub(crate) use hypercall::{hypercall, shadow_window};
pub(crate) use serial::console_write;
pub(crate) use test_device::exit;

use core::ptr::NonNull;

use virtio_drivers::Hal;
use virtio_drivers::transport::mmio::MmioTransport;

use super::maps::has_upper_memory;
use super::virtio_mmio::Slots;

/// The name `cargo xtask demo --machine` knows the board by.
pub(crate) const NAME: &str = "riscv64-virt";

/// How long the monitor lets the image run without a trap or a call. Its clock is the number of instructions (10^9 and more
/// for this), which take seconds; no computation between two buffers takes so long, nor a device of an emulator that has
/// a processor at all.
pub(crate) const PATIENCE_MILLIS: usize = 10_000;

/// QEMU's hw/riscv/virt.c: VIRT_VIRTIO.
const SLOTS: Slots = Slots {
    base: 0x1000_1000,
    stride: 0x1000,
    count: 8,
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
