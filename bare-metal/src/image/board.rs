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
//! | `DiskTransport`, `disk_transport::<H: Hal>(index) -> Option<DiskTransport>` | the index-th virtio block device, in bus order |

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod virtio_mmio;

#[cfg(any(target_arch = "mips", target_arch = "x86_64"))]
mod virtio_pci;

#[cfg(target_arch = "aarch64")]
mod aarch64_virt;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64_virt::*;

#[cfg(target_arch = "riscv64")]
mod riscv64_virt;
#[cfg(target_arch = "riscv64")]
pub(crate) use riscv64_virt::*;

#[cfg(target_arch = "mips")]
mod mips_malta;
#[cfg(target_arch = "mips")]
pub(crate) use mips_malta::*;

#[cfg(target_arch = "x86_64")]
mod x86_q35;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_q35::*;
