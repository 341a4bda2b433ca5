//! The board this image is for. Nothing else in the image asks what it is compiled for.
//!
//! Each board module offers the same items:
//!
//! | item | what it is |
//! |---|---|
//! | `NAME: &str` | the name `cargo xtask demo --machine` knows it by |
//! | `console_write(&[u8])` | bytes to the serial port |
//! | `exit(u8) -> !` | ends the emulator with that exit code |
//! | `command_line() -> &'static str` | the words the host gave, separated by blanks |
//! | `now_micros() -> u64` | a monotonic clock |
//! | `Board`, `machine() -> &'static Board` | the board as the library's `Machine`, whose caches count the lines they maintain |
//! | `SNOOPING: Snooping` | whether its devices snoop |
//! | `conform(&mut impl Report)` | runs the conformance suite for every kind of device the board can have |
//! | `hypercall([usize; 4]) -> [usize; 2]` | a call of the monitor ([`calls`](super::calls)), refused if there is none |
//! | `PATIENCE_MILLIS: usize` | how long the monitor lets the image run without a trap or a call |
//! | `shadow_window()` | once the monitor has begun: the cached window leads to its copy ([`shadow`]) |
//! | `device_registers(phys, len) -> NonNull<u8>` | where the CPU sees a device's registers |
//! | `pci_registers(vendor, device)` | the registers of such a PCI function, able to master the bus, and how many bytes they have |
//! | `upper_memory() -> Option<NonNull<[u8]>>` | memory that nothing else uses, up to beyond what the board's edu device reaches |
//! | `DiskTransport`, `disk_transport::<H: Hal>(index) -> Option<DiskTransport>` | the index-th virtio block device, in bus order |

mod pci;

#[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "riscv64"))]
mod ecam;

#[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "riscv64"))]
mod virtio_mmio;

#[cfg(any(target_arch = "mips", target_arch = "x86_64"))]
mod virtio_pci;

#[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "riscv64"))]
mod shadow;

#[cfg(any(target_arch = "mips", target_arch = "x86_64"))]
mod no_monitor;

#[cfg(not(target_arch = "mips"))]
mod maps;

#[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
mod arm_virt;

#[cfg(target_arch = "aarch64")]
mod aarch64_virt;
#[cfg(target_arch = "aarch64")]
use aarch64_virt as this;

#[cfg(target_arch = "arm")]
mod armv7_virt;
#[cfg(target_arch = "arm")]
use armv7_virt as this;

#[cfg(target_arch = "riscv64")]
mod riscv64_virt;
#[cfg(target_arch = "riscv64")]
use riscv64_virt as this;

#[cfg(target_arch = "mips")]
mod mips_malta;
#[cfg(target_arch = "mips")]
use mips_malta as this;

#[cfg(target_arch = "x86_64")]
mod x86_q35;
#[cfg(target_arch = "x86_64")]
use x86_q35 as this;

pub(crate) use this::{
    Board, DiskTransport, NAME, PATIENCE_MILLIS, SNOOPING, command_line, conform, console_write,
    device_registers, disk_transport, exit, hypercall, machine, now_micros, pci_registers,
    shadow_window, upper_memory,
};
