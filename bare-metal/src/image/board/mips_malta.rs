//! MIPS Malta with a 24Kf (`qemu-system-mipsel -M malta -m 128`), little endian, all in kernel mode.
//!
//! Every address is in an unmapped segment, so that no TLB entry is needed: the CPU reaches physical address `p`
//! below 512 MiB through KSEG0 at `0x8000_0000 + p`, cached, and through KSEG1 at `0xa000_0000 + p`, uncached
//! (MIPS32 PRA, MD00090, "Virtual Address Space"). A device reaches it at PCI address `p`.
//!
//! | physical | what |
//! |---|---|
//! | `0x0000_0000..0x0000_1000` | exception vectors (see `trap`) |
//! | `0x0000_2000..` | the loader's argument strings |
//! | `0x0010_0000..0x0200_0000` | the image: code, data, 16 KiB trap stack, 256 KiB stack |
//! | `0x0200_0000..0x0400_0000` | the DMA window: nothing but what drivers take from it |
//! | `0x0400_0000..0x0800_0000` | unused memory |
//! | `0x1000_0000..0x1800_0000` | PCI memory, at the same PCI addresses; disk BARs go to its start |
//! | `0x1800_0000..0x1820_0000` | PCI I/O |
//! | `0x1be0_0000..0x1be0_1000` | GT-64120 registers |

mod serial;
pub(crate) use serial::console_write;

mod uhi;
pub(crate) use uhi::exit;

mod clock;
pub(crate) use clock::now_micros;

mod pci;
pub(crate) use pci::{DiskTransport, disk_transport, pci_registers};

mod trap;

mod engine;

mod board;
pub(crate) use board::{Board, SNOOPING, conform, machine};

mod boot;
pub(crate) use boot::command_line;

pub(crate) use super::no_monitor::{PATIENCE_MILLIS, hypercall, shadow_window};

use core::ptr::NonNull;

use arch_mips::map::{kseg0, kseg1};
use dma_api::{PhysAddr, PhysRange};

/// The name `cargo xtask demo --machine` knows this board by.
pub(crate) const NAME: &str = "mips-malta";

/// Physical address of the first byte of the DMA window. `link/mips.ld` keeps the image below it.
const DMA_WINDOW_PHYS: u64 = 0x0200_0000;

/// Bytes in the DMA window.
const DMA_WINDOW_LEN: usize = 32 << 20;

/// Device registers that the CPU's bus has at `phys`, uncached.
///
/// # Panics
///
/// If not all of them are in the first 512 MiB.
pub(crate) fn device_registers(phys: u64, len: usize) -> NonNull<u8> {
    kseg1(range(phys, len)).unwrap_or_else(|error| panic!("{error}"))
}

/// None: QEMU's emulator of this processor has no edu device.
pub(crate) const fn upper_memory() -> Option<NonNull<[u8]>> {
    None
}

/// Memory at `phys`, cached.
fn cached(phys: u64, len: usize) -> NonNull<u8> {
    kseg0(range(phys, len)).unwrap_or_else(|error| panic!("{error}"))
}

fn range(phys: u64, len: usize) -> PhysRange {
    PhysRange::new(PhysAddr::new(phys), len as u64).expect("neither is empty")
}
